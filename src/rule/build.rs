//! Conditions written in Rust: the same trees as the language's, checked by the compiler.
//!
//! A condition begins with a value, from [`field`] or [`header`], goes on with a test, and is joined with
//! others by [`Expr::and`], [`Expr::or`], [`Expr::xor`] and [`Expr::not`]. Values have types: what cannot be
//! compared in a text has no method here. `$name` is [`in_list`](Text::in_list), whose name is checked when
//! the rules are compiled.
//!
//! # Example: the same condition, as a text and in Rust
//! ```
//! use portcullis::rule::{Scheme, build::{field, header}};
//!
//! let built = field::path()
//!     .starts_with("/admin")
//!     .and(field::ip_src().within(["10.0.0.0/8".parse()?]).not())
//!     .or(header("user-agent").lower().contains("bot"));
//! let text = r#"path starts_with "/admin" and not ip.src in {10.0.0.0/8} or lower(ua) contains "bot""#;
//! assert_eq!(Scheme::new().parse(text)?, built);
//! assert_eq!(built.to_string(), text);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Bounds
//! A condition may have 64 levels and 4,096 tests, as in a text. What exceeds that can be built, but rules and
//! limits with it are refused; so are those that name a list that is not there.
//!
//! # Invariants
//! - **I1** a built tree is normal and typed, and equals that of the text that it prints;
//! - **I2** it has at most one level more than it may have, however it was built.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, net::IpAddr, ops::RangeInclusive};

use ipnet::IpNet;

use super::{
    check::pattern,
    diagnostic::{Diagnostic, Diagnostics},
    expr::{
        Addresses, Atom, DEEPEST, Expr, Literal, Name, Node, Operand, Set, Term, Test, UrlDecode,
    },
    field::{Builtin, Kind, Supplied},
};
use crate::limit::Share;

macro_rules! values {
    ($($(#[$about:meta])* $value:ident)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $value(Operand, Of);

        impl $value {
            fn test(self, test: Test) -> Expr {
                Expr(self.1.hold(Atom::new(self.0, test)))
            }

            /// The value, to count by; `None` if it is each element of an array.
            #[must_use]
            pub fn term(self) -> Option<Term> {
                (self.1 == Of::One).then_some(Term(self.0))
            }

            /// Whether it has a value.
            #[must_use]
            pub fn exists(self) -> Expr {
                self.test(Test::Exists)
            }
        }

        /// As it is written in the language.
        impl fmt::Display for $value {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Term(self.0.clone()).fmt(f)
            }
        }
    )*};
}

values! {
    /// A value of bytes: a path, a header, a function of one.
    Text
    /// A whole number.
    Number
    /// An address.
    Address
    /// Yes or no.
    Flag
    /// An array of texts: all lines of a header, say.
    Texts
}

/// What a test is a test of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    One,
    AnyElement,
    AllElements,
}

impl Of {
    fn hold(self, atom: Atom) -> Node {
        match self {
            Self::One => Node::Atom(atom),
            Self::AnyElement => Node::Any(atom),
            Self::AllElements => Node::All(atom),
        }
    }

    /// Of which not to hold is the same as not to hold the contrary: any is not equal if not all are.
    fn opposite(self) -> Self {
        match self {
            Self::One => Self::One,
            Self::AnyElement => Self::AllElements,
            Self::AllElements => Self::AnyElement,
        }
    }
}

impl Text {
    /// Equal, byte by byte.
    #[must_use]
    pub fn eq(self, text: impl AsRef<[u8]>) -> Expr {
        self.test(Test::Eq(bytes(text)))
    }

    /// Not equal, which a missing value is.
    #[must_use]
    pub fn ne(self, text: impl AsRef<[u8]>) -> Expr {
        Self(self.0, self.1.opposite()).eq(text).not()
    }

    /// Less, byte by byte.
    #[must_use]
    pub fn lt(self, text: impl AsRef<[u8]>) -> Expr {
        self.test(Test::Lt(bytes(text)))
    }

    /// Less or equal, byte by byte.
    #[must_use]
    pub fn le(self, text: impl AsRef<[u8]>) -> Expr {
        self.test(Test::Le(bytes(text)))
    }

    /// Greater, byte by byte.
    #[must_use]
    pub fn gt(self, text: impl AsRef<[u8]>) -> Expr {
        self.test(Test::Gt(bytes(text)))
    }

