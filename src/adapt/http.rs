//! Requests of the `http` crate, and denials as its responses (RFC 6585, RFC 9110 and RFC 9457).

mod view;

use alloc::format;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};

pub(super) use self::view::view;
use crate::verdict::{Denial, DenialReason};

/// The response to a refused request: the status, `Retry-After` in whole seconds, rounded up, where
/// waiting helps, and a problem description as JSON.
pub(super) fn refusal(denial: &Denial) -> Response<Bytes> {
    let mut response = Response::new(problem(denial));
    *response.status_mut() =
        StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(wait) = denial.retry_after() {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn problem(denial: &Denial) -> Bytes {
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
            let status = StatusCode::from_u16(denial.status()).ok();
            let title = status.and_then(|status| status.canonical_reason()).unwrap_or("Refused");
            Bytes::from(format!(
                "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{}}}",
                denial.status()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::{string::String, sync::Arc};

    use super::refusal;
    use crate::{
        Quota, Timestamp, TokenBucket,
        verdict::{Denial, DenialReason},
    };

    #[test]
    fn a_used_up_limit_is_429_with_a_wait_that_is_never_zero_and_never_early() {
        for (quota, seconds) in [
            (Quota::per_second(1_000).burst(1), "1"),
            (Quota::per_second(1), "1"),
            (Quota::new(1, Duration::from_millis(1_001)).unwrap(), "2"),
            (Quota::per_minute(1), "60"),
        ] {
            let bucket = TokenBucket::new(quota);
            assert!(bucket.check(Timestamp::ZERO).is_admitted());
            let standing = bucket.check(Timestamp::ZERO).standing();
            let denial =
                Denial::new(DenialReason::Limit, Arc::from("per client"), Some(standing), None);
            let response = refusal(&denial);
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers()["retry-after"], seconds, "{quota}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert_eq!(response.headers()["cache-control"], "no-store");
            let body = String::from_utf8(response.into_body().to_vec()).unwrap();
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["status"], 429);
            assert_eq!(body["violated-policies"][0], "per client");
        }
    }

    #[test]
    fn where_waiting_does_not_help_there_is_no_retry_after() {
        let bucket = TokenBucket::new(Quota::per_second(0));
        let never = bucket.check(Timestamp::ZERO).standing();
        for (reason, standing, status) in [
            (DenialReason::Limit, Some(never), 429),
            (DenialReason::DenyList, None, 403),
            (DenialReason::MissingPeer, None, 403),
        ] {
            let response = refusal(&Denial::new(reason, Arc::from("x"), standing, None));
            assert_eq!(response.status(), status);
            assert!(!response.headers().contains_key("retry-after"));
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["status"], status);
        }
        let full = Denial::new(DenialReason::Saturated, Arc::from("x"), None, Some(Duration::ZERO));
        assert_eq!(refusal(&full).headers()["retry-after"], "1");
    }
}
