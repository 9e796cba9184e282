//! Mitigations over a restart: conditions as texts, times as how long ago.

use alloc::{
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use ipnet::IpNet;

use super::{
    EditError, Ladder, MOST, Mitigation, Mitigations, allowed,
    blocks::{self, Blocks, HEAVIEST, weight},
    ladder::{Passed, Track},
    live::Entry,
    seconds_of,
};
use crate::{
    detect::{
        Dimension, Parameters, Shape,
        search::{MOST_NETS, Signature},
    },
    rule::{Diagnostics, Scheme},
    time::Timestamp,
};

/// All mitigations, as they are kept.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedMitigations {
    /// The number of the next one.
    next: u64,
    mitigations: Vec<SavedMitigation>,
    removed: Vec<SavedRemoved>,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedMitigation {
    number: u64,
    condition: String,
    signature: SavedSignature,
    is_edited: bool,
    is_pinned: bool,
    step: Ladder,
    covers: f64,
    harms: f64,
    new: f64,
    rate: f64,
    matched: u64,
    refused: u64,
    unknown: u64,
    /// How long ago it was found.
    age: Duration,
    remaining: Duration,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRemoved {
    signature: SavedSignature,
    remaining: Duration,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSignature {
    nets: Vec<IpNet>,
    /// Places of dimensions, and keys.
    kinds: Vec<(usize, u64)>,
    shape: u8,
}

/// What was kept cannot be restored.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SavedError {
    /// The condition of a mitigation is none.
    #[error("the condition of mitigation auto-{number}: {found}")]
    Condition { number: u64, found: Diagnostics },
    /// It is one that a mitigation cannot have.
    #[error("the condition of mitigation auto-{number}: {what}")]
    Refused { number: u64, what: EditError },
    /// A number is none that there can be.
    #[error("mitigations: {0}")]
    Odd(&'static str),
}

impl Mitigations {
    /// What is kept over a restart.
    pub(crate) fn save(&self, now: Timestamp) -> SavedMitigations {
        let saved = |one: &Mitigation| {
            let passed = one.entry.passed();
            SavedMitigation {
                number: one.entry.number,
                condition: one.condition.to_string(),
                signature: SavedSignature::of(&one.signature),
                is_edited: one.is_edited,
                is_pinned: one.is_pinned,
                step: one.step,
                covers: one.covers,
                harms: one.harms,
                new: one.new,
                rate: one.rate,
                matched: passed.matched,
                refused: passed.refused,
                unknown: passed.unknown,
                age: now.saturating_duration_since(one.since),
                remaining: one.entry.until().saturating_duration_since(now),
            }
        };
        let removed = self.removed.iter().map(|(signature, until)| SavedRemoved {
            signature: SavedSignature::of(signature),
            remaining: until.saturating_duration_since(now),
        });
        SavedMitigations {
            next: self.next,
            mitigations: self.all.iter().map(saved).collect(),
            removed: removed.collect(),
        }
    }

    /// What was kept, in place of what there is, and compiled: [`live`](Self::live) is what checks read now. The fields that conditions name must be the scheme's.
    ///
    /// # Errors
    /// The first thing that is not as it was saved; nothing is changed then.
    pub(crate) fn restore(
        &mut self,
        saved: &SavedMitigations,
        scheme: &Scheme,
        parameters: &Parameters,
        now: Timestamp,
    ) -> Result<(), SavedError> {
        if saved.mitigations.len() > MOST || saved.removed.len() > MOST {
            return Err(SavedError::Odd("there are too many"));
        }
        let mut all: Vec<Mitigation> = Vec::with_capacity(MOST);
        for one in &saved.mitigations {
            let is_twice = all.iter().any(|other| other.entry.number == one.number);
            if is_twice || one.number >= saved.next {
                return Err(SavedError::Odd("a name is there twice"));
            }
            all.push(one.restored(scheme, parameters, now)?);
        }
        let mut compiled = Blocks::default();
        for one in &all {
            let nets = if one.is_edited { HEAVIEST } else { one.signature.nets.len() };
            compiled.put(&one.entry, &one.condition, weight(&one.condition, nets));
            one.does(self.may_enforce, false);
        }
        while compiled.step() {}
        let mut removed = Vec::with_capacity(MOST);
        for one in &saved.removed {
            let until = now.saturating_add(one.remaining.min(super::REMOVED));
            removed.push((Arc::new(one.signature.restored()?), until));
        }
        self.all.iter().for_each(|one| one.does(false, true));
        (self.all, self.removed, self.next) = (all, removed, saved.next);
        self.blocks = compiled;
        // What made room belongs to those that are no more: a name may be another one's now.
        self.displaced.clear();
        // The time that nobody has counted in is no time without matches.
        self.ticked = Some(now);
        Ok(())
    }
}

impl SavedMitigation {
    fn restored(
        &self,
        scheme: &Scheme,
        parameters: &Parameters,
        now: Timestamp,
    ) -> Result<Mitigation, SavedError> {
        let number = self.number;
        let condition = scheme
            .parse(&self.condition)
            .map_err(|found| SavedError::Condition { number, found })?;
        allowed(&condition).map_err(|what| SavedError::Refused { number, what })?;
        blocks::compile(alloc::vec![condition.clone()])
            .map_err(|(_, what)| SavedError::Refused { number, what: EditError::of(what) })?;
        let shares = [self.covers, self.harms, self.new];
        let is_rate = self.rate.is_finite() && self.rate >= 0.0;
        if !is_rate || shares.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return Err(SavedError::Odd("a share or a rate is none"));
        }
        let passed = Passed { matched: self.matched, refused: self.refused, unknown: self.unknown };
        let remaining = self.remaining.min(seconds_of(parameters.mitigation_seconds));
        let until = now.saturating_add(remaining);
        Ok(Mitigation {
            entry: Arc::new(Entry::with(number, until, passed)),
            signature: Arc::new(self.signature.restored()?),
            text: condition.to_string(),
            lately: 0,
            counted: self.matched,
            condition,
            is_edited: self.is_edited,
            is_pinned: self.is_pinned,
            step: self.step,
            covers: self.covers,
            harms: self.harms,
            new: self.new,
            rate: self.rate,
            since: now.saturating_sub(self.age),
            track: Track::after(passed),
        })
    }
}

impl SavedSignature {
    fn of(signature: &Signature) -> Self {
        let kinds = signature.kinds.iter().map(|(dimension, key)| (dimension.at(), *key));
        Self { nets: signature.nets.clone(), kinds: kinds.collect(), shape: signature.shape.0 }
    }

    fn restored(&self) -> Result<Signature, SavedError> {
        let odd = SavedError::Odd("a signature is none");
        let mut kinds = Vec::new();
        for (at, key) in &self.kinds {
            let dimension = Dimension::ALL.get(*at).copied();
            let dimension = dimension.filter(|dimension| dimension.bits().is_none());
            kinds.push((dimension.ok_or(odd.clone())?, *key));
        }
        let are_apart = self.nets.windows(2).all(|two| match two {
            [one, other] => one.broadcast() < other.network(),
            _ => true,
        });
        let are_narrow = self.nets.iter().all(|net| {
            net.trunc() == *net && net.prefix_len() >= if net.addr().is_ipv4() { 16 } else { 32 }
        });
        let is_something = !self.nets.is_empty() || !kinds.is_empty();
        let is_small = self.nets.len() <= MOST_NETS && kinds.len() <= 3;
        if !(are_apart && are_narrow && is_something && is_small) {
            return Err(odd);
        }
        Ok(Signature { nets: self.nets.clone(), kinds, shape: Shape(self.shape) })
    }
}
