//! Expressions and requests at random, for tests, fuzzing and benches.
//!
//! Both are drawn from the same few words, so that a random expression holds for a random request often
//! enough for a test to see both answers. One generator serves all: whatever gives numbers below a bound
//! is a [`Source`]. Bytes are one ([`Entropy`]: what a fuzzer mutates and what proptest shrinks), a seed
//! is another ([`Seeded`]: ten million cases need nothing but a number).
//!
//! # Invariants
//! - **I1** every expression is normal and well typed, as the tree demands, and no deeper than
//!   [`Shape::depth`] levels of operators;
//! - **I2** a source that has run dry gives zeros, and zeros are the simplest choice everywhere: so every
//!   draw ends, and a shorter source gives a smaller tree.

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    expr::{Addresses, Atom, Expr, Literal, Name, Node, Operand, Set, Test, UrlDecode},
    facts::{Answer, Facts, State},
    field::{BUILTINS, Builtin, Kind, Phase, SUPPLIED, Supplied, Type},
    list::{Lists, NumberSet, TextSet},
    scheme::Scheme,
};
use crate::{
    cidr::CidrSet,
    limit::Share,
    request::{Given, Request, canonical::Canonical},
};

/// Where random choices come from.
pub trait Source {
    /// A number from 0 to before `n`; 0 if `n` is 0.
    fn below(&mut self, n: u32) -> u32;

    /// Whether a chance of one in `n` came true.
    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == n.wrapping_sub(1)
    }

    /// Any 64 bits.
    fn bits(&mut self) -> u64 {
        (0..4).fold(0, |bits, _| bits << 16 | u64::from(self.below(1 << 16)))
    }
}

/// Choices that follow from bytes.
pub struct Entropy<'a>(&'a [u8]);

impl<'a> Entropy<'a> {
    /// Choices that follow from these bytes, and zeros after them.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Source for Entropy<'_> {
    fn below(&mut self, n: u32) -> u32 {
        // One byte is enough for nearly all choices, and keeps small changes of the bytes small.
        let takes = if n > 1 << 8 { 3 } else { 1 };
        let mut drawn = 0;
        for _ in 0..takes {
            let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
            self.0 = rest;
            drawn = drawn << 8 | u32::from(*first);
        }
        drawn.checked_rem(n).unwrap_or(0)
    }
}

/// Choices that follow from a number: every number gives others.
pub struct Seeded(u64);

impl Seeded {
    /// Choices that follow from this number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Source for Seeded {
    fn below(&mut self, n: u32) -> u32 {
        // splitmix64: a counter, mixed.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        u32::try_from(((mixed >> 32) * u64::from(n)) >> 32).unwrap_or(0)
    }
}

/// What expressions are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Levels of `not`, `and`, `or` and `xor`.
    pub depth: u32,
    /// With fields that only a response has.
    pub response: bool,
    /// With `counter("name")`.
    pub counters: bool,
    /// With `score` and `tag["name"]`, which rules change.
    pub volatile: bool,
}

impl Default for Shape {
    /// What conditions of rules can be, but for counters.
    fn default() -> Self {
        Self { depth: 3, response: false, counters: false, volatile: true }
    }
}

/// An expression of the default shape.
pub fn expr(source: &mut impl Source) -> Expr {
    expr_of(source, Shape::default())
}

/// An expression of this shape.
pub fn expr_of(source: &mut impl Source, shape: Shape) -> Expr {
    let mut draw = Draw { source, shape, atoms: 24 };
    Expr(draw.node(shape.depth))
}

/// A list of up to `most` expressions.
pub fn exprs(source: &mut impl Source, most: u32) -> Vec<Expr> {
    (0..source.below(most.saturating_add(1))).map(|_| expr(source)).collect()
}

/// A term that a limit can count by: no array, no map, no `[*]`.
pub fn term(source: &mut impl Source) -> super::Term {
    let mut draw = Draw { source, shape: Shape::default(), atoms: 0 };
    let kind = draw.of(&[Kind::Bytes, Kind::Int, Kind::Ip, Kind::Bool]);
    super::Term(draw.operand(kind))
}

/// What names the expressions use.
#[must_use]
pub fn scheme() -> Scheme {
    let fields =
        OWN_FIELDS.iter().fold(Scheme::new(), |scheme, (name, holds)| scheme.field(name, *holds));
    let lists = LISTS.iter().fold(fields, |scheme, (name, holds)| scheme.list(name, *holds));
    LIMITS.iter().fold(lists, |scheme, name| scheme.limit(name))
}

