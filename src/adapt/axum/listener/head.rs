//! Whether a client has sent a whole request head: watched, not read.
//!
//! Only where a head ends is looked for, byte by byte as they pass, and nothing is kept of them but where in
//! the grammar they are. Whether the head makes any sense is for the server behind to say, which closes
//! what it does not understand.
//!
//! - **HTTP/1**: an empty line after at least one that is not. Lines end in CR LF or in LF alone, and empty
//!   ones before the first do not count, as hyper has it.
//! - **HTTP/2**: the connection preface, then frames up to the first HEADERS, or CONTINUATION of it, that
//!   says END_HEADERS, with its payload.
//!
//! # Invariants
//! - **I1** what has been seen is a matter of the bytes, and not of how they were split;
//! - **I2** the state is a few bytes, whatever is sent;
//! - **I3** what is complete stays complete.

/// How far the first request head has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head(State);

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes, all as in the preface of HTTP/2.
    Either(u8),
    Lines(Lines),
    /// So many bytes of the next frame's header.
    FrameHeader(FrameHeader, u8),
    /// So many bytes of a frame's payload are to come, and whether the head ends with them.
    Payload {
        left: u32,
        ends: bool,
    },
    Complete,
}

/// A head of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lines {
    /// There was a line that is not empty.
    has_begun: bool,
    line: Line,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Empty,
    /// Nothing but a CR so far.
    Return,
    Text,
}

/// The 24 bits of length, the type, the flags, and the number of the stream.
type FrameHeader = [u8; 9];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

impl Head {
    /// Takes note of the next bytes; says whether the head is complete.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match &mut self.0 {
                State::Complete => return true,
                State::Payload { left, ends } => {
                    let (left, ends) = (*left, *ends);
                    let passed = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(left);
                    self.0 = State::after(left.saturating_sub(passed), ends);
                    let passed = usize::try_from(passed).unwrap_or(usize::MAX);
                    bytes.get(passed..).unwrap_or_default()
                }
                state => {
                    state.see(byte);
                    rest
                }
            };
        }
        self.0 == State::Complete
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Either(0)
    }
}

impl State {
    fn see(&mut self, byte: u8) {
        match self {
            Self::Either(seen) => {
                let next = usize::from(*seen);
                if PREFACE.get(next) != Some(&byte) {
                    *self = Self::lines(PREFACE.get(..next).unwrap_or_default(), byte);
                } else if next.saturating_add(1) == PREFACE.len() {
                    *self = Self::FrameHeader(FrameHeader::default(), 0);
                } else {
                    *seen = seen.saturating_add(1);
                }
            }
            Self::Lines(lines) => {
                if lines.end_with(byte) {
                    *self = Self::Complete;
                }
            }
            Self::FrameHeader(header, known) => {
                if let Some(place) = header.get_mut(usize::from(*known)) {
                    *place = byte;
                }
                *known = known.saturating_add(1);
                if usize::from(*known) == header.len() {
                    *self = Self::frame(*header);
                }
            }
            Self::Payload { .. } | Self::Complete => {}
        }
    }

    /// It is not HTTP/2: these bytes and this one are read as lines.
    fn lines(before: &[u8], byte: u8) -> Self {
        let mut lines = Lines { has_begun: false, line: Line::Empty };
        for byte in before.iter().chain([&byte]) {
            if lines.end_with(*byte) {
                return Self::Complete;
            }
        }
        Self::Lines(lines)
    }

    fn frame(header: FrameHeader) -> Self {
        let [high, middle, low, kind, flags, ..] = header;
        let ends = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0;
        Self::after(u32::from_be_bytes([0, high, middle, low]), ends)
    }

    /// What follows once so much of a payload is left.
    fn after(left: u32, ends: bool) -> Self {
        match (left, ends) {
            (0, true) => Self::Complete,
            (0, false) => Self::FrameHeader(FrameHeader::default(), 0),
            _ => Self::Payload { left, ends },
        }
    }
}

impl Lines {
    /// Takes note of a byte; says whether the head ends with it.
    fn end_with(&mut self, byte: u8) -> bool {
        self.line = match (self.line, byte) {
            (Line::Empty | Line::Return, b'\n') if self.has_begun => return true,
            (_, b'\n') => Line::Empty,
            (Line::Empty, b'\r') => Line::Return,
            _ => {
                self.has_begun = true;
                Line::Text
            }
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::{Head, PREFACE};
    use crate::test_support::cases;

    /// After how many bytes the head is complete, if they come in these pieces.
    fn complete_after(bytes: &[u8], mut cuts: Vec<usize>) -> Option<usize> {
        cuts.retain(|cut| *cut <= bytes.len());
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut head = Head::default();
        for piece in cuts.windows(2) {
            if head.see(&bytes[piece[0]..piece[1]]) {
                return Some(piece[1]);
            }
        }
        None
    }

    fn byte_by_byte(bytes: &[u8]) -> Option<usize> {
        complete_after(bytes, (0..bytes.len()).collect())
    }

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&head, payload].concat()
    }

    fn http2(frames: &[Vec<u8>]) -> Vec<u8> {
        [PREFACE, &frames.concat()].concat()
    }

