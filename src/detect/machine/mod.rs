//! The posture: from evidence, tick by tick, and from what an operator says.
//!
//! | posture | entered | left, one step down |
//! |---|---|---|
//! | elevated | volume is an alarm in 2 of 3 ticks; or attack >= 30; or load >= 60 | attack < 15 and load < 40 for 60 s |
//! | overload | from elevated: load >= 80 and attack < 40 | load < 60 for 30 s |
//! | defend | attack >= 60 in 3 of 5 ticks; or attack >= 40 and load >= 80 | attack < 30, volume < 1.3 x usual and mitigations match < 1 % for 60 s |
//! | lockdown | from defend: load >= 90 for 10 s | load < 60 for 30 s |
//!
//! All numbers are [`Parameters`]; those of leaving are shares of those of entering. Posture falls one step at
//! a time, each after it was quiet for so long *in this posture*: what the defence did is over by then, so the
//! quiet is no success of it. Below defend comes overload even without load: while unknown clients come back,
//! the shedding stands ready. It rises as far as the evidence says.
//!
//! Against a swinging attack:
//! - no posture is left downwards before `dwell_seconds`;
//! - one that is entered again within `again_seconds` of having been left downwards is left twice as slowly as the
//!   last time, up to `slowest_seconds`;
//! - if a change is one more than `most_changes` within ten minutes, the higher of both postures stays for ten
//!   minutes (it is *latched*; it can still rise). A [`Turn`] says so, also one that goes nowhere.
//!
//! Whether volume is as usual again is asked of its mean over some ten seconds, and what is usual is allowed to have
//! drifted while it was frozen, as fast as it could have been taught (see [`judge`](super::judge)), by `gate` at
//! most: otherwise a noisy site, or one that wakes up meanwhile, would stay in defend for hours.
//!
//! While too little is known of what is usual, and where it may not defend, the highest posture is the one that
//! load asks for: overload, if that is allowed, whatever the evidence of an attack.
//!
//! What an operator forces lies above all this, which goes on beneath and is what counts again when the time
//! is over. It is the only way beyond `up_to`.
//!
//! # Invariants
//! - **I1** never two steps down at once, but for an operator or a lowered `up_to`;
//! - **I2** never above `up_to`, but for an operator;
//! - **I3** no step down before `dwell_seconds`;
//! - **I4** lockdown only from defend; overload only without attack, where defending is possible;
//! - **I5** a latched posture does not fall;
//! - **I6** learning is frozen while posture is not normal, and slow if that lasts for `frozen_seconds`;
//! - **I7** a step is a fixed number of operations; time that stands still or goes back is no time, and a clock that is
//!   [set back](Machine::set_back) neither lengthens nor shortens any time above.

mod history;
#[cfg(test)]
mod tests;

use core::time::Duration;

use self::history::{Changes, Held, Ticks};
use super::{Evidence, Parameters, Posture, judge::Learning};
use crate::time::Timestamp;

/// What a tick says to the posture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Signs {
    pub(crate) evidence: Evidence,
    /// Enough is known of what is usual.
    pub(crate) is_warm: bool,
    /// The share of what was offered that mitigations matched.
    pub(crate) mitigated: f64,
    /// The share of the excess that mitigations cover.
    pub(crate) covered: f64,
}

/// The posture has changed, or was latched where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) from: Posture,
    pub(crate) to: Posture,
    /// From now on it does not fall for ten minutes, because it has changed too often.
    pub(crate) latched: bool,
}

/// The posture, and what is remembered to change it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    posture: Posture,
    entered: Timestamp,
    stepped: Option<Timestamp>,
    volume: Ticks,
    attack: Ticks,
    quiet: Held,
    hot: Held,
    /// The mean of what was offered of late.
    offered: f64,
    /// When each posture was last left downwards, and how many times slower it is left.
    left: [Option<Timestamp>; Posture::ALL.len()],
    slower: [u32; Posture::ALL.len()],
    changes: Changes,
    latched_until: Option<Timestamp>,
    frozen_since: Option<Timestamp>,
    forced: Option<(Posture, Timestamp)>,
}

/// What too many changes are counted in, and how long they latch.
const TEN_MINUTES: Duration = Duration::from_secs(600);
/// Half-life of the mean of what was offered, in seconds.
const OF_LATE: f64 = 7.0;

impl Machine {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With a posture of before a restart, as if it had been entered now.
    pub(crate) fn resumed(posture: Posture, now: Timestamp) -> Self {
        let mut machine = Self::default();
        machine.enter(posture, now);
        machine
    }

    /// The posture that holds.
    pub(crate) fn posture(&self) -> Posture {
        self.forced.map_or(self.posture, |(posture, _)| posture)
    }

