//! Mitigations: signatures of an attack as rules that name themselves, climb a ladder, and expire.
//!
//! A mitigation is an ordinary condition of the rule language. It first only counts what it matches; a tick
//! later it throttles each client of that; and where throttling does not end it, it denies. It ends by itself when nothing
//! is left of what it was made for.
//!
//! ```text
//! found -> shadow, one tick -> throttle each client -> deny          and without matches -> ended
//!                 \___ harms nothing, new clients, half of the excess ___/
//! ```
//!
//! # When a throttled mitigation denies
//! If for [`Parameters::deny_after_seconds`] either a good part of what it matches was really refused (the same
//! clients go on asking for far more than the busiest of a hundred usual ones), or nearly all clients are unknown and
//! it harms next to nothing. A crowd that is known and asks for little is neither, however large it is: so a flash
//! crowd is throttled per client, which it does not notice, and never denied.
//!
//! # Invariants, each with a test that cites it
//! - **I1** nothing is refused unless the posture allows it or an operator has pinned the mitigation;
//! - **I2** none outlives [`Parameters::mitigation_seconds`] without matches, unless it is pinned, also if the clock is
//!   [set back](Mitigations::set_back);
//! - **I3** there are at most [`MOST`], and as many removed ones are remembered;
//! - **I4** what an operator has removed does not come back for [`REMOVED`];
//! - **I5** a crowd of known clients with ordinary rates is never denied;
//! - **I6** what is restored matches the same requests, or nothing is restored.
//!
//! # Cost
//! A tick looks at each mitigation once: a microsecond for 64. When one is added or ends, its block of conditions is
//! compiled anew in a step of its own, in less than 100 microseconds. A check pays 30 to 150 ns for each block; 64
//! mitigations of a path and an agent are two blocks, and 64 of 64 networks each, the most that there can be, are 32.

mod blocks;
mod info;
mod ladder;
mod live;
#[cfg(feature = "serde")]
mod saved;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_live;
#[cfg(test)]
mod tests_room;
#[cfg(all(test, feature = "serde"))]
mod tests_saved;
mod throttle;

use alloc::{
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::{mem, time::Duration};

pub(crate) use self::live::{Applied, Deed, Live};
#[cfg(feature = "serde")]
pub(crate) use self::saved::SavedMitigations;
use self::{
    blocks::{Blocks, HEAVIEST, weight},
    ladder::Track,
    live::Entry,
    throttle::Throttle,
};
pub use self::{
    info::{EditError, MitigationInfo},
    ladder::Ladder,
};
use super::{
    Dimension, Matched, Parameters,
    search::{Candidate, Signature, Taken},
};
use crate::{
    error::KeyedLimiterError,
    limit::seeds::Seeds,
    rule::{Expr, Mention},
    time::Timestamp,
};

/// The most mitigations, whatever the parameters say.
pub(crate) const MOST: usize = 64;

/// A mitigation that has not matched for so long makes room for another one, where there are too many.
const IDLE: Duration = Duration::from_secs(5);

/// For so long a removed signature is not made into a mitigation again.
pub(crate) const REMOVED: Duration = Duration::from_secs(600);

/// All mitigations of a gate.
pub(crate) struct Mitigations {
    all: Vec<Mitigation>,
    /// The number of the next one.
    next: u64,
    /// What operators have removed, and until when that counts.
    removed: Vec<(Arc<Signature>, Timestamp)>,
    /// Whether the posture allows that anything is refused.
    may_enforce: bool,
    /// The last tick.
    ticked: Option<Timestamp>,
    throttle: Arc<Throttle>,
    blocks: Blocks,
    /// What has made room for others since the last tick, which tells it.
    displaced: Vec<Change>,
}

/// One of them.
struct Mitigation {
    entry: Arc<Entry>,
    /// What it was made from: it is not looked for again.
    signature: Arc<Signature>,
    condition: Expr,
    /// The condition, printed.
    text: String,
    /// Requests that it matched in the last tick.
    lately: u64,
    /// And in all until then.
    counted: u64,
    /// The condition is an operator's.
    is_edited: bool,
    is_pinned: bool,
    step: Ladder,
    covers: f64,
    harms: f64,
    /// The share of unknown clients when it was found.
    new: f64,
    /// Requests a second that it matched when it was found.
    rate: f64,
    since: Timestamp,
    track: Track,
}

/// What has become of a mitigation, to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Found { name: String, rule: String, covers: f64, harms: f64 },
    Throttled { name: String },
    Denied { name: String },
    Ended { name: String, matched: u64 },
}

