//! Where the value of an atom comes from.
//!
//! A [`Source`] is an operand with its names resolved: a base that borrows from the request, and steps
//! from there. Sources that are [plain](Source::plain), one borrowed value without steps, are read in line;
//! all others are shown to a visitor by a function that is kept apart.

use alloc::{boxed::Box, vec::Vec};
use core::{
    cell::Cell,
    net::{IpAddr, Ipv4Addr},
    ops::ControlFlow::{self, Continue},
};

use super::copied;
use crate::{
    limit::Share,
    request::{
        ClientGroup, Given,
        canonical::{Needs, cut},
    },
    rule::{
        expr::{Name, Operand, UrlDecode},
        facts::Facts,
        field::{Builtin, Kind},
    },
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) base: Base,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Base {
    Bytes(Builtin),
    Uri,
    Int(Builtin),
    Bool(Builtin),
    Ip(Builtin),
    Given(Name, Kind),
    Elements(Elements, Pick),
    /// The bit of a tag; beyond 63 for a tag that no rule sets.
    Tag(u32),
    Sample(Share),
    Counter(Box<str>),
    /// Nothing, ever.
    Missing,
}

/// An array: a field that is one, or what is under a key of a map.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Elements {
    pub(super) field: Builtin,
    pub(super) key: Option<Box<str>>,
}

/// What of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pick {
    /// The first element, kept in this slot once it was looked for.
    First(u8),
    Nth(u32),
    Each,
    Count,
}

/// A function of the value before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Lower,
    Upper,
    UrlDecode(UrlDecode),
    Substring(i64, Option<i64>),
    Len,
    Cidr(ClientGroup),
}

/// A value, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    Bool(bool),
    Int(i64),
    Bytes(&'v [u8]),
    Ip(IpAddr),
}

/// How a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// By [`Source::text`].
    Text,
    /// By [`Source::address`].
    Address,
    /// By [`Source::plain`].
    Plain,
    /// By [`Source::each`].
    Any,
}

/// What an operand is: values, or an array of them.
pub(super) enum Meaning {
    Values(Source),
    Array(Elements),
}

/// So many first elements are kept; those with a slot beyond are looked for each time.
pub(super) const SLOTS: u8 = 8;

/// The slot of an element that has none.
pub(super) const NO_SLOT: u8 = u8::MAX;

/// What was read of a request.
pub(super) struct Seen<'f, 'a> {
    pub(super) facts: &'f Facts<'a>,
    /// A bit for each slot that was looked for.
    asked: Cell<u8>,
    firsts: [Cell<Option<&'a [u8]>>; SLOTS as usize],
}

impl Source {
    pub(super) const fn missing() -> Self {
        Self { base: Base::Missing, steps: Vec::new() }
    }

