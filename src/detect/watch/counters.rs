//! What checks count, apart for threads that run at the same time, until a tick takes it.
//!
//! # Invariants
//! - **I1** what is counted is taken once: by the tick that swaps it for nothing;
//! - **I2** a check writes to one line of memory that other threads seldom write to, and waits for nobody;
//! - **I3** the closer look is at each of the first 1,024 requests that a stripe counts in a tick, and at one of
//!   two, four, … of each further doubling, which then stand for as many: so a tick costs no more than some
//!   thousand looks, however many requests there are.

use alloc::boxed::Box;

use crate::{
    detect::{Counted, KeyedHash, Shape},
    sync::{AtomicU64, Ordering},
};

/// Counts in stripes: a power of two of them.
pub(crate) struct Counters {
    stripes: Box<[Stripe]>,
    /// Requests by the /16 of their clients, or what stands for it; for the entropy.
    networks: Box<[AtomicU64]>,
}

/// The stripes, and with them the threads that seldom meet.
const STRIPES: usize = 8;
/// The cells of the histogram of networks.
const CELLS: usize = 256;
/// So many requests of a stripe are all looked at.
const ALL_OF: u32 = 10;

/// Alone in its lines of memory.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Stripe {
    pub(crate) offered: Count,
    pub(crate) admitted: Count,
    pub(crate) mitigated: Count,
    pub(crate) refused: Count,
    pub(crate) shed: Count,
    pub(crate) held: Count,
    pub(crate) known_refused: Count,
    answered: [Count; 5],
    sampled: Count,
    methods: [Count; 3],
    without_agent: Count,
    without_referer: Count,
    with_cookie: Count,
    with_query: Count,
    http_1_0: Count,
    unknown: Count,
    verified: Count,
    pub(crate) contended: Count,
}

/// One count.
pub(crate) struct Count(AtomicU64);

/// What is counted of a request that is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    pub(crate) shape: Shape,
    pub(crate) is_landing: bool,
    pub(crate) known: bool,
    pub(crate) verified: bool,
}

impl Counters {
    /// In a single stripe, if it is to be the same for all threads: which requests are looked at depends on how many their
    /// stripe has counted, and which stripe a thread has is chance.
    pub(crate) fn new(is_seeded: bool) -> Self {
        let stripes = if is_seeded { 1 } else { STRIPES };
        Self {
            stripes: (0..stripes).map(|_| Stripe::default()).collect(),
            networks: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// This thread's stripe, and its number.
    #[inline]
    pub(crate) fn stripe(&self) -> (usize, Option<&Stripe>) {
        let number = number_of_thread() & self.stripes.len().wrapping_sub(1);
        (number, self.stripes.get(number))
    }

    /// A request from this network that stands for so many.
    pub(crate) fn network(&self, key: u64, weight: u64) {
        let cell = usize::try_from(key >> 32).unwrap_or(0) & CELLS.wrapping_sub(1);
        if let Some(cell) = self.networks.get(cell) {
            cell.fetch_add(weight, Ordering::Relaxed);
        }
    }

    /// Takes all counts (I1).
    pub(crate) fn take(&self) -> Counted {
        let mut counted = Counted { entropy: self.take_entropy(), ..Counted::default() };
        for stripe in &self.stripes {
            let add = |to: &mut u64, from: &Count| *to = to.saturating_add(from.take());
            add(&mut counted.offered, &stripe.offered);
            add(&mut counted.admitted, &stripe.admitted);
            add(&mut counted.mitigated, &stripe.mitigated);
            add(&mut counted.refused, &stripe.refused);
            add(&mut counted.shed, &stripe.shed);
            add(&mut counted.held, &stripe.held);
            add(&mut counted.known_refused, &stripe.known_refused);
            add(&mut counted.sampled, &stripe.sampled);
            add(&mut counted.without_agent, &stripe.without_agent);
            add(&mut counted.without_referer, &stripe.without_referer);
            add(&mut counted.with_cookie, &stripe.with_cookie);
            add(&mut counted.with_query, &stripe.with_query);
            add(&mut counted.http_1_0, &stripe.http_1_0);
            add(&mut counted.unknown, &stripe.unknown);
            add(&mut counted.verified, &stripe.verified);
            let each = counted.answered.iter_mut().zip(&stripe.answered);
            each.for_each(|(to, from)| add(to, from));
            let each = counted.methods.iter_mut().zip(&stripe.methods);
            each.for_each(|(to, from)| add(to, from));
        }
        counted
    }

    /// Samples that were dropped, because another thread was in the way.
    pub(crate) fn contended(&self) -> u64 {
        self.stripes.iter().fold(0, |sum, stripe| sum.saturating_add(stripe.contended.get()))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.stripes).saturating_add(size_of_val(&*self.networks))
    }

    fn take_entropy(&self) -> f64 {
        let mut cells = [0_u64; CELLS];
        for (taken, cell) in cells.iter_mut().zip(&self.networks) {
            // Relaxed: a count orders nothing.
            *taken = cell.swap(0, Ordering::Relaxed);
        }
        let total = cells.iter().fold(0_u64, |sum, cell| sum.saturating_add(*cell));
        let share = |cell: &u64| float(*cell) / float(total);
        let cells = cells.iter().filter(|cell| **cell > 0);
        cells.map(share).map(|share| -share * share.log2()).sum()
    }
}

impl Stripe {
    /// Counts a request; says for how many it stands if it is to be looked at (I3).
    #[inline]
    pub(crate) fn offer(&self, hash: KeyedHash) -> Option<u32> {
        let before = self.offered.add(1);
        let doublings = u64::BITS.saturating_sub((before >> ALL_OF).leading_zeros());
        if doublings == 0 {
            return Some(1);
        }
        let weight = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let chance = hash.of_number(before) >> 32;
        (chance & u64::from(weight).wrapping_sub(1) == 0).then_some(weight)
    }

