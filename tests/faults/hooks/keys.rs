//! Keys whose `Hash`, `Eq`, `Clone`, `Drop` and `Serialize` panic, and limits of the caller's own.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use portcullis::{
    Capacity, Decision, ExactLimiter, KeyedLimiter, KeyedPermits, KeyedWindow, Quota, Timestamp,
    TokenBucket,
    limit::{Limit, Member, check_all},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{at_every_call, touch};
use crate::secs;

/// All keys have one hash: each look-up meets the others.
#[derive(Debug)]
struct Key(u32);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        touch("hash");
        0_u32.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        touch("eq");
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        touch("clone");
        Self(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        touch("drop");
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        touch("serialize");
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        touch("deserialize");
        u32::deserialize(deserializer).map(Self)
    }
}

const KEYS: u32 = 4;
const BURST: u32 = 3;
const HOOKS: [&str; 4] = ["hash", "eq", "clone", "drop"];

/// What each key was given, as far as it was told.
#[derive(Default)]
struct Told([AtomicU32; 2 * KEYS as usize]);

impl Told {
    fn add(&self, key: u32, units: u32) {
        self.0[key as usize].fetch_add(units, Ordering::Relaxed);
    }

    /// With what is left, that is the burst; what was interrupted has taken `most` units more at the most.
    fn fits(&self, keys: impl Iterator<Item = u32>, most: u32, mut left: impl FnMut(u32) -> u32) {
        let mut missing = 0;
        for key in keys {
            let all = self.0[key as usize].load(Ordering::Relaxed) + left(key);
            assert!(all <= BURST, "key {key} was given {all} units of {BURST}");
            missing += BURST - all;
        }
        assert!(missing <= most, "{missing} units are lost");
    }
}

fn drained(mut take: impl FnMut() -> Decision) -> u32 {
    (0..100).take_while(|_| take().is_admitted()).count() as u32
}

type Exact = Arc<(ExactLimiter<Key>, Told)>;

fn exact() -> Exact {
    Arc::new((ExactLimiter::new(Quota::per_hour(BURST), KEYS as usize), Told::default()))
}

const NOW: Timestamp = secs(10_000);
/// By then everything is paid.
const LATER: Timestamp = secs(100_000);

#[test]
fn exact_checks() {
    for hook in HOOKS {
        let work = |state: &Exact| {
            let (limiter, told) = &**state;
            for round in 0..2 {
                for key in 0..KEYS {
                    if limiter.check(&Key(key), NOW).is_admitted() {
                        told.add(key, 1);
                    }
                    let _ = limiter.peek_n(&Key(key), 1, NOW);
                }
                // There is no place for it.
                assert!(limiter.check(&Key(KEYS), NOW).is_denied(), "round {round}");
            }
        };
        at_every_call(hook, exact, work, |state, has_panicked| {
            let (limiter, told) = &**state;
            let most = u32::from(has_panicked);
            told.fits(0..KEYS, most, |key| drained(|| limiter.check(&Key(key), NOW)));
            assert_eq!(limiter.len(), KEYS as usize);
        });
    }
}

/// Whoever loses its place is dropped when the newcomer is in it, and charged.
#[test]
fn exact_displacement() {
    for hook in HOOKS {
        let make = || {
            let state = exact();
            (0..KEYS).for_each(|key| assert!(state.0.check(&Key(key), NOW).is_admitted()));
            state
        };
        let work = |state: &Exact| {
            let (limiter, told) = &**state;
            for key in KEYS..2 * KEYS {
                assert!(limiter.check(&Key(key), LATER).is_admitted());
                told.add(key, 1);
            }
        };
        at_every_call(hook, make, work, |state, has_panicked| {
            let (limiter, told) = &**state;
            let most = u32::from(has_panicked);
            told.fits(KEYS..2 * KEYS, most, |key| drained(|| limiter.check(&Key(key), LATER)));
            assert_eq!(limiter.len(), KEYS as usize);
        });
    }
}

