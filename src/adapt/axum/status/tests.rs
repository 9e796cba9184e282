use core::net::SocketAddr;
use std::{
    format,
    future::poll_fn,
    string::{String, ToString},
    vec::Vec,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, connect_info::ConnectInfo},
    response::Response,
};
use http::request::Parts;
use serde_json::{Value, json};
use tower_service::Service;

use super::StatusPage;
use crate::{
    gate::{Gate, Mode},
    request,
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(100);
const ROUTES: [(&str, &str); 4] =
    [("GET", "/"), ("GET", "/stream"), ("GET", "/now"), ("POST", "/act")];
const HERE: &str = "127.0.0.1:4711";

fn gate() -> Gate {
    Gate::builder().build().unwrap()
}

fn page(gate: &Gate) -> StatusPage {
    StatusPage::new(gate).title("<shop> & co").clock(|| NOW)
}

fn everybody(_: &Parts) -> bool {
    true
}

fn nobody(_: &Parts) -> bool {
    false
}

/// A request from there; an action is sent as the page does.
fn request(method: &str, path: &str, peer: Option<&str>, body: &str) -> Request {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    if method == "POST" {
        request = request.header("content-type", "application/json; charset=utf-8");
        request = request.header("x-portcullis-act", "1");
        request = request.header("origin", "http://localhost");
        request = request.header("sec-fetch-site", "same-origin");
    }
    let mut request = request.body(Body::from(String::from(body))).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    }
    request
}

