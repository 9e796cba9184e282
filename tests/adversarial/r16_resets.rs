//! **Row 16: requests that are taken back as soon as they are made.**
//!
//! Identifiers: CVE-2023-44487 (rapid reset); RUSTSEC-2023-0034, RUSTSEC-2024-0003, RUSTSEC-2024-0332 (h2).
//!
//! The attack: a stream is opened and reset at once, a hundred thousand times a second. What counts when a response is sent, or gives units back when a
//! request is dropped, never sees any of it, while the service has had the work.
//!
//! Ours: a request is charged when it arrives, and dropping gives back places in flight but no units: `src/gate/limits/pending.rs` I1 I2
//! (`dropping_the_future_gives_nothing_back`, `cancelled_requests_are_charged_once_each_and_leave_no_place_taken`); over HTTP/2, and the store of a
//! fleet: `tests/e2e/tests/frameworks/tower.rs`, `tests/e2e/tests/fleet/leaving.rs`. Streams that are reset below requests are the HTTP library's. This row
//! drops ten thousand futures at each point of a request's life, under limits of each kind.
//!
//! Shown to fail, tests counted from above:
//! - `src/gate/limits/pending.rs`, `Drop`: units are given back with places: test 1; places are not: test 2.

use std::{
    convert::Infallible,
    future::{Future, Pending, pending},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Request as HttpRequest, Response};
use portcullis::{Gate, GateLayer, Timestamp};
use tower_layer::Layer;
use tower_service::Service;

use crate::support::{Text, client, gate, get, passes};

/// A service that never answers.
#[derive(Clone)]
struct Never;

impl Service<HttpRequest<()>> for Never {
    type Response = Response<Text>;
    type Error = Infallible;
    type Future = Pending<Result<Response<Text>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: HttpRequest<()>) -> Self::Future {
        pending()
    }
}

const NOW: Timestamp = Timestamp::from_secs(6);
const RESETS: u32 = 10_000;

/// So many requests of one client, each dropped: before it was polled, or after.
fn reset(gate: &Gate, polled: bool) {
    let mut service = GateLayer::new(gate).clock(|| NOW).layer(Never);
    for _ in 0..RESETS {
        let mut response = pin!(service.call(get(client(1), "/search")));
        if polled {
            let _ = response.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// A limit as it is, one that counts failures only, one that counts what comes back, and one of different paths.
#[test]
fn each_reset_is_charged_by_limits_of_every_kind() {
    for (kind, most) in [
        ("quota = \"100/h\"\n", 100),
        ("quota = \"100/h\"\ncount_if = \"status >= 400\"\n", 100),
        ("quota = \"100/h\"\ncost = 'response.latency_ms'\n", 100),
        ("quota = \"100/h\"\ncost = 'response.size'\n", 100),
        ("quota = \"100/h\"\ncost = 4\n", 25),
    ] {
        for polled in [false, true] {
            let gate = gate(&format!("[[limit]]\nname = \"each\"\n{kind}"));
            reset(&gate, polled);
            let (stats, refused) = (gate.stats(), u64::from(RESETS) - most);
            assert_eq!((stats.admitted(), stats.denied()), (most, refused), "{kind}");
            assert!(!passes(&gate, client(1), NOW), "{kind}");
            assert!(passes(&gate, client(2), NOW), "others pay for it: {kind}");
        }
    }
}

/// Places are for what is in flight: resets leave none taken, and while requests are, there are no more.
#[test]
fn resets_leave_no_place_taken_and_get_no_further_place() {
    let gate = gate("[[limit]]\nname = \"at once\"\nin_flight = 10\n");
    reset(&gate, true);
    assert_eq!(gate.stats().admitted(), u64::from(RESETS), "each was gone before the next");
    let mut service = GateLayer::new(&gate).clock(|| NOW).layer(Never);
    let held: Vec<_> = (0..50).map(|_| service.call(get(client(1), "/"))).collect();
    assert_eq!(gate.stats().denied(), 40);
    drop(held);
    let held: Vec<_> = (0..10).map(|_| service.call(get(client(1), "/"))).collect();
    assert_eq!(gate.stats().denied(), 40);
    drop(held);
}

/// A limit that bans does so, whether or not the client has waited for an answer.
#[test]
fn resets_ban_as_other_requests_do() {
    let gate = gate("[[limit]]\nname = \"each\"\nquota = \"100/h\"\nthen = { ban = \"1h\" }\n");
    reset(&gate, true);
    assert!(gate.check_peer(client(1), NOW).is_err());
}
