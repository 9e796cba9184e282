//! Requests and responses of the `http` crate.

mod view;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

pub(super) use self::view::view;
use super::answer::{Lines, Refusal};
use crate::verdict::Denial;

/// The response that a refused request gets if nothing else is said: for services that answer with something of
/// their own where they have something to say.
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

/// Writes these lines, where a response does not say something else already.
pub(super) fn write(lines: Lines, headers: &mut HeaderMap) {
    for (field, value) in lines {
        if let (Ok(value), http::header::Entry::Vacant(place)) = (
            HeaderValue::from_maybe_shared(value),
            headers.entry(HeaderName::from_static(field.name())),
        ) {
            place.insert(value);
        }
    }
}
