//! Requests and responses of the `http` crate.

mod view;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

pub(super) use self::view::view;
use super::answer::{Lines, Refusal};

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
