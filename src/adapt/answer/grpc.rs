//! Refusals as gRPC has them: status 200 with the fields that otherwise end a response, and no body
//! ("Trailers-Only").
//!
//! | denied | `grpc-status` |
//! |---|---|
//! | by a limit, or banned | 8, `RESOURCE_EXHAUSTED` |
//! | by a limit or a store that all share, with status 503 | 14, `UNAVAILABLE` |
//! | by a rule or a list, with another status | what clients conclude from it: 7, `PERMISSION_DENIED`, for 403; 16, `UNAUTHENTICATED`, for 401; 12, `UNIMPLEMENTED`, for 404; 13, `INTERNAL`, for 400 and 431; 14 for 502, 503 and 504; 8 for 429; 2, `UNKNOWN`, for all others |
//!
//! When to try again is said twice: to clients that read `google.rpc.RetryInfo`, and to those that retry by
//! themselves, in `grpc-retry-pushback-ms` (gRFC A6), where -1 means not to.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::{
    Field, Lines,
    cause::{Cause, policy},
    digits::Digits,
    escape,
    problem::phrase,
    texts::LimitText,
};
use crate::verdict::Denial;

/// Whether this is a content type of gRPC or gRPC-Web, in any of their encodings.
pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    let Some((start, rest)) = content_type.split_at_checked(TYPE.len()) else { return false };
    start.eq_ignore_ascii_case(TYPE)
        && matches!(rest.first(), None | Some(b'+' | b'-' | b';' | b' ' | b'\t'))
}

const TYPE: &[u8] = b"application/grpc";

/// Adds what a refusal says to who sent a request of this content type.
pub(super) fn add(
    lines: &mut Lines,
    denial: &Denial,
    cause: Cause,
    text: Option<&LimitText>,
    content_type: &[u8],
) {
    lines.add(Field::ContentType, said_back(content_type));
    let made;
    let said = match (cause, text) {
        (Cause::Quota, Some(text)) => &text.grpc,
        _ => {
            made = Said::of(cause, denial.status(), policy(denial));
            &made
        }
    };
    lines.add(Field::GrpcStatus, Bytes::from_static(said.code.digits()));
    lines.add(Field::GrpcMessage, Bytes::clone(&said.message));
    match denial.retry_after() {
        Some(wait) => {
            let status = [&*said.status, &details(wait)].concat();
            lines.add(Field::GrpcDetails, escape::base64(&status).into());
            lines.add(Field::GrpcPushback, pushback(wait));
        }
        None if denial.status() < 500 => lines.add(Field::GrpcPushback, NEVER),
        // Whether to try that again is the client's policy.
        None => {}
    }
}

/// Code and message of a refusal.
#[derive(Debug)]
pub(super) struct Said {
    code: Code,
    /// Percent-encoded.
    message: Bytes,
    /// The same two as the first fields of a `google.rpc.Status`.
    status: Vec<u8>,
}

impl Said {
    /// For a limit that is used up.
    pub(super) fn used_up(limit: &str) -> Self {
        Self::of(Cause::Quota, 429, Some(limit))
    }

    fn of(cause: Cause, status: u16, policy: Option<&str>) -> Self {
        let title = match cause {
            Cause::Quota => "Quota Exceeded",
            Cause::Capacity => "Temporary Reduced Capacity",
            Cause::Abnormal => "Abnormal Usage Detected",
            Cause::Other => phrase(status).unwrap_or("Refused"),
        };
        let message = match policy {
            Some(policy) => [title, ": ", policy].concat(),
            None => title.into(),
        };
        let code = Code::of(cause, status);
        let mut status = Vec::new();
        number(&mut status, 1, u64::from(code.number()));
        bytes(&mut status, 2, message.as_bytes());
        Self { code, message: escape::percent(&message).into(), status }
    }
}

/// The codes that refusals have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Unknown = 2,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl Code {
    fn of(cause: Cause, status: u16) -> Self {
        match cause {
            Cause::Quota | Cause::Abnormal => Self::ResourceExhausted,
            Cause::Capacity => Self::Unavailable,
            // gRPC's own table, but for 429: where a server says that, it is not unavailable.
            Cause::Other => match status {
                400 | 431 => Self::Internal,
                401 => Self::Unauthenticated,
                403 => Self::PermissionDenied,
                404 => Self::Unimplemented,
                429 => Self::ResourceExhausted,
                502..=504 => Self::Unavailable,
                _ => Self::Unknown,
            },
        }
    }

    const fn number(self) -> u8 {
        self as u8
    }

    const fn digits(self) -> &'static [u8] {
        match self {
            Self::Unknown => b"2",
            Self::PermissionDenied => b"7",
            Self::ResourceExhausted => b"8",
            Self::Unimplemented => b"12",
            Self::Internal => b"13",
            Self::Unavailable => b"14",
            Self::Unauthenticated => b"16",
        }
    }
}

/// The request's content type, if it is one that can be said back, without its parameters.
fn said_back(content_type: &[u8]) -> Bytes {
    let end = content_type.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t'));
    let kind = content_type.get(..end.unwrap_or(content_type.len())).unwrap_or_default();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"/+-._".contains(byte);
    if kind == TYPE || kind.len() > LONGEST_TYPE || !kind.iter().all(fits) {
        return Bytes::from_static(TYPE);
    }
    Bytes::copy_from_slice(kind)
}

const LONGEST_TYPE: usize = 64;

/// A wait in milliseconds: rounded up, so never early and never 0.
fn pushback(wait: Duration) -> Bytes {
    match i32::try_from(wait.as_nanos().div_ceil(1_000_000)) {
        Ok(millis) => {
            Bytes::copy_from_slice(Digits::of(u64::from(millis.unsigned_abs())).as_bytes())
        }
        // More than clients can read, and longer than a call waits.
        Err(_) => NEVER,
    }
}

const NEVER: Bytes = Bytes::from_static(b"-1");

/// The details of a `google.rpc.Status`: an `Any` that is a `RetryInfo`.
fn details(wait: Duration) -> Vec<u8> {
    let (mut delay, mut info, mut any, mut status) = Default::default();
    // The most that a protobuf's duration can be, ten thousand years.
    number(&mut delay, 1, wait.as_secs().min(315_576_000_000));
    number(&mut delay, 2, wait.subsec_nanos().into());
    bytes(&mut info, 1, &delay);
    bytes(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
    bytes(&mut any, 2, &info);
    bytes(&mut status, 3, &any);
    status
}

/// A field of a protobuf message that is a number.
fn number(message: &mut Vec<u8>, field: u8, value: u64) {
    // Zero is what is not there.
    if value != 0 {
        message.push(field << 3);
        varint(message, value);
    }
}

/// A field of a protobuf message that has a length: a text, bytes, another message.
fn bytes(message: &mut Vec<u8>, field: u8, value: &[u8]) {
    message.push(field << 3 | 2);
    varint(message, u64::try_from(value.len()).unwrap_or(u64::MAX));
    message.extend(value);
}

fn varint(message: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest > 0x7f {
        message.push(low_bits(rest) | 0x80);
        rest >>= 7;
    }
    message.push(low_bits(rest));
}

fn low_bits(value: u64) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or(0)
}
