//! What has happened, from the moment that traffic was unusual until it was usual again.
//!
//! ```text
//! normal -> elevated      noticed
//!           found         explained   the first signature; later ones are found
//!           throttled, denied, held   what was done
//!           -> defend     raised
//!           -> lockdown
//!           -> elevated   eased
//! normal                  restored    over
//! ```
//! It is written for whoever was asleep meanwhile: [`Incident::to_markdown`].
//!
//! # Invariants
//! - **I1** the timeline has at most [`MOMENTS`] entries, and the first of each [`Step`] is always among
//!   them; what is left out is counted;
//! - **I2** at most [`ATTACKERS`] attackers are kept; a further one takes the place of the one with the
//!   fewest requests, whose requests are counted as those of others;
//! - **I3** texts are bounded: sentences are short, and so are names and rules here.

mod keep;
mod markdown;

use alloc::{string::String, vec::Vec};
use core::time::Duration;

pub(crate) use self::keep::{Matched, Totals};
use super::{Evidence, Posture};
use crate::time::Timestamp;

/// Entries of a timeline.
pub(crate) const MOMENTS: usize = 256;
/// Attackers that are kept, and those that are told.
pub(crate) const ATTACKERS: usize = 64;
const TOLD: usize = 32;

/// From the moment that a gate has noticed something until its posture was normal again.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Incident {
    started: Timestamp,
    /// Until its end, or until now.
    lasted: Duration,
    is_over: bool,
    /// The highest one.
    posture: Posture,
    /// The numbers of the tick with the most requests.
    peak: Evidence,
    timeline: Vec<Moment>,
    left_out: u64,
    done: Done,
    harm: Harm,
    attackers: Vec<Attacker>,
    /// Requests of attackers that are not kept.
    others: u64,
}

/// Something that has happened in an [`Incident`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Moment {
    /// How long after the incident had begun.
    pub after: Duration,
    /// What kind of thing.
    pub step: Step,
    /// In plain words, with numbers.
    pub text: String,
}

/// What happens in an [`Incident`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Step {
    /// The posture has left normal, whichever it has become: an operator can go straight to
    /// [`Lockdown`](Posture::Lockdown), which [`Incident::posture`] tells.
    Noticed,
    /// The posture has become a higher one.
    Raised,
    /// The first signature was found.
    Explained,
    /// A further signature was found.
    Found,
    /// A mitigation throttles.
    Throttled,
    /// A mitigation denies.
    Denied,
    /// Unknown clients share what known ones leave.
    Held,
    /// The posture has become [`Lockdown`](Posture::Lockdown), after the incident had begun.
    Lockdown,
    /// The posture has changed so often that it stays.
    Latched,
    /// An operator has said something.
    Told,
    /// The posture has become a lower one.
    Eased,
    /// A mitigation has ended.
    Ended,
    /// All unknown clients are served again.
    Readmitted,
    /// The posture is normal again.
    Restored,
}

/// A signature, and how much of the traffic had it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Attacker {
    /// The name of the mitigation.
    pub name: String,
    /// What it matches, as a rule's condition.
    pub rule: String,
    /// Requests that it has matched during the incident.
    pub requests: u64,
    /// Their share of all requests of the incident.
    pub share: f64,
}

/// What an incident has cost, in requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Harm {
    /// All requests, before any was refused.
    pub offered: u64,
    /// Those that mitigations have refused.
    pub refused: u64,
    /// Those that were shed because the service was busy.
    pub shed: u64,
    /// Those of unknown clients that were refused because known ones left no more.
    pub held: u64,
    /// Of these three, those of clients from known networks.
    pub known: u64,
}

/// What was done, in numbers that no bound cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Done {
    found: u64,
    throttled: u64,
    denied: u64,
    /// The fewest requests a second that unknown clients had to share.
    held: Option<f64>,
}

impl Incident {
    /// When it began, by the clock of the gate.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// How long it has lasted.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.lasted
    }

    /// Whether the posture is normal again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The highest posture that there was.
    #[must_use]
    pub fn posture(&self) -> Posture {
        self.posture
    }

    /// The numbers of the second with the most requests.
    #[must_use]
    pub fn peak(&self) -> &Evidence {
        &self.peak
    }

    /// What has happened, in its order: at most 256 moments, the first of each kind among them.
    #[must_use]
    pub fn timeline(&self) -> &[Moment] {
        &self.timeline
    }

    /// Moments that the [timeline](Self::timeline) had no room for.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How long after the beginning something has happened for the first time.
    #[must_use]
    pub fn first(&self, step: Step) -> Option<Duration> {
        self.timeline.iter().find(|moment| moment.step == step).map(|moment| moment.after)
    }

    /// The signatures with the most requests, at most 32; the one with the most comes first.
    #[must_use]
    pub fn attackers(&self) -> Vec<Attacker> {
        let mut attackers = self.attackers.clone();
        attackers.sort_by(|one, other| {
            other.requests.cmp(&one.requests).then_with(|| one.name.cmp(&other.name))
        });
        attackers.truncate(TOLD);
        for attacker in &mut attackers {
            attacker.share = self.harm.share(attacker.requests);
        }
        attackers
    }

    /// What it has cost, in requests.
    #[must_use]
    pub fn harm(&self) -> Harm {
        self.harm
    }

    /// A report that a person can read at a glance: a sentence, what happened when, who it was, what it has
    /// cost, what was done, and how all was restored.
    ///
    /// Whatever clients have written is escaped, so that it is no Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        markdown::report(self)
    }
}

impl Harm {
    /// All requests that did not get what they asked for.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.refused.saturating_add(self.shed).saturating_add(self.held)
    }

    /// What share of all requests so many are.
    #[expect(clippy::cast_precision_loss, reason = "a share to be read")]
    fn share(&self, requests: u64) -> f64 {
        if self.offered == 0 { 0.0 } else { (requests as f64 / self.offered as f64).min(1.0) }
    }
}

#[cfg(test)]
mod tests;
