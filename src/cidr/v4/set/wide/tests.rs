//! Wide tables and [`Set4`] against the runs in a sorted array.

use std::{collections::BTreeSet, vec, vec::Vec};

use proptest::{prelude::*, test_runner::Config};

use super::*;
use crate::{
    cidr::{
        addr::Bits,
        reference::Sorted,
        runs::{Run, of_ranges},
        table::Table,
        v4::Set4,
    },
    test_support::cases,
};

type SetRun = Run<u32, bool>;

/// What is asked of a table, so that one check does for both.
trait Asked {
    fn mark(&self, addr: u32) -> bool;
    fn marks(&self, addrs: &[u32], marks: &mut [bool]);
    fn runs_from(&self, addr: u32, at_most: usize) -> Vec<SetRun>;
    fn run_start(&self, addr: u32) -> u32;
}

impl Asked for Wide {
    fn mark(&self, addr: u32) -> bool {
        self.contains(addr)
    }

    fn marks(&self, addrs: &[u32], marks: &mut [bool]) {
        self.contain(addrs, marks);
    }

    fn runs_from(&self, addr: u32, at_most: usize) -> Vec<SetRun> {
        self.runs_in(addr, u32::MAX).take(at_most).collect()
    }

    fn run_start(&self, addr: u32) -> u32 {
        Self::run_start(self, addr)
    }
}

impl Asked for Set4 {
    fn mark(&self, addr: u32) -> bool {
        Table::mark(self, addr)
    }

    fn marks(&self, addrs: &[u32], marks: &mut [bool]) {
        Table::marks(self, addrs, marks);
    }

    fn runs_from(&self, addr: u32, at_most: usize) -> Vec<SetRun> {
        Table::runs_from(self, addr).take(at_most).collect()
    }

    fn run_start(&self, addr: u32) -> u32 {
        Table::run_start(self, addr)
    }
}

fn around(addr: u32) -> [u32; 3] {
    [addr.saturating_sub(1), addr, addr.saturating_add(1)]
}

/// The table says what the runs say, asked at every border, or at so many of them.
fn check(table: &impl Asked, runs: &[SetRun], places: usize) {
    let sorted = Sorted::build(runs);
    assert_eq!(table.runs_from(0, usize::MAX), runs);
    let step = runs.len().div_ceil(places).max(1);
    let borders = runs.iter().rev().step_by(step).map(|run| run.last);
    let edges = [0, 0xff, 0x100, 0xffff, 0x1_0000, 1 << 31, u32::MAX - 0x1_0000, u32::MAX];
    let mut asked: Vec<_> = borders.chain(edges).flat_map(around).collect();
    asked.extend(runs.iter().take(20).flat_map(|run| around(run.last.last_of(16))));
    for &addr in &asked {
        assert_eq!(table.mark(addr), sorted.mark(addr), "{addr:#x}");
    }
    for &addr in asked.iter().step_by(asked.len() / 10 + 1) {
        let expected: Vec<_> = sorted.runs_from(addr).take(3).collect();
        assert_eq!(table.runs_from(addr, 3), expected, "{addr:#x}");
        assert_eq!(table.run_start(addr), sorted.run_start(addr), "{addr:#x}");
    }
    let (mut marks, mut expected) = (vec![true; asked.len() + 1], vec![true; asked.len() + 1]);
    table.marks(&asked, &mut marks);
    sorted.marks(&asked, &mut expected);
    assert_eq!(marks, expected);
    // More addresses than places: those that there are.
    table.marks(&asked, marks.get_mut(..7).unwrap());
}

/// Builds both tables and checks them; hands back the bytes of the wide one.
fn check_both(ranges: impl IntoIterator<Item = (u32, u32)>, places: usize) -> usize {
    let runs = of_ranges(ranges, 0, u32::MAX).into_vec();
    let wide = Wide::build(&runs);
    check(&wide, &runs, places);
    check_inside(&wide);
    let set = Set4::build(&runs);
    assert_eq!(set.heap_bytes() < size_of::<[Entry; CHUNKS]>(), runs.len() <= 4096);
    check(&set, &runs, places);
    check_bound(&wide);
    wide.heap_bytes()
}

