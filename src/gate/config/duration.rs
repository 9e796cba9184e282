//! The text form of a length of time: `15m`, `1d`, `1m30s`.
//!
//! ```text
//! length = part { part }
//! part   = integer unit
//! unit   = ns | us | ms | s | sec | second | m | min | minute | h | hour | d | day   (or a plural)
//! ```
//! Blanks between the parts are free. The units are those of quotas.

use alloc::{
    format,
    string::{String, ToString},
};
use core::time::Duration;

use crate::quota::unit_nanos;

/// Why a text is not a length of time, and the byte where that shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

/// The length of time that a text says.
pub(super) fn parse(text: &str) -> Result<Duration, Fault> {
    let at_of = |rest: &str| text.len().saturating_sub(rest.len());
    let fault = |rest: &str, message: &str| Fault { at: at_of(rest), message: message.to_string() };
    let too_long = |rest: &str| fault(rest, "the time is too long; use less than 500 years");
    let mut rest = text.trim_start();
    let mut nanos = 0_u64;
    loop {
        let (digits, behind) = split(rest, |c| c.is_ascii_digit() || c == '_');
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(fault(rest, "expected a number and a unit of time"));
        }
        let digits_only: String = digits.chars().filter(|c| *c != '_').collect();
        let Ok(many) = digits_only.parse::<u64>() else { return Err(too_long(rest)) };
        let behind = behind.trim_start();
        let (unit, after) = split(behind, char::is_alphabetic);
        let Some(unit_nanos) = unit_nanos(unit) else {
            let message = if unit.is_empty() {
                format!("expected a unit of time after {digits}; use ms, s, min, hour or day")
            } else {
                String::from("unknown unit of time; use ms, s, min, hour or day")
            };
            return Err(Fault { at: at_of(behind), message });
        };
        let sum = many.checked_mul(unit_nanos).and_then(|part| nanos.checked_add(part));
        nanos = sum.ok_or_else(|| too_long(rest))?;
        rest = after.trim_start();
        if rest.is_empty() {
            return Ok(Duration::from_nanos(nanos));
        }
    }
}

/// The start of a text whose characters all are so, and what follows.
fn split(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !keep(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::{Fault, parse};

    #[test]
    fn lengths_are_numbers_with_units() {
        for (text, seconds) in [
            ("15m", 900),
            ("1d", 86_400),
            ("1m30s", 90),
            (" 1 min 30 seconds ", 90),
            ("2_0h", 72_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, at, message) in [
            ("", 0, "expected a number and a unit of time"),
            ("m", 0, "expected a number and a unit of time"),
            ("15", 2, "expected a unit of time after 15; use ms, s, min, hour or day"),
            ("1m 15", 5, "expected a unit of time after 15; use ms, s, min, hour or day"),
            ("15 weeks", 3, "unknown unit of time; use ms, s, min, hour or day"),
            ("1.5h", 1, "expected a unit of time after 1; use ms, s, min, hour or day"),
            ("-1s", 0, "expected a number and a unit of time"),
            ("1s 9999999d", 3, "the time is too long; use less than 500 years"),
            ("99999999999999999999s", 0, "the time is too long; use less than 500 years"),
        ] {
            assert_eq!(parse(text), Err(Fault { at, message: message.into() }), "{text}");
        }
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(500))]

        #[test]
        fn any_text_is_a_length_or_has_a_fault_inside(text in "[0-9a-z_ ä]{0,12}") {
            if let Err(fault) = parse(&text) {
                prop_assert!(text.is_char_boundary(fault.at), "{}", fault.at);
            }
        }
    }
}
