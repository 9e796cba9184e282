//! Who is banned: looked at and changed by an operator while the gate is at work.

use core::{fmt, time::Duration};

use alloc::vec::Vec;
use ipnet::IpNet;

use super::{BanInfo, Gate};
use crate::{rule::Name, time::Timestamp};

/// The bans of a gate; made by [`Gate::bans`].
///
/// There are at most as many as [`GateBuilder::bans`](crate::GateBuilder::bans) says, and they survive a
/// [reload](Gate::reload_with), except bans by the key of a limit that starts anew. If a reload changes that number,
/// whom a rule or a limit bans in the very moment of the change may not be banned after it; an operator's bans are.
#[derive(Clone)]
pub struct GateBans(Gate);

impl Gate {
    /// The clients that are kept out for a time: by rules, by limits, and by an operator here.
    ///
    /// # Example: out for an hour
    /// ```
    /// use portcullis::{Gate, Request, Timestamp};
    /// use std::{net::IpAddr, time::Duration};
    ///
    /// let gate = Gate::builder().build()?;
    /// let (bans, now) = (gate.bans(), Timestamp::from_secs(1));
    /// bans.add("192.0.2.0/24".parse()?, Duration::from_secs(3_600), "abuse report 17", now);
    ///
    /// let peer: IpAddr = "192.0.2.9".parse()?;
    /// assert!(!gate.check(&Request::new(peer), now).is_admitted());
    /// assert_eq!(bans.list(now)[0].reason(), "abuse report 17");
    /// assert!(bans.remove("192.0.2.0/24".parse()?, now));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn bans(&self) -> GateBans {
        GateBans(self.clone())
    }
}

impl GateBans {
    /// All bans in force, those that end last first.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Vec<BanInfo> {
        self.0.0.snapshot.load().setting.bans.list(now)
    }

    /// Bans a network from `now` on for so long, whatever was before. Exempt addresses in it still pass.
    ///
    /// Waits for a change of the gate that is being made.
    pub fn add(&self, net: IpNet, time: Duration, reason: &str, now: Timestamp) {
        // So that no reload has taken the bans along before this one is there.
        let _writer = self.0.0.writer.lock();
        self.0.0.snapshot.load().setting.bans.add(net, time, &Name::from(reason), now);
    }

    /// Ends the ban of exactly this network, and forgets how often it was banned. `false` if it was not.
    ///
    /// Waits for a change of the gate that is being made.
    pub fn remove(&self, net: IpNet, now: Timestamp) -> bool {
        // As above: or it would be banned again.
        let _writer = self.0.0.writer.lock();
        self.0.0.snapshot.load().setting.bans.remove(net, now)
    }

    /// Bans that were displaced before their end, because there were too many.
    #[must_use]
    pub fn displaced(&self) -> u64 {
        self.0.0.snapshot.load().setting.bans.times_displaced()
    }
}

impl fmt::Debug for GateBans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBans").field("displaced", &self.displaced()).finish_non_exhaustive()
    }
}
