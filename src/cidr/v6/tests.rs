//! The tables against sorted runs: hostile shapes, every boundary, and edits.

use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::{Map6, Set6, Table6, answers::Kept, cut::Sizes, pieces::Pieces};
use crate::{
    cidr::{
        addr::{Bits, MAPPED_FIRST, MAPPED_LAST},
        reference::Sorted,
        runs::{Mark, Run, Runs, of_prefixes, of_ranges},
        table::Table,
    },
    test_support::cases,
};

const NET: u128 = 0x2001_0db8 << 96;

/// A mark of either kind, from a number.
trait Numbered: Kept {
    fn numbered(number: u8) -> Self;
}

impl Numbered for bool {
    fn numbered(number: u8) -> Self {
        number & 1 == 1
    }
}

impl Numbered for Mark {
    fn numbered(number: u8) -> Self {
        match number {
            0 => Self::default(),
            // Some do not fit two bytes.
            200.. => Self { tag: u32::from(number) << 16, len: number >> 1 },
            _ => Self { tag: u32::from(number % 8) + 1, len: number >> 1 },
        }
    }
}

/// What both a table and its pieces are asked.
trait Asked<M> {
    fn mark_of(&self, addr: u128) -> M;
    fn start_of_run(&self, addr: u128) -> u128;
    fn runs_after(&self, addr: u128, count: usize) -> Vec<Run<u128, M>>;
}

impl<M: Kept> Asked<M> for Table6<M> {
    fn mark_of(&self, addr: u128) -> M {
        self.mark(addr)
    }

    fn start_of_run(&self, addr: u128) -> u128 {
        self.run_start(addr)
    }

    fn runs_after(&self, addr: u128, count: usize) -> Vec<Run<u128, M>> {
        self.runs_from(addr).take(count).collect()
    }
}

impl<M: Kept> Asked<M> for Pieces<M> {
    fn mark_of(&self, addr: u128) -> M {
        self.mark(addr)
    }

    fn start_of_run(&self, addr: u128) -> u128 {
        self.run_start(addr)
    }

    fn runs_after(&self, addr: u128, count: usize) -> Vec<Run<u128, M>> {
        self.runs_from(addr).take(count).collect()
    }
}

/// Addresses at which a table may go wrong: each boundary and one beside it, those of the /64 around
/// it, and the ends of everything; of every `step`th boundary only.
fn tricky<M>(runs: &[Run<u128, M>], step: usize) -> Vec<u128> {
    let ends = runs.iter().map(|run| run.last).step_by(step);
    let edges = [0, u64::MAX.into(), MAPPED_FIRST, MAPPED_LAST, NET, u128::MAX << 64, u128::MAX];
    let around = ends.chain(edges).flat_map(|end| {
        let (first, last) = (end.first_of(64), end.last_of(64));
        [
            Some(end),
            end.previous(),
            end.next(),
            Some(first),
            first.previous(),
            Some(last),
            last.next(),
        ]
    });
    let mut addrs: Vec<u128> = around.flatten().collect();
    addrs.sort_unstable();
    addrs.dedup();
    addrs
}

/// Compares with sorted runs, at the addresses around every `step`th boundary.
fn agrees<M: Kept>(asked: &impl Asked<M>, sorted: &Sorted<u128, M>, step: usize) {
    let runs: Vec<_> = sorted.runs_from(0).collect();
    assert_eq!(asked.runs_after(0, usize::MAX), runs, "I5, I9");
    for (at, addr) in tricky(&runs, step).into_iter().enumerate() {
        assert_eq!(asked.mark_of(addr), sorted.mark(addr), "at {addr:#x}");
        if at % 5 == 0 || runs.len() < 20 {
            assert_eq!(asked.start_of_run(addr), sorted.run_start(addr), "at {addr:#x}");
            let after: Vec<_> = sorted.runs_from(addr).take(3).collect();
            assert_eq!(asked.runs_after(addr, 3), after, "at {addr:#x}");
        }
    }
}

