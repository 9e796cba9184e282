//! What others have published about paths, in `tests/cases/path.tsv`: each line is run.

use super::canonical_path;
use crate::{
    request::reference::check,
    test_support::{rows, unescaped},
};

const PATHS: &str = include_str!("../../../tests/cases/path.tsv");

#[test]
fn paths_are_as_published_or_the_table_says_why_not() {
    let mut lines = 0;
    for line in rows(PATHS) {
        let (target, expected, because) = match line.as_slice() {
            [_, target, published, "="] => (target, published, ""),
            [_, target, published, ours, why] if ours != published => (target, ours, *why),
            _ => panic!("{line:?} is no line of this table"),
        };
        let target = unescaped(target);
        let path = canonical_path(&target).into_owned();
        let [path, expected] = [path, unescaped(expected)];
        assert!(path == expected, "{line:?} is {}, {because}", path.escape_ascii());
        let _ = check(&target, "GET", b"");
        lines += 1;
    }
    assert_eq!(lines, 198);
}
