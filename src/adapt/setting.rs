//! What all parts of an adapter share, whatever the framework: the gate, a clock, and what responses tell.

use alloc::sync::Arc;
use core::fmt;

use super::{answer::Texts, fields::LimitFields};
use crate::{
    gate::Gate,
    time::{SystemClock, Timestamp},
};

#[derive(Clone)]
pub(super) struct Setting {
    pub(super) gate: Gate,
    /// [`SystemClock`] if there is none.
    pub(super) clock: Option<Arc<Clock>>,
    pub(super) fields: LimitFields,
    /// Whether preflights of CORS pass without being asked about.
    pub(super) skips_preflights: bool,
    /// What is said of the gate's limits, made ahead.
    pub(super) texts: Arc<Texts>,
}

pub(super) type Clock = dyn Fn() -> Timestamp + Send + Sync;

impl Setting {
    pub(super) fn new(gate: &Gate) -> Self {
        Self {
            gate: gate.clone(),
            clock: None,
            fields: LimitFields::default(),
            skips_preflights: false,
            texts: Arc::new(Texts::of(gate)),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        match &self.clock {
            Some(clock) => clock(),
            None => SystemClock::now(),
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("gate", &self.gate)
            .field("fields", &self.fields)
            .field("skips_preflights", &self.skips_preflights)
            .finish_non_exhaustive()
    }
}
