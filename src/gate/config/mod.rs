//! A gate from a text.

mod duration;
mod limits;
mod lists;
mod read;
mod rules;
mod section;
mod text;
mod then;

use alloc::{string::ToString, vec::Vec};
use core::ops::Range;

use toml::de::DeTable;

use super::plan::Plan;
use crate::rule::{Code, Diagnostic, Diagnostics};

/// All that is wrong with a configuration.
pub type ConfigError = Diagnostics;

/// The plan that a text describes, on top of what the program has described.
fn plan_of(text: &str, base: Plan) -> Result<Plan, Vec<Diagnostic>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let syntax: Vec<Diagnostic> = errors
        .into_iter()
        .map(|error| {
            let span = error.span().unwrap_or_default();
            Diagnostic::new(Code::Format, inside(text, span), error.message().to_string())
        })
        .collect();
    let reader = read::read(text, &root, base);
    let mut found = reader.report.found;
    if !syntax.is_empty() {
        let lines: Vec<_> =
            syntax.iter().filter_map(|it| it.span.clone()).map(|it| lines_of(text, &it)).collect();
        found.retain(|it| !follows(text, it, &lines));
        found.splice(0..0, syntax);
    }
    if found.is_empty() {
        return Ok(reader.plan);
    }
    found.sort_by_key(|it| it.span.as_ref().map_or(0, |span| span.start));
    Err(found)
}

/// Whether a mistake may only be there because the text could not be read as TOML.
fn follows(text: &str, found: &Diagnostic, lines: &[Range<usize>]) -> bool {
    let absent = matches!(
        found.code,
        Code::MissingKey | Code::UnknownGroup | Code::UnknownList | Code::UnknownLimit
    );
    let Some(span) = &found.span else { return true };
    let span = lines_of(text, span);
    absent || lines.iter().any(|line| line.start < span.end && span.start < line.end)
}

/// The whole lines that a span touches.
fn lines_of(text: &str, span: &Range<usize>) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or_default();
    let behind = text.get(span.end..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let end =
        behind.find('\n').map_or(text.len(), |at| span.end.saturating_add(at).saturating_add(1));
    start..end
}

/// The part of a span that is inside the text, from character to character.
fn inside(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let (start, end) = (floor(span.start).unwrap_or(0), floor(span.end).unwrap_or(0));
    start..end.max(start)
}
