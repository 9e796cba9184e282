//! A check, as far as it goes without the store.
//!
//! # Invariants
//! - **I1** a check that is refused has taken nothing, and one that passes has taken from all of its claims but those
//!   that are denied in shadow or that nobody could be asked about;
//! - **I2** no more than [`MOST_ROUNDS`] calls or waits make a check, and none after its deadline;
//! - **I3** no more than [`MOST`](super::window::MOST) checks of a node ask at a time.

use alloc::{vec, vec::Vec};

use super::{
    call::Call,
    fetch::{Fetch, Wait},
    fleet::Fleet,
    held::{Ask, Asked, Held, What},
    keys::{Begun, Known},
    limit::Claim,
    settings::OnFailure,
};
use crate::{
    sync::Arc,
    time::Timestamp,
    verdict::{Count, Decision},
};

/// How many claims a check can have; one with more of them is refused.
pub const MOST_CLAIMS: usize = 8;
/// Each claim can be waited for, and then asked about.
const MOST_ROUNDS: u8 = 16;

/// What is to be done next.
#[must_use = "a check is over when it is decided"]
#[derive(Debug)]
pub enum Step {
    /// Nothing: this is how it is.
    Decided(Answers),
    /// The store is to be asked.
    Ask(Ask),
    /// Somebody else asks for the same; what comes of that is to be waited for.
    Wait(Wait),
}

/// What has become of each claim.
#[must_use = "answers say whether the request may pass"]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    all: [Told; MOST_CLAIMS],
    is_refused: bool,
}

/// An [`Answer`] in half of its size: answers are copied whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Admitted(Count),
    Denied(Count),
    Fallback(OnFailure),
}

impl Told {
    fn answer(self) -> Option<Answer> {
        match self {
            Self::Nothing => None,
            Self::Admitted(count) => Some(Answer::Admitted(Decision::counted(count))),
            Self::Denied(count) => Some(Answer::Denied(Decision::counted(count))),
            Self::Fallback(what) => Some(Answer::Fallback(what)),
        }
    }

    fn refuses(self) -> bool {
        self.answer().is_some_and(|answer| answer.refuses())
    }
}

/// What has become of one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its units are taken.
    Admitted(Decision),
    /// There are not so many units.
    Denied(Decision),
    /// Nobody knows: the store does not answer, and this is what the limit does then.
    Fallback(OnFailure),
}

impl Answers {
    /// Whether the request may pass, as far as the store is concerned: no claim is denied but in shadow, and none that
    /// nobody knows of is [closed](OnFailure::Closed). Claims of [`OnFailure::Local`] are to be looked at here.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        !self.is_refused
    }

    /// What has become of the claim with this number; `None` if there is none, or if the request is refused for
    /// another one and nobody was asked.
    #[must_use]
    pub fn get(&self, claim: usize) -> Option<Answer> {
        self.all.get(claim)?.answer()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn set(&mut self, claim: usize, answer: Told, in_shadow: bool) {
        if let Some(place) = self.all.get_mut(claim) {
            *place = answer;
            self.is_refused |= !in_shadow && answer.refuses();
        }
    }
}

impl Answer {
    /// Whether this one is enough to refuse the request.
    #[must_use]
    pub fn refuses(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Fallback(OnFailure::Closed))
    }
}

/// What is to be done before it is decided.
pub(crate) enum Open {
    Ask(Ask),
    Wait(Wait),
}

/// What is known of the claims so far.
#[derive(Default)]
struct Survey {
    /// Those to be asked about, a bit each.
    missing: u8,
    /// The first call that somebody else makes, and the units that are wanted of it.
    waits_for: Option<(Arc<Fetch>, u32)>,
}

