//! The indexes of one source: of its value they tell, all at once, which keys hold.
//!
//! # Invariants
//! - **I1** a key is told exactly where it holds;
//! - **I2** a look-up is linear in the value, whatever it is, and in what is told.

use alloc::{boxed::Box, vec::Vec};
use core::{
    net::{IpAddr, Ipv4Addr},
    ops::ControlFlow::Continue,
};

use ipnet::IpNet;

use super::{
    check::in_list,
    cover::Key,
    literals::{Literals, TooManyLiterals},
    ranges::Ranges,
    source::{Seen, Shape, Source, Value},
    spec::Case,
    trie::{Anchor, Trie},
};
use crate::{cidr::CidrMap, request::canonical::Needs};

/// A source with the keys that are asked of it.
pub(super) struct Field {
    source: Source,
    shape: Shape,
    lookups: Box<[Lookup]>,
}

enum Lookup {
    Exists(u32),
    True(u32),
    List {
        place: u32,
        list: u32,
    },
    Nets(Box<Nets>),
    Ranges(Ranges),
    /// Whole texts and beginnings.
    Heads(Box<Trie>),
    /// Ends, the keys reversed.
    Tails(Box<Trie>),
    Parts(Box<Literals>),
}

/// Prefixes of addresses. Only the longest is looked up; each knows the next shorter one around it.
struct Nets {
    longest: CidrMap<u32>,
    links: Box<[Link]>,
}

#[derive(Clone, Copy)]
struct Link {
    list: u32,
    /// The link of the next shorter prefix around this one.
    around: u32,
}

impl Field {
    /// Makes the indexes for keys, each with the number that is told where it holds.
    pub(super) fn build(source: Source, keys: Vec<(Key, u32)>) -> Result<Self, TooManyLiterals> {
        let mut lookups = Vec::new();
        let (mut nets, mut ranges) = (Vec::new(), Vec::new());
        let (mut heads, mut tails, mut parts) =
            (Cases::default(), Cases::default(), Cases::default());
        for (key, list) in keys {
            match key {
                Key::Exists => lookups.push(Lookup::Exists(list)),
                Key::True => lookups.push(Lookup::True(list)),
                Key::List(place) => lookups.push(Lookup::List { place, list }),
                Key::Range(first, last) => ranges.push((first, last, list)),
                Key::Net(net) => nets.push((net, list)),
                Key::Text(case, text) => heads.of(case).push((text, Anchor::Exact, list)),
                Key::Prefix(case, text) => heads.of(case).push((text, Anchor::Prefix, list)),
                Key::Suffix(case, mut text) => {
                    text.reverse();
                    tails.of(case).push((text, Anchor::Prefix, list));
                }
                Key::Contains(case, text) => parts.of(case).push((text, list)),
            }
        }
        if !nets.is_empty() {
            lookups.push(Lookup::Nets(Box::new(Nets::build(&nets))));
        }
        if !ranges.is_empty() {
            lookups.push(Lookup::Ranges(Ranges::build(ranges)));
        }
        heads.each(|keys, folded| lookups.push(Lookup::Heads(Box::new(Trie::build(keys, folded)))));
        tails.each(|keys, folded| lookups.push(Lookup::Tails(Box::new(Trie::build(keys, folded)))));
        let mut built = Vec::new();
        parts.each(|keys, folded| built.push(Literals::build(keys, folded)));
        for literals in built {
            lookups.push(Lookup::Parts(Box::new(literals?)));
        }
        Ok(Self { shape: source.shape(), source, lookups: lookups.into() })
    }

    /// What it reads of a request's canonical form.
    pub(super) fn needs(&self) -> Needs {
        self.source.needs()
    }

    /// Tells the keys that hold.
    #[inline]
    pub(super) fn look(&self, seen: &Seen<'_, '_>, tell: &mut impl FnMut(u32)) {
        match self.shape {
            Shape::Text => {
                if let Some(text) = self.source.text(seen) {
                    self.look_up_text(text, seen, tell);
                }
            }
            Shape::Address => {
                // By its number, which goes from hand to hand in a register.
                if let Some(ip) = self.source.v4(seen) {
                    self.look_up_v4(ip.to_bits(), seen, tell);
                } else if let Some(ip) = self.source.address(seen) {
                    self.look_up_address(ip, seen, tell);
                }
            }
            Shape::Plain | Shape::Any => self.look_at_each(seen, tell),
        }
    }

    #[inline(never)]
    fn look_at_each(&self, seen: &Seen<'_, '_>, tell: &mut impl FnMut(u32)) {
        self.source.each(seen, &mut |value| {
            self.look_up(value, seen, tell);
            Continue(())
        });
    }