/// Compares a table with its sorted runs, and in batches with itself.
fn table_agrees<M: Kept>(table: &Table6<M>, sorted: &Sorted<u128, M>, step: usize) {
    agrees(table, sorted, step);
    let runs: Vec<_> = sorted.runs_from(0).collect();
    let addrs = tricky(&runs, step);
    for part in addrs.chunks(61) {
        let mut marks = vec![M::default(); part.len()];
        table.marks(part, &mut marks);
        let singly: Vec<M> = part.iter().map(|addr| table.mark(*addr)).collect();
        assert_eq!(marks, singly);
    }
    // I6, and that there is a root where there are several pieces.
    assert_eq!(table.root.is_some(), table.pieces.count() > 1);
    for block in 0x1ff0..0x4010_u128 {
        let addr = block << 112;
        assert_eq!(table.mark(addr), sorted.mark(addr), "I6 at {addr:#x}");
        if let (Some(root), 0x2000..0x4000) = (&table.root, block) {
            let run = sorted.runs_from(addr).next().unwrap();
            let whole = (run.last >= addr.last_of(16)).then_some(run.mark);
            assert_eq!(root.mark(addr), whole, "I6 at {addr:#x}");
        }
    }
}

fn told<M: Numbered>(cuts: &[(u128, u8)]) -> Vec<Run<u128, M>> {
    let mut cuts = cuts.to_vec();
    cuts.sort_unstable();
    let mut runs = Runs::new();
    cuts.iter().for_each(|&(last, number)| runs.push(last, M::numbered(number)));
    runs.push(u128::MAX, M::numbered(cuts.len().to_le_bytes()[0]));
    runs.into_vec()
}

/// Addresses that are close to each other, and on both sides of lengths that matter.
fn addr() -> impl Strategy<Value = u128> {
    let base = prop_oneof![
        Just(0),
        Just(u128::MAX),
        Just(u128::MAX << 64),
        Just(MAPPED_FIRST),
        Just(NET),
        Just(NET | 5 << 64),
        any::<u128>(),
        (0..4_u128).prop_map(|net| NET | net << 64),
        (0x1ffe..0x2004_u128).prop_map(|top| top << 112),
    ];
    let len = prop_oneof![Just(16_u8), Just(48), 63..=66_u8, 96..=97_u8, 126..=128_u8, 0..=128_u8];
    (base, len, 0..4_u128, 0..3_u8).prop_map(|(base, len, nth, side)| {
        let step = 1_u128.checked_shl((128 - len).into()).unwrap_or(0);
        let addr = base.wrapping_add(step.wrapping_mul(nth)).first_of(len);
        match side {
            0 => addr,
            1 => addr.last_of(len),
            _ => addr.wrapping_sub(1),
        }
    })
}

fn cuts(most: usize) -> impl Strategy<Value = Vec<(u128, u8)>> {
    let number = prop_oneof![Just(0_u8), 0..4_u8, any::<u8>()];
    prop::collection::vec((addr(), number), 0..most)
}

/// From where, to where, and what is cut in between.
type Edit = (u128, u128, Vec<(u128, u8)>);

fn edit() -> impl Strategy<Value = Edit> {
    (
        prop_oneof![4 => addr(), 1 => Just(0)],
        prop_oneof![4 => addr(), 1 => Just(u128::MAX)],
        cuts(12),
    )
}

/// The runs of an edit, which cover its stretch.
fn stretch<M: Numbered>((from, to, cuts): &Edit) -> (u128, Vec<Run<u128, M>>) {
    let (first, last) = (*from.min(to), *from.max(to));
    let within = told::<M>(cuts).into_iter().filter(|run| run.last >= first);
    let runs = Runs::from_iter(within.map(|run| Run { last: run.last.min(last), ..run }));
    (first, runs.into_vec())
}

fn built_and_edited<M: Numbered>(cuts: &[(u128, u8)], edits: &[Edit]) {
    let runs = told::<M>(cuts);
    let mut sorted = Sorted::build(&runs);
    let mut table = Table6::<M>::build(&runs);
    let mut small = Pieces::<M>::new(&runs, Sizes::SMALL);
    agrees(&table, &sorted, 1);
    agrees(&small, &sorted, 1);
    for edit in edits {
        let (first, new) = stretch::<M>(edit);
        sorted.replace(first, &new);
        table.replace(first, &new);
        small.replace(first, &new, Sizes::SMALL);
        agrees(&table, &sorted, 1);
        agrees(&small, &sorted, 1);
        sound(&small, Sizes::SMALL);
    }
}