    /// A request that was looked at, and stands for so many.
    pub(crate) fn looked_at(&self, traits: Traits, weight: u32) {
        let Traits { shape, is_landing, known, verified } = traits;
        let weight = u64::from(weight);
        let add = |count: &Count, holds: bool| {
            if holds {
                count.add(weight);
            }
        };
        add(&self.sampled, true);
        let [get, post, other] = &self.methods;
        match shape.method() {
            Shape::GET => add(get, true),
            Shape::POST => add(post, true),
            _ => add(other, true),
        }
        add(&self.without_agent, !shape.has(Shape::AGENT));
        add(&self.without_referer, !shape.has(Shape::REFERER) && !is_landing);
        add(&self.with_cookie, shape.has(Shape::COOKIE));
        add(&self.with_query, shape.has(Shape::QUERY));
        add(&self.http_1_0, shape.has(Shape::HTTP_1_0));
        add(&self.unknown, !known);
        add(&self.verified, verified);
    }

    /// A response with this status.
    #[inline]
    pub(crate) fn answered(&self, status: u16) {
        let [fine, elsewhere, not_found, refused, failed] = &self.answered;
        let count = match status {
            200..=299 => fine,
            300..=399 => elsewhere,
            404 => not_found,
            400..=499 => refused,
            500..=599 => failed,
            _ => return,
        };
        count.add(1);
    }
}

impl Default for Count {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Count {
    /// Adds so many; says how many there were.
    #[inline]
    pub(crate) fn add(&self, n: u64) -> u64 {
        // Relaxed: nothing is ordered by a count.
        self.0.fetch_add(n, Ordering::Relaxed)
    }

