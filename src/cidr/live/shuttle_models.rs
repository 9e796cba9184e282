//! Random schedules of the swap: more writers and readers than loom's models have. `tests/models.md` says how to run them.

use super::{
    Live,
    tests::{Book, net, put, told},
};
use crate::{
    cidr::CidrEdit,
    schedules::{Dice, explore, together},
};

/// The number that a writer has put last; nets 100 and 101 have the same one in every table.
fn pair(book: &Book) -> [Option<u32>; 2] {
    [100, 101].map(|n| book.entries.get(&net(n)).copied())
}

/// How many edits of a writer are in a table: it counts them itself.
fn count(book: &Book, writer: u8) -> u32 {
    book.entries.get(&net(writer)).copied().unwrap_or(0)
}

/// I1 to I3: three writers, three readers, and one who replaces all. Readers see whole edits, never an older table after a newer
/// one, and what they hold stays; no edit is lost, and none comes back.
#[test]
fn shuttle_live_readers_see_whole_edits_in_their_order() {
    explore(|| {
        let dice = Dice;
        let live = Live::new(Book::default());
        let replaces = dice.below(2) == 0;
        let shared = live.clone();
        let made = together(7, move |thread| {
            let thread = u8::try_from(thread).unwrap();
            let live = &shared;
            match thread {
                0..=2 => {
                    let edits = 1 + dice.units(3);
                    for n in 1..=edits {
                        let mark = u32::from(thread) * 100 + n;
                        live.edit([
                            put(thread, n),
                            put(100, mark),
                            put(102, 1),
                            put(101, mark),
                            CidrEdit::Remove(net(102)),
                        ]);
                        // When it returns, every load sees it, unless all was replaced since.
                        assert!(replaces || count(&live.load(), thread) == n);
                    }
                    edits
                }
                3 if replaces => {
                    let mut table = Book::default();
                    table.entries.insert(net(200), 1);
                    let before = live.replace(table);
                    let [one, other] = pair(&before);
                    assert_eq!(one, other);
                    0
                }
                _ => {
                    let mut reader = live.reader();
                    let mut last = [0; 3];
                    let mut is_replaced = false;
                    for _ in 0..4 {
                        let held = if dice.below(2) == 0 {
                            live.load()
                        } else {
                            reader.get().clone().into()
                        };
                        let [one, other] = pair(&held);
                        assert_eq!(one, other, "half an edit");
                        assert!(!held.entries.contains_key(&net(102)), "half an edit");
                        let then = told(&held);
                        shuttle::thread::yield_now();
                        assert_eq!(told(&held), then);
                        if held.entries.contains_key(&net(200)) != is_replaced {
                            assert!(!is_replaced, "an older table after a newer one");
                            (is_replaced, last) = (true, [0; 3]);
                        }
                        for (writer, last) in (0..3).zip(&mut last) {
                            let now = count(&held, writer);
                            assert!(now >= *last, "an older table after a newer one");
                            *last = now;
                        }
                    }
                    0
                }
            }
        });
        let table = live.load();
        assert_eq!(table.entries.contains_key(&net(200)), replaces);
        for (writer, edits) in (0..3).zip(made) {
            let now = count(&table, writer);
            // What came before the replacement is gone; what came after it counts on.
            assert!(now == edits || replaces && now == 0, "{now} of {edits} edits");
        }
        let mut reader = live.reader();
        assert_eq!(told(reader.get()), told(&table));
    });
}
