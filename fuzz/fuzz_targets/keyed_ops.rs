//! The store over hostile keys answers every sequence of operations as a map of exact buckets does, or
//! more strictly, and never more generously.
//!
//! Two stores go through the same story, each with a model of its own. One is roomy: while the clock
//! goes forward, and until the seed or the quota changes, it must agree with the model on everything.
//! The other has one to three sets for forty keys: what it admits the model must admit too, which is
//! told only of what was done. Both must survive every restart on the way.
//!
//! A clock that steps back by more than a second forgives a burst, as documented: both models then
//! start anew, with stores that do.

#![no_main]

mod any_quota;

use std::time::Duration;

use any_quota::AnyQuota;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use portcullis::{
    Capacity, KeyedLimiter, Quota, Timestamp,
    limit::reference::{Answer, Keyed},
};

#[derive(Arbitrary, Debug)]
struct Story {
    quota: AnyQuota,
    /// Room for debt.
    debt: u8,
    seeds: [u64; 5],
    /// Of the small store.
    sets: u8,
    start: u64,
    steps: Vec<(Move, u8, Operation)>,
}

#[derive(Arbitrary, Debug)]
enum Move {
    Stay,
    /// As far as the last denial said to wait, or so much short of it.
    Wait {
        short_of: u8,
    },
    Nanos(u16),
    Millis(u16),
    Seconds(u16),
    Forward(u64),
    /// By less than a second.
    Back(u32),
    BackMillis(u16),
    To(u64),
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Check(u8),
    CheckMany(u32),
    Peek(u32),
    Refund(u8),
    Charge(u8),
    Settle {
        reserved: u8,
        actual: u8,
    },
    Cancel(u8),
    Forgive,
    Rotate,
    SetQuota(AnyQuota),
    /// A snapshot, and a new process that has the same clock.
    Restart,
}

impl Move {
    fn apply(&self, now: Timestamp, latest: Timestamp, wait: Duration) -> Timestamp {
        // Behind the latest by less than a second, whatever was behind before.
        let back = |by: Duration| latest.saturating_sub(by).min(now);
        match *self {
            Self::Stay => now,
            Self::Wait { short_of } => now
                .saturating_add(wait)
                .saturating_sub(Duration::from_nanos(u64::from(short_of)).min(wait)),
            Self::Nanos(by) => now.saturating_add(Duration::from_nanos(u64::from(by))),
            Self::Millis(by) => now.saturating_add(Duration::from_millis(u64::from(by))),
            Self::Seconds(by) => now.saturating_add(Duration::from_secs(u64::from(by))),
            Self::Forward(by) => now.saturating_add(Duration::from_nanos(by)),
            Self::Back(by) => back(Duration::from_nanos(u64::from(by % 999_000_000))),
            Self::BackMillis(by) => back(Duration::from_millis(u64::from(by % 999))),
            Self::To(nanos) => Timestamp::from_nanos(nanos),
        }
    }
}

/// A store and its model.
struct Pair {
    store: KeyedLimiter,
    model: Keyed,
    quota: Quota,
    /// Whether every answer is the model's.
    exact: bool,
    /// Whether the model still knows of all that was given back.
    known: bool,
}

impl Pair {
    fn new(quota: Quota, debt: u32, capacity: Capacity, story: &Story) -> Option<Self> {
        let store = KeyedLimiter::danger_with_seeds(quota, debt, capacity, story.seeds).ok()?;
        let model = Keyed::new(quota, debt)?;
        Some(Self { store, model, quota, exact: false, known: true })
    }

    fn check(&mut self, key: u8, n: u32, now: Timestamp) -> Duration {
        let decision = self.store.check_n(&key, n, now);
        if self.exact {
            let expected = self.model.check_n(key.into(), n, now);
            assert_eq!(Answer::from(decision), expected, "{n} of key {key} at {now:?}");
        } else if decision.is_admitted() && n > 0 && !decision.is_saturated() {
            let may = self.model.check_n(key.into(), n, now).admitted;
            assert!(may, "{n} of key {key} at {now:?} of {}", self.quota);
        }
        let wait = decision.standing().retry_after();
        if wait == Duration::MAX { Duration::ZERO } else { wait }
    }

    fn charge(&mut self, key: u8, n: u32, now: Timestamp) {
        // Whoever has no place is not charged, and the model is told only of what was done.
        if !self.store.charge_n(&key, n, now).is_saturated() {
            self.model.charge_n(key.into(), n, now);
        }
    }

    fn refund(&mut self, key: u8, n: u32, now: Timestamp) {
        // Where a place was lost the store gives nothing back, and that is stricter.
        self.store.refund_n(&key, n, now);
        self.model.refund_n(key.into(), n, now);
    }

    fn settle(&mut self, key: u8, reserved: u32, actual: u32, now: Timestamp) {
        let outcome = self.store.reserve_n(&key, reserved, now);
        if self.exact || outcome.is_ok() && reserved > 0 {
            let may = self.model.check_n(key.into(), reserved, now).admitted;
            assert_eq!(may, outcome.is_ok(), "{reserved} of key {key} at {now:?}");
        }
        let Ok(reservation) = outcome else { return };
        // Charging more may find no place, which `settle` does not say.
        let actual = if self.exact { actual } else { actual.min(reserved) };
        self.store.settle(&key, reservation, actual, now);
        match actual.checked_sub(reserved) {
            Some(more) => self.model.charge_n(key.into(), more, now),
            None => self.model.refund_n(key.into(), reserved - actual, now),
        }
    }

