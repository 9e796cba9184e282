//! The limits of a file.

use alloc::{format, vec, vec::Vec};

use toml::de::DeValue;

use super::{
    fleet,
    read::{Place, Reader, quota, tables},
    rules::{Common, common, name},
    section::{Keys, Report, Section, Value},
    then,
};
use crate::{
    gate::{
        limits::{unfit, unfit_for_a_fleet},
        plan::{Bound, Cost, LimitPlan, MissingKey, Then},
    },
    rule::{Code, Diagnostic, Expr, Kind, Name, Phase, Term},
};

pub(super) const LIMIT: Keys = Keys {
    what: "a limit",
    known: &[
        "name",
        "when",
        "by",
        "quota",
        "in_flight",
        "scope",
        "fail",
        "count_if",
        "cost",
        "distinct",
        "missing",
        "then",
        "mode",
        "enforce_share",
        "group",
    ],
    aliases: &[("id", "name")],
};

pub(super) const THEN: Keys =
    Keys { what: "`then`", known: &["ban", "escalate", "max"], aliases: &[] };

/// The names of all limits, which conditions can ask for.
pub(super) fn names(file: &Section<'_>) -> Vec<Name> {
    let tables = tables(file, "limit");
    tables.iter().filter_map(Value::name).map(Name::from).collect()
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, file: &Section<'a>) {
    for value in tables(file, "limit") {
        limit(reader, &value);
    }
}

fn limit<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Option<()> {
    const MISSING: &[(&str, MissingKey)] =
        &[("group", MissingKey::Group), ("skip", MissingKey::Skip), ("deny", MissingKey::Deny)];
    let table = Section::of(&mut reader.report, value, &LIMIT)?;
    let name = name(reader, &table);
    let bound = bound(&mut reader.report, &table);
    let report = &mut reader.report;
    let scope = fleet::scope(report, &table);
    let missing = table.get("missing").and_then(|it| it.word(report, MISSING));
    let then = match table.get("then") {
        Some(value) => after(report, &value),
        None => Some(Then::default()),
    };
    let Common { mode, share, group } = common(reader, &table);
    let by = match table.get("by") {
        Some(value) => by(reader, &value),
        None => Some(vec![Term::client()]),
    };
    let when = condition(reader, &table, "when", Phase::Request);
    let count_if = condition(reader, &table, "count_if", Phase::Response);
    let cost = match table.get("cost") {
        Some(value) => cost(reader, &value),
        None => Some(Cost::Units(1)),
    };
    let distinct = match table.get("distinct") {
        Some(value) => single(reader, &value).map(Some),
        None => Some(None),
    };
    let (name, named) = name?;
    let (when, count_if) = (when?, count_if?);
    let limit = LimitPlan {
        name,
        bound: bound?,
        scope,
        when,
        by: by?,
        count_if,
        cost: cost?,
        distinct: distinct?,
        missing: missing.unwrap_or_default(),
        then: then?,
        mode,
        share,
        group,
    };
    let mut is_fit = true;
    let unfit = unfit(&limit).map(|(key, why)| (key, "requests in flight", why));
    let of_fleet = unfit_for_a_fleet(&limit).map(|(key, why)| (key, "a fleet", why));
    for (key, what, why) in unfit.chain(of_fleet) {
        if let Some(value) = table.get(key) {
            is_fit = false;
            let message = format!("`{key}` of a limit of {what} {why}");
            value.refuse(&mut reader.report, message);
        }
    }
    if !is_fit {
        return None;
    }
    reader.plan.limits.push(limit);
    let bound = table.get("quota").or_else(|| table.get("in_flight"));
    let span = bound.map_or(named, |value| value.span());
    reader.places.limits.push(Place { name: table.place, span });
    Some(())
}

