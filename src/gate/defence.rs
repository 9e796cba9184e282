//! What a gate does by itself, and what an operator says to that.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use super::Gate;
use crate::{
    detect::{Detector, EditError, Event, Evidence, Incident, MitigationInfo, Posture},
    rule::Expr,
    time::Timestamp,
};

/// The defence of a gate: made by [`Gate::defence`].
///
/// All of it is without effect in a gate that was built without a
/// [defence](crate::GateBuilder::defence).
#[must_use = "it is to be asked, or told, something"]
pub struct GateDefence<'a> {
    gate: &'a Gate,
    detector: Option<Arc<Detector>>,
}

impl Gate {
    /// How far the gate goes at the moment, by what it sees or because it was told.
    ///
    /// [`Posture::Normal`] without a [defence](crate::GateBuilder::defence).
    #[must_use]
    pub fn posture(&self) -> Posture {
        self.defence().detector.map_or(Posture::Normal, |detector| detector.word().posture())
    }

    /// How busy the service is, 0 to 100, as of the last tick; 0 without a
    /// [defence](crate::GateBuilder::defence).
    #[must_use]
    pub fn load(&self) -> u8 {
        self.defence().detector.map_or(0, |detector| detector.word().load())
    }

    /// What has happened since this was asked before, oldest first.
    ///
    /// At most 256 events are kept; the oldest are given up for new ones.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.defence().detector.map_or_else(Vec::new, |detector| detector.events())
    }

    /// The incident that goes on, or the last one: what happened when, who it was, what was done, and what
    /// harm was done.
    #[must_use]
    pub fn incident(&self) -> Option<Incident> {
        self.defence().detector?.incident()
    }

    /// Does what is due at `now`: once a second, judges what has come in since.
    ///
    /// Checks do this by themselves, in small steps, so no service has to call it. One that wants to be told of an attack
    /// on the second, or that nobody asks for anything any more, calls it once a second.
    ///
    /// # Cost
    /// Some hundreds of microseconds in a second in which something is unusual, else much less.
    pub fn tick(&self, now: Timestamp) {
        let snapshot = self.0.snapshot.load();
        if let Some(detector) = &snapshot.setting.detector {
            snapshot.setting.tick(detector, now);
        }
        self.0.tracer.due(&snapshot.setting, now);
    }

    /// What the gate does by itself, to be asked and told.
    pub fn defence(&self) -> GateDefence<'_> {
        GateDefence { gate: self, detector: self.0.snapshot.load().setting.detector.clone() }
    }
}

impl GateDefence<'_> {
    /// The numbers of the last tick.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.detector.as_ref().map_or_else(Evidence::default, |detector| detector.evidence())
    }

    /// Takes this posture at once, and keeps it for so long, whatever is seen; then goes on by itself.
    ///
    /// What follows from it begins with the next tick, within a second. In [`Lockdown`](Posture::Lockdown) unknown clients
    /// share what known ones leave, and a gate that has served nobody yet knows nobody.
    ///
    /// That may be more than the defence [is allowed](crate::Defence::up_to) to do by itself. `false` without a
    /// defence: then there is nothing that could take it.
    pub fn force(&self, posture: Posture, time: Duration, now: Timestamp) -> bool {
        self.order(|detector| {
            detector.force(posture, time, now);
            true
        })
    }

    /// Takes back what was [forced](Self::force): the gate goes on by itself. `false` without a defence.
    pub fn release(&self, now: Timestamp) -> bool {
        self.order(|detector| {
            detector.release(now);
            true
        })
    }

    /// Plays an alarm for so long: the posture is [`Elevated`](Posture::Elevated), events are told and an incident is
    /// written, and nothing is refused. `false` without a defence.
    pub fn drill(&self, time: Duration, now: Timestamp) -> bool {
        self.order(|detector| {
            detector.drill(time, now);
            true
        })
    }

    /// Says how busy the service is, 0 to 100, by what it measures itself: processor time, the wait in a queue
    /// (20 ms are 80). It holds until it is said anew.
    pub fn gauge(&self, load: f64) {
        if let Some(detector) = &self.detector {
            detector.set_gauge(load);
        }
    }

    /// The mitigations that are live, oldest first.
    #[must_use]
    pub fn mitigations(&self, now: Timestamp) -> Vec<MitigationInfo> {
        self.detector.as_ref().map_or_else(Vec::new, |detector| detector.mitigations(now))
    }

    /// Keeps a mitigation until it is [removed](Self::remove). `false` if there is none of this name.
    pub fn pin(&self, name: &str, now: Timestamp) -> bool {
        self.order(|detector| detector.pin(name, now))
    }

    /// Gives a mitigation another condition, and keeps it until it is removed.
    ///
    /// # Errors
    /// When there is none of this name, or the condition cannot be compiled; nothing is changed then.
    pub fn edit(&self, name: &str, when: Expr, now: Timestamp) -> Result<(), EditError> {
        match &self.detector {
            Some(detector) => {
                let result = detector.edit(name, when, now);
                self.gate.0.tracer.defence(detector);
                result
            }
            None => Err(EditError::Unknown),
        }
    }

    /// Ends a mitigation; the like of it does not come back for ten minutes. `false` if there is none of this
    /// name.
    pub fn remove(&self, name: &str, now: Timestamp) -> bool {
        self.order(|detector| detector.remove(name, now))
    }

    /// An operator's order; what is noted of it is told when it is done, with no lock held.
    fn order(&self, order: impl FnOnce(&Arc<Detector>) -> bool) -> bool {
        let Some(detector) = &self.detector else { return false };
        let is_done = order(detector);
        self.gate.0.tracer.defence(detector);
        is_done
    }

    /// How many events nobody has read in time.
    #[must_use]
    pub fn dropped_events(&self) -> u64 {
        self.detector.as_ref().map_or(0, |detector| detector.dropped_events())
    }

    /// How many looks at requests were dropped, because another thread was in the way.
    #[must_use]
    pub fn dropped_samples(&self) -> u64 {
        self.detector.as_ref().map_or(0, |detector| detector.dropped_samples())
    }
}

impl core::fmt::Debug for GateDefence<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("GateDefence").field("posture", &self.gate.posture()).finish_non_exhaustive()
    }
}
