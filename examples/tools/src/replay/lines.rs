//! Lines of a file, one after the other, in memory that does not depend on the file.
//!
//! # Bounds
//! A line that is longer than [`LONGEST`] is malformed: its beginning is shown, and the rest of it passed over. There
//! is one buffer, of four times that.

use std::io::{self, Read};

/// The longest line that is read.
pub const LONGEST: usize = 64 << 10;
const ROOM: usize = 4 * LONGEST;

/// Reads lines.
pub struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    /// What was read and not yet given is there.
    start: usize,
    end: usize,
    number: u64,
    is_over: bool,
}

/// A line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: u64,
    /// Its bytes; the first of them, if it is too long.
    pub bytes: &'a [u8],
    /// Whether it is longer than [`LONGEST`].
    pub is_too_long: bool,
}

impl<R: Read> Lines<R> {
    /// Reads from there.
    pub fn new(from: R) -> Self {
        Self { from, buffer: vec![0; ROOM], start: 0, end: 0, number: 0, is_over: false }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// When reading fails.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut seen = 0;
        loop {
            let held = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', held.get(seen..).unwrap_or_default()) {
                let len = seen + at;
                return Ok(Some(self.give(len, 1)));
            }
            seen = held.len();
            if seen > LONGEST {
                return self.too_long().map(Some);
            }
            if !self.fill()? {
                return Ok((seen > 0).then(|| self.give(seen, 0)));
            }
        }
    }

    fn give(&mut self, len: usize, newline: usize) -> Line<'_> {
        let from = self.start;
        self.start += len + newline;
        self.number += 1;
        let bytes = self.buffer.get(from..from + len).unwrap_or_default();
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Line { number: self.number, bytes, is_too_long: len > LONGEST }
    }

    /// The beginning of a line that fills the buffer; the rest of it is passed over.
    fn too_long(&mut self) -> io::Result<Line<'_>> {
        // It is kept at the front, while the rest goes through what is behind it.
        self.buffer.copy_within(self.start..self.start + LONGEST, 0);
        self.number += 1;
        let held = self.buffer.get(self.start + LONGEST..self.end).unwrap_or_default();
        let mut behind = match memchr::memchr(b'\n', held) {
            Some(at) => Some(self.start + LONGEST + at + 1),
            None => None,
        };
        while behind.is_none() && !self.is_over {
            let Some(room) = self.buffer.get_mut(LONGEST..) else { break };
            let read = retried(&mut self.from, room)?;
            self.is_over = read == 0;
            self.end = LONGEST + read;
            let held = self.buffer.get(LONGEST..self.end).unwrap_or_default();
            behind = memchr::memchr(b'\n', held).map(|at| LONGEST + at + 1);
        }
        self.start = behind.unwrap_or(self.end);
        let bytes = self.buffer.get(..LONGEST).unwrap_or_default();
        Ok(Line { number: self.number, bytes, is_too_long: true })
    }

    /// Reads more; `false` if there is no more.
    fn fill(&mut self) -> io::Result<bool> {
        if self.is_over {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let Some(room) = self.buffer.get_mut(self.end..) else { return Ok(false) };
        let read = retried(&mut self.from, room)?;
        self.end += read;
        self.is_over = read == 0;
        Ok(read > 0)
    }
}

fn retried(from: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::{LONGEST, Lines};

    /// Gives so many bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(room.len());
            let (given, rest) = self.0.split_at(len);
            room[..len].copy_from_slice(given);
            self.0 = rest;
            Ok(len)
        }
    }

    fn all(text: &[u8], at_a_time: usize) -> Vec<(u64, usize, bool, u8)> {
        let mut lines = Lines::new(Slowly(text, at_a_time));
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let first = line.bytes.first().copied().unwrap_or(b'-');
            all.push((line.number, line.bytes.len(), line.is_too_long, first));
        }
        all
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let mut text = b"one\n\ntwo\r\n".to_vec();
        for (len, byte) in [(LONGEST, b'a'), (LONGEST + 1, b'b'), (9 * LONGEST, b'c'), (3, b'd')] {
            text.extend(std::iter::repeat_n(byte, len));
            text.push(b'\n');
        }
        text.extend_from_slice(b"end");
        let expected = [
            (1, 3, false, b'o'),
            (2, 0, false, b'-'),
            (3, 3, false, b't'),
            (4, LONGEST, false, b'a'),
            (5, LONGEST, true, b'b'),
            (6, LONGEST, true, b'c'),
            (7, 3, false, b'd'),
            (8, 3, false, b'e'),
        ];
        for at_a_time in [1, 7, 4_096, LONGEST, usize::MAX] {
            let mut all = all(&text, at_a_time);
            // Of a line that is a little too long, a little more may be shown.
            all[4].1 = all[4].1.min(LONGEST);
            assert_eq!(all, expected, "{at_a_time} at a time");
        }
    }

    #[test]
    fn files_end_with_and_without_a_newline() {
        assert_eq!(all(b"", 9), []);
        assert_eq!(all(b"\n", 9).len(), 1);
        assert_eq!(all(b"a", 9).len(), 1);
        let endless = vec![b'x'; 10 * LONGEST];
        assert_eq!(all(&endless, 1_000), [(1, LONGEST, true, b'x')]);
    }
}
