//! Draws are what they are said to be, and various enough to show something.

use std::collections::HashSet;

use super::{
    super::{
        expr::{Addresses, Atom, Literal, Node, Set, Test},
        field::Kind,
        reference,
    },
    Entropy, Sample, Seeded, Shape, expr,
    words::LISTS,
};

fn check(node: &Node, depth: u32) {
    match node {
        Node::Const(_) => {}
        Node::Not(inner) => {
            assert!(!matches!(**inner, Node::Not(_)));
            check(inner, depth);
        }
        Node::And(nodes) | Node::Or(nodes) | Node::Xor(nodes) => {
            assert!(depth > 0 && nodes.len() > 1);
            for inner in nodes {
                assert_ne!(core::mem::discriminant(inner), core::mem::discriminant(node));
                check(inner, depth - 1);
            }
        }
        Node::Atom(atom) => {
            assert!(!atom.operand.is_each());
            check_atom(atom);
        }
        Node::Any(atom) | Node::All(atom) => {
            assert!(atom.operand.is_each());
            check_atom(atom);
        }
    }
}

fn check_atom(Atom { operand, test }: &Atom) {
    let kind = operand.kind();
    let fits = match test {
        Test::True => kind == Kind::Bool,
        Test::Exists => !matches!(kind, Kind::Map | Kind::Flags),
        Test::Eq(literal) => kind == kind_of(literal),
        Test::Lt(literal) | Test::Le(literal) | Test::Gt(literal) | Test::Ge(literal) => {
            kind == kind_of(literal) && kind != Kind::Ip
        }
        Test::Among(Set::Ints(ranges)) => {
            kind == Kind::Int && ranges.iter().all(|(first, last)| first <= last)
        }
        Test::Among(Set::Addresses(items)) => {
            kind == Kind::Ip
                && items.iter().all(|item| match item {
                    Addresses::Net(net) => *net == net.trunc(),
                    Addresses::Range(first, last) => {
                        first <= last && first.is_ipv4() == last.is_ipv4()
                    }
                })
        }
        Test::Bits(_) => kind == Kind::Int,
        Test::InList(name) => {
            LISTS.iter().any(|(list, holds)| **list == **name && kind == Kind::from(*holds))
        }
        _ => kind == Kind::Bytes,
    };
    assert!(fits, "{operand:?} {test:?}");
}

fn kind_of(literal: &Literal) -> Kind {
    match literal {
        Literal::Int(_) => Kind::Int,
        Literal::Bytes(_) => Kind::Bytes,
        Literal::Ip(_) => Kind::Ip,
    }
}

/// I1, and that both answers are common: a property that only ever sees `false` shows little.
#[test]
#[cfg_attr(miri, ignore = "statistics of 2,000 expressions")]
fn expressions_are_normal_well_typed_various_and_hold_often() {
    let mut source = Seeded::new(1);
    let (mut seen, mut held, mut tests) = (HashSet::new(), 0, HashSet::new());
    for _ in 0..2_000 {
        let expr = expr(&mut source);
        check(&expr.0, 2 * Shape::default().depth);
        held +=
            u32::from(Sample::draw(&mut source).with_facts(|facts| reference::holds(&expr, facts)));
        visit(&expr.0, &mut |atom| {
            tests.insert((core::mem::discriminant(&atom.test), atom.operand.kind()));
        });
        seen.insert(expr);
    }
    assert!(seen.len() > 1_800, "{}", seen.len());
    assert!((400..1_600).contains(&held), "{held}");
    // Nine tests of Bytes and Among, InList; Eq, four orders, Bits, Among, InList of Int; three of Ip;
    // True; Exists of five kinds.
    assert_eq!(tests.len(), 12 + 8 + 3 + 1 + 5);
}

fn visit(node: &Node, look: &mut impl FnMut(&Atom)) {
    match node {
        Node::Const(_) => {}
        Node::Not(inner) => visit(inner, look),
        Node::And(nodes) | Node::Or(nodes) | Node::Xor(nodes) => {
            nodes.iter().for_each(|inner| visit(inner, look));
        }
        Node::Atom(atom) | Node::Any(atom) | Node::All(atom) => look(atom),
    }
}

/// I2.
#[test]
fn a_source_that_has_run_dry_gives_one_small_expression() {
    let small = expr(&mut Entropy::new(&[]));
    assert!(matches!(small.0, Node::Atom(_)), "{small:?}");
    for byte in 0..=u8::MAX {
        let _ = expr(&mut Entropy::new(&[byte; 5]));
        let _ = Sample::draw(&mut Entropy::new(&[byte; 1_000]));
    }
}