async fn ask(page: &StatusPage, request: Request) -> Response {
    let mut router: Router = Router::new().nest("/status", page.router());
    let (mut head, body) = request.into_parts();
    let path = format!("/status{}", head.uri.path().trim_end_matches('/'));
    head.uri = path.parse().unwrap();
    let request = Request::from_parts(head, body);
    poll_fn(|context| Service::<Request>::poll_ready(&mut router, context)).await.unwrap();
    router.call(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn act(page: &StatusPage, body: &str) -> (u16, Value) {
    let response = ask(page, request("POST", "/act", Some(HERE), body)).await;
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    (status, serde_json::from_str(&text(response).await).unwrap())
}

/// For each of four routes: its status.
async fn statuses(page: &StatusPage, peer: Option<&str>) -> [u16; 4] {
    let mut statuses = [0; 4];
    for (at, (method, path)) in ROUTES.into_iter().enumerate() {
        let body = r#"{"act":"mode","mode":"observe"}"#;
        let response = ask(page, request(method, path, peer, body)).await;
        statuses[at] = response.status().as_u16();
    }
    statuses
}

#[tokio::test]
async fn each_route_asks_both_guards() {
    let gate = gate();
    let bare = || page(&gate);
    let outside = Some("192.0.2.1:1");
    for (page, peer, expected) in [
        (bare(), Some(HERE), [200, 200, 200, 403]),
        (bare(), outside, [403; 4]),
        (bare(), None, [403; 4]),
        (bare().allow_viewing(everybody), outside, [200, 200, 200, 403]),
        (bare().allow_viewing(nobody), Some(HERE), [403; 4]),
        // Who may act but not look, may not act.
        (bare().allow_viewing(nobody).allow_actions(everybody), Some(HERE), [403; 4]),
        (bare().allow_actions(everybody), outside, [403; 4]),
        (bare().allow_actions(nobody), Some(HERE), [200, 200, 200, 403]),
    ] {
        assert_eq!(statuses(&page, peer).await, expected, "{page:?} {peer:?}");
        assert_eq!(gate.mode(), Mode::Enforce, "{page:?} {peer:?}");
    }
    let allowed = bare().allow_viewing(everybody).allow_actions(everybody);
    assert_eq!(statuses(&allowed, None).await, [200; 4]);
    assert_eq!(gate.mode(), Mode::Observe);
}

#[tokio::test]
async fn a_refusal_names_the_fix() {
    let page = page(&gate());
    let of = async |peer| text(ask(&page, request("GET", "/", peer, "")).await).await;
    assert!(of(None).await.contains("into_make_service_with_connect_info"));
    assert!(of(Some("192.0.2.1:1")).await.contains("StatusPage::allow_viewing"));
    let (status, answer) = act(&page, r#"{"act":"release"}"#).await;
    assert_eq!((status, &answer["done"]), (403, &json!(false)));
    assert!(answer["text"].as_str().unwrap().contains("StatusPage::allow_actions"), "{answer}");
}

#[tokio::test]
async fn the_page_runs_only_its_own_script() {
    let page = page(&gate());
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let response = ask(&page, request("GET", "/", Some(HERE), "")).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_string();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        let policy = header("content-security-policy");
        let nonce = policy.split('\'').find_map(|word| word.strip_prefix("nonce-")).unwrap();
        let nonce = String::from(nonce);
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
                 connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
                 require-trusted-types-for 'script'; trusted-types 'none'"
            )
        );
        let text = text(response).await;
        assert!(text.contains(&format!("<script nonce=\"{nonce}\">")), "{text}");
        assert!(text.contains(&format!("<style nonce=\"{nonce}\">")), "{text}");
        assert!(!text.contains("{{"), "{text}");
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn heads_are_answered_and_other_methods_are_not() {
    let page = page(&gate()).allow_actions(everybody);
    for (method, path, expected) in [
        ("HEAD", "/", 200),
        ("HEAD", "/now", 200),
        ("HEAD", "/stream", 200),
        ("POST", "/", 405),
        ("PUT", "/now", 405),
        ("OPTIONS", "/act", 405),
        ("GET", "/act", 405),
        ("HEAD", "/act", 405),
        ("DELETE", "/stream", 405),
        ("GET", "/other", 404),
    ] {
        let response = ask(&page, request(method, path, Some(HERE), "")).await;
        assert_eq!(response.status().as_u16(), expected, "{method} {path}");
        if method == "HEAD" {
            assert_eq!(text(response).await, "", "{path}");
        }
    }
    assert_eq!(page.feed.streams(), 0, "a place for a HEAD is given back");
}

#[tokio::test]
async fn now_is_the_status_of_the_gate() {
    let gate = gate();
    let page = page(&gate);
    let _ = gate.check(&request::Request::new("192.0.2.1".parse::<core::net::IpAddr>().ok()), NOW);
    let response = ask(&page, request("GET", "/now", Some(HERE), "")).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let status: Value = serde_json::from_str(&text(response).await).unwrap();
    let expected: Value = serde_json::to_value(gate.status(NOW)).unwrap();
    assert_eq!(status, expected);
    assert_eq!(status["counts"]["checked"], 1);
}

/// With `Router::nest` there is no page at the path with a slash at its end, as the documentation says.
#[tokio::test]
async fn a_service_that_is_nested_is_there_with_a_slash_too() {
    let page = page(&gate());
    for (path, nested, service) in [("/status", 200, 200), ("/status/", 404, 200)] {
        for (mut router, expected) in [
            (Router::<()>::new().nest("/status", page.router()), nested),
            (Router::new().nest_service("/status", page.router::<()>()), service),
        ] {
            let mut request = request("GET", "/", Some(HERE), "");
            *request.uri_mut() = path.parse().unwrap();
            let response = router.call(request).await.unwrap();
            assert_eq!(response.status().as_u16(), expected, "{path}");
        }
    }
}

/// Each of these is one line away from what the page sends.
#[tokio::test]
async fn what_other_sites_can_send_is_refused() {
    let gate = gate();
    let page = page(&gate).allow_actions(everybody);
    let body = r#"{"act":"mode","mode":"off"}"#;
    for (name, value, expected) in [
        ("x-portcullis-act", None, 403),
        ("x-portcullis-act", Some("0"), 403),
        ("origin", Some("http://evil.example"), 403),
        ("origin", Some("null"), 403),
        ("sec-fetch-site", Some("cross-site"), 403),
        ("sec-fetch-site", Some("same-site"), 403),
        ("content-type", None, 415),
        ("content-type", Some("text/plain"), 415),
        ("content-type", Some("application/x-www-form-urlencoded"), 415),
    ] {
        let mut request = request("POST", "/act", Some(HERE), body);
        match value {
            Some(value) => request.headers_mut().insert(name, value.parse().unwrap()),
            None => request.headers_mut().remove(name),
        };
        let response = ask(&page, request).await;
        assert_eq!(response.status().as_u16(), expected, "{name} {value:?}");
        assert_eq!(gate.mode(), Mode::Enforce, "{name} {value:?}");
    }
    // Reading is not for other sites either: it would take the places of streams.
    for path in ["/stream", "/now"] {
        let mut request = request("GET", path, Some(HERE), "");
        request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(ask(&page, request).await.status().as_u16(), 403, "{path}");
    }
    // A program says neither of the two.
    let mut request = request("POST", "/act", Some(HERE), body);
    request.headers_mut().remove("origin");
    request.headers_mut().remove("sec-fetch-site");
    assert_eq!(ask(&page, request).await.status().as_u16(), 200);
    assert_eq!(gate.mode(), Mode::Off);
}

/// HTTP/2 has no `host`: its target says it, and keeps it below where the router is nested.
#[tokio::test]
async fn the_host_may_be_a_part_of_the_target() {
    let page = page(&gate()).allow_actions(everybody);
    let mut router: Router = Router::new().nest("/status", page.router());
    for (target, origin, expected) in [
        ("https://localhost:8080", "https://localhost:8080", 200),
        ("https://localhost:8080", "https://localhost", 403),
        ("https://evil.example", "https://evil.example", 403),
    ] {
        let mut request = request("POST", "/act", Some(HERE), r#"{"act":"mode","mode":"off"}"#);
        *request.uri_mut() = format!("{target}/status/act").parse().unwrap();
        request.headers_mut().remove("host");
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let response = router.call(request).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{target} {origin}");
    }
}

#[tokio::test]
async fn too_much_is_not_read() {
    let page = page(&gate()).allow_actions(everybody);
    let action = r#"{"act":"mode","mode":"observe"}"#;
    let padded = |length: usize| format!("{action}{}", " ".repeat(length - action.len()));
    assert_eq!(act(&page, &padded(8 * 1_024)).await.0, 200);
    assert_eq!(act(&page, &padded(8 * 1_024 + 1)).await.0, 413);
    // Who may not act is not listened to.
    let refused = super::StatusPage::new(&gate());
    assert_eq!(act(&refused, &padded(1 << 20)).await.0, 403);
}

/// What the gate refuses is told to who asked for it.
#[tokio::test]
async fn an_action_that_the_gate_refuses_is_answered() {
    let page = page(&gate()).allow_actions(everybody);
    for (body, expected, said) in [
        (r#"{"act":"release"}"#, 404, "no defence"),
        (r#"{"act":"remove","name":"auto-1"}"#, 404, "auto-1"),
        (r#"{"act":"unban","net":"192.0.2.9"}"#, 404, "192.0.2.9/32 is not banned"),
        (r#"{"act":"ban","net":"127.0.0.1","seconds":1}"#, 400, "the machine itself"),
        ("release", 400, "an object of JSON"),
    ] {
        let (status, answer) = act(&page, body).await;
        assert_eq!((status, &answer["done"]), (expected, &Value::Bool(false)), "{body}");
        assert!(answer["text"].as_str().unwrap().contains(said), "{answer}");
    }
}

/// A body that fails in the middle.
struct Cut(Option<&'static str>);

impl http_body::Body for Cut {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: core::pin::Pin<&mut Self>,
        _: &mut core::task::Context<'_>,
    ) -> core::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
        core::task::Poll::Ready(Some(match self.0.take() {
            Some(text) => Ok(http_body::Frame::data(text.into())),
            None => Err(std::io::ErrorKind::ConnectionReset.into()),
        }))
    }
}

/// What has come of it is an action, but nobody has said that this was all.
#[tokio::test]
async fn an_action_that_did_not_arrive_as_a_whole_is_not_done() {
    let gate = gate();
    let page = page(&gate).allow_actions(everybody);
    let (head, _) = request("POST", "/act", Some(HERE), "").into_parts();
    let body = Body::new(Cut(Some(r#"{"act":"mode","mode":"observe"}"#)));
    let response = ask(&page, Request::from_parts(head, body)).await;
    assert_eq!(response.status().as_u16(), 400);
    assert!(text(response).await.contains("did not arrive as a whole"));
    assert_eq!(gate.mode(), Mode::Enforce);
}

#[tokio::test]
async fn what_an_action_has_changed_is_shown_next() {
    let gate = gate();
    let page = page(&gate).allow_actions(everybody);
    let mode = async || {
        let response = ask(&page, request("GET", "/now", Some(HERE), "")).await;
        serde_json::from_str::<Value>(&text(response).await).unwrap()["mode"].clone()
    };
    assert_eq!(mode().await, "enforce");
    gate.set_mode(Mode::Off);
    assert_eq!(mode().await, "enforce", "the same moment, the same status");
    assert_eq!(act(&page, r#"{"act":"mode","mode":"observe"}"#).await.0, 200);
    assert_eq!(mode().await, "observe");
}

/// A handler that panics takes its task down, and leaves nothing locked.
#[tokio::test]
async fn a_guard_that_panics_ends_one_request() {
    let page = page(&gate()).allow_viewing(|request| {
        assert!(!request.headers.contains_key("boom"));
        true
    });
    let bad = page.clone();
    let failed = tokio::spawn(async move {
        let mut request = request("GET", "/now", Some(HERE), "");
        request.headers_mut().insert("boom", "1".parse().unwrap());
        ask(&bad, request).await
    });
    assert!(failed.await.unwrap_err().is_panic());
    assert_eq!(statuses(&page, Some(HERE)).await, [200, 200, 200, 403]);
}