    /// The posture that the evidence asks for, whatever is forced.
    pub(crate) fn automatic(&self) -> Posture {
        self.posture
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.forced.is_some()
    }

    /// One tick; what has changed, if something has.
    pub(crate) fn step(
        &mut self,
        signs: &Signs,
        parameters: &Parameters,
        up_to: Posture,
        now: Timestamp,
    ) -> Option<Turn> {
        let before = self.posture();
        let latched = self.judge(signs, parameters, up_to, now);
        if self.forced.is_some_and(|(_, until)| now >= until) {
            self.forced = None;
        }
        let turn = Turn { from: before, to: self.posture(), latched: latched && !self.is_forced() };
        (turn.from != turn.to || turn.latched).then_some(turn)
    }

    /// An operator's word: this posture until then.
    pub(crate) fn force(&mut self, posture: Posture, until: Timestamp, now: Timestamp) -> Turn {
        let from = self.posture();
        self.forced = (until > now).then_some((posture, until));
        Turn { from, to: self.posture(), latched: false }
    }

    /// What was forced is over, and so is what was latched.
    pub(crate) fn release(&mut self, now: Timestamp) -> Option<Turn> {
        let from = self.posture();
        self.forced = None;
        self.latched_until = None;
        self.changes = Changes::default();
        self.quiet = Held::since(now, self.quiet);
        let to = self.posture();
        (from != to).then_some(Turn { from, to, latched: false })
    }

    /// The clock was set back by so much: what was is as long ago as before, and what ends ends as soon.
    pub(crate) fn set_back(&mut self, by: Duration) {
        let Self { entered, stepped, quiet, hot, left, changes, .. } = self;
        let Self { latched_until, frozen_since, forced, .. } = self;
        let times = [entered].into_iter().chain(left.iter_mut().flatten());
        let times = times.chain(quiet.time()).chain(hot.time()).chain(changes.times());
        let times = times.chain([stepped, latched_until, frozen_since].into_iter().flatten());
        for time in times.chain(forced.as_mut().map(|(_, until)| until)) {
            *time = time.saturating_sub(by);
        }
    }

    /// What may be learned in this posture.
    pub(crate) fn learning(&self, now: Timestamp, parameters: &Parameters) -> Learning {
        match self.frozen_since {
            _ if self.posture() == Posture::Normal && self.posture == Posture::Normal => {
                Learning::Usual
            }
            Some(since) if is_past(since, seconds(parameters.frozen_seconds), now) => {
                Learning::Slower(parameters.relearn)
            }
            _ => Learning::Frozen,
        }
    }

    /// Changes the automatic posture; whether it was latched by that.
    fn judge(&mut self, signs: &Signs, p: &Parameters, up_to: Posture, now: Timestamp) -> bool {
        // What a tick says is said of the time since the one before.
        let before = self.stepped.unwrap_or(now).min(now);
        self.stepped = Some(now);
        if now.saturating_duration_since(before) > Duration::from_secs(60) {
            (self.volume, self.attack) = (Ticks::default(), Ticks::default());
        }
        let evidence = &signs.evidence;
        let passed = now.saturating_duration_since(before).as_secs_f64();
        self.offered += (1.0 - (-passed / OF_LATE).exp2()) * (evidence.offered - self.offered);
        self.volume.put(evidence.volume);
        self.attack.put(evidence.attack >= p.defend_attack);
        self.hot.tell(self.posture == Posture::Defend && evidence.load >= p.lockdown_load, now);
        self.quiet.tell(self.is_quiet(signs, p, now), before.max(self.entered));
        if self.posture > up_to {
            self.enter(up_to, now);
            return false;
        }
        if let Some(higher) = self.rise(signs, p, up_to, now) {
            return self.go_up(higher, p, now);
        }
        self.posture != Posture::Normal && self.is_over(p, now) && self.go_down(p, now)
    }

    /// The highest posture above this one whose condition holds.
    fn rise(
        &self,
        signs: &Signs,
        p: &Parameters,
        up_to: Posture,
        now: Timestamp,
    ) -> Option<Posture> {
        let Evidence { attack, load, .. } = signs.evidence;
        let can_defend = signs.is_warm && up_to >= Posture::Defend;
        let is_loaded = load >= p.overload_load;
        let holds = |posture| match posture {
            Posture::Normal => false,
            Posture::Elevated => {
                self.volume.of_last(3) >= 2
                    || attack >= p.elevated_attack
                    || load >= p.elevated_load
            }
            Posture::Overload => {
                let attacked = can_defend && attack >= p.overload_attack;
                self.posture == Posture::Elevated && is_loaded && !attacked
            }
            Posture::Defend => {
                let attacked = is_loaded && attack >= p.defend_attack_loaded;
                can_defend && (attacked || self.attack.of_last(5) >= 3)
            }
            Posture::Lockdown => {
                signs.is_warm
                    && self.posture == Posture::Defend
                    && self.hot.lasts(seconds(p.lockdown_seconds), now)
            }
        };
        let higher = Posture::ALL.into_iter().rev();
        let mut higher = higher.filter(|posture| (self.posture < *posture) && *posture <= up_to);
        higher.find(|posture| holds(*posture))
    }

