//! What is odd about a target.
//!
//! | bit | flag | of the path | of the query |
//! |--:|---|---|---|
//! | 0 | `dot_segments` | a segment is `.` or `..`, escaped or not, between slashes or backslashes | |
//! | 1 | `encoded_slash` | `%2F` or `%5C`, in upper or lower case | |
//! | 2 | `double_encoded` | decoded once, an escape has come out: `%25` and two hex digits, escaped or not | |
//! | 3 | `bad_percent` | a percent sign that two hex digits do not follow | the same |
//! | 4 | `nul` | a NUL, escaped or not | the same |
//! | 5 | `backslash` | a backslash, not escaped | |
//! | 6 | `double_slash` | two slashes or backslashes in a row, not escaped | |
//! | 7 | `non_utf8` | decoded, it is not UTF-8 | the same, by itself |
//!
//! Flags are about the path and the query as they came, as far as they are seen: of 8 KiB each. An escape
//! or a character that is cut at that length is not held against it. In a query, a slash, a backslash or
//! an escaped percent sign is nothing odd: addresses are passed on there.

use super::escape::{PLAIN_IN_QUERY, Piece, Pieces};

/// What is odd about a target, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UriFlags(pub(crate) u8);

impl UriFlags {
    pub(crate) const DOT_SEGMENTS: u8 = 1;
    pub(crate) const ENCODED_SLASH: u8 = 1 << 1;
    pub(crate) const DOUBLE_ENCODED: u8 = 1 << 2;
    pub(crate) const BAD_PERCENT: u8 = 1 << 3;
    pub(crate) const NUL: u8 = 1 << 4;
    pub(crate) const BACKSLASH: u8 = 1 << 5;
    pub(crate) const DOUBLE_SLASH: u8 = 1 << 6;
    pub(crate) const NON_UTF8: u8 = 1 << 7;

    pub(crate) const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// The flags that either of them has.
    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn set(&mut self, flag: u8) {
        self.0 |= flag;
    }

    pub(super) const fn set_if(&mut self, flag: u8, condition: bool) {
        if condition {
            self.set(flag);
        }
    }
}

/// The flags of a query, or of what was left of it when it was cut.
pub(super) fn of_query(query: &[u8], is_cut: bool) -> UriFlags {
    let mut flags = UriFlags::default();
    let mut characters = Characters::default();
    let mut pieces = Pieces(query);
    loop {
        if characters.is_idle() {
            pieces.take_plain(&PLAIN_IN_QUERY);
        }
        let Some(piece) = pieces.next() else { break };
        if piece == Piece::BadPercent {
            if is_cut && is_half_an_escape(pieces.0) {
                break;
            }
            flags.set(UriFlags::BAD_PERCENT);
        }
        flags.set_if(UriFlags::NUL, piece.byte() == 0);
        characters.push(piece.byte());
    }
    flags.set_if(UriFlags::NON_UTF8, !characters.are_utf8(is_cut));
    flags
}

/// Whether a percent sign with no more than this after it could have become an escape.
pub(super) fn is_half_an_escape(rest: &[u8]) -> bool {
    match rest {
        [] => true,
        [digit] => digit.is_ascii_hexdigit(),
        _ => false,
    }
}

/// Finds escapes in what was decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Twice {
    /// How much of an escape the last bytes are: none, the percent sign, that and a digit.
    so_far: u8,
}

impl Twice {
    /// Whether nothing of an escape is there.
    pub(super) const fn is_idle(self) -> bool {
        self.so_far == 0
    }

    /// Whether this piece ends an escape whose percent sign was escaped.
    pub(super) const fn push(&mut self, piece: Piece) -> bool {
        self.so_far = match (piece, self.so_far) {
            (Piece::Escaped(b'%'), _) => 1,
            (Piece::Plain(byte) | Piece::Escaped(byte), 1 | 2) if byte.is_ascii_hexdigit() => {
                self.so_far.wrapping_add(1)
            }
            _ => 0,
        };
        self.so_far == 3
    }
}

/// Tells whether bytes that come one by one are UTF-8 (RFC 3629).
#[derive(Clone, Copy, Debug)]
pub(super) struct Characters {
    is_bad: bool,
    /// Bytes that the character begun lacks, and what the next one may be.
    lacks: u8,
    first: u8,
    last: u8,
}

impl Default for Characters {
    fn default() -> Self {
        Self { is_bad: false, lacks: 0, first: 0x80, last: 0xbf }
    }
}

impl Characters {
    /// Whether no character is begun.
    pub(super) const fn is_idle(self) -> bool {
        self.lacks == 0
    }

    #[inline]
    pub(super) const fn push(&mut self, byte: u8) {
        if self.lacks == 0 {
            (self.lacks, self.first, self.last) = match byte {
                0..=0x7f => return,
                0xc2..=0xdf => (1, 0x80, 0xbf),
                // Neither longer than needed nor a half of a pair of UTF-16 nor above U+10FFFF.
                0xe0 => (2, 0xa0, 0xbf),
                0xed => (2, 0x80, 0x9f),
                0xe1..=0xef => (2, 0x80, 0xbf),
                0xf0 => (3, 0x90, 0xbf),
                0xf1..=0xf3 => (3, 0x80, 0xbf),
                0xf4 => (3, 0x80, 0x8f),
                _ => {
                    self.is_bad = true;
                    return;
                }
            };
        } else if self.first <= byte && byte <= self.last {
            self.lacks = self.lacks.wrapping_sub(1);
            (self.first, self.last) = (0x80, 0xbf);
        } else {
            self.is_bad = true;
            self.lacks = 0;
        }
    }

    /// Whether they were; of a text that is cut the last character may be, too.
    pub(super) const fn are_utf8(self, is_cut: bool) -> bool {
        !self.is_bad && (self.lacks == 0 || is_cut)
    }
}
