//! Escapes (`%XX`), one after the other.

/// A byte of a text in which escapes are read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// It stands for itself.
    Plain(u8),
    /// It was written as an escape.
    Escaped(u8),
    /// A percent sign that two hex digits do not follow.
    BadPercent,
}

impl Piece {
    /// The byte that it stands for.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Plain(byte) | Self::Escaped(byte) => byte,
            Self::BadPercent => b'%',
        }
    }
}

/// The pieces of a text.
#[derive(Clone, Debug)]
pub(super) struct Pieces<'a>(pub(super) &'a [u8]);

impl<'a> Pieces<'a> {
    /// Takes what is there before a byte that is not plain.
    #[inline]
    pub(super) fn take_plain(&mut self, plain: &Plain) -> &'a [u8] {
        #[allow(clippy::indexing_slicing, reason = "a byte is below 256")]
        let end = self.0.iter().position(|byte| !plain[usize::from(*byte)]);
        let (plain, rest) =
            self.0.split_at_checked(end.unwrap_or(self.0.len())).unwrap_or_default();
        self.0 = rest;
        plain
    }
}

/// Of each byte, whether it stays as it is and tells nothing.
type Plain = [bool; 256];

pub(super) const PLAIN_IN_QUERY: Plain = plain(b"");
pub(super) const PLAIN_IN_PATH: Plain = plain(b"/\\");

/// All of ASCII but NUL, the percent sign and these.
#[allow(
    clippy::indexing_slicing,
    reason = "a byte is below 256, and it is the compiler that counts"
)]
const fn plain(mut but: &[u8]) -> Plain {
    let mut plain = [false; 256];
    let mut byte = 1_u8;
    while byte.is_ascii() {
        plain[byte as usize] = byte != b'%';
        byte = byte.wrapping_add(1);
    }
    while let [first, rest @ ..] = but {
        plain[*first as usize] = false;
        but = rest;
    }
    plain
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    #[inline]
    fn next(&mut self) -> Option<Piece> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        if *first != b'%' {
            return Some(Piece::Plain(*first));
        }
        let [high, low, rest @ ..] = rest else { return Some(Piece::BadPercent) };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Some(Piece::BadPercent);
        };
        self.0 = rest;
        Some(Piece::Escaped(high << 4 | low))
    }
}

/// The value of a hex digit.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a' - 10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A' - 10)),
        _ => None,
    }
}

/// Characters that mean the same escaped or not (RFC 3986, section 2.3).
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The escape of a byte, in upper case.
pub(super) const fn escape(byte: u8) -> [u8; 3] {
    [b'%', upper_digit(byte >> 4), upper_digit(byte & 15)]
}

const fn upper_digit(value: u8) -> u8 {
    match value {
        0..=9 => value.wrapping_add(b'0'),
        _ => value.wrapping_add(b'A' - 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tells nothing is taken in one step, up to what does.
    #[test]
    fn what_is_plain_is_taken_at_once() {
        for (text, plain, taken) in [
            (&b"ab/c"[..], &PLAIN_IN_PATH, &b"ab"[..]),
            (b"ab/c", &PLAIN_IN_QUERY, b"ab/c"),
            (b"a%41", &PLAIN_IN_QUERY, b"a"),
            (b"/a", &PLAIN_IN_PATH, b""),
            (b"a\x80", &PLAIN_IN_PATH, b"a"),
        ] {
            let mut pieces = Pieces(text);
            assert_eq!(pieces.take_plain(plain), taken);
            assert_eq!([taken, pieces.0].concat(), text);
        }
    }
}