/// The tags that expressions ask for, but for one that no rule sets; their places are their bits.
#[must_use]
pub fn tags() -> Vec<Name> {
    TAGS[..3].iter().map(|name| Name::from(*name)).collect()
}

/// The content of the lists, at random.
pub fn lists(source: &mut impl Source) -> Lists {
    let mut draw = Draw { source, shape: Shape::default(), atoms: 0 };
    let mut lists = Lists::new();
    for (name, holds) in LISTS {
        match holds {
            Type::Ip => {
                let nets: CidrSet = (0..draw.below(4)).map(|_| draw.net()).collect();
                lists.set(name, nets);
            }
            Type::Int => {
                let numbers: NumberSet = (0..draw.below(4)).map(|_| draw.int()).collect();
                lists.set(name, numbers);
            }
            _ => {
                let texts: TextSet = (0..draw.below(4)).map(|_| draw.text()).collect();
                lists.set(name, texts);
            }
        }
    }
    lists
}

/// A request and all else that expressions read, owned.
#[derive(Clone, Debug)]
pub struct Sample {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) method: &'static str,
    pub(crate) host: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) given: Vec<(&'static str, Value)>,
    pub(crate) state: State,
    pub(crate) answer: Option<Answer>,
    pub(crate) lists: Lists,
    pub(crate) tags: u64,
    pub(crate) score: i64,
    pub(crate) chance: u64,
}

/// What a service gives, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Bytes(Vec<u8>),
    Ip(IpAddr),
}

impl Sample {
    /// A request, and the lists as they may be then.
    pub fn draw(source: &mut impl Source) -> Self {
        let lists = lists(source);
        let mut draw = Draw { source, shape: Shape::default(), atoms: 0 };
        Self {
            peer: (!draw.one_in(16)).then(|| draw.ip()),
            method: draw.of(METHODS),
            host: draw.of(HOSTS),
            target: draw.target(),
            headers: (0..draw.below(7)).map(|_| draw.header_line()).collect(),
            given: draw.given(),
            state: State {
                posture: i64::from(draw.below(5)),
                load: i64::from(draw.below(101)),
                client_known: draw.one_in(2),
            },
            answer: draw.one_in(2).then(|| Answer {
                status: draw.of(&[200, 201, 304, 401, 403, 404, 429, 500, 503]),
                latency_ms: (!draw.one_in(4)).then(|| draw.int().saturating_abs()),
                size: (!draw.one_in(4)).then(|| draw.int().saturating_abs()),
            }),
            lists,
            tags: u64::from(draw.below(8)),
            score: draw.int(),
            chance: draw.bits(),
        }
    }

    /// Shows `look` the sample as expressions see it.
    pub(crate) fn with_facts<R>(&self, look: impl FnOnce(&Facts<'_>) -> R) -> R {
        let mut request =
            Request::new(self.peer).method(self.method).host(self.host).target(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in &self.given {
            request = request.field(
                name,
                match value {
                    Value::Bool(value) => Given::Bool(*value),
                    Value::Int(value) => Given::Int(*value),
                    Value::Bytes(value) => Given::Bytes(value),
                    Value::Ip(value) => Given::Ip(*value),
                },
            );
        }
        let tags = tags();
        Canonical::with(&request, |canonical| {
            let mut facts = Facts::of(&request, canonical, &self.lists);
            facts.state = self.state;
            facts.answer = self.answer;
            facts.tag_names = &tags;
            facts.marks.tags.set(self.tags);
            facts.marks.score.set(self.score);
            facts.chance = self.chance;
            look(&facts)
        })
    }
}

/// A source, and how much may still be drawn from it.
struct Draw<'a, S> {
    source: &'a mut S,
    shape: Shape,
    atoms: u32,
}

impl<S: Source> Draw<'_, S> {
    fn below(&mut self, n: u32) -> u32 {
        self.source.below(n)
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.source.one_in(n)
    }