    /// Greater or equal, byte by byte.
    #[must_use]
    pub fn ge(self, text: impl AsRef<[u8]>) -> Expr {
        self.test(Test::Ge(bytes(text)))
    }

    /// Has this part anywhere.
    #[must_use]
    pub fn contains(self, part: impl AsRef<[u8]>) -> Expr {
        self.test(Test::Contains(part.as_ref().into()))
    }

    /// Begins with this.
    #[must_use]
    pub fn starts_with(self, part: impl AsRef<[u8]>) -> Expr {
        self.test(Test::StartsWith(part.as_ref().into()))
    }

    /// Ends with this.
    #[must_use]
    pub fn ends_with(self, part: impl AsRef<[u8]>) -> Expr {
        self.test(Test::EndsWith(part.as_ref().into()))
    }

    /// Is as a whole like this pattern, in which `*` is any bytes, without regard to case.
    ///
    /// # Errors
    /// Two stars in a row, or more than 8.
    pub fn wildcard(self, pattern: impl AsRef<[u8]>) -> Result<Expr, Diagnostics> {
        let pattern = pattern.as_ref();
        checked(pattern, pattern::wildcard(pattern))?;
        Ok(self.test(Test::Wildcard { pattern: pattern.into(), strict: false }))
    }

    /// The same, with regard to case.
    ///
    /// # Errors
    /// Two stars in a row, or more than 8.
    pub fn strict_wildcard(self, pattern: impl AsRef<[u8]>) -> Result<Expr, Diagnostics> {
        let pattern = pattern.as_ref();
        checked(pattern, pattern::wildcard(pattern))?;
        Ok(self.test(Test::Wildcard { pattern: pattern.into(), strict: true }))
    }

    /// Has a part that this regular expression matches.
    ///
    /// # Errors
    /// What is no regular expression, or takes more than 256 KiB when compiled.
    pub fn matches(self, pattern: &str) -> Result<Expr, Diagnostics> {
        checked(pattern.as_bytes(), pattern::regex(pattern))?;
        Ok(self.test(Test::Matches(pattern.into())))
    }

    /// Is one of these.
    #[must_use]
    pub fn one_of<T: AsRef<[u8]>>(self, texts: impl IntoIterator<Item = T>) -> Expr {
        let texts = texts.into_iter().map(|text| text.as_ref().into()).collect();
        self.test(Test::Among(Set::Texts(texts)))
    }

    /// Is in the list of this name, as it is then.
    #[must_use]
    pub fn in_list(self, name: &str) -> Expr {
        self.test(Test::InList(name.into()))
    }

    /// With ASCII letters in lower case.
    #[must_use]
    pub fn lower(self) -> Self {
        Self(function(self.0, Operand::Lower), self.1)
    }

    /// With ASCII letters in upper case.
    #[must_use]
    pub fn upper(self) -> Self {
        Self(function(self.0, Operand::Upper), self.1)
    }

    /// With percent escapes decoded, once.
    #[must_use]
    pub fn url_decode(self) -> Self {
        let options = UrlDecode::default();
        Self(function(self.0, |of| Operand::UrlDecode { of, options }), self.1)
    }

    /// With percent escapes decoded until nothing changes.
    #[must_use]
    pub fn url_decode_fully(self) -> Self {
        let options = UrlDecode { recursive: true, unicode: false };
        Self(function(self.0, |of| Operand::UrlDecode { of, options }), self.1)
    }

    /// From the byte `start` on; negative counts from the end.
    #[must_use]
    pub fn from(self, start: i64) -> Self {
        Self(function(self.0, |of| Operand::Substring { of, start, end: None }), self.1)
    }

    /// From the byte `start` to before `end`; negative counts from the end.
    #[must_use]
    pub fn substring(self, start: i64, end: i64) -> Self {
        Self(function(self.0, |of| Operand::Substring { of, start, end: Some(end) }), self.1)
    }

    /// How many bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a value of a later request, not a collection")]
    pub fn len(self) -> Number {
        Number(Operand::Len(Box::new(self.0)), self.1)
    }
}

impl Number {
    /// Equal.
    #[must_use]
    pub fn eq(self, number: i64) -> Expr {
        self.test(Test::Eq(Literal::Int(number)))
    }

