//! What is measured of lists, and how it is told.

use std::{
    array,
    collections::HashSet,
    hint::black_box,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    contestant::{BATCH, Change, List, Measured, Probes, Ready, Way, ready},
    data::{Entry, Oracle, Random, Source},
    family::Family,
    traffic::Traffic,
};
use crate::{
    heap,
    rounds::{APART, Turns, interleave},
};

/// A list, what the right answers are, and who asks.
pub(crate) struct Prepared<B> {
    pub(crate) entries: Rc<[Entry<B>]>,
    oracle: Oracle<B>,
    probes: Probes<B>,
    in_table: Traffic<B>,
    uniform: Traffic<B>,
    zipf: Traffic<B>,
}

impl<B: Family> Prepared<B> {
    pub(crate) fn of(source: Source) -> Option<Self> {
        let entries: Rc<[Entry<B>]> = source.entries()?.into();
        let oracle = Oracle::of(&entries);
        let in_table = Traffic::in_table(&entries);
        let uniform = Traffic::uniform(&entries);
        let zipf = Traffic::zipf(&entries);
        let probes = Probes::of(&oracle, [&in_table, &uniform, &zipf]);
        Some(Self { entries, oracle, probes, in_table, uniform, zipf })
    }
}

/// Somebody's list, in all that is asked of it.
pub(crate) struct Contestant<B> {
    name: &'static str,
    ready: fn(&Prepared<B>) -> Result<Ready<B>, String>,
    make: fn(&[Entry<B>]) -> Duration,
    grow: fn(&[Entry<B>]) -> usize,
    change: Option<Changes<B>>,
    is_asked: bool,
    is_made: bool,
}

/// Makes a list and something that changes it so many times, in pairs of one prefix in and out again.
type Changes<B> =
    fn(&Prepared<B>, &Rc<[Entry<B>]>) -> Result<Box<dyn FnMut(u64) -> Duration>, String>;

impl<B: Family> Contestant<B> {
    pub(crate) fn of<L: List<B>>(name: &'static str) -> Self {
        Self {
            name,
            ready: |list| ready::<B, L>(&list.entries, &list.probes),
            make: make_one::<B, L>,
            grow: |entries| heap::growth(|| L::of(entries)).1,
            change: None,
            is_asked: true,
            is_made: true,
        }
    }

    pub(crate) fn changeable<L: Change<B>>(name: &'static str) -> Self {
        Self { change: Some(changes::<B, L>), ..Self::of::<L>(name) }
    }

    /// Another contestant is the same but for how it is changed.
    pub(crate) fn only_changed(self) -> Self {
        Self { is_asked: false, is_made: false, ..self }
    }

    /// Another contestant is the same but for what it is asked.
    pub(crate) fn only_asked(self) -> Self {
        Self { change: None, is_made: false, ..self }
    }
}

/// How many rounds, how long each is, and how many times its look-ups come before it, unmeasured. A few
/// megabytes that everybody else pushes out of the caches take a while to come back. What is measured is
/// short, so that in most rounds nobody else is let in.
struct Pace {
    rounds: usize,
    round: Duration,
    warm_up: f64,
}

const FEW_PREFIXES: usize = 10_000;
const SMALL: Pace = Pace { rounds: 81, round: Duration::from_millis(1), warm_up: 0.5 };
const LARGE: Pace = Pace { rounds: 41, round: Duration::from_millis(2), warm_up: 3.0 };

/// What is asked of each list, in the order of the columns.
const CELLS: usize = 7;

