//! Who asks for most, for people who look.
//!
//! The hottest clients are known as hashes. Who they are is looked up among the requests that are remembered when
//! somebody asks, so that it costs those nothing who do not.

use alloc::{sync::Arc, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;

use super::{Dimension, Event, Hot, watch::Detector};

/// So many of the hottest clients are kept from tick to tick.
pub(super) const MOST: usize = 16;

/// A client that asks for much: an estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Talker {
    /// An address of it.
    pub(crate) client: IpAddr,
    pub(crate) net: IpNet,
    /// Requests a second.
    pub(crate) rate: f64,
    /// What it usually asks for.
    pub(crate) usual: f64,
    pub(crate) is_known: bool,
}

impl Detector {
    /// The clients that asked for most until the last tick, those that ask for most first; those of whom no request
    /// is remembered any more are left out.
    pub(crate) fn talkers(self: &Arc<Self>) -> Vec<Talker> {
        let brain = self.brain.lock();
        let (hottest, recent) = brain.hottest();
        let found = hottest.iter().filter_map(|hot| {
            let seen =
                recent.iter().rev().find(|seen| seen.keys.get(Dimension::Host) == hot.key)?;
            Some(Talker {
                client: seen.client,
                net: Dimension::Host.net(seen.client)?,
                rate: rate(hot.count - hot.over),
                usual: rate(hot.usual),
                is_known: seen.known,
            })
        });
        let mut found: Vec<Talker> = found.collect();
        // Hottest is who may have most; here it is who has most beyond doubt.
        found.sort_by(|one, other| other.rate.total_cmp(&one.rate));
        found
    }

    /// The last events, oldest first, whether they were read or not.
    pub(crate) fn recent_events(&self) -> Vec<Event> {
        self.brain.lock().recent_events()
    }
}

/// Requests a second of a count that fades.
fn rate(count: f64) -> f64 {
    count.max(0.0) / super::brain::WINDOW
}

/// Puts the hottest clients in the place of those before; allocates nothing.
pub(super) fn keep<'a>(into: &mut Vec<Hot>, hottest: impl Iterator<Item = &'a Hot>) {
    into.clear();
    into.extend(hottest.take(MOST));
}