    /// Not equal, which a missing value is.
    #[must_use]
    pub fn ne(self, number: i64) -> Expr {
        Self(self.0, self.1.opposite()).eq(number).not()
    }

    /// Less.
    #[must_use]
    pub fn lt(self, number: i64) -> Expr {
        self.test(Test::Lt(Literal::Int(number)))
    }

    /// Less or equal.
    #[must_use]
    pub fn le(self, number: i64) -> Expr {
        self.test(Test::Le(Literal::Int(number)))
    }

    /// Greater.
    #[must_use]
    pub fn gt(self, number: i64) -> Expr {
        self.test(Test::Gt(Literal::Int(number)))
    }

    /// Greater or equal.
    #[must_use]
    pub fn ge(self, number: i64) -> Expr {
        self.test(Test::Ge(Literal::Int(number)))
    }

    /// Has at least one of these bits.
    #[must_use]
    pub fn has_bits(self, bits: i64) -> Expr {
        self.test(Test::Bits(bits))
    }

    /// Is one of these.
    #[must_use]
    pub fn one_of(self, numbers: impl IntoIterator<Item = i64>) -> Expr {
        self.within(numbers.into_iter().map(|number| number..=number))
    }

    /// Is in one of these ranges; those that end before they begin are left out.
    #[must_use]
    pub fn within(self, ranges: impl IntoIterator<Item = RangeInclusive<i64>>) -> Expr {
        let ranges = ranges.into_iter().filter(|range| !range.is_empty());
        let ranges = ranges.map(|range| range.into_inner()).collect();
        self.test(Test::Among(Set::Ints(ranges)))
    }

    /// Is in the list of this name, as it is then.
    #[must_use]
    pub fn in_list(self, name: &str) -> Expr {
        self.test(Test::InList(name.into()))
    }
}

impl Address {
    /// Is this one; an IPv4-mapped address is the IPv4 address.
    #[must_use]
    pub fn eq(self, address: IpAddr) -> Expr {
        self.test(Test::Eq(Literal::Ip(address.to_canonical())))
    }

    /// Is not this one; nor is a missing address.
    #[must_use]
    pub fn ne(self, address: IpAddr) -> Expr {
        Self(self.0, self.1.opposite()).eq(address).not()
    }

    /// Is in one of these networks, whose host bits do not matter.
    #[must_use]
    pub fn within(self, networks: impl IntoIterator<Item = IpNet>) -> Expr {
        let networks =
            networks.into_iter().map(|net| Addresses::Net(crate::cidr::fold(net.trunc())));
        self.test(Test::Among(Set::Addresses(networks.collect())))
    }

    /// Is in the list of this name, as it is then.
    #[must_use]
    pub fn in_list(self, name: &str) -> Expr {
        self.test(Test::InList(name.into()))
    }

    /// The network of so many leading bits around it; more than an address has are all.
    #[must_use]
    pub fn network(self, v4: u8, v6: u8) -> Self {
        let (v4, v6) = (v4.min(32), v6.min(128));
        Self(function(self.0, |of| Operand::Cidr { of, v4, v6 }), self.1)
    }
}

impl Flag {
    /// Whether it is set; a missing one is not.
    #[must_use]
    pub fn is_true(self) -> Expr {
        self.test(Test::True)
    }
}

impl Texts {
    /// At least one element: what is tested next is to hold for one of them, of none it does not.
    ///
    /// # Example: any line of a header
    /// ```
    /// use portcullis::rule::build::headers;
    ///
    /// let built = headers("accept").any().lower().contains("html");
    /// assert_eq!(built.to_string(), r#"any(lower(headers["accept"][*]) contains "html")"#);
    /// ```
    #[must_use]
    pub fn any(self) -> Text {
        Text(Operand::Each(Box::new(self.0)), Of::AnyElement)
    }

    /// All elements: what is tested next is to hold for every one of them, of none it does.
    #[must_use]
    pub fn all(self) -> Text {
        Text(Operand::Each(Box::new(self.0)), Of::AllElements)
    }

    /// An element, counted from 0.
    #[must_use]
    pub fn at(self, place: u32) -> Text {
        Text(Operand::At(Box::new(self.0), place), Of::One)
    }

