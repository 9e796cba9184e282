//! From the shape of an expression to its tree: names are looked up, and types are checked.
//!
//! What is wrong with one comparison does not keep others from being checked. A value that is not known has
//! any type, so it makes no second mistake of one.
//!
//! # Invariants
//! - **I1** a tree that comes out is [normal, typed and no deeper than it may be](super::expr);
//! - **I2** every mistake has the span of the bytes that make it.

pub(super) mod function;
pub(super) mod pattern;
mod right;
mod value;
mod words;

use alloc::{format, string::String, vec::Vec};

use self::words::told;
use super::{
    diagnostic::{Code, Diagnostic},
    expr::{Atom, DEEPEST, Expr, Literal, Node, Operand, Term, Test},
    field::{Kind, Phase},
    lexer::{self, Span},
    parser::{self, Comparison, Head, Join, Operator, Right, Value, Written},
    scheme::Scheme,
};
use crate::error::snippet;

/// The most bytes of a text.
pub(crate) const LONGEST: usize = 16 * 1_024;

/// The most mistakes of one text that are shown.
const SHOWN: usize = 100;

/// The condition that a text says.
pub(super) fn expr(scheme: &Scheme, text: &str, phase: Phase) -> Result<Expr, Vec<Diagnostic>> {
    read(scheme, text, phase, |checker, tokens| {
        let written = parser::condition(tokens, &mut checker.found);
        let node = checker.node(&written)?;
        if node.levels() > DEEPEST {
            let message = format!("more than {DEEPEST} levels of operators and functions");
            checker.report(Code::TooDeep, 0..text.len(), message);
        }
        Some(Expr(node))
    })
}

/// The value that a text says.
pub(super) fn term(scheme: &Scheme, text: &str, phase: Phase) -> Result<Term, Vec<Diagnostic>> {
    read(scheme, text, phase, |checker, tokens| {
        let value = parser::value(tokens, &mut checker.found);
        checker.term(&value).map(Term)
    })
}

fn read<T>(
    scheme: &Scheme,
    text: &str,
    phase: Phase,
    read: impl FnOnce(&mut Checker<'_>, &[lexer::Token<'_>]) -> Option<T>,
) -> Result<T, Vec<Diagnostic>> {
    if text.len() > LONGEST {
        let message = format!("{} bytes are too many for an expression", text.len());
        let help = format!("at most {LONGEST}; long sets belong into lists");
        return Err(alloc::vec![
            Diagnostic::new(Code::TooLong, 0..text.len(), message).with_help(help)
        ]);
    }
    let (tokens, found) = lexer::tokens(text);
    let mut checker = Checker { scheme, text, phase, quantified: false, found };
    let read = read(&mut checker, &tokens);
    let mut found = checker.found;
    match read {
        Some(read) if found.is_empty() => Ok(read),
        _ => {
            if found.is_empty() {
                found.push(Diagnostic::new(Code::Syntax, 0..text.len(), "not understood"));
            }
            found.sort_by_key(|diagnostic| diagnostic.span.as_ref().map(|span| span.start));
            // What stands where nothing can is one mistake, however many look for something there.
            found.dedup_by(|second, first| {
                first.code == Code::Syntax && second.code == first.code && second.span == first.span
            });
            found.truncate(SHOWN);
            Err(found)
        }
    }
}

/// Reads one text.
struct Checker<'s> {
    scheme: &'s Scheme,
    text: &'s str,
    phase: Phase,
    /// Within `any` or `all`.
    quantified: bool,
    found: Vec<Diagnostic>,
}

/// What a value is.
enum Meant {
    Operand(Operand),
    /// A function that is a test by itself.
    Test(Atom),
}

