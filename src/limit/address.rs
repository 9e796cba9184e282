//! Limits on one address at several sizes of network, taken together.
//!
//! Who has one IPv6 address has a /64 of them, and often a /56 or /48; who rents a /24 has 256 IPv4
//! addresses. A limit on each address alone does not limit such a client, and one on the network
//! alone makes neighbours pay for each other. So an address is judged at several *tiers*: each has a
//! quota and a store of its own, a request passes all of them or takes from none.
//!
//! A tier whose store has no place for the address is passed over, and the coarser ones judge alone:
//! that is what happens to newcomers in a flood of addresses, which fills the finest tier first. When no
//! tier has a place, the decision is saturated.
//!
//! Invariants: **I1** a denial takes from no tier; **I2** a mapped IPv6 address is its IPv4 address;
//! **I3** an address is admitted without a place only if no tier has one and the limiter allows that.

use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;

use super::{
    Capacity, KeyedLimiter, OnSaturation,
    group::{GroupDecision, decide},
    keyed::OnKey,
};
use crate::{
    error::{AddressLimiterError, KeyedLimiterError},
    quota::Quota,
    request::{Client, ClientGroup},
    time::Timestamp,
};

/// A token bucket per network of an address, at several sizes of network together.
///
/// # Guarantee
/// That of [`KeyedLimiter`] at every tier. A denial takes from no tier. A tier without a place
/// for the address is passed over while another one judges it; if none does,
/// [`OnSaturation`] decides.
///
/// # Memory
/// That of one [`KeyedLimiter`] for each tier, all at construction.
///
/// # Example: addresses, and the networks that they come from
/// ```
/// use portcullis::{Capacity, Quota, Timestamp};
/// use portcullis::limit::{AddressLimiter, Tier};
/// use std::net::IpAddr;
///
/// let quota = Quota::per_second(10);
/// let limiter = AddressLimiter::new([
///     Tier::v4(32, quota, Capacity::keys(100_000)),
///     Tier::v4(24, Quota::per_second(100), Capacity::keys(10_000)),
///     Tier::v6(64, quota, Capacity::keys(100_000)),
///     Tier::v6(56, Quota::per_second(40), Capacity::keys(10_000)),
///     Tier::v6(48, Quota::per_second(100), Capacity::keys(10_000)),
/// ])?;
/// let now = Timestamp::from_secs(1);
/// let address: IpAddr = "2001:db8::1".parse()?;
/// assert!(limiter.check_n(address, 10, now).is_admitted());
/// assert_eq!(limiter.check(address, now).strictest(), Some(2), "its /64");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AddressLimiter {
    tiers: Box<[Storey]>,
    on_saturation: OnSaturation,
}

/// One size of network, its quota, and how many of them can owe something at a time.
#[derive(Clone, Copy, Debug)]
pub struct Tier {
    family: Family,
    bits: u8,
    quota: Quota,
    capacity: Capacity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// A tier that was built.
#[derive(Debug)]
struct Storey {
    family: Family,
    group: ClientGroup,
    limiter: KeyedLimiter,
}

/// More would not be asked for: each one is a look at another table.
const MOST_TIERS: usize = 8;

impl Tier {
    /// Networks of so many leading bits of an IPv4 address, 0 to 32.
    #[must_use]
    pub const fn v4(bits: u8, quota: Quota, capacity: Capacity) -> Self {
        Self { family: Family::V4, bits, quota, capacity }
    }

    /// Networks of so many leading bits of an IPv6 address, 0 to 128.
    #[must_use]
    pub const fn v6(bits: u8, quota: Quota, capacity: Capacity) -> Self {
        Self { family: Family::V6, bits, quota, capacity }
    }

