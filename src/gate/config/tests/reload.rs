//! Texts for a gate that is under load.

use alloc::{
    format,
    string::{String, ToString as _},
};
use core::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::{sync::Barrier, thread, vec::Vec};

use crate::{Gate, Quota, Request, Timestamp, test_support::rounds};

const UNITS: usize = rounds(500, 20);

fn text(round: usize) -> String {
    let extra = if round % 3 == 0 {
        String::new()
    } else {
        format!("[[limit]]\nname = 'extra {round}'\nquota = '{round}000/s burst 100000'\n")
    };
    format!(
        "[lists]\nblocked = []\n\
         [[rule]]\nname = 'round {round}'\nwhen = 'path eq \"/{round}\" or ip.src in $blocked'\nthen = 'deny'\n\
         [[limit]]\nname = 'per client'\nquota = '{UNITS}/h'\n{extra}"
    )
}

/// Whatever else changes, a limit that stays the same gives nobody more than it says, and a list that was
/// filled live keeps what it holds.
#[test]
fn unchanged_limits_go_on_through_reloads_under_load() {
    let gate = Gate::from_toml(&text(0)).unwrap();
    let now = Timestamp::from_secs(1);
    let blocked = "198.51.100.0/24".parse::<crate::CidrSet>().unwrap();
    gate.lists().replace("blocked", blocked).unwrap();
    let passed = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..rounds(3, 2) {
            scope.spawn(|| {
                let client = Request::new("203.0.113.1".parse::<IpAddr>().unwrap()).target("/");
                let outsider = Request::new("198.51.100.9".parse::<IpAddr>().unwrap()).target("/");
                while !over.load(Ordering::Relaxed) {
                    let ok = gate.check(&client, now).into_result().is_ok();
                    passed.fetch_add(usize::from(ok), Ordering::Relaxed);
                    assert!(gate.check(&outsider, now).into_result().is_err());
                }
            });
        }
        for round in 1..rounds(40, 2) {
            gate.reload(&text(round), now).unwrap();
            assert!(gate.reload("[[limit]]\nname = 'per client'\n", now).is_err());
        }
        while passed.load(Ordering::Relaxed) < UNITS {
            thread::yield_now();
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(passed.into_inner(), UNITS);
}

/// Rules of a file beside the live ones: they may name the lists of the gate, and mistakes have places.
#[test]
fn the_rules_of_a_text_are_a_candidate() {
    let live = "[lists]\nbad = [\"192.0.2.0/24\"]\n[[rule]]\nname = \"a\"\nwhen = 'ip.src in $bad'\nthen = \"deny\"\n";
    let gate = Gate::from_toml(live).unwrap();
    let text = format!("{live}[[rule]]\nname = \"b\"\nwhen = 'path eq \"/b\"'\nthen = \"deny\"\n");
    gate.set_candidate_toml(&text).unwrap();
    let peer: core::net::IpAddr = "203.0.113.1".parse().unwrap();
    assert!(gate.check(&Request::new(peer).target("/b"), Timestamp::ZERO).is_admitted());
    let report = gate.candidate_report().unwrap();
    assert_eq!((report.would_deny(), report.samples()[0].candidate()), (1, Some("b")));

    let error =
        gate.set_candidate_toml("[[rule]]\nname = \"c\"\nwhen = 'pth eq \"/\"'\nthen = \"deny\"\n");
    assert!(error.unwrap_err().to_string().contains(" 3:"), "where it stands");
    for wrong in [
        // Two limits of one name, and a list that the gate does not have.
        "[[limit]]\nname = 'l'\nquota = '1/s'\n[[limit]]\nname = 'l'\nquota = '1/s'\n",
        "[lists]\nnew = ['192.0.2.1']\n[[rule]]\nname = 'c'\nwhen = 'ip.src in $new'\nthen = 'deny'\n",
    ] {
        assert!(gate.set_candidate_toml(wrong).is_err(), "{wrong}");
    }
    assert_eq!(gate.candidate_report().unwrap().would_deny(), 1, "the other one goes on");
}

/// A text comes on top of what the program describes at that moment: of two changes at a time one is first, and none is
/// half of the other.
#[test]
fn a_text_comes_on_top_of_what_stands_when_it_is_its_turn() {
    let now = Timestamp::from_secs(1);
    let program = |round: u32| {
        Gate::builder().clients(10).bans(1).limit(format!("program {round}"), Quota::per_hour(1))
    };
    let gate = program(0).build().unwrap();
    let of_the_program = || -> Vec<String> {
        let policies = gate.policies();
        let names = policies.iter().map(|policy| policy.name().to_string());
        names.filter(|name| name.starts_with("program")).collect()
    };
    for round in 1..=200 {
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                gate.reload_with(program(round), now).unwrap();
            });
            start.wait();
            gate.reload("[[limit]]\nname = 'text'\nquota = '1/h'\n", now).unwrap();
        });
        let stands = of_the_program();
        gate.reload("", now).unwrap();
        assert_eq!(of_the_program(), stands, "round {round}: what texts come on top of is another");
    }
}
