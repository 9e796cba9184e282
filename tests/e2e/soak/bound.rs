//! What a limit owes its client, and what it must not give: both as exact as a client can know it.
//!
//! A client knows when it has sent a request and when it has read the answer; the gate has decided at some moment between.
//! So of requests that were sent at `s` or later and answered at `a` or earlier, no more than `burst + rate · (a − s)` can
//! have been admitted, in every window of every length; and a refusal is wrong if the bucket must have had a unit
//! whenever in that time the gate decided. All arithmetic is in whole nanoseconds.

use std::time::Instant;

/// A quota: one unit in so many nanoseconds, and so many at once.
#[derive(Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) nanos: u64,
    pub(crate) burst: u32,
}

impl Quota {
    pub(crate) const fn per_second(rate: u32, burst: u32) -> Self {
        Self { nanos: 1_000_000_000 / rate as u64, burst }
    }
}

/// Every bucket was full then.
const LONG_AGO: i128 = -(1 << 100);

/// What is known of one key.
pub(crate) struct Ledger {
    origin: Instant,
    quota: Quota,
    /// Units beyond the quota that no window may have more of.
    extra: i128,
    /// Answers that were admissions, in the order in which they were read.
    admitted: u64,
    /// The largest `sent - number · nanos` so far: where the fullest window to come begins.
    begin: Option<i128>,
    /// The smallest slack of any window so far.
    pub(crate) slack: i128,
    /// At the latest so much is owed: when the bucket would be full, had each admission been as late as it can.
    full_at: i128,
    /// Requests without an answer yet.
    outstanding: i128,
    /// All admissions since the last [`cut`](Self::cut), if they are to be looked at once more in the end.
    log: Option<Vec<(u64, u64)>>,
}

impl Ledger {
    /// For a client that has at most so many requests at a time.
    pub(crate) fn new(origin: Instant, quota: Quota, at_a_time: u32, extra: u32) -> Self {
        // Those that were sent before a window has begun may be answered in it.
        let extra = i128::from(extra) + i128::from(at_a_time - 1);
        let log = (at_a_time > 1).then(Vec::new);
        Self {
            origin,
            quota,
            extra,
            admitted: 0,
            begin: None,
            slack: i128::MAX,
            full_at: LONG_AGO,
            outstanding: 0,
            log,
        }
    }

    fn nanos(&self) -> i128 {
        i128::from(self.quota.nanos)
    }

    fn burst(&self) -> i128 {
        i128::from(self.quota.burst) * self.nanos()
    }

    fn at(&self, moment: Instant) -> i128 {
        let nanos = moment.saturating_duration_since(self.origin).as_nanos();
        i128::try_from(nanos).expect("no run is that long")
    }

    /// Whether a request that is sent now must be admitted.
    pub(crate) fn is_owed(&self, now: Instant) -> bool {
        self.full_at + self.outstanding * self.nanos() <= self.at(now) + self.burst() - self.nanos()
    }

    pub(crate) fn send(&mut self) -> Instant {
        self.outstanding += 1;
        Instant::now()
    }

    /// Says by how many thousandths of a unit it is too much, if it is.
    pub(crate) fn admit(&mut self, sent: Instant, answered: Instant) -> Option<u64> {
        self.outstanding -= 1;
        let (sent, answered) = (self.at(sent), self.at(answered));
        self.full_at = self.full_at.max(answered) + self.nanos();
        if let (Some(log), Ok(sent), Ok(answered)) =
            (&mut self.log, u64::try_from(sent), u64::try_from(answered))
        {
            log.push((sent, answered));
        }
        let number = i128::from(self.admitted) * self.nanos();
        self.admitted += 1;
        let begin = sent - number;
        let begin = self.begin.map_or(begin, |earlier| earlier.max(begin));
        self.begin = Some(begin);
        let slack =
            self.burst() + self.extra * self.nanos() - (number + self.nanos() - answered + begin);
        self.slack = self.slack.min(slack);
        (slack < 0).then(|| {
            self.cut();
            self.thousandths(-slack)
        })
    }

