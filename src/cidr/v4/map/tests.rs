//! The compiled map against its runs, sorted.

use std::{collections::BTreeMap, vec::Vec};

use proptest::prelude::*;

use super::{Form, Map4, Wide, chunk::Entry};
use crate::{
    cidr::{
        addr::Bits,
        reference::Sorted,
        runs::{Mark, Run, Runs, of_prefixes},
        table::Table,
        tags::Tags,
    },
    test_support::cases,
};

type Runs4 = Vec<Run<u32, Mark>>;

const fn mark(tag: u32) -> Mark {
    Mark { tag, len: (tag % 33) as u8 }
}

/// The runs that end at `ends` and at the last address, with marks that tell them apart.
fn ending_at(ends: impl IntoIterator<Item = u32>) -> Runs4 {
    let mut runs = Runs::new();
    for (end, tag) in ends.into_iter().chain([u32::MAX]).zip(1..) {
        runs.push(end, mark(tag));
    }
    runs.into_vec()
}

/// The runs of prefixes, each with a tag of its own.
fn holding(prefixes: impl IntoIterator<Item = (u32, u8)>) -> Runs4 {
    let sorted: BTreeMap<_, _> =
        prefixes.into_iter().map(|(addr, len)| ((addr.first_of(len), len), ())).collect();
    let tagged = sorted.into_keys().zip(1..).map(|((addr, len), tag)| (addr, Mark { tag, len }));
    of_prefixes(tagged, Mark::default(), 0, u32::MAX).into_vec()
}

/// Some 4,100 runs in the last /16s but one, which make any map a wide one.
fn ballast() -> impl Iterator<Item = u32> {
    (0..4_100).map(|n| 0xfef0_0000 + n * 64)
}

fn widened(ends: impl IntoIterator<Item = u32>) -> Runs4 {
    let mut all: Vec<_> = ends.into_iter().chain(ballast()).filter(|end| *end < u32::MAX).collect();
    all.sort_unstable();
    all.dedup();
    ending_at(all)
}

/// I1 and I3, at every end of every run and next to it.
fn assert_same(map: &Map4, runs: &[Run<u32, Mark>]) {
    let sorted = Sorted::build(runs);
    let addrs: Vec<u32> = runs
        .iter()
        .flat_map(|run| [run.last.wrapping_sub(1), run.last, run.last.wrapping_add(1)])
        .chain([0, u32::MAX])
        .collect();
    let mut marks = Vec::from_iter(addrs.iter().map(|_| mark(7)));
    map.marks(&addrs, &mut marks);
    let mut tags = Vec::from_iter(addrs.iter().map(|_| 7));
    map.tags(&addrs, &mut tags);
    assert!(tags.iter().eq(marks.iter().map(|mark| &mark.tag)));
    for (addr, batched) in addrs.iter().zip(&marks) {
        assert_eq!(map.mark(*addr), sorted.mark(*addr), "{addr:#x}");
        assert_eq!(*batched, sorted.mark(*addr), "{addr:#x} in a batch");
    }
    assert!(map.runs_from(0).eq(runs.iter().copied()));
    for addr in addrs.iter().step_by(addrs.len() / 8 + 1) {
        assert_eq!(map.run_start(*addr), sorted.run_start(*addr), "{addr:#x}");
        assert!(map.runs_from(*addr).take(5).eq(sorted.runs_from(*addr).take(5)), "{addr:#x}");
    }
}

fn assert_built(runs: &[Run<u32, Mark>]) -> Map4 {
    let map = Map4::build(runs);
    assert_same(&map, runs);
    assert!(map.heap_bytes() <= bound(runs), "{} > {}", map.heap_bytes(), bound(runs));
    let least = if runs.len() > 4_096 { 256 << 10 } else { (runs.len() - 1) * (4 + 3) };
    assert!(map.heap_bytes() >= least, "{} < {least}", map.heap_bytes());
    map
}

/// The most bytes that runs may take, as the module says.
fn bound(runs: &[Run<u32, Mark>]) -> usize {
    if runs.len() <= 4_096 {
        return 64 + runs.len() * (16 + 5);
    }
    let slot = if runs.iter().any(|run| run.mark.tag > 65_534) { 5 } else { 3 };
    let mut touched: Vec<u32> =
        runs.iter().flat_map(|run| [run.last >> 16, run.last.wrapping_add(1) >> 16]).collect();
    touched.sort_unstable();
    touched.dedup();
    (256 << 10) + 1_000 + touched.len() * (136 + slot) + runs.len() * (17 + slot)
}

#[test]
fn an_empty_map_says_the_default_of_everything() {
    assert_same(&Map4::EMPTY, &[Run { last: u32::MAX, mark: Mark::default() }]);
    assert_eq!(Map4::EMPTY.heap_bytes(), 0);
    assert_built(&[Run { last: u32::MAX, mark: mark(3) }]);
}

