//! Reading values and tables of the file, with every mistake told and the next thing read all the same.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::ops::{Range, RangeInclusive};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::text::Text;
use crate::{
    error::snippet,
    rule::{Code, Diagnostic, closest},
};

/// What was found in a file.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) file: &'a str,
    pub(super) found: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self { file, found: Vec::new() }
    }

    /// Tells a mistake.
    pub(super) fn push(&mut self, place: &str, diagnostic: Diagnostic) {
        let place = (!place.is_empty()).then(|| place.to_string());
        self.found.push(Diagnostic { place, ..diagnostic });
    }

    /// Says what helps with what was found exactly there.
    pub(super) fn advise(&mut self, span: Range<usize>, help: &str) {
        for found in self.found.iter_mut().filter(|found| found.span.as_ref() == Some(&span)) {
            found.help = Some(help.to_string());
        }
    }

    /// Tells mistakes that were found in a string of the file.
    pub(super) fn push_in(&mut self, text: &Text<'_>, found: Vec<Diagnostic>) {
        for diagnostic in found {
            let span = diagnostic.span.clone().map_or_else(|| text.span(), |it| text.span_of(it));
            self.push(&text.place, Diagnostic { span: Some(span), ..diagnostic });
        }
    }
}

/// The keys that a table can have.
#[derive(Debug)]
pub(super) struct Keys {
    /// What the table is: `a rule`.
    pub(super) what: &'static str,
    pub(super) known: &'static [&'static str],
    /// Other spellings, and the key that each is.
    pub(super) aliases: &'static [(&'static str, &'static str)],
}

impl Keys {
    fn shown(&self) -> String {
        let keys: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
        keys.join(", ")
    }

    /// The key that is meant by this one.
    fn meant(&self, key: &str) -> Option<&'static str> {
        let alias = self.aliases.iter().find(|(alias, _)| *alias == key).map(|(_, known)| *known);
        alias.or_else(|| self.known.iter().copied().find(|known| *known == key))
    }
}

/// A value of the file.
#[derive(Clone, Debug)]
pub(super) struct Value<'a> {
    of: &'a Spanned<DeValue<'a>>,
    /// What it is for a reader: `rule "login-flood", when`.
    pub(super) place: String,
}

impl<'a> Value<'a> {
    pub(super) fn new(of: &'a Spanned<DeValue<'a>>, place: String) -> Self {
        Self { of, place }
    }

    pub(super) fn get(&self) -> &'a DeValue<'a> {
        self.of.get_ref()
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.of.span()
    }

    /// What it has under this key, if it is a table.
    pub(super) fn entry(&self, key: &str) -> Option<Self> {
        let DeValue::Table(table) = self.get() else { return None };
        let of = table.get(key)?;
        Some(Self::new(of, format!("{}, {key}", self.place)))
    }

    /// The name that it has, if it is a table with one.
    pub(super) fn name(&self) -> Option<&'a str> {
        let named = self.entry("name").or_else(|| self.entry("id"))?;
        match named.get() {
            DeValue::String(name) => Some(name),
            _ => None,
        }
    }

    /// Tells that it is not what is expected there.
    pub(super) fn wrong(&self, report: &mut Report<'a>, expected: &str) {
        let message = format!("expected {expected}, found {}", self.kind());
        report.push(&self.place, Diagnostic::new(Code::WrongType, self.span(), message));
    }

    /// Tells that it is of the right type, and wrong.
    pub(super) fn refuse(&self, report: &mut Report<'a>, message: impl Into<String>) {
        report.push(&self.place, Diagnostic::new(Code::BadValue, self.span(), message));
    }

    fn kind(&self) -> &'static str {
        match self.get() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    /// The text that it is, if it is one.
    pub(super) fn as_text(&self, report: &Report<'a>) -> Option<Text<'a>> {
        let DeValue::String(value) = self.get() else { return None };
        let span = self.span();
        let raw = report.file.get(span.clone()).unwrap_or_default();
        Some(Text { value, raw, at: span.start, place: self.place.clone() })
    }

    /// The text that it must be.
    pub(super) fn text(&self, report: &mut Report<'a>, expected: &str) -> Option<Text<'a>> {
        let text = self.as_text(report);
        if text.is_none() {
            self.wrong(report, expected);
        }
        text
    }

    /// The whole number that it is, if it is one that fits 64 bits.
    pub(super) fn as_number(&self) -> Option<i64> {
        let DeValue::Integer(number) = self.get() else { return None };
        i64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// The whole number in this range that it must be.
    pub(super) fn number(
        &self,
        report: &mut Report<'a>,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        if !matches!(self.get(), DeValue::Integer(_)) {
            self.wrong(report, "a whole number");
            return None;
        }
        let number = self.as_number().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.refuse(report, format!("expected a whole number from {least} to {most}"));
        }
        number
    }

    /// The yes or no that it must be.
    pub(super) fn truth(&self, report: &mut Report<'a>, expected: &str) -> Option<bool> {
        if let DeValue::Boolean(truth) = self.get() {
            return Some(*truth);
        }
        self.wrong(report, expected);
        None
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self.get(), DeValue::Array(_))
    }

    /// Its elements; itself, if it is no array.
    pub(super) fn items(&self) -> Vec<Self> {
        match self.get() {
            DeValue::Array(items) => {
                items.iter().map(|item| Self::new(item, self.place.clone())).collect()
            }
            _ => vec![self.clone()],
        }
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(&self, report: &mut Report<'a>, words: &[(&str, T)]) -> Option<T> {
        let list = listed(words.iter().map(|(word, _)| *word));
        let text = self.text(report, &list)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, is)| *is);
        if found.is_none() {
            let near = closest(text.value, words.iter().map(|(word, _)| *word));
            let found = snippet(text.value);
            let diagnostic = Diagnostic::new(
                Code::BadValue,
                text.span(),
                format!("expected {list}, found \"{found}\""),
            );
            let diagnostic = match near {
                Some(near) => diagnostic.with_help(format!("did you mean \"{near}\"?")),
                None => diagnostic,
            };
            report.push(&self.place, diagnostic);
        }
        found
    }
}

