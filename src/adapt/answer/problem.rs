//! Problem descriptions as JSON (RFC 9457).

use alloc::format;

use bytes::Bytes;

use crate::verdict::{Denial, DenialReason};

pub(super) fn problem(denial: &Denial) -> Bytes {
    match denial.reason() {
        // The name needs no escaping: the gate's builder has seen to it.
        DenialReason::Limit => Bytes::from(format!(
            "{{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\",\
             \"title\":\"Quota Exceeded\",\"status\":{},\"violated-policies\":[\"{}\"]}}",
            denial.status(),
            denial.name()
        )),
        // What a rule is called is not the sender's business.
        _ => {
            let title = "Refused";
            Bytes::from(format!(
                "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{}}}",
                denial.status()
            ))
        }
    }
}