    /// How many elements.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a value of a later request, not a collection")]
    pub fn len(self) -> Number {
        Number(Operand::Len(Box::new(self.0)), self.1)
    }
}

impl Expr {
    /// Always, or never.
    #[must_use]
    pub fn constant(value: bool) -> Self {
        Self(Node::Const(value))
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all([self, other])
    }

    /// At least one of them.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::any([self, other])
    }

    /// Exactly one of them; in a chain, an odd number.
    #[must_use]
    pub fn xor(self, other: Self) -> Self {
        joined([self, other], Node::one)
    }

    /// The contrary.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "reads as the language does")]
    pub fn not(self) -> Self {
        joined([self], |nodes| Node::all(nodes).negated())
    }

    /// All of them; of none, yes.
    #[must_use]
    pub fn all(exprs: impl IntoIterator<Item = Self>) -> Self {
        joined(exprs, Node::all)
    }

    /// At least one of them; of none, no.
    #[must_use]
    pub fn any(exprs: impl IntoIterator<Item = Self>) -> Self {
        joined(exprs, Node::either)
    }
}

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

/// The first value of a header; case does not matter.
#[must_use]
pub fn header(name: &str) -> Text {
    Text(Operand::header(name), Of::One)
}

/// All values of a header, in the order of the lines.
#[must_use]
pub fn headers(name: &str) -> Texts {
    Texts(Operand::Get(Builtin::Headers, name.to_ascii_lowercase().into()), Of::One)
}

/// The first value of an argument of the query.
#[must_use]
pub fn arg(name: &str) -> Text {
    args(name).at(0)
}

/// All values of an argument of the query.
#[must_use]
pub fn args(name: &str) -> Texts {
    Texts(Operand::Get(Builtin::Args, name.into()), Of::One)
}

/// The first value of a cookie.
#[must_use]
pub fn cookie(name: &str) -> Text {
    Texts(Operand::Get(Builtin::Cookies, name.into()), Of::One).at(0)
}

/// Whether an earlier rule has set this tag.
#[must_use]
pub fn tag(name: &str) -> Flag {
    Flag(Operand::Get(Builtin::Tag, name.into()), Of::One)
}

/// Whether the client belongs to this share: always the same ones.
#[must_use]
pub fn sample(share: Share) -> Expr {
    Flag(Operand::Sample(share), Of::One).is_true()
}

/// Units in use of the limit of this name, by the request's key.
#[must_use]
pub fn counter(limit: &str) -> Number {
    Number(Operand::Counter(limit.into()), Of::One)
}

pub mod field {
    //! The fields of a request, and those of the service's own.

    use super::{Address, Builtin, Flag, Kind, Name, Number, Of, Operand, Supplied, Text, Texts};

    macro_rules! fields {
        ($($name:ident $value:ident $field:ident;)*) => {$(
            #[doc = concat!("As the language has it: see [the table](crate::rule#fields), `", stringify!($field), "`.")]
            #[must_use]
            pub fn $name() -> $value {
                $value(Operand::Builtin(Builtin::$field), Of::One)
            }
        )*};
    }

    fields! {
        ip_src Address IpSrc;
        client Address Client;
        method Text Method;
        host Text Host;
        path Text Path;
        query Text Query;
        uri Text Uri;
        raw_host Text RawHost;
        raw_path Text RawPath;
        raw_uri Text RawUri;
        arg_names Texts ArgNames;
        arg_values Texts ArgValues;
        header_names Texts HeaderNames;
        header_values Texts HeaderValues;
        dot_segments Flag DotSegments;
        encoded_slash Flag EncodedSlash;
        double_encoded Flag DoubleEncoded;
        bad_percent Flag BadPercent;
        nul Flag Nul;
        backslash Flag Backslash;
        double_slash Flag DoubleSlash;
        non_utf8 Flag NonUtf8;
        oversize Flag Oversize;
        posture Number Posture;
        load Number Load;
        client_known Flag ClientKnown;
        score Number Score;
        status Number Status;
        latency_ms Number LatencyMs;
        response_size Number ResponseSize;
    }

    fn supplied(name: &str, kind: Kind) -> Operand {
        Operand::Supplied(Supplied { name: Name::from(name), kind })
    }

    /// A text that the service gives by this full name, such as `ip.src.country`.
    #[must_use]
    pub fn text(name: &str) -> Text {
        Text(supplied(name, Kind::Bytes), Of::One)
    }

