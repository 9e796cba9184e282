//! What a fleet costs its store, and what it admits, in a time that is made up: `cargo bench --bench fleet_simulation`.

#![allow(clippy::disallowed_macros, reason = "a benchmark prints")]

use std::time::Duration;

use portcullis::{
    Quota,
    limit::remote::reference::simulation::{Happening, Scenario},
};

fn main() {
    println!(
        "{:<44} {:>9} {:>8} {:>9} {:>8} {:>9} {:>8} {:>9} {:>9} {:>13}",
        "what",
        "offered/s",
        "lease",
        "admitted",
        "of limit",
        "calls/s",
        "per req",
        "store",
        "unknown",
        "by node"
    );
    let thousand = Quota::per_second(1_000);
    for nodes in [4, 16] {
        for offered in [500, 5_000, 20_000] {
            for millis in [20, 100] {
                let lease = Duration::from_millis(millis);
                let scenario = Scenario { lease, ..Scenario::new(nodes, offered, thousand) };
                play(&format!("{nodes} nodes, one key of 1000/s"), &scenario);
            }
        }
    }

    let short = Duration::from_secs(5);
    let large = Quota::per_second(100_000);
    let many = Scenario { time: short, ..Scenario::new(1_000, 1_000_000, large) };
    play("1,000 nodes, one key of 100,000/s", &many);
    let parts = Quota::per_second(25_000);
    let parts = Scenario { keys: 4, shards: 4, by_node: true, quota: parts, ..many.clone() };
    play("the same in 4 sub-buckets on 4 shards", &parts);
    let second = Duration::from_secs(1);
    play("the same, leases of a second", &Scenario { lease: second, ..many.clone() });

    let ten = Quota::per_second(10);
    let keys = Scenario { keys: 10_000, quota: ten, ..many.clone() };
    play("1,000 nodes, 10,000 keys of 10/s, one shard", &keys);
    play("the same on 8 shards", &Scenario { shards: 8, ..keys.clone() });
    play("the same on one, each node has its own keys", &Scenario { by_node: true, ..keys });

    let at = Duration::from_secs;
    let events = vec![(at(20), Happening::CutOff(2)), (at(40), Happening::Healed)];
    let cut = Scenario { events, ..Scenario::new(4, 5_000, thousand) };
    play("4 nodes, two of them cut off for 20 s", &cut);
    play("4 nodes, 1 % of calls lost", &Scenario { lost: 10, ..Scenario::new(4, 5_000, thousand) });
}

fn play(what: &str, scenario: &Scenario) {
    let outcome = scenario.play();
    let seconds = scenario.time.as_secs_f64();
    println!(
        "{what:<44} {:>9} {:>8?} {:>9} {:>8.4} {:>9.0} {:>8.4} {:>8.1}% {:>9} {:>6}-{:<6}",
        scenario.offered,
        scenario.lease,
        outcome.admitted,
        outcome.admitted as f64 / scenario.allowed() as f64,
        outcome.calls as f64 / seconds,
        outcome.calls as f64 / outcome.requests as f64,
        100.0 * outcome.busy.as_secs_f64() / seconds,
        outcome.unknown,
        outcome.by_node.0,
        outcome.by_node.1,
    );
}
