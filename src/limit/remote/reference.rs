//! The store as it should be: buckets of whole numbers in 128 bits, and a clock that is told the time.
//!
//! A bucket of `b` units that come back at `n` in `p` microseconds is a vessel: a unit is `p` drops of
//! it, `n` drops run into it each microsecond, and `b · p` of them fill it. Everything else follows: how many units
//! there are, how long it takes until there are enough, when it is full. The script is compared with it in a real store,
//! and nodes are tested with it without one.
//!
//! What a real store forgets when a bucket is full is kept here; it reads as full all the same, unless
//! the clock goes back.

#[cfg(not(loom))]
pub mod agreement;
#[cfg(not(loom))]
pub mod simulation;

use alloc::vec::Vec;
use std::collections::HashMap;

use super::Call;

/// A store that has one clock and answers calls at once.
#[derive(Clone, Debug, Default)]
pub struct Server {
    now_micros: u64,
    /// When each bucket is full.
    buckets: HashMap<Vec<u8>, Moment>,
    calls: u64,
    granted: u64,
}

/// Whole microseconds, and so many `n`-ths of one as the rate says that last used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    micros: u64,
    parts: u64,
}

/// What a call asks of one bucket.
#[derive(Clone, Copy, Debug)]
struct Wish {
    /// Drops that run in each microsecond.
    inflow: u128,
    /// Drops of a unit.
    unit: u128,
    burst: u128,
    least: u128,
    most: u128,
}

impl Server {
    /// A store at this time, with nothing in it.
    #[must_use]
    pub fn new(now_micros: u64) -> Self {
        Self { now_micros, ..Self::default() }
    }

    /// What time it is there.
    #[must_use]
    pub fn now_micros(&self) -> u64 {
        self.now_micros
    }

    /// Lets this time pass.
    pub fn advance(&mut self, micros: u64) {
        self.now_micros = self.now_micros.saturating_add(micros);
    }

    /// Sets the clock, also back.
    pub fn set_clock(&mut self, now_micros: u64) {
        self.now_micros = now_micros;
    }

    /// Calls that it has answered.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Units that it has granted.
    #[must_use]
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// Forgets everything, as a store that is started anew.
    pub fn flush(&mut self) {
        self.buckets.clear();
    }

    /// What is to be the answer of the script, to the number.
    ///
    /// # Panics
    /// If the arguments are not those of a call.
    pub fn answer(&mut self, call: &Call) -> Vec<i64> {
        self.calls += 1;
        let mut args = call.args();
        let time = args.next().expect("a time");
        let now = if time.is_empty() { self.now_micros } else { number(time) };
        let args: Vec<u128> = args.map(|arg| u128::from(number(arg))).collect();
        let wishes: Vec<_> = args.chunks_exact(5).map(Wish::of).collect();
        assert_eq!(wishes.len(), call.keys().len());

        let drops = |(key, wish): (&[u8], &Wish)| wish.drops(self.buckets.get(key).copied(), now);
        let there: Vec<u128> = call.keys().zip(&wishes).map(drops).collect();
        let mut pairs = wishes.iter().zip(&there);
        let may = pairs.all(|(wish, drops)| drops / wish.unit >= wish.least);

        let mut reply = Vec::with_capacity(wishes.len() * 4);
        for ((key, wish), drops) in call.keys().zip(&wishes).zip(there) {
            let granted = if may { wish.most.min(drops / wish.unit) } else { 0 };
            let left = drops - granted * wish.unit;
            // One that would take longer than an empty bucket is an empty one, and takes as long as that from now on.
            let is_mended = wish.is_beyond(self.buckets.get(key).copied(), now);
            if granted > 0 || is_mended {
                let missing = wish.whole() - left;
                let micros = now + narrow(missing / wish.inflow);
                let parts = narrow(missing % wish.inflow);
                self.buckets.insert(key.to_vec(), Moment { micros, parts });
                self.granted += narrow(granted);
            }
            let retry = match wish.least {
                _ if may => 0,
                least if least > wish.burst => -1,
                least => whole(wish.time(least * wish.unit, left)),
            };
            let full = whole(wish.time(wish.whole(), left));
            reply.extend([whole(granted), whole(left / wish.unit), retry, full]);
        }
        reply
    }
}

impl Wish {
    fn of(numbers: &[u128]) -> Self {
        let &[inflow, unit, burst, least, most] = numbers else { unreachable!("five each") };
        Self { inflow, unit, burst, least, most }
    }

    /// Drops that fill it.
    fn whole(&self) -> u128 {
        self.burst * self.unit
    }

    /// Drops that are in it, if it is full then; between none and all.
    fn drops(&self, full: Option<Moment>, now: u64) -> u128 {
        let Some(Moment { micros, parts }) = full else { return self.whole() };
        let Some(ahead) = micros.checked_sub(now) else { return self.whole() };
        // Another rate may have counted other parts: it stays the same microsecond.
        let parts = u128::from(parts).min(self.inflow - 1);
        self.whole().saturating_sub(u128::from(ahead) * self.inflow + parts)
    }

    /// Whether it would take longer than an empty bucket, if it is full then.
    fn is_beyond(&self, full: Option<Moment>, now: u64) -> bool {
        let ahead = full.map_or(0, |full| full.micros.saturating_sub(now));
        self.burst > 0 && u128::from(ahead) * self.inflow > self.whole()
    }

    /// Whole microseconds until so many drops are in it.
    fn time(&self, drops: u128, there: u128) -> u128 {
        drops.saturating_sub(there).div_ceil(self.inflow)
    }
}

fn number(text: &[u8]) -> u64 {
    core::str::from_utf8(text).expect("digits").parse().expect("a number")
}

fn narrow(number: u128) -> u64 {
    u64::try_from(number).expect("a number of a store has 64 bits")
}

fn whole(number: u128) -> i64 {
    i64::try_from(number).expect("a number of a reply has 63 bits")
}