/// What operators do: nobody comes out of it with more than the burst that it is given.
#[test]
fn exact_operations() {
    for hook in HOOKS {
        let work = |state: &Exact| {
            let (limiter, _) = &**state;
            for key in 0..KEYS {
                assert!(limiter.check(&Key(key), NOW).is_admitted());
                limiter.charge_n(&Key(key), 2, NOW);
                limiter.refund_n(&Key(key), 1, NOW);
                limiter.set_key_quota(&Key(key), Quota::per_hour(2 * BURST), NOW).unwrap();
                let _ = limiter.key_quota(&Key(key));
                let reserved = limiter.reserve_n(&Key(key), 1, NOW).unwrap();
                limiter.settle(&Key(key), reserved, 2, NOW);
                let _ = limiter.clear_key_quota(&Key(key), NOW);
                if key % 2 == 0 {
                    assert!(limiter.forget(&Key(key)));
                }
            }
            assert_eq!(limiter.iter(NOW).count(), KEYS as usize / 2);
            limiter.set_quota(Quota::per_minute(BURST), NOW);
        };
        at_every_call(hook, exact, work, |state, _| {
            let (limiter, _) = &**state;
            for key in 0..KEYS {
                let _ = limiter.clear_key_quota(&Key(key), NOW);
                let left = drained(|| limiter.check(&Key(key), NOW));
                assert!(left <= BURST, "key {key} has {left}");
                assert_eq!(drained(|| limiter.check(&Key(key), LATER)), BURST, "key {key}");
            }
            assert_eq!(limiter.iter(LATER).count(), KEYS as usize);
            assert!((0..KEYS).all(|key| limiter.forget(&Key(key))) && limiter.is_empty());
        });
    }
}

#[test]
fn exact_snapshots() {
    type State = Arc<Mutex<ExactLimiter<Key>>>;
    for hook in ["hash", "eq", "clone", "drop", "serialize", "deserialize"] {
        let make = || {
            let limiter = ExactLimiter::new(Quota::per_hour(BURST), KEYS as usize);
            (0..KEYS).for_each(|key| assert!(limiter.check_n(&Key(key), 2, NOW).is_admitted()));
            Arc::new(Mutex::new(limiter))
        };
        let work = |state: &State| {
            let mut limiter = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let text = serde_json::to_string(&limiter.snapshot(NOW)).unwrap();
            let snapshot = serde_json::from_str(&text).unwrap();
            limiter.restore(snapshot, Duration::ZERO, NOW).unwrap();
        };
        at_every_call(hook, make, work, |state, _| {
            let limiter = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // What it knew, before and after.
            for key in 0..KEYS {
                assert_eq!(drained(|| limiter.check(&Key(key), NOW)), 1, "key {key}");
            }
        });
    }
}

#[test]
fn windows() {
    type State = Arc<(KeyedWindow<Key>, Told)>;
    let make = || {
        let window = KeyedWindow::new(BURST, Duration::from_secs(3_600), 6, KEYS as usize).unwrap();
        Arc::new((window, Told::default()))
    };
    for hook in HOOKS {
        let work = |state: &State| {
            let (window, told) = &**state;
            for key in 0..KEYS {
                for _ in 0..2 {
                    if window.check(&Key(key), NOW).is_admitted() {
                        told.add(key, 1);
                    }
                }
                let _ = window.peek_n(&Key(key), 1, NOW);
            }
            assert!(window.check(&Key(KEYS), NOW).is_denied());
        };
        at_every_call(hook, make, work, |state, has_panicked| {
            let (window, told) = &**state;
            let most = u32::from(has_panicked);
            told.fits(0..KEYS, most, |key| drained(|| window.check(&Key(key), NOW)));
            // Then others come into their places, and one of them is given back what it took.
            for key in KEYS..2 * KEYS {
                assert_eq!(drained(|| window.check(&Key(key), LATER)), BURST);
                window.refund_n(&Key(key), 1, LATER);
                assert_eq!(drained(|| window.check(&Key(key), LATER)), 1);
            }
            assert_eq!(window.len(), KEYS as usize);
        });
        let work = |state: &State| {
            let (window, told) = &**state;
            for key in (0..2 * KEYS).chain(KEYS..2 * KEYS) {
                let at = if key < KEYS { NOW } else { LATER };
                if window.check(&Key(key), at).is_admitted() && key >= KEYS {
                    told.add(key, 1);
                }
                window.refund_n(&Key(u32::MAX), 1, at);
            }
        };
        at_every_call(hook, make, work, |state, has_panicked| {
            let (window, told) = &**state;
            let most = u32::from(has_panicked);
            told.fits(KEYS..2 * KEYS, most, |key| drained(|| window.check(&Key(key), LATER)));
        });
    }
}

