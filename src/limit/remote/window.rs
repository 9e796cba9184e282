//! How many checks of a node ask the store at a time: fewer as soon as answers come too late.
//!
//! A store that is asked more than it can do answers all of it too late, and then nothing that it does is of use. What helps
//! is to ask less: the window of TCP (Jacobson 1988) does that. One answer after the other widens it, by one for as many
//! answers as it is wide; each one that is late narrows it by a half, and to no more than are on their way, or sixteen.
//! So all nodes together find what the store can do, and share it.
//!
//! # Invariants
//! - **I1** no more than [`MOST`] ask at a time;
//! - **I2** it is never narrower than [`LEAST`].

use crate::sync::{AtomicU64, Ordering};

/// More than that are not answered sooner, and each takes memory.
pub(super) const MOST: u64 = 1_024;
/// One call that gets lost must not keep all others from asking.
const LEAST: u64 = 2;
/// So few do not make a store late all by themselves: it may have paused.
const FEW: u64 = 16;
/// It is counted in so small parts.
const PART: u64 = 1 << 16;

/// See the module.
pub(super) struct Window {
    asking: AtomicU64,
    /// In parts.
    width: AtomicU64,
}

// Relaxed throughout: a count and a measure, which order nothing.
impl Window {
    pub(super) fn new() -> Self {
        let width = AtomicU64::new(MOST.saturating_mul(PART));
        Self { asking: AtomicU64::new(0), width }
    }

    /// Whether one more may ask; it [leaves](Self::leave) afterwards.
    pub(super) fn enter(&self) -> bool {
        let before = self.asking.fetch_add(1, Ordering::Relaxed);
        let fits = before.saturating_mul(PART) < self.width.load(Ordering::Relaxed);
        if !fits {
            self.leave();
        }
        fits
    }

    pub(super) fn leave(&self) {
        self.asking.fetch_sub(1, Ordering::Relaxed);
    }

    /// An answer came in time.
    pub(super) fn answered(&self) {
        let width = self.width.load(Ordering::Relaxed);
        let wider = PART.saturating_mul(PART).checked_div(width).unwrap_or(0);
        let wider = width.saturating_add(wider).min(MOST.saturating_mul(PART));
        if wider != width {
            // If another thread was faster, its change will do: above all if it was late.
            let _ = self.width.compare_exchange(width, wider, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// One that is still on its way is too late.
    pub(super) fn late(&self) {
        let on_their_way = self.asking.load(Ordering::Relaxed).max(FEW).saturating_mul(PART);
        let least = LEAST.saturating_mul(PART);
        let width = self.width.load(Ordering::Relaxed).min(on_their_way);
        self.width.store(width.saturating_sub(PART / 2).max(least), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{FEW, LEAST, MOST, Window};

    fn enters(window: &Window) -> u64 {
        let number = (0..).find(|_| !window.enter()).unwrap();
        (0..number).for_each(|_| window.leave());
        number
    }

    #[test]
    fn it_is_a_thousand_wide_until_an_answer_is_late() {
        let window = Window::new();
        assert_eq!(enters(&window), MOST);
        window.answered();
        assert_eq!(enters(&window), MOST);
        (0..20).for_each(|_| assert!(window.enter()));
        window.late();
        assert!(!window.enter(), "twenty are on their way, and that is half a one too many");
        window.leave();
        assert!(window.enter());
        assert!(!window.enter());
    }

    #[test]
    fn late_answers_narrow_it_to_the_least_and_others_widen_it_again() {
        let window = Window::new();
        (0..40).for_each(|_| assert!(window.enter()));
        (0..20).for_each(|_| window.late());
        assert!(!window.enter());
        (0..40).for_each(|_| window.leave());
        assert_eq!(enters(&window), 30);
        (0..99).for_each(|_| window.late());
        assert_eq!(enters(&window), LEAST);
        // One wider for as many answers as it is wide: two, three, four.
        (0..2).for_each(|_| window.answered());
        assert_eq!(enters(&window), 3);
        (0..3 + 4 + 5).for_each(|_| window.answered());
        assert_eq!(enters(&window), 6);
        (0..MOST * MOST).for_each(|_| window.answered());
        assert_eq!(enters(&window), MOST);
    }

    /// A pause of the store, and not too much to do.
    #[test]
    fn one_that_is_late_leaves_room_for_some() {
        let window = Window::new();
        assert!(window.enter());
        window.late();
        window.leave();
        assert_eq!(enters(&window), FEW);
        (0..3).for_each(|_| window.late());
        assert_eq!(enters(&window), FEW - 2);
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use std::vec::Vec;

    use loom::{sync::Arc, thread};

    use super::{LEAST, Window};

    /// I1 and I2: however wide it is made meanwhile, no more ask at a time than it was wide at most, and all leave.
    #[test]
    fn loom_remote_no_more_ask_than_the_window_is_wide() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(|| {
            let window = Arc::new(Window::new());
            // A call that is late makes it half a one narrower.
            (0..99).for_each(|_| window.late());
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let window = Arc::clone(&window);
                    thread::spawn(move || {
                        let asks = window.enter();
                        if asks {
                            window.late();
                        }
                        asks
                    })
                })
                .collect();
            let asking = threads.into_iter().map(|thread| thread.join().unwrap());
            let asking = asking.filter(|asks| *asks).count();
            // Of three, one may be in the way of another for a moment, and still leave it out.
            assert!((1..=2).contains(&asking), "{asking} of {LEAST}");
            (0..asking).for_each(|_| window.leave());
            assert!(window.enter() && window.enter() && !window.enter());
        });
    }
}
