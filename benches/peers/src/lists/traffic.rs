//! Who asks: addresses drawn beforehand, so that no contestant pays for the drawing.

use std::{net::IpAddr, rc::Rc};

use super::{
    data::{Entry, Random},
    family::Family,
};
use crate::draws::Ranks;

/// The same addresses for everybody, over and over.
#[derive(Clone)]
pub(crate) struct Traffic<B> {
    /// A power of two, and at least 65,536: fewer can be learnt by heart by the predictor of branches.
    pub(crate) addrs: Rc<[B]>,
    /// The same, for those who take many at a time in this form.
    pub(crate) ips: Rc<[IpAddr]>,
}

/// For few prefixes, few addresses, which leave the caches to the list; for many, enough that most
/// prefixes are asked for.
const FEW: usize = 1 << 16;
const MANY: usize = 1 << 19;
const FEW_PREFIXES: usize = 10_000;

impl<B: Family> Traffic<B> {
    /// Anyone.
    pub(crate) fn uniform(entries: &[Entry<B>]) -> Self {
        Self::of(entries, |random| B::uniform(random.wide()))
    }

    /// Any address of any prefix.
    pub(crate) fn in_table(entries: &[Entry<B>]) -> Self {
        Self::of(entries, |random| inside(&entries[random.below(entries.len())], random))
    }

    /// Any address of a prefix that is drawn by Zipf's law (exponent 1).
    pub(crate) fn zipf(entries: &[Entry<B>]) -> Self {
        let ranks = Ranks::of(entries.len() as u32);
        // Neighbours in rank are not to be neighbours in the list: 7,368,787 is a prime.
        let scattered = |rank: u32| rank as usize * 7_368_787 % entries.len();
        Self::of(entries, |random| inside(&entries[scattered(ranks.at(random.next()))], random))
    }

    fn of(entries: &[Entry<B>], mut draw: impl FnMut(&mut Random) -> B) -> Self {
        let many = if entries.len() < FEW_PREFIXES { FEW } else { MANY };
        let mut random = Random::new(many as u64);
        let addrs: Rc<[B]> = (0..many).map(|_| draw(&mut random)).collect();
        let ips = addrs.iter().map(|addr| addr.ip()).collect();
        Self { addrs, ips }
    }
}

fn inside<B: Family>(entry: &Entry<B>, random: &mut Random) -> B {
    entry.bits.or(B::bits(random.wide()).and(B::host_mask(entry.len)))
}
