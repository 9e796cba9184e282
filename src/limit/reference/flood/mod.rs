//! A flood, played through in virtual time: who is still served, and whom the limit still holds.
//!
//! A store over hostile keys is judged by what it does when there are more keys than places. This
//! is that moment as a story that is the same in every run. Every client has 10 requests a second
//! with a burst of 20, and a policy has a quarter of a megabyte to remember them in. A minute of
//! calm, so that who comes regularly is known; then five seconds of attack, of which the last four are
//! counted, since the first is a change from one state to another.
//!
//! | who | what they do |
//! |---|---|
//! | known good | 500 clients, each once a second on average |
//! | new good | 100 clients a second that come once |
//! | abuser | one client that asks 10,000 times a second all the time |
//! | attack | either one that goes round 22,000 keys, 1 M requests a second, to get more than 22,000 clients could (220,000 a second); or 250 k, 500 k or 1 M keys a second that come once each |
//!
//! A [`Policy`] answers one client after the other, so races are not part of it. The exact model of
//! [`Keyed`] judges each admission again, for all clients that come more than once: what a policy admits
//! beyond it is counted as an over-admission.
//!
//! The same story can be told smaller: rates of the attack, keys, memory and known clients are divided
//! by one factor, so that there are as many of them for each place as before. New good clients are
//! not divided. They are too few to matter to the store, and their denials must be counted.
//!
//! [`baselines`] are the policies that are common, [`policies`] ours, [`crowd`] the clients, and
//! [`promises`] what ours must keep.

pub mod baselines;
pub mod crowd;
pub mod policies;
pub mod promises;

use core::time::Duration;
use std::vec::Vec;

pub use self::crowd::{Client, Role, Spread};
use self::crowd::{Crowd, Gaps, Turns};
use super::Keyed;
use crate::{
    quota::Quota,
    time::{NANOS_PER_SEC, Timestamp},
};

/// What each client may.
pub const QUOTA: Quota = Quota::per_second(10).burst(20);
/// What the tables have columns of.
pub const ATTACKS: [Attack; 4] = [
    Attack::Cycler,
    Attack::OneShot { per_second: 250_000 },
    Attack::OneShot { per_second: 500_000 },
    Attack::OneShot { per_second: 1_000_000 },
];

const CYCLED: u64 = 22_000;
const CYCLES_PER_SECOND: u64 = 1_000_000;
const KNOWN: u64 = 500;
const NEW_PER_SECOND: u64 = 100;
const ABUSES_PER_SECOND: u64 = 10_000;
const SQUATTERS: u64 = 16_000;

const CALM: Duration = Duration::from_secs(60);
const FLOOD: Duration = Duration::from_secs(5);
const COUNTED: Duration = Duration::from_secs(4);
/// When those come that are not the first, where squatters are in it.
const SECOND: Duration = Duration::from_secs(20);
/// Any time but zero, at which all buckets were made.
const START: Timestamp = Timestamp::from_secs(1_000);

/// One who decides whether a client may pass.
pub trait Policy {
    /// Whether this client's request may pass.
    fn check(&mut self, client: Client, now: Timestamp) -> bool;

    /// What it remembers clients in, as it would be laid out in memory.
    fn bytes(&self) -> usize;
}

/// What the attack does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// It goes round its keys, each of which comes back long before its bucket is full.
    Cycler,
    /// Its keys come once each.
    OneShot {
        /// So many of them.
        per_second: u64,
    },
}

/// Patient keys of the attacker's that take the places of regulars before the flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Squatters {
    /// Each comes once in this time.
    pub every: Duration,
    /// Whether they are there before the known good clients, or twenty seconds after them.
    pub first: bool,
}

/// One story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// The factor by which it is smaller than life.
    pub scale: u64,
    /// What the flood consists of.
    pub attack: Attack,
    /// Where it comes from.
    pub spread: Spread,
    /// Who came before it.
    pub squatters: Option<Squatters>,
    /// What all chance comes from.
    pub seed: u64,
}

impl World {
    /// The story with this attack from everywhere, this many times smaller than life.
    #[must_use]
    pub const fn new(scale: u64, attack: Attack, seed: u64) -> Self {
        Self { scale, attack, spread: Spread::Everywhere, squatters: None, seed }
    }

    /// The same story, with the attack from a limited number of networks.
    #[must_use]
    pub const fn from_networks(mut self) -> Self {
        self.spread = Spread::networks(self.scale);
        self
    }

    /// The same story, with squatters in it.
    #[must_use]
    pub const fn with_squatters(mut self, squatters: Squatters) -> Self {
        self.squatters = Some(squatters);
        self
    }

