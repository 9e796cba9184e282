//! Responses of actix-web: refusals, and fields about limits.

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    },
};

use super::setting::MiddlewareSetting;
use crate::{
    adapt::answer::{Dialect, Lines, Refusal},
    verdict::Denial,
};

/// The response to a request that is refused; the denial is among its extensions.
pub(super) fn refuse<T>(
    denial: Denial,
    request: &HttpRequest,
    setting: &MiddlewareSetting<T>,
) -> HttpResponse {
    let mut response = match &setting.on_deny {
        Some(on_deny) => {
            let mut response = on_deny(&denial, request);
            write(Lines::of_denial(&denial, &setting.common), response.headers_mut());
            response
        }
        None => {
            let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
            made(Refusal::of(&denial, Dialect::of(content_type), &setting.common))
        }
    };
    response.extensions_mut().insert(denial);
    response
}

/// The response that a refusal is.
pub(super) fn made(refusal: Refusal) -> HttpResponse {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    let mut response = HttpResponse::with_body(status, BoxBody::new(refusal.body));
    write(refusal.lines, response.headers_mut());
    response
}

/// Writes these lines, where a response does not say something else already.
pub(super) fn write(lines: Lines, headers: &mut HeaderMap) {
    for (field, value) in lines {
        let name = HeaderName::from_static(field.name());
        if headers.contains_key(&name) {
            continue;
        }
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            headers.insert(name, value);
        }
    }
}
