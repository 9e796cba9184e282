//! What detection knows, written down and read by a later process.
//!
//! # Invariants
//! - **I1** everything is read before anything is changed;
//! - **I2** what is read is of the ranges that it can have: nothing else is taken over;
//! - **I3** the posture goes on where it was, and leaves as if it had been entered now.

use alloc::sync::Arc;

use super::{Brain, Stage};
use crate::{
    detect::{
        DetectSnapshot, Posture,
        admission::{Capacity, Readmission},
        judge::Judge,
        machine::{Machine, Turn},
        mitigation::SavedMitigations,
        packed::Packed,
        saved::VERSION,
        sketch::{HotKeys, Known, Reservoir},
        watch::Detector,
    },
    error::RestoreError,
    rule::Scheme,
    time::Timestamp,
};

impl Detector {
    /// `None` if there is something that cannot be written.
    pub(crate) fn save(&self, now: Timestamp) -> Option<DetectSnapshot> {
        let brain = self.brain.lock();
        Some(DetectSnapshot {
            version: VERSION,
            key: self.hash().key,
            // Not what an operator forces at the moment.
            posture: brain.machine.automatic(),
            judge: Packed::of(&brain.judge)?,
            known: self.known.save(),
            reservoir: Packed::of(&brain.reservoir)?,
            mitigations: Packed::of(&brain.mitigations.save(now))?,
            capacity: Packed::of(&brain.capacity)?,
            readmission: Packed::of(&brain.readmission)?,
            busy: brain.busy.to_bits(),
        })
    }

    /// Goes on with what an earlier process knew.
    ///
    /// # Errors
    /// When a part is not what a detector can know; nothing is changed then.
    pub(crate) fn restore(
        self: &Arc<Self>,
        saved: &DetectSnapshot,
        scheme: &Scheme,
        now: Timestamp,
    ) -> Result<(), RestoreError> {
        let of = |part| move || RestoreError::Detection { part };
        let judge: Judge =
            saved.judge.unpack().filter(Judge::is_sane).ok_or_else(of("what is usual"))?;
        let reservoir: Reservoir = saved.reservoir.unpack().ok_or_else(of("usual requests"))?;
        let mitigations: SavedMitigations =
            saved.mitigations.unpack().ok_or_else(of("mitigations"))?;
        let capacity: Capacity =
            saved.capacity.unpack().filter(Capacity::is_sane).ok_or_else(of("capacity"))?;
        let readmission: Readmission = saved
            .readmission
            .unpack()
            .filter(Readmission::is_sane)
            .ok_or_else(of("unknown clients"))?;
        let busy = f64::from_bits(saved.busy);
        if !(0.0..=1e9).contains(&busy) {
            return Err(of("busy clients")());
        }
        let mut brain = self.brain.lock();
        if saved.known.len() != Known::SAVED {
            return Err(of("known networks")());
        }
        let brain = &mut *brain;
        let parameters = &brain.defence.parameters;
        brain
            .mitigations
            .restore(&mitigations, scheme, parameters, now)
            .map_err(|_| of("mitigations")())?;
        // From here on nothing fails.
        self.known.restore(&saved.known);
        self.set_hash(saved.hash());
        (brain.judge, brain.reservoir, brain.busy) = (judge, reservoir, busy);
        (brain.capacity, brain.readmission) = (capacity, readmission);
        // A program that may do less by now does less.
        let posture = saved.posture.min(brain.defence.up_to);
        brain.machine = Machine::resumed(posture, now);
        brain.mitigations.allow(posture >= Posture::Defend);
        brain.mitigations.throttle_to(brain.busy, &brain.defence.parameters, now);
        if let Some(rate) = brain.readmission.rate() {
            self.newcomers.set(rate, rate.max(1.0), now);
        }
        brain.start_anew(self, now);
        let live = brain.mitigations.live();
        brain.is_mitigating = !live.is_empty();
        self.live.store(live);
        if posture > Posture::Normal {
            let turn = Turn { from: Posture::Normal, to: posture, latched: false };
            brain.turned(self, turn, now);
        }
        brain.publish(self);
        Ok(())
    }
}

impl Brain {
    /// The tick that goes on is given up, and the next one begins now: hashes are of another key.
    fn start_anew(&mut self, detector: &Detector, now: Timestamp) {
        // What is usual of hot keys was learned under another hash: counts go first, then what follows them.
        for hot in detector.hot.iter().chain(&detector.hot) {
            for stripe in 0..HotKeys::STRIPES {
                hot.turn(stripe, 0.0, Some(1.0), &mut self.top);
            }
        }
        self.top.clear();
        (self.stage, self.chore) = (Stage::Idle, None);
        (self.clock.promoted, self.clock.rotated) = (Some(now), Some(now));
        self.drop_counts(detector, now);
    }
}
