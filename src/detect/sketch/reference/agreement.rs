//! Whether the sketches keep their bounds in any sequence of operations: for tests and fuzzing.
//!
//! All of them are told the same story as exact models: lists, sets and maps.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;
use std::collections::{HashMap, HashSet};

use super::{HASH, request};
use crate::{
    detect::{
        Dimension, Seen,
        sketch::{Distinct, HotKeys, Known, Latencies, Recent, Reservoir, Ticket, Top},
    },
    time::Timestamp,
};

/// Places of the ring and of the reservoir: few, so that they are soon full.
const PLACES: usize = 8;

/// Performs the operations that these bytes stand for, each of which is four of them.
///
/// # Panics
/// If a bound does not hold.
pub fn check(bytes: &[u8]) {
    let mut play = Play::new();
    for operation in bytes.chunks_exact(4) {
        let [kind, number, low, high] = operation else { return };
        let amount = u16::from_le_bytes([*low, *high]);
        play.step(kind % 13, *number, amount);
    }
    play.turn(0.5, None);
    play.count_distinct();
    play.take_latencies();
    play.look_at_the_known();
    play.look_at_the_recent();
}

struct Play {
    hot: HotKeys,
    /// The exact weights of each stripe.
    weights: [HashMap<u64, f64>; HotKeys::STRIPES],
    top: Top,
    distinct: Distinct,
    keys: HashSet<u64>,
    known: Known,
    current: HashSet<u64>,
    old: HashSet<u64>,
    ripe: HashSet<u64>,
    young: HashSet<u64>,
    latencies: Latencies,
    took: Vec<Duration>,
    recent: Recent,
    last: VecDeque<(Ticket, Seen)>,
    tickets: Vec<Ticket>,
    reservoir: Reservoir,
    good: Vec<Seen>,
    now: Timestamp,
}

impl Play {
    fn new() -> Self {
        Self {
            hot: HotKeys::new(),
            weights: Default::default(),
            top: Top::new(Top::MOST),
            distinct: Distinct::new(),
            keys: HashSet::new(),
            known: Known::new(HASH),
            current: HashSet::new(),
            old: HashSet::new(),
            ripe: HashSet::new(),
            young: HashSet::new(),
            latencies: Latencies::new(),
            took: Vec::new(),
            recent: Recent::new(PLACES),
            last: VecDeque::new(),
            tickets: Vec::new(),
            reservoir: Reservoir::new(PLACES, 1),
            good: Vec::new(),
            now: Timestamp::ZERO,
        }
    }

    fn step(&mut self, kind: u8, number: u8, amount: u16) {
        let net = u64::from(number);
        match kind {
            // Into one of few buckets, among keys that are all alike there.
            0 | 1 => self.add_hot(net & 3, net >> 3, amount),
            2 => self.turn(f32::from(number) / 255.0, (amount > 0).then_some(0.1)),
            3 => {
                // Some keys at once: otherwise there are never many.
                for key in 0..=u64::from(number) {
                    let hash = HASH.of_number(u64::from(amount).wrapping_add(key));
                    self.distinct.add(hash);
                    self.keys.insert(hash);
                }
            }
            4 => self.count_distinct(),
            5 => {
                self.known.note(net);
                if !self.current.contains(&net) {
                    self.young.insert(net);
                }
            }
            6 => {
                self.known.promote();
                self.current.extend(self.ripe.drain());
                self.ripe = core::mem::take(&mut self.young);
            }
            7 if amount % 2 == 0 => {
                self.known.discard();
                self.ripe.clear();
                self.young.clear();
            }
            7 => {
                self.known.rotate();
                self.old = core::mem::take(&mut self.current);
            }
            8 => {
                let saved = self.known.save();
                assert!(self.known.restore(&saved));
                // What is on probation is not saved.
                self.ripe.clear();
                self.young.clear();
                self.look_at_the_known();
            }
            9 => {
                let micros = Duration::from_micros(1 + u64::from(amount));
                let took = micros * 2_u32.pow(u32::from(number % 16));
                self.latencies.add(took);
                self.took.push(took);
            }
            10 => self.take_latencies(),
            11 => self.put(amount),
            _ => self.mark(number, amount),
        }
    }

    fn add_hot(&mut self, bucket: u64, key: u64, weight: u16) {
        let key = bucket << 57 | key << 1 | 1;
        let stripe = usize::from(weight % 4);
        assert!(self.hot.add(stripe, key, weight.into()));
        *self.weights[stripe].entry(key).or_default() += f64::from(weight);
    }