/// I2, I3 and I4, and that the runs are counted.
fn check_inside(wide: &Wide) {
    let mut halves = BTreeSet::new();
    for entry in wide.root.iter() {
        let (first, room) = match (entry.place(), entry.room(&wide.lines.all)) {
            (Place::Nowhere, _) => continue,
            (Place::Half(line, second), room) => (2 * line + usize::from(second), room.halves()),
            (Place::Lines(line), room) => (2 * line, room.halves()),
        };
        for half in first..first + room {
            assert!(half < 2 * wide.lines.all.len());
            assert!(halves.insert(half), "I2: half {half} is of two");
        }
    }
    if let Some(spare) = wide.lines.spare {
        let Place::Half(line, second) = spare else { panic!("{spare:?} is no half") };
        assert!(!halves.contains(&(2 * line + usize::from(second))), "I2: the spare one");
    }
    assert_eq!(wide.lines.left, 2 * wide.lines.all.len() - halves.len());
    assert!(wide.lines.left <= wide.lines.all.len() / 2 + Lines::LEFT, "I3");
    let runs: Vec<_> = wide.runs_in(0, u32::MAX).collect();
    assert_eq!(wide.runs(), runs.len());
    let mut compacted = wide.clone();
    compacted.compact();
    let built = Wide::build(&runs);
    assert_eq!(compacted.root, built.root, "I4");
    assert_eq!(compacted.lines.all, built.lines.all, "I4");
    assert_eq!(compacted.lines.left, built.lines.left, "I4");
    assert_eq!(compacted.heap_bytes(), built.heap_bytes());
}

/// The bound in the module's documentation, for a table that was not edited.
fn check_bound(wide: &Wide) {
    let mut bound = 256 << 10;
    for chunk in wide.root.iter().zip(0..).filter(|(entry, _)| entry.place() != Place::Nowhere) {
        let first = chunk.1 << 16;
        let ends = wide.runs_in(first, first | 0xffff).count() - 1;
        bound += (32 + 8 * ends).min(8 << 10);
    }
    assert!(wide.heap_bytes() <= bound + 32, "{} bytes, not {bound}", wide.heap_bytes());
}

fn hosts(step: u32, from: u32, count: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..count).map(move |at| from + at * step).map(|addr| (addr, addr))
}

#[test]
fn lists_at_the_edges() {
    let all = u32::MAX;
    for ranges in [
        vec![],
        vec![(0, all)],
        vec![(0, 0)],
        vec![(all, all)],
        vec![(0, 0), (all, all)],
        vec![(1, all - 1)],
        vec![(0, 0x7fff_ffff)],
        vec![(0x8000_0000, all)],
        vec![(0x0a00_0000, 0x0aff_ffff)],
        vec![(0x0a01_0000, 0x0a01_ffff)],
        vec![(0x0a00_ffff, 0x0a02_0000)],
        vec![(0x0a01_0001, 0x0a01_fffe)],
        vec![(0x0a00_ff00, 0x0a01_00ff), (0x0a01_0101, 0x0a01_01fe)],
    ] {
        check_both(ranges, 100);
    }
}

#[test]
fn hosts_one_in_each_block() {
    assert!(check_both(hosts(1 << 16, 0, 1 << 16), 200) <= (256 << 10) + (2 << 20));
    // One in each /24 of eight /16s, and every second one of two.
    assert!(check_both(hosts(1 << 8, 0x0a00_0000, 8 << 8), 200) <= (256 << 10) + 8 * 18 * 64);
    assert!(check_both(hosts(1 << 8, 0x0a00_00ff, 8 << 8), 200) <= (256 << 10) + 8 * 18 * 64);
    assert!(check_both(hosts(2, 0x0a00_0000, 2 << 15), 200) <= (256 << 10) + 2 * 8192);
    assert!(check_both(hosts(2, 0x0a00_0001, 2 << 15), 200) <= (256 << 10) + 2 * 8192);
}