/// Numbers of runs at the capacities of each kind, each in /16s of its own, as hosts at either end of
/// the /16, as hosts all over it, and as /24s, with and without a border that no /24 has.
#[test]
fn every_number_of_runs_finds_its_kind() {
    let [line, tree] = Entry::MOST.map(|runs| runs as u32);
    let counts = [1, 2, 3, line - 1, line, line + 1, line + 2, 2 * line, 2 * line + 1, 255, 256];
    let more = [257, tree - 1, tree, tree + 1, 4_097];
    let mut ends = Vec::new();
    let mut nets = (0..0xffff_u32).step_by(2).map(|net| net << 16);
    for most in counts.into_iter().chain(more).map(|runs| runs - 1) {
        let [early, apart, late] = core::array::from_fn(|_| nets.next().unwrap());
        ends.extend((0..most).map(|n| early + n));
        ends.extend((0..most).map(|n| apart + n * (0xfffe / most.max(1))));
        ends.extend((0..most).map(|n| late + 0xfffe - n));
    }
    for most in [1, 2, 3, 31, 32, 33, 127, 254, 255_u32] {
        let [early, late, mixed] = core::array::from_fn(|_| nets.next().unwrap());
        ends.extend((0..most).map(|n| early + n * 256 + 255));
        ends.extend((0..most).map(|n| late + 0xfeff - n * 256));
        ends.extend((0..most).map(|n| mixed + n * 256 + 255).chain([mixed + 100]));
    }
    // As many as there can be, in the last /16, and below in the first one.
    ends.extend(0xffff_0000..=0xffff_ffff);
    ends.sort_unstable();
    ends.dedup();
    assert_built(&ending_at(ends));
    let first = ending_at(0..0xffff);
    assert_built(&first);
}

#[test]
fn kinds_live_next_to_each_other() {
    let ends = (0..90_u32).flat_map(|net| {
        let runs = [0, 1, 5, 32, 33, 200, 1_088, 1_089, 3_000][net as usize % 9];
        let step = if net % 2 == 0 { 256 } else { 7 };
        let fits = (0..runs).map(move |n| n * step + step - 1).take_while(|low| *low < 0xffff);
        // Each other /16 ends with a run of its own, and the others go on in the next.
        let whole = (net % 4 == 0).then_some(0xffff);
        fits.chain(whole).map(move |low| (0x0a00 + net) << 16 | low)
    });
    assert_built(&widened(ends));
}

/// The tables that make the most of something: the bounds of memory and of reads.
#[test]
#[cfg_attr(miri, ignore = "10,000 and more prefixes")]
fn worst_cases_stay_within_the_bounds() {
    // Alternating hosts.
    assert_built(&holding((0..3_000).map(|n| (0x0a00_0000 + 2 * n, 32))));
    // A host in each /24, and in each 16th /16.
    assert_built(&holding((0..3_000).map(|n| (0x0a00_0007 + (n << 8), 32))));
    assert_built(&holding((0..0x1000).map(|n| (n << 20 | 0x8000, 32))));
    // As few runs as make a /16 dense.
    let dense = (0..8_u32).flat_map(|net| (0..1_090).map(move |n| net << 16 | (n * 60)));
    assert_built(&ending_at(dense));
    // Chains from /0 to /32.
    let chains = (0..100_u32).map(|n| n.wrapping_mul(0x9e37_79b9));
    let chains = holding(chains.flat_map(|addr| (0..=32).map(move |len| (addr, len))));
    assert_built(&chains);
    // More tags than two bytes tell apart, and the one that is reserved.
    let mut many = holding((0..6_000_u32).map(|n| (n.wrapping_mul(0x9e37_79b9), 32)));
    many.iter_mut().for_each(|run| run.mark.tag += 60_000);
    assert_built(&many);
    many[10].mark.tag = Tags::LAST;
    many[20].mark.tag = Tags::RESERVED;
    assert_built(&many);
}

/// Addresses at the borders of /16s and /24s and next to them, few enough to meet.
fn edgy() -> impl Strategy<Value = u32> {
    let around = |step: u32, count: u32| {
        (0..count, -2..3_i32).prop_map(move |(n, off)| (n * step).wrapping_add_signed(off))
    };
    prop_oneof![
        3 => around(1 << 16, 20),
        3 => around(1 << 8, 600),
        2 => (0..600_u32).prop_map(|n| 0x0003_0000 + n),
        1 => (0..4_u32).prop_map(|n| u32::MAX - n),
        1 => any::<u32>(),
    ]
}

