//! I1 and I5 on real threads: long random schedules over the whole store, with places that change
//! hands all the time.
//!
//! A round has a seed, which decides what each thread does; a failure names it, and
//! `PORTCULLIS_SCHEDULES_SEED` repeats the round (the operations, not the machine's interleaving).
//! `PORTCULLIS_SCHEDULES` says how many rounds there are.

use core::time::Duration;
use std::{env, thread, vec::Vec};

use super::{SEEDS, fixed};
use crate::{
    limit::keyed::{Capacity, KeyedLimiter, set::Set},
    quota::Quota,
    sync::Mutex,
    test_support::rounds,
    time::Timestamp,
};

const KEYS: u64 = 24;
const START: u64 = 1_000_000_000_000;

/// What one thread has done for a key: units admitted (or given back, if negative), and when.
#[derive(Clone, Copy, Debug)]
struct Event {
    key: u64,
    at: u64,
    units: i64,
}

/// A small generator, the same everywhere (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// One time for all threads, moved on by all: by no more than leaves whoever is at work less than a second
/// behind, however long the machine lets it sleep.
struct Clock(Mutex<(u64, Vec<Option<u64>>)>);

impl Clock {
    fn step(&self, thread: usize, by: u64, behind: u64) -> u64 {
        let (now, at_work) = &mut *self.0.lock();
        let most = at_work.iter().flatten().min().map_or(u64::MAX, |first| first + 990_000_000);
        *now = (*now).max((*now + by).min(most));
        let at = (*now - behind).max(START);
        at_work[thread] = Some(at);
        at
    }

    fn done(&self, thread: usize) {
        self.0.lock().1[thread] = None;
    }
}

/// The story of one thread.
fn play(
    store: &KeyedLimiter,
    clock: &Clock,
    (thread, seed): (usize, u64),
    turns: u64,
    count: u64,
) -> Vec<Event> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // In half of the stories nothing is given back.
    let refunds = seed % 2 == 0;
    let mut events = Vec::new();
    let mut taken = [0_i64; KEYS as usize];
    for _ in 0..turns {
        let step = [0, 0, 0, dice.below(1_000_000_000 / count), dice.below(4_000_000_000 / count)];
        let step = step[dice.below(5) as usize];
        let behind = if dice.below(8) == 0 { dice.below(900_000_000) } else { 0 };
        let at = clock.step(thread, step, behind);
        let now = Timestamp::from_nanos(at);
        let key = dice.below(KEYS);
        let n = 1 + dice.below(2) as u32;
        match dice.below(64) {
            // Some of what this thread has taken before, all told.
            0..4 if refunds && taken[key as usize] > 0 => {
                store.refund_n(&key, 1, now);
                taken[key as usize] -= 1;
                events.push(Event { key, at, units: -1 });
            }
            6 => drop(store.rotate_seed(now)),
            7 => drop(store.peek_n(&key, n, now)),
            _ => {
                if store.check_n(&key, n, now).is_admitted() {
                    taken[key as usize] += i64::from(n);
                    events.push(Event { key, at, units: n.into() });
                }
            }
        }
        clock.done(thread);
    }
    events
}

/// By how much some interval of time has more than `burst + rate · x + 1/64` of a key's units, in 64ths of
/// a unit times nanoseconds a second; at most 0 if none has.
///
/// What was given back may be taken again, so it is allowed besides: where in the interval, or up to a
/// second outside, since clocks differ by so much.
fn excess(mut events: Vec<Event>, quota: Quota) -> i128 {
    events.sort_by_key(|event| event.at);
    let second = 1_000_000_000;
    let (count, burst) = (i128::from(quota.count()), i128::from(quota.max_burst()));
    let (refunds, taken): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.units < 0);
    let mut worst = i128::MIN;
    for (from, first) in taken.iter().enumerate() {
        let mut back = refunds.iter().filter(|event| event.at + second >= first.at).peekable();
        let (mut sum, mut allowed) = (0, burst);
        for Event { at, units, .. } in &taken[from..] {
            while let Some(event) = back.next_if(|event| event.at <= at + second) {
                allowed -= i128::from(event.units);
            }
            sum += i128::from(*units);
            let (over, passed) = (sum - allowed, i128::from(at - first.at));
            let second = i128::from(second);
            worst = worst.max(64 * (over * second - passed * count) - second);
        }
    }
    worst
}

