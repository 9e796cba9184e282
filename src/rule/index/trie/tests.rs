//! The trie against trying all keys, and what it takes.

use std::{vec, vec::Vec};

use proptest::{collection::vec, prelude::*};

use super::{Anchor, Trie, word::lower};
use crate::test_support::cases;

type Given = (Vec<u8>, bool, u32);

fn built(entries: &[Given], folded: bool, back: bool) -> Trie {
    let entries = entries.iter().map(|(key, exact, value)| {
        let mut key = key.clone();
        if back {
            key.reverse();
        }
        (key.into(), if *exact { Anchor::Exact } else { Anchor::Prefix }, *value)
    });
    Trie::build(entries.collect(), folded)
}

fn found(trie: &Trie, text: &[u8], back: bool) -> Vec<u32> {
    let mut found = Vec::new();
    if back {
        trie.walk_back(text, |value| found.push(value));
    } else {
        trie.walk(text, |value| found.push(value));
    }
    found
}

/// One entry after the other.
fn slow(entries: &[Given], text: &[u8], folded: bool, back: bool) -> Vec<u32> {
    let fold = |bytes: &[u8]| if folded { bytes.to_ascii_lowercase() } else { bytes.to_vec() };
    let text = fold(text);
    let fits = |(key, exact, _): &&Given| {
        let key = fold(key);
        match (*exact, back) {
            (true, _) => text == key,
            (false, false) => text.starts_with(&key),
            (false, true) => text.ends_with(&key),
        }
    };
    entries.iter().filter(fits).map(|(.., value)| *value).collect()
}

fn key(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![9 => prop::sample::select(b"aAb/".to_vec()), 1 => any::<u8>()];
    let long = prop::sample::select(vec![&b""[..], b"/static/Assets", b"0123456789abcdefghijklmn"]);
    (long, vec(byte, 0..=longest)).prop_map(|(long, key)| [long, &key].concat())
}

fn entries() -> impl Strategy<Value = Vec<Given>> {
    vec((key(5), any::<bool>(), 0..50_u32), 0..30)
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// I1 and I4.
    #[test]
    fn it_finds_what_trying_all_keys_finds(
        entries in entries(),
        texts in vec(key(8), 8),
        picks in vec((any::<prop::sample::Index>(), key(2)), 8),
        folded in any::<bool>(),
        back in any::<bool>(),
    ) {
        let trie = built(&entries, folded, back);
        let mut texts = texts;
        if !entries.is_empty() {
            for (pick, more) in picks {
                let key = &pick.get(&entries).0;
                texts.push(if back { [&more, &key[..]].concat() } else { [key, &more[..]].concat() });
                texts.push(key.to_ascii_uppercase());
                texts.push(key[..key.len().saturating_sub(1)].to_vec());
            }
        }
        for text in texts {
            let mut all = found(&trie, &text, back);
            let mut expected = slow(&entries, &text, folded, back);
            all.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(all, expected, "{:?}", text);
        }
    }

    #[test]
    fn a_word_is_made_small_byte_by_byte(bytes in any::<[u8; 8]>()) {
        let small = bytes.map(|byte| byte.to_ascii_lowercase());
        prop_assert_eq!(lower(u64::from_le_bytes(bytes)), u64::from_le_bytes(small));
    }
}

/// Zero bytes are what words are padded with.
#[test]
fn a_text_does_not_go_on_past_its_end() {
    let entries = [(b"a\0\0".to_vec(), false, 1), (b"\0".to_vec(), false, 2)];
    for back in [false, true] {
        let trie = built(&entries, false, back);
        assert!(found(&trie, b"a", back).is_empty());
        assert!(found(&trie, b"", back).is_empty());
        assert_eq!(found(&trie, b"\0", back), [2]);
    }
    assert_eq!(found(&built(&entries, false, false), b"a\0\0", false), [1]);
}

/// I1: shorter keys come first.
#[test]
fn values_come_by_the_length_of_their_keys() {
    let entries = [(b"ab".to_vec(), false, 1), (b"a".to_vec(), false, 2), (b"".to_vec(), false, 3)];
    assert_eq!(found(&built(&entries, false, false), b"abc", false), [3, 2, 1]);
}

/// I2 and I3: every key is the beginning of all longer ones.
#[test]
fn nested_keys_stay_linear() {
    let memory = |keys: usize| {
        let entries: Vec<Given> = (0..keys).map(|at| (b"a".repeat(at), false, at as u32)).collect();
        let trie = built(&entries, false, false);
        assert_eq!(found(&trie, &b"a".repeat(keys / 2), false).len(), keys / 2 + 1);
        trie.memory_bytes()
    };
    let (half, whole) = (memory(1_000), memory(2_000));
    assert!(whole < 2 * half + 100, "{half} {whole}");
    assert!(whole < 2_000 * 60, "{whole}");
}

/// I3: the widest table with the fewest children.
#[test]
fn children_that_lie_apart_make_no_table() {
    let entries: Vec<Given> =
        (0..256).step_by(5).map(|byte| (vec![byte as u8], true, byte)).collect();
    let trie = built(&entries, false, false);
    assert!(trie.slots.is_empty() && trie.lists.len() == entries.len());
    for (key, _, value) in &entries {
        assert_eq!(found(&trie, key, false), [*value]);
    }
    assert!(found(&trie, &[1], false).is_empty());
}