/// A table of the file.
#[derive(Debug)]
pub(super) struct Section<'a> {
    table: &'a DeTable<'a>,
    pub(super) span: Range<usize>,
    /// What it is for a reader: `rule "login-flood"`; empty for the whole file.
    pub(super) place: String,
    keys: &'static Keys,
}

impl<'a> Section<'a> {
    /// The table, with its unknown keys told.
    pub(super) fn new(
        report: &mut Report<'a>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        place: &str,
        keys: &'static Keys,
    ) -> Self {
        let section = Self { table, span, place: place.to_string(), keys };
        let mut seen = Vec::new();
        for key in table.keys() {
            let text: &str = key.get_ref();
            match keys.meant(text) {
                Some(meant) if seen.contains(&meant) => {
                    let message = format!("`{}` is given twice", snippet(meant));
                    // This key may be either of both.
                    let alias = keys.aliases.iter().find(|(_, known)| *known == meant);
                    let alias = alias.map_or(text, |(alias, _)| *alias);
                    let diagnostic = Diagnostic::new(Code::Duplicate, key.span(), message)
                        .with_help(format!("`{alias}` and `{meant}` are the same"));
                    report.push(place, diagnostic);
                }
                Some(meant) => seen.push(meant),
                None => section.tell_unknown(report, text, key.span()),
            }
        }
        section
    }

    /// The table that a value must be.
    pub(super) fn of(
        report: &mut Report<'a>,
        value: &Value<'a>,
        keys: &'static Keys,
    ) -> Option<Self> {
        let DeValue::Table(table) = value.get() else {
            value.wrong(report, &format!("a table with {}", keys.shown()));
            return None;
        };
        Some(Self::new(report, table, value.span(), &value.place, keys))
    }

    fn tell_unknown(&self, report: &mut Report<'a>, key: &str, span: Range<usize>) {
        let message = format!("unknown key `{}` of {}", snippet(key), self.keys.what);
        let spellings = self.keys.aliases.iter().map(|(alias, _)| *alias);
        let help = match closest(key, self.keys.known.iter().copied().chain(spellings)) {
            Some(near) => {
                format!("did you mean `{}`?", self.keys.meant(near).unwrap_or(near))
            }
            None => format!("there are {}", self.keys.shown()),
        };
        report.push(&self.place, Diagnostic::new(Code::UnknownKey, span, message).with_help(help));
    }

    /// What it has under this key.
    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        let mut spellings = self.keys.aliases.iter().filter(|(_, known)| *known == key);
        let of = self.table.get(key).or_else(|| {
            let (alias, _) = spellings.find(|(alias, _)| self.table.contains_key(*alias))?;
            self.table.get(*alias)
        });
        Some(Value::new(of?, self.place_of(key)))
    }

    /// What one of its keys is for a reader.
    pub(super) fn place_of(&self, key: &str) -> String {
        match self.place.as_str() {
            "" => key.to_string(),
            place => format!("{place}, {key}"),
        }
    }

    /// Tells that a key is missing.
    pub(super) fn missing(&self, report: &mut Report<'a>, key: &str, help: &str) {
        let message = format!("{} needs a `{key}`", self.keys.what);
        let diagnostic =
            Diagnostic::new(Code::MissingKey, self.span.clone(), message).with_help(help);
        report.push(&self.place, diagnostic);
    }
}

/// `"a", "b" or "c"`.
pub(super) fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