/// How much it lets pass: so many per so long, or so many at a time.
fn bound<'a>(report: &mut Report<'a>, table: &Section<'a>) -> Option<Bound> {
    match (table.get("quota"), table.get("in_flight")) {
        (Some(value), None) => quota(report, &value).map(Bound::Quota),
        (None, Some(value)) => {
            let places = value.number(report, 0..=i64::from(u32::MAX))?;
            u32::try_from(places).ok().map(Bound::InFlight)
        }
        (Some(_), Some(value)) => {
            let message = "a limit has a `quota` or `in_flight`, and not both";
            let diagnostic = Diagnostic::new(Code::BadValue, value.span(), message)
                .with_help("make two limits of it: each has a name of its own");
            report.push(&value.place, diagnostic);
            None
        }
        (None, None) => {
            let help = "as in quota = \"100/min burst 20\", or in_flight = 20";
            table.missing(report, "quota` or an `in_flight", help);
            None
        }
    }
}

/// A condition that may be left out.
#[allow(clippy::option_option, reason = "the outer one is whether it could be read")]
fn condition<'a>(
    reader: &mut Reader<'a>,
    table: &Section<'a>,
    key: &str,
    phase: Phase,
) -> Option<Option<Expr>> {
    let Some(value) = table.get(key) else { return Some(None) };
    let expected = match phase {
        Phase::Request => "a condition, as in 'path eq \"/login\"'",
        Phase::Response => "a condition, as in 'status in {401 403}'",
    };
    let text = value.text(&mut reader.report, expected)?;
    reader.expr(&text, phase).map(Some)
}

/// What is counted together.
fn by<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Option<Vec<Term>> {
    let terms: Vec<_> = value.items().iter().map(|item| single(reader, item)).collect();
    terms.into_iter().collect()
}

/// A single value that requests are told apart by.
pub(super) fn single<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Option<Term> {
    let text = value.text(&mut reader.report, "a value, as in \"client\"")?;
    let term = reader.term(&text, Phase::Request)?;
    let help = match term.0.kind() {
        Kind::Array if !term.0.is_each() => "take one of them: add [0]",
        Kind::Map | Kind::Flags => "take one of them: add its name, as in [\"x-api-key\"]",
        _ if term.0.is_each() => "leave [*] out, and take one of them: [0]",
        _ => return Some(term),
    };
    let message = format!("a single value is needed here, and this is {}", many(term.0.kind()));
    let diagnostic = Diagnostic::new(Code::Type, text.span(), message).with_help(help);
    reader.report.push(&text.place, diagnostic);
    None
}

const fn many(kind: Kind) -> &'static str {
    match kind {
        Kind::Map | Kind::Flags => "a map",
        _ => "several",
    }
}

/// What a request takes.
fn cost<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Option<Cost> {
    if let DeValue::Integer(_) = value.get() {
        let units = value.number(&mut reader.report, 0..=i64::from(u32::MAX))?;
        return u32::try_from(units).ok().map(Cost::Units);
    }
    let expected = "a whole number, or a value as in \"http.request.body.size\"";
    let text = value.text(&mut reader.report, expected)?;
    let (term, response) = match reader.scheme.parse_term_in(text.value, Phase::Request) {
        Ok(term) => (term, false),
        Err(_) => (reader.term(&text, Phase::Response)?, true),
    };
    if term.0.kind() != Kind::Int || term.0.is_each() {
        let diagnostic = Diagnostic::new(Code::Type, text.span(), "a cost is a whole number")
            .with_help("as `len(path)`, `http.request.body.size` or `response.latency_ms` are");
        reader.report.push(&text.place, diagnostic);
        return None;
    }
    Some(if response { Cost::Response(term) } else { Cost::Request(term) })
}

/// What becomes of who has used it up.
fn after<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<Then> {
    const WORDS: &[(&str, Then)] = &[("throttle", Then::Throttle)];
    if !matches!(value.get(), DeValue::Table(_)) {
        return value.word(report, WORDS);
    }
    let table = Section::of(report, value, &THEN)?;
    let Some(ban) = table.get("ban") else {
        table.missing(report, "ban", "as in { ban = \"15m\", escalate = 4, max = \"1d\" }");
        return None;
    };
    then::growth_without_ban(report, &table);
    let ban = match ban.get() {
        DeValue::Table(_) => then::ban(report, &ban),
        _ => {
            let first = then::length(report, &ban);
            then::grown(report, &table, first)
        }
    };
    ban.map(Then::Ban)
}