    /// How many times more may be usual by now than when learning was frozen.
    fn drift(&self, p: &Parameters, now: Timestamp) -> f64 {
        let frozen = self.frozen_since.map_or(Duration::ZERO, |t| now.saturating_duration_since(t));
        let half_lives = frozen.as_secs_f64() / f64::from(p.slow_half_life.max(1));
        p.gate.max(1.0).powf((half_lives * core::f64::consts::LN_2).min(1.0))
    }

    /// Nothing speaks for staying.
    fn is_quiet(&self, signs: &Signs, p: &Parameters, now: Timestamp) -> bool {
        let Evidence { attack, load, usual, .. } = signs.evidence;
        let is_unloaded = load < p.overload_load * 0.75;
        match self.posture {
            Posture::Normal => true,
            Posture::Elevated => attack < p.elevated_attack / 2.0 && load < p.elevated_load / 1.5,
            Posture::Overload => is_unloaded,
            Posture::Lockdown => load < p.lockdown_load / 1.5,
            Posture::Defend => {
                // A site with a handful of requests has no use for factors.
                let is_usual = self.offered < usual * 1.3 * self.drift(p, now) + 1.0;
                attack < p.defend_attack / 2.0 && is_usual && signs.mitigated < 0.01
            }
        }
    }

    /// It was quiet for long enough, and nothing holds it.
    fn is_over(&self, p: &Parameters, now: Timestamp) -> bool {
        let is_latched = self.latched_until.is_some_and(|until| now < until);
        !is_latched
            && is_past(self.entered, seconds(p.dwell_seconds), now)
            && self.quiet.lasts(self.way_down(p), now)
    }

    /// How long it has to be quiet.
    fn way_down(&self, p: &Parameters) -> Duration {
        let usual = match self.posture {
            Posture::Overload | Posture::Lockdown => p.unloaded_seconds,
            _ => p.calm_seconds,
        };
        let slower = place(self.slower, self.posture).max(1);
        seconds(usual.saturating_mul(slower).min(p.slowest_seconds.max(usual)))
    }

    fn go_up(&mut self, to: Posture, p: &Parameters, now: Timestamp) -> bool {
        let left = place(self.left, to);
        let is_again = left.is_some_and(|left| !is_past(left, seconds(p.again_seconds), now));
        if let Some(slower) = self.slower.get_mut(usize::from(to.number())) {
            *slower = if is_again { (*slower).max(1).saturating_mul(2) } else { 1 };
        }
        self.changes.put(now);
        self.enter(to, now);
        let latched = self.changes.within(TEN_MINUTES, now) > most_changes(p);
        latched && self.latch(now)
    }

    fn go_down(&mut self, p: &Parameters, now: Timestamp) -> bool {
        if self.changes.within(TEN_MINUTES, now) >= most_changes(p) {
            return self.latch(now);
        }
        if let Some(left) = self.left.get_mut(usize::from(self.posture.number())) {
            *left = Some(now);
        }
        self.changes.put(now);
        self.enter(self.posture.lower(), now);
        false
    }

    /// Whether that is news.
    fn latch(&mut self, now: Timestamp) -> bool {
        let was = self.latched_until.is_some_and(|until| now < until);
        self.latched_until = Some(now.saturating_add(TEN_MINUTES));
        !was
    }

    fn enter(&mut self, posture: Posture, now: Timestamp) {
        self.posture = posture;
        self.entered = now;
        (self.quiet, self.hot) = (Held::default(), Held::default());
        self.frozen_since =
            (posture != Posture::Normal).then_some(self.frozen_since.unwrap_or(now));
    }
}

fn most_changes(parameters: &Parameters) -> u32 {
    parameters.most_changes.clamp(1, Changes::MOST)
}

fn place<T: Copy + Default>(of_each: [T; Posture::ALL.len()], posture: Posture) -> T {
    of_each.get(usize::from(posture.number())).copied().unwrap_or_default()
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

/// So much time has passed since then.
fn is_past(since: Timestamp, duration: Duration, now: Timestamp) -> bool {
    now.saturating_duration_since(since) >= duration
}