    /// A number that the service gives by this full name, such as `ip.src.asnum`.
    #[must_use]
    pub fn number(name: &str) -> Number {
        Number(supplied(name, Kind::Int), Of::One)
    }

    /// An address that the service gives by this full name.
    #[must_use]
    pub fn address(name: &str) -> Address {
        Address(supplied(name, Kind::Ip), Of::One)
    }

    /// A flag that the service gives by this full name, such as `ssl`.
    #[must_use]
    pub fn flag(name: &str) -> Flag {
        Flag(supplied(name, Kind::Bool), Of::One)
    }
}

/// A function of a value. What is too deep stays as it is, as it will be refused.
fn function(of: Operand, function: impl FnOnce(Box<Operand>) -> Operand) -> Operand {
    if of.levels() > DEEPEST { of } else { function(Box::new(of)) }
}

/// A condition of others. If one of them is too deep it stays alone, as it will be refused.
fn joined(exprs: impl IntoIterator<Item = Expr>, join: impl FnOnce(Vec<Node>) -> Node) -> Expr {
    let mut nodes: Vec<Node> = exprs.into_iter().map(|expr| expr.0).collect();
    match nodes.iter().position(|node| node.levels() > DEEPEST) {
        Some(at) => Expr(nodes.swap_remove(at)),
        None => Expr(join(nodes)),
    }
}

fn checked(pattern: &[u8], found: Option<Diagnostic>) -> Result<(), Diagnostics> {
    let Some(found) = found else { return Ok(()) };
    let text = String::from_utf8_lossy(pattern);
    // The span is one of bytes, which the text has only if all of them are text.
    let span = found.span.clone().filter(|_| text.as_bytes() == pattern);
    Err(Diagnostics::new(&text, alloc::vec![Diagnostic { span, ..found }]))
}

