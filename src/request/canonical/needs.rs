//! What of a request's canonical form is read.
//!
//! Most rules do not read the host, and few read the query: what nobody reads is not looked at.

/// What is read, a bit each.
///
/// | bit | what |
/// |--:|---|
/// | 0 | the path, canonical or as it came |
/// | 1 | the query, and the flags of the target |
/// | 2 | the host |
/// | 3 | whether something is oversize, which costs nothing |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs(u8);

impl Needs {
    pub(crate) const NOTHING: Self = Self(0);
    pub(crate) const PATH: Self = Self(1);
    pub(crate) const QUERY: Self = Self(1 << 1);
    pub(crate) const HOST: Self = Self(1 << 2);
    /// The path and the query.
    pub(crate) const TARGET: Self = Self(0b11);
    pub(crate) const OVERSIZE: Self = Self(1 << 3);
    pub(crate) const ALL: Self = Self(0b1111);

    /// What either of them reads.
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of these is read.
    #[inline]
    pub(crate) const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}
