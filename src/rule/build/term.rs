//! Conditions about a term, made of a text that was seen: what a signature is told by.

use core::net::IpAddr;

use super::value::bytes;
use crate::rule::{
    expr::{Atom, Expr, Literal, Node, Term, Test},
    field::Kind,
};

impl Term {
    /// Whether it is what this text says; `None` if it can be no such thing. Numbers are decimal, flags `true`
    /// and `false`.
    pub(crate) fn eq_text(&self, text: &[u8]) -> Option<Expr> {
        let word = || core::str::from_utf8(text).ok();
        let test = match self.kind()? {
            Kind::Bytes => Test::Eq(bytes(text)),
            Kind::Int => Test::Eq(Literal::Int(word()?.parse().ok()?)),
            Kind::Ip => Test::Eq(Literal::Ip(word()?.parse::<IpAddr>().ok()?.to_canonical())),
            Kind::Bool => {
                let is = Expr(Node::Atom(Atom::new(self.0.clone(), Test::True)));
                return match word()? {
                    "true" => Some(is),
                    "false" => Some(is.not()),
                    _ => None,
                };
            }
            Kind::Array | Kind::Map | Kind::Flags => return None,
        };
        Some(Expr(Node::Atom(Atom::new(self.0.clone(), test))))
    }

    /// Whether it is a text that begins with this one; `None` if it is no text, or this is none.
    pub(crate) fn starts_with_text(&self, start: &[u8]) -> Option<Expr> {
        let is_text = self.kind()? == Kind::Bytes && !start.is_empty();
        let test = Test::StartsWith(start.into());
        is_text.then(|| Expr(Node::Atom(Atom::new(self.0.clone(), test))))
    }

    /// What kind of value it is; `None` if it is each element of an array.
    fn kind(&self) -> Option<Kind> {
        (!self.0.is_each()).then(|| self.0.kind())
    }
}
