//! Requests of actix-web as a gate sees them: borrowed, nothing copied.

use core::ops::ControlFlow;

use actix_web::{
    HttpRequest,
    dev::ServiceRequest,
    http::{
        Version,
        header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue},
    },
};

use crate::{
    adapt::seen::{Seen, size, version_name},
    request::{Headers, Request},
};

/// Lines of one name come in the order in which they were received; the names in the map's own order.
impl Headers for HeaderMap {
    fn first(&self, name: &str) -> Option<&[u8]> {
        // Not get(name), which makes a HeaderName of its own: that allocates for all but well-known ones.
        let mut lines = self.iter();
        lines.find(|(line, _)| line.as_str() == name).map(|(_, value)| value.as_bytes())
    }

    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>) {
        for (name, value) in self {
            if visit(name.as_str(), value.as_bytes()).is_break() {
                return;
            }
        }
    }
}

/// What a request tells about itself; see [`Seen::request`].
///
/// Whether it came by TLS is known if the server has made the connection itself, or if the target has a
/// scheme, as it has in HTTP/2 and to proxies. Without TLS here, there may be some in front.
pub(super) fn view<'a>(
    request: &'a ServiceRequest,
    start: Request<'a>,
    route: Option<&'a str>,
) -> Request<'a> {
    let uri = request.uri();
    let headers = request.headers();
    let scheme = uri.scheme_str().map(|scheme| scheme.eq_ignore_ascii_case("https"));
    let seen = Seen {
        start,
        method: request.method().as_str(),
        authority: uri.authority().map(|authority| authority.as_str()),
        target: uri.path_and_query().map_or("", |target| target.as_str()),
        version: version_name!(request.version(), Version),
        is_secure: scheme.or_else(|| request.app_config().secure().then_some(true)),
        host: headers.get(HOST).map(HeaderValue::as_bytes),
        length: headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes),
        route,
        headers,
    };
    seen.request()
}

/// Whether the client says that its body is longer than this.
pub(super) fn announces_more_than(most: usize, request: &HttpRequest) -> bool {
    let length = request.headers().get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    length.and_then(size).is_some_and(|length| length > most)
}