fn some_runs() -> impl Strategy<Value = Runs4> {
    let aligned = (any::<u16>(), 0..4_u32).prop_map(|(n, _)| (u32::from(n) % 1_024) << 8 | 0xff);
    let ends = prop_oneof![
        prop::collection::vec((edgy(), 0..5_u32), 0..100),
        prop::collection::vec((aligned, 0..5_u32), 0..100),
        prop::collection::vec(((0..300_u32).prop_map(|n| 0x0002_ff80 + n), 0..5_u32), 0..150),
    ];
    ends.prop_map(|mut ends| {
        ends.sort_unstable();
        let mut runs = Runs::new();
        ends.into_iter().for_each(|(end, tag)| runs.push(end, mark(tag)));
        runs.push(u32::MAX, Mark::default());
        runs.into_vec()
    })
}

/// The runs in wide form, however few they are.
fn wide(runs: &[Run<u32, Mark>]) -> Map4 {
    Map4(Form::Wide(Wide::new(runs)))
}

proptest! {
    #![proptest_config(cases(100))]

    /// I1, I3
    #[test]
    fn a_map_is_its_runs(runs in some_runs()) {
        assert_built(&runs);
        assert_same(&wide(&runs), &runs);
    }

    /// I2
    #[test]
    fn an_edited_map_is_one_built_anew(
        start in some_runs(),
        edits in prop::collection::vec((some_runs(), edgy(), edgy()), 1..4),
    ) {
        let mut sorted = Sorted::build(&start);
        let mut maps = [Map4::build(&start), wide(&start)];
        for (runs, first, last) in edits {
            let (first, last) = (first.min(last), first.max(last));
            let within = runs.into_iter().filter(|run| run.last >= first);
            let new = within.map(|run| Run { last: run.last.min(last), ..run });
            let new = Runs::from_iter(new).into_vec();
            sorted.replace(first, &new);
            for map in &mut maps {
                map.replace(first, &new);
                prop_assert!(map.runs_from(0).eq(sorted.runs_from(0)));
            }
        }
        maps.iter().for_each(|map| assert_same(map, &Vec::from_iter(sorted.runs_from(0))));
    }
}

/// Many edits of one place leave no more behind than may be: I2 of the wide form.
#[test]
fn edits_do_not_pile_up() {
    let runs = ending_at((0..1_200).map(|n| 0x0a00_0000 + n * 7));
    let (mut map, mut sorted) = (wide(&runs), Sorted::build(&runs));
    for n in 0..200_u32 {
        let host = [Run { last: 0x0a00_0000 + n * 111 % 50_000, mark: mark(n % 50) }];
        let first = host[0].last - n % 3;
        map.replace(first, &host);
        sorted.replace(first, &host);
        let net = [Run { last: 0x0b00_ffff + (n << 16) % 0x0010_0000, mark: mark(n % 9) }];
        map.replace(net[0].last - 0xffff, &net);
        sorted.replace(net[0].last - 0xffff, &net);
    }
    let expected: Vec<_> = sorted.runs_from(0).collect();
    assert_same(&map, &expected);
    assert!(map.heap_bytes() < bound(&expected) * 4 / 3);
    // And a map of one run is an empty one again.
    map.replace(0, &[Run { last: u32::MAX, mark: Mark::default() }]);
    assert_same(&map, &[Run { last: u32::MAX, mark: Mark::default() }]);
    assert_eq!(map.heap_bytes(), 0);
}

/// Few runs are not enough: whoever edits a map of about as many as a small one has room for would build
/// it anew with each edit.
#[test]
fn a_map_of_few_runs_stays_wide_until_it_is_copied_anyway() {
    let is_wide = |map: &Map4| matches!(map.0, Form::Wide(_));
    let mut map = wide(&ending_at((0..699).map(|n| 0x0a00_0000 + n)));
    let host = |tag| [Run { last: 0x0a00_0005, mark: mark(tag) }];
    map.replace(0x0a00_0005, &host(800));
    assert!(is_wide(&map));
    map.replace(0x0a00_0005, &host(801));
    assert!(!is_wide(&map));
    assert_eq!(map.mark(0x0a00_0005), mark(801));
}

/// A wide map comes to few runs, of which most have two slots, and is small again.
#[test]
fn a_map_of_few_runs_is_small_again_however_many_slots_they_have() {
    let host = |n: u32| n << 16 | 7;
    let mut map = Map4::build(&holding((0..2_100).map(|n| (host(n), 32))));
    let is_wide = |map: &Map4| matches!(map.0, Form::Wide(_));
    assert!(is_wide(&map));
    for n in 1_000..2_100 {
        map.replace(host(n), &[Run { last: host(n), mark: Mark::default() }]);
        if !is_wide(&map) {
            return assert!(n < 1_700, "{n}");
        }
    }
    panic!("still wide");
}
