//! Every form, written down and read again.

use std::{collections::BTreeSet, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::test_support::cases;

/// Lines of which nothing should be read or written.
const ELSEWHERE: Line = Line([[0x5555; HALF]; 2]);

struct Written {
    entry: Entry,
    form: Form,
    room: Room,
    lines: Vec<Line>,
}

fn written(first: bool, ends: &[u16], second_half: bool) -> Written {
    let (form, room) = Form::of(ends);
    let place = match room {
        Room::Nothing => Place::Nowhere,
        Room::Half => Place::Half(3, second_half),
        Room::Lines(_) => Place::Lines(3),
    };
    let mut lines = vec![ELSEWHERE; 3 + room.halves().div_ceil(2) + 2];
    let entry = Entry::new(first, form, place);
    entry.write(&mut lines, ends);
    Written { entry, form, room, lines }
}

fn around(low: u16) -> [u16; 3] {
    [low.saturating_sub(1), low, low.saturating_add(1)]
}

/// All invariants, in both halves and with both states.
fn check(ends: &[u16]) -> (Form, Room) {
    let some = ends.iter().copied().step_by(ends.len() / 4_000 + 1);
    let mut asked: BTreeSet<_> = some.flat_map(around).collect();
    asked.extend([0, 255, 256, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff]);
    let mut shape = None;
    for (first, second_half) in [(false, false), (false, true), (true, false), (true, true)] {
        let Written { entry, form, room, lines } = written(first, ends, second_half);
        assert_eq!(entry.room(&lines), room);
        assert_eq!(entry.first(), first);
        for &low in &asked {
            let below = ends.partition_point(|end| *end < low);
            assert_eq!(entry.contains(&lines, low), first ^ (below % 2 == 1), "I1: {low:#x}");
            assert_eq!(entry.next_end(&lines, low), ends.get(below).copied(), "I1: {low:#x}");
            let before = below.checked_sub(1).map(|at| ends[at]);
            assert_eq!(entry.previous_end(&lines, low), before, "I1: {low:#x}");
        }
        if form == Form::Tree {
            for leaf in &lines[4..3 + room.halves() / 2 - 1] {
                assert_eq!(leaf.below(UNUSED), FULL, "I2");
            }
        }
        let bytes = room.halves() * 32;
        assert!(bytes <= (32 + 8 * ends.len()).min(8192), "I3: {bytes} for {}", ends.len());
        assert_eq!((bytes == 0), ends.is_empty());
        // Nothing but the own lines, or the own half of one, was written.
        let own = 3..3 + room.halves().div_ceil(2);
        assert!(lines.iter().enumerate().all(|(at, line)| own.contains(&at) || *line == ELSEWHERE));
        if room == Room::Half {
            assert_eq!(lines[3].0[usize::from(!second_half)], ELSEWHERE.0[0]);
        }
        for &low in asked.iter().step_by(asked.len() / 6 + 1) {
            check_depth(entry, form, &lines, low);
        }
        check_copy(entry, room, &lines, &asked);
        shape = Some((form, room));
    }
    shape.unwrap()
}

/// I4: an answer stays the same whatever all lines but two say.
fn check_depth(entry: Entry, form: Form, lines: &[Line], low: u16) {
    let first = entry.line();
    let read = match form {
        Form::Keys => [first, first],
        Form::Bits(grain) => [first + usize::from(low >> grain) / 512; 2],
        Form::Tree => [first, first + 1 + lines[first].below(key_of(low))],
    };
    let answer = entry.contains(lines, low);
    for other in [ELSEWHERE, Line::EMPTY, Line([[-1; HALF]; 2])] {
        let mut lines = lines.to_vec();
        for (_, line) in lines.iter_mut().enumerate().filter(|(at, _)| !read.contains(at)) {
            *line = other;
        }
        assert_eq!(entry.contains(&lines, low), answer, "I4: {low:#x}");
    }
}

fn check_copy(entry: Entry, room: Room, lines: &[Line], asked: &BTreeSet<u16>) {
    let place = match room {
        Room::Nothing => Place::Nowhere,
        Room::Half => Place::Half(1, true),
        Room::Lines(_) => Place::Lines(1),
    };
    let mut to = vec![ELSEWHERE; lines.len()];
    let copy = entry.copied(lines, room, place, &mut to);
    for &low in asked {
        assert_eq!(copy.contains(&to, low), entry.contains(lines, low));
    }
}

#[test]
fn each_form_up_to_what_it_holds() {
    // Odd ones, so that no block of more than one address has them.
    let odd = |count: u16| (0..count).map(|at| 2 * at + 2).collect::<Vec<_>>();
    for (count, expected) in [
        (0, (Form::Keys, Room::Nothing)),
        (1, (Form::Keys, Room::Half)),
        (16, (Form::Keys, Room::Half)),
        (17, (Form::Keys, Room::Lines(1))),
        (32, (Form::Keys, Room::Lines(1))),
        (33, (Form::Tree, Room::Lines(3))),
        (64, (Form::Tree, Room::Lines(3))),
        (65, (Form::Tree, Room::Lines(4))),
        (1055, (Form::Tree, Room::Lines(34))),
        (1056, (Form::Tree, Room::Lines(34))),
        (1057, (Form::Bits(0), Room::Lines(128))),
        (5000, (Form::Bits(0), Room::Lines(128))),
    ] {
        assert_eq!(check(&odd(count)), expected, "{count} ends");
    }
}

#[test]
fn blocks_of_every_size_take_bits() {
    for grain in 0..=8_u32 {
        let size = 1_u32 << grain;
        let ends: Vec<_> = (1..1_u32 << (16 - grain))
            .map(|block| u16::try_from(block * size - 1).unwrap())
            .collect();
        let room = if grain == 8 { Room::Half } else { Room::Lines(128 >> grain) };
        assert_eq!(check(&ends), (Form::Bits(grain.try_into().unwrap()), room));
    }
}

#[test]
fn ends_at_the_edges() {
    for ends in [
        &[0][..],
        &[0xfffe],
        &[0, 0xfffe],
        &[0x7fff],
        &[0x7ffe, 0x7fff, 0x8000],
        &[254, 255, 256],
        &[0xfeff],
        &[255],
    ] {
        check(ends);
    }
    // Every address another way.
    assert_eq!(check(&(0..=0xfffe).collect::<Vec<_>>()).1, Room::Lines(128));
}

/// Clusters of ends, and ends of blocks.
pub(in crate::cidr::v4) fn some_ends() -> impl Strategy<Value = Vec<u16>> {
    let cluster =
        (any::<u16>(), 0..12_u32, 1..80_u16, 1..4_u16).prop_map(|(start, grain, count, step)| {
            let ends = (0..count).map(move |at| at.wrapping_mul(step) << grain);
            ends.map(|end| start.wrapping_add(end) | ((1 << grain) - 1)).collect::<Vec<_>>()
        });
    let random = prop::collection::vec(any::<u16>(), 0..40);
    prop::collection::vec(prop_oneof![cluster, random], 0..5).prop_map(|parts| {
        let ends: BTreeSet<_> = parts.into_iter().flatten().filter(|end| *end < u16::MAX).collect();
        ends.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn i1_what_is_written_comes_back(ends in some_ends()) {
        check(&ends);
    }
}
