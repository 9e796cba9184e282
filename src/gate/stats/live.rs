//! The counts themselves, as checks add to them.
//!
//! # Invariants
//! - **I1** a count outlives every reload: what has the same name goes on with it;
//! - **I2** no part is ever told larger than the whole: what counts later is read first, and what stages count before there
//!   is a verdict (exempt, allowed, without an address) is told up to the verdicts that there are. Only what rules match,
//!   and would deny in shadow, is told at once, and can be ahead of the verdicts by the requests that are being checked.

use alloc::sync::Arc;

use super::{GateStats, RuleKind, RuleStats};
use crate::{
    gate::Stage,
    sync::{AtomicU64, Ordering},
};

/// The live counts of the whole gate, apart from what checks only read. They outlive every reload.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::gate) struct Totals {
    pub(in crate::gate) admitted: Counter,
    /// By whatever; rules that have gone since among it.
    pub(in crate::gate) denied: Apart,
    pub(in crate::gate) exempted: Counter,
    /// On the deny list, and on the allow list too.
    pub(in crate::gate) allowed: Counter,
    pub(in crate::gate) reloads: Counter,
    pub(in crate::gate) refused_reloads: Counter,
    pub(in crate::gate) missing_peer: Counter,
    finished: [Counter; 5],
    pub(in crate::gate) deny_list: Tally,
    pub(in crate::gate) no_peer: Tally,
    pub(in crate::gate) saturated: Tally,
    pub(in crate::gate) bans: Tally,
    pub(in crate::gate) mitigations: Tally,
    pub(in crate::gate) unknown: Tally,
    pub(in crate::gate) shedding: Tally,
}

/// The live counts of one rule or limit; what has the same name after a reload goes on with them.
#[derive(Debug)]
pub(in crate::gate) struct Tally {
    pub(in crate::gate) name: Arc<str>,
    matched: Counter,
    in_shadow: Counter,
    denied: Counter,
    would_deny: Counter,
}

/// What became of clients without a place; apart from what checks only read.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::gate) struct Saturation {
    pub(in crate::gate) unseated: Counter,
    pub(in crate::gate) by_network: Counter,
    pub(in crate::gate) by_newcomers: Counter,
}

impl Saturation {
    pub(in crate::gate) fn new() -> Self {
        Self { unseated: Counter::new(), by_network: Counter::new(), by_newcomers: Counter::new() }
    }
}

/// A count in lines of memory of its own: what is refused in a flood slows nobody down who passes.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::gate) struct Apart(Counter);

impl core::ops::Deref for Apart {
    type Target = Counter;

    fn deref(&self) -> &Counter {
        &self.0
    }
}

/// A count that many threads add to.
#[derive(Debug)]
pub(in crate::gate) struct Counter(AtomicU64);

/// The names that rules and limits cannot have: the deny list's, missing peers', saturation's, bans', and those
/// of what the gate does by itself.
pub(in crate::gate) const OWN_NAMES: [&str; 7] = [
    "deny list",
    "missing peer address",
    "too many clients",
    "bans",
    "mitigations",
    "unknown clients",
    "shedding",
];

impl Totals {
    pub(in crate::gate) fn new() -> Self {
        let [deny_list, no_peer, saturated, bans, mitigations, unknown, shedding] =
            OWN_NAMES.map(|name| Tally::new(Arc::from(name)));
        Self {
            admitted: Counter::new(),
            denied: Apart(Counter::new()),
            exempted: Counter::new(),
            allowed: Counter::new(),
            reloads: Counter::new(),
            refused_reloads: Counter::new(),
            missing_peer: Counter::new(),
            finished: core::array::from_fn(|_| Counter::new()),
            deny_list,
            no_peer,
            saturated,
            bans,
            mitigations,
            unknown,
            shedding,
        }
    }

    pub(in crate::gate) fn finished(&self, status: u16) {
        let class = usize::from(status / 100);
        if let Some(counter) = class.checked_sub(1).and_then(|at| self.finished.get(at)) {
            counter.add();
        }
    }

