//! The lists of a file, and what an empty one holds.

use alloc::{format, string::String, vec::Vec};

use toml::de::DeValue;

use super::{
    read::{Reader, addresses, entries, tables},
    section::{Keys, Report, Section, Value},
    text::Text,
};
use crate::{
    cidr::{CidrSet, parse_prefix},
    rule::{List, NumberSet, Phase, Scheme, TextSet, Type},
};

pub(super) const LIST: Keys = Keys { what: "a list", known: &["type", "values"], aliases: &[] };

const TYPES: &[(&str, Type)] = &[
    ("addresses", Type::Ip),
    ("ip", Type::Ip),
    ("text", Type::Bytes),
    ("bytes", Type::Bytes),
    ("number", Type::Int),
    ("int", Type::Int),
];

pub(super) fn read<'a>(reader: &mut Reader<'a>, file: &Section<'a>) {
    let found = entries(&mut reader.report, file, "lists", "a table of lists");
    let mut untyped = Vec::new();
    for (name, value) in found {
        match list(&mut reader.report, &value) {
            Read::Values(list) => {
                // A list that the program fills is declared in the file with its type, and keeps its content.
                match reader.plan.lists.get(&name) {
                    Some(known) if is_empty(&list) && known.holds() == list.holds() => {}
                    Some(known) if known.holds() != list.holds() || !is_empty(known) => {
                        value.refuse(&mut reader.report, "the program has a list of this name");
                    }
                    _ => {
                        reader.scheme.lists.insert(name.as_str().into(), list.holds());
                        reader.plan.lists.set(&name, list);
                    }
                }
            }
            Read::Empty if reader.plan.lists.get(&name).is_none() => {
                // Declared in the program's scheme, it has the type that it has there.
                match reader.scheme.lists.get(name.as_str()).copied() {
                    Some(holds) => reader.plan.lists.set(&name, empty(holds)),
                    None => untyped.push(name),
                }
            }
            Read::Empty => {}
            // Rules that name it are not wrong for that; what it was to hold can be seen from them.
            Read::Wrong => untyped.push(name),
        }
    }
    if !untyped.is_empty() {
        settle(reader, file, &untyped);
    }
}

enum Read {
    Values(List),
    Empty,
    Wrong,
}

fn list<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Read {
    let (holds, values) = match value.get() {
        DeValue::Table(_) => {
            let Some(table) = Section::of(report, value, &LIST) else { return Read::Wrong };
            let Some(holds) = table.get("type") else {
                let help =
                    "as in { type = \"text\", values = [\"10.0.0.1\"] }, or write the array alone";
                table.missing(report, "type", help);
                return Read::Wrong;
            };
            let holds = holds.word(report, TYPES);
            let values = table.get("values");
            if let Some(values) = values.as_ref().filter(|values| !values.is_array()) {
                values.wrong(report, "an array of values");
                return Read::Wrong;
            }
            if holds.is_none() {
                return Read::Wrong;
            }
            (holds, values)
        }
        DeValue::Array(_) => (None, Some(value.clone())),
        _ => {
            value.wrong(report, "a list, as in [\"192.0.2.0/24\"]");
            return Read::Wrong;
        }
    };
    let items = values.as_ref().map(Value::items).unwrap_or_default();
    match holds.or_else(|| seen(&items, report)) {
        None => Read::Empty,
        Some(Type::Ip) => match values {
            Some(values) => {
                addresses(report, &values).map_or(Read::Wrong, |set| Read::Values(set.into()))
            }
            None => Read::Values(CidrSet::new().into()),
        },
        Some(Type::Int) => {
            let range = i64::MIN..=i64::MAX;
            let numbers: Vec<_> =
                items.iter().map(|item| item.number(report, range.clone())).collect();
            let numbers: Option<NumberSet> = numbers.into_iter().collect();
            numbers.map_or(Read::Wrong, |set| Read::Values(set.into()))
        }
        Some(_) => {
            let texts: Vec<_> = items.iter().map(|item| item.text(report, "a text")).collect();
            let texts: Option<Vec<Text<'_>>> = texts.into_iter().collect();
            texts.map_or(Read::Wrong, |texts| {
                Read::Values(texts.iter().map(|text| text.value).collect::<TextSet>().into())
            })
        }
    }
}

/// What values are, by the look of them: if most texts are addresses, the others are meant to be.
fn seen<'a>(items: &[Value<'a>], report: &Report<'a>) -> Option<Type> {
    let first = items.first()?;
    if first.as_number().is_some() {
        return Some(Type::Int);
    }
    let texts: Vec<_> = items.iter().filter_map(|item| item.as_text(report)).collect();
    let fit = texts.iter().filter(|text| parse_prefix(text.value).is_ok()).count();
    let all = texts.len();
    // An all but empty list of one wrong address is better read as texts: rules that use it say so.
    Some(if fit == all || fit > all.saturating_sub(fit) { Type::Ip } else { Type::Bytes })
}

fn is_empty(list: &List) -> bool {
    match list {
        List::Addresses(set) => set.is_empty(),
        List::Texts(set) => **set == TextSet::default(),
        List::Numbers(set) => **set == NumberSet::default(),
    }
}

fn empty(holds: Type) -> List {
    match holds {
        Type::Ip | Type::Bool => CidrSet::new().into(),
        Type::Bytes => TextSet::default().into(),
        Type::Int => NumberSet::default().into(),
    }
}

/// Gives each of these lists the type with which the conditions that name it have the fewest mistakes.
fn settle<'a>(reader: &mut Reader<'a>, file: &Section<'a>, untyped: &[String]) {
    let texts = conditions(&reader.report, file);
    for name in untyped {
        reader.scheme.lists.insert(name.as_str().into(), Type::Ip);
    }
    for name in untyped {
        let named = format!("${name}");
        let asking: Vec<_> = texts.iter().filter(|(it, _)| it.value.contains(&named)).collect();
        let mistakes = |scheme: &Scheme| -> usize {
            let of = |(text, phase): &&(Text<'_>, Phase)| {
                scheme.parse_in(text.value, *phase).map_or_else(|found| found.len(), |_| 0)
            };
            asking.iter().map(of).sum()
        };
        let mut best = (mistakes(&reader.scheme), Type::Ip);
        for holds in [Type::Bytes, Type::Int] {
            if best.0 > 0 {
                reader.scheme.lists.insert(name.as_str().into(), holds);
                let found = mistakes(&reader.scheme);
                best = if found < best.0 { (found, holds) } else { best };
            }
        }
        reader.scheme.lists.insert(name.as_str().into(), best.1);
        reader.plan.lists.set(name, empty(best.1));
    }
}

/// All conditions of the file.
fn conditions<'a>(report: &Report<'a>, file: &Section<'a>) -> Vec<(Text<'a>, Phase)> {
    let mut found = Vec::new();
    for (tables_of, key, phase) in [
        ("rule", "when", Phase::Request),
        ("limit", "when", Phase::Request),
        ("limit", "count_if", Phase::Response),
    ] {
        for table in tables(file, tables_of) {
            let text = table.entry(key).and_then(|value| value.as_text(report));
            found.extend(text.map(|text| (text, phase)));
        }
    }
    found
}
