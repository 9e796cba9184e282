//! **Row 18: a check that sees half of a change, or an old one after it.**
//!
//! Identifiers: the documentation of arc-swap and of tokio on reload patterns; no advisory found.
//!
//! The attack: none, but luck: a request that meets the rules of one version and the lists of the other passes where neither version would let it, and
//! who was banned by a change that has returned is served by a thread that has not seen it.
//!
//! Ours: a check reads one snapshot, and a change puts another one in its place: `src/gate/reload.rs` I2, `src/gate/lists.rs` I1 I2
//! (`lists_change_under_load`, `an_unchanged_limit_keeps_its_clients_under_load`); tables of lists by model checking
//! (`src/cidr/live/loom_models.rs`). This row has two versions that differ in everything a verdict tells, and threads that compare.
//!
//! Shown to fail, tests counted from above:
//! - `src/gate/check.rs`, `refuse` reads the snapshot anew for what it tells: the parts of a verdict are of two
//!   versions (test 1);
//! - `src/gate/reload.rs`: every other change is counted, and not put in place: a version older than the one that has
//!   returned (test 1).

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

use portcullis::{CidrSet, Request, Timestamp};

use crate::support::{client, gate, ip, refused};

const NOW: Timestamp = Timestamp::from_secs(2);

/// A version in all parts of a verdict: the tag, the rule that denies, its status; which rule that is depends on the list.
fn version(nth: u32) -> String {
    format!(
        "[lists]\nl = [\"{}\"]\n\
         [[rule]]\nname = \"tags {nth}\"\nwhen = 'true'\ntag = \"t{nth}\"\n\
         [[rule]]\nname = \"denies {nth}\"\nwhen = 'ip.src in $l and tag[\"t{nth}\"]'\ndeny = {}\n\
         [[rule]]\nname = \"torn {nth}\"\nwhen = 'ip.src in {{{}}}'\ndeny = 599\n",
        client(nth % 2),
        400 + nth % 2,
        client(nth % 2),
    )
}

#[test]
fn a_verdict_is_of_one_version_and_not_of_an_older_one_than_has_returned() {
    let gate = gate(&version(0));
    let (returned, done) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut compared = 0_u32;
                while !done.load(Ordering::Relaxed) || compared < 100 {
                    let least = returned.load(Ordering::Acquire);
                    // One of the two is denied by each version, and the other one passes.
                    let verdicts = [0, 1].map(|of| refused(&gate, &Request::new(client(of)), NOW));
                    for (of, denial) in
                        (0..).zip(verdicts).filter_map(|(of, denial)| Some((of, denial?)))
                    {
                        let number = denial.name().strip_prefix("denies ").unwrap_or_default();
                        let version: u32 =
                            number.parse().expect("a rule that only a torn check meets");
                        assert!(version >= least, "{version} after {least}");
                        assert_eq!(version % 2, of);
                        assert_eq!(u32::from(denial.status()), 400 + version % 2);
                        assert_eq!(denial.tags().collect::<Vec<_>>(), [format!("t{version}")]);
                        compared += 1;
                    }
                }
            });
        }
        for nth in 1..300 {
            gate.reload(&version(nth), NOW).unwrap();
            returned.store(nth, Ordering::Release);
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// A list that is replaced is the old one or the new one for all of a check, and the new one once that has returned. Both
/// addresses of a request are on each list or on none, so a check that sees two lists would deny one.
#[test]
fn a_list_is_never_seen_in_parts() {
    let gate = gate(
        "[fields]\nother = \"ip\"\n[lists]\nl = []\n\
         [[rule]]\nname = \"torn\"\nwhen = 'ip.src in $l xor other in $l'\ndeny = 599\n\
         [[rule]]\nname = \"listed\"\nwhen = 'ip.src in $l'\nthen = \"deny\"\n",
    );
    let lists = ["192.0.2.0/25\n198.51.100.0/24", "192.0.2.128/25\n203.0.113.0/24"];
    let lists: [CidrSet; 2] = lists.map(|text| text.parse().unwrap());
    let pairs = [("192.0.2.1", "198.51.100.1"), ("192.0.2.200", "203.0.113.1")];
    let asked = |(one, other): (&str, &str)| {
        let request = Request::new(ip(one)).field("other", ip(other));
        let denial = refused(&gate, &request, NOW);
        assert!(
            denial.as_ref().is_none_or(|denial| denial.status() == 403),
            "two lists in one check"
        );
        denial.is_some()
    };
    let done = AtomicBool::new(false);
    gate.lists().replace("l", lists[0].clone()).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = pairs.map(asked);
                }
            });
        }
        for nth in 1..2_000 {
            gate.lists().replace("l", lists[nth % 2].clone()).unwrap();
            assert_eq!(pairs.map(asked), [nth % 2 == 0, nth % 2 == 1], "after change {nth}");
        }
        done.store(true, Ordering::Relaxed);
    });
}
