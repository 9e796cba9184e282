//! Many addresses in one call.

use core::net::IpAddr;

use super::CidrSet;
use crate::cidr::{batch, table::Table};

impl CidrSet {
    /// Asks [`contains`](Self::contains) for many addresses: `found[i]` says whether `addrs[i]` is in
    /// the set.
    ///
    /// If one slice is longer than the other, the rest of it is left alone.
    ///
    /// # Cost
    /// No allocation. The accesses to memory overlap, but the families are sorted apart first: that pays in
    /// a long list of IPv6, and costs more than it gains elsewhere.
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
        batch::ask(
            addrs,
            found,
            |addrs, marks| self.v4.marks(addrs, marks),
            |addrs, marks| self.v6.marks(addrs, marks),
            |mark| mark,
        );
    }
}