    /// A turn of all stripes, whose list has room for all keys that there are in them.
    fn turn(&mut self, decay: f32, learn: Option<f32>) {
        self.top.clear();
        for stripe in 0..HotKeys::STRIPES {
            assert!(self.hot.turn(stripe, decay, learn, &mut self.top));
        }
        let all = || self.weights.iter().flatten();
        let rounding = |weight: f64| 1e-3 * weight + 1e-3;
        let total: f64 = all().map(|(_, weight)| weight).sum();
        assert!((self.top.total() - total).abs() <= rounding(total));
        let of_bucket = |key: u64| -> f64 {
            all().filter(|(other, _)| *other >> 57 == key >> 57).map(|(_, weight)| weight).sum()
        };
        let keys: HashSet<u64> = all().map(|(key, _)| *key).collect();
        let listed = self.top.iter().map(|hot| (hot.key, hot)).collect::<HashMap<_, _>>();
        assert_eq!(listed.len(), self.top.iter().len(), "a key is listed once");
        assert!(self.top.iter().zip(self.top.iter().skip(1)).all(|(a, b)| a.count >= b.count));
        for key in keys {
            let weight: f64 = all().filter(|(other, _)| **other == key).map(|(_, w)| w).sum();
            let (bucket, slack) = (of_bucket(key), rounding(of_bucket(key)));
            match listed.get(&key) {
                Some(hot) => {
                    assert!(hot.at_least() <= weight + slack);
                    assert!(weight <= hot.count + bucket / 4.0 + slack);
                    assert!(hot.count <= weight + bucket / 4.0 + slack);
                    assert!(hot.usual >= 0.0 && hot.usual.is_finite());
                }
                None => assert!(weight <= bucket / 4.0 + slack, "{weight} of {bucket}"),
            }
        }
        for weight in self.weights.iter_mut().flat_map(HashMap::values_mut) {
            *weight *= f64::from(decay);
        }
    }

    fn count_distinct(&mut self) {
        let keys = self.keys.len() as f64;
        // The same keys once more change nothing.
        let again = Distinct::new();
        for key in self.keys.drain() {
            self.distinct.add(key);
            again.add(key);
        }
        let estimate = self.distinct.estimate_and_clear();
        assert_eq!(estimate, again.estimate_and_clear());
        // Far more than six deviations, for whoever looks for a bad set.
        assert!((estimate - keys).abs() <= 0.25 * keys + 0.5, "{estimate} for {keys}");
    }

    fn look_at_the_known(&self) {
        for net in 0..=255 {
            let expected = self.current.contains(&net) || self.old.contains(&net);
            assert_eq!(self.known.contains(net), expected, "{net}");
        }
    }

    fn take_latencies(&mut self) {
        let given = self.latencies.take();
        self.took.sort_unstable();
        assert_eq!(given.requests, self.took.len() as u64);
        for (given, tenths) in [(given.median, 5), (given.p90, 9)] {
            let rank = (self.took.len() * tenths).div_ceil(10);
            let exact = rank.checked_sub(1).map_or(0.0, |at| self.took[at].as_secs_f64());
            // Below this is one bucket: only that it is there is known.
            let bound = if exact < 1.28e-6 { 1.28e-6 } else { 0.2501 * exact };
            assert!((given - exact).abs() <= bound, "{given} for {exact}");
        }
        self.took.clear();
    }

    fn put(&mut self, millis: u16) {
        self.now = self.now.saturating_add(Duration::from_millis(millis.into()));
        let number = self.tickets.len() as u64;
        let (seen, words) = request(number, self.now);
        let ticket = self.recent.put(seen, words).expect("nobody else is there");
        assert!(self.tickets.last().is_none_or(|last| *last < ticket));
        self.tickets.push(ticket);
        self.last.push_back((ticket, seen));
        if self.last.len() > PLACES {
            self.last.pop_front();
        }
    }

    fn mark(&mut self, number: u8, learn: u16) {
        if let Some(ticket) = self.tickets.iter().rev().nth(usize::from(number % 16)) {
            self.recent.mark_good(*ticket);
            for (of, seen) in &mut self.last {
                seen.good |= of == ticket;
            }
        }
        let held = self.look_at_the_recent();
        if learn % 4 == 0 {
            self.good.extend(held.iter().filter(|seen| seen.good));
            self.reservoir.learn(&held);
            assert!(self.reservoir.all().len() <= PLACES);
            assert!(self.reservoir.all().iter().all(|seen| self.good.contains(seen)));
        }
    }

    fn look_at_the_recent(&self) -> Vec<Seen> {
        let mut held = Vec::with_capacity(PLACES);
        self.recent.copy_into(&mut held, Timestamp::ZERO);
        assert!(held.iter().eq(self.last.iter().map(|(_, seen)| seen)));
        for seen in &held {
            let words = self.recent.words_of(Dimension::Path, seen.keys.get(Dimension::Path));
            assert!(words.is_some());
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::{Play, check};
    use crate::test_support::cases;

    proptest! {
        #![proptest_config(cases(48))]

        #[test]
        fn bounds_hold_in_any_story(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
            check(&bytes);
        }
    }

    /// The networks of stories have no false answers among themselves: what one adds never takes
    /// another one for known, in whatever order.
    #[test]
    fn networks_of_stories_do_not_meet() {
        for left_out in 0..=255_u8 {
            let mut play = Play::new();
            (0..=255).filter(|net| *net != left_out).for_each(|net| play.step(5, net, 0));
            play.step(6, 0, 0);
            play.step(6, 0, 0);
            assert!(!play.known.contains(left_out.into()));
            if left_out == 7 {
                play.look_at_the_known();
            }
        }
    }

    /// A story that comes to all operations: what the seed of the fuzz target is.
    #[test]
    fn a_long_story_is_told_to_its_end() {
        let bytes: Vec<u8> = (0..1_600_u32)
            .map(|n| u8::try_from(n.wrapping_mul(2_654_435) >> 7 & 255).unwrap())
            .collect();
        check(&bytes);
    }
}
