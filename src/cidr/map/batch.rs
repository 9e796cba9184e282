//! Many addresses at once.

use core::net::IpAddr;

use super::{
    super::{
        batch::{self, BLOCK},
        runs::Mark,
        table::Table,
    },
    CidrMap,
};

impl<V> CidrMap<V> {
    /// What [`lookup`](Self::lookup) says of each address, at its place in `found`. Of two slices that
    /// differ in length, the rest of the longer one is left alone.
    ///
    /// # Cost
    /// No allocation. The accesses to memory overlap, but the families are sorted apart first: that pays in
    /// long lists, and costs more than it gains in short ones.
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
        batch::ask(
            addrs,
            found,
            |addrs, tags| self.v4.table.tags(addrs, tags),
            |addrs, tags| {
                let mut marks = [Mark::default(); BLOCK];
                self.v6.table.marks(addrs, &mut marks);
                tags.iter_mut().zip(marks).for_each(|(tag, mark)| *tag = mark.tag);
            },
            |tag| self.values.get(tag),
        );
    }
}
