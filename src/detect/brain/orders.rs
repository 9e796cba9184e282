//! What an operator asks and says.
//!
//! Orders wait for the step of a tick that goes on; checks do not wait for orders.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use super::Brain;
use crate::{
    detect::{
        Defence, Event, EventKind, Evidence, Incident, Posture,
        mitigation::{EditError, MitigationInfo},
        sketch::Reservoir,
        watch::{Detector, SAMPLE},
    },
    rule::Expr,
    sync::Ordering,
    time::Timestamp,
};

impl Detector {
    /// Goes by other numbers from the next tick on.
    pub(crate) fn set_defence(&self, defence: Defence) {
        let mut brain = self.brain.lock();
        if brain.defence.dimensions != defence.dimensions {
            // What is usual in other dimensions is not known: everything there would look like an attack.
            brain.reservoir = Reservoir::new(SAMPLE, self.hash().of_number(1));
            brain.search.begin(0.0, 0.0, Vec::new());
        }
        brain.defence = defence;
        brain.publish(self);
    }

    pub(crate) fn evidence(&self) -> Evidence {
        self.brain.lock().evidence
    }

    /// Of one tick: its evidence, how many mitigations are live, and how many events nobody has read in time.
    pub(crate) fn numbers(&self) -> (Evidence, usize, u64) {
        let brain = self.brain.lock();
        (brain.evidence, brain.mitigations.len(), brain.recorder.dropped())
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.brain.lock().recorder.drain()
    }

    pub(crate) fn incident(&self) -> Option<Incident> {
        self.brain.lock().recorder.incident().cloned()
    }

    pub(crate) fn dropped_events(&self) -> u64 {
        self.brain.lock().recorder.dropped()
    }

    pub(crate) fn dropped_samples(&self) -> u64 {
        self.counters.contended()
    }

    pub(crate) fn set_gauge(&self, load: f64) {
        let load = if load.is_finite() { load.clamp(0.0, 100.0) } else { 0.0 };
        // Relaxed: the tick that reads it needs nothing else of this thread's.
        self.gauge.store(load.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn force(self: &Arc<Self>, posture: Posture, time: Duration, now: Timestamp) {
        let mut brain = self.brain.lock();
        brain.heed_set_back(self, now);
        brain.told(format!("posture {posture} for {time:?}"), now);
        let turn = brain.machine.force(posture, now.saturating_add(time), now);
        brain.is_drill = false;
        brain.turned(self, turn, now);
        brain.publish_all(self);
    }

    pub(crate) fn release(self: &Arc<Self>, now: Timestamp) {
        let mut brain = self.brain.lock();
        brain.heed_set_back(self, now);
        brain.told(String::from("go on by yourself"), now);
        if let Some(turn) = brain.machine.release(now) {
            brain.turned(self, turn, now);
        }
        brain.publish_all(self);
    }

    pub(crate) fn drill(self: &Arc<Self>, time: Duration, now: Timestamp) {
        let mut brain = self.brain.lock();
        brain.heed_set_back(self, now);
        brain.told(format!("drill for {time:?}"), now);
        if brain.machine.posture() == Posture::Normal {
            let turn = brain.machine.force(Posture::Elevated, now.saturating_add(time), now);
            brain.is_drill = true;
            brain.turned(self, turn, now);
        }
        brain.publish_all(self);
    }

    pub(crate) fn mitigations(&self, now: Timestamp) -> Vec<MitigationInfo> {
        self.brain.lock().mitigations.infos(now)
    }

    pub(crate) fn pin(self: &Arc<Self>, name: &str, now: Timestamp) -> bool {
        self.order(|brain| {
            let done = brain.mitigations.pin(name);
            if done {
                brain.told(format!("keep {name}"), now);
            }
            done
        })
    }

    pub(crate) fn edit(
        self: &Arc<Self>,
        name: &str,
        when: Expr,
        now: Timestamp,
    ) -> Result<(), EditError> {
        self.order(|brain| {
            let text = format!("{name} is to be: {when}");
            brain.mitigations.edit(name, when)?;
            brain.told(text, now);
            Ok(())
        })
    }

    pub(crate) fn remove(self: &Arc<Self>, name: &str, now: Timestamp) -> bool {
        self.order(|brain| {
            brain.heed_set_back(self, now);
            let Some(ended) = brain.mitigations.remove(name, now) else { return false };
            brain.told(format!("end {name}"), now);
            let culprit = brain.culprit(self);
            brain.tell(ended, culprit.as_ref(), now);
            true
        })
    }

    /// Changes mitigations, from the next check on.
    fn order<R>(self: &Arc<Self>, change: impl FnOnce(&mut Brain) -> R) -> R {
        let mut brain = self.brain.lock();
        let result = change(&mut brain);
        brain.publish_all(self);
        result
    }
}

impl Brain {
    /// An operator has said this.
    fn told(&mut self, what: String, now: Timestamp) {
        self.recorder.note(EventKind::Told { what }, &self.evidence, None, now);
    }
}
