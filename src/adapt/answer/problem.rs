//! Problem descriptions as JSON (RFC 9457), with the types that the draft of the RateLimit fields defines.
//!
//! Most of them are written ahead; the others are put together from pieces.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{
    cause::{Cause, policy},
    digits::Digits,
    escape,
    texts::LimitText,
};
use crate::verdict::Denial;

/// The description of a denial.
pub(super) fn problem(denial: &Denial, cause: Cause, text: Option<&LimitText>) -> Bytes {
    let status = denial.status();
    match (cause, text) {
        (Cause::Other, _) => blank(status),
        (Cause::Quota, Some(text)) if status == USED_UP => Bytes::clone(&text.used_up),
        _ => described(cause, status, policy(denial)),
    }
}

/// The description of this limit, used up.
pub(super) fn used_up(limit: &str) -> Bytes {
    described(Cause::Quota, USED_UP, Some(limit))
}

const USED_UP: u16 = 429;

fn described(cause: Cause, status: u16, policy: Option<&str>) -> Bytes {
    let kind: &[u8] = match cause {
        Cause::Quota => b"quota-exceeded\",\"title\":\"Quota Exceeded",
        Cause::Capacity => b"temporary-reduced-capacity\",\"title\":\"Temporary Reduced Capacity",
        Cause::Abnormal => b"abnormal-usage-detected\",\"title\":\"Abnormal Usage Detected",
        Cause::Other => return blank(status),
    };
    let (before, name, after): (&[u8], _, &[u8]) = match policy {
        Some(policy) => (b",\"violated-policies\":[\"", escape::json(policy), b"\"]}"),
        None => (b"", Vec::new(), b"}"),
    };
    let start = b"{\"type\":\"https://iana.org/assignments/http-problem-types#";
    let status = Digits::of(status.into());
    [start, kind, b"\",\"status\":", status.as_bytes(), before, &name, after].concat().into()
}

/// What is known of statuses: their phrases, and the problem that consists of nothing else.
macro_rules! phrases {
    ($($status:literal $phrase:literal)*) => {
        /// What a status is called, if there is a name for it.
        pub(super) const fn phrase(status: u16) -> Option<&'static str> {
            match status {
                $($status => Some($phrase),)*
                _ => None,
            }
        }

        /// The description of a problem that its status says all about.
        fn blank(status: u16) -> Bytes {
            let text = match status {
                $($status => concat!(
                    "{\"type\":\"about:blank\",\"title\":\"", $phrase, "\",\"status\":", $status, "}"
                ),)*
                _ => {
                    let status = Digits::of(status.into());
                    let start = b"{\"type\":\"about:blank\",\"status\":";
                    return [start, status.as_bytes(), b"}"].concat().into();
                }
            };
            Bytes::from_static(text.as_bytes())
        }
    };
}

phrases! {
    400 "Bad Request"
    401 "Unauthorized"
    402 "Payment Required"
    403 "Forbidden"
    404 "Not Found"
    405 "Method Not Allowed"
    406 "Not Acceptable"
    407 "Proxy Authentication Required"
    408 "Request Timeout"
    409 "Conflict"
    410 "Gone"
    411 "Length Required"
    412 "Precondition Failed"
    413 "Content Too Large"
    414 "URI Too Long"
    415 "Unsupported Media Type"
    416 "Range Not Satisfiable"
    417 "Expectation Failed"
    421 "Misdirected Request"
    422 "Unprocessable Content"
    423 "Locked"
    424 "Failed Dependency"
    425 "Too Early"
    426 "Upgrade Required"
    428 "Precondition Required"
    429 "Too Many Requests"
    431 "Request Header Fields Too Large"
    451 "Unavailable For Legal Reasons"
    500 "Internal Server Error"
    501 "Not Implemented"
    502 "Bad Gateway"
    503 "Service Unavailable"
    504 "Gateway Timeout"
    505 "HTTP Version Not Supported"
    506 "Variant Also Negotiates"
    507 "Insufficient Storage"
    508 "Loop Detected"
    511 "Network Authentication Required"
}