    /// With rules and limits in their order, and what is known of clients without a place.
    pub(in crate::gate) fn snapshot(
        &self,
        rules: impl Iterator<Item = RuleStats>,
        saturation: &Saturation,
    ) -> GateStats {
        let own = [
            (&self.deny_list, Stage::Lists),
            (&self.no_peer, Stage::Client),
            (&self.saturated, Stage::Limits),
            (&self.bans, Stage::Bans),
            (&self.mitigations, Stage::Mitigations),
            (&self.unknown, Stage::Shedding),
            (&self.shedding, Stage::Shedding),
        ];
        let own = own.into_iter().map(|(tally, stage)| tally.snapshot(RuleKind::Own, stage));
        let refused = self.saturated.denied.get().saturating_add(self.saturated.would_deny.get());
        // I2.
        let (by_network, by_newcomers) =
            (saturation.by_network.get(), saturation.by_newcomers.get());
        let rules = own.chain(rules).collect();
        let (exempted, allowed) = (self.exempted.get(), self.allowed.get());
        let missing_peer = self.missing_peer.get();
        let (denied, admitted) = (self.denied.get(), self.admitted.get());
        let checked = admitted.saturating_add(denied);
        GateStats {
            rules,
            admitted,
            denied,
            exempted: exempted.min(admitted),
            allowed: allowed.min(checked),
            missing_peer: missing_peer.min(checked),
            saturated: saturation.unseated.get(),
            judged_by_network: by_network,
            judged_as_newcomers: by_newcomers,
            saturated_refused: refused,
            finished: self.finished.each_ref().map(Counter::get),
            refused_reloads: self.refused_reloads.get(),
            reloads: self.reloads.get(),
        }
    }
}

impl Tally {
    pub(in crate::gate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            matched: Counter::new(),
            in_shadow: Counter::new(),
            denied: Counter::new(),
            would_deny: Counter::new(),
        }
    }

    /// It holds for a request, and has its effect; a denial is then counted apart.
    #[inline]
    pub(in crate::gate) fn holds(&self) {
        self.matched.add();
    }

    /// It holds for a request, and has no effect.
    pub(in crate::gate) fn holds_in_shadow(&self, denies: bool) {
        self.matched.add();
        self.in_shadow.add();
        if denies {
            self.would_deny.add();
        }
    }

    /// A rule that [holds](Self::holds) denies the request, unless the gate only observes.
    pub(in crate::gate) fn denies(&self, really: bool) {
        if really {
            self.denied.add();
        } else {
            self.in_shadow.add();
            self.would_deny.add();
        }
    }

    pub(in crate::gate) fn snapshot(&self, kind: RuleKind, stage: Stage) -> RuleStats {
        // I2.
        let (denied, would_deny) = (self.denied.get(), self.would_deny.get());
        let in_shadow = self.in_shadow.get();
        let name = Arc::clone(&self.name);
        // What has no condition counts only what it denies.
        let matched = self.matched.get().max(denied.saturating_add(would_deny)).max(in_shadow);
        RuleStats { name, kind, stage, matched, in_shadow, denied, would_deny }
    }
}

impl Counter {
    pub(in crate::gate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(in crate::gate) fn add(&self) {
        // Release, for I2: whoever reads a part reads the whole that was counted before it.
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(in crate::gate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use std::vec::Vec;

    use loom::{sync::Arc, thread};

    use super::{RuleKind, Saturation, Stage, Tally, Totals};

    /// I2 of a rule, where clamping does not help.
    #[test]
    fn loom_stats_no_part_of_a_rules_counts_is_larger_than_the_whole() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let tally = Arc::new(Tally::new("rule".into()));
            let counting = Arc::clone(&tally);
            let counter = thread::spawn(move || {
                counting.holds_in_shadow(true);
                counting.holds();
                counting.denies(false);
            });
            let reader = thread::spawn(move || {
                let stats = tally.snapshot(RuleKind::Rule, Stage::Rules);
                assert!(stats.would_deny <= stats.in_shadow && stats.in_shadow <= stats.matched);
            });
            counter.join().unwrap();
            reader.join().unwrap();
        });
    }

    /// I2 of what stages count before there is a verdict.
    #[test]
    fn loom_stats_no_more_are_exempt_than_were_admitted() {
        loom::model(|| {
            let all = Arc::new((Totals::new(), Saturation::new()));
            let counting = Arc::clone(&all);
            let counter = thread::spawn(move || {
                counting.0.missing_peer.add();
                counting.0.exempted.add();
                counting.0.admitted.add();
            });
            let stats = all.0.snapshot(core::iter::empty(), &all.1);
            assert!(stats.exempted <= stats.admitted && stats.missing_peer <= stats.admitted);
            counter.join().unwrap();
            let stats = all.0.snapshot(core::iter::empty(), &all.1);
            assert_eq!((stats.exempted, stats.missing_peer, stats.admitted), (1, 1, 1));
        });
    }

    /// I2 of clients without a place: those that another rule has judged are some of them.
    #[test]
    fn loom_stats_no_more_are_judged_otherwise_than_have_no_place() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(|| {
            let all = Arc::new((Totals::new(), Saturation::new()));
            let threads: Vec<_> = (0..2)
                .map(|thread| {
                    let all = Arc::clone(&all);
                    thread::spawn(move || {
                        all.1.unseated.add();
                        if thread == 0 { &all.1.by_network } else { &all.1.by_newcomers }.add();
                    })
                })
                .collect();
            let stats = all.0.snapshot(core::iter::empty(), &all.1);
            assert!(stats.judged_by_network + stats.judged_as_newcomers <= stats.saturated);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}
