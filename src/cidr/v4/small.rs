//! The index of a short list: which run holds an address.
//!
//! A list of a few thousand runs should neither wash the caches of the program around it nor walk
//! down a tree. So the address space is cut into 2^r equal slots, and a root says for each slot how
//! many ends lie below it. The ends of one slot are few, and are counted in a *window* of fixed
//! size behind that place, without a branch:
//!
//! ```text
//! root   u16 × 2^r     slot of an address = its top r bits; where the slot's window starts
//! ends   u32 × n       inclusive ends of all runs but the last, whose end is the last address;
//!                      behind them copies of the last address until they fill one window
//! window W ends        W is 4, 16, 64, 256, 1024 or 4096, counted in steps of a quarter
//! ```
//!
//! Each step compares with the last ends of three quarters of the window and goes on in the quarter
//! that holds the address, so that W ends take log4(W) steps.
//!
//! Invariants, each with a test that cites it:
//! - **I1** the run of an address is the number of ends below it, whatever the window;
//! - **I2** no slot holds more ends than the window has room for; a window that would reach beyond
//!   the last end starts earlier instead, and ends there;
//! - **I3** for n ends the root and the ends take at most 16 n + 64 bytes: the smallest window that
//!   keeps to this is the one taken, and however the ends lie there is one. No list is too skewed.
//!
//! # Bounds
//! A look-up is one root entry, then at most 6 steps; a list without clusters takes 2. The index
//! knows nothing of marks: a set takes the parity of the run, a map has the marks in an array.

use alloc::vec::Vec;

/// The run that each address is in, for at most [`Small::RUNS`] runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Small {
    /// Where the window of each slot starts among the ends.
    root: Vec<u16>,
    /// Inclusive ends, and what fills a window.
    ends: Vec<u32>,
    /// How many of the ends are ends.
    len: u16,
    /// 32 - r: how far an address is shifted to make a slot.
    shift: u8,
    /// log4 of the window.
    steps: u8,
}

impl Small {
    /// The most runs that there is room for.
    pub(super) const RUNS: usize = 4096;

    /// One run.
    pub(super) const EMPTY: Self =
        Self { root: Vec::new(), ends: Vec::new(), len: 0, shift: 31, steps: 1 };

    /// The index of runs that end at `ends`, sorted and without repeats, and at the last address,
    /// which need not be among them. `None` if these are more than [`RUNS`](Self::RUNS) runs.
    pub(super) fn new(ends: impl ExactSizeIterator<Item = u32>) -> Option<Self> {
        if ends.len() > Self::RUNS {
            return None;
        }
        let mut ends: Vec<u32> = ends.collect();
        if ends.last() == Some(&u32::MAX) {
            ends.pop();
        }
        let len = u16::try_from(ends.len()).ok().filter(|len| usize::from(*len) < Self::RUNS)?;
        if len == 0 {
            return Some(Self::EMPTY);
        }
        let budget = ends.len().saturating_mul(16).saturating_add(64);
        let (window, bits, steps) = WINDOWS.into_iter().zip(1..).find_map(|(window, steps)| {
            let bits = bits_for(&ends, window);
            (bytes(ends.len(), window, bits) <= budget).then_some((window, bits, steps))
        })?;
        if ends.len() < window {
            ends.resize(window, u32::MAX);
        }
        ends.shrink_to_fit();
        let shift = 32_u8.saturating_sub(bits);
        let mut small = Self { root: Vec::new(), ends, len, shift, steps };
        small.root = small.slots(window, bits);
        Some(small)
    }

    /// The number of the run that holds an address: how many ends are below it.
    #[inline(always)]
    pub(super) fn run(&self, addr: u32) -> usize {
        match self.steps {
            2 => self.counted::<16>(addr),
            1 => self.counted::<4>(addr),
            _ => self.counted_in_many(addr),
        }
    }