    /// What the operand means; tags have their place as a bit.
    pub(super) fn of(operand: &Operand, tags: &[Name]) -> Option<Meaning> {
        let values = |base| Some(Meaning::Values(Self { base, steps: Vec::new() }));
        let then = |of: &Operand, step| match Self::of(of, tags)? {
            Meaning::Values(mut source) => {
                source.steps.push(step);
                Some(Meaning::Values(source))
            }
            Meaning::Array(_) => None,
        };
        let element = |of: &Operand, pick| match Self::of(of, tags)? {
            Meaning::Array(elements) => {
                // They are seen in lower case, and come as they were sent.
                let is_name = elements.field == Builtin::HeaderNames;
                let steps = if is_name { [Step::Lower].into() } else { Vec::new() };
                Some(Meaning::Values(Self { base: Base::Elements(elements, pick), steps }))
            }
            Meaning::Values(_) => None,
        };
        match operand {
            Operand::Builtin(Builtin::Uri) => values(Base::Uri),
            Operand::Builtin(field) => match field.kind() {
                Kind::Bool => values(Base::Bool(*field)),
                Kind::Int => values(Base::Int(*field)),
                Kind::Bytes => values(Base::Bytes(*field)),
                Kind::Ip => values(Base::Ip(*field)),
                Kind::Array => Some(Meaning::Array(Elements { field: *field, key: None })),
                Kind::Map | Kind::Flags => None,
            },
            Operand::Supplied(field) => values(Base::Given(Name::clone(&field.name), field.kind)),
            Operand::Get(Builtin::Tag, name) => {
                let bit = tags.iter().position(|tag| **tag == **name);
                values(Base::Tag(bit.and_then(|bit| u32::try_from(bit).ok()).unwrap_or(u32::MAX)))
            }
            Operand::Get(field, key) => {
                Some(Meaning::Array(Elements { field: *field, key: Some(key.clone()) }))
            }
            Operand::At(of, 0) => element(of, Pick::First(NO_SLOT)),
            Operand::At(of, at) => element(of, Pick::Nth(*at)),
            Operand::Each(of) => element(of, Pick::Each),
            Operand::Lower(of) => then(of, Step::Lower),
            Operand::Upper(of) => then(of, Step::Upper),
            Operand::UrlDecode { of, options } => then(of, Step::UrlDecode(*options)),
            Operand::Substring { of, start, end } => then(of, Step::Substring(*start, *end)),
            Operand::Len(of) => match Self::of(of, tags)? {
                Meaning::Array(elements) => values(Base::Elements(elements, Pick::Count)),
                Meaning::Values(mut source) => {
                    // The case of letters does not change how many they are.
                    source.strip_case();
                    source.steps.push(Step::Len);
                    Some(Meaning::Values(source))
                }
            },
            Operand::Cidr { of, v4, v6 } => then(of, Step::Cidr(ClientGroup { v4: *v4, v6: *v6 })),
            Operand::Sample(share) => values(Base::Sample(*share)),
            Operand::Counter(limit) => values(Base::Counter(limit.clone())),
        }
    }

    /// Takes the last steps away as long as they only change the case of letters.
    pub(super) fn strip_case(&mut self) {
        while let Some(Step::Lower | Step::Upper) = self.steps.last() {
            self.steps.pop();
        }
    }

    /// Whether [`plain`](Self::plain) reads it.
    pub(super) fn is_plain(&self) -> bool {
        self.steps.is_empty()
            && match &self.base {
                Base::Elements(_, pick) => matches!(pick, Pick::First(_)),
                Base::Uri => false,
                _ => true,
            }
    }

    /// Whether rules change it while a request is judged.
    pub(super) fn is_volatile(&self) -> bool {
        match &self.base {
            Base::Int(field) | Base::Bool(field) => field.is_volatile(),
            Base::Tag(_) => true,
            _ => false,
        }
    }

    /// What it reads of a request's canonical form.
    pub(super) fn needs(&self) -> Needs {
        match &self.base {
            Base::Bytes(field) | Base::Bool(field) | Base::Int(field) | Base::Ip(field) => {
                field.needs()
            }
            Base::Elements(elements, _) => elements.field.needs(),
            Base::Uri => Needs::TARGET,
            Base::Given(..) | Base::Tag(_) | Base::Sample(_) | Base::Missing => Needs::NOTHING,
            // A limit counts by any fields.
            Base::Counter(_) => Needs::ALL,
        }
    }

    /// Whether it may have no value, or several.
    pub(super) fn may_be_missing(&self) -> bool {
        match &self.base {
            Base::Bytes(field) => *field == Builtin::Query,
            Base::Uri | Base::Bool(_) => false,
            Base::Elements(_, pick) => *pick != Pick::Count,
            _ => true,
        }
    }

