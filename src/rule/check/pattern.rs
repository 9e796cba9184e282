//! Patterns in tests: wildcards and regular expressions.

use alloc::{boxed::Box, format};

use regex_automata::{meta::Regex, util::syntax::Config as Syntax};

use super::Checker;
use crate::rule::{
    diagnostic::{Code, Diagnostic},
    expr::Test,
    hint,
    lexer::Span,
};

/// The most stars in a wildcard pattern.
const MOST_STARS: usize = 8;

/// The most memory of a compiled regular expression.
const LARGEST_REGEX: usize = 256 * 1_024;

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
    let (mut stars, mut at) = (0_usize, 0_usize);
    loop {
        let rest = pattern.get(at..).unwrap_or_default();
        let step = match rest {
            [] => return None,
            [b'\\', b'*' | b'\\', ..] => 2,
            [b'*', b'*', ..] => {
                let message = "two stars in a row say no more than one";
                let mistake = Diagnostic::new(Code::Wildcard, at..at.saturating_add(2), message);
                return Some(mistake.with_help("a star itself is `\\*`"));
            }
            [b'*', ..] => {
                stars = stars.saturating_add(1);
                if stars > MOST_STARS {
                    let message = format!("more than {MOST_STARS} stars in a wildcard");
                    let span = at..at.saturating_add(1);
                    return Some(Diagnostic::new(Code::Wildcard, span, message));
                }
                1
            }
            _ => 1,
        };
        at = at.saturating_add(step);
    }
}

/// What is wrong with a regular expression, by its bytes.
pub(in crate::rule) fn regex(pattern: &str) -> Option<Diagnostic> {
    let limits = Regex::config().nfa_size_limit(Some(LARGEST_REGEX));
    let syntax = Syntax::new().unicode(false).utf8(false).nest_limit(64);
    let built = Regex::builder().syntax(syntax).configure(limits).build(pattern);
    let Err(error) = built else { return None };
    let all = 0..pattern.len();
    if error.size_limit().is_some() {
        let message = format!("the pattern needs more than {} KiB", LARGEST_REGEX / 1_024);
        return Some(Diagnostic::new(Code::RegexTooLarge, all, message));
    }
    let told = error.syntax_error().map(|error| format!("{error}"));
    let told = told.unwrap_or_else(|| format!("{error}"));
    let (place, why) = hint::regex(pattern, &told);
    let place = place.unwrap_or(all);
    let mistake = Diagnostic::new(Code::Regex, place, format!("no regular expression: {why}"));
    let star = pattern.starts_with('*');
    Some(if star {
        mistake.with_help("patterns such as *.php are for `wildcard`")
    } else {
        mistake
    })
}
