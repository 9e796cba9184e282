//! Expressions and terms as text: one text for each, with the fewest parentheses.
//!
//! Operators are words, fields have their short names, texts with backslashes or quotes are raw.
//!
//! # Invariants
//! - **I1** the text parses to the same tree, in a scheme that has its names, as long as the text is not
//!   longer than texts may be (an escape is longer than the byte it stands for);
//! - **I2** the text has no more levels than the tree.

use alloc::format;
use core::fmt::{self, Write as _};

use ipnet::IpNet;

use super::{
    expr::{Addresses, Atom, Expr, Literal, Node, Operand, Set, Term, Test},
    field::{Builtin, FIRST_OF, HEADER_NAMES, POSTURES, SUPPLIED},
    lexer::is_list_name,
};
use crate::limit::Share;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        node(f, &self.0, Binding::Loose)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        operand(f, &self.0)
    }
}

/// What stands around a condition, from loose to tight: what binds less than that has parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Loose,
    Or,
    Xor,
    And,
    Not,
}

fn node(f: &mut fmt::Formatter<'_>, node_: &Node, around: Binding) -> fmt::Result {
    match node_ {
        Node::Const(value) => write!(f, "{value}"),
        Node::Not(inner) => match &**inner {
            Node::Atom(Atom { operand: left, test: Test::Eq(right) }) => {
                operand(f, left)?;
                f.write_str(" ne ")?;
                literal(f, left, right)
            }
            inner => {
                f.write_str("not ")?;
                node(f, inner, Binding::Not)
            }
        },
        Node::And(nodes) => chain(f, nodes, " and ", Binding::And, around),
        Node::Or(nodes) => chain(f, nodes, " or ", Binding::Or, around),
        Node::Xor(nodes) => chain(f, nodes, " xor ", Binding::Xor, around),
        Node::Atom(inner) => atom(f, inner),
        Node::Any(inner) => quantified(f, "any(", inner),
        Node::All(inner) => quantified(f, "all(", inner),
    }
}

fn chain(
    f: &mut fmt::Formatter<'_>,
    nodes: &[Node],
    between: &str,
    own: Binding,
    around: Binding,
) -> fmt::Result {
    let parentheses = own <= around;
    if parentheses {
        f.write_char('(')?;
    }
    separated(f, nodes, between, |f, inner| node(f, inner, own))?;
    if parentheses {
        f.write_char(')')?;
    }
    Ok(())
}

fn quantified(f: &mut fmt::Formatter<'_>, name: &str, inner: &Atom) -> fmt::Result {
    f.write_str(name)?;
    atom(f, inner)?;
    f.write_char(')')
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    between: &str,
    show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    let mut first = true;
    for item in items {
        if !core::mem::take(&mut first) {
            f.write_str(between)?;
        }
        show(f, item)?;
    }
    Ok(())
}

fn atom(f: &mut fmt::Formatter<'_>, Atom { operand: left, test }: &Atom) -> fmt::Result {
    if *test == Test::Exists {
        f.write_str("exists(")?;
        operand(f, left)?;
        return f.write_char(')');
    }
    operand(f, left)?;
    let compared = |f: &mut fmt::Formatter<'_>, operator: &str, right: &Literal| {
        write!(f, " {operator} ")?;
        literal(f, left, right)
    };
    let searched = |f: &mut fmt::Formatter<'_>, operator: &str, right: &[u8]| {
        write!(f, " {operator} {}", Text(right))
    };
    match test {
        Test::True | Test::Exists => Ok(()),
        Test::Eq(right) => compared(f, "eq", right),
        Test::Lt(right) => compared(f, "lt", right),
        Test::Le(right) => compared(f, "le", right),
        Test::Gt(right) => compared(f, "gt", right),
        Test::Ge(right) => compared(f, "ge", right),
        Test::Contains(part) => searched(f, "contains", part),
        Test::StartsWith(part) => searched(f, "starts_with", part),
        Test::EndsWith(part) => searched(f, "ends_with", part),
        Test::Wildcard { pattern, strict: false } => searched(f, "wildcard", pattern),
        Test::Wildcard { pattern, strict: true } => searched(f, "strict wildcard", pattern),
        Test::Matches(pattern) => write!(f, " matches {}", Pattern(pattern)),
        Test::Among(items) => {
            f.write_str(" in {")?;
            set(f, left, items)?;
            f.write_char('}')
        }
        Test::InList(name) if is_list_name(name) => write!(f, " in ${name}"),
        Test::InList(name) => write!(f, " in ${}", Quoted(name.as_bytes())),
        Test::Bits(bits) => {
            f.write_str(" & ")?;
            number(f, left, *bits)
        }
    }
}

