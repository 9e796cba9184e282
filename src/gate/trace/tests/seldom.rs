//! What is told at most once a second, whatever clients do.

use core::time::Duration;
use std::{format, string::String, vec, vec::Vec};

use tracing::Level;

use super::{Listener, NOW, from, heard};
use crate::{
    gate::{Gate, GateStep, LimitRule},
    limit::remote::{FleetSettings, OnFailure, StoreError},
    quota::Quota,
    request::Request,
    time::Timestamp,
};

fn after(millis: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_millis(millis))
}

#[test]
fn a_thousand_requests_without_a_peer_are_one_warning_a_second() {
    let gate = Gate::builder().limit("per client", Quota::per_second(5)).build().unwrap();
    let nobody = |millis| drop(gate.check(&Request::new(None), after(millis)));
    let lines = heard(|| {
        (0..1_000).for_each(nobody);
        drop(gate.check(&from("192.0.2.1"), after(1_000)));
        nobody(1_000);
        nobody(1_001);
    });
    let told = lines.iter().map(|line| line.split(" help=").next().unwrap()).collect::<Vec<_>>();
    let warning = "WARN portcullis::client: requests without a peer address";
    assert_eq!(
        told,
        [
            format!("{warning} missing_peer=1 suppressed=0"),
            format!("{warning} missing_peer=1001 suppressed=999"),
        ]
    );
    assert!(lines.iter().all(|line| line.contains("into_make_service_with_connect_info")));
}

/// Each gate has a second of its own, and those who do not listen use none of it up.
#[test]
fn a_second_is_each_gates() {
    let [one, other] = [(); 2].map(|()| Gate::builder().build().unwrap());
    let nobody = |gate: &Gate| drop(gate.check(&Request::new(None), NOW));
    Listener::up_to(Level::ERROR).hears(|| nobody(&one));
    let lines = heard(|| [&one, &one, &other].into_iter().for_each(nobody));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains(" missing_peer=2 suppressed=0 "), "{lines:?}");
    assert!(lines[1].contains(" missing_peer=1 suppressed=0 "), "{lines:?}");
}

/// A store that is full, and bans that have no room.
#[test]
fn too_little_room_is_told_with_its_numbers() {
    let gate = Gate::builder().clients(1).bans(1).limit("l", Quota::per_hour(3)).build().unwrap();
    let ask = |network: &str, millis| {
        let ask = |host: u32| drop(gate.check(&from(&format!("{network}.{host}")), after(millis)));
        (1..=7).for_each(ask);
    };
    assert_eq!(heard(|| ask("10.0.0", 0)), [""; 0], "there is room for seven");
    let lines = heard(|| ask("192.0.2", 500));
    assert!(lines.iter().all(|line| line.starts_with("DEBUG portcullis::deny")), "{lines:?}");

    let bans: Vec<_> = (0..200).map(|n| format!("203.0.113.{n}/32").parse().unwrap()).collect();
    for net in bans {
        gate.bans().add(net, Duration::from_secs(60), "by hand", after(600));
    }
    let displaced = gate.0.snapshot.load().setting.bans.times_displaced();
    assert!(displaced > 0);
    let room = |lines: Vec<String>| {
        lines.into_iter().filter(|line| line.contains("portcullis::room")).collect::<Vec<_>>()
    };
    let lines = room(heard(|| ask("10.0.0", 1_000)));
    let warning = "WARN portcullis::room: too little room";
    assert_eq!(lines, [format!("{warning} unseated=7 displaced={displaced}")]);
    assert_eq!(room(heard(|| ask("10.0.0", 2_000))), [""; 0], "nothing new");
    assert_eq!(room(heard(|| ask("192.0.2", 2_500))), [""; 0]);
    let lines = room(heard(|| gate.tick(after(3_000))));
    assert_eq!(lines, [format!("{warning} unseated=7 displaced=0")]);
}

