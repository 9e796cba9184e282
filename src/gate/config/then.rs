//! What follows: bans, shares, and other values that rules and limits have in common.

use alloc::{format, string::String};
use core::time::Duration;

use toml::de::DeValue;

use super::{
    duration,
    section::{Keys, Report, Section, Value},
};
use crate::{
    limit::Share,
    rule::{Ban, Code, Diagnostic},
};

pub(super) const BAN: Keys =
    Keys { what: "a ban", known: &["for", "escalate", "max"], aliases: &[] };

/// How a length of time is asked for.
pub(super) struct Like {
    /// What is expected.
    pub(super) expected: &'static str,
    /// What a number without a unit may have been, as a unit and in words.
    pub(super) unit: (&'static str, &'static str),
    /// What helps where it cannot be read.
    pub(super) help: &'static str,
}

const LIKE_A_BAN: Like = Like {
    expected: "a length of time, as in \"15m\"",
    unit: ("s", "seconds"),
    help: "as in \"15m\", \"1d\" or \"1m30s\"",
};

/// A ban: how long it is, or a table that says more.
pub(super) fn ban<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<Ban> {
    if let DeValue::Table(_) = value.get() {
        let ban = Section::of(report, value, &BAN)?;
        let Some(first) = ban.get("for") else {
            ban.missing(report, "for", "as in { for = \"15m\", escalate = 4, max = \"1d\" }");
            return None;
        };
        let first = length(report, &first);
        return grown(report, &ban, first);
    }
    let first = length(report, value)?;
    Some(Ban { first, escalate: 1, most: first })
}

/// A ban of this length that grows as a table says.
pub(super) fn grown<'a>(
    report: &mut Report<'a>,
    table: &Section<'a>,
    first: Option<Duration>,
) -> Option<Ban> {
    let escalate = match table.get("escalate") {
        Some(value) => value.number(report, 1..=i64::from(u32::MAX)),
        None => Some(1),
    };
    let most = table.get("max").map(|value| (length(report, &value), value));
    let (first, escalate) = (first?, u32::try_from(escalate?).ok()?);
    let most = match most {
        Some((Some(most), value)) if most < first => {
            value.refuse(report, "the longest ban is shorter than the first one");
            return None;
        }
        Some((most, _)) => most?,
        None if escalate == 1 => first,
        None => first.max(A_DAY),
    };
    Some(Ban { first, escalate, most })
}

/// Tells of what makes a ban longer, where there is no ban that it could be of: nobody would miss it before it is
/// needed.
pub(super) fn growth_without_ban<'a>(report: &mut Report<'a>, table: &Section<'a>) {
    let help = match table.get("ban").map(|ban| ban.get()) {
        Some(DeValue::Table(_)) => "put it into the table of the ban, beside `for`",
        Some(_) => return,
        None => "add a ban, as in { ban = \"15m\", escalate = 4, max = \"1d\" }",
    };
    for key in ["escalate", "max"] {
        if let Some(value) = table.get(key) {
            let message = format!("`{key}` is of a ban, and here it is of none");
            let diagnostic = Diagnostic::new(Code::Conflict, value.span(), message).with_help(help);
            report.push(&value.place, diagnostic);
        }
    }
}

/// The longest that a ban becomes, unless something else is said.
const A_DAY: Duration = Duration::from_secs(86_400);

/// A length of time that is not zero.
pub(super) fn length<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<Duration> {
    let length = time(report, value, &LIKE_A_BAN)?;
    if length.is_zero() {
        value.refuse(report, "the time is zero");
        return None;
    }
    Some(length)
}

/// A length of time.
pub(super) fn time<'a>(
    report: &mut Report<'a>,
    value: &Value<'a>,
    like: &Like,
) -> Option<Duration> {
    let Like { expected, unit: (unit, units), help } = like;
    if let Some(number) = value.as_number() {
        let message = format!("expected {expected}, found a number without a unit");
        let diagnostic = Diagnostic::new(Code::WrongType, value.span(), message)
            .with_help(format!("write \"{number}{unit}\" if these are {units}"));
        report.push(&value.place, diagnostic);
        return None;
    }
    let text = value.text(report, expected)?;
    match duration::parse(text.value) {
        Ok(length) => Some(length),
        Err(fault) => {
            let len = text.value.get(fault.at..).and_then(|rest| rest.chars().next());
            let end = fault.at.saturating_add(len.map_or(0, char::len_utf8));
            let diagnostic =
                Diagnostic::new(Code::BadValue, text.span_of(fault.at..end), fault.message)
                    .with_help(*help);
            report.push(&value.place, diagnostic);
            None
        }
    }
}

/// A part of all clients, 0.0 to 1.0.
pub(super) fn share<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<Share> {
    let share = match value.get() {
        DeValue::Float(share) => share.as_str().parse::<f64>().ok(),
        DeValue::Integer(share) => share.as_str().parse::<f64>().ok(),
        _ => {
            value.wrong(report, "a fraction from 0.0 to 1.0");
            return None;
        }
    };
    match share {
        Some(share) if (0.0..=1.0).contains(&share) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is 0 to a million"
            )]
            let millionths = (share * 1e6).round() as u32;
            Some(Share::per_million(millionths))
        }
        _ => {
            let percents = share.filter(|it| (1.0..=100.0).contains(it));
            let diagnostic = Diagnostic::new(
                Code::BadValue,
                value.span(),
                String::from("expected a fraction from 0.0 to 1.0"),
            );
            let diagnostic = match percents {
                Some(percents) => {
                    diagnostic.with_help(format!("{percents} percent are {}", percents / 100.0))
                }
                None => diagnostic,
            };
            report.push(&value.place, diagnostic);
            None
        }
    }
}
