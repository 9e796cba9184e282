//! Contestants: what they have in common, and the loops in which they are measured.

use std::{
    hint::black_box,
    net::IpAddr,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    data::{Entry, Oracle},
    family::Family,
    traffic::Traffic,
};
use crate::heap;

/// A list that answers with the value of the longest match, or with 0.
pub(crate) trait List<B: Family>: Sized + 'static {
    /// Of prefixes in any order.
    fn of(entries: &[Entry<B>]) -> Self;

    fn answer(&self, addr: B) -> u32;

    /// What [`answer`](Self::answer) has to be.
    fn expected(found: Option<&Entry<B>>) -> u32 {
        found.map_or(0, |entry| entry.value)
    }

    /// The sum of the answers to whole batches of [`BATCH`], from those who answer many at once.
    fn sum_of_batches(&self, _: &[IpAddr]) -> Option<u32> {
        None
    }
}

/// A list that can be changed after it is made.
pub(crate) trait Change<B: Family>: List<B> {
    fn insert(&mut self, entry: &Entry<B>);
    fn remove(&mut self, entry: &Entry<B>);
}

/// Addresses in a batch.
pub(crate) const BATCH: usize = 64;

/// What a set answers.
pub(crate) fn is_in<E>(found: Option<E>) -> u32 {
    u32::from(found.is_some())
}

/// A list that has been made and compared.
pub(crate) struct Ready<B> {
    pub(crate) list: Box<dyn Measured<B>>,
    pub(crate) heap_bytes: usize,
}

/// Makes a list, or says why it cannot be measured.
pub(crate) fn ready<B: Family, L: List<B>>(
    entries: &[Entry<B>],
    probes: &Probes<B>,
) -> Result<Ready<B>, String> {
    let (list, heap_bytes) = catch_unwind(AssertUnwindSafe(|| heap::growth(|| L::of(entries))))
        .map_err(|_| "it panics when it is made".to_owned())?;
    probes.compare(&list)?;
    Ok(Ready { list: Box::new(list), heap_bytes })
}

/// Questions whose right answers are known.
pub(crate) struct Probes<B> {
    probes: Vec<(B, Option<Entry<B>>)>,
    /// The beginning of each traffic, in whole batches.
    batches: Vec<Traffic<B>>,
}

/// Addresses of each traffic that are compared.
const COMPARED: usize = 100_000;
/// Of so many addresses, one has the edges of its prefix compared too.
const EDGES: usize = 4;

impl<B: Family> Probes<B> {
    /// Addresses of the traffic, the first and last ones of prefixes in it, and their neighbours.
    pub(crate) fn of(oracle: &Oracle<B>, traffics: [&Traffic<B>; 3]) -> Self {
        let mut addrs = Vec::new();
        for traffic in traffics {
            for (nth, &addr) in traffic.addrs.iter().take(COMPARED).enumerate() {
                addrs.push(addr);
                if let Some(entry) = oracle.longest_match(addr).filter(|_| nth % EDGES == 0) {
                    let (first, last) = (entry.bits, entry.last());
                    addrs.extend([first, last, first.not().next().not(), last.next()]);
                }
            }
        }
        let found = |addr| (addr, oracle.longest_match(addr).copied());
        let probes = addrs.into_iter().map(found).collect();
        Self { probes, batches: traffics.map(Traffic::clone).into() }
    }

    pub(crate) fn compare<L: List<B>>(&self, list: &L) -> Result<(), String> {
        let is_wrong = |(addr, found): &&(B, Option<Entry<B>>)| {
            list.answer(*addr) != L::expected(found.as_ref())
        };
        let wrong = self.probes.iter().filter(is_wrong).count();
        if wrong > 0 {
            return Err(format!("{wrong} of {} answers are wrong", self.probes.len()));
        }
        for traffic in &self.batches {
            let whole = COMPARED.min(traffic.addrs.len()) / BATCH * BATCH;
            let one_by_one = traffic.addrs[..whole].iter().map(|&addr| list.answer(addr));
            let one_by_one = one_by_one.fold(0, u32::wrapping_add);
            if list.sum_of_batches(&traffic.ips[..whole]).is_some_and(|sum| sum != one_by_one) {
                return Err("it answers otherwise in batches than one by one".to_owned());
            }
        }
        Ok(())
    }
}

/// How a look-up is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// One after the other, none waiting for the last: how many there are in a second.
    Independent,
    /// Each address is known when the last answer is: how long one takes.
    Dependent,
    /// [`BATCH`] at once.
    Batch,
}

/// The loops over a list of whatever kind: within one, everything is known to the compiler.
pub(crate) trait Measured<B> {
    /// How long it takes to look up the addresses in these places of the traffic, which goes round. Nothing
    /// if they cannot be looked up this way.
    fn time(&self, traffic: &Traffic<B>, way: Way, places: Range<usize>) -> Option<Duration>;
}

impl<B: Family, L: List<B>> Measured<B> for L {
    fn time(&self, traffic: &Traffic<B>, way: Way, places: Range<usize>) -> Option<Duration> {
        // It goes through black_box, so that its fields are read where they are.
        let list = black_box(self);
        let begun = Instant::now();
        for part in around(traffic.addrs.len(), places) {
            match way {
                Way::Independent => independent(list, &traffic.addrs[part]),
                Way::Dependent => dependent(list, &traffic.addrs[part]),
                Way::Batch => drop(black_box(list.sum_of_batches(&traffic.ips[part])?)),
            }
        }
        Some(begun.elapsed())
    }
}

/// These places of a ring of `many`, piece by piece.
fn around(many: usize, places: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let (mut start, mut count) = (places.start % many, places.len());
    std::iter::from_fn(move || {
        let part = start..many.min(start + count);
        count -= part.len();
        start = 0;
        (!part.is_empty()).then_some(part)
    })
}

fn independent<B: Family>(list: &impl List<B>, addrs: &[B]) {
    let sum = addrs.iter().fold(0_u32, |sum, &addr| sum.wrapping_add(list.answer(addr)));
    black_box(sum);
}

fn dependent<B: Family>(list: &impl List<B>, addrs: &[B]) {
    // The compiler does not know that it is zero, and a part of the answer is data that the next address
    // waits for. A branch would not do: the processor guesses it and goes on.
    let zero = black_box(0_u32);
    let last = addrs.iter().fold(0_u32, |last, &addr| list.answer(addr.after(last & zero)));
    black_box(last);
}
