//! Snapshots of gates.

use core::{net::IpAddr, time::Duration};
use std::{format, string::String, thread_local, vec::Vec};

use proptest::prelude::*;

use super::{
    NOW, address,
    rules::{ask, rule},
};
use crate::{
    Defence, Posture,
    error::RestoreError,
    gate::{Gate, GateSnapshot, Outcome},
    request::Request,
    rule::{Action, Ban},
    test_support::cases,
    time::Timestamp,
};

const MINUTE: Duration = Duration::from_secs(60);
/// By the clock of another process.
const THEN: Timestamp = Timestamp::from_nanos(7);

fn trap() -> Gate {
    let growing = Ban { first: MINUTE, escalate: 4, most: MINUTE * 1_000 };
    let trap = rule("trap", r#"path eq "/trap""#, [Action::Ban(growing)]);
    Gate::builder().rule(trap).build().unwrap()
}

/// A gate with a ban of its own and two by an operator.
fn known() -> Gate {
    let gate = trap();
    assert!(!ask(&gate, "192.0.2.1", "/trap").is_admitted());
    for net in ["203.0.113.0/24", "2001:db8:bad::/48"] {
        gate.bans().add(net.parse().unwrap(), MINUTE * 60, "abuse \u{e4} \"17\"", NOW);
    }
    gate
}

fn banned(gate: &Gate, now: Timestamp) -> Vec<String> {
    let bans = gate.bans().list(now);
    let mut bans: Vec<String> = bans.iter().map(|ban| format!("{ban:?}")).collect();
    // Those that end at the same time are in no order.
    bans.sort();
    bans
}

/// I3: a ban survives a restart, and so does how often it was made.
#[test]
fn a_ban_survives_a_restart_into_another_clock() {
    let gate = known();
    let text = serde_json::to_string(&gate.snapshot(NOW.saturating_add(MINUTE / 2))).unwrap();
    let before = banned(&gate, NOW.saturating_add(MINUTE / 2));
    drop(gate);

    let snapshot: GateSnapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(snapshot.bans(), 3);
    assert_eq!(
        format!("{snapshot:?}"),
        "GateSnapshot { version: 1, bans: 3, detect: false, .. }",
        "nobody's address"
    );
    let gate = trap();
    gate.restore(&snapshot, THEN).unwrap();
    assert_eq!(banned(&gate, THEN), before);
    let ask = |path: &str, at: Timestamp| {
        let request = Request::new(address("192.0.2.1")).method("GET").target(path);
        gate.check(&request, at).into_result().map(drop).map_err(|denial| denial.retry_after())
    };
    assert_eq!(ask("/", THEN), Err(Some(MINUTE / 2)));
    let after = THEN.saturating_add(MINUTE / 2);
    assert_eq!(ask("/", after), Ok(()));
    assert_eq!(ask("/trap", after), Err(Some(MINUTE * 4)), "longer than the first time");
    // What was restored is saved again.
    let again = trap();
    again.restore(&snapshot, THEN).unwrap();
    assert_eq!(again.snapshot(THEN), snapshot);
}

/// I2.
#[test]
fn an_error_changes_nothing() {
    let text = serde_json::to_string(&known().snapshot(NOW)).unwrap();
    let read = |text: &str| serde_json::from_str::<GateSnapshot>(text).unwrap();
    for (from, to, error) in [
        ("\"version\":1", "\"version\":2", RestoreError::Version { found: 2, known: 1 }),
        ("192.0.2.1/32", "192.0.2.2/32", RestoreError::Damaged),
        ("\"level\":1", "\"level\":2", RestoreError::Damaged),
        ("\"checksum\":", "\"checksum\":1", RestoreError::Damaged),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        // One more digit may be more than a number of 64 bits.
        let Ok(snapshot) = serde_json::from_str::<GateSnapshot>(&changed) else { continue };
        let gate = trap();
        gate.bans().add("198.51.100.0/24".parse().unwrap(), MINUTE, "there", NOW);
        let before = banned(&gate, NOW);
        assert_eq!(gate.restore(&snapshot, NOW), Err(error));
        assert_eq!(banned(&gate, NOW), before);
    }
    // Whoever can make a sum can write what no gate has: that is refused as well.
    let mut odd = read(&text);
    odd = odd.with_net("192.0.2.1/24");
    assert_eq!(trap().restore(&odd, NOW), Err(RestoreError::Ban { entry: 0 }));
}

#[test]
fn what_has_no_ban_and_what_is_no_snapshot() {
    let snapshot = Gate::builder().build().unwrap().snapshot(NOW);
    assert_eq!(snapshot.bans(), 0);
    assert_eq!(trap().restore(&snapshot, THEN), Ok(()));
    for text in
        ["", "{}", "[]", "null", r#"{"version":1}"#, r#"{"version":1,"content":{},"checksum":0}"#]
    {
        assert!(serde_json::from_str::<GateSnapshot>(text).is_err(), "{text}");
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// I1, I2: any other byte anywhere in the text.
    #[test]
    fn a_changed_byte_is_an_error_or_nothing(
        at in any::<prop::sample::Index>(), flip in 1..=255_u8,
    ) {
        thread_local! {
            static TEXT: Vec<u8> = {
                let snapshot = known().snapshot(NOW);
                serde_json::to_vec(&snapshot).unwrap()
            };
            static GATE: Gate = trap();
        }
        let mut text = TEXT.with(Vec::clone);
        let whole: GateSnapshot = serde_json::from_slice(&text).unwrap();
        let at = at.index(text.len());
        text[at] ^= flip;
        let Ok(read) = serde_json::from_slice::<GateSnapshot>(&text) else { return Ok(()) };
        let restored = GATE.with(|gate| {
            let restored = gate.restore(&read, NOW);
            prop_assert!(restored.is_ok() || banned(gate, NOW).is_empty());
            gate.bans().list(NOW).iter().filter_map(|ban| ban.net()).for_each(|net| {
                gate.bans().remove(net, NOW);
            });
            Ok(restored)
        })?;
        prop_assert_eq!(restored.is_ok(), read == whole, "{}", String::from_utf8_lossy(&text));
    }
}

/// What detection knows goes along; damage to it changes nothing (I2).
#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn what_detection_knows_goes_along_whole_or_not_at_all() {
    let watching = || {
        let defence = Defence::up_to(Posture::Defend);
        Gate::builder().defence(defence).build().unwrap()
    };
    let at = |from: Timestamp, millis: u64| from.saturating_add(Duration::from_millis(millis));
    let gate = watching();
    for nth in 0..1_000_u64 {
        let client = std::net::Ipv4Addr::new(10, 0, (nth % 50) as u8, 1);
        let request = Request::new(IpAddr::from(client)).method("GET").target("/");
        let admission = gate.check(&request, at(NOW, nth * 200)).into_result().unwrap();
        gate.finish(admission, Outcome::status(200), at(NOW, nth * 200 + 5));
    }
    let end = at(NOW, 200_000);
    let usual = gate.defence().evidence().usual;
    assert!((4.0..6.0).contains(&usual), "{usual}");
    let text = serde_json::to_vec(&gate.snapshot(end)).unwrap();

    // In the next process, by another clock.
    let next = watching();
    for part in 0..60 {
        let mut damaged = text.clone();
        let place = text.len() * part / 60 + part;
        damaged[place] = if damaged[place] == b'1' { b'2' } else { b'1' };
        if let Ok(read) = serde_json::from_slice::<GateSnapshot>(&damaged) {
            assert_eq!(next.restore(&read, THEN), Err(RestoreError::Damaged));
        }
    }
    let counted = |gate: &Gate, from: Timestamp| {
        gate.tick(from);
        for nth in 0..5 {
            drop(gate.check(&Request::new(IpAddr::from([10, 0, 0, 1])), at(from, nth * 200)));
        }
        gate.tick(at(from, 1_000));
        gate.defence().evidence().usual
    };
    assert!(counted(&next, THEN) < 1.0, "nothing was restored");
    let snapshot: GateSnapshot = serde_json::from_slice(&text).unwrap();
    let later = at(THEN, 10_000);
    next.restore(&snapshot, later).unwrap();
    assert!((4.0..6.0).contains(&counted(&next, later)), "what is usual is known");
    // A gate that does nothing by itself takes the bans, and leaves the rest.
    assert_eq!(Gate::builder().build().unwrap().restore(&snapshot, THEN), Ok(()));
}