fn set(f: &mut fmt::Formatter<'_>, left: &Operand, items: &Set) -> fmt::Result {
    match items {
        Set::Ints(ranges) => separated(f, ranges, " ", |f, (first, last)| {
            number(f, left, *first)?;
            if first == last {
                return Ok(());
            }
            f.write_str("..")?;
            number(f, left, *last)
        }),
        Set::Texts(texts) => separated(f, texts, " ", |f, text| write!(f, "{}", Text(text))),
        Set::Addresses(items) => separated(f, items, " ", |f, item| match item {
            Addresses::Net(net) if *net == IpNet::from(net.addr()) => write!(f, "{}", net.addr()),
            Addresses::Net(net) => write!(f, "{net}"),
            Addresses::Range(first, last) => write!(f, "{first}..{last}"),
        }),
    }
}

fn literal(f: &mut fmt::Formatter<'_>, left: &Operand, right: &Literal) -> fmt::Result {
    match right {
        Literal::Int(value) => number(f, left, *value),
        Literal::Bytes(bytes) => write!(f, "{}", Text(bytes)),
        Literal::Ip(ip) => write!(f, "{ip}"),
    }
}

/// A number that is compared with this value: postures have names.
fn number(f: &mut fmt::Formatter<'_>, left: &Operand, value: i64) -> fmt::Result {
    let named = POSTURES.iter().find(|(_, number)| *number == value);
    match named.filter(|_| *left == Operand::Builtin(Builtin::Posture)) {
        Some((name, _)) => f.write_str(name),
        None => write!(f, "{value}"),
    }
}

fn operand(f: &mut fmt::Formatter<'_>, operand_: &Operand) -> fmt::Result {
    match operand_ {
        Operand::Builtin(field) => {
            let entry = field.entry();
            f.write_str(shortest(entry.name, entry.aliases))
        }
        Operand::Supplied(field) => {
            let known = SUPPLIED.iter().find(|(name, ..)| *name == &*field.name);
            f.write_str(known.map_or(&*field.name, |(name, aliases, ..)| shortest(name, aliases)))
        }
        Operand::Get(map, key) => {
            let entry = map.entry();
            write!(f, "{}[{}]", shortest(entry.name, entry.aliases), Text(key.as_bytes()))
        }
        Operand::At(of, at) => match &**of {
            Operand::Get(map, key) if *at == 0 => first_of(f, *map, key),
            of => {
                operand(f, of)?;
                write!(f, "[{at}]")
            }
        },
        Operand::Each(of) => {
            operand(f, of)?;
            f.write_str("[*]")
        }
        Operand::Lower(of) => call(f, "lower", of, format_args!("")),
        Operand::Upper(of) => call(f, "upper", of, format_args!("")),
        Operand::UrlDecode { of, options } => match (options.recursive, options.unicode) {
            (false, false) => call(f, "url_decode", of, format_args!("")),
            (true, false) => call(f, "url_decode", of, format_args!(", \"r\"")),
            (false, true) => call(f, "url_decode", of, format_args!(", \"u\"")),
            (true, true) => call(f, "url_decode", of, format_args!(", \"ru\"")),
        },
        Operand::Substring { of, start, end: None } => {
            call(f, "substring", of, format_args!(", {start}"))
        }
        Operand::Substring { of, start, end: Some(end) } => {
            call(f, "substring", of, format_args!(", {start}, {end}"))
        }
        Operand::Len(of) => call(f, "len", of, format_args!("")),
        Operand::Cidr { of, v4, v6 } => call(f, "cidr", of, format_args!(", {v4}, {v6}")),
        Operand::Sample(share) => {
            f.write_str("sample(")?;
            part_of_one(f, *share)?;
            f.write_char(')')
        }
        Operand::Counter(limit) => write!(f, "counter({})", Text(limit.as_bytes())),
    }
}

fn call(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    of: &Operand,
    more: fmt::Arguments<'_>,
) -> fmt::Result {
    write!(f, "{name}(")?;
    operand(f, of)?;
    write!(f, "{more})")
}

