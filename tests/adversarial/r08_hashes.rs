//! **Row 8: keys that are chosen to collide.**
//!
//! Identifiers: oCERT-2011-003; hashbrown's note on its default hasher and PR #216; firedancer #4830; `Danger` in the crate http.
//!
//! The attack: whoever knows how keys are hashed finds many that fall into one place. Then each look-up walks through all of
//! them, or, in a store of fixed places, the keys push each other and everybody else there out.
//!
//! Ours: each store has secrets of its own, from chance: `src/limit/seeds.rs` I1 I3 (`no_two_are_the_same`), and a look-up
//! reads two sets of seven places, whatever is in them (`src/limit/keyed/mod.rs`, *Cost*), so there is no chain to walk along. What
//! the seed decides can be seen from outside, and is looked at here.
//!
//! Shown to fail, tests counted from above:
//! - `src/limit/seeds.rs`, `of_chance` follows the number 7: keys found in one store have 14 places of 28 in each
//!   other one (test 1);
//! - the same of `following` without a number: two gates take in the same clients (test 2).

use portcullis::{Capacity, Gate, KeyedLimiter, Quota, Request, Timestamp};

use crate::support::{client, gate};

const NOW: Timestamp = Timestamp::from_secs(9);
const LATER: Timestamp = Timestamp::from_secs(600);
const KEYS: usize = 400;

fn store(keys: usize) -> KeyedLimiter {
    KeyedLimiter::new(Quota::per_day(1), Capacity::keys(keys)).unwrap()
}

/// How many of these keys find a place.
fn seated(store: &KeyedLimiter, keys: &[u64]) -> usize {
    keys.iter().filter(|key| store.check(key, NOW).is_admitted()).count()
}

/// Keys whose two sets are the same two: found as an attacker with a copy of the program can, from answers alone.
fn colliding() -> Vec<u64> {
    // Four sets of seven places, all of them taken.
    let own = store(20);
    let taken: Vec<u64> = (0..10_000).filter(|key| own.check(key, NOW).is_admitted()).collect();
    assert_eq!(taken.len(), own.stats(NOW).places());
    // A place is freed: who would find one now has its set among its two. Then the place is taken again, and one
    // elsewhere is freed, until two sets are told apart.
    let mut found: Vec<Vec<u64>> = Vec::new();
    for key in taken {
        own.forgive(&key, NOW);
        let fits = |other: &u64| own.peek_n(other, 1, LATER).is_admitted();
        let these: Vec<u64> = (20_000..24_000).filter(fits).collect();
        assert!(own.check(&key, LATER).is_admitted());
        // A few of one set differ by what is seated there.
        let shared =
            |of: &Vec<u64>| these.iter().filter(|key| of.binary_search(key).is_ok()).count();
        if found.iter().all(|of| shared(of) * 10 < these.len() * 9) {
            found.push(these);
        }
        if found.len() == 2 {
            break;
        }
    }
    let both = found[0].iter().filter(|key| found[1].binary_search(key).is_ok());
    both.copied().take(21).collect()
}

/// In the store that they were made for they would have fourteen places. In any other they are like all keys.
#[test]
fn keys_that_collide_in_one_store_do_not_in_the_next() {
    let attack = colliding();
    assert_eq!(attack.len(), 21);
    let found: Vec<usize> = (0..20).map(|_| seated(&store(20), &attack)).collect();
    // By chance all 21 of a store fall into the same two of four sets once in billions.
    let all = found.iter().sum::<usize>();
    assert!(all > 20 * 17, "{found:?}");
}

/// Which clients a rule with a share takes in is decided by the gate's hash: of two gates with one text, by two.
#[test]
fn two_gates_of_one_text_hash_differently() {
    let text =
        "[[rule]]\nname = \"some\"\nwhen = 'path eq \"/\"'\nthen = \"deny\"\nenforce_share = 0.5\n";
    let refused = |gate: &Gate| -> Vec<bool> {
        let passes = |nth| gate.check(&Request::new(client(nth)).target("/"), NOW).is_admitted();
        (0..256).map(passes).collect()
    };
    let [one, other] = [gate(text), gate(text)].map(|gate| refused(&gate));
    // By chance once in 2^256.
    assert_ne!(one, other);
    let some = one.iter().filter(|passes| **passes).count();
    assert!((64..192).contains(&some), "{some}");
}

/// Keys with a pattern, as attackers' addresses have one, fill a store as evenly as any.
#[test]
fn keys_with_a_pattern_find_places_as_others_do() {
    for step in [1_u64, 1 << 8, 1 << 16, 1 << 32, 0x0101_0101, u64::MAX / 500] {
        let keys: Vec<u64> = (0..KEYS as u64).map(|nth| nth.wrapping_mul(step)).collect();
        let seated = seated(&store(KEYS), &keys);
        assert!(seated * 20 > KEYS * 19, "steps of {step:#x}: {seated} of {KEYS}");
    }
}
