//! A clock that is set back.
//!
//! Time that goes back by more than [`BACK`] is believed in: a host has corrected its clock, or one check had a time
//! that was far ahead. All that is remembered with a time is then moved back by as much. So what has lasted for so
//! long still has, and what was to end ends as soon as it would have: postures and what latches or forces
//! them, mitigations and what operators have removed, what learning waits for, the incident that goes on. Only what
//! was counted since the last tick is dropped, since it is of nobody knows how long.
//!
//! Otherwise the times of before would lie ahead: for as long as the step nothing would end and nothing new
//! would begin, and the gate would stand where it was, defending or not.
//!
//! A tick at a time that is far ahead is a tick like any other: all that ends until then has ended (a mitigation that
//! is matched goes on, and a posture falls by a step at most, if all is quiet), and is not brought back.
//!
//! Less than [`BACK`] is no step but clocks that differ: no tick is due until they have caught up.
//!
//! The limits that throttle, and those of unknown clients, have the time of their checks, and heal themselves.

use core::time::Duration;

use super::{Brain, TICK};
use crate::{detect::watch::Detector, time::Timestamp};

/// Time that goes back by more than this is believed in.
pub(super) const BACK: Duration = Duration::from_secs(5);

impl Brain {
    /// If the clock was set back since the last tick, goes on from here, and says so.
    pub(super) fn heed_set_back(&mut self, detector: &Detector, now: Timestamp) -> bool {
        if now.saturating_add(BACK) >= self.at {
            return false;
        }
        let by = self.at.saturating_duration_since(now);
        self.machine.set_back(by);
        self.mitigations.set_back(by);
        self.recorder.set_back(by);
        self.reservoir.set_back();
        for time in [&mut self.clock.promoted, &mut self.clock.rotated].into_iter().flatten() {
            *time = time.saturating_sub(by);
        }
        self.learned = now;
        self.drop_counts(detector, now);
        true
    }

    /// What was counted is of another time: it is dropped, and the next tick is a second from now.
    pub(super) fn drop_counts(&mut self, detector: &Detector, now: Timestamp) {
        let _ = detector.counters.take();
        let _ = (detector.clients.estimate_and_clear(), detector.newcoming.estimate_and_clear());
        let _ = detector.latencies.take();
        (self.at, self.taken) = (now, Some(now));
        detector.set_due(now.saturating_add(TICK));
    }
}
