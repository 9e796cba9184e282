//! Paths are rewritten here, if they are not clean.

use super::{
    escape::{PLAIN_IN_PATH, Piece, Pieces, escape, is_unreserved},
    flags::{Characters, Twice, UriFlags, is_half_an_escape},
};

/// Writes the canonical form of a path into a buffer that is as long as the path at least, and tells what
/// is odd about the path. It is read once and in order; what `..` takes back was written before, so that
/// the time is linear.
pub(super) fn rewrite<'b>(path: &[u8], is_cut: bool, buffer: &'b mut [u8]) -> (&'b [u8], UriFlags) {
    let mut flags = UriFlags::default();
    let mut characters = Characters::default();
    let mut twice = Twice::default();
    let is_absolute = matches!(path.first(), Some(b'/' | b'\\'));
    let mut out = Output { buffer, len: 0, segment: 0, is_absolute, broken: Broken::No };
    let mut pieces = Pieces(path);
    let mut after_slash = false;
    // As they were before an escape that is cut.
    let mut before_cut = None;
    loop {
        if out.broken == Broken::No && twice.is_idle() && characters.is_idle() {
            let plain = pieces.take_plain(&PLAIN_IN_PATH);
            after_slash &= plain.is_empty();
            out.push_plain(plain);
        }
        let Some(piece) = pieces.next() else { break };
        if piece == Piece::BadPercent && is_cut && is_half_an_escape(pieces.0) {
            before_cut = Some(characters);
        }
        characters.push(piece.byte());
        flags.set_if(UriFlags::DOUBLE_ENCODED, twice.push(piece));
        flags.set_if(UriFlags::NUL, piece.byte() == 0);
        let is_slash = matches!(piece, Piece::Plain(b'/' | b'\\'));
        if is_slash {
            flags.set_if(UriFlags::BACKSLASH, piece == Piece::Plain(b'\\'));
            flags.set_if(UriFlags::DOUBLE_SLASH, after_slash);
            flags.set_if(UriFlags::DOT_SEGMENTS, out.end_segment());
            out.push_slash();
        } else {
            match piece {
                Piece::Plain(byte) => out.push(byte),
                Piece::Escaped(byte) if is_unreserved(byte) && !out.would_mend(byte) => {
                    out.push(byte);
                }
                Piece::Escaped(byte) => {
                    flags.set_if(UriFlags::ENCODED_SLASH, matches!(byte, b'/' | b'\\'));
                    out.push_escape(byte);
                }
                Piece::BadPercent => {
                    // Set just above, if this is where the path was cut: then it may have been an escape.
                    flags.set_if(UriFlags::BAD_PERCENT, before_cut.is_none());
                    out.push_bad_percent();
                }
            }
        }
        after_slash = is_slash;
    }
    flags.set_if(UriFlags::DOT_SEGMENTS, out.end_segment());
    let characters = before_cut.unwrap_or(characters);
    flags.set_if(UriFlags::NON_UTF8, !characters.are_utf8(is_cut));
    (out.written(), flags)
}

/// What is written so far: never more than was read.
struct Output<'b> {
    buffer: &'b mut [u8],
    len: usize,
    /// Where the last segment starts: at the start, or after a slash.
    segment: usize,
    is_absolute: bool,
    /// How much of an escape the last bytes are that begin with a percent sign that is none.
    broken: Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    No,
    Percent,
    PercentAndDigit,
}

impl<'b> Output<'b> {
    fn put(&mut self, byte: u8) {
        // There is room: each piece writes at most as many bytes as it was read from.
        if let Some(place) = self.buffer.get_mut(self.len) {
            *place = byte;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Pushes what goes as it is.
    fn push_plain(&mut self, plain: &[u8]) {
        let end = self.len.saturating_add(plain.len());
        if let Some(place) = self.buffer.get_mut(self.len..end) {
            place.copy_from_slice(plain);
            self.len = end;
        }
    }

    fn push(&mut self, byte: u8) {
        let goes_on = self.broken == Broken::Percent && byte.is_ascii_hexdigit();
        self.broken = if goes_on { Broken::PercentAndDigit } else { Broken::No };
        self.put(byte);
    }

    fn push_escape(&mut self, byte: u8) {
        self.broken = Broken::No;
        escape(byte).into_iter().for_each(|byte| self.put(byte));
    }

    fn push_bad_percent(&mut self) {
        self.broken = Broken::Percent;
        self.put(b'%');
    }

    /// Whether this byte, decoded, could make an escape out of a percent sign that is none, to be decoded
    /// by the next one who reads the path.
    fn would_mend(&self, byte: u8) -> bool {
        self.broken != Broken::No && byte.is_ascii_hexdigit()
    }

    /// Takes back the last segment if it is a dot or two, and with two the one before. Whether it was.
    fn end_segment(&mut self) -> bool {
        self.len = match self.buffer.get(self.segment..self.len) {
            Some(b".") => self.segment,
            Some(b"..") => {
                // The slash before this segment is left out, and the one before its parent is looked for.
                let parent = self.buffer.get(..self.segment.saturating_sub(1)).unwrap_or_default();
                match parent.iter().rposition(|byte| *byte == b'/') {
                    Some(slash) => slash.saturating_add(1),
                    None => usize::from(self.is_absolute),
                }
            }
            _ => return false,
        };
        self.segment = self.len;
        true
    }

    /// Starts a segment with a slash, where there is none yet; a path that did not start with one has
    /// none at its start.
    fn push_slash(&mut self) {
        self.broken = Broken::No;
        if self.len > self.segment || self.len == 0 && self.is_absolute {
            self.put(b'/');
            self.segment = self.len;
        }
    }

    fn written(self) -> &'b [u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}