    fn bits(&mut self) -> u64 {
        self.source.bits()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.source.below(all.len() as u32) as usize]
    }

    fn node(&mut self, depth: u32) -> Node {
        if depth == 0 || self.atoms == 0 {
            return self.leaf();
        }
        match self.below(9) {
            0..=2 => self.leaf(),
            3 => self.node(depth - 1).negated(),
            4 | 5 => Node::all(self.nodes(depth)),
            6 | 7 => Node::either(self.nodes(depth)),
            _ => Node::one(self.nodes(depth)),
        }
    }

    fn nodes(&mut self, depth: u32) -> Vec<Node> {
        (0..2 + self.below(4)).map(|_| self.node(depth - 1)).collect()
    }

    fn leaf(&mut self) -> Node {
        self.atoms = self.atoms.saturating_sub(1);
        match self.below(16) {
            0..=11 => {
                let atom = self.atom();
                if self.one_in(6) { Node::Atom(atom).negated() } else { Node::Atom(atom) }
            }
            12 | 13 => Node::Any(self.atom_of_each()),
            14 => Node::All(self.atom_of_each()),
            _ => Node::Const(self.one_in(2)),
        }
    }

    fn atom(&mut self) -> Atom {
        if self.one_in(12) {
            let kind = self.of(&[Kind::Bytes, Kind::Array, Kind::Int, Kind::Ip, Kind::Bool]);
            return Atom { operand: self.operand(kind), test: Test::Exists };
        }
        let kind =
            self.of(&[Kind::Bytes, Kind::Bytes, Kind::Bytes, Kind::Ip, Kind::Int, Kind::Bool]);
        let operand = self.operand(kind);
        Atom::new(operand, self.test(kind))
    }

    fn atom_of_each(&mut self) -> Atom {
        let each = Operand::Each(Box::new(self.array()));
        if self.one_in(6) {
            let operand = Operand::Len(Box::new(self.function_of(each)));
            return Atom { operand, test: self.test(Kind::Int) };
        }
        let operand = self.function_of(each);
        Atom::new(operand, self.test(Kind::Bytes))
    }

    fn operand(&mut self, kind: Kind) -> Operand {
        match kind {
            Kind::Bytes => {
                let operand = match self.below(8) {
                    0..=3 => self.field(Kind::Bytes),
                    4..=6 => Operand::At(Box::new(self.array()), self.of_places()),
                    _ => self.supplied(Kind::Bytes),
                };
                self.function_of(operand)
            }
            Kind::Int => match self.below(8) {
                0..=2 => self.field(Kind::Int),
                3 | 4 => {
                    let of = if self.one_in(2) { Kind::Array } else { Kind::Bytes };
                    Operand::Len(Box::new(self.operand(of)))
                }
                5 if self.shape.counters => Operand::Counter(self.of(LIMITS).into()),
                _ => self.supplied(Kind::Int),
            },
            Kind::Ip => {
                let operand =
                    if self.one_in(6) { self.supplied(Kind::Ip) } else { self.field(Kind::Ip) };
                if self.one_in(6) {
                    let (v4, v6) = self.of(&[(24, 64), (32, 128), (0, 0), (8, 48), (31, 127)]);
                    Operand::Cidr { of: Box::new(operand), v4, v6 }
                } else {
                    operand
                }
            }
            Kind::Bool => match self.below(8) {
                0..=3 => self.field(Kind::Bool),
                4 | 5 if self.shape.volatile => Operand::Get(Builtin::Tag, self.of(TAGS).into()),
                6 => Operand::Sample(Share::per_million(
                    self.of(&[500_000, 1_000_000, 0, 1, 10_000, 999_999]),
                )),
                _ => self.supplied(Kind::Bool),
            },
            Kind::Array | Kind::Map | Kind::Flags => self.array(),
        }
    }

    /// Some of the time a function of it, or a function of that.
    fn function_of(&mut self, bytes: Operand) -> Operand {
        let of = Box::new(bytes);
        let operand = match self.below(12) {
            0..=7 => return *of,
            8 => Operand::Lower(of),
            9 => Operand::Upper(of),
            10 => {
                let options = UrlDecode { recursive: self.one_in(2), unicode: self.one_in(2) };
                Operand::UrlDecode { of, options }
            }
            _ => {
                let places = &[0, 1, 2, -1, -3, 5, 100, i64::MIN, i64::MAX];
                let end = (!self.one_in(3)).then(|| self.of(places));
                Operand::Substring { of, start: self.of(places), end }
            }
        };
        if self.one_in(4) { self.function_of(operand) } else { operand }
    }

    fn field(&mut self, kind: Kind) -> Operand {
        let fits = |shape: Shape, field: Builtin| {
            field.kind() == kind
                && (shape.response || field.entry().phase == Phase::Request)
                && (shape.volatile || !field.is_volatile())
        };
        let fields: Vec<Builtin> = BUILTINS
            .iter()
            .map(|entry| entry.field)
            .filter(|field| fits(self.shape, *field))
            .collect();
        // The path and the host are what most rules are about.
        match kind {
            Kind::Bytes if self.one_in(2) => {
                Operand::Builtin(self.of(&[Builtin::Path, Builtin::Host]))
            }
            _ => Operand::Builtin(self.of(&fields)),
        }
    }

    fn supplied(&mut self, kind: Kind) -> Operand {
        let known = SUPPLIED.iter().map(|(name, _, kind, _)| (*name, *kind));
        let own = OWN_FIELDS.iter().map(|(name, holds)| (*name, Kind::from(*holds)));
        let all: Vec<_> = known.chain(own).filter(|(_, of)| *of == kind).collect();
        let (name, kind) = self.of(&all);
        Operand::Supplied(Supplied { name: Name::from(name), kind })
    }

    fn array(&mut self) -> Operand {
        match self.below(8) {
            0..=3 => Operand::Get(Builtin::Headers, self.of(HEADERS).to_ascii_lowercase().into()),
            4 => Operand::Get(Builtin::Args, self.of(KEYS).into()),
            5 => Operand::Get(Builtin::Cookies, self.of(KEYS).into()),
            _ => self.field(Kind::Array),
        }
    }

    fn of_places(&mut self) -> u32 {
        if self.one_in(4) { self.of(&[1, 2, 7, u32::MAX]) } else { 0 }
    }

    fn test(&mut self, kind: Kind) -> Test {
        match kind {
            Kind::Bytes => match self.below(16) {
                0..=2 => Test::Eq(Literal::Bytes(self.text())),
                3 | 4 => Test::StartsWith(self.text()),
                5 | 6 => Test::EndsWith(self.text()),
                7 | 8 => Test::Contains(self.text()),
                9 => Test::Wildcard {
                    pattern: self.of(WILDCARDS).as_bytes().into(),
                    strict: self.one_in(2),
                },
                10 => Test::Matches(self.of(REGEXES).into()),
                11 | 12 => {
                    let least = u32::from(!self.one_in(16));
                    let texts = (0..least + self.below(4)).map(|_| self.text());
                    Test::Among(Set::Texts(texts.collect()))
                }
                13 => Test::InList("words".into()),
                _ => self.order(|draw| Literal::Bytes(draw.text())),
            },
            Kind::Int => match self.below(8) {
                0 | 1 => Test::Eq(Literal::Int(self.int())),
                2 => {
                    let least = u32::from(!self.one_in(16));
                    let ranges = (0..least + self.below(4)).map(|_| {
                        let [one, other] = [self.int(), self.int()];
                        if self.one_in(2) { (one.min(other), one.max(other)) } else { (one, one) }
                    });
                    Test::Among(Set::Ints(ranges.collect()))
                }
                3 => Test::InList("numbers".into()),
                4 => Test::Bits(self.of(&[1, 2, 6, i64::MIN, -1])),
                _ => self.order(|draw| Literal::Int(draw.int())),
            },
            Kind::Ip => match self.below(6) {
                0 => Test::Eq(Literal::Ip(self.ip())),
                1 | 2 => Test::InList(self.of(&["office", "blocked"]).into()),
                _ => {
                    let least = u32::from(!self.one_in(16));
                    let items = (0..least + self.below(4)).map(|_| self.addresses());
                    Test::Among(Set::Addresses(items.collect()))
                }
            },
            Kind::Bool => Test::True,
            Kind::Array | Kind::Map | Kind::Flags => Test::Exists,
        }
    }

    fn order(&mut self, literal: fn(&mut Self) -> Literal) -> Test {
        let literal = literal(self);
        match self.below(4) {
            0 => Test::Lt(literal),
            1 => Test::Le(literal),
            2 => Test::Gt(literal),
            _ => Test::Ge(literal),
        }
    }

    fn addresses(&mut self) -> Addresses {
        if !self.one_in(4) {
            return Addresses::Net(self.net());
        }
        let [one, other] = [self.ip(), self.ip()];
        if one.is_ipv4() == other.is_ipv4() {
            Addresses::Range(one.min(other), one.max(other))
        } else {
            Addresses::Range(one, one)
        }
    }

    /// A prefix without host bits that is likely to hold an address of [`Draw::ip`].
    fn net(&mut self) -> IpNet {
        match self.ip() {
            IpAddr::V4(ip) => {
                let len = self.of(&[32, 24, 8, 16, 31, 0, 25]);
                let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
                Ipv4Net::new_assert(Ipv4Addr::from_bits(ip.to_bits() & mask), len).into()
            }
            IpAddr::V6(ip) => {
                let len = self.of(&[128, 64, 32, 48, 127, 0, 65]);
                let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                Ipv6Net::new_assert(Ipv6Addr::from_bits(ip.to_bits() & mask), len).into()
            }
        }
    }

    /// An address out of a few neighbourhoods.
    fn ip(&mut self) -> IpAddr {
        if self.one_in(3) {
            let low = self.of(&[1, 0, 2, u64::MAX, 1 << 63]);
            let high = self.of(&[0x2001_0db8_0000_0000, 0x2001_0db8_0000_0001, 0, u64::MAX]);
            // No IPv4-mapped address comes of these, so all are canonical.
            Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
        } else {
            let network =
                self.of(&[[10, 0, 0], [10, 0, 1], [192, 0, 2], [0, 0, 0], [255, 255, 255]]);
            let [a, b, c] = network;
            Ipv4Addr::new(a, b, c, self.of(&[1, 0, 2, 128, 255])).into()
        }
    }

    fn int(&mut self) -> i64 {
        self.of(&[
            0,
            1,
            2,
            3,
            4,
            5,
            -1,
            7,
            8,
            50,
            100,
            200,
            401,
            403,
            404,
            64_496,
            i64::MAX,
            i64::MIN,
            i64::MAX - 1,
        ])
    }

    fn text(&mut self) -> Box<[u8]> {
        let all = [WORDS, PATHS, HOSTS, METHODS, KEYS];
        match self.below(12) {
            0..=7 => self.of(PATHS).as_bytes().into(),
            8 => self.of(HOSTS).as_bytes().into(),
            9 => self.of(ODD_TEXTS).into(),
            _ => {
                let words = self.of(&all);
                self.of(words).as_bytes().into()
            }
        }
    }

    fn target(&mut self) -> String {
        let mut target = String::from(self.of(PATHS));
        if self.one_in(5) {
            target.push_str(self.of(ODD_PATHS));
        }
        if self.one_in(2) {
            target.push('?');
            for at in 0..self.below(4) {
                if at > 0 {
                    target.push('&');
                }
                target.push_str(self.of(KEYS));
                if !self.one_in(4) {
                    target.push('=');
                    target.push_str(self.of(WORDS));
                }
            }
        }
        target
    }

    fn header_line(&mut self) -> (&'static str, Vec<u8>) {
        let name = self.of(HEADERS);
        if name.eq_ignore_ascii_case("cookie") {
            let mut line = String::new();
            for at in 0..1 + self.below(3) {
                if at > 0 {
                    line.push_str(self.of(&["; ", ";", " ;; "]));
                }
                line.push_str(self.of(KEYS));
                line.push_str(self.of(&["=", " = ", ""]));
                line.push_str(self.of(WORDS));
            }
            return (name, line.into_bytes());
        }
        (name, self.text().into())
    }

    fn given(&mut self) -> Vec<(&'static str, Value)> {
        let known = SUPPLIED.iter().map(|(name, _, kind, _)| (*name, *kind));
        let own = OWN_FIELDS.iter().map(|(name, holds)| (*name, Kind::from(*holds)));
        let mut given = vec![];
        for (name, kind) in known.chain(own) {
            if !self.one_in(3) {
                continue;
            }
            // Once in a while what a service gives is of another kind than the field: then it is missing.
            let kind = if self.one_in(16) { Kind::Int } else { kind };
            given.push((
                name,
                match kind {
                    Kind::Bool => Value::Bool(self.one_in(2)),
                    Kind::Int => Value::Int(self.int()),
                    Kind::Ip => Value::Ip(self.ip()),
                    _ => Value::Bytes(self.text().into()),
                },
            ));
        }
        given
    }
}

