//! What unknown clients share while not all can be served.
//!
//! Known clients are served first; what they leave is for everybody else, one network like the other. No
//! network gets more than its share of the rate, with a burst of some seconds; all together get the rate.
//!
//! # Invariants
//! - **I1** all others together (I2) pass at no more than the rate, and a second's worth at once;
//! - **I2** what looks like an attacker's request has a small share of its own beside that, a tenth of the rate, and takes
//!   nothing from the others;
//! - **I3** what the rate refuses takes nothing from a network's share.

use core::time::Duration;

use crate::{
    Capacity, Decision, KeyedLimiter, OnSaturation, Quota, Timestamp,
    error::KeyedLimiterError,
    limit::{AdjustableBucket, seeds::Seeds},
    sync::{AtomicU64, Ordering},
};

/// The rate for all, and each network's share of it.
pub(crate) struct Newcomers {
    all: AdjustableBucket,
    suspects: AdjustableBucket,
    networks: KeyedLimiter,
    /// The rate that all have, and the rate and the number of networks that shares were made for, as bits of floats.
    set_for: [AtomicU64; 3],
}

/// The networks whose shares are remembered at a time; those beyond are only judged all together. Under
/// miri fewer, for our own tests.
const NETWORKS: usize = if cfg!(all(test, miri)) { 64 } else { 32_768 };
/// No network needs more, and the store could not keep it.
const MOST_SHARE: f64 = 500.0;
/// What requests get that look like an attacker's, as a share of the rate.
const SUSPECTS: f64 = 0.1;
/// Quotas follow when what they are made for is off by more than this.
const OFF: f64 = 1.2;

impl Newcomers {
    pub(crate) fn new(seeds: &mut Seeds) -> Result<Self, KeyedLimiterError> {
        let capacity = Capacity::keys(NETWORKS);
        let networks = KeyedLimiter::seeded(Quota::per_second(1), 0, capacity, seeds)?;
        Ok(Self {
            all: AdjustableBucket::new(Quota::per_second(1)),
            suspects: AdjustableBucket::new(Quota::per_second(1)),
            networks: networks.on_saturation(OnSaturation::Allow),
            set_for: [0; 3].map(AtomicU64::new),
        })
    }

