//! What unit tests share.

use proptest::test_runner::Config;

/// This many cases of a property, or as many as `PROPTEST_CASES` says if that is more; one under miri.
pub(crate) fn cases(cases: u32) -> Config {
    let default = Config::default();
    // miri is a thousand times slower, and looks for other mistakes.
    let cases = if cfg!(miri) { 1 } else { default.cases.max(cases) };
    Config { cases, failure_persistence: None, ..default }
}