pub(crate) fn look_up<B: Family>(title: &str, list: &Prepared<B>, all: &[Contestant<B>]) {
    println!("\n### {title}\n");
    let mut measured = Vec::new();
    for contestant in all.iter().filter(|contestant| contestant.is_asked) {
        match (contestant.ready)(list) {
            Ok(Ready { list, heap_bytes }) => {
                measured.push((contestant.name, Rc::from(list), heap_bytes))
            }
            Err(why) => println!("**NOT MEASURED: {}: {why}**\n", contestant.name),
        }
    }
    let pace = if list.entries.len() < FEW_PREFIXES { SMALL } else { LARGE };
    let mut turns = Vec::new();
    let mut places = Vec::new();
    for (_, contestant, _) in &measured {
        places.push(cells(list).map(|(traffic, way)| {
            let contestant: Rc<dyn Measured<B>> = Rc::clone(contestant);
            contestant.time(traffic, way, BATCH..2 * BATCH)?;
            let traffic = traffic.clone();
            turns.push(Turns::new(pace.round, u64::MAX, move |count, turn| {
                // Another stretch of the traffic in each turn.
                let start = turn as usize * APART / BATCH * BATCH;
                let middle = start + (count as f64 * pace.warm_up) as usize / BATCH * BATCH;
                contestant.time(&traffic, way, start..middle).unwrap();
                contestant.time(&traffic, way, middle..middle + count as usize).unwrap()
            }));
            Some(turns.len() - 1)
        }));
    }
    interleave(&mut turns, pace.rounds);

    println!(
        "ns for an independent look-up (for a dependent one), in the fastest tenth of the rounds.\n"
    );
    println!(
        "| | in-table | uniform | Zipf | batch of {BATCH}, in-table | bytes a prefix | portcullis takes, in-table |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let ours =
        places.first().map(|places| places.map(|place| place.map(|at| turns[at].fastest_tenth())));
    for ((name, _, heap_bytes), places) in measured.iter().zip(&places) {
        let figures = places.map(|place| place.map(|at| turns[at].fastest_tenth()));
        let cells: [String; CELLS] =
            array::from_fn(|at| figures[at].map_or("–".to_owned(), figure));
        let [in_table, in_table_waits, uniform, uniform_waits, zipf, zipf_waits, batch] = cells;
        let bytes = figure(*heap_bytes as f64 / list.entries.len() as f64);
        let ratio =
            |at: usize| ours.and_then(|ours| Some(ours[at]? / figures[at]?)).unwrap_or(f64::NAN);
        println!(
            "| {name} | {in_table} ({in_table_waits}) | {uniform} ({uniform_waits}) | {zipf} ({zipf_waits}) \
             | {batch} | {bytes} | {:.2}x ({:.2}x) |",
            ratio(0),
            ratio(1)
        );
    }
    tell_spread(&turns);
}

fn cells<B>(list: &Prepared<B>) -> [(&Traffic<B>, Way); CELLS] {
    [
        (&list.in_table, Way::Independent),
        (&list.in_table, Way::Dependent),
        (&list.uniform, Way::Independent),
        (&list.uniform, Way::Dependent),
        (&list.zipf, Way::Independent),
        (&list.zipf, Way::Dependent),
        (&list.in_table, Way::Batch),
    ]
}

const MAKE_ROUNDS: usize = 7;

pub(crate) fn make<'a, B: Family>(
    title: &str,
    list: &Prepared<B>,
    all: impl Iterator<Item = &'a Contestant<B>>,
) {
    let all: Vec<_> = all.filter(|contestant| contestant.is_made).collect();
    let mut shuffled = list.entries.to_vec();
    Random::new(1).shuffle(&mut shuffled);
    let shuffled: Rc<[Entry<B>]> = shuffled.into();
    let mut turns = Vec::new();
    for contestant in &all {
        for entries in [&list.entries, &shuffled] {
            let (entries, make) = (Rc::clone(entries), contestant.make);
            turns.push(Turns::new(Duration::ZERO, 1, move |_, _| make(&entries)));
        }
    }
    interleave(&mut turns, MAKE_ROUNDS);

    println!("\n### {title}\n");
    println!("| | of a sorted list, ms | of a shuffled one | bytes a prefix | portcullis takes |");
    println!("|---|---:|---:|---:|---:|");
    let ours: [f64; 2] = array::from_fn(|at| turns[at].fastest_tenth());
    for (contestant, turns) in all.iter().zip(turns.chunks_exact(2)) {
        let [sorted, shuffled]: [f64; 2] = array::from_fn(|at| turns[at].fastest_tenth());
        let bytes = figure((contestant.grow)(&list.entries) as f64 / list.entries.len() as f64);
        println!(
            "| {} | {} | {} | {bytes} | {:.2}x, {:.2}x |",
            contestant.name,
            figure(sorted / 1e6),
            figure(shuffled / 1e6),
            ours[0] / sorted,
            ours[1] / shuffled
        );
    }
    tell_spread(&turns);
}

/// Without the time that it takes to throw it away.
fn make_one<B: Family, L: List<B>>(entries: &[Entry<B>]) -> Duration {
    let begun = Instant::now();
    let made = black_box(L::of(black_box(entries)));
    let took = begun.elapsed();
    drop(made);
    took
}

