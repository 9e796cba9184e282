//! Sentences of events: plain words, and the numbers that the gate went by.
//!
//! # Invariants
//! - **I1** a sentence is one line of printable characters, whatever a client has written into a path, a user
//!   agent or a key: what is not printable is escaped as in a Rust string, directions of writing and
//!   invisible characters among it;
//! - **I2** each part of it that is not the library's own words is cut, so that a sentence has at most about
//!   a thousand characters; a cut is shown by `…`.

use alloc::{format, string::String};
use core::fmt::Write as _;

use super::{EventKind, Evidence, Posture};

/// Who or what most of the excess comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Culprit {
    /// Its share of the excess.
    pub(crate) share: f64,
    /// What it is, with its preposition: `from 198.51.100.0/24 on GET /search`.
    pub(crate) what: String,
    /// The share of its sources that were never seen before.
    pub(crate) new: f64,
}

/// What has happened, in plain words with numbers.
pub(crate) fn sentence(kind: &EventKind, evidence: &Evidence, culprit: Option<&Culprit>) -> String {
    let numbers = numbers(evidence, culprit);
    let load = format!("load {} of 100", rounded(evidence.load));
    match kind {
        EventKind::Posture { from, to } if to < from => match to {
            Posture::Normal => format!("Back to normal: {numbers}; {load}"),
            _ => format!("Calmer, {to} after {from}: {numbers}; {load}"),
        },
        EventKind::Posture { to, .. } => match to {
            Posture::Normal | Posture::Elevated => format!("Unusual traffic: {numbers}; {load}"),
            Posture::Overload => {
                format!("The service is busy, and it is no attack: {load}; {numbers}")
            }
            Posture::Defend => format!("An attack: {numbers}; {load}"),
            Posture::Lockdown => {
                format!("The service does not withstand the attack: {load}; {numbers}")
            }
        },
        EventKind::Latched => {
            format!("The posture has changed so often that the higher one stays: {numbers}; {load}")
        }
        EventKind::Found { name, rule, covers, harms } => format!(
            "Found {}, which covers {} of the excess and {} of the usual traffic: {}",
            named(name),
            percent(*covers),
            percent(*harms),
            plain(rule, RULE),
        ),
        EventKind::Throttled { name } => format!("Throttled by {}: {numbers}", named(name)),
        EventKind::Denied { name } => format!("Denied by {}: {numbers}", named(name)),
        EventKind::Ended { name, matched } => {
            format!("{} has ended; requests that it matched: {}", named(name), grouped(*matched))
        }
        EventKind::Held { rate } => format!(
            "Unknown clients share what known ones leave, {} requests a second: {numbers}",
            rounded(*rate),
        ),
        EventKind::Readmitted => {
            format!("All unknown clients are served again: {numbers}; {load}")
        }
        EventKind::Told { what } => format!("Told by an operator: {}", plain(what, TOLD)),
    }
}

/// The same of a posture that an operator wants, whatever the numbers say.
pub(crate) fn forced(
    from: Posture,
    to: Posture,
    evidence: &Evidence,
    culprit: Option<&Culprit>,
) -> String {
    let (numbers, load) = (numbers(evidence, culprit), rounded(evidence.load));
    format!("An operator wants {to} after {from}: {numbers}; load {load} of 100")
}

/// Characters of a rule, of what an operator has said, of a culprit, and of a name, before they are cut.
const RULE: usize = 400;
const TOLD: usize = 200;
const WHAT: usize = 240;
const NAME: usize = 64;

/// How much there is, where it comes from, and how much of that is new.
fn numbers(evidence: &Evidence, culprit: Option<&Culprit>) -> String {
    let mut text = if evidence.usual > 0.0 {
        format!("{}x usual volume", tenths(evidence.times_usual()))
    } else {
        let offered = rounded(evidence.offered);
        format!("{offered} requests a second, where nothing is usual yet")
    };
    let new = culprit.map_or(evidence.new, |culprit| culprit.new);
    if let Some(Culprit { share, what, .. }) = culprit {
        // Writing into a string can not fail.
        let _ = write!(text, "; {} of the excess {}", percent(*share), plain(what, WHAT));
    }
    let _ = write!(text, "; {} of sources never seen before", percent(new));
    text
}

fn named(name: &str) -> String {
    plain(name, NAME)
}