    /// Says by how many thousandths of a unit it was owed, if it was. What others have been sent meanwhile may have been
    /// admitted before.
    pub(crate) fn refuse(&mut self, sent: Instant, answered: Instant) -> Option<u64> {
        self.outstanding -= 1;
        let (sent, answered) = (self.at(sent), self.at(answered));
        let others = self.outstanding * self.nanos();
        let full_at = if others > 0 { self.full_at.max(answered) } else { self.full_at };
        let owed = sent + self.burst() - self.nanos() - (full_at + others);
        (owed >= 0).then(|| self.thousandths(owed))
    }

    /// A request that has taken nothing, or whose unit came back.
    pub(crate) fn forget(&mut self) {
        self.outstanding -= 1;
    }

    /// Windows begin anew: what came before was under another bucket.
    pub(crate) fn cut(&mut self) {
        self.begin = None;
        self.admitted = 0;
        if let Some(log) = &mut self.log {
            log.clear();
        }
    }

    fn thousandths(&self, nanos: i128) -> u64 {
        u64::try_from(nanos * 1_000 / self.nanos()).unwrap_or(u64::MAX)
    }

    /// The slack that is left in the fullest window, in thousandths of a unit.
    pub(crate) fn least_slack(&self) -> Option<i128> {
        (self.slack < i128::MAX).then(|| self.slack * 1_000 / self.nanos())
    }

    /// For clients with several requests at a time: all windows, from each sending to each answer, with only what was
    /// sent and answered in them. Says by how many thousandths of a unit the worst is too full, and the least slack.
    pub(crate) fn all_windows(&self) -> Option<i128> {
        let log = self.log.as_ref()?;
        let mut by_answer = log.clone();
        by_answer.sort_unstable_by_key(|(_, answered)| *answered);
        let mut least = i128::MAX;
        for (from, _) in &by_answer {
            let mut inside = 0_i128;
            let first = by_answer.partition_point(|(_, other)| other < from);
            for (sent, answered) in by_answer.get(first..).unwrap_or_default() {
                if sent < from {
                    continue;
                }
                inside += 1;
                let time = i128::from(answered - from);
                least = least.min(self.burst() + time - inside * self.nanos());
            }
        }
        (least < i128::MAX).then(|| least * 1_000 / self.nanos())
    }
}

/// The checks, checked: a program that counts wrong would pass everything.
pub(crate) fn examine() {
    use std::time::Duration;

    let origin = Instant::now();
    let at = |millis| origin + Duration::from_millis(millis);
    let ledger = || Ledger::new(origin, Quota::per_second(10, 2), 1, 0);
    let play = |ledger: &mut Ledger, sent, answered, is_admitted| {
        let _ = ledger.send();
        if is_admitted {
            ledger.admit(at(sent), at(answered))
        } else {
            ledger.refuse(at(sent), at(answered))
        }
    };
    // Two at once and one more after 100 ms is what there is; a moment sooner is too soon.
    for (third, expected) in [(100, None), (99, Some(10))] {
        let mut ledger = ledger();
        assert_eq!(play(&mut ledger, 0, 0, true), None);
        assert_eq!(play(&mut ledger, 0, 0, true), None);
        assert!(!ledger.is_owed(at(third.min(99))));
        assert_eq!(play(&mut ledger, third - 20, third, true), expected);
    }
    // The fullest window need not begin with the first.
    let mut late = ledger();
    for (time, expected) in [(0, None), (1_000, None), (1_000, None), (1_050, Some(500))] {
        assert_eq!(play(&mut late, time, time, true), expected);
    }
    // A refusal is wrong only if there was a unit for sure.
    for (third, expected) in [(99, None), (100, Some(0)), (150, Some(500))] {
        let mut ledger = ledger();
        play(&mut ledger, 0, 0, true);
        play(&mut ledger, 0, 0, true);
        assert_eq!(ledger.is_owed(at(third)), expected.is_some());
        assert_eq!(play(&mut ledger, third, third + 70, false), expected);
    }
    // Several at a time: only what was sent and answered inside of a window is in it.
    let mut many = Ledger::new(origin, Quota::per_second(10, 2), 2, 0);
    play(&mut many, 0, 500, true);
    for _ in 0..2 {
        play(&mut many, 400, 501, true);
    }
    assert_eq!(many.all_windows(), Some(1_010));
    play(&mut many, 450, 510, true);
    assert_eq!(many.all_windows(), Some(100));
    play(&mut many, 450, 510, true);
    assert_eq!(many.all_windows(), Some(-900));
}
