//! What the index finds is what trying one rule after the other finds.

use core::ops::ControlFlow;
use std::{boxed::Box, vec::Vec};

use proptest::prelude::*;

use super::{
    Index, Names, TooLarge,
    agreement::{agree, by_index, index, one_by_one},
};
use crate::{
    request::{Request, canonical::Canonical},
    rule::{
        Scheme,
        expr::{Atom, Expr, Literal, Node, Operand, Test},
        facts::Facts,
        field::Builtin,
        list::Lists,
        reference,
        samples::{
            self, Sample, Seeded, Shape, Source,
            strategies::{any_exprs, any_sample},
        },
    },
    test_support::cases,
};

proptest! {
    #![proptest_config(cases(256))]

    /// I1: nothing is missed, nothing is added, the order is that of the rules.
    #[test]
    fn the_index_finds_what_trying_all_finds(
        exprs in any_exprs(20),
        requests in prop::collection::vec(any_sample(), 1..4),
    ) {
        let index = index(&exprs);
        for sample in &requests {
            let found = by_index(&index, sample, usize::MAX, false);
            let right = sample.with_facts(|facts| reference::matches(&exprs, facts));
            prop_assert_eq!(found, right);
        }
    }

    /// I1 and I2: it stops where the visitor does, and rules see what earlier ones have left.
    #[test]
    fn marks_are_seen_by_later_rules_and_a_break_ends_the_walk(
        exprs in any_exprs(20),
        sample in any_sample(),
        most in 1_usize..6,
    ) {
        let index = index(&exprs);
        for marks in [false, true] {
            let found = by_index(&index, &sample, most, marks);
            prop_assert_eq!(found, one_by_one(&exprs, &sample, most, marks));
        }
    }
}

/// I1 and I2 for a million pairs of rules and a request; fewer where the compiler does not optimise.
///
/// Sets are of all sizes: one rule, a few, enough to need a bitmap. A set stands for a few requests.
#[test]
fn a_million_random_cases_agree() {
    let cases = if cfg!(miri) {
        3
    } else if cfg!(debug_assertions) {
        10_000
    } else {
        1_000_000
    };
    run(0x706f_7274, cases);
}

fn run(seed: u64, cases: u64) {
    let source = &mut Seeded::new(seed);
    let mut done = 0;
    while done < cases {
        let most = [1, 3, 8, 20, 60][source.below(5) as usize];
        let shape =
            Shape { depth: source.below(5), volatile: source.one_in(2), ..Shape::default() };
        let response = source.one_in(4);
        let shape = Shape { response, ..shape };
        let exprs: Vec<Expr> =
            (0..=source.below(most)).map(|_| samples::expr_of(source, shape)).collect();
        let index = index(&exprs);
        let requests = 1 + 400 / (u64::from(most) + 10);
        for _ in 0..requests {
            let sample = Sample::draw(source);
            let stops = source.one_in(4);
            let most = if stops { 1 + source.below(3) as usize } else { usize::MAX };
            agree(&exprs, &index, &sample, most, source.one_in(2));
        }
        done += requests;
    }
}

fn build(exprs: Vec<Expr>) -> Result<Index, (usize, TooLarge)> {
    Index::build(exprs, &Names { lists: &Lists::new(), tags: &[] })
}

fn test(test: Test) -> Expr {
    Expr(Node::Atom(Atom { operand: Operand::Builtin(Builtin::Path), test }))
}

/// What is too much is told, with the rule, and nothing is built.
#[test]
fn limits_are_errors_that_name_the_rule() {
    let fine = test(Test::Exists);
    assert!(build(std::vec![fine.clone(); 1 << 16]).is_ok());
    let most = build(std::vec![fine.clone(); (1 << 16) + 1]);
    assert_eq!(most.err(), Some((1 << 16, TooLarge::Rules)));
    let stars =
        test(Test::Wildcard { pattern: b"*a*b*c*d*e*f*g*h*i*".as_slice().into(), strict: true });
    assert_eq!(build([fine.clone(), stars].into()).err(), Some((1, TooLarge::Stars)));
    let huge = test(Test::Matches("(a{100}){100}b{9}".into()));
    assert_eq!(build([fine.clone(), huge].into()).err(), Some((1, TooLarge::Regexes)));
    // One more than have marks: sixteen rules are fine, and the next one is not.
    let part = |at: u32| test(Test::Contains(at.to_be_bytes().as_slice().into())).0;
    let rule = |nth: u32| Expr(Node::either((nth << 12..(nth + 1) << 12).map(part).collect()));
    let many = core::iter::once(fine).chain((0..18).map(rule)).collect();
    assert_eq!(build(many).err(), Some((17, TooLarge::Literals)));
}

/// A rule takes a few hundred bytes, and what is the same is kept once.
#[test]
#[cfg_attr(miri, ignore = "10,000 rules")]
fn memory_is_what_rules_differ_in() {
    let path = |nth: usize| {
        test(Test::Eq(Literal::Bytes(std::format!("/a/path/of/{nth}").into_bytes().into())))
    };
    let different = build((0..5_000).map(path).collect()).unwrap().memory_bytes();
    assert!((5_000 * 20..5_000 * 400).contains(&different), "{different}");
    let same = build((0..5_000).map(|_| path(7)).collect()).unwrap().memory_bytes();
    assert!(same < 5_000 * 10, "{same}");
}

