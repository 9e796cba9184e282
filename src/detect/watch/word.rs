//! What every check has to know of the whole, in one word.
//!
//! | bits | hold |
//! |---|---|
//! | 0 to 2 | the posture's number |
//! | 3 to 9 | the load, 0 to 100 |
//! | 10 | mitigations are live |
//! | 11 | unknown clients are held to a rate |
//! | 12 | requests in flight are limited |

use crate::detect::Posture;

/// What every check has to know of the whole: read once for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    pub(crate) const MITIGATES: u64 = 1 << 10;
    pub(crate) const HOLDS: u64 = 1 << 11;
    pub(crate) const SHEDS: u64 = 1 << 12;

    pub(crate) fn new(posture: Posture, load: u8, flags: u64) -> Self {
        Self(u64::from(posture.number()) | u64::from(load.min(100)) << 3 | flags)
    }

    pub(crate) fn posture(self) -> Posture {
        Posture::of_number(u8::try_from(self.0 & 0b111).unwrap_or(u8::MAX))
    }

    pub(crate) fn load(self) -> u8 {
        u8::try_from(self.0 >> 3 & 0x7f).unwrap_or(100)
    }

    #[inline]
    pub(crate) const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    /// Whether anything is to be asked beyond rules and limits.
    #[inline]
    pub(crate) const fn guards(self) -> bool {
        self.has(Self::MITIGATES | Self::HOLDS | Self::SHEDS)
    }
}

#[cfg(test)]
mod tests {
    use super::Word;
    use crate::detect::Posture;

    #[test]
    fn a_word_holds_what_it_is_given() {
        for posture in Posture::ALL {
            for load in [0, 1, 63, 99, 100, 200] {
                for flags in [0, Word::MITIGATES, Word::HOLDS | Word::SHEDS] {
                    let word = Word::new(posture, load, flags);
                    assert_eq!((word.posture(), word.load()), (posture, load.min(100)));
                    assert_eq!(word.guards(), flags != 0);
                    assert_eq!(word.has(Word::HOLDS), flags & Word::HOLDS != 0);
                }
            }
        }
    }
}