    /// From now on so many requests a second, shared by about so many networks.
    pub(crate) fn set(&self, rate: f64, networks: f64, now: Timestamp) {
        let [set_rate, shared, set_networks] = &self.set_for;
        // Relaxed: only the one that runs a tick sets.
        let is_off = |set: &AtomicU64, value: f64| {
            let before = f64::from_bits(set.load(Ordering::Relaxed));
            !(before / OFF..=before * OFF).contains(&value)
        };
        // Growth is never held back by the rounding above.
        if f64::from_bits(set_rate.load(Ordering::Relaxed)).to_bits() != rate.to_bits() {
            self.all.set_quota(quota_of(rate, 1.0), now);
            self.suspects.set_quota(quota_of(rate * SUSPECTS, 1.0), now);
        }
        if is_off(shared, rate) || is_off(set_networks, networks) {
            // Twice the even share: networks are not alike, and the rate for all stands in any case.
            let share = (2.0 * rate / networks.max(1.0)).clamp(0.2, MOST_SHARE);
            // What cannot be changed now is changed at the next tick.
            if self.networks.set_quota(quota_of(share, 4.0), now).is_ok() {
                shared.store(rate.to_bits(), Ordering::Relaxed);
                set_networks.store(networks.to_bits(), Ordering::Relaxed);
            }
        }
        set_rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// Whether a request may pass that looks like an attacker's; for how long it is to wait if not.
    pub(crate) fn check_suspect(&self, takes: bool, now: Timestamp) -> Result<(), Duration> {
        let said = if takes { self.suspects.check(now) } else { self.suspects.peek_n(1, now) };
        if said.is_denied() { Err(said.standing().retry_after()) } else { Ok(()) }
    }

    /// Whether a request from this network may pass; for how long it is to wait if not.
    pub(crate) fn check(&self, network: u64, now: Timestamp) -> Result<(), Duration> {
        let wait = |decision: Decision| decision.standing().retry_after();
        let own = self.networks.check(&network, now);
        if own.is_denied() {
            return Err(wait(own));
        }
        let all = self.all.check(now);
        if all.is_denied() {
            if !own.is_saturated() {
                self.networks.refund_n(&network, 1, now);
            }
            return Err(wait(all));
        }
        Ok(())
    }

    /// The same without taking anything.
    pub(crate) fn peek(&self, network: u64, now: Timestamp) -> Result<(), Duration> {
        let own = self.networks.on_key(&network).look_n(1, now);
        let all = self.all.peek_n(1, now);
        let refusal = [own, all].into_iter().find(Decision::is_denied);
        refusal.map_or(Ok(()), |refusal| Err(refusal.standing().retry_after()))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.networks.memory_bytes()
    }
}

/// So many a second, and what comes in so many seconds at once; at least one.
pub(crate) fn quota_of(rate: f64, burst: f64) -> Quota {
    // Counted by the minute, so that slow rates are not rounded away.
    let count = whole(rate * 60.0).max(1);
    let burst = whole(rate * burst).max(1);
    let quota = Quota::new(count, Duration::from_secs(60)).unwrap_or(Quota::per_second(1));
    quota.burst(burst)
}

/// The whole number next to it that quotas can have.
fn whole(number: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped before; what is no number becomes 0"
    )]
    let whole = number.clamp(0.0, 1e8).round() as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::{Capacity, KeyedLimiter, Newcomers, OnSaturation, Quota, quota_of, whole};
    use crate::{Timestamp, limit::seeds::Seeds};

    /// I1, with every network new.
    #[test]
    fn all_together_get_the_rate() {
        let newcomers = Newcomers::new(&mut Seeds::of_chance()).unwrap();
        newcomers.set(50.0, 1e6, Timestamp::from_secs(1));
        let mut passed = 0;
        for at in 0..100_000_u64 {
            let now = Timestamp::from_micros(10_000_000 + at * 100);
            passed += u32::from(newcomers.check(at, now).is_ok());
        }
        assert!((500..=552).contains(&passed), "{passed} in ten seconds");
    }

    /// One network asks for everything: the others have their shares all the same.
    #[test]
    fn no_network_takes_the_others_share() {
        let newcomers = Newcomers::new(&mut Seeds::of_chance()).unwrap();
        newcomers.set(100.0, 10.0, Timestamp::from_secs(1));
        let (mut greedy, mut others) = (0, 0);
        for at in 0..10_000_u64 {
            let now = Timestamp::from_millis(10_000 + at);
            greedy += u32::from(newcomers.check(0, now).is_ok());
            if at % 20 == 0 {
                others += u32::from(newcomers.check(1 + at / 20 % 9, now).is_ok());
            }
        }
        assert!(greedy <= 20 * 10 + 81, "{greedy}");
        assert_eq!(others, 500, "all that they asked for");
    }

    /// I3.
    #[test]
    fn what_the_rate_refuses_takes_nothing_of_a_share() {
        let newcomers = Newcomers::new(&mut Seeds::of_chance()).unwrap();
        newcomers.set(1.0, 1.0, Timestamp::from_secs(1));
        let now = Timestamp::from_secs(100);
        assert!(newcomers.check(0, now).is_ok());
        for _ in 0..50 {
            assert!(newcomers.check(1, now).is_err());
        }
        assert!(newcomers.peek(1, Timestamp::from_secs(102)).is_ok());
        assert!(newcomers.check(1, Timestamp::from_secs(102)).is_ok());
    }

    #[test]
    fn who_only_looks_counts_nobody_without_a_place() {
        let mut newcomers = Newcomers::new(&mut Seeds::of_chance()).unwrap();
        let networks = KeyedLimiter::seeded(
            Quota::per_second(1),
            0,
            Capacity::keys(7),
            &mut Seeds::of_chance(),
        );
        newcomers.networks = networks.unwrap().on_saturation(OnSaturation::Allow);
        newcomers.all.set_quota(Quota::per_second(1_000), Timestamp::from_secs(1));
        let now = Timestamp::from_secs(1);
        for network in 0..100 {
            let _ = newcomers.check(network, now);
        }
        let before = newcomers.networks.times_unseated();
        assert!(before > 0);
        for network in 0..100 {
            let _ = newcomers.peek(network, now);
        }
        assert_eq!(newcomers.networks.times_unseated(), before);
    }

    #[test]
    fn any_rate_has_a_quota() {
        for rate in [f64::NAN, -1.0, 0.0, 0.001, 1.0, 1e12, f64::INFINITY] {
            assert!(quota_of(rate, 4.0).max_burst() >= 1);
        }
        assert_eq!((whole(f64::NAN), whole(2.5), whole(1e99)), (0, 3, 100_000_000));
    }
}