fn bytes(text: impl AsRef<[u8]>) -> Literal {
    Literal::Bytes(text.as_ref().into())
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::{
        DEEPEST, Diagnostic, Expr, Share, arg, args, cookie, counter, field, header, headers,
        sample, tag,
    };
    use crate::rule::{Code, Lists, Rule, RuleSet, Scheme, Type, field::Phase};

    /// I1.
    #[test]
    fn what_is_built_is_what_its_text_says() {
        let scheme = Scheme::new()
            .field("tenant", Type::Bytes)
            .field("edge", Type::Ip)
            .list("office", Type::Ip)
            .limit("logins");
        let mapped = || "::ffff:10.1.2.3".parse().expect("an address");
        let nets =
            || ["::ffff:10.0.0.0/104", "10.1.2.3/9", "::/0"].map(|net| net.parse().expect(net));
        let cases: &[(Expr, &str)] = &[
            (field::path().eq("/a"), r#"path eq "/a""#),
            (field::path().ne("/a").not(), r#"path eq "/a""#),
            (field::method().one_of(["GET", "HEAD"]), r#"method in {"GET" "HEAD"}"#),
            (
                field::host().upper().lt("b").or(field::host().le("c")),
                r#"upper(host) lt "b" or host le "c""#,
            ),
            (field::uri().gt("b").xor(field::query().ge("c")), r#"uri gt "b" xor query ge "c""#),
            (header("User-Agent").ends_with("x"), r#"ua ends_with "x""#),
            (headers("X-A").any().ne("x"), r#"any(headers["x-a"][*] ne "x")"#),
            (headers("x-a").all().ne("x"), r#"not any(headers["x-a"][*] eq "x")"#),
            (headers("x-a").all().len().ne(3), r#"all(len(headers["x-a"][*]) ne 3)"#),
            (headers("x-a").at(2).exists(), r#"exists(headers["x-a"][2])"#),
            (args("q").len().within([1..=3, 5..=5]), r#"len(args["q"]) in {1..3 5}"#),
            (arg("q").url_decode().contains("'"), r#"url_decode(arg["q"]) contains "'""#),
            (
                arg("q").url_decode_fully().matches("a|b").expect("valid"),
                r#"url_decode(arg["q"], "r") matches "a|b""#,
            ),
            (
                cookie("s").substring(0, -1).wildcard(r"a*\*").expect("valid"),
                r#"substring(cookie["s"], 0, -1) wildcard r"a*\*""#,
            ),
            (
                field::path().from(-4).strict_wildcard("*.p").expect("valid"),
                r#"substring(path, -4) strict wildcard "*.p""#,
            ),
            (field::ip_src().in_list("office").not(), "not ip.src in $office"),
            (field::ip_src().eq(mapped()), "ip.src eq 10.1.2.3"),
            (field::client().within(nets()), "client in {10.0.0.0/8 10.0.0.0/9 ::/0}"),
            (
                field::address("edge").network(24, 200).ne(mapped()),
                "cidr(edge, 24, 128) ne 10.1.2.3",
            ),
            (field::flag("ssl").is_true().and(tag("a b").is_true()), r#"ssl and tag["a b"]"#),
            (
                sample(Share::percent(5)).and(counter("logins").ge(3)),
                r#"sample(0.05) and counter("logins") ge 3"#,
            ),
            (
                field::posture().ge(3).and(field::load().has_bits(6)),
                "posture ge defend and load & 6",
            ),
            (field::score().one_of([1, -1]), "score in {1 -1}"),
            (field::text("tenant").lower().exists(), "exists(lower(tenant))"),
            (field::number("ip.src.asnum").gt(1), "asn gt 1"),
            (Expr::all([]).and(Expr::any([])), "true and false"),
            (Expr::all([field::nul().is_true(), Expr::constant(false)]), "uri.flags.nul and false"),
            (field::status().lt(500), "status lt 500"),
        ];
        for (built, text) in cases {
            assert_eq!(scheme.parse_in(text, Phase::Response).as_ref(), Ok(built), "{text}");
            let printed = built.to_string();
            assert_eq!(scheme.parse_in(&printed, Phase::Response).as_ref(), Ok(built), "{printed}");
        }
    }

    /// I2: neither building nor dropping, comparing or printing goes deeper than that.
    #[test]
    fn what_is_built_in_a_loop_is_refused_and_never_deep() {
        let flag = || field::nul().is_true();
        let mut grown = flag();
        let mut value = field::path();
        let mut network = field::ip_src();
        for at in 0..100_000_u32 {
            grown = match at % 4 {
                0 => grown.and(flag()),
                1 => grown.not(),
                2 => flag().xor(grown),
                _ => grown.or(flag()),
            };
            value = if at % 2 == 0 { value.lower() } else { value.from(1) };
            network = network.network(24, 64);
        }
        let network = network.eq(std::net::Ipv4Addr::LOCALHOST.into());
        for (deep, code) in [
            (grown.clone(), Some(Code::TooDeep)),
            (value.clone().eq("a"), Some(Code::TooDeep)),
            (value.len().eq(1).or(flag()), Some(Code::TooDeep)),
            (network, Some(Code::TooDeep)),
            (Expr::all((0..4_096).map(|_| flag())), None),
            (Expr::any((0..4_097).map(|_| flag())).not(), Some(Code::TooManyTests)),
        ] {
            assert!((1..=DEEPEST + 2).contains(&deep.0.levels()));
            assert_eq!((deep.clone() == deep, deep.to_string().is_empty()), (true, false));
            let rules = [Rule::new("fine", flag()), Rule::new("odd", deep)];
            let refused = RuleSet::new(rules, Lists::new()).err();
            let refused = refused.as_ref().and_then(|refused| refused.iter().next());
            assert_eq!(refused.map(Diagnostic::code), code);
            assert!(refused.is_none_or(|refused| refused.place() == Some("rule \"odd\"")));
        }
    }

    #[test]
    fn names_of_headers_are_compared_in_lower_case() {
        let built = field::header_names().any().one_of(["X-A", "b"]);
        assert_eq!(built.to_string(), r#"any(headers.names[*] in {"x-a" "b"})"#);
    }

    #[test]
    fn patterns_are_checked_and_each_element_is_no_term() {
        assert!(field::path().wildcard("a**").is_err());
        assert!(field::path().wildcard(b"\xff**").is_err());
        assert!(field::path().strict_wildcard("*a*a*a*a*a*a*a*a*").is_err());
        assert!(field::path().matches("(").is_err());
        assert_eq!(headers("a").any().lower().term(), None);
        assert_eq!(
            field::path().lower().term().map(|it| it.to_string()),
            Some("lower(path)".into())
        );
    }
}