    /// What the keys of the cycler may each second, all of them together.
    #[must_use]
    pub fn fair_per_second(&self) -> f64 {
        CYCLED.div_ceil(self.scale) as f64 * 10.0
    }

    /// Tells the story to a policy, and what became of everybody.
    pub fn play(&self, policy: &mut dyn Policy) -> Report {
        let end = nanos(CALM + FLOOD);
        let counted = nanos(CALM + FLOOD - COUNTED);
        let mut crowds = self.crowds();
        let mut exact = Keyed::new(QUOTA, 0).expect("within the range");
        let mut report = Report {
            tallies: Default::default(),
            over_admissions: 0,
            bytes: policy.bytes(),
            stories: 1,
        };
        while let Some(crowd) = crowds.iter_mut().min_by_key(|crowd| crowd.next_at()) {
            let at = crowd.next_at();
            if at >= end {
                break;
            }
            let client = crowd.come();
            let now = START.saturating_add(Duration::from_nanos(at));
            let admitted = policy.check(client, now);
            // One who comes once cannot have too much, and millions of them would have to be kept.
            if admitted && crowd.comes_back() && !exact.check_n(client.key(), 1, now).admitted {
                report.over_admissions += 1;
            }
            if at >= counted {
                let tally = &mut report.tallies[crowd.role() as usize];
                tally.asked += 1;
                tally.admitted += u64::from(admitted);
            }
        }
        report
    }

    fn crowds(&self) -> Vec<Crowd> {
        let scaled = |number: u64| number.div_ceil(self.scale);
        let every = |per_second: u64| Gaps::Even(NANOS_PER_SEC * self.scale / per_second);
        let random = |per_second: u64| Gaps::Random(NANOS_PER_SEC / per_second);
        let crowd = |role, from, gaps, turns| {
            let spread = match role {
                Role::Attacker | Role::Squatter => self.spread,
                _ => Spread::Everywhere,
            };
            Crowd::new(role, nanos(from), gaps, turns, spread, self.seed)
        };

        let (at_once, known) = (Duration::ZERO, scaled(KNOWN));
        let (known_from, squatters_from) = match self.squatters {
            Some(Squatters { first: true, .. }) => (SECOND, at_once),
            _ => (at_once, SECOND),
        };
        let (requests, turns) = match self.attack {
            Attack::Cycler => (CYCLES_PER_SECOND, Turns::Round(scaled(CYCLED))),
            Attack::OneShot { per_second } => (per_second, Turns::Once),
        };
        let mut crowds = std::vec![
            crowd(Role::Known, known_from, random(known), Turns::Drawn(known)),
            crowd(Role::New, at_once, random(NEW_PER_SECOND), Turns::Once),
            crowd(Role::Abuser, at_once, every(ABUSES_PER_SECOND), Turns::Round(1)),
            crowd(Role::Attacker, CALM, every(requests), turns),
        ];
        if let Some(squatters) = self.squatters {
            let number = scaled(SQUATTERS);
            let gaps = Gaps::Even(nanos(squatters.every) / number);
            crowds.push(crowd(Role::Squatter, squatters_from, gaps, Turns::Round(number)));
        }
        crowds
    }
}

/// What became of everybody in the seconds that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    tallies: [Tally; 5],
    over_admissions: u64,
    bytes: usize,
    stories: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    asked: u64,
    admitted: u64,
}

impl Report {
    /// What became of everybody in this story and another: who is few is counted better.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for (tally, more) in self.tallies.iter_mut().zip(other.tallies) {
            tally.asked += more.asked;
            tally.admitted += more.admitted;
        }
        self.over_admissions += other.over_admissions;
        self.stories += other.stories;
        self
    }

    /// How many of the requests of these clients were denied, in percent.
    #[must_use]
    pub fn denied_percent(&self, role: Role) -> f64 {
        let Tally { asked, admitted } = self.tallies[role as usize];
        100.0 * (asked - admitted) as f64 / asked.max(1) as f64
    }

    /// How many requests of these clients were admitted each second.
    #[must_use]
    pub fn admitted_per_second(&self, role: Role) -> f64 {
        self.tallies[role as usize].admitted as f64
            / (COUNTED.as_secs_f64() * f64::from(self.stories))
    }

    /// How many requests the policy admitted that the exact model would not have, in all the time, of
    /// clients that come more than once.
    #[must_use]
    pub const fn over_admissions(&self) -> u64 {
        self.over_admissions
    }

    /// What the policy remembered clients in.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a story takes a minute")
}
