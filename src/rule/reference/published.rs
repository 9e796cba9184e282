//! What others have published about decoding, in `tests/cases/url_decode.tsv`: each line is run.

use super::url_decode;
use crate::{
    rule::expr::UrlDecode,
    test_support::{rows, unescaped},
};

const DECODED: &str = include_str!("../../../tests/cases/url_decode.tsv");

#[test]
fn decoding_is_as_published_or_the_table_says_why_not() {
    let mut lines = 0;
    for line in rows(DECODED) {
        let (options, text, expected, because) = match line.as_slice() {
            [_, options, text, published, "="] => (options, text, published, ""),
            [_, options, text, published, ours, why] if ours != published => {
                (options, text, ours, *why)
            }
            _ => panic!("{line:?} is no line of this table"),
        };
        let has = |option| options.contains(option);
        let options = UrlDecode { recursive: has('r'), unicode: has('u') };
        let decoded = url_decode(&unescaped(text), options);
        assert!(
            decoded == unescaped(expected),
            "{line:?} is {}, {because}",
            decoded.escape_ascii()
        );
        lines += 1;
    }
    assert_eq!(lines, 52);
}