/// I7 and I8 by count of the stored runs, whose empty ones and deep ones may be a few more.
fn sound<M: Kept>(pieces: &Pieces<M>, sizes: Sizes) {
    let all: Vec<_> = pieces.iter_from(0).collect();
    assert_eq!(all.last().unwrap().last(), u128::MAX, "I7");
    assert!(all.windows(2).all(|pair| pair[0].last() < pair[1].last()), "I7");
    for piece in &all {
        let runs = Runs::from_iter(piece.runs()).into_vec();
        assert!(runs.len() <= sizes.most(), "I8: {}", runs.len());
        assert!(runs.len() >= sizes.fewest || all.len() == 1, "I8: {}", runs.len());
        assert_eq!(runs.last().unwrap().last, piece.last(), "I7");
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn sets_agree_with_sorted_runs_before_and_after_edits(
        cuts in cuts(40), edits in prop::collection::vec(edit(), 0..3),
    ) {
        built_and_edited::<bool>(&cuts, &edits);
    }

    #[test]
    fn maps_agree_with_sorted_runs_before_and_after_edits(
        cuts in cuts(40), edits in prop::collection::vec(edit(), 0..3),
    ) {
        built_and_edited::<Mark>(&cuts, &edits);
    }
}

/// Numbers that look random and are the same each time.
fn numbers(seed: u64) -> impl FnMut() -> u128 {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    move || u128::from(next()) << 64 | u128::from(next())
}

/// A set of prefixes and a map of them, which must agree with sorted runs.
fn of(mut prefixes: Vec<(u128, u8)>, step: usize) -> (Set6, Map6, usize) {
    prefixes.sort_unstable();
    prefixes.dedup();
    let ranges = prefixes.iter().map(|&(from, len)| (from, from.last_of(len)));
    let mut apart: Vec<(u128, u128)> = Vec::new();
    for (from, to) in ranges {
        match apart.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
            _ => apart.push((from, to)),
        }
    }
    let runs = of_ranges(apart, 0, u128::MAX).into_vec();
    let (set, in_set) = (Set6::build(&runs), runs.len());
    table_agrees(&set, &Sorted::build(&runs), step);
    sound(&set.pieces, Sizes::USUAL);

    let marked = prefixes
        .iter()
        .zip(1..)
        .map(|(&(from, len), tag)| (from, Mark { tag: tag % 60_000 + 1, len }));
    let runs = of_prefixes(marked, Mark::default(), 0, u128::MAX).into_vec();
    let map = Map6::build(&runs);
    table_agrees(&map, &Sorted::build(&runs), step);
    sound(&map.pieces, Sizes::USUAL);
    // An end of a run is half an address at least; the last one of a piece is not stored in its tree.
    let ends = |runs: usize, pieces: usize| 8 * runs.saturating_sub(pieces);
    assert!(set.heap_bytes() >= ends(in_set, set.pieces.count()));
    assert!(map.heap_bytes() >= ends(runs.len(), map.pieces.count()) + 3 * (runs.len() - 1));
    (set, map, runs.len())
}

/// The bounds that the module promises, for a map of so many runs.
fn within_bounds(map: &Map6, runs: usize) {
    let most = runs * 19 + map.pieces.count() * 1_000 + 28_100;
    assert!(map.heap_bytes() <= most, "{} bytes for {runs} runs", map.heap_bytes());
    assert!(map.pieces.iter_from(0).all(|piece| piece.depth() <= 9));
    assert!(map.pieces.depth() <= 5);
}

#[test]
fn small_tables_of_every_size_agree() {
    for size in [0, 1, 2, 3, 4, 5, 8, 9, 10, 36, 40, 41, 45, 72, 73, 80, 81, 82, 364, 365] {
        let nets: Vec<_> = (0..size).map(|net| (NET | net << 81, 48)).collect();
        of(nets, 1);
        let hosts: Vec<_> = (0..size).map(|host| (NET | host << 1, 128)).collect();
        of(hosts, 1);
    }
}

/// Runs that end with the first address of a block, or with its last but one, are not the block.
#[test]
fn a_root_tells_whole_blocks_from_all_but_one_address() {
    let mut nets: Vec<_> = (0..8_000).map(|net| (NET | net << 66, 64)).collect();
    let block = |block: u128| block << 112;
    nets.extend([(block(0x2400), 128), (block(0x2402) - 1, 128), (block(0x3fff), 128)]);
    nets.extend([(block(0x2404), 16), (block(0x2410), 12)]);
    of(nets, 97);
}