    /// The inclusive ends of all runs but the last, which ends with the last address.
    pub(super) fn ends(&self) -> &[u32] {
        self.ends.get(..self.len.into()).unwrap_or_default()
    }

    /// The bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let root = self.root.capacity().saturating_mul(size_of::<u16>());
        self.ends.capacity().saturating_mul(size_of::<u32>()).saturating_add(root)
    }

    #[inline(always)]
    fn counted<const W: usize>(&self, addr: u32) -> usize {
        let slot = addr.wrapping_shr(self.shift.into());
        let slot = usize::try_from(slot).unwrap_or(usize::MAX);
        let start = self.root.get(slot).copied().map_or(0, usize::from);
        let window = self.ends.get(start..start.wrapping_add(W));
        let window = window.and_then(|ends| ends.first_chunk::<W>());
        window.map_or(0, |window| start.wrapping_add(below(window, addr)))
    }

    /// The windows of lists with clusters, apart, so that the others are small enough to be inlined.
    #[inline(never)]
    fn counted_in_many(&self, addr: u32) -> usize {
        match self.steps {
            3 => self.counted::<64>(addr),
            4 => self.counted::<256>(addr),
            5 => self.counted::<1024>(addr),
            _ => self.counted::<4096>(addr),
        }
    }

    /// The root, for ends that fill a window.
    fn slots(&self, window: usize, bits: u8) -> Vec<u16> {
        let slots = 1_usize.wrapping_shl(bits.into());
        let highest = self.ends.len().saturating_sub(window);
        let place = |start: usize| u16::try_from(start.min(highest)).unwrap_or(u16::MAX);
        let mut root = Vec::with_capacity(slots);
        for (start, end) in self.ends().iter().enumerate() {
            // Its own slot starts with it or before, and so do the empty ones before that.
            let slot = end.wrapping_shr(self.shift.into());
            let behind = usize::try_from(slot).unwrap_or(0).saturating_add(1);
            root.resize(behind, place(start));
        }
        root.resize(slots, place(self.len.into()));
        root
    }
}

/// The windows there are, by the number of steps that they take.
const WINDOWS: [usize; 6] = [4, 16, 64, 256, 1024, 4096];

/// The fewest bits, but at least one, with which no slot holds more ends than fit in a window.
fn bits_for(ends: &[u32], window: usize) -> u8 {
    let beyond = ends.get(window..).unwrap_or_default();
    // Ends that are a window apart must not share a slot, or that slot holds one more than fits.
    let shared = ends.iter().zip(beyond).map(|(end, beyond)| (end ^ beyond).leading_zeros()).max();
    let bits = shared.map_or(1, |shared| shared.saturating_add(1));
    u8::try_from(bits).unwrap_or(u8::MAX)
}

/// The bytes of an index.
fn bytes(ends: usize, window: usize, bits: u8) -> usize {
    let slots = 1_usize.checked_shl(bits.into()).unwrap_or(usize::MAX);
    let ends = ends.max(window).saturating_mul(size_of::<u32>());
    slots.saturating_mul(size_of::<u16>()).saturating_add(ends)
}

