//! From words to the shape of an expression, without knowing what names mean.
//!
//! Chains of one operator are one node, so a long chain is not a deep tree. After a mistake the parser goes on
//! at the next `and`, `or`, `xor`, `,` or closing bracket, so that each mistake is reported, once.
//!
//! # Invariants
//! - **I1** recursion is never deeper than [`DEEPEST`], which is reported once and ends the reading;
//! - **I2** every loop takes a token or ends, so parsing is linear in the text.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{
    diagnostic::{Code, Diagnostic},
    expr::{DEEPEST, MOST_TESTS},
    hint,
    lexer::{Is, Plain, Span, Token},
};

/// How conditions are joined, from loose to tight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    Or,
    Xor,
    And,
}

/// A condition as it is written.
#[derive(Debug)]
pub(super) enum Written<'t> {
    Chain {
        join: Join,
        parts: Vec<Written<'t>>,
    },
    Not(Box<Written<'t>>),
    /// `any(…)`, or `all(…)`; the span is that of the word.
    Quantified {
        all: bool,
        of: Box<Written<'t>>,
        span: Span,
    },
    Comparison(Comparison<'t>),
    /// It is reported already.
    Broken,
}

#[derive(Debug)]
pub(super) struct Comparison<'t> {
    pub(super) left: Value<'t>,
    /// None, if the value stands alone.
    pub(super) right: Option<(Operator, Span, Right<'t>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
    StartsWith,
    EndsWith,
    Wildcard,
    StrictWildcard,
    Matches,
    In,
    Bits,
    /// It is reported already.
    Unknown,
}

/// A value: a name or a call, with what stands in brackets after it; or a literal.
#[derive(Debug)]
pub(super) struct Value<'t> {
    pub(super) head: Head<'t>,
    /// Where the name is, or the literal.
    pub(super) named: Span,
    pub(super) indices: Vec<(Index, Span)>,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum Head<'t> {
    Name(&'t str),
    Call(&'t str, Vec<Value<'t>>),
    Literal(Plain<'t>),
    /// It is reported already.
    Broken,
}

#[derive(Debug)]
pub(super) enum Index {
    Key(Vec<u8>),
    At(i64),
    Each,
    /// It is reported already.
    Broken,
}

/// What stands on the right side of an operator.
#[derive(Debug)]
pub(super) enum Right<'t> {
    Value(Value<'t>),
    List(String, Span),
    /// One, or in braces several, and the whole with its braces.
    Items {
        items: Vec<Item<'t>>,
        braces: bool,
        span: Span,
    },
    /// It is reported already.
    Broken,
}

#[derive(Debug)]
pub(super) enum Item<'t> {
    One(Value<'t>),
    Range(Value<'t>, Value<'t>),
}

/// Words of operators, as they are written in letters or as signs.
pub(super) const OPERATORS: &[(&str, Operator)] = &[
    ("eq", Operator::Eq),
    ("==", Operator::Eq),
    ("ne", Operator::Ne),
    ("!=", Operator::Ne),
    ("lt", Operator::Lt),
    ("<", Operator::Lt),
    ("le", Operator::Le),
    ("<=", Operator::Le),
    ("gt", Operator::Gt),
    (">", Operator::Gt),
    ("ge", Operator::Ge),
    (">=", Operator::Ge),
    ("contains", Operator::Contains),
    ("starts_with", Operator::StartsWith),
    ("ends_with", Operator::EndsWith),
    ("wildcard", Operator::Wildcard),
    ("matches", Operator::Matches),
    ("~", Operator::Matches),
    ("in", Operator::In),
    ("&", Operator::Bits),
    ("bitwise_and", Operator::Bits),
];

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

struct Parser<'p, 't> {
    tokens: &'p [Token<'t>],
    at: usize,
    depth: usize,
    tests: usize,
    found: &'p mut Vec<Diagnostic>,
    /// A limit is exceeded: what is found after that counts for nothing.
    over: bool,
}

impl<'p, 't> Parser<'p, 't> {
    fn new(tokens: &'p [Token<'t>], found: &'p mut Vec<Diagnostic>) -> Self {
        Self { tokens, at: 0, depth: 0, tests: 0, found, over: false }
    }

    fn peek(&self) -> &Is<'t> {
        self.tokens.get(self.at).map_or(&Is::End, |token| &token.is)
    }

    fn peek_after(&self) -> &Is<'t> {
        self.tokens.get(self.at.saturating_add(1)).map_or(&Is::End, |token| &token.is)
    }

    fn at_end(&self) -> bool {
        *self.peek() == Is::End
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0..0, |token| token.span.clone())
    }

    /// The end of the last token that was taken.
    fn end(&self) -> usize {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        before.map_or(0, |token| token.span.end)
    }

    fn advance(&mut self) {
        if !self.at_end() {
            self.at = self.at.saturating_add(1);
        }
    }

    fn accept(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Is::Sign(found) if *found == sign);
        if is {
            self.advance();
        }
        is
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Is::Sign(found) if *found == sign)
    }

    fn report(&mut self, span: Span, message: impl Into<String>) {
        self.report_as(Diagnostic::new(Code::Syntax, span, message));
    }

    fn report_as(&mut self, diagnostic: Diagnostic) {
        if !self.over {
            self.found.push(diagnostic);
        }
    }

    /// A limit is exceeded, and nothing after it is read.
    fn give_up(&mut self, code: Code, span: Span, message: String) {
        self.report_as(Diagnostic::new(code, span, message));
        self.over = true;
        self.at = self.tokens.len().saturating_sub(1);
    }

    fn describe(&self) -> String {
        match self.peek() {
            Is::Word(word) => format!("`{}`", shortened(word)),
            Is::Sign(sign) => format!("`{sign}`"),
            Is::List(name) => format!("`${}`", shortened(name)),
            Is::Literal(Plain::Text(_)) => "text".into(),
            Is::Literal(Plain::Int(_) | Plain::Decimal(_)) => "number".into(),
            Is::Literal(_) => "literal".into(),
            Is::End => "end".into(),
        }
    }

    /// Skips to where a condition, an argument or an item can end.
    fn recover(&mut self) {
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

    fn join(&self) -> Option<Join> {
        Some(match self.peek() {
            Is::Word("or") | Is::Sign("||") => Join::Or,
            Is::Word("xor") | Is::Sign("^^") => Join::Xor,
            Is::Word("and") | Is::Sign("&&") => Join::And,
            _ => return None,
        })
    }

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

    fn too_deep(&mut self, span: Span) -> Written<'t> {
        self.give_up(
            Code::TooDeep,
            span,
            format!("more than {DEEPEST} levels of parentheses, `not` and functions"),
        );
        Written::Broken
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

    /// What stands in parentheses, of which the first is taken; it is at `paren`.
    fn inside<T>(&mut self, paren: Span, read: impl Fn(&mut Self) -> T) -> Option<T> {
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
    fn close(&mut self, sign: &str, open: Span) {
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

    /// Whether a condition can end here.
    fn ends_here(&self) -> bool {
        self.join().is_some() || matches!(self.peek(), Is::End | Is::Sign(")" | "]" | "}" | ","))
    }

    /// Whether the word is an operator, and no call of a function with the same name.
    fn is_reserved(&self) -> bool {
        let Is::Word(word) = self.peek() else { return false };
        let operator = OPERATORS.iter().any(|(known, _)| known == word);
        (operator || *word == "not" || self.join().is_some()) && *self.peek_after() != Is::Sign("(")
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
        let message = format!("unknown operator `{}`", shortened(word));
        let unknown = Diagnostic::new(Code::UnknownOperator, span.clone(), message);
        self.report_as(unknown.with_help(hint::operator(word)));
        self.advance();
        Some((Operator::Unknown, span))
    }

    fn right(&mut self, operator: Operator) -> Right<'t> {
        let start = self.span();
        if let Is::List(name) = self.peek() {
            let name = name.clone();
            self.advance();
            return Right::List(name, start);
        }
        if self.is_sign("{") {
            return self.braces();
        }
        if self.ends_here() {
            let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
            let span = before.map_or(start, |token| token.span.clone());
            let help = match operator {
                Operator::In => "as in `ip.src in $office` or `path in {\"/a\" \"/b\"}`",
                _ => "as in `path eq \"/login\"`",
            };
            let missing = Diagnostic::new(Code::Syntax, span, "nothing to compare with after this");
            self.report_as(missing.with_help(help));
            return Right::Broken;
        }
        let first = self.value();
        if matches!(first.head, Head::Broken) {
            self.recover();
            return Right::Broken;
        }
        if operator != Operator::In {
            return Right::Value(first);
        }
        let item = self.range_from(first);
        Right::Items { items: alloc::vec![item], braces: false, span: start.start..self.end() }
    }

    fn braces(&mut self) -> Right<'t> {
        let open = self.span();
        self.advance();
        let mut items = Vec::new();
        loop {
            match self.peek() {
                Is::Sign("}") => break,
                Is::Sign(",") if !items.is_empty() => self.advance(),
                Is::Literal(_) | Is::Word(_) if self.join().is_none() => {
                    let first = self.value();
                    if matches!(first.head, Head::Broken) {
                        self.advance();
                    }
                    let item = self.range_from(first);
                    items.push(item);
                }
                _ => {
                    let span = self.span();
                    if self.at_end() || self.ends_here() && !self.is_sign(",") {
                        self.report(open.clone(), "a `}` is missing for this");
                        return Right::Broken;
                    }
                    let what = self.describe();
                    self.report(span, format!("expected a value or `}}`, found {what}"));
                    self.advance();
                }
            }
        }
        self.advance();
        Right::Items { items, braces: true, span: open.start..self.end() }
    }

    fn range_from(&mut self, first: Value<'t>) -> Item<'t> {
        if !self.accept("..") {
            return Item::One(first);
        }
        let last = self.value();
        Item::Range(first, last)
    }

    fn value(&mut self) -> Value<'t> {
        let named = self.span();
        let head = match self.peek() {
            Is::Literal(plain) => {
                let plain = plain.clone();
                self.advance();
                Head::Literal(plain)
            }
            Is::Word(word) if !self.is_reserved() => {
                let word = *word;
                self.advance();
                if self.is_sign("(") { self.call(word) } else { Head::Name(word) }
            }
            _ => {
                let what = self.describe();
                self.report(named.clone(), format!("expected a value, found {what}"));
                Head::Broken
            }
        };
        let mut indices = Vec::new();
        while self.is_sign("[") {
            let start = self.span();
            self.advance();
            let index = self.index();
            self.close("]", start.clone());
            indices.push((index, start.start..self.end()));
        }
        let span = named.start..self.end().max(named.end);
        Value { head, named, indices, span }
    }

    fn call(&mut self, word: &'t str) -> Head<'t> {
        let paren = self.span();
        self.advance();
        let arguments = self.inside(paren, |parser| {
            let mut arguments = Vec::new();
            while !parser.at_end() && !parser.is_sign(")") {
                let argument = parser.value();
                let broken = matches!(argument.head, Head::Broken);
                arguments.push(argument);
                if parser.is_sign(")") {
                    break;
                }
                if !parser.accept(",") {
                    let span = parser.span();
                    let what = parser.describe();
                    if !parser.at_end() && !broken {
                        parser.report(span, format!("expected `,` or `)`, found {what}"));
                    }
                    parser.recover();
                    if !parser.accept(",") {
                        break;
                    }
                }
            }
            arguments
        });
        arguments.map_or(Head::Broken, |arguments| Head::Call(word, arguments))
    }

    fn index(&mut self) -> Index {
        let span = self.span();
        let index = match self.peek() {
            Is::Literal(Plain::Text(key)) => Index::Key(key.clone()),
            Is::Literal(Plain::Int(at)) => Index::At(*at),
            Is::Literal(Plain::Broken) => Index::Broken,
            Is::Sign("*") => Index::Each,
            _ => {
                let what = self.describe();
                self.report(
                    span,
                    format!("expected a name in quotes, a number or `*` in brackets, found {what}"),
                );
                self.recover();
                return Index::Broken;
            }
        };
        self.advance();
        index
    }
}

/// The start of a word, short enough to be quoted.
pub(super) fn shortened(word: &str) -> String {
    crate::error::snippet(word)
}
