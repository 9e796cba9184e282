//! What became of everything, second by second, and the few numbers that say it all.

use portcullis::Posture;

use super::{
    ask::{Nanos, SECOND, Who},
    gatekeeper::{By, Keeper, Told, What},
};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Answered while its client still waited.
    Good,
    Late,
    /// The service had no room for it.
    Failed,
    Refused(By),
}

/// Some requests, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) asked: u32,
    pub(crate) good: u32,
    pub(crate) late: u32,
    pub(crate) failed: u32,
    refused: [u32; By::COUNT],
}

impl Counts {
    pub(crate) fn refused(&self) -> u32 {
        self.refused.iter().sum()
    }

    /// Refused for who asks, or for what it looks like.
    pub(crate) fn refused_by_identity(&self) -> u32 {
        self.refused[By::Mitigation.at()] + self.refused[By::Unknown.at()]
    }

    /// The share that was answered in time; all of it if there was nothing.
    pub(crate) fn goodput(&self) -> f64 {
        if self.asked == 0 { 1.0 } else { f64::from(self.good) / f64::from(self.asked) }
    }

    pub(crate) fn refused_share(&self) -> f64 {
        if self.asked == 0 { 0.0 } else { f64::from(self.refused()) / f64::from(self.asked) }
    }

    fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.good += other.good;
        self.late += other.late;
        self.failed += other.failed;
        self.refused.iter_mut().zip(other.refused).for_each(|(sum, more)| *sum += more);
    }
}

/// Seconds of a record, without the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) from: usize,
    pub(crate) until: usize,
}

/// One second: what arrived in it, and how the gate stood at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    pub(crate) by: [Counts; 4],
    pub(crate) posture: Posture,
    pub(crate) attack: f64,
    pub(crate) load: f64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Where it starts.
    start: Nanos,
    pub(crate) seconds: Vec<Second>,
    pub(crate) told: Vec<Told>,
    /// When the first request of an attacker was refused.
    pub(crate) first_refusal: Option<Nanos>,
    pub(crate) exempt_refused: u32,
}

impl Record {
    pub(crate) fn from(start: Nanos) -> Self {
        Self { start, ..Self::default() }
    }

    /// A request that arrived then has ended.
    pub(crate) fn ended(&mut self, who: Who, arrived: Nanos, fate: Fate) {
        if arrived < self.start {
            return;
        }
        let counts = &mut self.at(arrived).by[who.at()];
        counts.asked += 1;
        match fate {
            Fate::Good => counts.good += 1,
            Fate::Late => counts.late += 1,
            Fate::Failed => counts.failed += 1,
            Fate::Refused(by) => counts.refused[by.at()] += 1,
        }
        if who == Who::Attacker && matches!(fate, Fate::Refused(_)) {
            self.first_refusal.get_or_insert(arrived);
        }
    }

    /// A second is over.
    pub(crate) fn second(&mut self, now: Nanos, keeper: &Keeper) {
        let ((attack, load), posture) = (keeper.attack_and_load(), keeper.posture());
        let second = self.at(now.saturating_sub(1).max(self.start));
        (second.attack, second.load, second.posture) = (attack, load, posture);
        self.told.extend(keeper.told());
    }

    pub(crate) fn sum(&self, whom: &[Who], when: Phase) -> Counts {
        let mut sum = Counts::default();
        let seconds = self.seconds.iter().take(when.until).skip(when.from);
        for second in seconds {
            whom.iter().for_each(|who| sum.add(&second.by[who.at()]));
        }
        sum
    }

    /// Seconds after the start.
    pub(crate) fn time(&self, at: Nanos) -> f64 {
        at.saturating_sub(self.start) as f64 / SECOND as f64
    }

    fn at(&mut self, time: Nanos) -> &mut Second {
        let second = (time.saturating_sub(self.start) / SECOND) as usize;
        if second >= self.seconds.len() {
            let posture = self.seconds.last().map_or(Posture::Normal, |last| last.posture);
            self.seconds.resize(second + 1, Second { posture, ..Second::default() });
        }
        &mut self.seconds[second]
    }
}

/// What one run has come to. Times are in seconds after the attack's start, or its end.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    /// The posture was elevated or higher.
    pub(crate) noticed: Option<f64>,
    /// Something was noticed before there was anything.
    pub(crate) false_alarm: bool,
    /// The first request of an attacker was refused.
    pub(crate) throttled: Option<f64>,
    /// The gate said that it denies.
    pub(crate) denied: Option<f64>,
    /// The posture was normal again, and stayed so.
    pub(crate) restored: Option<f64>,
    pub(crate) highest: Posture,
    /// The most changes of posture in any ten minutes.
    pub(crate) changes: usize,
    /// Of known and of new clients, while it lasted.
    pub(crate) known_goodput: f64,
    pub(crate) new_goodput: f64,
    /// The share of ordinary requests that the gate refused, from the start on; of known clients alone.
    pub(crate) collateral: f64,
    pub(crate) known_collateral: f64,
    /// Ordinary requests refused for who asks or for what it looks like.
    pub(crate) by_identity: u32,
    /// The share of the attack that was refused.
    pub(crate) attack_refused: f64,
    /// Of those who must not be.
    pub(crate) guests_refused: u32,
    pub(crate) exempt_refused: u32,
    /// After the end the posture only goes down, and nobody is refused who was served before.
    pub(crate) is_monotone: bool,
}

