//! Virtual time: when each request is played.
//!
//! A log tells seconds. Played as they are written, all requests of a second would come at its very beginning, and a
//! limit with a small burst would refuse what it does not refuse in life. So requests of one second are spread evenly
//! over it, in the order of the log. Logs whose times were made coarser than that, by whoever published them, can be
//! spread over minutes or hours.
//!
//! Times that are finer than a second are taken as they are, unless a spread is asked for.
//!
//! # Invariants
//! - **I1** time never goes back: a line that is older than what was played counts as late, and is played at once;
//! - **I2** the same log is played at the same times, always.
//!
//! # Bounds
//! What belongs to one span is held until the span is over, up to [`MOST_HELD`] bytes. If there is more, what is held is
//! spread over the first half of what is left of the span, and so on: the counts then are right, and the rates within
//! that span are not. Such spans are counted.

use std::time::Duration;

use portcullis::Timestamp;

use super::record::{Batch, Record};

/// As many bytes of requests are held at a time.
pub const MOST_HELD: usize = 32 << 20;

/// Lines that are so late are no matter of how fine times are written.
pub const FAR: Duration = Duration::from_secs(3_600);

const SECOND: u64 = 1_000_000_000;

/// How far the times of a log can be relied on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// To the second, or finer, where the log is.
    #[default]
    AsWritten,
    /// To the second.
    Second,
    /// To the minute.
    Minute,
    /// To the hour.
    Hour,
}

impl Span {
    const fn nanos(self) -> u64 {
        match self {
            Self::AsWritten | Self::Second => SECOND,
            Self::Minute => 60 * SECOND,
            Self::Hour => 3_600 * SECOND,
        }
    }
}

/// Spreads requests.
#[derive(Debug)]
pub struct Spread {
    span: Span,
    most_held: usize,
    held: Batch,
    /// The span that is held begins there; nothing of it before `from` is left.
    start: u64,
    from: u64,
    /// When the last request was played.
    last: u64,
    told: SpreadTold,
    was_halved: bool,
    /// A bit for each minute of an hour that some line has.
    minutes: u64,
    /// The hour of the first line, and of the first one that is in another hour; the same, if there is none.
    hours: Option<(u64, u64)>,
}

/// What is to be known about the times of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpreadTold {
    /// Requests that came after others that are younger.
    pub late: u64,
    /// Of these, those that came after others that are younger by [`FAR`] or more.
    pub far: u64,
    /// By so much, at most.
    pub latest: Duration,
    /// Spans that held more than there is room for.
    pub halved: u64,
}

impl Spread {
    /// Spreads over these spans.
    #[must_use]
    pub fn new(span: Span) -> Self {
        Self {
            span,
            most_held: MOST_HELD,
            held: Batch::default(),
            start: 0,
            from: 0,
            last: 0,
            told: SpreadTold::default(),
            was_halved: false,
            minutes: 0,
            hours: None,
        }
    }

    /// Takes the requests of a batch, which is empty then, and plays those whose time is known.
    pub fn take(&mut self, next: &mut Batch, mut play: impl FnMut(&Batch, &Record, Timestamp)) {
        let Some(record) = next.records().first() else { return };
        let at = record.at.as_nanos();
        self.note_minute(at);
        if self.span == Span::AsWritten && record.is_fine {
            self.flush(&mut play);
            self.note_late(at, self.last);
            self.last = at.max(self.last);
            for record in next.records() {
                play(next, record, Timestamp::from_nanos(self.last));
            }
            next.clear();
            return;
        }
        let start = at - at % self.span.nanos();
        if start > self.start {
            self.flush(&mut play);
            (self.start, self.from, self.was_halved) = (start, start.max(self.last), false);
        } else {
            self.note_late(at, self.start);
        }
        self.held.append(next);
        if self.held.bytes() >= self.most_held {
            self.told.halved += u64::from(!self.was_halved);
            self.was_halved = true;
            let until = self.from + (self.end() - self.from) / 2;
            self.play_until(until, &mut play);
        }
    }

    /// Plays what is held; at the end of a log.
    pub fn flush(&mut self, mut play: impl FnMut(&Batch, &Record, Timestamp)) {
        self.play_until(self.end(), &mut play);
    }

    /// What is to be known about the times.
    #[must_use]
    pub fn told(&self) -> SpreadTold {
        self.told
    }

    /// Whether all lines of several hours are in the same minute of their hour: then their minutes were lost.
    #[must_use]
    pub fn has_lost_minutes(&self) -> bool {
        self.minutes.count_ones() == 1 && self.hours.is_some_and(|(first, other)| first != other)
    }

    fn note_minute(&mut self, at: u64) {
        let minute = at / (60 * SECOND);
        self.minutes |= 1 << (minute % 60);
        let (first, other) = self.hours.unwrap_or((minute / 60, minute / 60));
        self.hours = Some((first, if other == first { minute / 60 } else { other }));
    }

    fn end(&self) -> u64 {
        // A request with a time of its own may already lie behind the span.
        self.start.saturating_add(self.span.nanos()).max(self.from)
    }

    fn note_late(&mut self, at: u64, before: u64) {
        if at < before {
            self.told.late += 1;
            let by = Duration::from_nanos(before - at);
            self.told.latest = self.told.latest.max(by);
            self.told.far += u64::from(by >= FAR);
        }
    }