    /// What it costs to read, in nanoseconds by guess.
    pub(super) fn expense(&self) -> u32 {
        let base = match &self.base {
            Base::Elements(_, Pick::First(_)) | Base::Given(..) => 8,
            Base::Elements(..) => 50,
            Base::Counter(_) => 100,
            Base::Uri => 5,
            _ => 1,
        };
        self.steps.iter().fold(base, |sum: u32, step| {
            sum.saturating_add(match step {
                Step::Lower | Step::Upper | Step::UrlDecode(_) => 100,
                Step::Substring(..) | Step::Len | Step::Cidr(_) => 2,
            })
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let base = match &self.base {
            Base::Elements(elements, _) => elements.key.as_ref().map_or(0, |key| key.len()),
            Base::Counter(limit) => limit.len(),
            // Names are shared with the expressions.
            _ => 0,
        };
        self.steps.capacity().saturating_mul(size_of::<Step>()).saturating_add(base)
    }

    /// The value, if it is one that lies somewhere.
    #[inline(never)]
    pub(super) fn plain<'a>(&self, seen: &Seen<'_, 'a>) -> Option<Value<'a>> {
        let facts = seen.facts;
        match &self.base {
            Base::Bytes(field) => facts.bytes(*field).map(Value::Bytes),
            Base::Ip(field) => facts.ip(*field).map(Value::Ip),
            Base::Elements(elements, Pick::First(slot)) => {
                seen.first(elements, *slot).map(Value::Bytes)
            }
            Base::Int(field) => facts.int(*field).map(Value::Int),
            Base::Bool(field) => facts.bool(*field).map(Value::Bool),
            Base::Given(name, kind) => given(facts, name, *kind),
            Base::Tag(bit) => {
                let tags = facts.marks.tags.get().checked_shr(*bit).unwrap_or(0);
                Some(Value::Bool(tags & 1 == 1))
            }
            Base::Sample(share) => Some(Value::Bool(share.takes_in(facts.chance))),
            Base::Counter(limit) => Some(Value::Int(facts.counters.in_use(limit, facts))),
            Base::Uri | Base::Elements(..) | Base::Missing => None,
        }
    }

    /// What [`plain`](Self::plain) gives.
    pub(super) fn shape(&self) -> Shape {
        match &self.base {
            _ if !self.is_plain() => Shape::Any,
            Base::Bytes(_) | Base::Elements(..) | Base::Given(_, Kind::Bytes) => Shape::Text,
            Base::Ip(_) => Shape::Address,
            _ => Shape::Plain,
        }
    }

    /// The same value of a source whose shape is a text.
    #[inline]
    pub(super) fn text<'a>(&self, seen: &Seen<'_, 'a>) -> Option<&'a [u8]> {
        match &self.base {
            Base::Bytes(Builtin::Path) => Some(seen.facts.canonical.path),
            Base::Bytes(field) => seen.facts.bytes(*field),
            Base::Elements(elements, Pick::First(slot)) => seen.first(elements, *slot),
            _ => match self.plain(seen) {
                Some(Value::Bytes(text)) => Some(text),
                _ => None,
            },
        }
    }

    /// The same value of a source whose shape is an address.
    #[inline]
    pub(super) fn address(&self, seen: &Seen<'_, '_>) -> Option<IpAddr> {
        match &self.base {
            Base::Ip(Builtin::IpSrc) => seen.facts.client,
            Base::Ip(field) => seen.facts.ip(*field),
            _ => None,
        }
    }

    /// The same, if it is an IPv4 address and lies at hand.
    #[inline]
    pub(super) fn v4<'f>(&self, seen: &Seen<'f, '_>) -> Option<&'f Ipv4Addr> {
        match (&self.base, &seen.facts.client) {
            (Base::Ip(Builtin::IpSrc), Some(IpAddr::V4(ip))) => Some(ip),
            _ => None,
        }
    }

    /// Shows all its values.
    #[inline(never)]
    pub(super) fn each(
        &self,
        seen: &Seen<'_, '_>,
        visit: &mut dyn FnMut(Value<'_>) -> ControlFlow<()>,
    ) {
        let facts = seen.facts;
        let _ = match &self.base {
            Base::Uri => match uri_in_one_piece(facts) {
                Some(uri) => copied::through(Value::Bytes(uri), &self.steps, visit),
                None => copied::uri_through(facts, &self.steps, visit),
            },
            Base::Elements(elements, Pick::Each) => {
                elements
                    .each(facts, |value| copied::through(Value::Bytes(value), &self.steps, visit));
                Continue(())
            }
            Base::Elements(elements, Pick::Count) => {
                let mut count = 0_i64;
                elements.each(facts, |_| {
                    count = count.saturating_add(1);
                    Continue(())
                });
                copied::through(Value::Int(count), &self.steps, visit)
            }
            Base::Elements(elements, Pick::Nth(at)) => match elements.nth(facts, *at) {
                Some(value) => copied::through(Value::Bytes(value), &self.steps, visit),
                None => Continue(()),
            },
            _ => match self.plain(seen) {
                Some(value) => copied::through(value, &self.steps, visit),
                None => Continue(()),
            },
        };
    }
}

impl Elements {
    fn each<'a>(&self, facts: &Facts<'a>, visit: impl FnMut(&'a [u8]) -> ControlFlow<()>) {
        match &self.key {
            Some(key) => facts.each_of(self.field, key, visit),
            None => facts.each(self.field, visit),
        }
    }

    fn first<'a>(&self, facts: &Facts<'a>) -> Option<&'a [u8]> {
        match (self.field, &self.key) {
            // Who keeps header lines may find one sooner than by going through them.
            (Builtin::Headers, Some(name)) => facts.request.first_header_of_lower(name).map(cut),
            _ => self.nth(facts, 0),
        }
    }

    fn nth<'a>(&self, facts: &Facts<'a>, at: u32) -> Option<&'a [u8]> {
        let (mut left, mut found) = (at, None);
        self.each(facts, |value| match left.checked_sub(1) {
            Some(less) => {
                left = less;
                Continue(())
            }
            None => {
                found = Some(value);
                ControlFlow::Break(())
            }
        });
        found
    }
}