#[test]
fn lists_around_what_each_form_holds() {
    for count in [8, 9, 16, 17, 528, 529, 2047, 2048] {
        // Ends at both sides of each host, but for the first one.
        check_both(hosts(2, 0x0a00_0000, count), 200);
        check_both(hosts(5, 0x0a00_fff0, count), 200);
        check_both(hosts(1 << 8, 0x0a00_0000, count).map(|(from, _)| (from, from | 0x7f)), 200);
    }
}

#[test]
fn a_chain_of_prefixes_around_one_host() {
    // Members at every second length.
    let chain = |host: u32| {
        let around = (0..32).step_by(2).map(move |len| {
            let (outer, inner) = (host.first_of(len), host.first_of(len + 1));
            if outer == inner {
                (host.last_of(len + 1) + 1, host.last_of(len))
            } else {
                (outer, inner - 1)
            }
        });
        around.collect::<BTreeSet<_>>()
    };
    for host in [0, 0x0a01_0203, 0x5555_5555, 0xaaaa_aaaa, u32::MAX] {
        check_both(chain(host), 100);
    }
}

#[test]
fn i1_a_table_changes_its_shape_with_its_size() {
    let mut set = Set4::EMPTY;
    let mut members = BTreeSet::new();
    let is_wide = |set: &Set4| set.heap_bytes() >= size_of::<[Entry; CHUNKS]>();
    let check_members = |set: &Set4, members: &BTreeSet<u32>| {
        let runs = of_ranges(members.iter().map(|addr| (*addr, *addr)), 0, u32::MAX).into_vec();
        check(set, &runs, 20);
    };
    let host = |at: u32| at.wrapping_mul(0x9e37_79b1) | 1;
    let mut turns = Vec::new();
    for at in (0..2100).chain((0..2100).rev()) {
        let mark = members.insert(host(at)) || !members.remove(&host(at));
        let was_wide = is_wide(&set);
        set.replace(host(at), &[Run { last: host(at), mark }]);
        if is_wide(&set) != was_wide {
            check_members(&set, &members);
            turns.push(members.len());
        }
    }
    check_members(&set, &BTreeSet::new());
    assert_eq!(turns, [2048, 1023]);
    assert!(set.heap_bytes() == 0);
}

/// A /16 that needs fewer lines stays where it is and leaves the others; one that needs more moves.
#[test]
fn a_16_stays_where_it_is_as_long_as_it_fits() {
    let net = 0x0a00_0000;
    let of = |count| of_ranges(hosts(2, net, count), net, net | 0xffff).into_vec();
    let mut wide = Wide::build(&of_ranges(hosts(2, net, 100), 0, u32::MAX).into_vec());
    for (count, lines, left) in [(100, 8, 0), (10, 8, 14), (11, 8, 14), (100, 16, 16)] {
        wide.replace(net, &of(count));
        assert_eq!((wide.lines.all.len(), wide.lines.left), (lines, left), "{count} hosts");
        check_inside(&wide);
    }
}

#[test]
fn i3_what_edits_leave_is_bounded() {
    let mut wide = Wide::build(&of_ranges([], 0, u32::MAX).into_vec());
    let mut state = 1_u32;
    let (mut most, mut compactions) = (0, 0);
    let mut edit = |wide: &mut Wide, first: u32, runs: &[SetRun]| {
        let before = wide.lines.left;
        wide.replace(first, runs);
        most = most.max(wide.lines.left);
        compactions += usize::from(wide.lines.left + 1000 < before);
        assert!(wide.lines.left <= wide.lines.all.len() / 2 + Lines::LEFT, "I3");
        let used = wide.lines.used() * 32;
        assert!(wide.heap_bytes() <= (256 << 10) + used + used / 2 + (192 << 10));
    };
    for at in 0..30_u32 {
        // Every second address of a /16, hosts in two others, and nothing more in the one between.
        let first = 0x0a00_0000 + ((at % 8) << 16);
        let dense = of_ranges(hosts(2, first, 1 << 15), first, first | 0xffff).into_vec();
        edit(&mut wide, first, &dense);
        for host in 0..20 {
            state = state.wrapping_mul(0x915f_77f5).wrapping_add(1);
            let host = 0x0a08_0000 + (((at + host) % 2) << 16) + (state >> 18);
            edit(&mut wide, host, &[Run { last: host, mark: state & 0x200 != 0 }]);
        }
        let before = 0x0a00_0000 + (((at + 5) % 8) << 16);
        edit(&mut wide, before, &[Run { last: before | 0xffff, mark: at % 3 == 0 }]);
        if at == 12 {
            check_inside(&wide);
        }
    }
    assert!(most > Lines::LEFT && compactions > 0, "edits that leave nothing show nothing");
    check_inside(&wide);
}

