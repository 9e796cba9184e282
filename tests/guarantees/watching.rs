//! A gate that watches itself allocates nothing while nothing is unusual, and its memory stays what it was.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis::{Defence, Gate, Outcome, Posture, Request, Timestamp};

use super::ALLOCATIONS;

const AGENTS: [&str; 3] = ["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "a feed reader"];
const TARGETS: [&str; 4] = ["/", "/search?q=lamp", "/products/17", "/static/css/site.css"];

fn asked(gate: &Gate, client: IpAddr, nth: u64, now: Timestamp) {
    let pick = usize::try_from(nth).unwrap();
    let request = Request::new(client)
        .method("GET")
        .host("shop.example")
        .target(TARGETS[pick % TARGETS.len()])
        .header("user-agent", AGENTS[pick % AGENTS.len()])
        .header("cookie", "session=1");
    let admission = gate.check(&request, now).into_result().expect("nothing is unusual");
    gate.finish(admission, Outcome::status(200), now);
}

fn watching() -> Gate {
    Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap()
}

/// Ten minutes of quiet traffic: checks, responses, and every step of every tick.
#[test]
fn quiet_traffic_allocates_nothing() {
    let gate = watching();
    let step = |nth: u64| {
        let client = Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(nth * 7 % 300).unwrap());
        asked(&gate, client.into(), nth, Timestamp::from_millis(1_000_000 + nth * 20));
    };
    (0..500).for_each(step);
    let before = ALLOCATIONS.get();
    (500..30_000).for_each(step);
    assert_eq!(gate.posture(), Posture::Normal);
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

/// Ten million clients that nobody has seen before, in release builds; fewer where it would take minutes.
#[test]
fn memory_does_not_grow_with_clients() {
    let gate = watching();
    let clients: u64 = if cfg!(debug_assertions) { 200_000 } else { 10_000_000 };
    asked(&gate, Ipv4Addr::LOCALHOST.into(), 0, Timestamp::from_secs(1));
    let before = gate.memory_bytes();
    for nth in 0..clients {
        let client = Ipv6Addr::from_bits(u128::from(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64);
        let now = Timestamp::from_micros(2_000_000 + nth * 50);
        // What is refused meanwhile does not matter: memory does.
        let target = TARGETS[usize::try_from(nth % 4).unwrap()];
        drop(gate.check(&Request::new(IpAddr::from(client)).target(target), now));
    }
    let grown = gate.memory_bytes().saturating_sub(before);
    assert!(before < 4 << 20, "{before}");
    // Compiled mitigations, if there are some.
    assert!(grown < 1 << 20, "{grown}");
}
