//! Values, and what stands on the right side of an operator.

use alloc::{format, vec::Vec};

use super::{
    super::{
        diagnostic::{Code, Diagnostic},
        lexer::{Is, Plain},
    },
    tokens::Parser,
    written::{Head, Index, Item, OPERATORS, Operator, Right, Value},
};

impl<'t> Parser<'_, 't> {
    pub(super) fn right(&mut self, operator: Operator) -> Right<'t> {
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
            let span = self.taken().map_or(start, |token| token.span.clone());
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

    pub(super) fn value(&mut self) -> Value<'t> {
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

    /// Whether the word is an operator, and no call of a function with the same name.
    fn is_reserved(&self) -> bool {
        let Is::Word(word) = self.peek() else { return false };
        let operator = OPERATORS.iter().any(|(known, _)| known == word);
        (operator || *word == "not" || self.join().is_some()) && *self.peek_after() != Is::Sign("(")
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