    #[test]
    fn a_head_of_http1_ends_with_an_empty_line() {
        for (bytes, ends) in [
            (&b"GET / HTTP/1.1\r\nhost: h\r\n\r\nGET"[..], Some(27)),
            (b"GET / HTTP/1.1\nhost: h\n\n", Some(24)),
            (b"GET / HTTP/1.1\r\nhost: h\n\r\n", Some(26)),
            (b"GET / HTTP/1.1\r\nhost: h\r\n\n", Some(26)),
            (b"\r\n\n\r\nGET / HTTP/1.1\r\n\r\n", Some(23)),
            (b"GET /\r\n\r\n", Some(9)),
            (b"", None),
            (b"\r\n\r\n\n\n", None),
            (b"GET / HTTP/1.1\r\nhost: h\r\n", None),
            (b"GET / HTTP/1.1\r\n\r", None),
            (b"GET / HTTP/1.1\r\n\r\r\n", None),
            (b"GET / HTTP/1.1\r\n \r\n", None),
            // As much as the preface of HTTP/2, and then something else.
            (b"P", None),
            (b"PRI * HTTP/2.0\r\n\rx", None),
            (b"PRI * HTTP/2.0\r\n\r\nSx", Some(20)),
            (b"PUT /\r\n\r\n", Some(9)),
        ] {
            assert_eq!(byte_by_byte(bytes), ends, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_head_of_http2_ends_with_the_headers() {
        let settings = || frame(4, 0, &[0, 3, 0, 0, 0, 100]);
        let headers = |flags| frame(1, flags, b"fields");
        let preface = PREFACE.len();
        for (frames, ends) in [
            (vec![settings(), headers(4), settings()], Some(preface + 15 + 15)),
            (vec![headers(5)], Some(preface + 15)),
            (vec![frame(1, 4, b""), settings()], Some(preface + 9)),
            (
                vec![headers(1), frame(9, 0, b"more"), frame(9, 4, b"x")],
                Some(preface + 15 + 13 + 10),
            ),
            (vec![], None),
            (vec![settings(), frame(4, 1, b""), frame(8, 0, &[0; 4]), frame(6, 0, &[0; 8])], None),
            (vec![headers(1)], None),
            (vec![frame(0, 4, b"body"), frame(4, 4, b"")], None),
        ] {
            let bytes = http2(&frames);
            assert_eq!(byte_by_byte(&bytes), ends, "{}", bytes.escape_ascii());
            // Until the last byte of the payload it is not complete.
            if let Some(ends) = ends {
                assert_eq!(byte_by_byte(&bytes[..ends - 1]), None);
            }
        }
        for part in 1..preface {
            assert_eq!(byte_by_byte(&PREFACE[..part]), None);
        }
        // The largest frame that can be, of a kind that nobody knows.
        let largest = http2(&[frame(99, 0xff, &vec![b'\n'; (1 << 24) - 1]), headers(4)]);
        assert_eq!(complete_after(&largest, vec![]), Some(largest.len()));
        assert_eq!(complete_after(&largest[..largest.len() - 1], vec![]), None);
    }

    /// I2.
    #[test]
    fn the_state_is_small() {
        assert!(size_of::<Head>() <= 16, "{}", size_of::<Head>());
    }

    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let text = prop::collection::vec(prop::sample::select(b"\r\n\r\n aG:PRI".to_vec()), 0..40);
        let kinds = prop::sample::select(vec![0_u8, 1, 4, 9, 200]);
        let frames = prop::collection::vec((kinds, any::<u8>(), 0..20_usize), 0..5);
        let frames = frames.prop_map(|frames| {
            let frames: Vec<_> = frames
                .into_iter()
                .map(|(kind, flags, length)| frame(kind, flags, &vec![b'\n'; length]))
                .collect();
            http2(&frames)
        });
        let broken = (frames.clone(), any::<prop::sample::Index>(), any::<u8>());
        let broken = broken.prop_map(|(mut bytes, at, byte)| {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
        prop_oneof![text, frames, broken]
    }

    /// The same, from all bytes at once.
    fn model(bytes: &[u8]) -> Option<usize> {
        if let Some(mut frames) = bytes.strip_prefix(PREFACE) {
            loop {
                let (header, rest) = frames.split_at_checked(9)?;
                let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
                frames = rest.get(length..)?;
                if matches!(header[3], 1 | 9) && header[4] & 4 != 0 {
                    return Some(bytes.len() - frames.len());
                }
            }
        }
        if PREFACE.starts_with(bytes) {
            return None;
        }
        let mut at = 0;
        let mut has_begun = false;
        while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
            let line = &bytes[at..at + length];
            at += length + 1;
            let is_empty = line.is_empty() || line == b"\r";
            if is_empty && has_begun {
                return Some(at);
            }
            has_begun |= !is_empty;
        }
        None
    }

    proptest! {
        #![proptest_config(cases(2_000))]

        /// I1 and I3.
        #[test]
        fn splitting_does_not_matter(
            bytes in any_bytes(),
            cuts in prop::collection::vec(0..120_usize, 0..6),
        ) {
            let ends = byte_by_byte(&bytes);
            // An empty line in the preface ends a head of HTTP/1 once it is known to be one.
            if bytes.starts_with(PREFACE) || !bytes.starts_with(&PREFACE[..18]) {
                prop_assert_eq!(ends, model(&bytes));
            }
            let split = complete_after(&bytes, cuts.clone());
            prop_assert_eq!(split.is_some(), ends.is_some());
            if let (Some(split), Some(ends)) = (split, ends) {
                // Told with the first piece that has the last byte.
                let piece = cuts.iter().copied().filter(|cut| *cut >= ends).min();
                prop_assert_eq!(split, piece.unwrap_or(bytes.len()).min(bytes.len()));
            }
            let mut head = Head::default();
            if head.see(&bytes) {
                prop_assert!(head.see(b"") && head.see(b"x\r\nGET"));
            }
        }
    }
}
