//! Expressions at random, from the tree of operators down to the values that they test.

use alloc::{boxed::Box, vec::Vec};

use super::{
    super::{
        expr::{Addresses, Atom, Literal, Name, Node, Operand, Set, Test, UrlDecode},
        field::{BUILTINS, Builtin, Kind, Phase, SUPPLIED, Supplied},
    },
    Shape, Source,
    draw::Draw,
    words::{HEADERS, KEYS, LIMITS, OWN_FIELDS, REGEXES, TAGS, WILDCARDS},
};
use crate::limit::Share;

impl<S: Source> Draw<'_, S> {
    pub(super) fn node(&mut self, depth: u32) -> Node {
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

    pub(super) fn operand(&mut self, kind: Kind) -> Operand {
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
}