impl<'f, 'a> Seen<'f, 'a> {
    #[inline]
    pub(super) fn nothing_of(facts: &'f Facts<'a>) -> Self {
        Self { facts, asked: Cell::new(0), firsts: [const { Cell::new(None) }; SLOTS as usize] }
    }

    #[inline]
    fn first(&self, elements: &Elements, slot: u8) -> Option<&'a [u8]> {
        let Some(kept) = self.firsts.get(usize::from(slot)) else {
            return elements.first(self.facts);
        };
        let bit = 1 << slot;
        if self.asked.get() & bit == 0 {
            self.asked.set(self.asked.get() | bit);
            kept.set(elements.first(self.facts));
        }
        kept.get()
    }
}

/// The path and the query, if they lie side by side as they came.
fn uri_in_one_piece<'a>(facts: &Facts<'a>) -> Option<&'a [u8]> {
    let (path, query) = facts.uri();
    let Some(query) = query else { return Some(path) };
    let target = facts.request.get_target().as_bytes();
    let (before, after) = target.split_at_checked(path.len())?;
    let (b'?', after) = after.split_first()? else { return None };
    let is_whole = before.as_ptr() == path.as_ptr()
        && after.as_ptr() == query.as_ptr()
        && after.len() == query.len();
    is_whole.then_some(target)
}

fn given<'a>(facts: &Facts<'a>, name: &str, kind: Kind) -> Option<Value<'a>> {
    match (facts.given(name)?, kind) {
        (Given::Bool(value), Kind::Bool) => Some(Value::Bool(value)),
        (Given::Int(value), Kind::Int) => Some(Value::Int(value)),
        (Given::Bytes(value), Kind::Bytes) => Some(Value::Bytes(cut(value))),
        (Given::Ip(value), Kind::Ip) => Some(Value::Ip(value.to_canonical())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        request::{Request, canonical::Canonical},
        rule::list::Lists,
    };

    /// What need not be rewritten is shown where it lies, and not copied.
    #[test]
    fn a_path_and_a_query_as_they_came_are_one_piece() {
        for (target, piece) in [
            ("/a/b", Some((true, 4))),
            ("/a/b?c=d", Some((true, 8))),
            ("/a/b?", Some((true, 5))),
            ("/a//b", Some((false, 4))),
            ("/a//b?c=d", None),
            ("/a/b?c#d", None),
        ] {
            let request = Request::new(IpAddr::from(Ipv4Addr::LOCALHOST)).target(target);
            let found = Canonical::with(&request, |canonical| {
                let lists = Lists::new();
                let facts = Facts::of(&request, canonical, &lists);
                let lies_there = |uri: &[u8]| (uri.as_ptr() == target.as_ptr(), uri.len());
                uri_in_one_piece(&facts).map(lies_there)
            });
            assert_eq!(found, piece, "{target}");
        }
    }
}
