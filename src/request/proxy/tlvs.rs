//! Types, lengths and values: what version 2 has after its addresses.

/// Iterates over types and their values; made by [`Header::tlvs`](super::Header::tlvs).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    pub(super) const EMPTY: Self = Self { rest: &[] };

    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been iterated over: nothing at the end, unless a value is cut off.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([kind, high, low], after) = self.rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = after.split_at_checked(length)?;
        self.rest = rest;
        Some((*kind, value))
    }
}

impl core::iter::FusedIterator for Tlvs<'_> {}