/// What a test that is not looked up keeps for itself is counted, whatever kind it is of.
#[test]
fn memory_has_what_tests_keep() {
    let long = "x".repeat(1_000);
    let scheme = Scheme::new().limit("x").limit(&long);
    let bytes = |condition: &str| {
        let text = std::format!("path eq \"/a\" and not {condition}");
        build([scheme.parse(&text).unwrap()].into()).unwrap().memory_bytes()
    };
    let numbers: Vec<_> = (0..100).map(|at| std::format!("{}", 2 * at)).collect();
    let nets: Vec<_> = (0..100).map(|at| std::format!("10.0.{}.0/24", 2 * at)).collect();
    let texts: Vec<_> = (0..100).map(|at| std::format!("\"text {at}\"")).collect();
    for (small, large, least) in [
        ("query eq \"x\"", std::format!("query eq \"{long}\""), 999),
        ("query starts_with \"x\"", std::format!("query starts_with \"{long}\""), 999),
        ("query ends_with \"x\"", std::format!("query ends_with \"{long}\""), 999),
        ("query contains \"x\"", std::format!("query contains \"{long}\""), 999),
        ("query wildcard \"a*x*b\"", std::format!("query wildcard \"a*{long}*b\""), 999),
        ("query lt \"x\"", std::format!("query lt \"{long}\""), 999),
        ("len(query) in {1 3}", std::format!("len(query) in {{{}}}", numbers.join(" ")), 98 * 16),
        ("ip.src in {10.0.0.0/24}", std::format!("ip.src in {{{}}}", nets.join(" ")), 99 * 4),
        ("query in {\"a\" \"b\"}", std::format!("query in {{{}}}", texts.join(" ")), 98 * 16),
        ("counter(\"x\") gt 5", std::format!("counter(\"{long}\") gt 5"), 999),
        (
            "any(headers[\"x\"][*] eq \"a\")",
            std::format!("any(headers[\"{long}\"][*] eq \"a\")"),
            999,
        ),
    ] {
        let (small, large) = (bytes(small), bytes(&large));
        assert!((least..20_000).contains(&(large - small)), "{small} {large}");
    }
}

/// I1 where lists are gathered in bitmaps, of each of their sizes: random sets are too small to fill a second word.
#[test]
fn many_lists_of_many_rules_are_visited_in_order() {
    let starts = |text: &str| test(Test::StartsWith(text.as_bytes().into()));
    let path = std::format!("/{}", "a".repeat(30));
    for rules in [64, 65, 200, 4_096, 4_097, 16_384, 16_385, 1 << 16] {
        let holds = |at: &usize| at % 7 == 0 || at + 1 == rules;
        let expr = |at: usize| {
            if holds(&at) {
                starts(&path[..1 + at % 25])
            } else {
                starts(&std::format!("/b{}", at % 9))
            }
        };
        let index = build((0..rules).map(expr).collect()).unwrap();
        let request = Request::new(None).target(&path);
        for most in [1, 10, usize::MAX] {
            let mut found = Vec::new();
            Canonical::with(&request, |canonical| {
                index.walk(&Facts::of(&request, canonical, &Lists::new()), |rule| {
                    found.push(rule);
                    if found.len() < most {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                });
            });
            assert_eq!(found, (0..rules).filter(holds).take(most).collect::<Vec<_>>(), "{rules}");
        }
    }
}

fn not(node: Node) -> Node {
    Node::Not(Box::new(node))
}

fn path_is_not(path: &str) -> Node {
    not(test(Test::Eq(Literal::Bytes(path.as_bytes().into()))).0)
}

/// I1: what holds where two tests are alike holds where both fail, and no key of theirs finds that.
#[test]
fn a_rule_that_holds_where_two_tests_are_alike_has_no_key() {
    let alike = Expr(not(Node::Xor([path_is_not("/b"), path_is_not("/c")].into())));
    let index = build([alike].into()).unwrap();
    assert!(index.tries_always(0));
    for (path, holds) in [("/a", true), ("/b", false), ("/c", false)] {
        let request = Request::new(None).target(path);
        let mut found = false;
        Canonical::with(&request, |canonical| {
            index.walk(&Facts::of(&request, canonical, &Lists::new()), |_| {
                found = true;
                ControlFlow::Continue(())
            });
        });
        assert_eq!(found, holds, "{path}");
    }
}

/// Of what must hold together one test is enough for a key, also where it is told the other way round.
#[test]
fn a_rule_with_one_test_that_can_be_looked_up_is_not_always_tried() {
    let neither = Expr(not(Node::Or([path_is_not("/b"), test(Test::Exists).0].into())));
    assert!(!build([neither].into()).unwrap().tries_always(0));
    let neither = Expr(not(Node::Or([test(Test::Exists).0, test(Test::Exists).0].into())));
    assert!(build([neither].into()).unwrap().tries_always(0));
}
