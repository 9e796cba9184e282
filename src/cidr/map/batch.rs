//! Many addresses at once.

use core::net::IpAddr;

use super::{
    super::{addr::Number, runs::Mark, table::Table},
    CidrMap,
};

/// So many addresses go through a table together, which keeps them in the first cache.
const BLOCK: usize = 64;

impl<V> CidrMap<V> {
    /// What [`lookup`](Self::lookup) says of each address, at its place in `found`. Of two slices that
    /// differ in length, the rest of the longer one is left alone.
    ///
    /// # Cost
    /// Less than one look-up for each, because the memory accesses of many overlap.
    ///
    /// # Example: a log by origin
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let map = CidrMap::from_iter([("10.0.0.0/8".parse()?, "us")]);
    /// let mut found = [None; 2];
    /// map.lookup_batch(&["10.1.1.1".parse()?, "192.0.2.1".parse()?], &mut found);
    /// assert_eq!(found, [Some(&"us"), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup_batch<'a>(&'a self, addrs: &[IpAddr], found: &mut [Option<&'a V>]) {
        for (addrs, found) in addrs.chunks(BLOCK).zip(found.chunks_mut(BLOCK)) {
            self.lookup_block(addrs, found);
        }
    }

    fn lookup_block<'a>(&'a self, addrs: &[IpAddr], found: &mut [Option<&'a V>]) {
        // The families apart, each in the order of the addresses, and a bit for each IPv4 address.
        let (mut v4, mut v6) = ([0_u32; BLOCK], [0_u128; BLOCK]);
        let (mut free4, mut free6) = (v4.iter_mut(), v6.iter_mut());
        let mut is_v4 = 0_u64;
        for (addr, bit) in addrs.iter().zip(0_u32..) {
            match Number::from(*addr) {
                Number::V4(addr) => {
                    free4.next().into_iter().for_each(|place| *place = addr);
                    is_v4 |= 1_u64.wrapping_shl(bit);
                }
                Number::V6(addr) => free6.next().into_iter().for_each(|place| *place = addr),
            }
        }
        let (used4, used6) = (BLOCK.saturating_sub(free4.len()), BLOCK.saturating_sub(free6.len()));
        let (mut tags4, mut marks6) = ([0; BLOCK], [Mark::default(); BLOCK]);
        self.v4.table.tags(v4.get(..used4).unwrap_or_default(), &mut tags4);
        if used6 > 0 {
            self.v6.table.marks(v6.get(..used6).unwrap_or_default(), &mut marks6);
        }
        let (mut tags4, mut tags6) = (tags4.iter(), marks6.iter().map(|mark| &mark.tag));
        for (found, _) in found.iter_mut().zip(addrs) {
            let tag = if is_v4 & 1 == 1 { tags4.next() } else { tags6.next() };
            is_v4 >>= 1;
            *found = tag.and_then(|tag| self.values.get(*tag));
        }
    }
}
