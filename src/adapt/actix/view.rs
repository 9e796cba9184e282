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
    adapt::seen::{Seen, size, text, version_name},
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
/// Whether the connection is encrypted is known if the server has done that itself; without, there may be somebody in
/// front who does. The scheme of a target does not tell: the client writes it.
pub(super) fn view<'a>(
    request: &'a ServiceRequest,
    start: Request<'a>,
    route: Option<&'a str>,
) -> Request<'a> {
    let uri = request.uri();
    let headers = request.headers();
    let seen = Seen {
        start,
        method: request.method().as_str(),
        host: host(request),
        target: uri.path_and_query().map_or("", |target| target.as_str()),
        version: version_name!(request.version(), Version),
        is_encrypted: request.app_config().secure(),
        length: headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes),
        route,
        headers,
    };
    seen.request()
}

/// The host that actix-web itself goes by, so that a rule and `guard::Host` do not see two: below HTTP/2 that of the
/// line, whatever the target says, and that of the target otherwise.
fn host(request: &ServiceRequest) -> &str {
    let line = request.headers().get(HOST);
    let counts = line.filter(|_| request.version() < Version::HTTP_2);
    let target = request.uri().authority().map(|authority| authority.as_str());
    counts
        .and_then(|line| line.to_str().ok())
        .map(authority_in)
        .or(target)
        // What is not ASCII, or where it does not count, is no host for actix-web, and better than none for rules.
        .or_else(|| line.and_then(|line| text(line.as_bytes())))
        .unwrap_or("")
}

/// What names the host in a line: actix-web reads it as a URI, so `http://name/path` is another spelling of `name`.
fn authority_in(line: &str) -> &str {
    let Some((_, rest)) = line.split_once("://") else { return line };
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// Whether the client says that its body is longer than this.
pub(super) fn announces_more_than(most: usize, request: &HttpRequest) -> bool {
    let length = request.headers().get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    length.and_then(size).is_some_and(|length| length > most)
}
