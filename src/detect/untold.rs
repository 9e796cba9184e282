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

    /// Whether there is something to tell.
    #[inline]
    fn has_some(&self) -> bool {
        self.noted.load(Ordering::Relaxed) != self.told.load(Ordering::Relaxed)
    }

    /// Tells what was noted, each event with the number of those before it that were left out. What was noted after so
    /// many, and how many that are, is asked of `noted_since`, which may have nothing to say now.
    fn tell<E>(
        &self,
        noted_since: impl FnOnce(u64) -> Option<(Vec<E>, u64)>,
        mut say: impl FnMut(&E, u64),
    ) {
        // The subscriber may ask the gate for something, which then tells nothing in between.
        let Some(_turn) = self.turn() else { return };
        let told = self.told.load(Ordering::Relaxed);
        let Some((events, noted)) = noted_since(told) else { return };
        let mut number = noted.saturating_sub(u64::try_from(events.len()).unwrap_or(u64::MAX));
        let mut left_out = number.saturating_sub(told);
        for event in &events {
            number = number.saturating_add(1);
            // I3: before it is told.
            self.told.store(number, Ordering::Relaxed);
            say(event, core::mem::take(&mut left_out));
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
        self.untold.has_some()
    }

    /// Tells what was noted since, each event with the number of those before it that were left out.
    pub(crate) fn tell(&self, say: impl FnMut(&Event, u64)) {
        self.untold.tell(|told| Some(self.brain.try_lock()?.noted_since(told)), say);
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use std::vec::Vec;

    use loom::{sync::Arc, thread};

    use super::Untold;
    use crate::sync::Mutex;

    /// What is noted, and what was told of it: nobody but who tells writes there.
    struct Told(Untold, Mutex<Vec<u64>>, Mutex<Vec<u64>>);

    impl Told {
        fn note(&self, event: u64) {
            let mut brain = self.1.lock();
            brain.push(event);
            self.0.set_noted(brain.len() as u64);
        }

        fn tell(&self) {
            let noted_since = |told| {
                let brain = self.1.try_lock()?;
                Some((brain.get(told as usize..)?.to_vec(), brain.len() as u64))
            };
            self.0.tell(noted_since, |event, left_out| {
                assert_eq!(left_out, 0);
                self.2.try_lock().expect("one tells at a time").push(*event);
            });
        }
    }

    /// I1 and I2: two threads note and tell, and what neither has told the next one tells.
    #[test]
    fn loom_untold_each_event_is_told_once_and_in_order() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let all = Arc::new(Told(Untold::new(), Mutex::new(Vec::new()), Mutex::new(Vec::new())));
            let threads: Vec<_> = (1..=2)
                .map(|event| {
                    let all = Arc::clone(&all);
                    thread::spawn(move || {
                        all.note(event);
                        all.tell();
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            if all.0.has_some() {
                all.tell();
            }
            assert!(!all.0.has_some());
            assert_eq!(*all.2.lock(), *all.1.lock());
        });
    }
}