const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/b",
    "/admin",
    "/wp-login.php",
    "/login",
    "/a/b/c.php",
    "/.env",
    "/.git/config",
    "/A",
    "",
];
/// What is put behind a path of a request to make it odd.
const ODD_PATHS: &[&str] = &[
    "/../a",
    "//b",
    "/%2e%2e/admin",
    "%2Fb",
    "%252e",
    "%zz",
    "%00",
    "\\b",
    "%41",
    "/%ff",
    "%u0041",
    "é",
];
const WORDS: &[&str] = &["a", "1", "admin", "bot", "curl/8.5", "Googlebot", "DE", "", "b", "%41+b"];
const HOSTS: &[&str] = &["shop.example", "www.shop.example", "example", "", "[2001:db8::1]"];
const METHODS: &[&str] = &["GET", "POST", "get", "DELETE", ""];
/// Names of arguments and cookies.
const KEYS: &[&str] = &["a", "id", "q", "A", "session", "x\"y"];
const HEADERS: &[&str] =
    &["user-agent", "x-a", "Cookie", "X-A", "accept", "referer", "content-type"];
/// Texts that are easy to write or to compare wrongly.
const ODD_TEXTS: &[&[u8]] = &[
    b"",
    b"\"",
    b"\\",
    b"\xff\xfe",
    b"a\nb\tc\r",
    b"\0",
    b"\"#",
    b"r\"#\"##",
    "é".as_bytes(),
    b"*",
    b"$x",
    b"\x7f",
];
const WILDCARDS: &[&str] = &[
    "/a*",
    "*",
    "*.php",
    "/*/b",
    "*shop*",
    "/a",
    "",
    r"\*",
    r"a\\*",
    "*A*B*",
    "/WP-*",
    "*a*a*a*a*a*a*a*",
];
const REGEXES: &[&str] = &[
    "^/a",
    "/a(/b)?$",
    "(?i)bot",
    "^$",
    "[0-9]+",
    "a.*b",
    r"\.php$",
    "admin|login",
    "",
    "^/(a|b)/",
    r"(?-u)\xff",
    "\"",
    "a{2,3}",
];
const TAGS: &[&str] = &["scanner", "slow", "x\"y", "never"];
const LIMITS: &[&str] = &["per client", "logins"];
const LISTS: &[(&str, Type)] =
    &[("blocked", Type::Ip), ("numbers", Type::Int), ("office", Type::Ip), ("words", Type::Bytes)];
