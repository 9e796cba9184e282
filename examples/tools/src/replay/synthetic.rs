//! A log that nobody has asked for: made up, the same each time, as long as one likes.
//!
//! It looks like that of a small website: few clients ask for much and many for little, pages come with what is on
//! them, some of what is asked for is not there, somebody guesses passwords, and a scanner comes by. For tests and for
//! measuring; it proves nothing about real traffic.

use std::io::{self, Read, Write};

/// Clients that there are at a time.
const CLIENTS: u64 = 20_000;
/// Lines in a second.
const PER_SECOND: u64 = 100;
/// 17 May 2015, 10:00 UTC.
const START: u64 = 1_431_856_800;

/// Such a log, to be read: it is made while it is read, and nothing of it is kept.
#[derive(Clone, Debug)]
pub struct Synthetic {
    state: u64,
    next: u64,
    lines: u64,
    line: Vec<u8>,
    given: usize,
}

impl Synthetic {
    /// A log of so many lines; another one for each seed.
    #[must_use]
    pub fn new(seed: u64, lines: u64) -> Self {
        Self { state: seed, next: 0, lines, line: Vec::with_capacity(256), given: 0 }
    }

    /// A number that looks like chance.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Few of those below `most` come often.
    fn skewed(&mut self, most: u64) -> u64 {
        let draw = (self.random() >> 11) as f64 / (1_u64 << 53) as f64;
        ((most as f64).powf(draw) - 1.0) as u64
    }

    fn make_line(&mut self) -> io::Result<()> {
        let second = self.next / PER_SECOND;
        self.next += 1;
        let client = self.skewed(CLIENTS);
        let page = self.skewed(2_000);
        let what = self.random() % 1_000;
        let size = 200 + self.random() % 40_000;
        let (day, rest) = ((START + second) / 86_400 - START / 86_400, (START + second) % 86_400);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        self.line.clear();
        self.given = 0;
        let into = &mut self.line;
        // A scanner comes by for five minutes of each hour.
        let (client, method, status) = match what {
            0..50 if minute < 5 => (250_000 + hour, "GET", 404),
            50..60 => (client, "POST", if what < 57 { 401 } else { 302 }),
            60..100 => (client, "GET", 404),
            100..140 => (client, "HEAD", 304),
            _ => (client, "GET", 200),
        };
        write!(into, "10.{}.{}.{}", client >> 16 & 255, client >> 8 & 255, client & 255)?;
        write!(
            into,
            " - - [{:02}/May/2015:{hour:02}:{minute:02}:{second:02} +0000] \"{method} ",
            17 + day % 14
        )?;
        match (status, method) {
            (404, _) if client >= 250_000 => write!(into, "/wp-content/{page}.php?x={size}")?,
            (_, "POST") => write!(into, "/login?next=/page/{page}")?,
            _ if page % 3 == 0 => write!(into, "/page/{page}/picture-{}.png", size % 7)?,
            _ => write!(into, "/page/{page}?utm_source=feed&utm_medium=rss")?,
        }
        write!(
            into,
            " HTTP/1.1\" {status} {size} \"https://site.example/page/{}\" \"Mozilla/5.0 (X11; Linux x86_64; \
             rv:{}.0) Gecko/20100101 Firefox/{}.0\"",
            page / 2,
            90 + client % 40,
            90 + client % 40
        )?;
        into.push(b'\n');
        Ok(())
    }
}

impl Read for Synthetic {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < room.len() {
            if self.given == self.line.len() {
                if self.next == self.lines {
                    break;
                }
                self.make_line()?;
            }
            let left = self.line.get(self.given..).unwrap_or_default();
            let into = room.get_mut(read..).unwrap_or_default();
            let len = left.len().min(into.len());
            if let (Some(left), Some(into)) = (left.get(..len), into.get_mut(..len)) {
                into.copy_from_slice(left);
            }
            self.given += len;
            read += len;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Synthetic;
    use crate::replay::{common, record::Batch};

    #[test]
    fn it_is_the_same_each_time_and_all_of_it_can_be_read() {
        let text = |seed| {
            let mut text = String::new();
            Synthetic::new(seed, 2_000).read_to_string(&mut text).unwrap();
            text
        };
        let log = text(1);
        assert_eq!(log, text(1));
        assert_ne!(log, text(2));
        assert_eq!(log.lines().count(), 2_000);
        let mut batch = Batch::default();
        for line in log.lines() {
            common::parse(line.as_bytes(), &mut batch)
                .unwrap_or_else(|it| panic!("{it:?}: {line}"));
        }
        assert!(batch.records().windows(2).all(|pair| pair[0].at <= pair[1].at));
        let statuses = |status| batch.records().iter().filter(|it| it.status == status).count();
        assert!(statuses(404) > 50 && statuses(401) > 5 && statuses(200) > 1_000);
    }
}
