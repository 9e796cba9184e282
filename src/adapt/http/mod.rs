//! Requests and responses of the `http` crate.

mod view;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, Entry, RETRY_AFTER},
};

pub(super) use self::view::view;
use super::answer::{Field, Lines, Refusal};
use crate::verdict::Denial;

/// The response that a refused request gets where nothing else is said.
///
/// For services that answer some denials themselves, and for a start of what they say.
///
/// It has the denial's status, a [problem description](https://www.rfc-editor.org/rfc/rfc9457),
/// `Cache-Control: no-store`, and `Retry-After` if waiting helps. The [fields](crate::LimitFields) about limits
/// are added by the layer. It is HTTP's answer, and not the one that gRPC clients understand.
#[must_use]
pub fn refusal(denial: &Denial) -> Response<Bytes> {
    response(Refusal::plain(denial))
}

/// The response that a refusal is.
pub(super) fn response(refusal: Refusal) -> Response<Bytes> {
    let mut response = Response::new(refusal.body);
    *response.status_mut() =
        StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    write(refusal.lines, response.headers_mut());
    response
}

/// Writes these lines, where a response does not say something else already; in a map that is full, it
/// writes nothing.
pub(super) fn write(lines: Lines, headers: &mut HeaderMap) {
    if headers.try_reserve(lines.len()).is_err() {
        return;
    }
    for (field, value) in lines {
        if let (Ok(value), Ok(Entry::Vacant(place))) =
            (HeaderValue::from_maybe_shared(value), headers.try_entry(name(field)))
        {
            let _ = place.try_insert(value);
        }
    }
}

fn name(field: Field) -> HeaderName {
    match field {
        Field::ContentType => CONTENT_TYPE,
        Field::CacheControl => CACHE_CONTROL,
        Field::RetryAfter => RETRY_AFTER,
        Field::Policy => POLICY.clone(),
        Field::Limit => LIMIT.clone(),
        Field::LegacyLimit => LEGACY_LIMIT.clone(),
        Field::LegacyRemaining => LEGACY_REMAINING.clone(),
        Field::LegacyReset => LEGACY_RESET.clone(),
        Field::GrpcStatus => GRPC_STATUS.clone(),
        Field::GrpcMessage => GRPC_MESSAGE.clone(),
        Field::GrpcDetails => GRPC_DETAILS.clone(),
        Field::GrpcPushback => GRPC_PUSHBACK.clone(),
    }
}

// Statics, so that they are looked up among the names that the crate knows once, by the compiler.
static POLICY: HeaderName = HeaderName::from_static(Field::Policy.name());
static LIMIT: HeaderName = HeaderName::from_static(Field::Limit.name());
static LEGACY_LIMIT: HeaderName = HeaderName::from_static(Field::LegacyLimit.name());
static LEGACY_REMAINING: HeaderName = HeaderName::from_static(Field::LegacyRemaining.name());
static LEGACY_RESET: HeaderName = HeaderName::from_static(Field::LegacyReset.name());
static GRPC_STATUS: HeaderName = HeaderName::from_static(Field::GrpcStatus.name());
static GRPC_MESSAGE: HeaderName = HeaderName::from_static(Field::GrpcMessage.name());
static GRPC_DETAILS: HeaderName = HeaderName::from_static(Field::GrpcDetails.name());
static GRPC_PUSHBACK: HeaderName = HeaderName::from_static(Field::GrpcPushback.name());
