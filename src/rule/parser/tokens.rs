//! The tokens, one after the other: what stands next, what is taken, how deep in brackets, and what is
//! found to be wrong.

use alloc::{format, string::String, vec::Vec};

use super::{
    super::{
        diagnostic::{Code, Diagnostic},
        expr::DEEPEST,
        lexer::{Is, Plain, Span, Token},
    },
    written::{Join, Written},
};
use crate::error::snippet;

/// Goes through the tokens, and knows how deep in brackets and how many tests that was.
pub(super) struct Parser<'p, 't> {
    tokens: &'p [Token<'t>],
    at: usize,
    pub(super) depth: usize,
    pub(super) tests: usize,
    found: &'p mut Vec<Diagnostic>,
    /// A limit is exceeded: what is found after that counts for nothing.
    over: bool,
}

impl<'p, 't> Parser<'p, 't> {
    pub(super) fn new(tokens: &'p [Token<'t>], found: &'p mut Vec<Diagnostic>) -> Self {
        Self { tokens, at: 0, depth: 0, tests: 0, found, over: false }
    }

    pub(super) fn peek(&self) -> &Is<'t> {
        self.tokens.get(self.at).map_or(&Is::End, |token| &token.is)
    }

    pub(super) fn peek_after(&self) -> &Is<'t> {
        self.tokens.get(self.at.saturating_add(1)).map_or(&Is::End, |token| &token.is)
    }

    pub(super) fn at_end(&self) -> bool {
        *self.peek() == Is::End
    }

    pub(super) fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0..0, |token| token.span.clone())
    }

    /// The last token that was taken.
    pub(super) fn taken(&self) -> Option<&Token<'t>> {
        self.tokens.get(self.at.checked_sub(1)?)
    }

    /// The end of the last token that was taken.
    pub(super) fn end(&self) -> usize {
        self.taken().map_or(0, |token| token.span.end)
    }

    pub(super) fn advance(&mut self) {
        if !self.at_end() {
            self.at = self.at.saturating_add(1);
        }
    }

    pub(super) fn accept(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Is::Sign(found) if *found == sign);
        if is {
            self.advance();
        }
        is
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Is::Sign(found) if *found == sign)
    }

    pub(super) fn report(&mut self, span: Span, message: impl Into<String>) {
        self.report_as(Diagnostic::new(Code::Syntax, span, message));
    }

    pub(super) fn report_as(&mut self, diagnostic: Diagnostic) {
        if !self.over {
            self.found.push(diagnostic);
        }
    }

    /// A limit is exceeded, and nothing after it is read.
    pub(super) fn give_up(&mut self, code: Code, span: Span, message: String) {
        self.report_as(Diagnostic::new(code, span, message));
        self.over = true;
        self.at = self.tokens.len().saturating_sub(1);
    }

    pub(super) fn describe(&self) -> String {
        match self.peek() {
            Is::Word(word) => format!("`{}`", snippet(word)),
            Is::Sign(sign) => format!("`{sign}`"),
            Is::List(name) => format!("`${}`", snippet(name)),
            Is::Literal(Plain::Text(_)) => "text".into(),
            Is::Literal(Plain::Int(_) | Plain::Decimal(_)) => "number".into(),
            Is::Literal(_) => "literal".into(),
            Is::End => "end".into(),
        }
    }

    /// Skips to where a condition, an argument or an item can end.
    pub(super) fn recover(&mut self) {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                Is::End => return,
                Is::Sign("(" | "[" | "{") => open = open.saturating_add(1),
                Is::Sign(")" | "]" | "}") => match open.checked_sub(1) {
                    Some(fewer) => open = fewer,
                    None => return,
                },
                Is::Sign(",") if open == 0 => return,
                _ if open == 0 && self.join().is_some() => return,
                _ => {}
            }
            self.advance();
        }
    }

    pub(super) fn join(&self) -> Option<Join> {
        Some(match self.peek() {
            Is::Word("or") | Is::Sign("||") => Join::Or,
            Is::Word("xor") | Is::Sign("^^") => Join::Xor,
            Is::Word("and") | Is::Sign("&&") => Join::And,
            _ => return None,
        })
    }

    /// Whether a condition can end here.
    pub(super) fn ends_here(&self) -> bool {
        self.join().is_some() || matches!(self.peek(), Is::End | Is::Sign(")" | "]" | "}" | ","))
    }

    /// What stands in parentheses, of which the first is taken; it is at `paren`.
    pub(super) fn inside<T>(&mut self, paren: Span, read: impl Fn(&mut Self) -> T) -> Option<T> {
        if self.depth >= DEEPEST {
            self.too_deep(paren);
            return None;
        }
        self.depth = self.depth.saturating_add(1);
        let inside = read(self);
        self.depth = self.depth.saturating_sub(1);
        self.close(")", paren);
        Some(inside)
    }

    /// Takes the bracket that ends what began at `open`.
    pub(super) fn close(&mut self, sign: &str, open: Span) {
        if self.accept(sign) {
            return;
        }
        if self.at_end() {
            self.report(open, format!("a `{sign}` is missing for this"));
            return;
        }
        let span = self.span();
        let what = self.describe();
        self.report(span, format!("expected `{sign}`, found {what}"));
        self.recover();
        while !self.at_end() && !self.is_sign(sign) {
            if self.is_sign(")") || self.is_sign("]") || self.is_sign("}") {
                return;
            }
            self.advance();
            self.recover();
        }
        self.accept(sign);
    }

    pub(super) fn too_deep(&mut self, span: Span) -> Written<'t> {
        self.give_up(
            Code::TooDeep,
            span,
            format!("more than {DEEPEST} levels of parentheses, `not` and functions"),
        );
        Written::Broken
    }
}
