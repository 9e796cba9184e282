//! From words to the shape of an expression, without knowing what names mean.
//!
//! Chains of one operator are one node, so a long chain is not a deep tree. After a mistake the parser goes on
//! at the next `and`, `or`, `xor`, `,` or closing bracket, so that each mistake is reported, once.
//!
//! # Invariants
//! - **I1** recursion is never deeper than [`DEEPEST`], which is reported once and ends the reading;
//! - **I2** every loop takes a token or ends, so parsing is linear in the text.

mod operand;
mod tokens;
mod written;

use alloc::{boxed::Box, format, string::String, vec::Vec};

use self::tokens::Parser;
pub(super) use self::written::{
    Comparison, Head, Index, Item, Join, OPERATORS, Operator, Right, Value, Written,
};
use super::{
    diagnostic::{Code, Diagnostic},
    expr::{DEEPEST, MOST_TESTS},
    hint,
    lexer::{Is, Span, Token},
};
use crate::error::snippet;

/// A condition.
pub(super) fn condition<'t>(tokens: &[Token<'t>], found: &mut Vec<Diagnostic>) -> Written<'t> {
    let mut parser = Parser::new(tokens, found);
    let first = parser.or();
    if parser.at_end() {
        return first;
    }
    // What stands around a mistake is checked, too.
    let mut parts = alloc::vec![first, Written::Broken];
    while !parser.at_end() {
        let span = parser.span();
        let what = parser.describe();
        parser.report(span, format!("unexpected {what}"));
        parser.advance();
        parser.recover();
        while parser.join().is_some() {
            parser.advance();
            parts.push(parser.or());
        }
    }
    Written::Chain { join: Join::And, parts }
}

/// A value, and nothing else.
pub(super) fn value<'t>(tokens: &[Token<'t>], found: &mut Vec<Diagnostic>) -> Value<'t> {
    let mut parser = Parser::new(tokens, found);
    let value = parser.value();
    if !parser.at_end() {
        let span = parser.span();
        let what = parser.describe();
        parser.report(span, format!("unexpected {what} after a value"));
    }
    value
}

impl<'t> Parser<'_, 't> {
    fn or(&mut self) -> Written<'t> {
        self.chain(Join::Or, |parser| {
            parser.chain(Join::Xor, |parser| parser.chain(Join::And, Self::unary))
        })
    }

    fn chain(&mut self, join: Join, part: impl Fn(&mut Self) -> Written<'t>) -> Written<'t> {
        let first = part(self);
        if self.join() != Some(join) {
            return first;
        }
        let mut parts = alloc::vec![first];
        while self.join() == Some(join) {
            self.advance();
            parts.push(part(self));
        }
        Written::Chain { join, parts }
    }

    fn unary(&mut self) -> Written<'t> {
        let start = self.span();
        let mut nots = 0_usize;
        while matches!(self.peek(), Is::Word("not") | Is::Sign("!")) {
            nots = nots.saturating_add(1);
            self.advance();
        }
        let before = self.depth;
        self.depth = self.depth.saturating_add(nots);
        let written = if self.depth > DEEPEST { self.too_deep(start) } else { self.primary() };
        self.depth = before;
        // Two of them are none.
        if nots % 2 == 1 { Written::Not(Box::new(written)) } else { written }
    }

    fn primary(&mut self) -> Written<'t> {
        let span = self.span();
        if self.accept("(") {
            let inside = self.inside(span, Self::or);
            return inside.unwrap_or(Written::Broken);
        }
        if let (Is::Word(word @ ("any" | "all")), Is::Sign("(")) = (self.peek(), self.peek_after())
        {
            let all = *word == "all";
            self.advance();
            let paren = self.span();
            self.advance();
            return match self.inside(paren, Self::or) {
                Some(of) => Written::Quantified { all, of: Box::new(of), span },
                None => Written::Broken,
            };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Written<'t> {
        self.tests = self.tests.saturating_add(1);
        let span = self.span();
        if self.tests > MOST_TESTS {
            let message = format!("more than {MOST_TESTS} tests in one expression");
            self.give_up(Code::TooManyTests, span, message);
            return Written::Broken;
        }
        if self.ends_here() || matches!(self.peek(), Is::List(_) | Is::Sign("{")) {
            let what = self.describe();
            self.report(span, format!("expected a condition, found {what}"));
            self.recover();
            return Written::Broken;
        }
        let left = self.value();
        if matches!(left.head, Head::Broken) {
            self.recover();
            return Written::Broken;
        }
        let Some((operator, operator_span)) = self.operator() else {
            if !self.ends_here() {
                let span = self.span();
                let message = format!("expected an operator, found {}", self.describe());
                let help = match self.peek() {
                    Is::Word("not") | Is::Sign("!") => {
                        Some("`not` stands before a comparison: not ip.src in $office".into())
                    }
                    Is::Word(word) => Some(hint::operator(word)),
                    _ => self.join_meant(),
                };
                let expected = Diagnostic::new(Code::Syntax, span.clone(), message);
                self.report_as(Diagnostic { help, ..expected });
                self.recover();
                let right = Some((Operator::Unknown, span, Right::Broken));
                return Written::Comparison(Comparison { left, right });
            }
            return Written::Comparison(Comparison { left, right: None });
        };
        let right = self.right(operator);
        if !self.ends_here() {
            let span = self.span();
            let message = format!("expected `and`, `or` or the end, found {}", self.describe());
            self.report_as(Diagnostic {
                help: self.join_meant(),
                ..Diagnostic::new(Code::Syntax, span, message)
            });
            self.recover();
        }
        Written::Comparison(Comparison { left, right: Some((operator, operator_span, right)) })
    }

    /// What helps where a comparison goes on and should not.
    fn join_meant(&self) -> Option<String> {
        match self.peek() {
            Is::Word(word) => Some(hint::join(word)),
            Is::Sign(sign) if OPERATORS.iter().any(|(known, _)| known == sign) => {
                Some("comparisons are joined with `and`".into())
            }
            _ => None,
        }
    }

    fn operator(&mut self) -> Option<(Operator, Span)> {
        let span = self.span();
        let word = match self.peek() {
            Is::Word(word) => *word,
            Is::Sign(sign) => sign,
            _ => return None,
        };
        if let Some((_, operator)) = OPERATORS.iter().find(|(known, _)| *known == word) {
            self.advance();
            return Some((*operator, span));
        }
        if word == "strict" && *self.peek_after() == Is::Word("wildcard") {
            self.advance();
            self.advance();
            return Some((Operator::StrictWildcard, span.start..self.end()));
        }
        if word == "not" && matches!(self.peek_after(), Is::Word(_)) {
            self.report_as(
                Diagnostic::new(Code::Syntax, span, "`not` within a comparison")
                    .with_help("it stands before: `not ip.src in $office`"),
            );
            self.advance();
            return self.operator();
        }
        // A word before what can be compared with is meant as an operator.
        let operand = matches!(self.peek_after(), Is::Literal(_) | Is::List(_) | Is::Sign("{"));
        if !operand || !matches!(self.peek(), Is::Word(_)) {
            return None;
        }
        let message = format!("unknown operator `{}`", snippet(word));
        let unknown = Diagnostic::new(Code::UnknownOperator, span.clone(), message);
        self.report_as(unknown.with_help(hint::operator(word)));
        self.advance();
        Some((Operator::Unknown, span))
    }
}
