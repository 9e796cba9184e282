//! A request as a log tells of it, and the store that holds some of them at a time.
//!
//! A log's line is gone when the next one is read, but requests of one second have to wait for each other (see
//! [`spread`](super::spread)). So what a line says is copied into one long text, and a [`Record`] says where its parts
//! are: no request has an allocation of its own.
//!
//! # Invariants
//! - **I1** method, host and target are texts in UTF-8; bytes that are none are written as `%FF`, which means the
//!   same in a target;
//! - **I2** a line that turns out to be malformed leaves nothing behind.

use std::{net::IpAddr, time::Duration};

use super::Reject;

use portcullis::{Request, Timestamp};

/// A part of the text of a [`Batch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    start: usize,
    len: usize,
}

/// A request, as far as a gate is interested, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who asked, in the canonical form.
    pub client: IpAddr,
    /// When, as the log says it, since 1970.
    pub at: Timestamp,
    /// Whether that is finer than a second.
    pub is_fine: bool,
    /// The status of the answer; 0 if the log does not say.
    pub status: u16,
    /// The bytes of the answer.
    pub size: Option<u64>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// `GET`
    pub method: Part,
    /// `/a?b`
    pub target: Part,
    /// Empty if the log does not say.
    pub host: Part,
    /// `None` if there was none, or the log does not say.
    pub referer: Option<Part>,
    /// The same of the client's name for itself.
    pub agent: Option<Part>,
}

/// Some requests, in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    text: Vec<u8>,
    records: Vec<Record>,
}

impl Batch {
    /// How many requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes of what they say.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len() + self.records.len() * size_of::<Record>()
    }

    /// The requests.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Forgets all of it, and keeps the room.
    pub fn clear(&mut self) {
        self.text.clear();
        self.records.clear();
    }

    /// Takes over what another one has, which is empty then.
    pub fn append(&mut self, other: &mut Self) {
        let by = self.text.len();
        let moved = |part: Part| Part { start: part.start + by, ..part };
        self.text.append(&mut other.text);
        self.records.extend(other.records.drain(..).map(|record| Record {
            method: moved(record.method),
            target: moved(record.target),
            host: moved(record.host),
            referer: record.referer.map(moved),
            agent: record.agent.map(moved),
            ..record
        }));
    }

    /// The request that a record of this batch is about.
    #[must_use]
    pub fn request(&self, record: &Record) -> Request<'_> {
        let request = Request::new(record.client)
            .method(self.text(record.method))
            .host(self.text(record.host))
            .target(self.text(record.target));
        let request = match record.agent {
            Some(agent) => request.header("user-agent", self.part(agent)),
            None => request,
        };
        match record.referer {
            Some(referer) => request.header("referer", self.part(referer)),
            None => request,
        }
    }

    /// A part of the text, as it is.
    #[must_use]
    pub fn part(&self, part: Part) -> &[u8] {
        self.text.get(part.start..part.start + part.len).unwrap_or_default()
    }

    /// A part that is a text (I1).
    #[must_use]
    pub fn text(&self, part: Part) -> &str {
        std::str::from_utf8(self.part(part)).unwrap_or_default()
    }

    /// Reads one more request.
    ///
    /// # Errors
    /// Why it is none; nothing is kept of it then (I2).
    pub(super) fn add(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Record, Reject>,
    ) -> Result<(), Reject> {
        let mark = self.text.len();
        match read(self) {
            Ok(record) => {
                self.records.push(record);
                Ok(())
            }
            Err(reject) => {
                self.text.truncate(mark);
                Err(reject)
            }
        }
    }

    /// Keeps bytes as they are.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Part {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        Part { start, len: bytes.len() }
    }

    /// Keeps bytes in which servers have escaped what is not printable.
    pub(super) fn keep_escaped(&mut self, bytes: &[u8]) -> Part {
        let start = self.text.len();
        unescape(bytes, &mut self.text);
        Part { start, len: self.text.len() - start }
    }

    /// Makes a text of a part that was kept last (I1).
    pub(super) fn made_text(&mut self, part: Part) -> Part {
        if std::str::from_utf8(self.part(part)).is_ok() {
            return part;
        }
        let bytes = self.part(part).to_vec();
        self.text.truncate(part.start);
        for chunk in bytes.utf8_chunks() {
            self.text.extend_from_slice(chunk.valid().as_bytes());
            for byte in chunk.invalid() {
                self.text.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
        Part { start: part.start, len: self.text.len() - part.start }
    }
}

/// Undoes what servers do to bytes that are not printable: `\xHH` of Apache and nginx, `\"`, `\\`, `\n`, `\t`, `\r`,
/// `\v` and `\b` of Apache. What is not one of these stays as it is.
fn unescape(bytes: &[u8], into: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escaped) = rest.split_at(at);
        into.extend_from_slice(plain);
        let (byte, len) = match escaped {
            [_, b'x', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, 4),
                _ => (b'\\', 1),
            },
            [_, b'n', ..] => (b'\n', 2),
            [_, b't', ..] => (b'\t', 2),
            [_, b'r', ..] => (b'\r', 2),
            [_, b'v', ..] => (0x0B, 2),
            [_, b'b', ..] => (0x08, 2),
            [_, quoted @ (b'"' | b'\\'), ..] => (*quoted, 2),
            _ => (b'\\', 1),
        };
        into.push(byte);
        rest = escaped.get(len..).unwrap_or_default();
    }
    into.extend_from_slice(rest);
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::{Batch, unescape};

    fn unescaped(bytes: &[u8]) -> Vec<u8> {
        let mut into = Vec::new();
        unescape(bytes, &mut into);
        into
    }

    #[test]
    fn what_servers_escape_is_what_it_was() {
        let table: [(&[u8], &[u8]); 9] = [
            (b"plain", b"plain"),
            (br"\x16\x03\x01", &[0x16, 3, 1]),
            (br#"a\"b\\c"#, br#"a"b\c"#),
            (br"\t\n\r\v\b", b"\t\n\r\x0B\x08"),
            (br"\xC3\xA4", "ä".as_bytes()),
            (br"\x4", br"\x4"),
            (br"\xgg", br"\xgg"),
            (br"end\", br"end\"),
            (br"\q", br"\q"),
        ];
        for (escaped, bytes) in table {
            assert_eq!(unescaped(escaped), bytes, "{}", escaped.escape_ascii());
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_written_as_a_target_writes_them() {
        let mut batch = Batch::default();
        let before = batch.keep(b"before");
        let part = batch.keep(b"/\xFFa\xC3\xA4\xC3");
        let part = batch.made_text(part);
        assert_eq!((batch.text(before), batch.text(part)), ("before", "/%FFaä%C3"));
        let plain = batch.keep(b"/plain");
        assert_eq!(batch.made_text(plain), plain);
    }
}