impl Mitigations {
    /// # Errors
    /// When there is no memory for what throttles.
    pub(crate) fn new(seeds: &mut Seeds) -> Result<Self, KeyedLimiterError> {
        Ok(Self {
            all: Vec::with_capacity(MOST),
            next: 1,
            removed: Vec::with_capacity(MOST),
            may_enforce: false,
            ticked: None,
            throttle: Arc::new(Throttle::new(seeds)?),
            blocks: Blocks::default(),
            displaced: Vec::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// What need not be searched for.
    pub(crate) fn taken(&self, now: Timestamp) -> Vec<Taken> {
        let live = self
            .all
            .iter()
            .map(|one| Taken { signature: Arc::clone(&one.signature), is_live: !one.is_edited });
        let removed = self.removed.iter().filter(|(_, until)| *until > now);
        let removed = removed
            .map(|(signature, _)| Taken { signature: Arc::clone(signature), is_live: false });
        live.chain(removed).collect()
    }

    /// Makes a candidate a mitigation, with this condition, which it prints as; unless one is there that covers it,
    /// an operator has removed such a one, or there are enough.
    pub(crate) fn offer(
        &mut self,
        candidate: &Candidate,
        condition: Expr,
        parameters: &Parameters,
        now: Timestamp,
    ) -> Option<Change> {
        let most = usize::try_from(parameters.mitigations).unwrap_or(MOST).min(MOST);
        let signature = &candidate.signature;
        let is_there = self
            .all
            .iter()
            .any(|one| one.condition == condition || signature.is_within(&one.signature));
        let is_removed = self
            .removed
            .iter()
            .any(|(removed, until)| *until > now && signature.is_within(removed));
        if is_there || is_removed || (self.all.len() >= most && !self.make_room(parameters, now)) {
            return None;
        }
        let until = now.saturating_add(lifetime(parameters));
        let entry = Arc::new(Entry::new(self.next, until));
        self.blocks.put(&entry, &condition, weight(&condition, signature.nets.len()));
        self.next = self.next.saturating_add(1);
        let found = Change::Found {
            name: entry.name.to_string(),
            rule: condition.to_string(),
            covers: candidate.covers,
            harms: candidate.harms,
        };
        self.all.push(Mitigation {
            entry,
            signature: Arc::clone(signature),
            text: condition.to_string(),
            lately: 0,
            counted: 0,
            condition,
            is_edited: false,
            is_pinned: false,
            step: Ladder::Shadow,
            covers: candidate.covers,
            harms: candidate.harms,
            new: candidate.new,
            rate: candidate.rate,
            since: now,
            track: Track::new(),
        });
        Some(found)
    }

    /// Ends what would end soonest, if it has not matched lately; says whether it did.
    fn make_room(&mut self, parameters: &Parameters, now: Timestamp) -> bool {
        let busy = now.saturating_add(lifetime(parameters)).saturating_sub(IDLE);
        let idle = self.all.iter().enumerate();
        let idle = idle.filter(|(_, one)| !one.is_pinned && one.entry.until() < busy);
        let Some((at, _)) = idle.min_by_key(|(_, one)| one.entry.until()) else { return false };
        let one = self.all.remove(at);
        self.blocks.take_out(one.entry.number);
        one.does(self.may_enforce, true);
        self.displaced.push(one.ended());
        true
    }

    /// Once a second: renews what still matches, ends what no longer does, and lets what goes on climb, where the
    /// posture allows it.
    pub(crate) fn tick(
        &mut self,
        may_enforce: bool,
        parameters: &Parameters,
        now: Timestamp,
    ) -> Vec<Change> {
        let mut changes = mem::take(&mut self.displaced);
        self.may_enforce = may_enforce;
        let before = self.ticked;
        self.ticked = before.max(Some(now));
        for one in &mut self.all {
            let began = before.map_or(one.since, |before| before.max(one.since));
            one.tick(began, may_enforce, parameters, now, &mut changes);
        }
        let Self { all, blocks, .. } = self;
        all.retain(|one| {
            let is_over = !one.is_pinned && one.entry.until() <= now;
            if is_over {
                changes.push(one.ended());
                blocks.take_out(one.entry.number);
            }
            one.does(may_enforce, is_over);
            !is_over
        });
        self.removed.retain(|(_, until)| *until > now);
        changes
    }

    /// The clock was set back by so much: each is as old as before, and ends as soon.
    pub(crate) fn set_back(&mut self, by: Duration) {
        let Self { all, removed, ticked, .. } = self;
        let removed = removed.iter_mut().map(|(_, until)| until);
        for time in removed.chain(ticked) {
            *time = time.saturating_sub(by);
        }
        for one in all {
            one.since = one.since.saturating_sub(by);
            one.track.set_back(by);
            one.entry.renew(one.entry.until().saturating_sub(by));
        }
    }

    /// Whether what mitigations do is done, from now on.
    pub(crate) fn allow(&mut self, may_enforce: bool) {
        self.may_enforce = may_enforce;
        self.all.iter().for_each(|one| one.does(may_enforce, false));
    }

    /// What each has matched since the last tick.
    pub(crate) fn each_matched(&self) -> impl Iterator<Item = Matched<'_>> {
        self.all.iter().map(|one| Matched {
            name: &one.entry.name,
            rule: &one.text,
            requests: one.lately,
        })
    }

    /// Sets what a throttled client gets, from what the busiest of a hundred usual ones asks for in a second.
    /// It follows what is usual in large steps, and not more often than about once a minute.
    pub(crate) fn throttle_to(&self, usual_p99: f64, parameters: &Parameters, now: Timestamp) {
        self.throttle.set(usual_p99 * parameters.throttle, now);
    }

    /// Compiles a part of what has changed, and gives what checks read from then on; `None` once nothing has. To be
    /// called, a step at a time, until it is.
    pub(crate) fn changed(&mut self) -> Option<Live> {
        self.blocks.step().then(|| self.live())
    }

    /// What checks read, as far as it is compiled.
    pub(crate) fn live(&self) -> Live {
        Live::new(self.blocks.compiled(), &self.throttle)
    }

    /// All of them, oldest first.
    pub(crate) fn infos(&self, now: Timestamp) -> Vec<MitigationInfo> {
        let info = |one: &Mitigation| MitigationInfo {
            name: one.entry.name.to_string(),
            condition: one.condition.to_string(),
            step: one.step,
            is_enforced: (self.may_enforce || one.is_pinned) && one.step > Ladder::Shadow,
            covers: one.covers,
            harms: one.harms,
            matched: one.entry.passed().matched,
            refused: one.entry.passed().refused,
            remaining: (!one.is_pinned).then(|| one.entry.until().saturating_duration_since(now)),
            since: one.since,
        };
        self.all.iter().map(info).collect()
    }

    /// The share of the excess that they were found to cover, together, at most 1.
    pub(crate) fn covered(&self) -> f64 {
        self.all.iter().map(|one| one.covers).sum::<f64>().min(1.0)
    }

    /// Keeps one until it is removed, and lets it do what it does in every posture.
    pub(crate) fn pin(&mut self, name: &str) -> bool {
        let one = self.all.iter_mut().find(|one| &*one.entry.name == name);
        one.map(|one| one.pin(self.may_enforce)).is_some()
    }

    /// Gives one another condition, and pins it. It stays on its step of the ladder, and climbs for what it
    /// refuses, no longer for who it is that is refused.
    ///
    /// # Errors
    /// If there is no such mitigation, or the condition is none that it can have. Nothing is changed then.
    pub(crate) fn edit(&mut self, name: &str, condition: Expr) -> Result<(), EditError> {
        let place = self.all.iter().position(|one| &*one.entry.name == name);
        let place = place.ok_or(EditError::Unknown)?;
        allowed(&condition)?;
        // Alone in its block, as it will be.
        let compiled = blocks::compile(alloc::vec![condition.clone()]);
        compiled.map_err(|(_, what)| EditError::of(what))?;
        if let Some(one) = self.all.get_mut(place) {
            self.blocks.take_out(one.entry.number);
            self.blocks.put(&one.entry, &condition, HEAVIEST);
            one.text = condition.to_string();
            (one.condition, one.is_edited) = (condition, true);
            // What was measured was measured of the other condition.
            (one.covers, one.harms, one.new) = (0.0, 0.0, 0.0);
            one.pin(self.may_enforce);
        }
        Ok(())
    }

    /// Ends one, and keeps what it was made from from coming back for ten minutes.
    pub(crate) fn remove(&mut self, name: &str, now: Timestamp) -> Option<Change> {
        let place = self.all.iter().position(|one| &*one.entry.name == name)?;
        let one = self.all.remove(place);
        if self.removed.len() >= MOST {
            self.removed.remove(0);
        }
        self.removed.push((Arc::clone(&one.signature), now.saturating_add(REMOVED)));
        self.blocks.take_out(one.entry.number);
        one.does(self.may_enforce, true);
        Some(one.ended())
    }
}

impl Mitigation {
    /// Lets checks know.
    fn does(&self, may_enforce: bool, is_over: bool) {
        let step = if may_enforce || self.is_pinned { self.step } else { Ladder::Shadow };
        self.entry.does((!is_over).then_some(step));
    }

    fn pin(&mut self, may_enforce: bool) {
        self.is_pinned = true;
        self.does(may_enforce, false);
    }

    fn tick(
        &mut self,
        began: Timestamp,
        may_enforce: bool,
        parameters: &Parameters,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let seconds = now.saturating_duration_since(began).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let total = self.entry.passed();
        self.lately = total.matched.saturating_sub(self.counted);
        self.counted = total.matched;
        let passed = self.track.take(total);
        let goes_on =
            passed.matched > 0.0 && passed.matched >= parameters.renewed_at * self.rate * seconds;
        if goes_on || self.is_pinned {
            self.entry.renew(now.saturating_add(lifetime(parameters)));
        }
        let new = if self.says_who() { self.new } else { 0.0 };
        let persists = self.track.persists(new, self.harms);
        let persisted = self.track.persisted(persists && may_enforce, began, now);
        let next = match self.step {
            _ if !may_enforce || !goes_on => return,
            Ladder::Shadow if self.is_beyond_doubt() => Ladder::Deny,
            Ladder::Shadow => Ladder::Throttle,
            Ladder::Throttle if persisted >= seconds_of(parameters.deny_after_seconds) => {
                Ladder::Deny
            }
            Ladder::Throttle | Ladder::Deny => return,
        };
        self.step = next;
        self.track.restart();
        let name = self.entry.name.to_string();
        changes.push(match next {
            Ladder::Deny => Change::Denied { name },
            _ => Change::Throttled { name },
        });
    }

    /// Harms nobody who is known, is half of the attack, and says who it is.
    fn is_beyond_doubt(&self) -> bool {
        self.says_who()
            && self.harms <= 0.0
            && self.covers >= 0.5
            && self.new >= ladder::UNKNOWN
            && self.track.is_unknown()
            && !self.is_edited
    }

    /// Whether it says more than where everybody wants to go: many come to a new page at once, and nothing is wrong
    /// with them.
    fn says_who(&self) -> bool {
        let is_who =
            |kind: &(Dimension, u64)| matches!(kind.0, Dimension::Agent | Dimension::Shape);
        !self.signature.nets.is_empty() || self.signature.kinds.iter().any(is_who)
    }

    fn ended(&self) -> Change {
        let matched = self.entry.passed().matched;
        Change::Ended { name: self.entry.name.to_string(), matched }
    }
}

/// Whether a mitigation may have this condition: it is compiled without a gate's lists, limits and tags.
fn allowed(condition: &Expr) -> Result<(), EditError> {
    let mut found = None;
    condition.each_mention(&mut |mention| {
        let what = match mention {
            Mention::List(name, _) => alloc::format!("the list `${name}`"),
            Mention::Limit(name) => alloc::format!("the limit `{name}`"),
            Mention::Tag(name) => alloc::format!("the tag `{name}`"),
            Mention::Sample => "a sample of clients".into(),
        };
        let _ = found.get_or_insert(what);
    });
    found.map_or(Ok(()), |what| Err(EditError::Names(what)))
}

fn lifetime(parameters: &Parameters) -> Duration {
    seconds_of(parameters.mitigation_seconds)
}

fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
