//! loom models of the swap: `RUSTFLAGS="--cfg loom" cargo test -p portcullis --release --lib loom_live`.

use std::vec::Vec;

use loom::thread;

use super::{
    Live,
    tests::{Book, net, put, told},
};
use crate::{cidr::CidrEdit, sync::Arc};

/// Runs `model` for every schedule of up to this many preemptions.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn spawn<R: 'static>(
    live: &Live<Book>,
    run: impl FnOnce(Live<Book>) -> R + 'static,
) -> thread::JoinHandle<R> {
    let live = live.clone();
    thread::spawn(move || run(live))
}

fn latest(book: &Book) -> u32 {
    book.entries.get(&net(1)).copied().unwrap_or(0)
}

/// I2. Neither by a handle nor by loading, nor by turns, does a thread see an older table after a newer
/// one; and after the last change both show it.
#[test]
fn loom_live_readers_do_not_go_back() {
    explore(5, || {
        let live = Live::new(Book::default());
        let writer = spawn(&live, |live| (1..=2).for_each(|n| live.edit([put(1, n)])));
        let reader = spawn(&live, |live| {
            let mut reader = live.reader();
            let seen = [latest(reader.get()), latest(&live.load()), latest(reader.get())];
            assert!(seen.is_sorted(), "{seen:?}");
        });
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(latest(&live.load()), 2);
        assert_eq!(latest(live.reader().get()), 2);
    });
}

/// I2. Who sees the version of a change gets its table, or a newer one.
#[test]
fn loom_live_a_version_comes_with_its_table() {
    explore(5, || {
        let live = Live::new(Book::default());
        let mut early = live.reader();
        let writer = spawn(&live, |live| (1..=2).for_each(|n| live.edit([put(1, n)])));
        let reader = spawn(&live, move |live| {
            let version = live.0.version.load(crate::sync::Ordering::Relaxed);
            assert!(u64::from(latest(early.get())) >= version);
            assert!(u64::from(latest(&live.load())) >= version);
        });
        writer.join().unwrap();
        reader.join().unwrap();
    });
}

/// I3. Of two writers none loses an edit, whichever is overtaken; where they contradict each other, the
/// whole of one call comes after the whole of the other.
#[test]
fn loom_live_no_edit_is_lost() {
    explore(5, || {
        let live = Live::new(Book::default());
        let writers = [1, 2].map(|writer| {
            spawn(&live, move |live| {
                let own = u8::try_from(writer).unwrap();
                live.edit([put(own, 1), put(8, writer), put(9, writer)]);
                assert_eq!(live.load().entries[&net(own)], 1);
            })
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let entries = told(&live.load());
        let last = entries[2].1;
        assert_eq!(entries, [(1, 1), (2, 1), (8, last), (9, last)]);
    });
}

/// I3. The same while there is a spare, which only one of the two gets.
#[test]
fn loom_live_two_writers_and_one_spare() {
    explore(4, || {
        let live = Live::new(Book::default());
        live.edit([put(1, 1)]);
        live.edit([put(2, 2)]);
        let writers = [3, 4].map(|writer| {
            spawn(&live, move |live| live.edit([put(writer, 1), CidrEdit::Remove(net(writer - 2))]))
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        live.edit([put(5, 1)]);
        assert_eq!(told(&live.load()), [(3, 1), (4, 1), (5, 1)]);
    });
}

/// I1. What a reader holds stays as it is, while changes make a spare of it, and take it up again as
/// soon as it is let go.
#[test]
fn loom_live_a_held_table_stays() {
    explore(5, || {
        let live = Live::new(Book::default());
        live.edit([put(1, 1)]);
        let writer = spawn(&live, |live| (2..=4).for_each(|n| live.edit([put(1, n)])));
        let reader = spawn(&live, |live| {
            for _ in 0..2 {
                let held = live.load();
                let then = told(&held);
                thread::yield_now();
                assert_eq!(told(&held), then);
            }
        });
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(latest(&live.load()), 4);
    });
}

/// I3. An edit that races a replacement is made before it or after it, and nothing of before comes back.
#[test]
fn loom_live_an_edit_races_a_replacement() {
    explore(5, || {
        let live = Live::new(Book::default());
        live.edit([put(1, 1)]);
        let editor = spawn(&live, |live| {
            live.edit([put(2, 2)]);
            live.edit([put(3, 3)]);
        });
        let replacer = spawn(&live, |live| {
            let mut table = Book::default();
            table.entries.insert(net(9), 9);
            told(&live.replace(table))
        });
        editor.join().unwrap();
        let before = replacer.join().unwrap();
        let after: Vec<_> = told(&live.load());
        let all = [(1, 1), (2, 2), (3, 3)];
        let cut = before.len();
        assert_eq!(before, all[..cut]);
        assert_eq!(after, [&all[cut..], &[(9, 9)]].concat());
    });
}

/// Handles and tables outlive each other, and everything is dropped (loom counts).
#[test]
fn loom_live_handles_outlive_the_list() {
    explore(5, || {
        let live = Live::new(Book::default());
        let mut reader = live.reader();
        let held = live.load();
        let reader = thread::spawn(move || latest(reader.get()));
        let writer = thread::spawn(move || live.edit([put(1, 1)]));
        assert!(reader.join().unwrap() <= 1);
        writer.join().unwrap();
        assert_eq!(latest(&held), 0);
        assert!(Arc::strong_count(&held) == 1);
    });
}