/// Runs with their ends in a few /16s, dense here and sparse there, and anywhere.
fn some_ranges() -> impl Strategy<Value = Vec<(u32, u32)>> {
    let chunk =
        prop_oneof![Just(0), Just(1), Just(0x0a00), Just(0x0a01), Just(0xffff), any::<u16>()];
    let dense = (chunk, crate::cidr::v4::set::chunk::tests::some_ends())
        .prop_map(|(chunk, ends)| {
            ends.into_iter().map(move |end| u32::from(chunk) << 16 | u32::from(end))
        })
        .prop_map(Iterator::collect::<Vec<_>>);
    let edge =
        (any::<u32>(), prop_oneof![Just(8), Just(15), Just(16), Just(17), Just(24), Just(32)])
            .prop_flat_map(|(addr, len)| {
                prop_oneof![
                    Just(addr.first_of(len)),
                    Just(addr.last_of(len)),
                    Just(addr.first_of(len) + 1)
                ]
            });
    let sparse = prop::collection::vec(prop_oneof![any::<u32>(), edge], 0..12);
    (prop::collection::vec(prop_oneof![dense, sparse], 0..4), any::<bool>()).prop_map(
        |(parts, skip)| {
            let cuts: BTreeSet<_> = parts.into_iter().flatten().collect();
            let cuts: Vec<_> = cuts.into_iter().skip(usize::from(skip)).collect();
            // From each second cut to before the next one.
            cuts.chunks(2)
                .map(|cut| (cut[0], cut.get(1).map_or(u32::MAX, |next| next - 1)))
                .collect()
        },
    )
}

proptest! {
    // Few, since each looks through whole tables; the forms of a /16 have more.
    #![proptest_config(Config { cases: cases(24).cases.min(5_000), ..cases(24) })]

    #[test]
    fn tables_say_what_their_runs_say(ranges in some_ranges()) {
        check_both(ranges, 60);
    }

    #[test]
    fn i1_edited_tables_say_what_built_ones_say(
        start in some_ranges(),
        edits in prop::collection::vec((some_ranges(), any::<[u32; 2]>(), 0..33_u8), 1..5),
    ) {
        let runs = of_ranges(start, 0, u32::MAX).into_vec();
        let (mut wide, mut set, mut sorted) =
            (Wide::build(&runs), Set4::build(&runs), Sorted::build(&runs));
        for (ranges, [one, other], len) in edits {
            // A prefix, or from anywhere to anywhere, or from and to where membership flips.
            let near = ranges.first().map_or(one, |range| range.0);
            let (first, last) = match len % 3 {
                0 => (one.first_of(len), one.last_of(len)),
                1 => (near.first_of(len), near.last_of(len)),
                _ => (near.min(other), near.max(other)),
            };
            let within = ranges.into_iter().filter(|range| range.1 >= first && range.0 <= last);
            let within = within.map(|(from, to)| (from.max(first), to.min(last)));
            let runs = of_ranges(within, first, last).into_vec();
            wide.replace(first, &runs);
            set.replace(first, &runs);
            sorted.replace(first, &runs);
        }
        let runs: Vec<_> = sorted.runs_from(0).collect();
        check(&wide, &runs, 60);
        check(&set, &runs, 60);
        check_inside(&wide);
    }
}

/// Room is made by an eighth: lines that come one by one are not copied each time, and little is not used.
#[test]
fn lines_grow_by_an_eighth() {
    let mut lines = Lines::new();
    let mut grown = 0;
    for _ in 0..10_000 {
        let room = lines.all.capacity();
        lines.append(1);
        grown += usize::from(lines.all.capacity() > room);
        assert!(lines.all.capacity() <= lines.all.len() + lines.all.len() / 8 + 1);
    }
    assert!(grown < 100, "{grown}");
}
