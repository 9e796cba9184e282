//! What unit tests share.

use std::vec::Vec;

use proptest::test_runner::Config;

/// This many cases of a property, or as many as `PROPTEST_CASES` says if that is more; one under miri.
pub(crate) fn cases(cases: u32) -> Config {
    let default = Config::default();
    // What proptest takes for itself, where nobody asks for more, does not count: it is 256.
    #[allow(clippy::disallowed_methods, reason = "a test, which proptest reads the same way")]
    let asked = std::env::var_os("PROPTEST_CASES").map_or(0, |_| default.cases);
    // miri is a thousand times slower, and looks for other mistakes.
    let cases = if cfg!(miri) { 1 } else { asked.max(cases) };
    Config { cases, failure_persistence: None, ..default }
}

/// So many rounds, keys or units; under miri, which is a thousand times slower, the second number.
pub(crate) const fn rounds<T: Copy>(usual: T, miri: T) -> T {
    if cfg!(miri) { miri } else { usual }
}

/// The lines of a table of cases, each by its columns; lines that start with `#` are remarks.
pub(crate) fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split('\t').collect())
}

/// What a column stands for: `\\` is a backslash, `\xHH` any byte, and `""` nothing.
pub(crate) fn unescaped(column: &str) -> Vec<u8> {
    if column == "\"\"" {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    let mut rest = column;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = if let Some(after) = escape.strip_prefix('\\') {
            bytes.push(b'\\');
            after
        } else {
            let digits = escape.strip_prefix('x').and_then(|digits| digits.get(..2));
            let digits = digits.unwrap_or_else(|| panic!("{column:?} has an escape that is none"));
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            &escape[3..]
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