/// The first value under a key, which has a name of its own for some headers.
fn first_of(f: &mut fmt::Formatter<'_>, map: Builtin, key: &str) -> fmt::Result {
    let named = HEADER_NAMES.iter().find(|(.., header)| *header == key);
    if let Some((name, aliases, _)) = named.filter(|_| map == Builtin::Headers) {
        return f.write_str(shortest(name, aliases));
    }
    match FIRST_OF.iter().find(|(_, of)| *of == map) {
        Some((name, _)) => write!(f, "{name}[{}]", Text(key.as_bytes())),
        None => {
            let entry = map.entry();
            write!(f, "{}[{}][0]", shortest(entry.name, entry.aliases), Text(key.as_bytes()))
        }
    }
}

fn shortest(name: &'static str, aliases: &[&'static str]) -> &'static str {
    [name].iter().chain(aliases).copied().min_by_key(|name| name.len()).unwrap_or(name)
}

fn part_of_one(f: &mut fmt::Formatter<'_>, share: Share) -> fmt::Result {
    match share.as_per_million() {
        0 => f.write_str("0"),
        1_000_000.. => f.write_str("1"),
        part => write!(f, "0.{}", format!("{part:06}").trim_end_matches('0')),
    }
}

/// A text as a literal: raw if that spares escapes, and possible.
struct Text<'a>(&'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = core::str::from_utf8(self.0).ok();
        let raw = plain.filter(|text| text.contains(['"', '\\']) && text.chars().all(is_shown));
        match raw {
            Some(text) => raw_text(f, text),
            None => write!(f, "{}", Quoted(self.0)),
        }
    }
}

/// A text in quotes.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' => f.write_str("\\\"")?,
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    c if is_shown(c) => f.write_char(c)?,
                    c => escaped(f, c.encode_utf8(&mut [0; 4]).as_bytes())?,
                }
            }
            escaped(f, chunk.invalid())?;
        }
        f.write_char('"')
    }
}

/// A regular expression as a literal: what stands in it is for the regular expression to read.
struct Pattern<'a>(&'a str);

impl fmt::Display for Pattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            text if text.contains(['"', '\\']) => raw_text(f, text),
            text => write!(f, "\"{text}\""),
        }
    }
}

/// With the fewest hashes that no quote in the text is followed by.
fn raw_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let after_quotes = text.split('"').skip(1);
    let hashes = after_quotes.map(|rest| rest.bytes().take_while(|c| *c == b'#').count());
    let hashes = hashes.max().map_or(0, |most| most.saturating_add(1));
    write!(f, "r{0:#<1$}\"{text}\"{0:#<1$}", "", hashes)
}

/// Whether a character is seen when it is printed as it is.
fn is_shown(c: char) -> bool {
    matches!(c, '"' | '\\' | '\'') || c.escape_debug().next() != Some('\\')
}

fn escaped(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use proptest::prelude::*;

    use crate::rule::{
        Scheme, Term, Type,
        field::Phase,
        samples::{self, Entropy, Shape, strategies::any_expr_of},
    };

    const ALL: Shape = Shape { depth: 6, response: true, counters: true, volatile: true };

    proptest! {
        #![proptest_config(crate::test_support::cases(2_000))]

        /// I1.
        #[test]
        fn what_is_printed_parses_to_the_same_tree(expr in any_expr_of(ALL)) {
            let text = expr.to_string();
            let parsed = samples::scheme().parse_in(&text, Phase::Response);
            prop_assert_eq!(parsed.as_ref(), Ok(&expr), "{}", text);
        }

        #[test]
        fn a_printed_term_parses_to_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let term: Term = samples::term(&mut Entropy::new(&bytes));
            let text = term.to_string();
            let parsed = samples::scheme().parse_term_in(&text, Phase::Response);
            prop_assert_eq!(parsed.as_ref(), Ok(&term), "{}", text);
        }
    }

    /// I1, of the names of lists.
    #[test]
    fn a_list_is_printed_in_quotes_where_its_name_needs_them() {
        let scheme = Scheme::new().list("head office", Type::Ip).list("a-b.c_1", Type::Ip);
        for text in [r#"ip.src in $"head office""#, "ip.src in $a-b.c_1"] {
            assert_eq!(scheme.parse(text).unwrap().to_string(), text);
        }
    }
}
