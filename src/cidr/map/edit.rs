//! What changes a map: single prefixes, and many at once.

use alloc::vec::Vec;
use core::hash::Hash;

use ipnet::IpNet;

use super::{
    super::{CidrEdit, addr::Prefix, runs::Mark},
    CidrMap,
    gather::Gathered,
};

impl<V: Eq + Hash> CidrMap<V> {
    /// Gives a prefix its value, and hands back the one that it had.
    ///
    /// # Cost
    /// Proportional to the prefixes that start within this one, as only their stretch is compiled
    /// anew, and to those beside it in the part of the table that it is in: a /16 of IPv4, or some
    /// thousand prefixes of IPv6. Microseconds as a rule, and a millisecond or two where all hosts of
    /// a /16 are listed. Many at once are cheaper with [`apply`](Self::apply) or
    /// [`extend`](Extend::extend).
    pub fn insert(&mut self, net: IpNet, value: V) -> Option<V>
    where
        V: Clone,
    {
        let tag = self.values.intern(value)?;
        let old = self.set(net.into(), tag);
        self.handed_back(old)
    }

    /// Makes many changes at once, as if one after another: of several for one prefix the last counts.
    ///
    /// # Cost
    /// Each touched stretch is compiled once, and everything is where that is cheaper.
    ///
    /// # Example: a feed of changes
    /// ```
    /// use portcullis::cidr::{CidrEdit, CidrMap};
    ///
    /// let mut owners = CidrMap::from_iter([("10.0.0.0/8".parse()?, "us"), ("10.7.0.0/16".parse()?, "them")]);
    /// owners.apply([
    ///     CidrEdit::Remove("10.7.0.0/16".parse()?),
    ///     CidrEdit::Insert("10.8.0.0/16".parse()?, "others"),
    /// ]);
    /// assert_eq!(owners.lookup([10, 7, 0, 1].into()), Some(&"us"));
    /// assert_eq!(owners.lookup([10, 8, 0, 1].into()), Some(&"others"));
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    pub fn apply(&mut self, edits: impl IntoIterator<Item = CidrEdit<V>>) {
        let mut gathered = Gathered::new();
        let mut guess = 0;
        for edit in edits {
            match edit {
                CidrEdit::Insert(net, value) => {
                    let Some(tag) = self.values.intern_like(value, guess) else { continue };
                    guess = tag;
                    gathered.push(net.into(), tag);
                }
                CidrEdit::Remove(net) => gathered.push(net.into(), 0),
            }
        }
        self.set_all(gathered);
    }
}

impl<V> CidrMap<V> {
    /// Takes a prefix away, and hands back its value. Only exactly this prefix is meant: what it
    /// covers and what covers it stays.
    ///
    /// # Cost
    /// As that of [`insert`](Self::insert).
    pub fn remove(&mut self, net: &IpNet) -> Option<V>
    where
        V: Clone,
    {
        let old = self.set((*net).into(), 0);
        self.handed_back(old)
    }

    /// Keeps only the prefixes for which `keep` is true.
    ///
    /// # Example: without the short ones
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let mut map = CidrMap::from_iter([("0.0.0.0/0".parse()?, 1), ("10.0.0.0/8".parse()?, 2)]);
    /// map.retain(|net, _| net.prefix_len() >= 8);
    /// assert_eq!(map.lookup([192, 0, 2, 1].into()), None);
    /// assert_eq!(map.lookup([10, 0, 0, 1].into()), Some(&2));
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(IpNet, &V) -> bool) {
        let mut gathered = Gathered::new();
        for (net, value) in self.iter() {
            if !keep(net, value) {
                gathered.push(net.into(), 0);
            }
        }
        self.set_all(gathered);
    }

    /// Takes all prefixes away, and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives a prefix a tag that is counted already, or 0 to take it away; says which it had, and
    /// leaves that one's use to be released.
    fn set(&mut self, prefix: Prefix, tag: u32) -> u32 {
        match prefix {
            Prefix::V4(first, len) => self.v4.set(first, Mark { tag, len }),
            Prefix::V6(first, len) => self.v6.set(first, Mark { tag, len }),
        }
    }

    fn handed_back(&mut self, old: u32) -> Option<V>
    where
        V: Clone,
    {
        // A copy only if the value is still used elsewhere.
        match self.values.release(old) {
            None => self.values.get(old).cloned(),
            last => last,
        }
    }

    /// Does with all prefixes what [`set`](Self::set) does with one, and releases what is replaced.
    pub(super) fn set_all(&mut self, gathered: Gathered) {
        let Self { values, v4, v6 } = self;
        // Dropped when all is in order: that runs the caller's code, which may panic.
        let mut gone = Vec::new();
        let edits = gathered.v4.sorted(|tag| gone.extend(values.release(tag)));
        v4.set_many(&edits, |tag| gone.extend(values.release(tag)));
        let edits = gathered.v6.sorted(|tag| gone.extend(values.release(tag)));
        v6.set_many(&edits, |tag| gone.extend(values.release(tag)));
        if values.len() == 0 {
            *values = super::values::Values::new();
        }
    }
}
