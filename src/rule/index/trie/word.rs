//! Eight bytes of a text at once, as a number: from its beginning on, or back from its end.
//!
//! The byte that is met first is the lowest, and zeros stand for what the text does not have. Bytes near the
//! end are cut out of a word that the text has; only texts of fewer than eight bytes are put together.

/// Eight bytes of the text after so many, the nearest one lowest; zeros stand for bytes past the end.
#[inline]
pub(super) fn word_at<const BACK: bool>(text: &[u8], at: usize) -> u64 {
    if BACK {
        let left = text.get(..text.len().wrapping_sub(at)).unwrap_or_default();
        match left.last_chunk() {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => match text.first_chunk() {
                Some(bytes) => past(u64::from_be_bytes(*bytes), left.len()),
                None => {
                    few(left).swap_bytes()
                        >> 8
                        >> (7_usize.wrapping_sub(left.len()).wrapping_mul(8) & 63)
                }
            },
        }
    } else {
        let left = text.get(at..).unwrap_or_default();
        match left.first_chunk() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => match text.last_chunk() {
                Some(bytes) => past(u64::from_le_bytes(*bytes), left.len()),
                None => few(left),
            },
        }
    }
}

/// The upper bytes of a word, of which there are fewer than eight.
#[inline]
fn past(word: u64, bytes: usize) -> u64 {
    // Two steps: all 64 bits can not be shifted out at once.
    word >> 8 >> (7_usize.wrapping_sub(bytes).wrapping_mul(8) & 63)
}

/// Fewer than eight bytes, the first one lowest, as two pieces that may overlap.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    let joined = |first: u64, last: u64, of: usize| {
        first | last << (bytes.len().wrapping_sub(of).wrapping_mul(8) & 63)
    };
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return joined(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into(), 4);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return joined(u16::from_le_bytes(*first).into(), u16::from_le_bytes(*last).into(), 2);
    }
    bytes.first().copied().map_or(0, u64::from)
}

/// Fewer than eight bytes, the last one lowest.
#[inline]
pub(super) fn gathered<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// All ASCII capitals of a word made small.
#[inline]
pub(super) const fn lower(word: u64) -> u64 {
    // What makes a letter with its top bit off reach that bit: `A` and later ones, those past `Z`.
    const TO_A: u64 = u64::from_ne_bytes([0x80 - b'A'; 8]);
    const PAST_Z: u64 = u64::from_ne_bytes([0x7f - b'Z'; 8]);
    const TOP: u64 = u64::from_ne_bytes([0x80; 8]);
    let low = word & !TOP;
    let capital = (low.wrapping_add(TO_A) ^ low.wrapping_add(PAST_Z)) & !word & TOP;
    word | (capital >> 2)
}
