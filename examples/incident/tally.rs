//! What became of each request, and the few numbers that say it all.

use std::{
    collections::HashSet,
    fmt::{self, Display, Formatter},
    ops::Range,
    str::FromStr,
};

/// An answer within this time is a good one.
pub(crate) const GOOD_MS: u64 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200.
    Served,
    /// 429.
    Refused,
    /// No answer for as long as the client was ready to wait.
    GaveUp,
    /// Another status, or a connection that broke.
    Failed,
    /// It never got onto the wire: no connection to be had. Not a part of any offered rate.
    Unsent,
}

/// One request. Latency counts from the moment it was due, so that a late start is not hidden.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) due_ms: u64,
    pub(crate) latency_us: u64,
    pub(crate) client: u32,
    pub(crate) outcome: Outcome,
}

impl Record {
    pub(crate) fn is_good(&self) -> bool {
        self.outcome == Outcome::Served && self.latency_us <= GOOD_MS * 1000
    }
}

/// The line by which a crowd tells of a request.
impl Display for Record {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Served => "served",
            Outcome::Refused => "refused",
            Outcome::GaveUp => "gave-up",
            Outcome::Failed => "failed",
            Outcome::Unsent => "unsent",
        };
        write!(f, "{} {} {} {outcome}", self.due_ms, self.latency_us, self.client)
    }
}

impl FromStr for Record {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let mut words = line.split_ascii_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).ok_or(());
        let (due_ms, latency_us) = (number()?, number()?);
        let client = u32::try_from(number()?).map_err(|_| ())?;
        let outcome = match words.next() {
            Some("served") => Outcome::Served,
            Some("refused") => Outcome::Refused,
            Some("gave-up") => Outcome::GaveUp,
            Some("failed") => Outcome::Failed,
            Some("unsent") => Outcome::Unsent,
            _ => return Err(()),
        };
        Ok(Self { due_ms, latency_us, client, outcome })
    }
}

/// The numbers of one group over one stretch of time.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Requests that were due, sent or not.
    pub(crate) wanted: usize,
    pub(crate) sent: usize,
    pub(crate) served: usize,
    pub(crate) refused: usize,
    pub(crate) unanswered: usize,
    pub(crate) good: usize,
    /// Requests a second that really went onto the wire.
    pub(crate) offered: f64,
    /// Addresses that they came from.
    pub(crate) addresses: usize,
    latencies_us: Vec<u64>,
}

impl Summary {
    pub(crate) fn of(records: &[Record], when: Range<u64>) -> Self {
        let seconds = (when.end - when.start) as f64 / 1000.0;
        let these: Vec<&Record> =
            records.iter().filter(|record| when.contains(&record.due_ms)).collect();
        let count = |outcome| these.iter().filter(|record| record.outcome == outcome).count();
        let unsent = count(Outcome::Unsent);
        let sent = these.len() - unsent;
        let on_wire = these.iter().filter(|record| record.outcome != Outcome::Unsent);
        let addresses = on_wire.clone().map(|record| record.client).collect::<HashSet<_>>().len();
        let mut latencies_us: Vec<u64> =
            // Who gave up has waited at least that long, and nobody knows how much longer it would
            // have been.
            on_wire
                .map(|record| match record.outcome {
                    Outcome::Served | Outcome::Refused => record.latency_us,
                    _ => u64::MAX,
                })
                .collect();
        latencies_us.sort_unstable();
        Self {
            wanted: these.len(),
            sent,
            served: count(Outcome::Served),
            refused: count(Outcome::Refused),
            unanswered: count(Outcome::GaveUp) + count(Outcome::Failed),
            good: these.iter().filter(|record| record.is_good()).count(),
            offered: sent as f64 / seconds,
            addresses,
            latencies_us,
        }
    }

    /// The share of the requests that got a page within a second. One that could not even be sent
    /// counts as a bad one.
    pub(crate) fn goodput(&self) -> f64 {
        if self.wanted == 0 { 0.0 } else { self.good as f64 / self.wanted as f64 }
    }

    /// A latency in words; `patience_ms` is what is known of those who gave up.
    pub(crate) fn percentile(&self, percent: usize, patience_ms: u64) -> String {
        let rank = (self.latencies_us.len() * percent).div_ceil(100).max(1);
        match self.latencies_us.get(rank - 1) {
            None => "-".to_owned(),
            Some(&u64::MAX) if patience_ms >= 1000 => format!("> {} s", patience_ms / 1000),
            Some(&u64::MAX) => format!("> {patience_ms} ms"),
            Some(&us) if us < 10_000 => format!("{:.1} ms", us as f64 / 1000.0),
            Some(&us) => format!("{:.0} ms", us as f64 / 1000.0),
        }
    }
}
