//! How large a store is.

use crate::error::KeyedLimiterError;

use super::set::{Set, WAYS};

/// How much a [`KeyedLimiter`](super::KeyedLimiter) holds, chosen once.
///
/// # Example: by keys or by memory
/// ```
/// use portcullis::{Capacity, KeyedLimiter, Quota};
///
/// let quota = Quota::per_second(10);
/// let million = KeyedLimiter::new(quota, Capacity::keys(1_000_000))?;
/// assert!(million.memory_bytes() < 12_000_000);
/// let small = KeyedLimiter::new(quota, Capacity::bytes(256 * 1024))?;
/// assert!(small.memory_bytes() <= 256 * 1024);
/// # Ok::<(), portcullis::KeyedLimiterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capacity(Size);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Size {
    Keys(usize),
    Bytes(usize),
}

impl Capacity {
    /// Room for so many keys in debt at the same time: 11.4 bytes each.
    ///
    /// That many fill 80 % of the places; see
    /// [How much is enough](super::KeyedLimiter#how-much-is-enough) for what is then spilled.
    #[must_use]
    pub const fn keys(keys: usize) -> Self {
        Self(Size::Keys(keys))
    }

    /// As many places as fit this many bytes, all told.
    #[must_use]
    pub const fn bytes(bytes: usize) -> Self {
        Self(Size::Bytes(bytes))
    }

    /// The number of sets, for a store that takes `own` bytes besides.
    pub(super) fn sets(self, own: usize) -> Result<usize, KeyedLimiterError> {
        let sets = match self.0 {
            Size::Keys(0) => return Err(KeyedLimiterError::NoKeys),
            // Eight of ten ways are taken when it is full.
            Size::Keys(keys) => match keys.checked_mul(10) {
                Some(tenths) => tenths.div_ceil(8 * WAYS),
                None => return Err(KeyedLimiterError::TooLarge),
            },
            Size::Bytes(bytes) => match bytes.saturating_sub(own) / SET {
                0 => {
                    let least = own.saturating_add(SET);
                    return Err(KeyedLimiterError::TooFewBytes { bytes, least });
                }
                sets => sets,
            },
        };
        if sets > isize::MAX.unsigned_abs() / SET {
            return Err(KeyedLimiterError::TooLarge);
        }
        Ok(sets)
    }
}

/// A constant, so that dividing by it is not by chance by nothing.
const SET: usize = size_of::<Set>();

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Capacity, SET};
    use crate::error::KeyedLimiterError;

    /// What can be addressed can be asked for, whether it can be had or not.
    #[test]
    fn sets_are_as_many_as_can_be_addressed() {
        let most = isize::MAX.unsigned_abs() / SET;
        let sets = |sets: usize| Capacity::bytes(100 + SET * sets).sets(100);
        assert_eq!([1, 2, most].map(sets), [Ok(1), Ok(2), Ok(most)]);
        assert_eq!(sets(most + 1), Err(KeyedLimiterError::TooLarge));
        // Eight of ten ways, and seven ways a set.
        let sets = |keys| Capacity::keys(keys).sets(100);
        assert_eq!([1, 5, 6, 56, 57].map(sets), [Ok(1), Ok(1), Ok(2), Ok(10), Ok(11)]);
    }
}