/// I4, where both take the same, and next to it.
#[test]
fn a_piece_is_narrow_if_that_takes_no_more() {
    for (runs, is_narrow) in [(7_u128, false), (8, true), (9, true)] {
        // All end between two /64s but the fourth: that /64 is a run more, and two parts; one run more is
        // empty, so that the others have the right numbers. So it is 8 (n + 2) + 3 * 16 or 16 n bytes.
        let end = |run: u128| match run {
            3 => 3 << 70 | 5,
            _ if run + 1 == runs => u128::MAX,
            _ => run << 70 | u128::from(u64::MAX),
        };
        let runs: Vec<_> =
            (0..runs).map(|run| Run { last: end(run), mark: run % 2 == 1 }).collect();
        let piece = super::piece::Piece::<bool>::new(0, &runs, u128::MAX);
        assert_eq!(piece.narrow().is_some(), is_narrow, "{} runs", runs.len());
        assert!(Runs::from_iter(piece.runs()).into_vec() == runs);
    }
}

fn stored<M: Kept>(pieces: &Pieces<M>) -> usize {
    pieces.iter_from(0).map(|piece| piece.runs().count()).sum()
}

/// Where a table is cut: between two /64s if it can be, and so that no run is stored twice for it.
#[test]
fn pieces_are_cut_between_two_64s() {
    let nets: Vec<_> = (0..20_000).map(|net| (NET | net << 65, 64)).collect();
    let (set, map, runs) = of(nets, 97);
    assert_eq!((stored(&set.pieces), stored(&map.pieces)), (runs, runs));
    // I4: narrow, so that a run takes 11 bytes; 19 it would be.
    assert!(map.heap_bytes() < runs * 13, "{} bytes for {runs} runs", map.heap_bytes());
    let addrs = core::array::from_fn(|at| NET | (at as u128 * 2_500) << 65);
    assert_eq!(set.pieces.marks_of_many::<8>(&addrs), Some([true; 8]));
    assert_eq!(map.pieces.marks_of_many::<8>(&addrs), Some(addrs.map(|addr| map.mark(addr))));
    // One in the midst of each /64.
    let hosts: Vec<_> = (0..50_000).map(|host| (NET | host << 64 | 7, 128)).collect();
    let (set, map, runs) = of(hosts, 997);
    let is_between = |last: u128| last == last.last_of(64);
    // Each cut is within a run, so that both pieces have a part of it.
    let cuts = |pieces: usize| pieces - 1;
    assert!(set.pieces.count() > 10 && map.pieces.count() > 10);
    assert_eq!(stored(&set.pieces), runs + cuts(set.pieces.count()));
    assert_eq!(stored(&map.pieces), runs + cuts(map.pieces.count()));
    assert!(set.pieces.iter_from(0).all(|piece| is_between(piece.last())));
    assert!(map.pieces.iter_from(0).all(|piece| is_between(piece.last())));
    // The pieces, their shells, and what finds them: a guide, and a tree of four nodes.
    let shell = size_of::<super::piece::Piece<Mark>>() + 24;
    let each = map.pieces.iter_from(0).map(|piece| piece.heap_bytes() + shell).sum::<usize>();
    assert!(map.pieces.heap_bytes() >= each + 2_048 + 4 * 64);
    // So that wide pieces are asked together, too.
    let addrs = core::array::from_fn(|at| NET | (at as u128 * 6_000) << 64 | 7);
    assert_eq!(set.pieces.marks_of_many::<8>(&addrs), Some([true; 8]));
    assert_eq!(map.pieces.marks_of_many::<8>(&addrs), Some(addrs.map(|addr| map.mark(addr))));
}

#[test]
#[cfg_attr(miri, ignore = "10,000 and more prefixes")]
fn a_dense_64_stays_within_bounds() {
    let hosts: Vec<_> = (0..200_000_u128).map(|host| (NET | (host * 2), 128)).collect();
    let (_, map, runs) = of(hosts, 97);
    assert!(runs >= 400_000);
    within_bounds(&map, runs);
}

#[test]
#[cfg_attr(miri, ignore = "10,000 and more prefixes")]
fn random_hosts_stay_within_bounds() {
    let mut random = numbers(7);
    let hosts: Vec<_> = (0..200_000).map(|_| (random(), 128)).collect();
    let (_, map, runs) = of(hosts, 97);
    within_bounds(&map, runs);
}

