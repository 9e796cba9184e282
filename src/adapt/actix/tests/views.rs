//! What a gate sees of a request of actix-web's.

use core::ops::ControlFlow;

use actix_web::http::Version;

use super::{super::view::view, *};
use crate::{
    Request,
    request::{Given, Headers},
};

#[test]
fn a_view_is_what_the_request_says() {
    let request = TestRequest::with_uri("/a/../b?c=%20")
        .method("POST".parse().unwrap())
        .insert_header(("Host", "Shop.Example:8080"))
        .insert_header(("Content-Length", "42"))
        .append_header(("X-Forwarded-For", "192.0.2.1"))
        .append_header(("x-forwarded-for", "192.0.2.2"))
        .append_header(("X-FORWARDED-FOR", &b"\xff"[..]))
        .to_srv_request();
    let peer = "192.0.2.1".parse().unwrap();
    let seen = view(&request, Request::new(peer), None);
    assert_eq!(seen.peer(), Some(peer));
    assert_eq!(seen.get_method(), "POST");
    assert_eq!(seen.get_host(), "Shop.Example:8080");
    assert_eq!(seen.get_target(), "/a/../b?c=%20");
    assert_eq!(seen.first_header("X-Forwarded-For"), Some(&b"192.0.2.1"[..]));
    assert_eq!(seen.first_header("x-forwarded-by"), None);
    assert_eq!(seen.get_field("http.request.version"), Some(Given::Bytes(b"HTTP/1.1")));
    assert_eq!(seen.get_field("http.request.body.size"), Some(Given::Int(42)));
    assert_eq!(seen.get_field("ssl"), None, "not known");
    assert_eq!(seen.get_field("http.request.route"), None, "not asked for");

    let mut lines = Vec::new();
    request.headers().visit(&mut |name, value| {
        lines.push((name, value));
        ControlFlow::Continue(())
    });
    assert_eq!(lines.len(), 5);
    lines.retain(|(name, _)| *name == "x-forwarded-for");
    let values: Vec<&[u8]> = lines.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, [&b"192.0.2.1"[..], b"192.0.2.2", b"\xff"], "in their order");

    let mut visited = 0;
    request.headers().visit(&mut |_, _| {
        visited += 1;
        if visited == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(visited, 2);
}

#[test]
fn in_http_2_the_target_names_the_host_and_its_scheme_proves_nothing() {
    let request = TestRequest::with_uri("https://Target.Example:443/x")
        .version(Version::HTTP_2)
        .insert_header(("host", "header.example"))
        .to_srv_request();
    let seen = view(&request, Request::new(None), Some("/{any}"));
    assert_eq!((seen.get_host(), seen.get_target()), ("Target.Example:443", "/x"));
    assert_eq!(seen.get_field("ssl"), None, "the client writes it");
    assert_eq!(seen.get_field("http.request.version"), Some(Given::Bytes(b"HTTP/2")));
    assert_eq!(seen.get_field("http.request.route"), Some(Given::Bytes(b"/{any}")));
}

/// A server that has not encrypted the connection itself does not believe a client that says so.
#[test]
fn no_scheme_says_that_a_connection_is_encrypted() {
    for target in ["/", "http://h/", "https://h/", "HTTPS://h/", "wss://h/"] {
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let request = TestRequest::with_uri(target).version(version).to_srv_request();
            let seen = view(&request, Request::new(None), None);
            assert_eq!(seen.get_field("ssl"), None, "{target}");
        }
    }
}

/// A guard and a rule see one host.
#[test]
fn below_http_2_the_line_names_the_host_as_it_does_for_guards() {
    for (target, line, host) in [
        ("http://target.example/", Some("line.example"), "line.example"),
        ("http://target.example/", Some("Line.Example:81"), "Line.Example:81"),
        ("http://target.example/", Some("http://line.example/x"), "line.example"),
        ("http://target.example/", Some("://line.example?x"), "line.example"),
        ("http://target.example/", Some("line.example:x"), "line.example"),
        ("http://target.example/", Some(""), ""),
        ("http://target.example:82/", Some("l\u{ed}ne.example"), "target.example:82"),
        ("http://target.example/", None, "target.example"),
        ("/", Some("line.example"), "line.example"),
        ("/", Some("l\u{ed}ne.example"), "l\u{ed}ne.example"),
        ("/", None, ""),
    ] {
        for version in [Version::HTTP_10, Version::HTTP_11] {
            let mut sent = TestRequest::with_uri(target).version(version);
            if let Some(line) = line {
                sent = sent.insert_header(("host", line.as_bytes()));
            }
            let request = sent.to_srv_request();
            let seen = view(&request, Request::new(None), None);
            assert_eq!(seen.get_host(), host, "{target} {line:?}");
        }
    }
}