#[test]
fn hashes() {
    type State = Arc<(KeyedLimiter, KeyedPermits, Told)>;
    let make = || {
        let limiter = KeyedLimiter::new(Quota::per_hour(BURST), Capacity::keys(100)).unwrap();
        Arc::new((limiter, KeyedPermits::new(BURST, 100), Told::default()))
    };
    let work = |state: &State| {
        let (limiter, permits, told) = &**state;
        for _ in 0..2 {
            let permit = permits.try_acquire_n(&Key(0), 2);
            assert!(permit.is_some() && permits.in_use(&Key(0)) == 2);
            assert!(limiter.check(&Key(0), NOW).is_admitted());
            told.add(0, 1);
            let _ = limiter.peek_n(&Key(0), 1, NOW);
            let reserved = limiter.reserve_n(&Key(0), 1, NOW);
            if let Ok(reserved) = reserved {
                limiter.cancel(&Key(0), reserved, NOW);
            }
            drop(permit);
        }
    };
    at_every_call("hash", make, work, |state, has_panicked| {
        let (limiter, permits, told) = &**state;
        // A reservation that was not cancelled is kept.
        told.fits(0..1, u32::from(has_panicked), |_| drained(|| limiter.check(&Key(0), NOW)));
        assert_eq!((permits.in_use(&Key(0)), permits.len()), (0, 0));
        assert!(permits.try_acquire_n(&Key(0), BURST).is_some());
        // What is forgiven is there with the next tick, of which an interval has 64.
        limiter.forgive(&Key(0), NOW);
        let soon = NOW.saturating_add(Duration::from_secs(20));
        assert_eq!(drained(|| limiter.check(&Key(0), soon)), BURST);
        limiter.set_quota(Quota::per_minute(BURST), NOW).unwrap();
    });
}

/// A limit of the caller's, which lets everything pass after others were asked.
struct Own(TokenBucket);

impl Limit for Own {
    fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        touch("limit");
        self.0.peek_n(n, now)
    }

    fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        touch("limit");
        self.0.check_n(n, now)
    }

    fn refund_n(&self, n: u32, now: Timestamp) {
        touch("limit");
        self.0.refund_n(n, now);
    }
}

#[test]
fn members() {
    type State = Arc<([TokenBucket; 2], Own, Told)>;
    let make = || {
        let bucket = || TokenBucket::new(Quota::per_hour(BURST));
        Arc::new(([bucket(), bucket()], Own(bucket()), Told::default()))
    };
    let work = |state: &State| {
        let ([first, last], own, told) = &**state;
        let members = [Member::new(first, 1), Member::new(own, 1), Member::new(last, 1)];
        for _ in 0..2 {
            assert!(check_all(&members, NOW).is_admitted());
            (0..3).for_each(|member| told.add(member, 1));
        }
    };
    at_every_call("limit", make, work, |state, has_panicked| {
        let ([first, last], own, told) = &**state;
        let all = [first, &own.0, last];
        // One unit of each at the most.
        for member in 0..3 {
            let bucket = all[member as usize];
            let left = |_| drained(|| bucket.check(NOW));
            told.fits(member..member + 1, u32::from(has_panicked), left);
        }
    });
}