    fn take(&self) -> u64 {
        // Relaxed, likewise; what comes later counts for the next tick.
        self.0.swap(0, Ordering::Relaxed)
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that threads differ by, most of them.
///
/// Every thread has a stack of its own, of a megabyte or more: the place of a value there tells threads
/// apart, without a lookup.
#[inline]
fn number_of_thread() -> usize {
    let here = 0_u8;
    let megabytes = core::ptr::from_ref(&here).addr() >> 21;
    megabytes.wrapping_mul(0x9e37_79b9) >> 13
}

#[expect(clippy::cast_precision_loss, reason = "for shares of counts")]
pub(crate) fn float(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::{Counters, Traits};
    use crate::detect::{KeyedHash, Shape};

    /// I1.
    #[test]
    fn what_is_counted_is_taken_once_whatever_thread_has_counted_it() {
        let counters = Counters::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let (_, stripe) = counters.stripe();
                    let stripe = stripe.unwrap();
                    for status in [200, 304, 404, 403, 502, 101] {
                        stripe.offered.add(1);
                        stripe.answered(status);
                    }
                    let shape = Shape(Shape::POST | Shape::QUERY);
                    let traits = Traits { shape, is_landing: false, known: false, verified: true };
                    stripe.looked_at(traits, 3);
                    counters.network(7 << 32, 1);
                });
            }
        });
        let taken = counters.take();
        assert_eq!((taken.offered, taken.answered), (24, [4; 5]));
        assert_eq!((taken.sampled, taken.methods, taken.with_query), (12, [0, 12, 0], 12));
        assert_eq!((taken.unknown, taken.verified, taken.with_cookie), (12, 12, 0));
        assert_eq!((taken.without_agent, taken.without_referer, taken.http_1_0), (12, 12, 0));
        assert!(taken.entropy.abs() < 1e-9);
        let again = counters.take();
        assert_eq!((again.offered, again.sampled, again.answered), (0, 0, [0; 5]));
    }

    /// I3: what is looked at stands for all, and is never much.
    #[test]
    fn looks_stand_for_all_requests_and_are_few() {
        let counters = Counters::new(false);
        let (_, stripe) = counters.stripe();
        let stripe = stripe.unwrap();
        let hash = KeyedHash::with_key([3, 5]);
        let (mut looks, mut stands) = (0_u64, 0_u64);
        for n in 0..3_000_000_u64 {
            let look = stripe.offer(hash);
            assert!(n >= 1_024 || look == Some(1));
            if let Some(weight) = look {
                looks += 1;
                stands += u64::from(weight);
            }
        }
        assert!(looks < 12_000, "{looks}");
        assert!((2_500_000..3_500_000).contains(&stands), "{stands}");
    }

    #[test]
    fn entropy_is_that_of_the_networks() {
        let counters = Counters::new(false);
        assert!(counters.take().entropy.abs() < 1e-9);
        (0..256).for_each(|cell| counters.network(cell << 32, 5));
        assert!((counters.take().entropy - 8.0).abs() < 1e-9);
    }

    /// Threads that live at the same time have stacks of their own.
    #[test]
    fn threads_use_several_stripes() {
        let together = std::sync::Barrier::new(16);
        let numbers: std::vec::Vec<usize> = std::thread::scope(|scope| {
            let number = || {
                together.wait();
                Counters::new(false).stripe().0
            };
            let threads: std::vec::Vec<_> = (0..16).map(|_| scope.spawn(number)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let distinct: std::collections::HashSet<_> = numbers.iter().collect();
        assert!(distinct.len() > 1, "{numbers:?}");
    }
}

#[cfg(all(test, shuttle))]
mod shuttle_models {
    use std::sync::Arc;

    use super::Counters;
    use crate::schedules::{Dice, explore, together};

    /// I1: ticks take while checks count, and together they have taken what was counted.
    #[test]
    fn shuttle_counters_what_is_counted_is_taken_once() {
        explore(|| {
            let dice = Dice;
            let counters = Arc::new(Counters::new(false));
            let shared = Arc::clone(&counters);
            let taken = together(5, move |thread| {
                if thread < 2 {
                    let taken = shared.take();
                    return taken.offered + taken.answered.iter().sum::<u64>();
                }
                for _ in 0..4 {
                    let (_, stripe) = shared.stripe();
                    let stripe = stripe.unwrap();
                    stripe.offered.add(1);
                    stripe.answered(dice.of(&[200, 301, 404, 403, 500]));
                }
                0
            });
            let rest = counters.take();
            let rest = rest.offered + rest.answered.iter().sum::<u64>();
            assert_eq!(taken.into_iter().sum::<u64>() + rest, 3 * 4 * 2);
        });
    }
}
