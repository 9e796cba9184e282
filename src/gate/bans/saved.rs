//! Bans of networks, over a restart.
//!
//! Times are relative to the moment of saving, so they mean the same by another clock. Bans by the key of a
//! limit are left out: only the hash of a key is known here, and it is of this process.
//!
//! # Invariants
//! - **I1** a network that is banned when it is saved is banned where it is restored, for as long as was left
//!   and at the same level; one that has ended is not banned, and as well remembered;
//! - **I2** restoring shortens no ban that is there already, and displaces none by one that ends earlier.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Bans, Change, Subject, canonical};
use crate::{
    rule::Name,
    time::{Timestamp, nanos},
};

/// The ban of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::gate) struct SavedBan {
    net: IpNet,
    /// How long it still is; 0 if it has ended.
    left_nanos: u64,
    /// In how long its level is forgotten.
    forgotten_nanos: u64,
    level: u32,
    reason: String,
}

impl SavedBan {
    pub(in crate::gate) fn is_in_force(&self) -> bool {
        self.left_nanos > 0
    }

    /// Whether it can be what [`Bans::save`] wrote.
    pub(in crate::gate) fn is_sane(&self) -> bool {
        self.net == canonical(self.net) && self.forgotten_nanos >= self.left_nanos
    }
}

#[cfg(all(test, not(loom)))]
impl SavedBan {
    pub(in crate::gate) fn with_net(self, net: &str) -> Self {
        Self { net: net.parse().unwrap(), ..self }
    }
}

impl Bans {
    /// All that is known of networks, in their order.
    pub(in crate::gate) fn save(&self, now: Timestamp) -> Vec<SavedBan> {
        // Both are at most as long as time is.
        let until = |end: Timestamp| nanos(end.saturating_duration_since(now)).unwrap_or(u64::MAX);
        let mut all = Vec::new();
        for table in &self.tables {
            let table = table.read();
            for entry in table.entries.iter().filter(|entry| entry.forgotten.max(entry.until) > now)
            {
                let Subject::Net(net) = entry.subject else { continue };
                all.push(SavedBan {
                    net,
                    left_nanos: until(entry.until),
                    forgotten_nanos: until(entry.forgotten.max(entry.until)),
                    level: entry.level,
                    reason: String::from(&*entry.reason),
                });
            }
        }
        all.sort_by_key(|ban| ban.net);
        all
    }