/// How many of a window's ends are below an address.
#[inline]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "three quarters and a rest stay below W, which the compiler sees too"
)]
fn below<const W: usize>(ends: &[u32; W], addr: u32) -> usize {
    let is_below = |at: usize| usize::from(ends[at] < addr);
    let mut at = 0;
    let mut quarter = W / 4;
    while quarter > 1 {
        let quarters = is_below(at + quarter - 1)
            + is_below(at + 2 * quarter - 1)
            + is_below(at + 3 * quarter - 1);
        at += quarters * quarter;
        quarter /= 4;
    }
    at + is_below(at) + is_below(at + 1) + is_below(at + 2) + is_below(at + 3)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, vec::Vec};

    use proptest::prelude::*;

    use super::*;
    use crate::test_support::cases;

    /// I1 at both sides of every end, and I3.
    fn check(ends: &[u32]) -> Small {
        let small = Small::new(ends.iter().copied()).expect("few enough");
        let told = ends.strip_suffix(&[u32::MAX]).unwrap_or(ends);
        assert_eq!(small.ends(), told);
        let around = |end: u32| [end.saturating_sub(1), end, end.saturating_add(1)];
        let near = ends.iter().copied().chain([0, u32::MAX, 1 << 31]).flat_map(around);
        let slots = (0..small.root.len()).map(|slot| u32::try_from(slot).unwrap() << small.shift);
        for addr in near.chain(slots.flat_map(around)) {
            let below = told.partition_point(|end| *end < addr);
            assert_eq!(small.run(addr), below, "I1: {addr:#x}, {} steps", small.steps);
        }
        let bounds = 4 * told.len()..=16 * told.len() + 64;
        assert!(bounds.contains(&small.heap_bytes()), "I3: {} ends", told.len());
        small
    }

    #[test]
    fn the_runs_of_a_short_list() {
        assert_eq!(check(&[]), Small::EMPTY);
        assert_eq!(check(&[u32::MAX]), Small::EMPTY);
        assert_eq!(Small::EMPTY.run(7), 0);
        for ends in [&[0][..], &[0, u32::MAX], &[0, u32::MAX - 1], &[5, 6, 7, 8, 9, u32::MAX]] {
            check(ends);
        }
    }

    #[test]
    fn i2_a_window_holds_the_fullest_slot() {
        // As many ends as fit in a window, and one more, all in one slot at either end of the space
        // or in its middle, with a stranger far away.
        for window in WINDOWS {
            for count in [window - 1, window, window + 1] {
                for first in [0, 0x0a00_0000, 0x7fff_fff0, u32::MAX - 4096] {
                    let count = u32::try_from(count.min(Small::RUNS - 3)).unwrap();
                    let cluster = (first..).take(count.try_into().unwrap());
                    let ends = cluster.clone().collect::<Vec<_>>();
                    check(&ends);
                    let ends: BTreeSet<_> = cluster.chain([3, 0xe000_0000]).collect();
                    check(&ends.into_iter().collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn i3_lists_without_clusters_take_two_steps_at_most() {
        for len in [10, 20, 200, 2_000, 4_095_u32] {
            let step = u32::MAX / (len + 1);
            let ends: Vec<_> = (1..=len).map(|at| at * step).collect();
            assert!(check(&ends).steps <= 2);
        }
    }

    #[test]
    fn there_is_room_for_4096_runs() {
        let ends = |count: u32| (0..count).map(|at| at * 3).collect::<Vec<_>>();
        assert_eq!(check(&ends(4095)).run(u32::MAX), 4095);
        let with_last = |count| ends(count).into_iter().chain([u32::MAX]).collect::<Vec<_>>();
        check(&with_last(4095));
        assert_eq!(Small::new(with_last(4096).into_iter()), None);
        assert_eq!(Small::new(ends(4096).into_iter()), None);
        assert_eq!(Small::new(ends(4097).into_iter()), None);
    }

    /// Ends in clusters of a random width around a random place, and anywhere.
    fn some_ends() -> impl Strategy<Value = Vec<u32>> {
        let edge = prop_oneof![Just(0), Just(u32::MAX), Just(1 << 31), any::<u32>()];
        let cluster = (edge, 0..=31_u32, 0..300_usize).prop_flat_map(|(place, width, count)| {
            let low = u32::MAX >> width;
            prop::collection::vec(
                any::<u32>().prop_map(move |bits| place & !low | bits & low),
                count,
            )
        });
        prop::collection::vec(cluster, 0..6).prop_map(|clusters| {
            clusters.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect()
        })
    }

    proptest! {
        #![proptest_config(cases(300))]

        #[test]
        fn i1_the_run_is_the_number_of_ends_below(ends in some_ends()) {
            check(&ends);
        }
    }
}
