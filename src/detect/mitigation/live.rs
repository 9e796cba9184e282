//! What checks read of mitigations.
//!
//! What is counted, and what a mitigation does, is in entries that mitigations share with what was compiled: a
//! step of the ladder, or another posture, is a store, and another [`Live`] goes on with the same counts.

use alloc::{boxed::Box, sync::Arc};
use core::{ops::ControlFlow, time::Duration};

use super::{Ladder, blocks::Block, ladder::Passed, throttle::Throttle};
use crate::{
    request::canonical::Needs,
    rule::{Facts, Lists, Name},
    sync::{AtomicU64, Ordering},
    time::Timestamp,
};

/// What a mitigation and its compiled form share.
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) number: u64,
    /// When it ends, in nanoseconds.
    until: AtomicU64,
    matched: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    /// What it does: 0 nothing, since it is over; 1 it counts; 2 it throttles; 3 it denies.
    does: AtomicU64,
}

const COUNTS: u64 = 1;
const THROTTLES: u64 = 2;
const DENIES: u64 = 3;

impl Entry {
    pub(super) fn new(number: u64, until: Timestamp) -> Self {
        Self::with(number, until, Passed::default())
    }

    pub(super) fn with(number: u64, until: Timestamp, passed: Passed<u64>) -> Self {
        Self {
            name: Name::from(alloc::format!("auto-{number}")),
            number,
            until: AtomicU64::new(until.as_nanos()),
            matched: AtomicU64::new(passed.matched),
            refused: AtomicU64::new(passed.refused),
            unknown: AtomicU64::new(passed.unknown),
            does: AtomicU64::new(COUNTS),
        }
    }

    // All accesses are Relaxed: each is a number by itself, and nothing else is published by it.

    pub(super) fn passed(&self) -> Passed<u64> {
        Passed {
            matched: self.matched.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
        }
    }

    pub(super) fn until(&self) -> Timestamp {
        Timestamp::from_nanos(self.until.load(Ordering::Relaxed))
    }

    /// From now on it does this; nothing, where it is over.
    pub(super) fn does(&self, step: Option<Ladder>) {
        let does = match step {
            None => 0,
            Some(Ladder::Shadow) => COUNTS,
            Some(Ladder::Throttle) => THROTTLES,
            Some(Ladder::Deny) => DENIES,
        };
        self.does.store(does, Ordering::Relaxed);
    }

    pub(super) fn renew(&self, until: Timestamp) {
        self.until.store(until.as_nanos(), Ordering::Relaxed);
    }
}

/// What a mitigation does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) name: Name,
    pub(crate) number: u64,
    pub(crate) deed: Deed,
    /// One that matches throttles or denies, whether or not it refuses this request.
    pub(crate) is_suspect: bool,
}

/// What is done with a request that a mitigation matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Nothing: it is only counted, or its client has not had what a throttled one gets.
    Shadow,
    /// It is refused; its client may come again after this time.
    Throttle { wait: Duration },
    /// It is refused; this is how long the mitigation lasts if it is not renewed, at least a second.
    Deny { wait: Duration },
}

/// All mitigations, for checks. What they match never changes; another one takes its place.
pub(crate) struct Live {
    blocks: Box<[Arc<Block>]>,
    lists: Lists,
    needs: Needs,
    throttle: Arc<Throttle>,
}

/// A wait is never shorter.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// So many throttles are asked for one request.
const MOST_THROTTLES: usize = 8;

impl Live {
    pub(super) fn new(blocks: Box<[Arc<Block>]>, throttle: &Arc<Throttle>) -> Self {
        let needs = blocks.iter().map(|block| block.index.needs());
        let needs = needs.fold(Needs::NOTHING, Needs::union);
        Self { blocks, lists: Lists::new(), needs, throttle: Arc::clone(throttle) }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// What it reads of a request's canonical form.
    pub(crate) fn needs(&self) -> Needs {
        self.needs
    }

    /// Counts a request for all mitigations that match it, and says what the most severe one does with it; `None`
    /// if none matches.
    ///
    /// It is for requests of clients that are not spared; `client_known` of the facts' state must be the truth.
    #[inline]
    pub(crate) fn judge(&self, facts: &Facts<'_>, now: Timestamp) -> Option<Applied> {
        self.severest(facts, true, now)
    }

    /// What [`judge`](Self::judge) would say; nothing is counted or charged.
    pub(crate) fn foresee(&self, facts: &Facts<'_>, now: Timestamp) -> Option<Applied> {
        self.severest(facts, false, now)
    }

    #[inline]
    fn severest(&self, facts: &Facts<'_>, takes: bool, now: Timestamp) -> Option<Applied> {
        if self.blocks.is_empty() {
            return None;
        }
        let facts = facts.anew(&self.lists, &[]);
        let mut matched = Matched::default();
        for block in &self.blocks {
            block.index.walk(&facts, |at| {
                if let Some(entry) = block.entries.get(at) {
                    matched.take(entry, takes, facts.state.client_known);
                }
                ControlFlow::Continue(())
            });
        }
        if let Some(entry) = matched.denies {
            let wait = entry.until().saturating_duration_since(now).max(LEAST_WAIT);
            return Some(entry.applied(Deed::Deny { wait }, takes, true));
        }
        // What is denied is charged to nobody.
        for entry in matched.throttles.into_iter().flatten() {
            let wait = facts.client.and_then(|ip| self.throttle.says(entry.number, ip, takes, now));
            if let Some(wait) = wait {
                return Some(entry.applied(Deed::Throttle { wait }, takes, true));
            }
        }
        let is_suspect = matched.throttles.iter().any(Option::is_some);
        matched.any.map(|entry| entry.applied(Deed::Shadow, takes, is_suspect))
    }
}

/// What a request has met.
#[derive(Default)]
struct Matched<'a> {
    any: Option<&'a Entry>,
    denies: Option<&'a Entry>,
    throttles: [Option<&'a Entry>; MOST_THROTTLES],
}

impl<'a> Matched<'a> {
    fn take(&mut self, entry: &'a Entry, takes: bool, is_known: bool) {
        let does = entry.does.load(Ordering::Relaxed);
        if does == 0 {
            return;
        }
        if takes {
            entry.matched.fetch_add(1, Ordering::Relaxed);
        }
        if takes && !is_known {
            entry.unknown.fetch_add(1, Ordering::Relaxed);
        }
        let _ = self.any.get_or_insert(entry);
        // Known clients are throttled and no more: what an attacker looks like, some of them may look like too.
        if does == DENIES && !is_known {
            let _ = self.denies.get_or_insert(entry);
        } else if does >= THROTTLES {
            if let Some(place) = self.throttles.iter_mut().find(|place| place.is_none()) {
                *place = Some(entry);
            }
        }
    }
}

impl Entry {
    fn applied(&self, deed: Deed, takes: bool, is_suspect: bool) -> Applied {
        if takes && deed != Deed::Shadow {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Applied { name: Name::clone(&self.name), number: self.number, deed, is_suspect }
    }
}
