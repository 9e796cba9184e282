//! The right side of a comparison: literals, sets and lists.

use alloc::{format, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;

use super::{
    Checker,
    words::{several, told},
};
use crate::{
    error::snippet,
    rule::{
        diagnostic::Code,
        expr::{Addresses, Literal, Operand, Set, Test},
        field::{Builtin, Kind, POSTURES, Type},
        hint,
        lexer::{Plain, Span},
        parser::{Head, Item, Right, Value},
    },
};

impl Checker<'_> {
    pub(super) fn membership(
        &mut self,
        operand: &Operand,
        right: &Right<'_>,
        left: &Value<'_>,
    ) -> Option<Test> {
        let kind = operand.kind();
        match right {
            Right::Broken => None,
            Right::List(name, span) => {
                let holds = Kind::from(self.list(name, span)?);
                if holds == kind {
                    return Some(Test::InList(name.as_str().into()));
                }
                let message = format!(
                    "`${}` is a list of {}, and `{}` is {}",
                    snippet(name),
                    several(holds),
                    self.quoted(&left.span),
                    told(kind)
                );
                self.report(Code::Type, span.clone(), message);
                None
            }
            Right::Items { items, braces, span } => {
                let simple = match items.as_slice() {
                    [Item::One(value)] => {
                        matches!(
                            value.head,
                            Head::Literal(Plain::Address(_) | Plain::Network(_) | Plain::Broken)
                        )
                    }
                    _ => true,
                };
                if !braces && !simple && self.is_plain(items) {
                    let text = self.quoted(span);
                    let message = "`in` needs a set or a list";
                    self.report_help(
                        Code::Syntax,
                        span.clone(),
                        message,
                        format!("write `eq`, or a set: {{{text}}}"),
                    );
                    return None;
                }
                self.set(operand, items).map(Test::Among)
            }
            Right::Value(value) => {
                self.wrong_literal(value, kind);
                None
            }
        }
    }

    /// Whether it is literals only.
    fn is_plain(&self, items: &[Item<'_>]) -> bool {
        items.iter().all(|item| match item {
            Item::One(value) => matches!(value.head, Head::Literal(_)),
            Item::Range(..) => false,
        })
    }

    pub(super) fn list(&mut self, name: &str, span: &Span) -> Option<Type> {
        if let Some(holds) = self.scheme.lists.get(name) {
            return Some(*holds);
        }
        let message = format!("list `${}` is not defined", snippet(name));
        let help = hint::list(name, self.scheme);
        self.report_help(Code::UnknownList, span.clone(), message, help);
        None
    }

    /// Reports unknown names where types cannot be checked.
    pub(super) fn names_in(&mut self, right: &Right<'_>) {
        if let Right::List(name, span) = right {
            self.list(name, span);
        }
    }

    /// Reports that something stands where one value should.
    pub(super) fn one_value(&mut self, right: &Right<'_>) {
        match right {
            Right::List(name, span) => {
                let span = span.clone();
                if self.list(name, &span).is_some() {
                    self.report(Code::Type, span, "a list where one value should be: use `in`");
                }
            }
            Right::Items { span, .. } => {
                self.report(Code::Type, span.clone(), "a set where one value should be: use `in`");
            }
            Right::Value(_) | Right::Broken => {}
        }
    }

    fn set(&mut self, operand: &Operand, items: &[Item<'_>]) -> Option<Set> {
        match operand.kind() {
            Kind::Int => {
                let read = |checker: &mut Self, item: &Item<'_>| match item {
                    Item::One(value) => checker.int(value, operand).map(|number| (number, number)),
                    Item::Range(first, last) => {
                        let ends = (checker.int(first, operand), checker.int(last, operand));
                        let (from, to) = (ends.0?, ends.1?);
                        checker.ordered(from <= to, first, last)?;
                        Some((from, to))
                    }
                };
                self.every(items, read).map(|items| Set::Ints(items.into()))
            }
            Kind::Ip => {
                let read = |checker: &mut Self, item: &Item<'_>| match item {
                    Item::One(value) => checker.net(value).map(Addresses::Net),
                    Item::Range(first, last) => {
                        let ends = (checker.address(first), checker.address(last));
                        let (from, to) = (ends.0?, ends.1?);
                        if from.is_ipv4() != to.is_ipv4() {
                            let span = first.span.start..last.span.end;
                            checker.report(Code::Type, span, "a range of IPv4 and IPv6");
                            return None;
                        }
                        checker.ordered(from <= to, first, last)?;
                        Some(Addresses::Range(from, to))
                    }
                };
                self.every(items, read).map(|items| Set::Addresses(items.into()))
            }
            _ => {
                let read = |checker: &mut Self, item: &Item<'_>| match item {
                    Item::One(value) => match checker.literal(value, operand)? {
                        Literal::Bytes(bytes) => Some(bytes),
                        _ => None,
                    },
                    Item::Range(first, last) => {
                        let span = first.span.start..last.span.end;
                        checker.report(Code::Type, span, "ranges are of numbers or of addresses");
                        None
                    }
                };
                self.every(items, read).map(|items| Set::Texts(items.into()))
            }
        }
    }

    /// All items, each of which is read even after a mistake.
    fn every<T>(
        &mut self,
        items: &[Item<'_>],
        read: impl Fn(&mut Self, &Item<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let read: Vec<_> = items.iter().map(|item| read(self, item)).collect();
        read.into_iter().collect()
    }

    fn ordered(&mut self, ordered: bool, first: &Value<'_>, last: &Value<'_>) -> Option<()> {
        if ordered {
            return Some(());
        }
        let span = first.span.start..last.span.end;
        self.report_help(
            Code::Literal,
            span,
            "a range that ends before it begins",
            "swap its ends",
        );
        None
    }

    /// A literal that an operand can be compared with.
    pub(super) fn literal(&mut self, value: &Value<'_>, operand: &Operand) -> Option<Literal> {
        match operand.kind() {
            Kind::Int => self.int(value, operand).map(Literal::Int),
            Kind::Ip => self.address(value).map(Literal::Ip),
            kind => match &value.head {
                Head::Literal(Plain::Text(text)) if value.indices.is_empty() => {
                    Some(Literal::Bytes(text.as_slice().into()))
                }
                _ => {
                    self.wrong_literal(value, kind);
                    None
                }
            },
        }
    }

    fn int(&mut self, value: &Value<'_>, operand: &Operand) -> Option<i64> {
        match &value.head {
            _ if !value.indices.is_empty() => {}
            Head::Literal(Plain::Int(number)) => return Some(*number),
            Head::Name(name) if *operand == Operand::Builtin(Builtin::Posture) => {
                if let Some((_, number)) = POSTURES.iter().find(|(known, _)| known == name) {
                    return Some(*number);
                }
                let message = format!("`{}` is no posture", snippet(name));
                let help = hint::posture(name);
                self.report_help(Code::Type, value.span.clone(), message, help);
                return None;
            }
            _ => {}
        }
        self.wrong_literal(value, Kind::Int);
        None
    }

    fn address(&mut self, value: &Value<'_>) -> Option<IpAddr> {
        match &value.head {
            Head::Literal(Plain::Address(address)) if value.indices.is_empty() => Some(*address),
            Head::Literal(Plain::Network(net)) if value.indices.is_empty() => {
                let message = "a prefix where one address should be";
                self.report_help(
                    Code::Type,
                    value.span.clone(),
                    message,
                    format!("write `in {net}` for the addresses in it"),
                );
                None
            }
            _ => {
                self.wrong_literal(value, Kind::Ip);
                None
            }
        }
    }

    fn net(&mut self, value: &Value<'_>) -> Option<IpNet> {
        match &value.head {
            Head::Literal(Plain::Network(net)) if value.indices.is_empty() => Some(*net),
            _ => self.address(value).map(IpNet::from),
        }
    }

    /// Something other than a literal of this kind.
    pub(super) fn wrong_literal(&mut self, value: &Value<'_>, kind: Kind) {
        let what = match &value.head {
            Head::Broken | Head::Literal(Plain::Broken) => return,
            Head::Literal(_) if !value.indices.is_empty() => {
                if let Some((_, span)) = value.indices.first() {
                    self.report(Code::Type, span.clone(), "one value has no elements");
                }
                return;
            }
            Head::Name(name) if kind == Kind::Bytes => {
                let message = format!("`{}` is no text", self.quoted(&value.span));
                let help = hint::text(name, self.scheme);
                self.report_help(Code::Type, value.span.clone(), message, help);
                return;
            }
            Head::Name(_) | Head::Call(..) => {
                let message = format!("`{}` is no literal", self.quoted(&value.span));
                let help = format!(
                    "a value is compared with {}, written out{}",
                    told(kind),
                    if kind == Kind::Bytes { ": \"…\"" } else { "" }
                );
                self.report_help(Code::Type, value.span.clone(), message, help);
                return;
            }
            Head::Literal(Plain::Text(_)) => "a text",
            Head::Literal(Plain::Int(_)) => "a number",
            Head::Literal(Plain::Decimal(_)) => "a number with a point",
            Head::Literal(Plain::Address(_)) => "an address",
            Head::Literal(Plain::Network(_)) => "a prefix",
        };
        let message = format!("expected {}, found {what}", told(kind));
        let help = match (&value.head, kind) {
            (Head::Literal(Plain::Text(_)), Kind::Ip | Kind::Int) => "write it without quotes",
            (Head::Literal(_), Kind::Bytes) => "write it in quotes",
            (Head::Literal(Plain::Decimal(_)), Kind::Int) => "numbers are whole",
            _ => {
                self.report(Code::Type, value.span.clone(), message);
                return;
            }
        };
        self.report_help(Code::Type, value.span.clone(), message, help);
    }
}
