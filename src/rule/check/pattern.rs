//! Patterns in tests: wildcards and regular expressions.

use alloc::{boxed::Box, format, string::ToString};

use super::Checker;
use crate::rule::{
    diagnostic::{Code, Diagnostic},
    expr::Test,
    lexer::Span,
    pattern::{Regex, Wildcard},
};

impl Checker<'_> {
    pub(super) fn wildcard(&mut self, pattern: Box<[u8]>, strict: bool, at: &Span) -> Option<Test> {
        match wildcard(&pattern) {
            None => Some(Test::Wildcard { pattern, strict }),
            Some(mistake) => {
                let span = self.within(at, &pattern, mistake.span.clone());
                self.found.push(Diagnostic { span: Some(span), ..mistake });
                None
            }
        }
    }

    pub(super) fn regex(&mut self, pattern: &[u8], at: &Span) -> Option<Test> {
        let Ok(pattern) = core::str::from_utf8(pattern) else {
            let help = "write bytes as \\xHH in a raw text: r\"\\xff\"";
            self.report_help(Code::Regex, at.clone(), "the pattern is not UTF-8", help);
            return None;
        };
        match regex(pattern) {
            None => Some(Test::Matches(pattern.into())),
            Some(mistake) => {
                let span = self.within(at, pattern.as_bytes(), mistake.span.clone());
                self.found.push(Diagnostic { span: Some(span), ..mistake });
                None
            }
        }
    }

    /// Where a part of a pattern is that is written at `at`; all of it, if it is written with escapes.
    fn within(&self, at: &Span, pattern: &[u8], part: Option<Span>) -> Span {
        let written = self.text.get(at.clone()).unwrap_or_default();
        let start = written.find('"').map_or(0, |quote| quote.saturating_add(1));
        let content = written.get(start..).unwrap_or_default();
        let Some(part) = part.filter(|_| content.as_bytes().starts_with(pattern)) else {
            return at.clone();
        };
        let start = at.start.saturating_add(start);
        let span = start.saturating_add(part.start)..start.saturating_add(part.end);
        if self.text.get(span.clone()).is_some() { span } else { at.clone() }
    }
}

/// What is wrong with a wildcard pattern, by its bytes.
pub(in crate::rule) fn wildcard(pattern: &[u8]) -> Option<Diagnostic> {
    let error = Wildcard::new(pattern, true).err()?;
    let at = error.at();
    Some(Diagnostic::new(Code::Wildcard, at..at.saturating_add(1), error.to_string()))
}

/// What is wrong with a regular expression, by its bytes.
pub(in crate::rule) fn regex(pattern: &str) -> Option<Diagnostic> {
    let error = Regex::new(pattern).err()?;
    let (code, message) = if error.is_too_large() {
        (Code::RegexTooLarge, error.to_string())
    } else {
        (Code::Regex, format!("no regular expression: {error}"))
    };
    let mistake = Diagnostic::new(code, error.at(), message);
    let star = pattern.starts_with('*');
    Some(if star {
        mistake.with_help("patterns such as *.php are for `wildcard`")
    } else {
        mistake
    })
}