const CHANGE_ROUNDS: usize = 11;
const CHANGE_ROUND: Duration = Duration::from_millis(5);

pub(crate) fn change<'a, B: Family>(
    title: &str,
    list: &Prepared<B>,
    all: impl Iterator<Item = &'a Contestant<B>>,
) {
    println!("\n### {title}\n");
    let fresh = fresh(list);
    let (mut names, mut turns) = (Vec::new(), Vec::new());
    for contestant in all {
        let Some(change) = contestant.change else { continue };
        match change(list, &fresh) {
            Ok(mut change) => {
                names.push(contestant.name);
                turns.push(Turns::new(CHANGE_ROUND, u64::MAX, move |count, _| change(count)));
            }
            Err(why) => println!("**NOT MEASURED: {}: {why}**\n", contestant.name),
        }
    }
    interleave(&mut turns, CHANGE_ROUNDS);

    println!("| | a prefix in and out again, µs | portcullis takes |");
    println!("|---|---:|---:|");
    let ours = turns.first().map_or(f64::NAN, Turns::fastest_tenth);
    for (name, turns) in names.iter().zip(&turns) {
        let took = turns.fastest_tenth();
        println!("| {name} | {} | {:.2}x |", figure(took / 1e3), ours / took);
    }
    tell_spread(&turns);
}

/// Prefixes beside those of the list, that share no address with any of them: so that a set has something
/// to do, and does not lose anything else when they go.
fn fresh<B: Family>(list: &Prepared<B>) -> Rc<[Entry<B>]> {
    const WANTED: usize = 256;
    let mut random = Random::new(2);
    let mut seen = HashSet::new();
    std::iter::from_fn(|| Some(list.entries[random.below(list.entries.len())]))
        .take(1_000_000)
        .filter(|entry| entry.len > B::BITS / 2 && entry.len <= B::BITS / 4 * 3)
        .map(|entry| {
            // The other half of the prefix that is one bit shorter.
            let bit = B::host_mask(entry.len - 1).and(B::host_mask(entry.len).not());
            let bits = entry.bits.and(bit.not()).or(entry.bits.not().and(bit));
            Entry { bits, value: u32::MAX >> 2, ..entry }
        })
        .filter(|fresh| list.oracle.longest_match(fresh.bits).is_none())
        .filter(|fresh| {
            let next = list.entries.partition_point(|entry| entry.bits < fresh.bits);
            list.entries.get(next).is_none_or(|entry| entry.bits > fresh.last())
        })
        .filter(|fresh| seen.insert((fresh.bits, fresh.len)))
        .take(WANTED)
        .collect()
}

/// So many changes before the comparison with the oracle; they may take long.
const TRIED: usize = 4;

fn changes<B: Family, L: Change<B>>(
    list: &Prepared<B>,
    fresh: &Rc<[Entry<B>]>,
) -> Result<Box<dyn FnMut(u64) -> Duration>, String> {
    let mut made = L::of(&list.entries);
    for entry in fresh.iter().take(TRIED) {
        made.insert(entry);
        if made.answer(entry.last()) != L::expected(Some(entry)) {
            return Err("a prefix that was added is not found".to_owned());
        }
        made.remove(entry);
    }
    list.probes.compare(&made)?;
    let fresh = Rc::clone(fresh);
    let mut nth = 0;
    Ok(Box::new(move |count| {
        let begun = Instant::now();
        for _ in 0..count {
            let entry = &fresh[nth % fresh.len()];
            made.insert(entry);
            black_box(made.answer(entry.bits));
            made.remove(entry);
            nth += 1;
        }
        begun.elapsed()
    }))
}

/// How much to believe of a table. What it shows are the fastest tenths, since whoever else uses the machine
/// can only add to them.
fn tell_spread(turns: &[Turns]) {
    let mut spreads: Vec<f64> =
        turns.iter().map(|turns| turns.median() / turns.fastest_tenth()).collect();
    spreads.sort_by(f64::total_cmp);
    if let (Some(middle), Some(worst)) = (spreads.get(spreads.len() / 2), spreads.last()) {
        println!("\nMedians are {middle:.2}x of that, and {worst:.2}x at the worst.");
    }
}

/// Three digits, or all that are before the point.
fn figure(number: f64) -> String {
    let digits = if number < 9.995 {
        2
    } else if number < 99.95 {
        1
    } else {
        0
    };
    format!("{number:.digits$}")
}