    fn look_up(&self, value: Value<'_>, seen: &Seen<'_, '_>, tell: &mut impl FnMut(u32)) {
        match value {
            Value::Bytes(text) => self.look_up_text(text, seen, tell),
            Value::Ip(ip) => self.look_up_address(ip, seen, tell),
            Value::Int(number) => {
                for lookup in &self.lookups {
                    match lookup {
                        Lookup::Ranges(ranges) => ranges.stab(number, &mut *tell),
                        other => other.look_up(value, seen, tell),
                    }
                }
            }
            Value::Bool(truth) => {
                for lookup in &self.lookups {
                    match lookup {
                        Lookup::True(list) if truth => tell(*list),
                        other => other.look_up(value, seen, tell),
                    }
                }
            }
        }
    }

    #[inline]
    fn look_up_text(&self, text: &[u8], seen: &Seen<'_, '_>, tell: &mut impl FnMut(u32)) {
        for lookup in &self.lookups {
            match lookup {
                Lookup::Heads(trie) => trie.walk(text, &mut *tell),
                Lookup::Tails(trie) => trie.walk_back(text, &mut *tell),
                Lookup::Parts(parts) => parts.walk(text, &mut *tell),
                other => other.look_up(Value::Bytes(text), seen, tell),
            }
        }
    }

    #[inline]
    fn look_up_v4(&self, bits: u32, seen: &Seen<'_, '_>, tell: &mut impl FnMut(u32)) {
        let ip = IpAddr::V4(Ipv4Addr::from_bits(bits));
        for lookup in &self.lookups {
            match lookup {
                Lookup::Nets(nets) => nets.each(ip, tell),
                other => other.look_up(Value::Ip(ip), seen, tell),
            }
        }
    }

    #[inline(never)]
    fn look_up_address(&self, ip: IpAddr, seen: &Seen<'_, '_>, tell: &mut impl FnMut(u32)) {
        for lookup in &self.lookups {
            match lookup {
                Lookup::Nets(nets) => nets.each(ip, tell),
                other => other.look_up(Value::Ip(ip), seen, tell),
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let lookups = self.lookups.iter().map(|lookup| match lookup {
            Lookup::Exists(_) | Lookup::True(_) | Lookup::List { .. } => 0,
            Lookup::Nets(nets) => size_of::<Nets>()
                .saturating_add(size_of_val(&*nets.links))
                .saturating_add(nets.longest.memory_bytes()),
            Lookup::Ranges(ranges) => ranges.heap_bytes(),
            Lookup::Heads(trie) | Lookup::Tails(trie) => trie.memory_bytes(),
            Lookup::Parts(parts) => parts.memory_bytes(),
        });
        let itself = size_of::<Self>()
            .saturating_add(self.source.heap_bytes())
            .saturating_add(size_of_val(&*self.lookups));
        lookups.fold(itself, usize::saturating_add)
    }
}

impl Lookup {
    /// What can be asked of values of all kinds.
    #[inline(never)]
    fn look_up(&self, value: Value<'_>, seen: &Seen<'_, '_>, tell: &mut impl FnMut(u32)) {
        match self {
            Self::Exists(list) => tell(*list),
            Self::List { place, list } if in_list(*place, value, seen) => tell(*list),
            _ => {}
        }
    }
}

/// Keys whose case counts, and keys whose case does not.
struct Cases<T>([Vec<T>; 2]);

impl<T> Default for Cases<T> {
    fn default() -> Self {
        Self([Vec::new(), Vec::new()])
    }
}

impl<T> Cases<T> {
    fn of(&mut self, case: Case) -> &mut Vec<T> {
        let [exact, folded] = &mut self.0;
        match case {
            Case::Exact => exact,
            Case::Folded => folded,
        }
    }

    /// Hands over those that are not empty, and whether case does not count.
    fn each(self, mut build: impl FnMut(Vec<T>, bool)) {
        for (keys, folded) in self.0.into_iter().zip([false, true]) {
            if !keys.is_empty() {
                build(keys, folded);
            }
        }
    }
}

impl Nets {
    fn build(nets: &[(IpNet, u32)]) -> Self {
        let numbered = nets.iter().zip(0_u32..);
        let longest: CidrMap<u32> = numbered.map(|((net, _), at)| (*net, at)).collect();
        let links = nets.iter().map(|(net, list)| {
            // The last of those around it but itself.
            let around = longest.supernets(net).filter(|(other, _)| other != net).last();
            Link { list: *list, around: around.map_or(u32::MAX, |(_, at)| *at) }
        });
        let links = links.collect();
        Self { longest, links }
    }

    #[inline]
    fn each(&self, ip: IpAddr, tell: &mut impl FnMut(u32)) {
        let mut at = self.longest.lookup(ip).copied().unwrap_or(u32::MAX);
        while let Some(link) = self.links.get(at as usize) {
            tell(link.list);
            at = link.around;
        }
    }
}