impl Fleet {
    /// Goes on with a check, with the claims that it was begun with.
    #[inline]
    pub fn step(&self, claims: &[Claim<'_>], held: Held, now: Timestamp) -> Step {
        let mut answers = Answers::default();
        match self.step_into(&mut answers, claims, held, now) {
            None => Step::Decided(answers),
            Some(Open::Ask(ask)) => Step::Ask(ask),
            Some(Open::Wait(wait)) => Step::Wait(wait),
        }
    }

    /// The same, with the answers where they are to be: `None` once these are all.
    pub(crate) fn step_into(
        &self,
        answers: &mut Answers,
        claims: &[Claim<'_>],
        held: Held,
        now: Timestamp,
    ) -> Option<Open> {
        if claims.len() > MOST_CLAIMS {
            answers.clear();
            answers.is_refused = true;
            return None;
        }
        let mut held = held;
        loop {
            let mut survey = self.survey(answers, claims, &mut held, now);
            held.rounds = held.rounds.saturating_add(1);
            let is_known = survey.missing == 0 && survey.waits_for.is_none();
            if answers.is_refused || is_known {
                self.decided(claims, answers);
                return None;
            }
            let is_late = held.deadline <= now || held.given_up || held.rounds > MOST_ROUNDS;
            // A store that fails is let one call, and only who makes it waits for that.
            let is_probed = survey.missing == 0 && self.breaker().is_open();
            if is_late || is_probed {
                self.fall_back(claims, answers);
                return None;
            }
            if survey.missing != 0 {
                let Some(turn) = self.turn(now) else {
                    self.fall_back(claims, answers);
                    return None;
                };
                self.keep(claims, answers, &mut held);
                let (calls, asked) = self.calls(claims, survey.missing, held.deadline, now);
                if !calls.is_empty() {
                    self.called(calls.len());
                    return Some(Open::Ask(Ask::new(turn, calls, asked, held)));
                }
                // Somebody was faster: there is something to take, or to wait for.
            } else if let Some((fetch, units)) = survey.waits_for.take() {
                self.keep(claims, answers, &mut held);
                match Wait::new(fetch, units, held) {
                    Ok(wait) => return Some(Open::Wait(wait)),
                    Err(back) => held = back.given_up(),
                }
            }
        }
    }

    /// Gives back what a check has taken that its answers belong to: something else refuses the request. The answers
    /// are none any more.
    pub fn give_back(&self, claims: &[Claim<'_>], answers: &mut Answers) {
        // One that is refused has given it back already.
        if answers.is_admitted() {
            self.put_back(claims, answers);
        }
        answers.clear();
    }

    /// Takes what there is, and finds out what there is not.
    fn survey(
        &self,
        answers: &mut Answers,
        claims: &[Claim<'_>],
        held: &mut Held,
        now: Timestamp,
    ) -> Survey {
        let mut survey = Survey::default();
        answers.clear();
        for (at, claim) in claims.iter().enumerate() {
            let key = claim.key();
            let is_new = held.rounds == 0;
            let answer = match held.take(key, claim.units) {
                Some(What::Granted(count)) => Told::Admitted(count),
                Some(What::Denied(count)) => Told::Denied(count),
                Some(What::Failed) => claim.fallback(),
                None => match self.keys().take(key, (claim.units, is_new), claim.limit, now) {
                    Known::Granted(count) => Told::Admitted(count),
                    Known::Denied(count) => Told::Denied(count),
                    Known::Failed => claim.fallback(),
                    Known::OnItsWay(fetch) => {
                        survey.waits_for.get_or_insert((fetch, claim.units));
                        continue;
                    }
                    Known::Nothing => {
                        survey.missing |= bit(at);
                        continue;
                    }
                },
            };
            answers.set(at, answer, claim.in_shadow);
        }
        survey
    }

    /// The check is over (I1).
    fn decided(&self, claims: &[Claim<'_>], answers: &Answers) {
        for answer in &answers.all {
            if matches!(answer, Told::Fallback(_)) {
                self.falls_back();
            }
        }
        if answers.is_refused {
            self.put_back(claims, answers);
        }
    }

    fn put_back(&self, claims: &[Claim<'_>], answers: &Answers) {
        for (claim, answer) in claims.iter().zip(&answers.all) {
            match answer {
                Told::Admitted(_) => self.keys().give_back(claim.key(), claim.units, claim.limit),
                // Refused requests are no habit.
                Told::Nothing => self.keys().not_asked(claim.key(), claim.units),
                Told::Denied(_) | Told::Fallback(_) => {}
            }
        }
    }

    /// It is over without the store.
    #[cold]
    fn fall_back(&self, claims: &[Claim<'_>], answers: &mut Answers) {
        for (at, claim) in claims.iter().enumerate() {
            if answers.get(at).is_none() {
                answers.set(at, claim.fallback(), claim.in_shadow);
            }
        }
        self.decided(claims, answers);
    }

    /// Keeps what was taken until the others are known.
    fn keep(&self, claims: &[Claim<'_>], answers: &Answers, held: &mut Held) {
        for (claim, answer) in claims.iter().zip(&answers.all) {
            let Told::Admitted(count) = *answer else { continue };
            held.put(self, claim.limit, (claim.key(), claim.units), What::Granted(count));
        }
    }

    /// What is to be sent for the claims with these bits, one call for each subject: those in shadow apart.
    fn calls(
        &self,
        claims: &[Claim<'_>],
        missing: u8,
        deadline: Timestamp,
        now: Timestamp,
    ) -> (Vec<Call>, Vec<Asked>) {
        let mut groups: Vec<Vec<(Claim<'_>, u32)>> = Vec::new();
        let mut asked: Vec<Asked> = Vec::new();
        for (_, claim) in claims.iter().enumerate().filter(|(at, _)| missing & bit(*at) != 0) {
            let Claim { limit, units, .. } = *claim;
            // A key twice in one call would be charged once.
            if asked.iter().any(|asked| asked.key == claim.key()) {
                continue;
            }
            let (extra, fetch) = match self.keys().begin(claim.key(), units, limit, deadline, now) {
                Begun::Call { extra, fetch } => (extra, Some(fetch)),
                Begun::NoRoom => (0, None),
                Begun::Look => continue,
            };
            let most = units.saturating_add(extra).min(limit.0.rate.burst.max(units));
            let is_of = |group: &Vec<(Claim<'_>, u32)>| {
                group.first().is_some_and(|(first, _)| {
                    (first.subject, first.in_shadow) == (claim.subject, claim.in_shadow)
                })
            };
            let call = groups.iter().position(is_of).unwrap_or(groups.len());
            match groups.get_mut(call) {
                Some(group) => group.push((*claim, most)),
                None => groups.push(vec![(*claim, most)]),
            }
            // In the order of the claims of each call.
            asked.push(Asked { call, key: claim.key(), limit: limit.clone(), units, fetch });
        }
        let prefix = &self.settings().prefix;
        (groups.iter().map(|group| Call::new(prefix, group)).collect(), asked)
    }
}

impl Claim<'_> {
    fn fallback(&self) -> Told {
        Told::Fallback(self.limit.on_failure())
    }
}

fn bit(at: usize) -> u8 {
    u32::try_from(at).ok().and_then(|at| 1_u8.checked_shl(at)).unwrap_or(0)
}
