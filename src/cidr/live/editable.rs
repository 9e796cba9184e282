//! The tables that can be live.

use alloc::vec::Vec;

use ipnet::IpNet;

use crate::cidr::{CidrEdit, CidrSet, addr::fold};

/// What a [`Live`](super::Live) list can be made of: a [`CidrSet`] or a `CidrMap`.
pub trait Editable: Clone + sealed::Sealed {
    /// What a prefix carries: `()` in a set.
    type Value: Clone;

    /// Makes these edits, in order; those of one address or prefix: the last one counts.
    #[doc(hidden)]
    fn apply_all(&mut self, edits: &[CidrEdit<Self::Value>]);

    /// The bytes that the table occupies, itself included.
    #[doc(hidden)]
    fn bytes(&self) -> usize;
}

pub(super) mod sealed {
    /// Named here, so that nobody else can.
    pub trait Sealed {}
}

impl sealed::Sealed for CidrSet {}

impl Editable for CidrSet {
    type Value = ();

    fn apply_all(&mut self, edits: &[CidrEdit<()>]) {
        for edit in edits {
            match edit {
                CidrEdit::Insert(net, ()) => self.extend([*net]),
                CidrEdit::Remove(net) => *self = without(self, fold(*net).trunc()),
            }
        }
    }

    fn bytes(&self) -> usize {
        self.memory_bytes()
    }
}

/// The set made anew, prefix by prefix, without the addresses of `net`.
fn without(set: &CidrSet, net: IpNet) -> CidrSet {
    let rest = set.iter().flat_map(|kept| {
        if net.contains(&kept) {
            Vec::new()
        } else if kept.contains(&net) {
            siblings(kept, net)
        } else {
            Vec::from([kept])
        }
    });
    rest.collect()
}

/// What is left of `outer` without `inner`: the other half at each length between them.
fn siblings(outer: IpNet, inner: IpNet) -> Vec<IpNet> {
    let around = core::iter::successors(Some(inner), IpNet::supernet);
    let steps = around.take_while(|net| *net != outer);
    let others = steps.filter_map(|net| {
        let mut halves = net.supernet()?.subnets(net.prefix_len()).ok()?;
        halves.find(|half| *half != net)
    });
    // Half of what is IPv6 may be the block that stands for all of IPv4: that is not meant.
    others.filter(|half| fold(*half).prefix_len() == half.prefix_len()).collect()
}