    fn build(self, number: usize) -> Result<Storey, AddressLimiterError> {
        let Self { family, bits, quota, capacity } = self;
        let (group, most) = match family {
            Family::V4 => (ClientGroup { v4: bits, v6: 128 }, 32),
            Family::V6 => (ClientGroup { v4: 32, v6: bits }, 128),
        };
        if bits > most {
            return Err(AddressLimiterError::TooManyBits { number, bits, most });
        }
        let refused = |error: KeyedLimiterError| AddressLimiterError::Tier { number, error };
        let limiter = KeyedLimiter::new(quota, capacity).map_err(refused)?;
        Ok(Storey { family, group, limiter })
    }
}

impl AddressLimiter {
    /// A limiter of these tiers, which denies an address that finds no place in any of them.
    ///
    /// Addresses of a family without a tier are not limited.
    ///
    /// # Errors
    /// When there are more than eight tiers, a network has more bits than an address, or a tier cannot
    /// be built as a [`KeyedLimiter`].
    pub fn new(tiers: impl IntoIterator<Item = Tier>) -> Result<Self, AddressLimiterError> {
        let numbered = tiers.into_iter().enumerate();
        let tiers: Vec<_> = numbered
            .map(|(at, tier)| tier.build(at.saturating_add(1)))
            .collect::<Result<_, _>>()?;
        if tiers.len() > MOST_TIERS {
            return Err(AddressLimiterError::TooManyTiers { tiers: tiers.len(), most: MOST_TIERS });
        }
        Ok(Self { tiers: tiers.into_boxed_slice(), on_saturation: OnSaturation::Deny })
    }

    /// The same limiter with this answer to addresses that find no place in any tier.
    #[must_use]
    pub fn on_saturation(self, on_saturation: OnSaturation) -> Self {
        Self { on_saturation, ..self }
    }

    /// Takes one unit at every tier, or none at all.
    pub fn check(&self, address: IpAddr, now: Timestamp) -> GroupDecision {
        self.check_n(address, 1, now)
    }

    /// Takes `n` units at every tier, or none at all.
    pub fn check_n(&self, address: IpAddr, n: u32, now: Timestamp) -> GroupDecision {
        let address = address.to_canonical();
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        let mut members: [Option<OnKey<'_>>; MOST_TIERS] = [None; MOST_TIERS];
        for (member, tier) in members.iter_mut().zip(&self.tiers) {
            *member = (tier.family == family)
                .then(|| tier.limiter.on_key(&Client::of(address, tier.group)));
        }
        loop {
            let present = || members.iter().enumerate().filter_map(|(at, on)| Some((at, (*on)?)));
            let answer = decide(present().map(|(_, on)| (on, n)), now);
            let Some((tier, decision)) = answer
                .strictest()
                .and_then(|nth| present().nth(nth))
                .map(|(at, _)| at)
                .zip(answer.decision())
            else {
                return answer;
            };
            if decision.is_denied() && decision.is_saturated() {
                // Nobody has been charged. The others judge alone, if there are any.
                if present().count() > 1 {
                    if let Some(member) = members.get_mut(tier) {
                        *member = None;
                    }
                    continue;
                }
                if self.on_saturation == OnSaturation::Allow {
                    return answer.admitting().renumbered(tier);
                }
            }
            return answer.renumbered(tier);
        }
    }

    /// The memory of all tiers, in bytes: all that they will ever take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let tiers = self.tiers.iter().map(|tier| tier.limiter.memory_bytes());
        tiers.fold(size_of::<Self>(), usize::saturating_add)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};
    use std::string::ToString;

    use super::{AddressLimiter, Tier};
    use crate::{
        limit::{Capacity, KeyedLimiter, OnSaturation},
        quota::Quota,
        time::Timestamp,
    };

    const NOW: Timestamp = Timestamp::from_secs(10);
    const ROOM: Capacity = Capacity::keys(1_000);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// I1: the /24 denies, and the addresses have lost nothing.
    #[test]
    fn a_denial_takes_from_no_tier() {
        let limiter = AddressLimiter::new([
            Tier::v4(32, Quota::per_hour(5), ROOM),
            Tier::v4(24, Quota::per_hour(8), ROOM),
        ])
        .unwrap();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(address);
        assert!(limiter.check_n(one, 5, NOW).is_admitted());
        let denied = limiter.check_n(one, 1, NOW);
        assert_eq!((denied.is_denied(), denied.strictest()), (true, Some(0)));
        let denied = limiter.check_n(other, 4, NOW);
        assert_eq!((denied.is_denied(), denied.strictest()), (true, Some(1)), "the network has 3");
        assert!(limiter.check_n(other, 3, NOW).is_admitted());
        assert!(limiter.check(address("192.0.3.1"), NOW).is_admitted());
    }

