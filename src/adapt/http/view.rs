//! Requests of the `http` crate as a gate sees them: borrowed, nothing copied.

use core::ops::ControlFlow;

use http::{
    Extensions, HeaderMap, HeaderValue, Version,
    header::{CONTENT_LENGTH, HOST},
    request::Request as HttpRequest,
};

use crate::{
    adapt::seen::{Seen, text, version_name},
    request::{Headers, Request},
};

/// Lines of one name come in the order in which they were received; the names in the map's own order.
impl Headers for HeaderMap {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.get(name).map(HeaderValue::as_bytes)
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
/// Whether the connection is encrypted is not known here, and the scheme of a target does not tell: in HTTP/1 and
/// in HTTP/2 the client writes it. The host is the target's, if that names one, as it does in HTTP/2 and to proxies, and
/// that of the line `Host` otherwise (RFC 9112, section 3.2.2). The route is known if axum has found one already.
pub(in crate::adapt) fn view<'a, B>(
    request: &'a HttpRequest<B>,
    start: Request<'a>,
) -> Request<'a> {
    let uri = request.uri();
    let headers = request.headers();
    let seen = Seen {
        start,
        method: request.method().as_str(),
        host: match uri.authority() {
            Some(authority) => authority.as_str(),
            None => headers.get(HOST).and_then(|line| text(line.as_bytes())).unwrap_or(""),
        },
        target: uri.path_and_query().map_or("", |target| target.as_str()),
        version: version_name!(request.version(), Version),
        is_encrypted: false,
        length: headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes),
        route: route(request.extensions()),
        headers,
    };
    seen.request()
}

#[cfg(feature = "axum")]
fn route(extensions: &Extensions) -> Option<&str> {
    extensions.get::<axum::extract::MatchedPath>().map(|route| route.as_str())
}

#[cfg(not(feature = "axum"))]
fn route(_: &Extensions) -> Option<&str> {
    None
}

#[cfg(test)]
mod tests {
    use core::{net::Ipv4Addr, ops::ControlFlow};
    use std::vec::Vec;

    use http::{HeaderMap, HeaderValue, Request, Version};

    use super::view;
    use crate::request::{Given, Headers, Request as Seen};

    fn lines(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
        let mut lines = Vec::new();
        headers.visit(&mut |name, value| {
            lines.push((name, value));
            ControlFlow::Continue(())
        });
        lines
    }

    #[test]
    fn lines_of_one_name_keep_their_order_and_their_bytes() {
        let mut headers = HeaderMap::new();
        let odd = HeaderValue::from_bytes(b"\xff\xfe").unwrap();
        headers.append("X-Forwarded-For", HeaderValue::from_static("192.0.2.1"));
        headers.append("accept", HeaderValue::from_static("*/*"));
        headers.append("x-forwarded-for", odd);
        headers.append("X-FORWARDED-FOR", HeaderValue::from_static(""));
        let lines = lines(&headers);
        assert_eq!(lines.len(), 4);
        let forwarded = lines.iter().filter(|(name, _)| *name == "x-forwarded-for");
        let forwarded: Vec<&[u8]> = forwarded.map(|(_, value)| *value).collect();
        assert_eq!(forwarded, [&b"192.0.2.1"[..], b"\xff\xfe", b""]);
        assert_eq!(Headers::first(&headers, "x-forwarded-for"), Some(&b"192.0.2.1"[..]));
        assert_eq!(Headers::first(&headers, "no such name"), None);

        let mut visited = 0;
        headers.visit(&mut |_, _| {
            visited += 1;
            if visited == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(visited, 2);
    }

    #[test]
    fn a_view_is_what_the_request_says() {
        let request = Request::builder()
            .method("POST")
            .uri("/a/../b?c=%20")
            .header("Host", "Shop.Example:8080")
            .header("Content-Length", "42")
            .header("User-Agent", "curl/8.5")
            .body(())
            .unwrap();
        let peer = Ipv4Addr::new(192, 0, 2, 1).into();
        let seen = view(&request, Seen::new(Some(peer)));
        assert_eq!(seen.peer(), Some(peer));
        assert_eq!(seen.get_method(), "POST");
        assert_eq!(seen.get_host(), "Shop.Example:8080");
        assert_eq!(seen.get_target(), "/a/../b?c=%20");
        assert_eq!(seen.first_header("User-Agent"), Some(&b"curl/8.5"[..]));
        assert_eq!(seen.get_field("http.request.version"), Some(Given::Bytes(b"HTTP/1.1")));
        assert_eq!(seen.get_field("http.request.body.size"), Some(Given::Int(42)));
        assert_eq!(seen.get_field("ssl"), None, "not known");
    }

    #[test]
    fn the_target_names_the_host_and_its_scheme_proves_nothing() {
        let request = Request::builder()
            .uri("https://user@Target.Example:443/x")
            .version(Version::HTTP_2)
            .header("host", "header.example")
            .body(())
            .unwrap();
        let seen = view(&request, Seen::new(None));
        assert_eq!(seen.get_host(), "user@Target.Example:443");
        assert_eq!(seen.get_target(), "/x");
        assert_eq!(seen.get_field("ssl"), None, "the client writes it");
        assert_eq!(seen.get_field("http.request.version"), Some(Given::Bytes(b"HTTP/2")));
        assert_eq!(seen.get_field("http.request.body.size"), None);

        let plain = Request::builder().uri("http://h:x/").body(()).unwrap();
        let seen = view(&plain, Seen::new(None).field("ssl", true));
        assert_eq!((seen.get_field("ssl"), seen.get_host()), (Some(Given::Bool(true)), "h"));
        let connect = Request::builder().method("CONNECT").uri("h:443").body(()).unwrap();
        let seen = view(&connect, Seen::new(None));
        assert_eq!((seen.get_host(), seen.get_target()), ("h:443", ""));
    }

    /// A client must not be able to hide a length from limits and rules by saying a longer one.
    #[test]
    fn a_length_that_no_number_holds_is_the_largest() {
        for (length, size) in [
            ("9223372036854775807", i64::MAX),
            ("9223372036854775808", i64::MAX),
            ("18446744073709551615", i64::MAX),
            ("99999999999999999999", i64::MAX),
            ("00000000000000000000042", 42),
        ] {
            let request = Request::builder().header("content-length", length).body(()).unwrap();
            let seen = view(&request, Seen::new(None));
            assert_eq!(
                seen.get_field("http.request.body.size"),
                Some(Given::Int(size)),
                "{length}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_not_known() {
        for length in ["", "-1", "+1", "1,1", "1 ", "\u{661}"] {
            let length = HeaderValue::from_bytes(length.as_bytes()).unwrap();
            let host = HeaderValue::from_bytes(b"\xff").unwrap();
            let request = Request::builder().header("content-length", length).header("host", host);
            let request = request.body(()).unwrap();
            let seen = view(&request, Seen::new(None));
            assert_eq!(seen.get_field("http.request.body.size"), None);
            assert_eq!(seen.get_host(), "");
            assert_eq!(seen.first_header("host"), Some(&b"\xff"[..]), "still there for rules");
        }
        let host = HeaderValue::from_bytes("h\u{e9}".as_bytes()).unwrap();
        let request = Request::builder().header("host", host).body(()).unwrap();
        assert_eq!(view(&request, Seen::new(None)).get_host(), "h\u{e9}");
    }
}
