//! How many distinct keys there were, in 4 KiB.
//!
//! HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, AofA 2007): of the keys whose hash begins with a register's number, the
//! register keeps the longest run of zeros that follows. The estimate is Ertl's ("New cardinality estimation
//! algorithms for HyperLogLog sketches", arXiv 1702.01284, section 4), which needs no table and no other
//! method for small numbers.
//!
//! # Bounds
//! With 4,096 registers one standard deviation is 1.04 / 64 = 1.6 % of any number of keys up to 2^50; few keys are
//! counted nearly exactly. Adding a key twice changes nothing.
//!
//! # Concurrency
//! A register only rises. Adding retries when another thread has raised one of the same word, which can happen
//! 400 times a word between two estimates, so it gives up after a few. What is added while an estimate
//! clears the registers counts before or after it.

use alloc::boxed::Box;

use crate::sync::{AtomicU64, Ordering};

/// Fewer in models, where each word is a step.
const BITS: u32 = if cfg!(any(loom, shuttle)) { 4 } else { 12 };
const REGISTERS: u32 = 1 << BITS;
/// Eight registers, of a byte each, in a word.
const WORDS: usize = (REGISTERS / 8) as usize;
/// Bits of a hash behind the register's number. The last one is always set, so a run is never longer.
const REST: u32 = u64::BITS - BITS;
/// Runs that a register can hold: 0 where it saw no key, then 1 to this.
const LONGEST: usize = REST as usize;
const TRIES: u32 = 8;

/// A count of distinct keys: see the module.
pub(crate) struct Distinct {
    words: Box<[AtomicU64]>,
}

impl Distinct {
    pub(crate) fn new() -> Self {
        Self { words: (0..WORDS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Counts the key with this hash, unless it was counted before.
    #[inline]
    pub(crate) fn add(&self, hash: u64) {
        let register = hash >> REST;
        let run = u64::from(((hash << BITS) | (1 << BITS)).leading_zeros()).saturating_add(1);
        let at = usize::try_from(register / 8).unwrap_or(0);
        let Some(word) = self.words.get(at) else { return };
        let shift = (register % 8).wrapping_mul(8);
        // Relaxed, here and below: registers order nothing.
        let mut held = word.load(Ordering::Relaxed);
        for _ in 0..TRIES {
            if (held >> shift) & 0xff >= run {
                return;
            }
            let raised = (held & !(0xff << shift)) | (run << shift);
            // Not the weak form, which may lose to nobody: tries are few.
            match word.compare_exchange(held, raised, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => held = newer,
            }
        }
    }

    /// About how many distinct keys were added since the last time.
    pub(crate) fn estimate_and_clear(&self) -> f64 {
        self.estimate(|word| word.swap(0, Ordering::Relaxed))
    }

    /// Bytes, all of them allocated when it was made.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(size_of_val(&*self.words))
    }

    fn estimate(&self, read: impl Fn(&AtomicU64) -> u64) -> f64 {
        // How many registers hold each run.
        let mut with_run = [0_u32; LONGEST + 1];
        for word in &self.words {
            for run in read(word).to_le_bytes() {
                if let Some(count) = with_run.get_mut(usize::from(run)) {
                    *count = count.saturating_add(1);
                }
            }
        }
        estimate(&with_run)
    }
}

/// Ertl's improved raw estimator, from the numbers of registers with each run.
fn estimate(with_run: &[u32; LONGEST + 1]) -> f64 {
    let registers = f64::from(REGISTERS);
    let [none, between @ .., longest] = with_run;
    let mut sum = registers * tau(1.0 - f64::from(*longest) / registers);
    for count in between.iter().rev() {
        sum = 0.5 * (sum + f64::from(*count));
    }
    sum += registers * sigma(f64::from(*none) / registers);
    let alpha = 0.5 / core::f64::consts::LN_2;
    if sum.is_finite() && sum > 0.0 { alpha * registers * registers / sum } else { 0.0 }
}

/// `x + sum of x^(2^k) 2^(k-1)` for k from 1.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut sum, mut factor) = (x, 1.0);
    // The terms fall faster than a series of powers: it is still long before the end.
    for _ in 0..64 {
        x *= x;
        let before = sum;
        sum += x * factor;
        factor += factor;
        if sum <= before {
            break;
        }
    }
    sum
}

/// A third of `1 - x - sum of (1 - x^(2^-k))^2 2^-k` for k from 1.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut sum, mut factor) = (1.0 - x, 1.0);
    for _ in 0..64 {
        x = x.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * factor;
        if sum >= before {
            break;
        }
    }
    sum / 3.0
}

#[cfg(test)]
mod tests;
