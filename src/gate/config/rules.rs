//! The rules of a file.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use toml::de::DeValue;

use super::{
    read::{MODES, Place, Reader, tables},
    section::{Keys, Report, Section, Value, listed},
    then,
};
use crate::{
    gate::{problems::is_a_name, stats::OWN_NAMES},
    limit::Share,
    rule::{Action, Class, Code, Diagnostic, Name, Phase, Rule, RuleMode, Skip},
};

/// What a rule can do, each a key of its own.
const ACTIONS: [&str; 9] =
    ["allow", "deny", "ban", "skip", "count", "log", "tag", "score", "class"];

pub(super) const RULE: Keys = Keys {
    what: "a rule",
    known: &[
        "name",
        "when",
        "then",
        "allow",
        "deny",
        "ban",
        "skip",
        "count",
        "log",
        "tag",
        "score",
        "class",
        "priority",
        "mode",
        "enforce_share",
        "group",
    ],
    aliases: &[("id", "name")],
};

pub(super) const THEN: Keys = Keys {
    what: "`then`",
    known: &[
        "allow", "deny", "ban", "escalate", "max", "skip", "count", "log", "tag", "score", "class",
    ],
    aliases: &[],
};

pub(super) const ALLOW: Keys = Keys { what: "`allow`", known: &["bypass"], aliases: &[] };

pub(super) const DENY: Keys = Keys { what: "`deny`", known: &["status"], aliases: &[] };

pub(super) fn read<'a>(reader: &mut Reader<'a>, file: &Section<'a>) {
    for value in tables(file, "rule") {
        rule(reader, &value);
    }
}

fn rule<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Option<()> {
    let table = Section::of(&mut reader.report, value, &RULE)?;
    let name = name(reader, &table);
    let actions = actions(reader, &table);
    let report = &mut reader.report;
    let priority = match table.get("priority") {
        Some(value) => value
            .number(report, i64::from(i32::MIN)..=i64::from(i32::MAX))
            .and_then(|it| i32::try_from(it).ok()),
        None => Some(0),
    };
    let Common { mode, share, group } = common(reader, &table);
    let when = match table.get("when") {
        Some(value) => value.text(&mut reader.report, "a condition, as in 'path eq \"/login\"'"),
        None => {
            let help = "as in when = 'path eq \"/login\"'; `true` holds for every request";
            table.missing(&mut reader.report, "when", help);
            None
        }
    };
    let expr = when.as_ref().and_then(|text| reader.expr(text, Phase::Request));
    let (name, _) = name?;
    let span = when.map_or(table.span, |text| text.span());
    let rule = Rule { name, when: expr?, priority: priority?, actions, mode, share, group };
    reader.plan.rules.push(rule);
    reader.places.rules.push(Place { name: table.place, span });
    Some(())
}

/// The name of a rule or a limit, which nothing else has, and where it stands.
pub(super) fn name<'a>(
    reader: &mut Reader<'a>,
    table: &Section<'a>,
) -> Option<(Name, core::ops::Range<usize>)> {
    let report = &mut reader.report;
    let Some(value) = table.get("name") else {
        table.missing(report, "name", "it is named in denials and statistics");
        return None;
    };
    let text = value.text(report, "a name, as a text")?;
    let (name, span) = (Name::from(text.value), text.span());
    if !is_a_name(&name) {
        let message =
            "a name is 1 to 64 visible ASCII characters, or blanks inside, without \" and \\";
        report.push(&text.place, Diagnostic::new(Code::BadValue, span.clone(), message));
    } else if OWN_NAMES.contains(&&*name) {
        let message = format!("the name `{name}` is one of the gate's own");
        report.push(&text.place, Diagnostic::new(Code::Duplicate, span.clone(), message));
    } else if let Some(first) = reader.taken.get(&name) {
        let message = format!("the name `{name}` is taken");
        let before = report.file.get(..first.start).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        let help = if first.is_empty() {
            "the program has described one of this name".to_string()
        } else {
            format!("rules and limits have different names, and line {line} has this one")
        };
        let diagnostic = Diagnostic::new(Code::Duplicate, span.clone(), message).with_help(help);
        report.push(&text.place, diagnostic);
    } else {
        reader.taken.insert(Name::clone(&name), span.clone());
    }
    Some((name, span))
}

/// What rules and limits have in common.
pub(super) struct Common {
    pub(super) mode: RuleMode,
    pub(super) share: Share,
    pub(super) group: Option<Name>,
}

pub(super) fn common<'a>(reader: &mut Reader<'a>, table: &Section<'a>) -> Common {
    let report = &mut reader.report;
    let mode = table.get("mode").and_then(|it| it.word(report, MODES));
    let share = table.get("enforce_share").and_then(|it| then::share(report, &it));
    let group = table.get("group").and_then(|it| reader.group(&it));
    Common { mode: mode.unwrap_or_default(), share: share.unwrap_or(Share::ALL), group }
}

/// What follows from a rule: in `then`, and under keys of its own.
fn actions<'a>(reader: &mut Reader<'a>, table: &Section<'a>) -> Vec<Action> {
    let mut found = Vec::new();
    let mut some = false;
    if let Some(value) = table.get("then") {
        some = true;
        match value.get() {
            DeValue::Table(_) => {
                if let Some(inner) = Section::of(&mut reader.report, &value, &THEN) {
                    then::growth_without_ban(&mut reader.report, &inner);
                    if !of_table(reader, &inner, &mut found) {
                        value.refuse(&mut reader.report, format!("expected {}", shown()));
                    }
                }
            }
            _ => words(&mut reader.report, &value, &mut found),
        }
    }
    some |= of_table(reader, table, &mut found);
    if !some {
        let help = format!("as in then = \"deny\"; there are {}", shown());
        table.missing(&mut reader.report, "then", &help);
    }
    if found.iter().filter(|action| action.ends()).count() > 1 {
        let message = "a rule can end in one way only: allow, deny or ban";
        let diagnostic = Diagnostic::new(Code::Duplicate, table.span.clone(), message);
        reader.report.push(&table.place, diagnostic);
    }
    found
}