    /// I2, and the three tiers of IPv6.
    #[test]
    fn networks_are_told_apart_by_family_and_size() {
        let limiter = AddressLimiter::new([
            Tier::v4(32, Quota::per_hour(1), ROOM),
            Tier::v6(64, Quota::per_hour(2), ROOM),
            Tier::v6(56, Quota::per_hour(3), ROOM),
            Tier::v6(48, Quota::per_hour(4), ROOM),
        ])
        .unwrap();
        let mapped: IpAddr = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().into();
        assert!(limiter.check(mapped, NOW).is_admitted());
        assert!(limiter.check(address("192.0.2.1"), NOW).is_denied());

        let strictest = |text: &str| limiter.check(address(text), NOW).strictest();
        for text in ["2001:db8:0:100::1", "2001:db8:0:100::2"] {
            assert!(limiter.check(address(text), NOW).is_admitted());
        }
        assert_eq!(strictest("2001:db8:0:100::3"), Some(1), "the /64 is used up");
        assert!(limiter.check(address("2001:db8:0:101::1"), NOW).is_admitted());
        assert_eq!(strictest("2001:db8:0:102::1"), Some(2), "the /56 is used up");
        assert!(limiter.check(address("2001:db8:0:200::1"), NOW).is_admitted());
        assert_eq!(strictest("2001:db8:0:300::1"), Some(3), "the /48 is used up");
        assert!(limiter.check(address("2001:db8:1::1"), NOW).is_admitted());
    }

    /// In a flood of addresses, newcomers are judged by their network; and I3.
    #[test]
    fn who_finds_no_place_is_judged_by_the_network() {
        let tiny = Capacity::keys(1);
        let tiers = [
            Tier::v4(32, Quota::per_hour(5), tiny),
            Tier::v4(24, Quota::per_hour(50), Capacity::keys(100)),
        ];
        let limiter = AddressLimiter::new(tiers).unwrap();
        let mut admitted = 0;
        for host in 0..=255 {
            let decision = limiter.check(Ipv4Addr::new(192, 0, 2, host).into(), NOW);
            admitted += u32::from(decision.is_admitted());
        }
        assert_eq!(admitted, 50, "as many as the network has, whatever its size");
        let good = limiter.check(address("198.51.100.7"), NOW);
        assert_eq!((good.is_admitted(), good.strictest()), (true, Some(1)));

        for (choice, admitted) in [(OnSaturation::Deny, false), (OnSaturation::Allow, true)] {
            let limiter = AddressLimiter::new([Tier::v4(32, Quota::per_hour(5), tiny)]);
            let limiter = limiter.unwrap().on_saturation(choice);
            for host in 0..7 {
                assert!(limiter.check(Ipv4Addr::new(192, 0, 2, host).into(), NOW).is_admitted());
            }
            let decision = limiter.check(address("198.51.100.7"), NOW);
            assert_eq!(decision.is_admitted(), admitted);
            assert!(decision.decision().unwrap().is_saturated());
        }
    }

    #[test]
    fn mistakes_name_the_tier() {
        let build = |tier: Tier| {
            AddressLimiter::new([Tier::v4(32, Quota::per_second(1), ROOM), tier])
                .unwrap_err()
                .to_string()
        };
        let second = Quota::per_second(1);
        assert!(build(Tier::v4(33, second, ROOM)).contains("tier 2: 33"));
        assert!(build(Tier::v6(129, second, ROOM)).contains("at most 128"));
        assert!(build(Tier::v6(64, second, Capacity::keys(0))).contains("tier 2: "));
        let many = core::iter::repeat_n(Tier::v4(32, second, Capacity::keys(1)), 9);
        assert!(AddressLimiter::new(many).unwrap_err().to_string().contains("at most 8"));
        let unlimited = AddressLimiter::new([]).unwrap();
        assert!(unlimited.check(address("192.0.2.1"), NOW).is_admitted());
        assert!(unlimited.memory_bytes() < 100);
    }

    #[test]
    fn memory_is_that_of_the_tiers() {
        let tier = |keys| Tier::v4(32, Quota::per_second(1), Capacity::keys(keys));
        let limiter = AddressLimiter::new([tier(1_000), tier(100)]).unwrap();
        let tiers = [1_000, 100].map(|keys| {
            let alone = KeyedLimiter::new(Quota::per_second(1), Capacity::keys(keys));
            alone.unwrap().memory_bytes()
        });
        let own = AddressLimiter::new([]).unwrap().memory_bytes();
        assert_eq!(limiter.memory_bytes(), own + tiers[0] + tiers[1]);
    }
}
