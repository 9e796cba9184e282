//! The status page: who may look, who may act, and what is told on the way.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use axum::{
    Router,
    body::{Body as AxumBody, to_bytes},
    extract::{Request as AxumRequest, connect_info::ConnectInfo},
};
use http_body::Body;
use portcullis::{Gate, axum::StatusPage};
use tower_service::Service;

use super::{NOW, at_every_call, clock, gate, now, touch};
use crate::hooks::gates;

#[test]
fn pages() {
    type State = (Gate, StatusPage);
    // For the timers of streams.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    for hook in ["viewing", "actions", "clock", "event"] {
        let make = || {
            let gate = gate(false);
            let page = StatusPage::new(&gate)
                .allow_viewing(|_| {
                    touch("viewing");
                    true
                })
                .allow_actions(|_| {
                    touch("actions");
                    true
                })
                .clock(clock);
            (gate, page)
        };
        let work = |(_, page): &State| {
            let mut router: Router = page.router();
            tracing::subscriber::with_default(gates::Listener, || {
                for (path, body) in [
                    ("/act", r#"{"act":"force","posture":"defend","seconds":600}"#),
                    ("/act", r#"{"act":"ban","net":"192.0.2.0/24","seconds":900,"reason":"x"}"#),
                    ("/act", r#"{"act":"release"}"#),
                    ("/now", ""),
                    ("/stream", ""),
                    ("/", ""),
                ] {
                    let method = if path == "/act" { "POST" } else { "GET" };
                    let (status, text) = ask(&mut router, method, path, body);
                    assert_eq!(status, 200, "{text}");
                }
            });
        };
        at_every_call(hook, make, work, |(gate, page), _| {
            let mut router: Router = page.router();
            let (status, text) = ask(&mut router, "GET", "/now", "");
            assert!(status == 200 && text.contains("\"mode\":\"enforce\""), "{status} {text}");
            let act = r#"{"act":"mode","mode":"observe"}"#;
            assert_eq!(ask(&mut router, "POST", "/act", act).0, 200);
            assert_eq!(gate.mode(), portcullis::Mode::Observe);
            gate.reload_with(Gate::builder(), NOW.saturating_add(Duration::from_secs(1))).unwrap();
        });
    }
}

fn ask(router: &mut Router, method: &str, path: &str, body: &'static str) -> (u16, String) {
    let request = AxumRequest::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("x-portcullis-act", "1")
        .header("origin", "http://localhost")
        .header("sec-fetch-site", "same-origin")
        .extension(ConnectInfo(SocketAddr::new([127, 0, 0, 1].into(), 4_711)))
        .body(AxumBody::from(body))
        .unwrap();
    let Ok(response) = now(router.call(request));
    let status = response.status().as_u16();
    if path == "/stream" {
        // Its first event tells who may act.
        let mut body = response.into_body();
        let frame = now(std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)));
        let bytes = frame.unwrap().unwrap().into_data().unwrap();
        return (status, String::from_utf8(bytes.to_vec()).unwrap());
    }
    let bytes = now(to_bytes(response.into_body(), 1 << 20)).unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}
