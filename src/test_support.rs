//! What unit tests share.

use proptest::test_runner::Config;

/// This many cases of a property, or as many as `PROPTEST_CASES` says if that is more.
pub(crate) fn cases(cases: u32) -> Config {
    let default = Config::default();
    Config { cases: default.cases.max(cases), failure_persistence: None, ..default }
}