#[test]
#[cfg_attr(miri, ignore = "10,000 and more prefixes")]
fn one_host_in_each_64_and_whole_64s_between_agree() {
    let hosts: Vec<_> = (0..20_000_u128).map(|net| (NET | net << 64 | 7, 128)).collect();
    let (_, map, runs) = of(hosts, 31);
    within_bounds(&map, runs);
    // A few deep ones among many that are not, so that pieces are narrow.
    let mixed: Vec<_> = (0..20_000_u128)
        .map(|net| match net % 50 {
            0 => (NET | net << 65 | 1 << 63, 65),
            1 => (NET | net << 65 | u128::from(u64::MAX), 128),
            2 => (NET | net << 65, 128),
            _ => (NET | net << 65, 64),
        })
        .collect();
    let (_, map, runs) = of(mixed, 31);
    within_bounds(&map, runs);
    assert!(map.pieces.iter_from(0).all(|piece| piece.narrow().is_some()), "I4");
}

#[test]
fn nested_chains_stay_within_bounds() {
    let mut random = numbers(3);
    let mut chains: Vec<(u128, u8)> = (0..300)
        .flat_map(|_| {
            let host = random();
            (65..=127_u8).map(move |len| (host.first_of(len), len))
        })
        .collect();
    chains.extend((0..=128).map(|len| (NET.first_of(len), len)));
    chains.extend((0..=128).map(|len| (u128::MAX.first_of(len), len)));
    let (_, map, runs) = of(chains, 17);
    within_bounds(&map, runs);
}

#[test]
fn everything_and_nothing_need_no_memory() {
    assert_eq!(Set6::EMPTY.heap_bytes(), 0);
    assert_eq!(Map6::EMPTY.heap_bytes(), 0);
    assert_eq!(Map6::EMPTY.mark(NET), Mark::default());
    assert_eq!(
        Set6::EMPTY.runs_from(NET).collect::<Vec<_>>(),
        [Run { last: u128::MAX, mark: false }]
    );
    assert_eq!(Set6::EMPTY.run_start(NET), 0);
    let all = Set6::build(&[Run { last: u128::MAX, mark: true }]);
    assert!(all.mark(0) && all.mark(NET) && all.mark(u128::MAX));
    assert_eq!(all.heap_bytes(), 0);
}

/// A large table under edits that grow, empty and join its pieces.
fn large_under_edits<M: Numbered>() {
    let mut random = numbers(11);
    let mut some = |count: usize, high: u128, low: u128| -> Vec<(u128, u8)> {
        (0..count)
            .map(|_| {
                let addr = NET ^ (random() & (high << 64)) ^ (random() & low);
                (addr | (u128::from(u64::MAX) * u128::from(low == 0)), random().to_le_bytes()[0])
            })
            .collect()
    };
    let cuts = some(30_000, 0xffff_ffff_ffff, 0);
    let runs = told::<M>(&cuts);
    let mut sorted = Sorted::build(&runs);
    let mut table = Table6::<M>::build(&runs);
    let at = |eighth: u128| NET.first_of(16) | eighth << 109;
    let edits = [
        (at(3), at(3) + 5, vec![]),
        // Grows one piece beyond what it can hold.
        (NET, NET.last_of(33), some(9_000, 0x7fff_ffff, u128::from(u64::MAX))),
        // Empties some, and what is left of the first and the last is joined.
        (at(1), at(6), vec![]),
        (at(2), at(5), some(40, 0xffff_ffff_ffff, u128::MAX)),
        // Across the edges of the root.
        (0x1fff << 112, 0x2000_8000 << 96, some(10, 0xffff << 48, 0)),
        (0x3fff_8000 << 96, 0x4000 << 112, vec![]),
        // Everything becomes small, then large again.
        (0, u128::MAX, vec![]),
        (0, u128::MAX, some(8_000, u64::MAX.into(), u64::MAX.into())),
        (0, u128::MAX, some(30, 0xffff_ffff_ffff, 0)),
    ];
    for edit in &edits {
        let (first, new) = stretch::<M>(edit);
        sorted.replace(first, &new);
        table.replace(first, &new);
        table_agrees(&table, &sorted, 23);
        sound(&table.pieces, Sizes::USUAL);
    }
}

#[test]
#[cfg_attr(miri, ignore = "10,000 and more prefixes")]
fn large_sets_agree_after_edits() {
    large_under_edits::<bool>();
}

#[test]
#[cfg_attr(miri, ignore = "10,000 and more prefixes")]
fn large_maps_agree_after_edits() {
    large_under_edits::<Mark>();
}
