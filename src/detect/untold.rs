//! Events that a subscriber has not been told yet (feature `tracing`).
//!
//! They are noted under the lock of the brain, where nobody else's code may run. Whoever has noted some tells them
//! afterwards, with no lock held.
//!
//! # Invariants
//! - **I1** each event is told once, in the order in which they were noted, or counted as left out: as many as are kept
//!   for those who only look can be told late;
//! - **I2** one thread at a time tells; nobody waits for it, and what it does not see the next check tells;
//! - **I3** a teller that panics has told what it was about, and the next one goes on behind it.

use alloc::vec::Vec;

use super::{Detector, Event};
use crate::sync::{AtomicU64, Ordering};

/// How far the telling is.
#[derive(Debug)]
pub(super) struct Untold {
    /// Events that were noted, so far.
    noted: AtomicU64,
    /// Events that were told or left out, so far.
    told: AtomicU64,
    /// 1 while somebody tells.
    is_telling: AtomicU64,
}

/// Gives the turn back, whatever happens.
struct Turn<'a>(&'a AtomicU64);

impl Untold {
    pub(super) fn new() -> Self {
        Self { noted: AtomicU64::new(0), told: AtomicU64::new(0), is_telling: AtomicU64::new(0) }
    }

    /// So many were noted by now.
    pub(super) fn set_noted(&self, noted: u64) {
        // Relaxed: the events themselves are under the lock of the brain.
        if self.noted.load(Ordering::Relaxed) != noted {
            self.noted.store(noted, Ordering::Relaxed);
        }
    }

    fn turn(&self) -> Option<Turn<'_>> {
        // Acquire: how far the one before has come is seen.
        let free =
            self.is_telling.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        free.then(|| Turn(&self.is_telling))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Release: the next one sees how far this one has come.
        self.0.store(0, Ordering::Release);
    }
}

impl Detector {
    /// Whether there is something to tell.
    #[inline]
    pub(crate) fn has_untold(&self) -> bool {
        let Untold { noted, told, .. } = &self.untold;
        noted.load(Ordering::Relaxed) != told.load(Ordering::Relaxed)
    }

    /// Tells what was noted since, each event with the number of those before it that were left out.
    pub(crate) fn tell(&self, mut say: impl FnMut(&Event, u64)) {
        // The subscriber may ask the gate for something, which then tells nothing in between.
        let Some(_turn) = self.untold.turn() else { return };
        let told = self.untold.told.load(Ordering::Relaxed);
        let (events, noted): (Vec<Event>, u64) = match self.brain.try_lock() {
            Some(brain) => brain.noted_since(told),
            None => return,
        };
        let mut number = noted.saturating_sub(u64::try_from(events.len()).unwrap_or(u64::MAX));
        let mut left_out = number.saturating_sub(told);
        for event in &events {
            number = number.saturating_add(1);
            // I3: before it is told.
            self.untold.told.store(number, Ordering::Relaxed);
            say(event, core::mem::take(&mut left_out));
        }
    }
}