    /// Adds what was saved, as far as there is room; what ends last is kept, whoever it is from.
    pub(in crate::gate) fn restore(&self, saved: &[SavedBan], now: Timestamp) {
        for SavedBan { net, left_nanos, forgotten_nanos, level, reason } in saved {
            let after = |nanos: u64| now.saturating_add(Duration::from_nanos(nanos));
            let (until, forgotten) = (after(*left_nanos), after(*forgotten_nanos));
            let change = Change::Join { until, forgotten, level: *level };
            self.change(Subject::Net(canonical(*net)), change, &Name::from(&**reason), now);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::{net::IpAddr, time::Duration};
    use std::{format, vec::Vec};

    use ahash::RandomState;
    use proptest::prelude::*;

    use super::{Bans, SavedBan};
    use crate::{
        gate::bans::Subject,
        rule::{Ban, Name},
        test_support::cases,
        time::Timestamp,
    };

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    /// The clock of another process.
    const THEN: Timestamp = Timestamp::from_secs(5);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn name() -> Name {
        Name::from("x")
    }

    /// I1.
    #[test]
    fn what_is_left_goes_on_by_another_clock() {
        let bans = Bans::new(10, RandomState::new());
        let growing = Ban { first: secs(60), escalate: 4, most: secs(10_000) };
        let net = Subject::Net("192.0.2.0/24".parse().unwrap());
        bans.ban(net, growing, &name(), NOW);
        bans.add("2001:db8::/32".parse().unwrap(), secs(99), &Name::from("by hand"), NOW);
        let key = Subject::Key { scope: 1, hash: 2 };
        bans.ban(key, growing, &name(), NOW);

        let saved = bans.save(NOW.saturating_add(secs(20)));
        assert_eq!(saved.len(), 2, "keys are left out");
        assert!(saved.iter().all(|ban| ban.is_sane() && ban.is_in_force()));
        let other = Bans::new(10, RandomState::new());
        other.restore(&saved, THEN);
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(other.check(address, THEN), Some(secs(40)));
        assert_eq!(other.check("2001:db8::1".parse().unwrap(), THEN), Some(secs(79)));
        assert_eq!(other.save(THEN), saved);
        // One that has ended is remembered, so that the next one is longer.
        let after = THEN.saturating_add(secs(41));
        assert_eq!(other.check(address, after), None);
        assert_eq!(other.ban(net, growing, &name(), after), secs(240));
    }

    /// I1.
    #[test]
    fn one_that_has_ended_is_remembered_and_not_in_force() {
        let bans = Bans::new(10, RandomState::new());
        let growing = Ban { first: secs(60), escalate: 4, most: secs(10_000) };
        let net = Subject::Net("192.0.2.0/24".parse().unwrap());
        bans.ban(net, growing, &name(), NOW);
        let saved = bans.save(NOW.saturating_add(secs(61)));
        assert_eq!(saved.iter().map(SavedBan::is_in_force).collect::<Vec<_>>(), [false]);
        let other = Bans::new(10, RandomState::new());
        other.restore(&saved, THEN);
        assert_eq!(other.check("192.0.2.7".parse().unwrap(), THEN), None);
        assert_eq!(other.ban(net, growing, &name(), THEN), secs(240));
        assert!(bans.save(NOW.saturating_add(secs(60 + 10_001))).is_empty(), "long ago");
    }

    /// I2.
    #[test]
    fn the_later_end_counts() {
        let net = || "192.0.2.0/24".parse().unwrap();
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        let saved = {
            let bans = Bans::new(10, RandomState::new());
            bans.add(net(), secs(50), &name(), NOW);
            bans.save(NOW)
        };
        for (there, expected) in [(10, 50), (90, 90)] {
            let bans = Bans::new(10, RandomState::new());
            bans.add(net(), secs(there), &name(), THEN);
            bans.restore(&saved, THEN);
            assert_eq!(bans.check(address, THEN), Some(secs(expected)));
        }
        let full = Bans::new(1, RandomState::new());
        full.add("198.51.100.0/24".parse().unwrap(), secs(90), &name(), THEN);
        full.restore(&saved, THEN);
        assert_eq!(full.check("198.51.100.1".parse().unwrap(), THEN), Some(secs(90)));
        assert_eq!((full.check(address, THEN), full.times_displaced()), (None, 0));
    }

    #[test]
    fn what_no_table_has_is_not_sane() {
        let text = |net: &str, left: u64, forgotten: u64| {
            format!(
                r#"{{"net":"{net}","left_nanos":{left},"forgotten_nanos":{forgotten},"level":0,"reason":""}}"#
            )
        };
        let sane =
            |text: std::string::String| serde_json::from_str::<SavedBan>(&text).unwrap().is_sane();
        assert!(sane(text("192.0.2.0/24", 5, 5)));
        assert!(!sane(text("192.0.2.1/24", 5, 5)), "host bits");
        assert!(!sane(text("::ffff:192.0.2.0/120", 5, 5)), "not canonical");
        assert!(!sane(text("192.0.2.0/24", 5, 4)));
    }

    proptest! {
        #![proptest_config(cases(100))]

        /// I1, for tables of several sizes: nothing is lost, and a smaller one keeps what ends last.
        #[test]
        fn a_restored_table_answers_alike(
            hosts in prop::collection::vec((any::<u16>(), 1_u64..1_000), 1..60),
            room in 1_usize..80,
            later in 0_u64..500,
        ) {
            let bans = Bans::new(64, RandomState::new());
            for (host, seconds) in &hosts {
                let address = IpAddr::from([10, 0, host.to_be_bytes()[0], host.to_be_bytes()[1]]);
                bans.add(address.into(), secs(*seconds), &name(), NOW);
            }
            let now = NOW.saturating_add(secs(later));
            let other = Bans::new(room, RandomState::new());
            let saved = bans.save(now);
            other.restore(&saved, THEN);
            let left = |bans: &Bans, now| {
                bans.list(now).iter().map(|ban| (ban.remaining(), ban.net())).collect::<Vec<_>>()
            };
            let (before, after) = (left(&bans, now), left(&other, THEN));
            prop_assert_eq!(after.len(), before.len().min(room));
            let ends = |all: &[(Duration, _)]| all.iter().map(|(left, _)| *left).collect::<Vec<_>>();
            prop_assert_eq!(ends(&after), ends(&before[..after.len()]));
            prop_assert!(after.iter().all(|ban| before.contains(ban)));
        }
    }
}