fn shown() -> String {
    listed(ACTIONS.into_iter())
}

/// Actions that are written as words.
fn words<'a>(report: &mut Report<'a>, value: &Value<'a>, found: &mut Vec<Action>) {
    const WORDS: &[(&str, u8)] = &[("deny", 0), ("allow", 1), ("count", 2), ("log", 3)];
    for item in value.items() {
        match item.word(report, WORDS) {
            Some(0) => found.push(Action::Deny { status: FORBIDDEN }),
            Some(1) => found.push(PLAIN_ALLOW),
            Some(2) => found.push(Action::Count),
            Some(_) => found.push(Action::Log),
            None => {}
        }
    }
}

const FORBIDDEN: u16 = 403;
const PLAIN_ALLOW: Action = Action::Allow { bypass_limits: false, bypass_shedding: false };

/// Actions that are keys of a table; whether there are any.
fn of_table<'a>(reader: &mut Reader<'a>, table: &Section<'a>, found: &mut Vec<Action>) -> bool {
    let mut some = false;
    for key in ACTIONS {
        if let Some(value) = table.get(key) {
            some = true;
            action(reader, table, key, &value, found);
        }
    }
    some
}

fn action<'a>(
    reader: &mut Reader<'a>,
    table: &Section<'a>,
    key: &str,
    value: &Value<'a>,
    found: &mut Vec<Action>,
) -> Option<()> {
    let report = &mut reader.report;
    match key {
        "allow" => found.extend(allow(report, value)),
        "deny" => found.extend(deny(report, value)),
        "ban" => {
            let is_table = matches!(value.get(), DeValue::Table(_));
            let grows = table.place.ends_with("then") && !is_table;
            let ban = if grows {
                let first = then::length(report, value);
                then::grown(report, table, first)
            } else {
                then::ban(report, value)
            };
            found.extend(ban.map(Action::Ban));
        }
        "skip" => {
            for item in value.items() {
                found.extend(skip(reader, &item).map(Action::Skip));
            }
        }
        "count" if value.truth(report, "true or false")? => found.push(Action::Count),
        "log" if value.truth(report, "true or false")? => found.push(Action::Log),
        "tag" => {
            for item in value.items() {
                let text = item.text(report, "the name of a tag")?;
                if text.value.is_empty() {
                    item.refuse(report, "the name of a tag is empty");
                } else {
                    found.push(Action::Tag(Name::from(text.value)));
                }
            }
        }
        "score" => {
            let range = i64::from(i32::MIN)..=i64::from(i32::MAX);
            found.push(Action::Score(value.number(report, range)?));
        }
        "class" => {
            const CLASSES: &[(&str, Class)] = &[
                ("critical_plus", Class::CriticalPlus),
                ("critical", Class::Critical),
                ("default", Class::Default),
                ("sheddable", Class::Sheddable),
            ];
            found.push(Action::Class(value.word(report, CLASSES)?));
        }
        _ => {}
    }
    Some(())
}

fn allow<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<Action> {
    match value.get() {
        DeValue::Boolean(allow) => allow.then_some(PLAIN_ALLOW),
        DeValue::Table(_) => {
            const BYPASS: &[(&str, bool)] = &[("limits", true), ("shed", false)];
            let table = Section::of(report, value, &ALLOW)?;
            let (mut bypass_limits, mut bypass_shedding) = (false, false);
            for item in table.get("bypass").map(|it| it.items()).unwrap_or_default() {
                match item.word(report, BYPASS)? {
                    true => bypass_limits = true,
                    false => bypass_shedding = true,
                }
            }
            Some(Action::Allow { bypass_limits, bypass_shedding })
        }
        _ => {
            value.wrong(report, "true, or a table as in { bypass = [\"limits\"] }");
            None
        }
    }
}

fn deny<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<Action> {
    let status = match value.get() {
        DeValue::Boolean(deny) => {
            return deny.then_some(Action::Deny { status: FORBIDDEN });
        }
        DeValue::Integer(_) => value.clone(),
        DeValue::Table(_) => {
            let table = Section::of(report, value, &DENY)?;
            match table.get("status") {
                Some(status) => status,
                None => return Some(Action::Deny { status: FORBIDDEN }),
            }
        }
        _ => {
            value.wrong(report, "true, a status, or a table as in { status = 400 }");
            return None;
        }
    };
    let status = u16::try_from(status.number(report, 400..=599)?).ok()?;
    Some(Action::Deny { status })
}

fn skip<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Option<Skip> {
    const EXPECTED: &str = "\"rules\", \"limits\" or a group as in \"group:crawlers\"";
    let text = value.text(&mut reader.report, EXPECTED)?;
    match text.value {
        "rules" => Some(Skip::Rules),
        "limits" => Some(Skip::Limits),
        other => match other.strip_prefix("group:") {
            Some(group) => reader.known_group(&text, group.trim()).map(Skip::Group),
            None => {
                let found = crate::error::snippet(other);
                let message: String = format!("expected {EXPECTED}, found \"{found}\"");
                value.refuse(&mut reader.report, message);
                None
            }
        },
    }
}
