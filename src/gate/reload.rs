//! Another plan for a gate that is at work.
//!
//! # Invariants
//! - **I1** a plan with a mistake changes nothing;
//! - **I2** one change is made at a time, and checks are not disturbed by any;
//! - **I3** what the plan does not change stays: the clients of limits, counts, bans, the content of lists,
//!   and the mode.

use super::{
    Gate, GateBuilder, Inner, Mode,
    lists::{Holdings, declared, is_same},
    plan::Plan,
    snapshot::{Snapshot, Tallies},
    stats::Totals,
    trace::Tracer,
};
use crate::{
    error::BuildError,
    limit::seeds::Seeds,
    rule::Lists,
    sync::{AtomicU64, Mutex, Ordering, Swap},
    time::Timestamp,
};

/// What only those who change a gate need to know, one at a time.
pub(super) struct Writer {
    /// The mode that the last plan said.
    mode: Mode,
    /// The lists as the last plan said.
    defined: Lists,
    pub(super) holdings: Holdings,
    tallies: Tallies,
    /// What the next stores are seeded with: all of a gate's life, so that no two of them get the same.
    seeds: Seeds,
}

impl Gate {
    pub(crate) fn from_plan(mut plan: Plan) -> Result<Self, BuildError> {
        #[cfg(feature = "config")]
        let base = super::config::Base::new(&plan);
        plan.lists = declared(&plan);
        let (mode, defined) = (plan.mode, plan.lists.clone());
        let mut seeds = Seeds::following(plan.seed);
        let seed = seeds.hasher();
        let (snapshot, tallies) =
            Snapshot::build(plan, defined.clone(), None, &mut seeds, Timestamp::ZERO)?;
        let holdings = Holdings::default();
        let inner = Inner {
            #[cfg(feature = "config")]
            base,
            snapshot: Swap::new(snapshot),
            mode: AtomicU64::new(mode.to_word()),
            totals: Totals::new(),
            seed,
            writer: Mutex::new(Writer { mode, defined, holdings, tallies, seeds }),
            edited_bytes: AtomicU64::new(0),
            tracer: Tracer::new(),
        };
        // So that the first check of this thread finds its entry.
        drop(inner.snapshot.load());
        Ok(Self(alloc::sync::Arc::new(inner)))
    }

    /// Makes the gate what this builder describes, from the next check on.
    ///
    /// What the description does not change goes on: the clients of limits whose definition is the same,
    /// counts of what has the same name, bans, lists with the content that they were
    /// [given live](Self::lists) unless they are described with another content than before, and the mode
    /// that was set by [`set_mode`](Self::set_mode) unless another one is described than before.
    ///
    /// # Errors
    /// All mistakes, as those of [`GateBuilder::build`]; the gate goes on unchanged then.
    ///
    /// # Concurrency
    /// Changes of a gate are made one after the other; checks do not wait for them.
    pub fn reload_with(&self, builder: GateBuilder, now: Timestamp) -> Result<(), BuildError> {
        #[cfg(feature = "config")]
        let base = builder.plan.clone();
        let change = || self.reload_plan(builder.plan, now);
        #[cfg(feature = "config")]
        let change = || self.0.base.change(base, change);
        // Told once nothing is held any more.
        change().inspect_err(|error| self.refused_reload(error.problems().len(), now))?;
        self.reloaded();
        Ok(())
    }

    pub(crate) fn reload_plan(&self, mut plan: Plan, now: Timestamp) -> Result<(), BuildError> {
        let gate = &*self.0;
        let mut writer = gate.writer.lock();
        plan.lists = declared(&plan);
        let before = gate.snapshot.load();
        let (mode, defined) = (plan.mode, plan.lists.clone());
        let kept = |name: &str| is_same(writer.defined.get(name), defined.get(name));
        let mut lists = defined.clone();
        for (name, list) in before.rules.lists().iter().filter(|(name, _)| kept(name)) {
            lists.set(name, list.clone());
        }
        let mut seeds = writer.seeds.clone();
        let (snapshot, tallies) =
            Snapshot::build(plan, lists, Some((&before, &writer.tallies)), &mut seeds, now)?;
        let Writer { defined: old, holdings, .. } = &mut *writer;
        holdings.keep(|name| is_same(old.get(name), defined.get(name)));
        gate.edited(holdings);
        gate.snapshot.store(snapshot);
        if mode != writer.mode {
            gate.mode.store(mode.to_word(), Ordering::Relaxed);
        }
        writer.mode = mode;
        (writer.defined, writer.tallies, writer.seeds) = (defined, tallies, seeds);
        gate.totals.reloads.add();
        Ok(())
    }

    /// A change is over.
    pub(crate) fn reloaded(&self) {
        self.0.tracer.reloaded(&self.0.snapshot.load());
    }

    /// A change was refused for so many mistakes, wherever they were found.
    pub(crate) fn refused_reload(&self, mistakes: usize, now: Timestamp) {
        self.0.totals.refused_reloads.add();
        self.0.tracer.refused_reload(mistakes, now);
    }
}