const OWN_FIELDS: &[(&str, Type)] =
    &[("tenant", Type::Bytes), ("plan", Type::Int), ("vip", Type::Bool), ("origin", Type::Ip)];

#[cfg(test)]
pub(crate) mod strategies {
    //! The same for proptest: bytes, which it knows how to shrink.

    use proptest::{collection::vec, prelude::*};

    use super::{super::expr::Expr, Entropy, Sample, Shape, expr_of, exprs};

    fn bytes() -> impl Strategy<Value = std::vec::Vec<u8>> {
        vec(any::<u8>(), 0..400)
    }

    /// Expressions of the default shape.
    pub(crate) fn any_expr() -> impl Strategy<Value = Expr> {
        any_expr_of(Shape::default())
    }

    pub(crate) fn any_expr_of(shape: Shape) -> impl Strategy<Value = Expr> {
        bytes().prop_map(move |bytes| expr_of(&mut Entropy::new(&bytes), shape))
    }

    pub(crate) fn any_exprs(most: u32) -> impl Strategy<Value = std::vec::Vec<Expr>> {
        let bytes = vec(any::<u8>(), 0..40 * most as usize);
        bytes.prop_map(move |bytes| exprs(&mut Entropy::new(&bytes), most))
    }

    pub(crate) fn any_sample() -> impl Strategy<Value = Sample> {
        bytes().prop_map(|bytes| Sample::draw(&mut Entropy::new(&bytes)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{super::reference, *};

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
    fn expressions_are_normal_well_typed_various_and_hold_often() {
        let mut source = Seeded::new(1);
        let (mut seen, mut held, mut tests) = (HashSet::new(), 0, HashSet::new());
        for _ in 0..2_000 {
            let expr = expr(&mut source);
            check(&expr.0, 2 * Shape::default().depth);
            held += u32::from(
                Sample::draw(&mut source).with_facts(|facts| reference::holds(&expr, facts)),
            );
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
}