/// I1 and I5.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long to try, and what to repeat")]
fn schedules_of_threads_give_no_key_more_than_its_bound() {
    let number =
        |name, default| env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let turns = rounds(2_000, 40);
    let rounds: u64 = number("PORTCULLIS_SCHEDULES", rounds(40, 1));
    let first: u64 = number("PORTCULLIS_SCHEDULES_SEED", 0);
    let (mut admitted, mut unseated, mut reclaimed) = (0, 0, 0);
    for seed in first..first + rounds {
        let mut dice = Dice((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let quota = Quota::per_second(1 + dice.below(50) as u32).burst(2 + dice.below(5) as u32);
        let sets = 1 + dice.below(3) as usize;
        let capacity = Capacity::bytes(size_of::<KeyedLimiter>() + sets * size_of::<Set>());
        let mut seeds = SEEDS;
        seeds[4] ^= dice.below(u64::MAX);
        let store = KeyedLimiter::danger_with_seeds(quota, 0, capacity, seeds).unwrap();
        let threads = 2 + dice.below(3);
        // All of one kind.
        let kind = dice.below(2);
        let threads: Vec<u64> = (0..threads).map(|_| dice.below(1 << 52) << 1 | kind).collect();
        let clock = Clock(Mutex::new((START, threads.iter().map(|_| None).collect())));
        let events: Vec<Event> = thread::scope(|scope| {
            let play = |seed| {
                let (store, clock) = (&store, &clock);
                scope.spawn(move || play(store, clock, seed, turns, quota.count().into()))
            };
            let threads: Vec<_> = threads.into_iter().enumerate().map(play).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        for key in 0..KEYS {
            let of_key: Vec<_> = events.iter().copied().filter(|event| event.key == key).collect();
            let excess = excess(of_key, quota);
            assert!(excess <= 0, "round {seed}, key {key}, {quota}: {excess} / 64 ns too many");
        }
        let end = Timestamp::from_nanos(clock.0.lock().0);
        let stats = store.stats(end.saturating_add(Duration::from_secs(1)));
        admitted += events.len();
        unseated += stats.times_unseated();
        reclaimed += stats.times_reclaimed();
    }
    let each = |count: u64| count >= rounds;
    assert!(admitted as u64 > rounds && each(unseated) && each(reclaimed), "nothing was tried");
}

/// The measure is right: it finds one unit too many, and does not find what is lawful.
#[test]
fn the_measure_of_schedules_is_right() {
    let quota = Quota::per_second(10).burst(3);
    let event = |millis: u64, units| Event { key: 0, at: millis * 1_000_000, units };
    assert!(excess([event(0, 3), event(100, 1), event(200, 1)].into(), quota) <= 0);
    assert!(excess([event(0, 3), event(99, 1)].into(), quota) <= 0, "a 64th early");
    assert!(excess([event(0, 3), event(98, 1)].into(), quota) > 0);
    assert!(excess([event(0, 3), event(0, -1), event(0, 2)].into(), quota) > 0);
    assert!(excess([event(0, 3), event(1, -1), event(2, 1)].into(), quota) <= 0);
    assert!(
        excess([event(0, 3), event(1_001, 3), event(1_001, 1), event(0, -1)].into(), quota) > 0
    );
}

/// I1 of snapshots: while threads check, no snapshot makes a store in which a key has more than it has.
#[cfg(feature = "serde")]
#[test]
fn a_snapshot_under_load_forgives_nobody() {
    let quota = Quota::per_second(10).burst(3);
    let capacity = Capacity::bytes(size_of::<KeyedLimiter>() + 2 * size_of::<Set>());
    let store = fixed(quota, capacity);
    let mut now = Timestamp::from_nanos(START);
    for _ in 0..rounds(200, 2) {
        // Some keys have all that they can have, others come and go meanwhile.
        now = now.saturating_add(Duration::from_millis(350));
        let full: Vec<u32> =
            (0..6).filter(|key| store.check_n(key, 3, now).is_admitted()).collect();
        let snapshot = thread::scope(|scope| {
            for thread in 0..2_u32 {
                let store = &store;
                scope.spawn(move || {
                    for turn in 0..rounds(100_u32, 20) {
                        let later = now.saturating_add(Duration::from_millis(2) * turn);
                        let _ = store.check(&(100 + (turn * 7 + thread) % 50), later);
                    }
                });
            }
            store.snapshot(now)
        });
        let restored = KeyedLimiter::restore(&snapshot, Duration::ZERO, now).unwrap();
        for key in full {
            assert!(restored.check(&key, now).is_denied(), "key {key}");
        }
    }
}