/// A text of somebody else's as one printable line of at most so many characters.
pub(crate) fn plain(text: &str, most: usize) -> String {
    let mut plain = String::new();
    let mut length = 0_usize;
    for character in text.chars() {
        let before = plain.len();
        match character {
            // Escaped by Rust for the sake of its own quotes.
            '"' | '\'' | '\\' => plain.push(character),
            _ => plain.extend(character.escape_debug()),
        }
        let added = plain.get(before..).map_or(0, |added| added.chars().count());
        length = length.saturating_add(added);
        if length > most {
            plain.truncate(before);
            plain.push('…');
            break;
        }
    }
    plain
}

/// Bytes of somebody else's as one printable line of at most so many characters.
pub(crate) fn plain_bytes(bytes: &[u8], most: usize) -> String {
    // Each byte is at least a fourth of a character: more than these are never shown.
    let enough = most.saturating_mul(4).saturating_add(4);
    plain(&String::from_utf8_lossy(bytes.get(..enough).unwrap_or(bytes)), most)
}

/// `71 %`; a decimal below ten.
pub(crate) fn percent(share: f64) -> String {
    let percent = bounded(share * 100.0).min(100.0);
    if percent > 0.0 && percent < 0.05 {
        String::from("under 0.1 %")
    } else if percent < 9.95 && percent.fract() != 0.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// `12.3`.
pub(crate) fn tenths(number: f64) -> String {
    format!("{:.1}", bounded(number))
}

/// `6,150`.
pub(crate) fn rounded(number: f64) -> String {
    grouped_digits(&format!("{:.0}", bounded(number)))
}

/// `6,150`.
pub(crate) fn grouped(number: u64) -> String {
    grouped_digits(&format!("{number}"))
}

fn grouped_digits(digits: &str) -> String {
    let mut grouped = String::new();
    for (left, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        grouped.push(digit);
        if left > 0 && left % 3 == 0 {
            grouped.push(',');
        }
    }
    grouped
}

/// Numbers that can be shown: none is negative, endless or no number.
fn bounded(number: f64) -> f64 {
    const MOST: f64 = 1e15;
    if number.is_nan() { 0.0 } else { number.clamp(0.0, MOST) }
}

#[cfg(test)]
mod tests {
    use std::{
        format,
        string::{String, ToString as _},
        vec::Vec,
    };

    use proptest::prelude::*;

    use super::{Culprit, grouped, percent, plain, plain_bytes, rounded, sentence, tenths};
    use crate::detect::{EventKind, Evidence, Posture};

    fn evidence() -> Evidence {
        Evidence { offered: 6_150.0, usual: 500.0, new: 0.62, load: 35.4, ..Evidence::default() }
    }

    fn culprit() -> Culprit {
        let what = "from 198.51.100.0/24 on GET /search".to_string();
        Culprit { share: 0.71, what, new: 0.93 }
    }

    #[test]
    fn numbers_are_told_in_words() {
        let up = EventKind::Posture { from: Posture::Elevated, to: Posture::Defend };
        assert_eq!(
            sentence(&up, &evidence(), Some(&culprit())),
            "An attack: 12.3x usual volume; 71 % of the excess from 198.51.100.0/24 on GET /search; \
             93 % of sources never seen before; load 35 of 100",
        );
        let name = || "auto-7".to_string();
        let told = |kind: EventKind| sentence(&kind, &evidence(), None);
        let posture = |from, to| told(EventKind::Posture { from, to });
        use Posture::{Defend, Elevated, Lockdown, Normal, Overload};
        let told = [
            posture(Normal, Elevated),
            posture(Elevated, Overload),
            posture(Defend, Lockdown),
            posture(Defend, Elevated),
            posture(Elevated, Normal),
            told(EventKind::Latched),
            told(EventKind::Found {
                name: name(),
                rule: r#"ip.src in {198.51.100.0/24} and path eq "/search""#.to_string(),
                covers: 0.71,
                harms: 0.0034,
            }),
            told(EventKind::Throttled { name: name() }),
            told(EventKind::Denied { name: name() }),
            told(EventKind::Ended { name: name(), matched: 1_234_567 }),
            told(EventKind::Held { rate: 1_200.4 }),
            told(EventKind::Readmitted),
            told(EventKind::Told { what: "defend for 5 min".to_string() }),
        ];
        assert_eq!(
            told,
            [
                "Unusual traffic: 12.3x usual volume; 62 % of sources never seen before; \
                 load 35 of 100",
                "The service is busy, and it is no attack: load 35 of 100; 12.3x usual volume; \
                 62 % of sources never seen before",
                "The service does not withstand the attack: load 35 of 100; 12.3x usual volume; \
                 62 % of sources never seen before",
                "Calmer, elevated after defend: 12.3x usual volume; \
                 62 % of sources never seen before; load 35 of 100",
                "Back to normal: 12.3x usual volume; 62 % of sources never seen before; \
                 load 35 of 100",
                "The posture has changed so often that the higher one stays: 12.3x usual volume; \
                 62 % of sources never seen before; load 35 of 100",
                "Found auto-7, which covers 71 % of the excess and 0.3 % of the usual traffic: \
                 ip.src in {198.51.100.0/24} and path eq \"/search\"",
                "Throttled by auto-7: 12.3x usual volume; 62 % of sources never seen before",
                "Denied by auto-7: 12.3x usual volume; 62 % of sources never seen before",
                "auto-7 has ended; requests that it matched: 1,234,567",
                "Unknown clients share what known ones leave, 1,200 requests a second: \
                 12.3x usual volume; 62 % of sources never seen before",
                "All unknown clients are served again: 12.3x usual volume; \
                 62 % of sources never seen before; load 35 of 100",
                "Told by an operator: defend for 5 min",
            ]
        );
    }

    #[test]
    fn where_nothing_is_usual_there_is_no_ratio() {
        let evidence = Evidence { usual: 0.0, ..evidence() };
        assert_eq!(
            sentence(&EventKind::Readmitted, &evidence, None),
            "All unknown clients are served again: 6,150 requests a second, where nothing is usual \
             yet; 62 % of sources never seen before; load 35 of 100",
        );
    }

    /// I1.
    #[test]
    fn what_is_not_printable_is_escaped() {
        assert_eq!(plain("a\r\n\u{1b}[31m\0", 99), r"a\r\n\u{1b}[31m\0");
        assert_eq!(
            plain("\u{202e}\u{200b}\u{2028}\u{feff}", 99),
            r"\u{202e}\u{200b}\u{2028}\u{feff}"
        );
        assert_eq!(plain(r#"path eq "/a\b" ä"#, 99), r#"path eq "/a\b" ä"#);
        assert_eq!(plain_bytes(b"/\xff\n", 99), "/\u{fffd}\\n");
    }

    /// I2.
    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(plain("abcd", 4), "abcd");
        assert_eq!(plain("abcde", 4), "abcd…");
        // No half of an escape.
        assert_eq!(plain("abc\n", 4), "abc…");
        assert_eq!(plain_bytes(&[b'x'; 10_000], 5), "xxxxx…");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 0.0004, 0.001, 0.0994, 0.0996, 0.1, 0.715, 1.0].map(percent),
            ["0 %", "under 0.1 %", "0.1 %", "9.9 %", "10 %", "10 %", "72 %", "100 %"]
        );
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [f64::NAN, -1.0, f64::INFINITY].map(tenths),
            ["0.0", "0.0", "1000000000000000.0"]
        );
        assert_eq!(rounded(12_345.6), "12,346");
        assert_eq!([f64::NAN, f64::INFINITY, -3.0].map(percent), ["0 %", "100 %", "0 %"]);
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(500))]

        /// I1, I2: for every kind, whatever the texts and the numbers are.
        #[test]
        fn a_sentence_is_one_short_printable_line(
            text in any::<String>(), long in 0_usize..3, bytes in any::<Vec<u8>>(),
            numbers in any::<[f64; 4]>(),
        ) {
            let text = || text.repeat(10_usize.pow(u32::try_from(long).unwrap()));
            let [offered, usual, share, new] = numbers;
            let evidence = Evidence { offered, usual, new, load: share, ..Evidence::default() };
            let what = plain_bytes(&bytes, 100) + &text();
            let culprit = Culprit { share, what, new };
            for kind in [
                EventKind::Posture { from: Posture::Normal, to: Posture::Defend },
                EventKind::Latched,
                EventKind::Found { name: text(), rule: text(), covers: share, harms: new },
                EventKind::Throttled { name: text() },
                EventKind::Denied { name: text() },
                EventKind::Ended { name: text(), matched: 1 },
                EventKind::Held { rate: offered },
                EventKind::Readmitted,
                EventKind::Told { what: text() },
            ] {
                let sentence = sentence(&kind, &evidence, Some(&culprit));
                prop_assert!(sentence.chars().count() < 1_000, "{}", sentence);
                // Rust's own judgement of what can be printed as it is.
                let odd = |c: &char| !matches!(c, '"' | '\'' | '\\') && c.escape_debug().len() != 1;
                prop_assert_eq!(sentence.chars().find(odd), None, "{}", sentence);
                prop_assert!(!sentence.chars().any(char::is_control), "{}", format!("{sentence:?}"));
            }
        }
    }
}
