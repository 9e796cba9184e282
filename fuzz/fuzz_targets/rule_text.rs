//! Any text is an expression or a list of mistakes that lie in it; an expression's own text is that
//! expression again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::rule::{Diagnostics, samples};

/// What is longer is refused, and a text with escapes can be longer than what it was written from.
const LONGEST: usize = 16 * 1024;

fuzz_target!(|text: &str| {
    let scheme = samples::scheme();
    match scheme.parse(text) {
        Ok(expr) => {
            let again = expr.to_string();
            if again.len() <= LONGEST {
                let parsed = scheme.parse(&again);
                assert_eq!(parsed.ok(), Some(expr), "{text:?} was written as {again:?}");
            }
        }
        Err(mistakes) => lie_in(text, &mistakes),
    }
    match scheme.parse_term(text) {
        Ok(term) => {
            let again = term.to_string();
            let parsed = scheme.parse_term(&again);
            assert_eq!(parsed.ok(), Some(term), "{text:?} was written as {again:?}");
        }
        Err(mistakes) => lie_in(text, &mistakes),
    }
});

fn lie_in(text: &str, mistakes: &Diagnostics) {
    assert!(!mistakes.is_empty(), "{text:?} is refused without a reason");
    for mistake in mistakes.iter() {
        let span = mistake.span().expect("a mistake in a text has a place");
        assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
    }
    let _ = mistakes.to_string();
}
