//! From the shape of an expression to its tree: names are looked up, and types are checked.
//!
//! What is wrong with one comparison does not keep others from being checked. A value that is not known has
//! any type, so it makes no second mistake of one.
//!
//! # Invariants
//! - **I1** a tree that comes out is [normal, typed and no deeper than it may be](super::expr);
//! - **I2** every mistake has the span of the bytes that make it.

use alloc::{borrow::ToOwned, boxed::Box, format, string::String, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;
use regex_automata::{meta::Regex, util::syntax::Config as Syntax};

use super::{
    diagnostic::{Code, Diagnostic},
    expr::{Addresses, Atom, DEEPEST, Expr, Literal, Node, Operand, Set, Term, Test, UrlDecode},
    field::{BUILTINS, Builtin, FIRST_OF, HEADER_NAMES, Kind, POSTURES, Phase, SUPPLIED, Supplied},
    lexer::{self, Plain, Span},
    parser::{
        self, Comparison, Head, Index, Item, Join, Operator, Right, Value, Written, shortened,
    },
    scheme::Scheme,
};
use crate::{limit::Share, rule::expr::Name};

/// The most bytes of a text.
pub(crate) const LONGEST: usize = 16 * 1_024;

/// The most stars in a wildcard pattern.
pub(crate) const MOST_STARS: usize = 8;

/// The most memory of a compiled regular expression.
pub(crate) const LARGEST_REGEX: usize = 256 * 1_024;

/// The condition that a text says.
pub(super) fn expr(scheme: &Scheme, text: &str, phase: Phase) -> Result<Expr, Vec<Diagnostic>> {
    read(scheme, text, phase, |checker, tokens| {
        let written = parser::condition(tokens, &mut checker.found);
        let node = checker.node(&written)?;
        if levels(&node) > DEEPEST {
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
            found.sort_by_key(|diagnostic| diagnostic.span.as_ref().map(|span| span.start));
            Err(found)
        }
    }
}

/// The levels of a tree; operators in a chain count as one.
pub(crate) fn levels(node: &Node) -> usize {
    let below = match node {
        Node::Const(_) => 0,
        Node::Not(of) => levels(of),
        Node::And(nodes) | Node::Or(nodes) | Node::Xor(nodes) => {
            nodes.iter().map(levels).max().unwrap_or(0)
        }
        Node::Atom(atom) => return operand_levels(&atom.operand),
        Node::Any(atom) | Node::All(atom) => operand_levels(&atom.operand),
    };
    below.saturating_add(1)
}

fn operand_levels(operand: &Operand) -> usize {
    operand.inner().map_or(0, operand_levels).saturating_add(1)
}

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

/// What a name is, before what stands in brackets after it.
enum Named {
    Operand(Operand),
    Map(Builtin),
    FirstOf(Builtin),
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
        shortened(self.text.get(span.clone()).unwrap_or_default())
    }

    fn node(&mut self, written: &Written<'_>) -> Option<Node> {
        match written {
            Written::Chain { join, parts, .. } => {
                // All are checked, even after a mistake.
                let nodes: Vec<_> = parts.iter().map(|part| self.node(part)).collect();
                let nodes = nodes.into_iter().collect::<Option<Vec<_>>>()?;
                Some(match join {
                    Join::And => Node::all(nodes),
                    Join::Or => Node::either(nodes),
                    Join::Xor => Node::one(nodes),
                })
            }
            Written::Not { of, .. } => self.node(of).map(Node::negated),
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
                            Node::all(alloc::vec![Node::Atom(exists), Node::Atom(is).negated(),]);
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
                let node = Node::Atom(Atom { operand, test });
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

    fn wildcard(&mut self, pattern: Box<[u8]>, strict: bool, span: &Span) -> Option<Test> {
        let (mut stars, mut double, mut rest) = (0_usize, false, &*pattern);
        loop {
            rest = match rest {
                [b'\\', b'*' | b'\\', rest @ ..] => rest,
                [b'*', rest @ ..] => {
                    stars = stars.saturating_add(1);
                    double |= rest.starts_with(b"*");
                    rest
                }
                [_, rest @ ..] => rest,
                [] => break,
            };
        }
        if double {
            let help = "one star is any number of characters; `\\*` is a star itself";
            self.report_help(Code::Wildcard, span.clone(), "two stars in a row", help);
            return None;
        }
        if stars > MOST_STARS {
            let message = format!("{stars} stars in a wildcard; at most {MOST_STARS}");
            self.report(Code::Wildcard, span.clone(), message);
            return None;
        }
        Some(Test::Wildcard { pattern, strict })
    }

    fn regex(&mut self, pattern: &[u8], span: &Span) -> Option<Test> {
        let Ok(pattern) = core::str::from_utf8(pattern) else {
            let help = "write bytes as \\xHH in a raw text: r\"\\xff\"";
            self.report_help(Code::Regex, span.clone(), "the pattern is not UTF-8", help);
            return None;
        };
        let limits = Regex::config().nfa_size_limit(Some(LARGEST_REGEX));
        let syntax = Syntax::new().unicode(false).utf8(false);
        let built = Regex::builder().syntax(syntax).configure(limits).build(pattern);
        match built {
            Ok(_) => Some(Test::Matches(pattern.into())),
            Err(error) if error.size_limit().is_some() => {
                let message = format!("the pattern needs more than {} KiB", LARGEST_REGEX / 1_024);
                self.report(Code::Regex, span.clone(), message);
                None
            }
            Err(error) => {
                let told = error.syntax_error().map(|error| format!("{error}"));
                let told = told.unwrap_or_else(|| format!("{error}"));
                let last = told.lines().last().unwrap_or_default().trim();
                let why = last.strip_prefix("error: ").unwrap_or(last);
                self.report(Code::Regex, span.clone(), format!("no regular expression: {why}"));
                None
            }
        }
    }

    fn membership(
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
                    shortened(name),
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
                        matches!(value.head, Head::Literal(Plain::Address(_) | Plain::Network(_)))
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

    fn list(&mut self, name: &str, span: &Span) -> Option<super::field::Type> {
        if let Some(holds) = self.scheme.lists.get(name) {
            return Some(*holds);
        }
        let message = format!("list `${}` is not defined", shortened(name));
        let mut diagnostic = Diagnostic::new(Code::UnknownList, span.clone(), message);
        diagnostic.help = Some(declared(
            "lists",
            self.scheme.lists.keys().map(|name| format!("`${name}`")).collect(),
        ));
        self.found.push(diagnostic);
        None
    }

    /// Reports unknown names where types cannot be checked.
    fn names_in(&mut self, right: &Right<'_>) {
        if let Right::List(name, span) = right {
            self.list(name, span);
        }
    }

    /// Reports that something stands where one value should.
    fn one_value(&mut self, right: &Right<'_>) {
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
    fn literal(&mut self, value: &Value<'_>, operand: &Operand) -> Option<Literal> {
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
                let names: Vec<_> = POSTURES.iter().map(|(name, _)| *name).collect();
                let message = format!("`{}` is no posture", shortened(name));
                let help = format!("postures are {}", names.join(", "));
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
    fn wrong_literal(&mut self, value: &Value<'_>, kind: Kind) {
        let what = match &value.head {
            Head::Broken | Head::Literal(Plain::Broken) => return,
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

    // Values.

    fn term(&mut self, value: &Value<'_>) -> Option<Operand> {
        match self.meant(value)? {
            Meant::Test(_) => {
                let message = "a condition where a value should be";
                self.report(Code::Type, value.span.clone(), message);
                None
            }
            Meant::Operand(operand) => {
                self.place_of_each(&operand, &value.span)?;
                if matches!(operand.kind(), Kind::Array | Kind::Map | Kind::Flags) {
                    let message = format!("`{}` is not one value", self.quoted(&value.span));
                    let help = "take one element, as in header[\"x\"], or len(…)";
                    self.report_help(Code::Type, value.span.clone(), message, help);
                    return None;
                }
                Some(operand)
            }
        }
    }

    fn meant(&mut self, value: &Value<'_>) -> Option<Meant> {
        let named = match &value.head {
            Head::Broken | Head::Literal(Plain::Broken) => return None,
            Head::Literal(_) => {
                let message = "a literal where a field should be";
                let help = "the field stands on the left: path eq \"/x\"";
                self.report_help(Code::Type, value.span.clone(), message, help);
                return None;
            }
            Head::Name(name) => self.named(name, &value.named)?,
            Head::Call(name, arguments) => match self.call(name, &value.named, arguments)? {
                Meant::Operand(operand) => Named::Operand(operand),
                test @ Meant::Test(_) => {
                    let Some((_, span)) = value.indices.first() else { return Some(test) };
                    self.report(Code::Type, span.clone(), "a condition has no elements");
                    return None;
                }
            },
        };
        self.indexed(named, value).map(Meant::Operand)
    }

    fn named(&mut self, name: &str, span: &Span) -> Option<Named> {
        let is = |known: &str, aliases: &[&str]| known == name || aliases.contains(&name);
        if let Some(entry) = BUILTINS.iter().find(|entry| is(entry.name, entry.aliases)) {
            if entry.phase == Phase::Response && self.phase == Phase::Request {
                self.report_help(
                    Code::Phase,
                    span.clone(),
                    format!("`{name}` is not known before the response"),
                    "what depends on the response belongs into `count_if` or `cost` of a limit",
                );
            }
            return Some(match entry.kind {
                Kind::Map | Kind::Flags => Named::Map(entry.field),
                _ => Named::Operand(Operand::Builtin(entry.field)),
            });
        }
        if let Some((_, map)) = FIRST_OF.iter().find(|(known, _)| *known == name) {
            return Some(Named::FirstOf(*map));
        }
        if let Some((.., header)) =
            HEADER_NAMES.iter().find(|(known, aliases, _)| is(known, aliases))
        {
            return Some(Named::Operand(Operand::header(header)));
        }
        let supplied = SUPPLIED.iter().find(|(known, aliases, ..)| is(known, aliases));
        if let Some((name, _, kind, _)) = supplied {
            let field = Supplied { name: Name::from(*name), kind: *kind };
            return Some(Named::Operand(Operand::Supplied(field)));
        }
        if let Some((name, holds)) = self.scheme.fields.get_key_value(name) {
            let field = Supplied { name: Name::clone(name), kind: (*holds).into() };
            return Some(Named::Operand(Operand::Supplied(field)));
        }
        let message = format!("unknown field `{}`", shortened(name));
        self.report(Code::UnknownField, span.clone(), message);
        None
    }

    /// With what stands in brackets after it.
    fn indexed(&mut self, mut named: Named, value: &Value<'_>) -> Option<Operand> {
        let mut repeated = !matches!(value.head, Head::Call(..));
        for (index, span) in &value.indices {
            let problem = match (named, index) {
                (_, Index::Broken) => return None,
                (Named::Map(map), Index::Key(key)) => {
                    named = Named::Operand(self.get(map, key, span)?);
                    continue;
                }
                (Named::FirstOf(map), Index::Key(key)) => {
                    let array = self.get(map, key, span)?;
                    named = Named::Operand(Operand::At(Box::new(array), 0));
                    continue;
                }
                (Named::Operand(operand), index) => match (operand.kind(), index) {
                    (Kind::Array, Index::Each) => {
                        named = Named::Operand(Operand::Each(Box::new(operand)));
                        repeated = true;
                        continue;
                    }
                    (Kind::Array, Index::At(at)) => match u32::try_from(*at) {
                        Ok(at) => {
                            named = Named::Operand(Operand::At(Box::new(operand), at));
                            continue;
                        }
                        Err(_) => "elements are counted from 0, to 4294967295",
                    },
                    (Kind::Array, _) => "an array has elements by number, not by name",
                    // A function of each element is written like an array of results, too.
                    (_, Index::Each) if operand.is_each() && !repeated => {
                        repeated = true;
                        named = Named::Operand(operand);
                        continue;
                    }
                    _ => "one value has no elements",
                },
                (Named::Map(_) | Named::FirstOf(_), _) => "a name in quotes comes first",
            };
            self.report(Code::Type, span.clone(), problem);
            return None;
        }
        match named {
            Named::Operand(operand) => Some(operand),
            Named::Map(_) | Named::FirstOf(_) => {
                let name = self.quoted(&value.span);
                let message = format!("`{name}` is many values, by name");
                let help = format!("say which one: {name}[\"…\"]");
                self.report_help(Code::Type, value.span.clone(), message, help);
                None
            }
        }
    }

    fn get(&mut self, map: Builtin, key: &[u8], span: &Span) -> Option<Operand> {
        let Ok(key) = core::str::from_utf8(key) else {
            self.report(Code::Literal, span.clone(), "names are UTF-8");
            return None;
        };
        let key = if map == Builtin::Headers { key.to_ascii_lowercase() } else { key.to_owned() };
        Some(Operand::Get(map, key.into()))
    }

    // Functions.

    fn call(&mut self, name: &str, named: &Span, arguments: &[Value<'_>]) -> Option<Meant> {
        let Some((_, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let message = format!("unknown function `{}`", shortened(name));
            self.report(Code::UnknownFunction, named.clone(), message);
            for argument in arguments {
                if matches!(argument.head, Head::Name(_) | Head::Call(..)) {
                    self.meant(argument);
                }
            }
            return None;
        };
        if arguments.len() < *least {
            let message = format!("`{name}` takes {}", counted(*least, *most));
            self.report(Code::Arguments, named.clone(), message);
            return None;
        }
        if let Some(extra) = arguments.get(*most) {
            let message = format!("`{name}` takes {}", counted(*least, *most));
            self.report(Code::Arguments, extra.span.clone(), message);
            return None;
        }
        let [first, rest @ ..] = arguments else { return None };
        match name {
            "sample" => return self.sample(first).map(|it| Meant::Operand(Operand::Sample(it))),
            "counter" => return self.counter(first).map(Meant::Operand),
            _ => {}
        }
        let of = match self.meant(first) {
            Some(Meant::Operand(operand)) => Some(operand),
            Some(Meant::Test(_)) => {
                let message = format!("`{name}` takes a value, not a condition");
                self.report(Code::Type, first.span.clone(), message);
                None
            }
            None => None,
        };
        let wanted: &[Kind] = match name {
            "len" => &[Kind::Bytes, Kind::Array],
            "cidr" | "cidr6" => &[Kind::Ip],
            "exists" => &[Kind::Bool, Kind::Int, Kind::Bytes, Kind::Ip, Kind::Array],
            _ => &[Kind::Bytes],
        };
        let of = of.filter(|operand| {
            let kind = operand.kind();
            let fits = wanted.contains(&kind);
            if !fits {
                let wanted: Vec<_> = wanted.iter().map(|kind| told(*kind)).collect();
                let message = format!(
                    "`{name}` takes {}, and `{}` is {}",
                    wanted.join(" or "),
                    self.quoted(&first.span),
                    told(kind)
                );
                self.report(Code::Type, first.span.clone(), message);
            }
            fits
        });
        let boxed = |of: Option<Operand>| of.map(Box::new);
        let operand = match name {
            "lower" => Operand::Lower(boxed(of)?),
            "upper" => Operand::Upper(boxed(of)?),
            "len" => Operand::Len(boxed(of)?),
            "exists" => return Some(Meant::Test(Atom { operand: of?, test: Test::Exists })),
            "starts_with" | "ends_with" => {
                let part = rest.first().and_then(|part| self.text_argument(name, part));
                let (operand, part) = (of?, part?);
                let test = if name == "starts_with" {
                    Test::StartsWith(part.into())
                } else {
                    Test::EndsWith(part.into())
                };
                return Some(Meant::Test(Atom { operand, test }));
            }
            "url_decode" => {
                let options = match rest.first() {
                    None => Some(UrlDecode::default()),
                    Some(options) => self.decode_options(options),
                };
                Operand::UrlDecode { of: boxed(of)?, options: options? }
            }
            "substring" => {
                let start = rest.first().and_then(|start| self.int_argument(name, start));
                let end = rest.get(1).map(|end| self.int_argument(name, end));
                let end = match end {
                    None => None,
                    Some(end) => Some(end?),
                };
                Operand::Substring { of: boxed(of)?, start: start?, end }
            }
            "cidr" => {
                let v4 = rest.first().and_then(|bits| self.bits(bits, 32));
                let v6 = rest.get(1).map_or(Some(128), |bits| self.bits(bits, 128));
                Operand::Cidr { of: boxed(of)?, v4: v4?, v6: v6? }
            }
            "cidr6" => {
                let v6 = rest.first().and_then(|bits| self.bits(bits, 128));
                Operand::Cidr { of: boxed(of)?, v4: 32, v6: v6? }
            }
            _ => return None,
        };
        Some(Meant::Operand(operand))
    }

    fn text_argument(&mut self, name: &str, value: &Value<'_>) -> Option<Vec<u8>> {
        match &value.head {
            Head::Literal(Plain::Text(text)) if value.indices.is_empty() => Some(text.clone()),
            Head::Broken | Head::Literal(Plain::Broken) => None,
            _ => {
                let message = format!("`{name}` takes a text in quotes here");
                self.report(Code::Arguments, value.span.clone(), message);
                None
            }
        }
    }

    fn int_argument(&mut self, name: &str, value: &Value<'_>) -> Option<i64> {
        match &value.head {
            Head::Literal(Plain::Int(number)) if value.indices.is_empty() => Some(*number),
            Head::Broken | Head::Literal(Plain::Broken) => None,
            _ => {
                let message = format!("`{name}` takes a number here");
                self.report(Code::Arguments, value.span.clone(), message);
                None
            }
        }
    }

    fn bits(&mut self, value: &Value<'_>, most: u8) -> Option<u8> {
        let bits = self.int_argument("cidr", value)?;
        let bits = u8::try_from(bits).ok().filter(|bits| *bits <= most);
        if bits.is_none() {
            let message = format!("a prefix length here is from 0 to {most}");
            self.report(Code::Arguments, value.span.clone(), message);
        }
        bits
    }

    fn decode_options(&mut self, value: &Value<'_>) -> Option<UrlDecode> {
        let text = self.text_argument("url_decode", value)?;
        let options = UrlDecode { recursive: text.contains(&b'r'), unicode: text.contains(&b'u') };
        if text.iter().any(|option| !matches!(option, b'r' | b'u')) {
            let message = "options of `url_decode` are \"r\", recursive, and \"u\", with %uXXXX";
            self.report(Code::Arguments, value.span.clone(), message);
            return None;
        }
        Some(options)
    }

    fn sample(&mut self, value: &Value<'_>) -> Option<Share> {
        let share = match &value.head {
            Head::Literal(Plain::Int(0)) => Some(Share::NONE),
            Head::Literal(Plain::Int(1)) => Some(Share::ALL),
            Head::Literal(Plain::Decimal(digits)) => millionths(digits).map(Share::per_million),
            Head::Broken | Head::Literal(Plain::Broken) => return None,
            _ => None,
        };
        if share.is_none() || !value.indices.is_empty() {
            let message = "`sample` takes a number from 0 to 1, with up to six decimals";
            let help = "as in sample(0.05) for 5 of 100 clients";
            self.report_help(Code::Arguments, value.span.clone(), message, help);
            return None;
        }
        share
    }

    fn counter(&mut self, value: &Value<'_>) -> Option<Operand> {
        let name = self.text_argument("counter", value)?;
        let known = self.scheme.limits.iter().find(|limit| limit.as_bytes() == name.as_slice());
        if let Some(known) = known {
            return Some(Operand::Counter((**known).into()));
        }
        let message =
            format!("limit \"{}\" is not defined", shortened(&String::from_utf8_lossy(&name)));
        let names = self.scheme.limits.iter().map(|name| format!("\"{name}\"")).collect();
        self.report_help(
            Code::UnknownLimit,
            value.span.clone(),
            message,
            declared("limits", names),
        );
        None
    }
}

struct BoolEqual {
    to: bool,
    negated: bool,
}

/// Functions, and how many arguments each takes: at least, and at most.
pub(super) const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("cidr", 2, 3),
    ("cidr6", 2, 2),
    ("lower", 1, 1),
    ("upper", 1, 1),
    ("len", 1, 1),
    ("starts_with", 2, 2),
    ("ends_with", 2, 2),
    ("url_decode", 1, 2),
    ("substring", 2, 3),
    ("exists", 1, 1),
    ("sample", 1, 1),
    ("counter", 1, 1),
];

/// `true` or `false`.
fn constant(value: &Value<'_>) -> Option<bool> {
    match value.head {
        Head::Name("true") if value.indices.is_empty() => Some(true),
        Head::Name("false") if value.indices.is_empty() => Some(false),
        _ => None,
    }
}

/// A number from 0 to 1 with up to six decimals, in millionths.
fn millionths(digits: &str) -> Option<u32> {
    let (whole, part) = digits.split_once('.')?;
    let part = part.trim_end_matches('0');
    if part.len() > 6 {
        return None;
    }
    let part: u32 = format!("{part:0<6}").parse().ok()?;
    match whole.parse::<u32>().ok()? {
        0 if !digits.starts_with('-') => Some(part),
        1 if part == 0 => Some(1_000_000),
        _ => None,
    }
}

/// A kind in words, with its article.
fn told(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "yes or no",
        Kind::Int => "a number",
        Kind::Bytes => "a text",
        Kind::Ip => "an address",
        Kind::Array => "an array",
        Kind::Map | Kind::Flags => "many values",
    }
}

fn several(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "numbers",
        Kind::Ip => "addresses",
        Kind::Bytes => "texts",
        _ => "values",
    }
}

fn counted(least: usize, most: usize) -> String {
    match (least, most) {
        (1, 1) => "one argument".into(),
        (least, most) if least == most => format!("{least} arguments"),
        (least, most) => format!("{least} or {most} arguments"),
    }
}

fn declared(what: &str, names: Vec<String>) -> String {
    match names.as_slice() {
        [] => format!("no {what} are declared"),
        names => {
            let shown = names.get(..names.len().min(10)).unwrap_or_default();
            let more = if names.len() > shown.len() { ", …" } else { "" };
            format!("declared {what}: {}{more}", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scheme;
    use crate::rule::Type;

    #[test]
    fn what_the_language_can_say_is_understood() {
        let scheme =
            Scheme::new().field("tenant", Type::Bytes).list("office", Type::Ip).limit("login");
        for text in [
            "path eq \"/x\" and not ip.src in $office or ua contains \"bot\" # a comment",
            "any(lower(headers[\"X\"][*])[*] contains \"a\")",
            "posture in {defend..lockdown normal} and load & 0xf and cidr(ip.src, 24, 64) eq ::1",
            "substring(path, -3) eq \"\\x41\" and url_decode(path, \"ru\") wildcard \"a*\\\\*\"",
        ] {
            scheme.parse(text).expect(text);
        }
    }
}
