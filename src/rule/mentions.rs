//! What an expression names that is not a part of the request: lists, limits and tags.
//!
//! The depth is bounded as that of every tree, by [`DEEPEST`](super::expr::DEEPEST).

use super::{
    expr::{Atom, Expr, Node, Operand, Term, Test},
    field::{Builtin, Kind},
};

/// Something that an expression names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mention<'a> {
    /// A list, asked for values of this kind.
    List(&'a str, Kind),
    /// A limit's count.
    Limit(&'a str),
    Tag(&'a str),
    /// Whether the client is in a share of all.
    Sample,
}

impl Expr {
    /// Visits all that it names, as often as it does.
    pub(crate) fn each_mention<'a>(&'a self, visit: &mut dyn FnMut(Mention<'a>)) {
        of_node(&self.0, visit);
    }
}

impl Term {
    /// Visits all that it names, as often as it does.
    pub(crate) fn each_mention<'a>(&'a self, visit: &mut dyn FnMut(Mention<'a>)) {
        of_operand(&self.0, visit);
    }
}

fn of_node<'a>(node: &'a Node, visit: &mut dyn FnMut(Mention<'a>)) {
    match node {
        Node::Const(_) => {}
        Node::Not(inner) => of_node(inner, visit),
        Node::And(nodes) | Node::Or(nodes) | Node::Xor(nodes) => {
            nodes.iter().for_each(|node| of_node(node, visit));
        }
        Node::Atom(atom) | Node::Any(atom) | Node::All(atom) => of_atom(atom, visit),
    }
}

fn of_atom<'a>(Atom { operand, test }: &'a Atom, visit: &mut dyn FnMut(Mention<'a>)) {
    of_operand(operand, visit);
    if let Test::InList(name) = test {
        visit(Mention::List(name, operand.kind()));
    }
}

fn of_operand<'a>(operand: &'a Operand, visit: &mut dyn FnMut(Mention<'a>)) {
    match operand {
        Operand::Counter(limit) => visit(Mention::Limit(limit)),
        Operand::Sample(_) => visit(Mention::Sample),
        Operand::Get(Builtin::Tag, tag) => visit(Mention::Tag(tag)),
        other => {
            if let Some(inner) = other.inner() {
                of_operand(inner, visit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::Mention;
    use crate::rule::{Scheme, Type, field::Kind};

    #[test]
    fn all_names_are_visited_wherever_they_are() {
        let scheme = Scheme::new().list("a", Type::Ip).list("b", Type::Bytes).limit("l");
        let text = r#"not (ip.src in $a or any(lower(headers["x"][*]) in $b)) and
            (counter("l") gt 3 xor tag["t"] xor sample(0.5))"#;
        let expr = scheme.parse(text).unwrap();
        let mut found = Vec::new();
        expr.each_mention(&mut |mention| found.push(mention));
        let expected = [
            Mention::List("a", Kind::Ip),
            Mention::List("b", Kind::Bytes),
            Mention::Limit("l"),
            Mention::Tag("t"),
            Mention::Sample,
        ];
        assert_eq!(found, expected);
        let term = scheme.parse_term(r#"counter("l")"#).unwrap();
        let mut found = Vec::new();
        term.each_mention(&mut |mention| found.push(mention));
        assert_eq!(found, [Mention::Limit("l")]);
    }
}