#[test]
fn reloads_are_told_with_numbers_and_mistakes_without_their_text() {
    let gate = Gate::builder().build().unwrap();
    let wrong = || {
        let limit = || LimitRule::new("no\nname", Quota::per_second(1));
        Gate::builder().limit_rule(limit()).limit_rule(limit())
    };
    let lines = heard(|| {
        let limit = LimitRule::new("per client", Quota::per_second(1));
        gate.reload_with(Gate::builder().limit_rule(limit), NOW).unwrap();
        for millis in [0, 1, 2, 1_000] {
            let mistakes = gate.reload_with(wrong(), after(millis)).unwrap_err();
            assert_eq!(mistakes.problems().len(), 2);
        }
        gate.reload_with(Gate::builder(), NOW).unwrap();
    });
    assert_eq!(
        lines,
        [
            "INFO portcullis::config: reloaded rules=0 limits=1",
            "WARN portcullis::config: reload refused mistakes=2 suppressed=0",
            "WARN portcullis::config: reload refused mistakes=2 suppressed=2",
            "INFO portcullis::config: reloaded rules=0 limits=0",
        ]
    );
}

#[cfg(feature = "config")]
#[test]
fn a_text_is_told_the_same_way() {
    let gate = Gate::from_toml("").unwrap();
    let lines = heard(|| {
        gate.reload("[[limit]]\nname = \"l\"\nquota = \"1/s\"\n", NOW).unwrap();
        gate.reload("no = 1\nsense = 2\n", NOW).unwrap_err();
    });
    assert_eq!(
        lines,
        [
            "INFO portcullis::config: reloaded rules=0 limits=1",
            "WARN portcullis::config: reload refused mistakes=2 suppressed=0",
        ]
    );
}

/// A check that asks the store, which does not answer, or does.
fn ask(gate: &Gate, client: u32, does_answer: bool, now: Timestamp) {
    let request = Request::new(core::net::IpAddr::from(client.to_be_bytes()));
    match gate.start(&request, now) {
        GateStep::Decided(verdict) => drop(verdict),
        GateStep::Ask(ask) => {
            let reply = || match does_answer {
                true => Ok(vec![1, 9, 0, 6_000_000]),
                false => Err(StoreError::Timeout),
            };
            let replies: Vec<_> = ask.calls().iter().map(|_| reply()).collect();
            drop(gate.resume(ask.finish(&replies, now), &request, now));
        }
        GateStep::Wait(wait) => panic!("nobody else asks: {wait:?}"),
    }
}

#[test]
fn a_store_that_goes_and_comes_back_is_told_once_each() {
    let limit = LimitRule::new("l", Quota::per_minute(10)).fleet(OnFailure::Open);
    let fleet = FleetSettings::new().prefix("test").nodes(4);
    let gate = Gate::builder().fleet(fleet).limit_rule(limit).build().unwrap();
    let lines = heard(|| {
        (0..4).for_each(|client| ask(&gate, client, false, after(client.into())));
    });
    assert_eq!(lines, [""; 0], "four failures are not five");
    let lines =
        heard(|| (4..40).for_each(|client| ask(&gate, client, false, after(client.into()))));
    let fields = "calls=5 timeouts=5 failures=0 fallbacks=5";
    let away = "WARN portcullis::fleet: the store is taken to be away";
    assert_eq!(lines, [format!("{away} {fields}")]);

    let back = "INFO portcullis::fleet: the store answers again";
    let lines = heard(|| ask(&gate, 100, true, after(500)));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(back) && lines[0].contains(" calls=6 timeouts=5 "), "{lines:?}");

    // Away again within the second: that is told when the second is over, if it is still away.
    let lines = heard(|| {
        (200..210).for_each(|client| ask(&gate, client, false, after(600)));
        ask(&gate, 300, false, after(999));
    });
    assert_eq!(lines, [""; 0]);
    let lines = heard(|| ask(&gate, 301, false, after(1_500)));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(away), "{lines:?}");
}
