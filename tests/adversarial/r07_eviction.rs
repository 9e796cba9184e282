//! **Row 7: being forgotten, on purpose.**
//!
//! Identifiers: none found; it follows from every bounded store that forgets whom it has not seen for longest.
//!
//! The attack: who has used up its limit, or is banned, floods the store with other keys until its own is dropped, and
//! starts afresh. Or it floods until regular clients have no place.
//!
//! Ours: a place is reused only when its bucket is full, so that forgetting it gives nothing: `src/limit/keyed/mod.rs` I2
//! (`no_flood_gives_an_exhausted_key_anything_back`), `src/limit/shard.rs` I1 I4; a ban that ends later is not displaced by one that ends sooner:
//! `src/gate/bans.rs` I2; a full gate judges newcomers by their network (`src/gate/limits/judge.rs` I3). This row has one attacker with
//! very many addresses try all of it on a gate.
//!
//! Shown to fail, tests counted from above:
//! - `src/limit/keyed/table.rs`, `settle`: a way that owes is vacant, too: the attacker starts afresh after 120
//!   others (test 1);
//! - `src/limit/shard.rs`, `is_free`: whoever owes is: test 3;
//! - `src/gate/bans/table.rs`, `Table::add`: the oldest ban gives way, not the one that ends first: test 4.

use std::{net::IpAddr, time::Duration};

use portcullis::{ExactLimiter, Quota, Request, Timestamp};

use crate::support::{client, gate, passed, passes, refused};

const NOW: Timestamp = Timestamp::from_secs(500);

/// One client of each of many networks, so that no network's share is used up first.
fn spread(nth: u32) -> IpAddr {
    client(nth.reverse_bits() >> 8)
}

#[test]
fn who_is_over_its_limit_stays_so_through_a_flood_of_its_own() {
    let gate = gate(
        "clients = 64\nnewcomers = \"1000000/s\"\n[[limit]]\nname = \"each\"\nquota = \"5/h\"\n",
    );
    let attacker: IpAddr = "203.0.113.66".parse().unwrap();
    assert_eq!(passed(&gate, attacker, 100, NOW), 5);
    // The others use up theirs as well, so that none of them is less in debt than the attacker's own.
    for nth in 0..8_000 {
        let now = NOW.saturating_add(Duration::from_micros(u64::from(nth)));
        passed(&gate, spread(nth), 5, now);
        if nth % 40 == 0 {
            assert!(!passes(&gate, attacker, now), "after {nth} others");
        }
    }
    assert!(gate.stats().saturated() > 0, "the store was never full");
}

/// Regulars go on while the store is full of others.
#[test]
fn who_has_a_place_is_served_through_a_flood() {
    let gate = gate("clients = 700\n[[limit]]\nname = \"each\"\nquota = \"60/min burst 10\"\n");
    let mut now = NOW;
    let (mut asked, mut served) = (0, 0);
    for second in 0..120_u32 {
        now = now.saturating_add(Duration::from_secs(1));
        for regular in 0..20 {
            asked += u32::from(second >= 60);
            served += u32::from(passes(&gate, client(regular << 12), now) && second >= 60);
        }
        if second >= 60 {
            for nth in 0..400 {
                passes(&gate, spread(second * 400 + nth), now);
            }
        }
    }
    assert_eq!((asked, served), (1_200, 1_200));
}

/// The exact store, which keeps its keys.
#[test]
fn an_exact_store_forgets_only_who_owes_nothing() {
    let store = ExactLimiter::<u32>::new(Quota::per_hour(4), 50);
    for key in 0..50 {
        assert!(store.check_n(&key, 4, NOW).is_admitted());
    }
    for fresh in 50..20_000 {
        assert!(store.check(&fresh, NOW).is_denied());
        assert!(store.check(&(fresh % 50), NOW).is_denied());
    }
}

/// A banned client brings many short bans upon others of its addresses: its own, which is longer, stays.
#[test]
fn a_flood_of_short_bans_displaces_no_long_one() {
    let gate =
        gate("bans = 20\n[[limit]]\nname = \"each\"\nquota = \"1/h\"\nthen = { ban = \"10s\" }\n");
    let attacker: IpAddr = "203.0.113.66".parse().unwrap();
    gate.bans().add(attacker.into(), Duration::from_secs(3_600), "by an operator", NOW);
    for nth in 0..5_000 {
        passes(&gate, client(nth), NOW);
        assert!(!passes(&gate, client(nth), NOW));
    }
    assert!(gate.bans().displaced() > 4_000);
    let denial = refused(&gate, &Request::new(attacker), NOW).unwrap();
    assert_eq!(denial.retry_after(), Some(Duration::from_secs(3_600)));
}