    fn play_until(&mut self, until: u64, play: &mut impl FnMut(&Batch, &Record, Timestamp)) {
        let count = self.held.len() as u64;
        if count == 0 {
            return;
        }
        let from = self.from.max(self.last);
        let room = u128::from(until.saturating_sub(from));
        for (record, at) in self.held.records().iter().zip(0_u64..) {
            let after = room * u128::from(at) / u128::from(count);
            self.last = from + u64::try_from(after).unwrap_or(0);
            play(&self.held, record, Timestamp::from_nanos(self.last));
        }
        self.from = until.max(self.last);
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis::Timestamp;

    use super::{Batch, Span, Spread, SpreadTold};
    use crate::replay::{common, json};

    /// Times in milliseconds after 10:05:00, and what was told.
    fn played(span: Span, room: usize, lines: &[String]) -> (Vec<i64>, SpreadTold) {
        let mut spread = Spread { most_held: room, ..Spread::new(span) };
        let mut at = Vec::new();
        let zero = 1_431_857_100_000;
        let mut play = |batch: &Batch, record: &_, now: Timestamp| {
            assert!(batch.request(record).get_target().starts_with('/'));
            at.push(i64::try_from(now.as_nanos() / 1_000_000).unwrap() - zero);
        };
        let mut next = Batch::default();
        for line in lines {
            if line.starts_with('{') {
                json::parse(line.as_bytes(), &mut next).unwrap();
            } else {
                common::parse(line.as_bytes(), &mut next).unwrap();
            }
            spread.take(&mut next, &mut play);
            assert!(next.is_empty());
        }
        spread.flush(&mut play);
        let told = spread.told();
        (at, told)
    }

    fn lines(times: &[&str]) -> Vec<String> {
        let line =
            |time| format!("192.0.2.1 - - [17/May/2015:10:{time} +0000] \"GET /{time}\" 200 1");
        times.iter().map(line).collect()
    }

    fn fine(seconds: &str) -> String {
        format!(r#"{{"ip":"192.0.2.1","ts":14318571{seconds},"uri":"/{seconds}"}}"#)
    }

    #[test]
    fn requests_of_a_second_are_spread_over_it() {
        let log = lines(&["05:00", "05:00", "05:00", "05:00", "05:02", "05:02", "06:00"]);
        let (at, told) = played(Span::AsWritten, 1 << 20, &log);
        assert_eq!(at, [0, 250, 500, 750, 2_000, 2_500, 60_000]);
        assert_eq!(told, SpreadTold::default());
        assert_eq!(played(Span::Second, 1 << 20, &log).0, at);
    }

    #[test]
    fn requests_of_an_hour_are_spread_over_it_in_the_order_of_the_log() {
        let log = lines(&["05:43", "05:03", "05:47", "05:12"]);
        let (at, told) = played(Span::Hour, 1 << 20, &log);
        let minute = 60_000;
        assert_eq!(at, [-5 * minute, 10 * minute, 25 * minute, 40 * minute]);
        assert_eq!(told, SpreadTold::default(), "none is late: they are of one hour");
        let (at, _) = played(Span::Minute, 1 << 20, &log);
        assert_eq!(at, [0, 15_000, 30_000, 45_000]);
    }

    #[test]
    fn late_lines_are_played_at_once_and_counted() {
        let (at, told) =
            played(Span::AsWritten, 1 << 20, &lines(&["05:10", "05:03", "05:12", "05:11"]));
        assert_eq!(at, [10_000, 10_500, 12_000, 12_500]);
        assert_eq!(told, SpreadTold { late: 2, far: 0, latest: Duration::from_secs(7), halved: 0 });
    }

    #[test]
    fn fine_times_are_taken_as_they_are_unless_a_spread_is_asked_for() {
        let log = [fine("00.250"), fine("00.750"), fine("00.500"), fine("01.125")];
        let (at, told) = played(Span::AsWritten, 1 << 20, &log);
        assert_eq!(at, [250, 750, 750, 1_125]);
        assert_eq!((told.late, told.latest), (1, Duration::from_millis(250)));
        assert_eq!(played(Span::Second, 1 << 20, &log).0, [0, 333, 666, 1_000]);
    }

    #[test]
    fn coarse_and_fine_times_can_follow_each_other_in_any_order() {
        let mut log = lines(&["05:00", "05:00"]);
        log.push(fine("00.750"));
        log.extend(lines(&["05:00", "05:01"]));
        log.push(fine("05.5"));
        log.extend(lines(&["05:05", "05:06"]));
        let (at, _) = played(Span::AsWritten, 1 << 20, &log);
        assert!(at.is_sorted(), "{at:?}");
        assert_eq!(at.len(), 8);
    }

    #[test]
    fn a_span_that_is_too_much_to_hold_is_spread_by_halves() {
        let log = lines(&["05:00"; 8]);
        let (at, told) = played(Span::AsWritten, 400, &log);
        assert_eq!((at.len(), told.halved), (8, 1));
        assert!(at.is_sorted() && at.iter().all(|at| (0..1_000).contains(at)), "{at:?}");
    }
}
