//! What a throttled client gets.
//!
//! One limit for all mitigations, by mitigation and client host (a /64 of IPv6). Clients that find no place are
//! let through: a crowd so large that it fills the table is one of clients that ask for little each, and refusing
//! those is for denial, which needs better evidence.

use core::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use crate::{
    error::KeyedLimiterError,
    limit::{Capacity, KeyedLimiter, OnSaturation, seeds::Seeds},
    quota::Quota,
    sync::Mutex,
    time::Timestamp,
};

/// Clients that owe something at the same time; under miri fewer, for our own tests.
const KEYS: usize = if cfg!(all(test, miri)) { 64 } else { 16_384 };

/// Requests a second.
const LEAST: f64 = 1.0;
const MOST: f64 = 10_000.0;

/// Seconds of it that may come at once.
const BURST: f64 = 10.0;

/// It is changed only by more than this share.
const STEP: f64 = 0.25;

pub(super) struct Throttle {
    limiter: KeyedLimiter,
    /// Requests a second.
    rate: Mutex<f64>,
}

impl Throttle {
    /// # Errors
    /// When there is no memory for it: a throttle that lets everything pass would be none.
    pub(super) fn new(seeds: &mut Seeds) -> Result<Self, KeyedLimiterError> {
        // Ticks are made for this one; all rates in the range fit them.
        let first = quota(1_000.0).unwrap_or(Quota::per_second(1_000));
        let limiter = KeyedLimiter::seeded(first, 0, Capacity::keys(KEYS), seeds)?;
        let limiter = limiter.on_saturation(OnSaturation::Allow);
        let throttle = Self { limiter, rate: Mutex::new(1_000.0) };
        throttle.set(LEAST, Timestamp::from_nanos(0));
        Ok(throttle)
    }

    /// Each client gets so many requests a second, unless that is nearly what it gets already, or was changed a
    /// moment ago.
    pub(super) fn set(&self, rate: f64, now: Timestamp) {
        let rate = if rate.is_nan() { LEAST } else { rate.clamp(LEAST, MOST) };
        let mut present = self.rate.lock();
        let by = (rate / *present - 1.0).abs();
        if by <= STEP {
            return;
        }
        if quota(rate).is_some_and(|quota| self.limiter.set_quota(quota, now).is_ok()) {
            *present = rate;
        }
    }

    /// The time to wait, if this client has had what it gets.
    #[inline]
    pub(super) fn says(
        &self,
        number: u64,
        client: IpAddr,
        takes: bool,
        now: Timestamp,
    ) -> Option<Duration> {
        let (limiter, key) = (&self.limiter, (number, host(client)));
        let decision = match takes {
            true => limiter.check(&key, now),
            false => limiter.on_key(&key).look_n(1, now),
        };
        decision.is_denied().then(|| decision.standing().retry_after())
    }

    #[cfg(test)]
    pub(super) fn quota(&self) -> Quota {
        self.limiter.quota()
    }
}

/// The quota of so many a second, to a tenth.
fn quota(rate: f64) -> Option<Quota> {
    let whole = |number: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let whole = number.clamp(1.0, 10.0 * MOST).ceil() as u32;
        whole
    };
    let quota = Quota::new(whole(rate * 10.0), Duration::from_secs(10)).ok()?;
    Some(quota.burst(whole(rate * BURST)))
}

/// The host that an address belongs to.
fn host(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => upper(v6),
    }
}

fn upper(address: Ipv6Addr) -> u64 {
    // Global addresses of IPv6 begin at 2000::, so that none is taken for one of IPv4; no more would come of it
    // than that two clients share a bucket.
    u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use core::{net::IpAddr, time::Duration};

    use super::{Capacity, KeyedLimiter, OnSaturation, Quota, Throttle};
    use crate::{limit::seeds::Seeds, time::Timestamp};

    fn now(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_000 + seconds)
    }

    fn admitted(throttle: &Throttle, client: IpAddr, at: Timestamp) -> usize {
        (0..100).filter(|_| throttle.says(7, client, true, at).is_none()).count()
    }

    #[test]
    fn at_first_it_is_one_a_second_and_ten_at_once() {
        let throttle = Throttle::new(&mut Seeds::of_chance()).unwrap();
        let client = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(admitted(&throttle, client, now(0)), 10);
        assert_eq!(admitted(&throttle, client, now(2)), 2);
        let wait = throttle.says(7, client, true, now(2)).unwrap();
        assert!(wait > Duration::from_millis(900) && wait < Duration::from_millis(1_100));
        // Another mitigation, and another client, have nothing to do with it.
        assert_eq!(throttle.says(8, client, true, now(2)), None);
        assert_eq!(admitted(&throttle, IpAddr::from([192, 0, 2, 2]), now(2)), 10);
    }

    #[test]
    fn it_follows_in_steps() {
        let throttle = Throttle::new(&mut Seeds::of_chance()).unwrap();
        let quota = || (throttle.quota().count(), throttle.quota().max_burst());
        assert_eq!(quota(), (10, 10));
        for (rate, expected) in [
            (0.01, (10, 10)),
            (1.2, (10, 10)),
            (f64::NAN, (10, 10)),
            (4.0, (40, 40)),
            (4.9, (40, 40)),
            (3.1, (40, 40)),
            (2.9, (29, 29)),
            (1e12, (100_000, 100_000)),
            (0.0, (10, 10)),
        ] {
            static AT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let at = AT.fetch_add(1_000, std::sync::atomic::Ordering::Relaxed);
            throttle.set(rate, now(at));
            assert_eq!(quota(), expected, "{rate}");
        }
    }

    #[test]
    fn who_only_looks_counts_nobody_without_a_place() {
        let mut throttle = Throttle::new(&mut Seeds::of_chance()).unwrap();
        throttle.limiter = KeyedLimiter::seeded(
            Quota::per_second(1),
            0,
            Capacity::keys(7),
            &mut Seeds::of_chance(),
        )
        .unwrap()
        .on_saturation(OnSaturation::Allow);
        let says = |host: u8, takes| throttle.says(7, [192, 0, 2, host].into(), takes, now(0));
        for host in 0..100 {
            let _ = says(host, true);
        }
        let before = throttle.limiter.times_unseated();
        assert!(before > 0);
        for host in 0..100 {
            let _ = says(host, false);
        }
        assert_eq!(throttle.limiter.times_unseated(), before);
    }

    #[test]
    fn hosts_of_ipv6_are_a_64() {
        let throttle = Throttle::new(&mut Seeds::of_chance()).unwrap();
        let client = |text: &str| -> IpAddr { text.parse().unwrap() };
        assert_eq!(admitted(&throttle, client("2001:db8::1"), now(0)), 10);
        assert_eq!(admitted(&throttle, client("2001:db8::2"), now(0)), 0);
        assert_eq!(admitted(&throttle, client("2001:db8:0:1::1"), now(0)), 10);
        assert_eq!(admitted(&throttle, client("::ffff:192.0.2.1"), now(0)), 10);
        assert_eq!(admitted(&throttle, client("192.0.2.1"), now(0)), 0);
    }
}
