//! Any text is a quota or a refusal that points into it, and a quota's own text is that quota again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::{Quota, TokenBucket};

fuzz_target!(|text: &str| {
    match text.parse::<Quota>() {
        Ok(quota) => {
            let again = quota.to_string();
            assert_eq!(again.parse(), Ok(quota), "{text:?} was written as {again:?}");
            assert_eq!(Quota::new(quota.count(), quota.period()), Ok(quota.burst(quota.count())));
            // Every quota that can be said can be kept.
            let _ = TokenBucket::new(quota);
        }
        Err(error) => {
            // One past the end is where something is missing.
            let column = error.column();
            assert!((1..=text.chars().count() + 1).contains(&column), "column {column}");
            assert!(!error.to_string().chars().any(char::is_control));
        }
    }
});
