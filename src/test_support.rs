//! What unit tests share.

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
