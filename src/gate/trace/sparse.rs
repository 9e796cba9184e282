//! Once a second, and how often it would have been more.

use crate::{
    sync::{AtomicU64, Ordering},
    time::{NANOS_PER_SEC, Timestamp},
};

/// Lets one through in a second, by the time that it is told.
///
/// Time that has gone back by more than a second is believed in.
#[derive(Debug)]
pub(super) struct Sparse {
    /// When the last one was let through, in nanoseconds.
    at: AtomicU64,
    suppressed: AtomicU64,
}

/// Nobody lives to see it.
const NEVER: u64 = u64::MAX;

impl Sparse {
    pub(super) fn new() -> Self {
        Self { at: AtomicU64::new(NEVER), suppressed: AtomicU64::new(0) }
    }

    /// How many there were since the last one that was let through, if this one is.
    pub(super) fn lets(&self, now: Timestamp) -> Option<u64> {
        if self.turn(now) {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// The same for what nobody counts.
    #[inline]
    pub(super) fn turn(&self, now: Timestamp) -> bool {
        let (last, now) = (self.at.load(Ordering::Relaxed), now.as_nanos());
        if last != NEVER && now.abs_diff(last) < NANOS_PER_SEC {
            return false;
        }
        // Relaxed: of those who come at once, one is enough, and nothing else is ordered by it.
        self.at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Sparse;
    use crate::Timestamp;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn one_a_second_is_let_through_and_the_others_are_counted() {
        let sparse = Sparse::new();
        assert_eq!(sparse.lets(Timestamp::ZERO), Some(0));
        assert_eq!([1, 500, 999].map(|millis| sparse.lets(at(millis))), [None; 3]);
        assert_eq!(sparse.lets(at(1_000)), Some(3));
        assert_eq!(sparse.lets(at(1_999)), None);
        assert_eq!(sparse.lets(at(60_000)), Some(1));
        assert_eq!(sparse.lets(at(61_000)), Some(0));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_silence_it() {
        let sparse = Sparse::new();
        assert_eq!(sparse.lets(at(60_000)), Some(0));
        assert_eq!(sparse.lets(at(59_001)), None, "another thread's clock");
        assert_eq!(sparse.lets(at(59_000)), Some(1));
        assert_eq!(sparse.lets(at(59_999)), None);
    }

    #[test]
    fn of_many_threads_one_is_let_through() {
        let sparse = Sparse::new();
        let ask = || (0..1_000).filter_map(|_| sparse.lets(at(5_000))).count();
        let let_through = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(ask));
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(let_through, 1);
        assert_eq!(sparse.lets(at(6_000)), Some(3_999));
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use std::vec::Vec;

    use loom::{sync::Arc, thread};

    use super::Sparse;
    use crate::Timestamp;

    /// Of three that come at once one is let through, and none is forgotten.
    #[test]
    fn loom_sparse_one_is_let_through_and_the_others_are_counted() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let sparse = Arc::new(Sparse::new());
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let sparse = Arc::clone(&sparse);
                    thread::spawn(move || sparse.lets(Timestamp::from_secs(5)))
                })
                .collect();
            let let_through: Vec<u64> =
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
            let [suppressed] = let_through[..] else { panic!("{let_through:?}") };
            // The next one tells of those that this one has not.
            let next = sparse.lets(Timestamp::from_secs(6)).unwrap();
            assert_eq!(suppressed + next, 2);
        });
    }
}
