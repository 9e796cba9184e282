//! Values of a request, and what can be tested of each.

use alloc::{boxed::Box, string::String};
use core::{fmt, net::IpAddr, ops::RangeInclusive};

use ipnet::IpNet;

use crate::rule::{
    check::pattern,
    diagnostic::{Diagnostic, Diagnostics},
    expr::{Addresses, Atom, DEEPEST, Expr, Literal, Node, Operand, Set, Term, Test, UrlDecode},
};

macro_rules! values {
    ($($(#[$about:meta])* $value:ident)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $value(pub(super) Operand, pub(super) Of);

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
pub(super) enum Of {
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

/// A function of a value. What is too deep stays as it is, as it will be refused.
fn function(of: Operand, function: impl FnOnce(Box<Operand>) -> Operand) -> Operand {
    if of.levels() > DEEPEST { of } else { function(Box::new(of)) }
}

fn checked(pattern: &[u8], found: Option<Diagnostic>) -> Result<(), Diagnostics> {
    let Some(found) = found else { return Ok(()) };
    let text = String::from_utf8_lossy(pattern);
    // The span is one of bytes, which the text has only if all of them are text.
    let span = found.span.clone().filter(|_| text.as_bytes() == pattern);
    Err(Diagnostics::new(&text, alloc::vec![Diagnostic { span, ..found }]))
}

pub(super) fn bytes(text: impl AsRef<[u8]>) -> Literal {
    Literal::Bytes(text.as_ref().into())
}
