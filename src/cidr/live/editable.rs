//! The tables that can be live.

use core::hash::Hash;

use crate::cidr::{CidrEdit, CidrMap, CidrSet};

/// What a [`Live`](super::Live) list can be made of: a [`CidrSet`] or a [`CidrMap`].
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
impl<V> sealed::Sealed for CidrMap<V> {}

impl Editable for CidrSet {
    type Value = ();

    fn apply_all(&mut self, edits: &[CidrEdit<()>]) {
        self.apply(edits.iter().cloned());
    }

    fn bytes(&self) -> usize {
        self.memory_bytes()
    }
}

impl<V: Clone + Eq + Hash> Editable for CidrMap<V> {
    type Value = V;

    fn apply_all(&mut self, edits: &[CidrEdit<V>]) {
        self.apply(edits.iter().cloned());
    }

    fn bytes(&self) -> usize {
        self.memory_bytes()
    }
}
