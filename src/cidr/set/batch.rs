//! Many addresses in one call.

use core::net::IpAddr;

use super::CidrSet;
use crate::cidr::{addr::Number, table::Table};

/// So many addresses are gathered at a time: enough for the loads of a table to overlap, and little
/// enough to stay in the nearest cache.
const BLOCK: usize = 64;

impl CidrSet {
    /// Asks [`contains`](Self::contains) for many addresses: `found[i]` says whether `addrs[i]` is in
    /// the set.
    ///
    /// If one slice is longer than the other, the rest of it is left alone.
    ///
    /// # Cost
    /// No allocation. The accesses to memory overlap, so on large sets this is faster than asking one
    /// by one; it makes no difference for a handful.
    ///
    /// # Example: a log against a list
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let blocked: CidrSet = "192.0.2.0/24\n2001:db8::/32".parse()?;
    /// let seen = ["192.0.2.7".parse()?, "2001:db9::1".parse()?, "::ffff:192.0.2.8".parse()?];
    /// let mut found = [false; 3];
    /// blocked.contains_batch(&seen, &mut found);
    /// assert_eq!(found, [true, false, true]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains_batch(&self, addrs: &[IpAddr], found: &mut [bool]) {
        let mut v4 = Family::<u32>::new();
        let mut v6 = Family::<u128>::new();
        for (addrs, found) in addrs.chunks(BLOCK).zip(found.chunks_mut(BLOCK)) {
            (v4.len, v6.len) = (0, 0);
            let asked = addrs.len().min(found.len());
            let Some(found) = found.get_mut(..asked) else { continue };
            for (place, addr) in (0_u8..).zip(addrs.iter().take(asked)) {
                match Number::from(*addr) {
                    Number::V4(addr) => v4.push(addr, place),
                    Number::V6(addr) => v6.push(addr, place),
                }
            }
            v4.ask(found, |addrs, marks| self.v4.marks(addrs, marks));
            v6.ask(found, |addrs, marks| self.v6.marks(addrs, marks));
        }
    }
}

/// The addresses of one family in a block, and the places that they have in it.
struct Family<B> {
    addrs: [B; BLOCK],
    places: [u8; BLOCK],
    len: usize,
}

impl<B: Copy + Default> Family<B> {
    fn new() -> Self {
        Self { addrs: [B::default(); BLOCK], places: [0; BLOCK], len: 0 }
    }

    #[inline]
    #[allow(clippy::indexing_slicing, reason = "cut to the length of the arrays, without a branch")]
    fn push(&mut self, addr: B, place: u8) {
        self.addrs[self.len % BLOCK] = addr;
        self.places[self.len % BLOCK] = place;
        self.len = self.len.wrapping_add(1);
    }

    #[inline]
    fn ask(&self, found: &mut [bool], marks: impl FnOnce(&[B], &mut [bool])) {
        let (addrs, places) = (self.addrs.get(..self.len), self.places.get(..self.len));
        let (addrs, places) = (addrs.unwrap_or_default(), places.unwrap_or_default());
        if found.len() == self.len {
            // All of the block is of this family, and in its place.
            return marks(addrs, found);
        }
        let mut answers = [false; BLOCK];
        marks(addrs, &mut answers);
        for (place, answer) in places.iter().zip(answers) {
            if let Some(found) = found.get_mut(usize::from(*place)) {
                *found = answer;
            }
        }
    }
}
