use std::vec::Vec;

use super::{Is, Plain, length_while, tokens};

fn read(text: &str) -> Vec<Is<'_>> {
    tokens(text).0.into_iter().map(|token| token.is).collect()
}

/// I2: what comes after a word is not looked at for its sake.
#[test]
fn a_word_is_looked_at_up_to_its_end() {
    for (text, length, looks) in
        [("a.b..c", 3, 5), ("a..b..c", 1, 3), ("a b", 1, 2), ("ab", 2, 2), ("", 0, 0)]
    {
        let mut looked = 0;
        let found = length_while(text, |c| {
            looked += 1;
            c != ' '
        });
        assert_eq!((found, looked), (length, looks), "{text}");
    }
}

#[test]
fn ranges_part_words_numbers_and_addresses() {
    let int = |number| Is::Literal(Plain::Int(number));
    let dots = || Is::Sign("..");
    assert_eq!(read("1..-2"), [int(1), dots(), int(-2), Is::End]);
    assert_eq!(read("a.b..c"), [Is::Word("a.b"), dots(), Is::Word("c"), Is::End]);
    let address = |text: &str| Is::Literal(Plain::Address(text.parse().unwrap()));
    assert_eq!(read("::1..a::"), [address("::1"), dots(), address("a::"), Is::End]);
}

/// What is likely to be meant is read in place of a sign that is none.
#[test]
fn a_single_sign_is_one_mistake_and_read_as_the_double_one() {
    for (text, sign) in [("a = b", "=="), ("a | b", "||"), ("a ^ b", "^^")] {
        assert_eq!(read(text), [Is::Word("a"), Is::Sign(sign), Is::Word("b"), Is::End], "{text}");
        let found: Vec<_> = tokens(text).1.into_iter().map(|found| found.span).collect();
        assert_eq!(found, [Some(2..3)], "{text}");
    }
    assert_eq!(read("a ; b"), [Is::Word("a"), Is::Word("b"), Is::End]);
}

/// Each text ends where the next quote of any kind is, so that none is looked for twice.
#[test]
fn a_text_in_other_quotes_is_one_mistake_up_to_the_next_quote() {
    let broken = || Is::Literal(Plain::Broken);
    for text in ["'a b'", "\u{201c}a b\u{201d}", "\u{201c}a b\u{201c}", "\u{201d}a b'"] {
        assert_eq!(read(text), [broken(), Is::End], "{text}");
        assert_eq!(tokens(text).1.len(), 1, "{text}");
    }
    assert_eq!(read("'a\n'"), [broken(), Is::Word("a"), broken(), Is::End]);
}

#[test]
fn a_raw_text_ends_at_its_own_number_of_hashes() {
    let text = |text: &[u8]| Is::Literal(Plain::Text(text.to_vec()));
    assert_eq!(read("r##\"a\"#b\"##"), [text(b"a\"#b"), Is::End]);
    assert_eq!(read("r##\"a\"# #\"##"), [text(b"a\"# #"), Is::End]);
    assert_eq!(read("r##\"a\"###"), [text(b"a"), Is::End]);
}

/// A zone is read with its address, to be refused with it; a number has none.
#[test]
fn a_percent_sign_belongs_to_addresses_alone() {
    let int = |number| Is::Literal(Plain::Int(number));
    assert_eq!(read("fe80::1%0"), [Is::Literal(Plain::Broken), Is::End]);
    assert_eq!(read("5%2"), [int(5), int(2), Is::End]);
}

#[test]
fn what_is_no_word_is_named() {
    let found = ["a ; b", "'a'", r#""\xg0""#, r#""\q""#].map(|text| {
        let found = tokens(text).1;
        found.into_iter().map(|found| found.message).collect::<Vec<_>>()
    });
    assert_eq!(
        found,
        [
            ["unexpected character ';'"],
            ["texts are in double quotes"],
            [r"`\x` needs two hexadecimal digits"],
            [r"`\q` is no escape"],
        ]
    );
}