    fn follow(&mut self, operation: &Operation, key: u8, now: Timestamp) -> Duration {
        match *operation {
            Operation::Check(n) => return self.check(key, n.into(), now),
            Operation::CheckMany(n) => return self.check(key, n, now),
            Operation::Peek(n) => {
                let peeked = Answer::from(self.store.peek_n(&key, n, now));
                if self.exact {
                    assert_eq!(peeked, self.model.peek_n(key.into(), n, now), "at {now:?}");
                }
                assert_eq!(Answer::from(self.store.peek_n(&key, n, now)), peeked, "took nothing");
            }
            Operation::Refund(n) => self.refund(key, n.into(), now),
            Operation::Charge(n) => self.charge(key, n.into(), now),
            Operation::Settle { reserved, actual } => {
                self.settle(key, reserved.into(), actual.into(), now);
            }
            Operation::Cancel(n) => self.settle(key, n.into(), 0, now),
            Operation::Forgive => {
                self.store.forgive(&key, now);
                self.model.forgive(key.into(), now);
            }
            Operation::Rotate => {
                if self.store.rotate_seed(now).is_ok() {
                    self.exact = false;
                }
            }
            Operation::SetQuota(ref quota) => self.set_quota(quota.build(), now),
            Operation::Restart => {
                let snapshot = self.store.snapshot(now);
                self.store = KeyedLimiter::restore(&snapshot, Duration::ZERO, now).unwrap();
                assert_eq!(self.store.quota(), self.quota);
            }
        }
        Duration::ZERO
    }

    /// Debts are carried over when a key first comes, and some never: the model forgets, and starts
    /// when everything is paid.
    fn set_quota(&mut self, quota: Option<Quota>, now: Timestamp) {
        let Some(quota) = quota else { return };
        if self.store.set_quota(quota, now).is_ok() {
            self.quota = quota;
            self.exact = false;
            self.known = false;
        }
    }
}

fuzz_target!(|story: Story| {
    let Some(quota) = story.quota.build() else { return };
    let debt = u32::from(story.debt);
    let Some(roomy) = Pair::new(quota, debt, Capacity::keys(400), &story) else { return };
    let bytes = size_of::<KeyedLimiter>() + (usize::from(story.sets % 3) + 1) * 64;
    let Some(small) = Pair::new(quota, debt, Capacity::bytes(bytes), &story) else { return };
    let mut pairs = [roomy, small];
    pairs[0].exact = true;
    let mut now = Timestamp::from_nanos(story.start);
    let (mut latest, mut wait) = (now, Duration::ZERO);
    let mut lawful = true;

    for (step, key, operation) in &story.steps {
        now = step.apply(now, latest, wait);
        let key = key % 40;
        if now < latest {
            pairs[0].exact = false;
            // Beyond this the store only has to survive.
            lawful &= latest.saturating_duration_since(now) < Duration::from_secs(1);
        }
        latest = latest.max(now);
        for pair in &mut pairs {
            if lawful && pair.known {
                let told = pair.follow(operation, key, now);
                wait = if told.is_zero() { wait } else { told };
            } else {
                survive(&pair.store, operation, key, now);
            }
        }
    }
    for pair in &pairs {
        let stats = pair.store.stats(latest);
        assert!(stats.owing() <= stats.places() && stats.taken() <= stats.places());
    }
});

/// Whatever the clock has done, and after changes of the quota: no panic, no more than a bucket at once.
fn survive(store: &KeyedLimiter, operation: &Operation, key: u8, now: Timestamp) {
    match *operation {
        Operation::Check(n) => drop(store.check_n(&key, n.into(), now)),
        Operation::CheckMany(n) => drop(store.check_n(&key, n, now)),
        Operation::Peek(n) => drop(store.peek_n(&key, n, now)),
        Operation::Refund(n) => store.refund_n(&key, n.into(), now),
        Operation::Charge(n) => drop(store.charge_n(&key, n.into(), now)),
        Operation::Settle { reserved, actual } => {
            if let Ok(reservation) = store.reserve_n(&key, reserved.into(), now) {
                store.settle(&key, reservation, actual.into(), now);
            }
        }
        Operation::Cancel(n) => {
            if let Ok(reservation) = store.reserve_n(&key, n.into(), now) {
                store.cancel(&key, reservation, now);
            }
        }
        Operation::Forgive => store.forgive(&key, now),
        Operation::Rotate => drop(store.rotate_seed(now)),
        Operation::SetQuota(ref quota) => {
            if let Some(quota) = quota.build() {
                let _ = store.set_quota(quota, now);
            }
        }
        Operation::Restart => {
            let snapshot = store.snapshot(now);
            assert!(KeyedLimiter::restore(&snapshot, Duration::ZERO, now).is_ok());
        }
    }
}
