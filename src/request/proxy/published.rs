//! What others have published about headers, in `tests/cases/proxy.tsv`: each line is run.

use super::reference::{check, written};
use crate::test_support::{rows, unescaped};

const HEADERS: &str = include_str!("../../../tests/cases/proxy.tsv");

#[test]
fn headers_are_as_published_or_the_table_says_why_not() {
    let (mut lines, mut differing) = (0, 0);
    for line in rows(HEADERS) {
        let (bytes, expected, because) = match line.as_slice() {
            [_, bytes, published, "="] => (bytes, published, ""),
            [_, bytes, published, ours, why] if ours != published => (bytes, ours, *why),
            _ => panic!("{line:?} is no line of this table"),
        };
        let found = written(&check(&unescaped(bytes)));
        let is_refused = *expected == "refused" && matches!(found.as_str(), "absent" | "invalid");
        assert!(is_refused || found == *expected, "{line:?} is {found}, {because}");
        lines += 1;
        differing += usize::from(!because.is_empty());
    }
    assert_eq!((lines, differing), (145, 17));
}
