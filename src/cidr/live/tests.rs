//! What is published, when, and what a change costs in copies.

use core::{
    cell::RefCell,
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};
use std::{
    boxed::Box,
    collections::BTreeMap,
    format,
    panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind},
    string::ToString,
    thread, thread_local, vec,
    vec::Vec,
};

use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;

use super::{Editable, Live, editable::sealed, log::REMEMBERED};
use crate::{
    cidr::{CidrEdit, CidrMap, CidrSet},
    sync::Arc,
    test_support::{cases, rounds},
};

/// A plain map as a table, which counts its copies.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) entries: BTreeMap<IpNet, u32>,
    copies: alloc::sync::Arc<AtomicUsize>,
}

impl Clone for Book {
    fn clone(&self) -> Self {
        self.copies.fetch_add(1, Ordering::Relaxed);
        Self { entries: self.entries.clone(), copies: self.copies.clone() }
    }
}

impl sealed::Sealed for Book {}

impl Editable for Book {
    type Value = u32;

    fn apply_all(&mut self, edits: &[CidrEdit<u32>]) {
        for edit in edits {
            match edit {
                CidrEdit::Insert(net, HOOKED) => {
                    let hook = HOOK.take();
                    self.entries.insert(*net, HOOKED);
                    hook.into_iter().for_each(|hook| hook());
                }
                CidrEdit::Insert(net, value) => {
                    self.entries.insert(*net, *value);
                }
                CidrEdit::Remove(net) => {
                    self.entries.remove(net);
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        1_000 * self.entries.len()
    }
}

/// To insert this value runs what stands in `HOOK`, once: as a caller's `Hash` or `Clone` might.
const HOOKED: u32 = u32::MAX;

thread_local! {
    static HOOK: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

pub(super) fn net(n: u8) -> IpNet {
    Ipv4Net::new([192, 0, 2, n].into(), 32).unwrap().into()
}

pub(super) fn put(n: u8, value: u32) -> CidrEdit<u32> {
    CidrEdit::Insert(net(n), value)
}

pub(super) fn told(book: &Book) -> Vec<(u8, u32)> {
    let last = |net: &IpNet| match net.addr() {
        IpAddr::V4(addr) => addr.octets()[3],
        IpAddr::V6(_) => unreachable!(),
    };
    book.entries.iter().map(|(net, value)| (last(net), *value)).collect()
}

fn copies(live: &Live<Book>) -> usize {
    live.load().copies.load(Ordering::Relaxed)
}

#[test]
fn a_change_is_seen_by_all_and_a_table_that_is_held_stays() {
    let live = Live::new(Book::default());
    let mut reader = live.reader();
    let held = live.load();
    assert!(reader.get().entries.is_empty());
    live.edit([put(1, 10), put(2, 20), CidrEdit::Remove(net(1)), put(2, 21)]);
    assert_eq!(told(&live.load()), [(2, 21)]);
    assert_eq!(told(reader.get()), [(2, 21)]);
    assert_eq!(told(live.clone().reader().clone().get()), [(2, 21)]);
    assert!(held.entries.is_empty(), "I1");
    assert_eq!(format!("{:?}", CidrSet::new()), "{}");
    assert_eq!(format!("{:?}", Live::<CidrSet>::default()), "Live({})");
    assert_eq!(format!("{:?}", Live::from(CidrSet::new()).reader()), "Reader({})");
}

#[test]
fn handles_go_where_they_are_needed() {
    fn anywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe + 'static>() {}
    anywhere::<Live<CidrSet>>();
    anywhere::<super::Reader<CidrSet>>();
}

#[test]
fn no_edits_are_no_change() {
    let live = Live::new(Book::default());
    let before = live.load();
    live.edit([]);
    assert!(Arc::ptr_eq(&before, &live.load()));
    assert_eq!(copies(&live), 0);
}

/// The first change copies; from then on two tables take turns.
#[test]
fn the_spare_is_used_again() {
    let live = Live::new(Book::default());
    let mut reader = live.reader();
    for round in 0..rounds(100, 20) {
        reader.get();
        live.edit([put(round % 7, round.into())]);
        assert_eq!(told(&live.load()).len(), usize::from(round).min(6) + 1);
    }
    assert_eq!(copies(&live), 1);
}

/// A reader that holds the last but one table costs a copy, but only until it lets go; meanwhile what
/// was a spare before is not lost.
#[test]
fn a_held_spare_is_left_alone() {
    let live = Live::new(Book::default());
    live.edit([put(1, 1)]);
    let held = live.load();
    live.edit([put(2, 2)]);
    assert_eq!(copies(&live), 1);
    live.edit([put(3, 3)]);
    assert_eq!(copies(&live), 2, "the spare is held");
    live.edit([put(4, 4)]);
    live.edit([put(5, 5)]);
    assert_eq!(copies(&live), 2, "there is another one");
    assert_eq!(told(&held), [(1, 1)]);
    assert_eq!(told(&live.load()), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
}

/// Both kinds of tables, by what they say and what they take.
#[test]
fn sets_and_maps_are_live() {
    let map = Live::new(CidrMap::from_iter([(net(1), 1_u32), (net(3), 3)]));
    let set = Live::new(CidrSet::from_iter([net(1), net(3)]));
    for (live, table) in [
        (map.memory_bytes(), map.load().memory_bytes()),
        (set.memory_bytes(), set.load().memory_bytes()),
    ] {
        assert!((table..table + 1_000).contains(&live), "{live} for {table}");
    }
    map.edit([put(2, 7), CidrEdit::Remove(net(1)), put(3, 4)]);
    assert_eq!(map.load().to_string(), "192.0.2.2/32\t7\n192.0.2.3/32\t4");
    set.edit([CidrEdit::Insert(net(2), ()), CidrEdit::Remove(net(1))]);
    assert_eq!(set.load().to_string(), "192.0.2.2/31");
    // Again on the spare one, which has to catch up.
    map.edit([CidrEdit::Remove(net(2))]);
    assert_eq!(map.load().to_string(), "192.0.2.3/32\t4");
    let two = map.load().memory_bytes() + size_of::<CidrMap<u32>>();
    assert!(map.memory_bytes() >= two + 4 * size_of::<CidrEdit<u32>>());
}

/// I5. However many tables readers held on to, one spare is left when they let go.
#[test]
fn memory_is_two_tables_once_readers_let_go() {
    let live = Live::new(Book::default());
    live.edit([put(0, 0)]);
    let tables = |live: &Live<Book>| live.memory_bytes() / 1_000;
    // Tables of one entry, so that bytes are tables.
    let mut held: Vec<_> = (0..10)
        .map(|round| {
            live.edit([put(0, round)]);
            live.load()
        })
        .collect();
    assert_eq!(tables(&live), 1 + super::SPARES);
    let kept: Vec<u64> = live.0.changes.lock().spares.iter().map(|spare| spare.version).collect();
    assert_eq!(kept, [9, 10], "the newest, in order");
    assert!(held.iter().zip(0..).all(|(book, round)| told(book) == [(0, round)]));
    held.clear();
    live.edit([put(0, 77)]);
    live.edit([put(0, 78)]);
    assert_eq!(tables(&live), 2);
    live.replace(Book::default());
    assert_eq!(tables(&live), 0);
    assert_eq!(told(&live.load()), []);
}

#[test]
fn a_replacement_is_not_mixed_with_what_was_before() {
    let live = Live::new(Book::default());
    live.edit([put(1, 1)]);
    live.edit([put(2, 2)]);
    let old = live.replace(Book { entries: [(net(9), 9)].into(), ..Book::default() });
    assert_eq!(told(&old), [(1, 1), (2, 2)]);
    drop(old);
    live.edit([put(3, 3)]);
    live.edit([CidrEdit::Remove(net(9))]);
    live.edit([put(4, 4)]);
    assert_eq!(told(&live.load()), [(3, 3), (4, 4)]);
}

/// More edits than are remembered: the spare is given up, not left behind.
#[test]
fn a_large_change_and_a_small_one_after_it() {
    let live = Live::new(Book::default());
    live.edit([put(1, 1)]);
    live.edit((0..=REMEMBERED as u32).map(|n| put((n % 200) as u8, n)));
    let all = told(&live.load());
    assert_eq!(live.0.changes.lock().spares.len(), 0);
    live.edit([put(250, 1)]);
    let mut expected = all;
    expected.push((250, 1));
    assert_eq!(told(&live.load()), expected);
}

/// I3. The caller's code runs without a lock: an iterator, or a value that is inserted, may itself edit,
/// load and replace. The change around is made after it.
#[test]
fn a_change_within_a_change_comes_first() {
    let live = Live::new(Book::default());
    live.edit([put(1, 1)]);
    live.edit([2].into_iter().map(|n| {
        live.edit([put(n, 20)]);
        assert_eq!(told(&live.load()), [(1, 1), (2, 20)]);
        put(n, 21)
    }));
    assert_eq!(told(&live.load()), [(1, 1), (2, 21)]);

    for replaced in [false, true] {
        let inner = live.clone();
        HOOK.set(Some(Box::new(move || {
            inner.edit([put(3, 30), put(4, 40), CidrEdit::Remove(net(5))]);
            inner.edit([put(6, inner.load().entries.len() as u32)]);
            if replaced {
                drop(inner.replace(Book::default()));
            }
            assert!(inner.memory_bytes() > 0);
        })));
        live.edit([put(5, HOOKED), CidrEdit::Remove(net(4)), put(3, 31)]);
        let now = told(&live.load());
        if replaced {
            assert_eq!(now, [(3, 31), (5, HOOKED)]);
        } else {
            assert_eq!(now, [(1, 1), (2, 21), (3, 31), (5, HOOKED), (6, 4)]);
        }
    }
}

/// I4.
#[test]
fn a_change_that_panics_changes_nothing() {
    let live = Live::new(Book::default());
    for start in [1, 2, 3] {
        live.edit([put(1, start)]);
        HOOK.set(Some(Box::new(|| panic!("a value that cannot be compared"))));
        let failed = catch_unwind(AssertUnwindSafe(|| live.edit([put(2, 2), put(3, HOOKED)])));
        assert!(failed.is_err());
        assert_eq!(told(&live.load()), [(1, start)]);
    }
    live.edit([put(4, 4)]);
    assert_eq!(told(&live.load()), [(1, 3), (4, 4)]);
}

/// I2 and I3, with real threads: each writer counts up a prefix of its own.
#[test]
fn threads_that_write_and_read() {
    let rounds = rounds(300, 3);
    let live = Live::new(Book::default());
    thread::scope(|scope| {
        for writer in 0..3 {
            let live = &live;
            scope.spawn(move || {
                let mut reader = live.reader();
                for round in 1..=rounds {
                    live.edit([put(writer, round), put(writer + 100, round)]);
                    assert_eq!(reader.get().entries[&net(writer)], round, "I3");
                }
            });
        }
        for _ in 0..2 {
            let (live, mut reader) = (&live, live.reader());
            scope.spawn(move || {
                let mut last = [0; 3];
                while last.iter().any(|seen| *seen < rounds) {
                    let loaded = live.load();
                    for book in [&*loaded, reader.get()] {
                        for (writer, seen) in (0..).zip(&mut last) {
                            let value = |n| book.entries.get(&net(n)).copied().unwrap_or(0);
                            assert_eq!(value(writer), value(writer + 100), "whole calls (I3)");
                            assert!(value(writer) >= *seen, "I2");
                            *seen = value(writer);
                        }
                    }
                }
            });
        }
    });
    assert_eq!(told(&live.load()).len(), 6);
    assert_eq!(live.0.changes.lock().version, u64::from(rounds) * 3);
}

/// The set at hand: what is removed is gone and nothing else, also where a prefix is broken up.
#[test]
fn a_set_is_live() {
    let set = |text: &str| text.parse::<CidrSet>().unwrap();
    let live = Live::new(set("10.0.0.0/8\n::/0"));
    let removed = |text: &str| CidrEdit::Remove(text.parse().unwrap());
    live.edit([removed("10.1.2.3/16"), removed("::ffff:10.0.0.0/105"), removed("::fffe:0:0/96")]);
    let expected: CidrSet =
        "10.128.0.0/9\n::-::fffd:ffff:ffff\n::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
            .parse()
            .unwrap();
    assert_eq!(*live.load(), expected);
    live.edit([removed("0.0.0.0/0"), removed("::/0"), CidrEdit::Insert(net(1), ())]);
    assert_eq!(*live.load(), set("192.0.2.1"));
}

#[derive(Clone, Debug)]
enum Op {
    Edit(Vec<(u8, u8, Option<u32>)>),
    Replace(Vec<(u8, u8, u32)>),
    Hold,
    Release(prop::sample::Index),
    Get,
}

fn any_op() -> impl Strategy<Value = Op> {
    let edit = (0..16_u8, 28..=32_u8, prop::option::weighted(0.6, 0..3_u32));
    let many = prop_oneof![9 => 0..6_usize, 1 => Just(rounds(REMEMBERED / 3, 8))];
    prop_oneof![
        6 => many.prop_flat_map(move |n| prop::collection::vec(edit.clone(), n)).prop_map(Op::Edit),
        1 => prop::collection::vec((0..16_u8, 28..=32_u8, 0..3_u32), 0..4).prop_map(Op::Replace),
        3 => Just(Op::Hold),
        3 => any::<prop::sample::Index>().prop_map(Op::Release),
        2 => Just(Op::Get),
    ]
}

fn short(n: u8, len: u8) -> IpNet {
    Ipv4Net::new([192, 0, 2, n].into(), len).unwrap().trunc().into()
}

/// Any interleaving of changes and held tables, against one table that is changed in place; `edit`
/// makes the table's edit, and `from` a table.
fn as_in_place<T: Editable + PartialEq + core::fmt::Debug>(
    ops: Vec<Op>,
    edit: impl Fn(IpNet, Option<u32>) -> CidrEdit<T::Value>,
    from: impl Fn(&[(IpNet, u32)]) -> T,
) -> Result<(), TestCaseError> {
    let mut plain = from(&[]);
    let live = Live::new(from(&[]));
    let mut reader = live.reader();
    let mut held: Vec<(Arc<T>, T)> = vec![];
    for op in ops {
        match op {
            Op::Edit(edits) => {
                let edits: Vec<_> =
                    edits.into_iter().map(|(n, len, to)| edit(short(n, len), to)).collect();
                plain.apply_all(&edits);
                live.edit(edits);
            }
            Op::Replace(pairs) => {
                let pairs: Vec<_> =
                    pairs.into_iter().map(|(n, len, to)| (short(n, len), to)).collect();
                prop_assert_eq!(&*live.replace(from(&pairs)), &plain);
                plain = from(&pairs);
            }
            Op::Hold => held.push((live.load(), plain.clone())),
            Op::Release(at) if !held.is_empty() => drop(held.swap_remove(at.index(held.len()))),
            Op::Release(_) => {}
            Op::Get => prop_assert_eq!(reader.get(), &plain),
        }
        prop_assert_eq!(&*live.load(), &plain);
        prop_assert!(held.iter().all(|(table, then)| **table == *then), "I1");
    }
    Ok(())
}

impl PartialEq for Book {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_live_map_is_one_that_is_changed_in_place(ops in prop::collection::vec(any_op(), 0..20)) {
        as_in_place(
            ops,
            |net, to| to.map_or(CidrEdit::Remove(net), |value| CidrEdit::Insert(net, value)),
            |pairs| Book { entries: pairs.iter().copied().collect(), ..Book::default() },
        )?;
    }

    #[test]
    fn a_live_set_is_one_that_is_changed_in_place(ops in prop::collection::vec(any_op(), 0..12)) {
        as_in_place(
            ops,
            |net, to| to.map_or(CidrEdit::Remove(net), |_| CidrEdit::Insert(net, ())),
            |pairs| pairs.iter().map(|pair| pair.0).collect::<CidrSet>(),
        )?;
    }
}

/// What these tests edit is a stand-in: maps and sets themselves do as they are told, too.
#[test]
fn maps_and_sets_are_edited() {
    let net: IpNet = "10.0.0.0/8".parse().unwrap();
    let map = Live::new(CidrMap::<u32>::new());
    let empty = map.memory_bytes();
    map.edit([CidrEdit::Insert(net, 7)]);
    assert_eq!(map.load().lookup("10.1.2.3".parse().unwrap()), Some(&7));
    assert!(map.memory_bytes() > empty);
    assert_eq!(Editable::bytes(&*map.load()), map.load().memory_bytes());
    map.edit([CidrEdit::Remove(net)]);
    assert!(map.load().is_empty());
    let set = Live::new(CidrSet::new());
    set.edit([CidrEdit::Insert(net, ())]);
    assert!(set.load().contains("10.1.2.3".parse().unwrap()));
    assert_eq!(Editable::bytes(&*set.load()), set.load().memory_bytes());
}