impl Checker<'_> {
    fn report(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.found.push(Diagnostic::new(code, span, message));
    }

    fn report_help(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(Diagnostic::new(code, span, message).with_help(help));
    }

    /// How it is written, short enough to be quoted.
    fn quoted(&self, span: &Span) -> String {
        snippet(self.text.get(span.clone()).unwrap_or_default())
    }

    fn node(&mut self, written: &Written<'_>) -> Option<Node> {
        match written {
            Written::Chain { join, parts } => {
                // All are checked, even after a mistake.
                let nodes: Vec<_> = parts.iter().map(|part| self.node(part)).collect();
                let nodes = nodes.into_iter().collect::<Option<Vec<_>>>()?;
                Some(match join {
                    Join::And => Node::all(nodes),
                    Join::Or => Node::either(nodes),
                    Join::Xor => Node::one(nodes),
                })
            }
            Written::Not(of) => self.node(of).map(Node::negated),
            Written::Quantified { all, of, span } => self.quantified(*all, of, span),
            Written::Comparison(comparison) => self.comparison(comparison),
            Written::Broken => None,
        }
    }

    fn quantified(&mut self, all: bool, of: &Written<'_>, span: &Span) -> Option<Node> {
        let name = if all { "all" } else { "any" };
        if self.quantified {
            self.report(Code::Each, span.clone(), format!("`{name}` inside of `any` or `all`"));
            return None;
        }
        self.quantified = true;
        let node = self.node(of);
        self.quantified = false;
        let (all, negated, node) = match node? {
            // Not all are not: at least one is.
            Node::Not(of) => (!all, true, *of),
            node => (all, false, node),
        };
        let Node::Atom(atom) = node else {
            self.report_help(
                Code::Each,
                span.clone(),
                format!("`{name}` takes one comparison of elements"),
                format!("write one `{name}(…)` for each, and join those"),
            );
            return None;
        };
        let node = if all { Node::All(atom) } else { Node::Any(atom) };
        Some(if negated { node.negated() } else { node })
    }

    fn comparison(&mut self, comparison: &Comparison<'_>) -> Option<Node> {
        let Comparison { left, right } = comparison;
        if let (Some(value), None) = (constant(left), right) {
            return Some(Node::Const(value));
        }
        let meant = self.meant(left);
        let Some((operator, at, right)) = right else {
            let atom = match meant? {
                Meant::Test(atom) => atom,
                Meant::Operand(operand) if operand.kind() == Kind::Bool => {
                    Atom { operand, test: Test::True }
                }
                Meant::Operand(operand) => {
                    let message = format!(
                        "`{}` is {}, not a condition",
                        self.quoted(&left.span),
                        told(operand.kind())
                    );
                    self.report_help(
                        Code::Type,
                        left.span.clone(),
                        message,
                        "compare it with something",
                    );
                    return None;
                }
            };
            self.place_of_each(&atom.operand, &left.span)?;
            return Some(Node::Atom(atom));
        };
        let Some(meant) = meant else {
            self.names_in(right);
            return None;
        };
        let operand = match &meant {
            Meant::Operand(operand) => operand,
            Meant::Test(atom) => &atom.operand,
        };
        let placed = self.place_of_each(operand, &left.span);
        let node = match meant {
            Meant::Operand(operand) if operand.kind() == Kind::Bool => {
                let present = !matches!(operand, Operand::Supplied(_));
                let is = Atom { operand: operand.clone(), test: Test::True };
                let equal = self.bool_equal(*operator, at, right, left)?;
                match (equal, present) {
                    (BoolEqual { to: true, negated }, _) => {
                        let node = Node::Atom(is);
                        if negated { node.negated() } else { node }
                    }
                    (BoolEqual { to: false, negated: false }, true) => Node::Atom(is).negated(),
                    (BoolEqual { to: false, negated: true }, true) => Node::Atom(is),
                    // A missing value equals nothing.
                    (BoolEqual { to: false, negated }, false) => {
                        let exists = Atom { operand, test: Test::Exists };
                        let node =
                            Node::all(alloc::vec![Node::Atom(exists), Node::Atom(is).negated()]);
                        if negated { node.negated() } else { node }
                    }
                }
            }
            Meant::Test(atom) => {
                let equal = self.bool_equal(*operator, at, right, left)?;
                let node = Node::Atom(atom);
                if equal.to == equal.negated { node.negated() } else { node }
            }
            Meant::Operand(operand) => {
                let (test, negated) = self.test(&operand, *operator, at, right, left)?;
                let node = Node::Atom(Atom::new(operand, test));
                if negated { node.negated() } else { node }
            }
        };
        placed.map(|()| node)
    }

    /// `[*]` is for `any` and `all`, and they are for it.
    fn place_of_each(&mut self, operand: &Operand, span: &Span) -> Option<()> {
        match (operand.is_each(), self.quantified) {
            (true, false) => self.report_help(
                Code::Each,
                span.clone(),
                "`[*]` outside of `any` and `all`",
                "write any(…) or all(…) around the comparison",
            ),
            (false, true) => self.report_help(
                Code::Each,
                span.clone(),
                format!("`{}` is one value; `any` and `all` go over elements", self.quoted(span)),
                "as in any(headers[\"accept\"][*] contains \"html\")",
            ),
            _ => return Some(()),
        }
        None
    }

    /// `ssl eq true` and the like.
    fn bool_equal(
        &mut self,
        operator: Operator,
        at: &Span,
        right: &Right<'_>,
        left: &Value<'_>,
    ) -> Option<BoolEqual> {
        let negated = match operator {
            Operator::Eq => false,
            Operator::Ne => true,
            _ => {
                self.misfit(operator, at, Kind::Bool, left);
                self.names_in(right);
                return None;
            }
        };
        match right {
            Right::Value(value) => match constant(value) {
                Some(to) => Some(BoolEqual { to, negated }),
                None => {
                    self.wrong_literal(value, Kind::Bool);
                    None
                }
            },
            other => {
                self.one_value(other);
                None
            }
        }
    }

    /// An operator that values of this kind do not have.
    fn misfit(&mut self, operator: Operator, at: &Span, kind: Kind, left: &Value<'_>) {
        if operator == Operator::Unknown {
            return;
        }
        let message = format!(
            "`{}` does not go with `{}`, which is {}",
            self.quoted(at),
            self.quoted(&left.span),
            told(kind)
        );
        let help = match kind {
            Kind::Bool => "it is a condition by itself",
            Kind::Int => "numbers have eq ne lt le gt ge in &",
            Kind::Bytes => {
                "texts have eq ne lt le gt ge contains starts_with ends_with wildcard matches in"
            }
            Kind::Ip => "addresses have eq ne in",
            Kind::Array => "compare one element, [0], or any(…[*] …) of them",
            Kind::Map | Kind::Flags => "name one of them in brackets",
        };
        self.report_help(Code::Type, at.clone(), message, help);
    }

    /// A test of an operand that is no Bool, and whether it is negated.
    fn test(
        &mut self,
        operand: &Operand,
        operator: Operator,
        at: &Span,
        right: &Right<'_>,
        left: &Value<'_>,
    ) -> Option<(Test, bool)> {
        let kind = operand.kind();
        let fits = match operator {
            Operator::Unknown => false,
            Operator::Eq | Operator::Ne | Operator::In => {
                matches!(kind, Kind::Int | Kind::Bytes | Kind::Ip)
            }
            Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => {
                matches!(kind, Kind::Int | Kind::Bytes)
            }
            Operator::Bits => kind == Kind::Int,
            Operator::Contains
            | Operator::StartsWith
            | Operator::EndsWith
            | Operator::Wildcard
            | Operator::StrictWildcard
            | Operator::Matches => kind == Kind::Bytes,
        };
        if !fits {
            self.misfit(operator, at, kind, left);
            self.names_in(right);
            return None;
        }
        if operator == Operator::In {
            return self.membership(operand, right, left).map(|test| (test, false));
        }
        let Right::Value(value) = right else {
            self.one_value(right);
            return None;
        };
        let literal = self.literal(value, operand)?;
        let test = match (operator, literal) {
            (Operator::Eq, literal) => Test::Eq(literal),
            (Operator::Ne, literal) => return Some((Test::Eq(literal), true)),
            (Operator::Lt, literal) => Test::Lt(literal),
            (Operator::Le, literal) => Test::Le(literal),
            (Operator::Gt, literal) => Test::Gt(literal),
            (Operator::Ge, literal) => Test::Ge(literal),
            (Operator::Bits, Literal::Int(bits)) => Test::Bits(bits),
            (Operator::Contains, Literal::Bytes(part)) => Test::Contains(part),
            (Operator::StartsWith, Literal::Bytes(part)) => Test::StartsWith(part),
            (Operator::EndsWith, Literal::Bytes(part)) => Test::EndsWith(part),
            (Operator::Wildcard, Literal::Bytes(pattern)) => {
                self.wildcard(pattern, false, &value.span)?
            }
            (Operator::StrictWildcard, Literal::Bytes(pattern)) => {
                self.wildcard(pattern, true, &value.span)?
            }
            (Operator::Matches, Literal::Bytes(pattern)) => self.regex(&pattern, &value.span)?,
            _ => return None,
        };
        Some((test, false))
    }
}

struct BoolEqual {
    to: bool,
    negated: bool,
}

/// `true` or `false`.
fn constant(value: &Value<'_>) -> Option<bool> {
    match value.head {
        Head::Name("true") if value.indices.is_empty() => Some(true),
        Head::Name("false") if value.indices.is_empty() => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;