impl Results {
    /// What happened while `when` lasted, in seconds after the record's start, and after it.
    pub(crate) fn of(record: &Record, when: Phase) -> Self {
        let after = Phase { from: when.from, until: record.seconds.len() };
        let since_start =
            |at: Nanos| Some(record.time(at) - when.from as f64).filter(|t| *t >= 0.0);
        let first = |what: &dyn Fn(&What) -> bool| {
            record.told.iter().filter(|told| what(&told.what)).find_map(|told| since_start(told.at))
        };
        let is_noticed = |second: &Second| second.posture >= Posture::Elevated;
        let noticed = record.seconds.iter().skip(when.from).position(is_noticed);
        let false_alarm = record.seconds.iter().take(when.from).any(is_noticed);
        let guests = record.sum(&[Who::Guest], after);
        let [known, new] = [Who::Known, Who::New].map(|who| record.sum(&[who], when));
        let ordinary = record.sum(&Who::ORDINARY, after);
        Self {
            // The posture of a second is that at its end.
            noticed: noticed.map(|second| second as f64 + 1.0),
            false_alarm,
            throttled: record.first_refusal.and_then(since_start),
            denied: first(&|what| *what == What::Denied),
            restored: restored(record, when.until),
            highest: record.seconds.iter().map(|second| second.posture).max().unwrap_or_default(),
            changes: most_changes(record),
            known_goodput: known.goodput(),
            new_goodput: new.goodput(),
            collateral: ordinary.refused_share(),
            known_collateral: record.sum(&[Who::Known], after).refused_share(),
            by_identity: ordinary.refused_by_identity(),
            attack_refused: record.sum(&[Who::Attacker], when).refused_share(),
            guests_refused: guests.refused(),
            exempt_refused: record.exempt_refused,
            is_monotone: is_monotone(record, when.until),
        }
    }
}

fn restored(record: &Record, until: usize) -> Option<f64> {
    let last_unusual = record.seconds.iter().rposition(|second| second.posture > Posture::Normal);
    match last_unusual {
        None => None,
        Some(last) if last + 1 < record.seconds.len() => {
            Some((last + 1).saturating_sub(until) as f64)
        }
        Some(_) => None,
    }
}

fn most_changes(record: &Record) -> usize {
    let postures = record.seconds.iter().map(|second| second.posture);
    let changes: Vec<usize> = (1..)
        .zip(postures.clone().zip(postures.skip(1)))
        .filter(|(_, (before, after))| before != after)
        .map(|(at, _)| at)
        .collect();
    let within =
        |from: &usize| changes.iter().filter(|at| (*from..from + 600).contains(*at)).count();
    changes.iter().map(within).max().unwrap_or(0)
}

/// How long after the end of an attack its last requests may still be felt.
const GRACE: usize = 5;
/// What is compared of the refusals, in seconds.
const STRIDE: usize = 20;

fn is_monotone(record: &Record, until: usize) -> bool {
    let after: Vec<&Second> = record.seconds.iter().skip(until + GRACE).collect();
    let falls = after.windows(2).all(|pair| pair[1].posture <= pair[0].posture);
    let refused: Vec<u32> = after
        .chunks(STRIDE)
        .map(|some| {
            let refused = |second: &&Second| {
                second.by[Who::Known.at()].refused() + second.by[Who::New.at()].refused()
            };
            some.iter().map(refused).sum()
        })
        .collect();
    // Who comes is chance: a handful more is no relapse.
    falls && refused.windows(2).all(|pair| pair[1] <= pair[0] + 10)
}

#[cfg(test)]
mod tests {
    use portcullis::Posture;

    use super::{Counts, Fate, Nanos, Phase, Record, Results, SECOND, Second, Who};
    use crate::replay::gatekeeper::By;

    /// Postures for so many seconds each.
    fn record(postures: &[(Posture, usize)]) -> Record {
        let seconds = postures.iter().flat_map(|(posture, times)| {
            std::iter::repeat_n(Second { posture: *posture, ..Second::default() }, *times)
        });
        Record { seconds: seconds.collect(), ..Record::default() }
    }

    #[test]
    fn a_defence_in_numbers() {
        use Posture::{Defend, Elevated, Normal};
        let mut record =
            record(&[(Normal, 32), (Elevated, 2), (Defend, 100), (Elevated, 60), (Normal, 50)]);
        let at = |second: f64| (second * SECOND as f64) as Nanos;
        record.ended(Who::Attacker, at(33.5), Fate::Refused(By::Mitigation));
        record.ended(Who::Attacker, at(33.6), Fate::Good);
        (0..98).for_each(|_| record.ended(Who::Known, at(40.0), Fate::Good));
        record.ended(Who::Known, at(40.0), Fate::Late);
        record.ended(Who::Known, at(41.0), Fate::Refused(By::Unknown));
        let results = Results::of(&record, Phase { from: 30, until: 90 });
        assert_eq!((results.noticed, results.throttled), (Some(3.0), Some(3.5)));
        assert_eq!((results.restored, results.changes), (Some(104.0), 4));
        assert_eq!((results.highest, results.attack_refused), (Defend, 0.5));
        assert_eq!((results.known_goodput, results.collateral), (0.98, 0.01));
        assert!(results.is_monotone && results.by_identity == 1);
    }

    #[test]
    fn a_relapse_is_told() {
        use Posture::{Defend, Elevated, Normal};
        let record = record(&[(Defend, 40), (Elevated, 20), (Defend, 20), (Normal, 20)]);
        assert!(!Results::of(&record, Phase { from: 0, until: 30 }).is_monotone);
        assert!(Results::of(&record, Phase { from: 0, until: 60 }).is_monotone);
    }

    #[test]
    fn only_changes_within_ten_minutes_count_together() {
        use Posture::{Elevated, Normal};
        let often =
            record(&[(Normal, 100), (Elevated, 100), (Normal, 100), (Elevated, 700), (Normal, 9)]);
        assert_eq!(Results::of(&often, Phase { from: 0, until: 30 }).changes, 3);
        assert_eq!(Counts::default().goodput(), 1.0);
    }
}
