//! One question about one value, compiled.

use alloc::{boxed::Box, sync::Arc};
use core::cmp::Ordering;

use super::{
    source::{Seen, Value},
    spec::{Case, Side, Spec},
};
use crate::{
    cidr::CidrSet,
    rule::{
        list::List,
        pattern::{Needle, Regex, Wildcard, ends_with_folded, starts_with_folded},
    },
};

pub(super) enum Check {
    Never,
    True,
    Exists,
    Int(i64, i64),
    /// Ranges, sorted and apart.
    Ints(Box<[(i64, i64)]>),
    Bits(i64),
    Nets(Box<CidrSet>),
    Text(Box<[u8]>, Case),
    Texts(Box<Texts>),
    Prefix(Box<[u8]>, Case),
    Suffix(Box<[u8]>, Case),
    Contains(Box<Needle>),
    Wildcard(Box<Wildcard>),
    Matches(Arc<Regex>),
    Order(Box<[u8]>, Side, bool),
    List(u32),
}

/// Sorted texts.
pub(super) struct Texts {
    texts: Box<[Box<[u8]>]>,
    case: Case,
}

impl Check {
    /// Compiles what is asked; `None` for a pattern that the scheme should have refused.
    pub(super) fn of(spec: &Spec, regex: Option<&Arc<Regex>>) -> Option<Self> {
        Some(match spec {
            Spec::Never => Self::Never,
            Spec::True => Self::True,
            Spec::Exists => Self::Exists,
            Spec::Ints(ranges) => match &**ranges {
                [(first, last)] => Self::Int(*first, *last),
                ranges => Self::Ints(ranges.into()),
            },
            Spec::Bits(bits) => Self::Bits(*bits),
            Spec::Nets(nets) => Self::Nets(Box::new(nets.iter().copied().collect())),
            Spec::Texts(texts, case) => match &**texts {
                [text] => Self::Text(text.clone(), *case),
                texts => Self::Texts(Box::new(Texts { texts: texts.into(), case: *case })),
            },
            Spec::Prefix(text, case) => Self::Prefix(text.clone(), *case),
            Spec::Suffix(text, case) => Self::Suffix(text.clone(), *case),
            Spec::Contains(part, case) => {
                Self::Contains(Box::new(Needle::new(part, *case == Case::Exact)))
            }
            Spec::Wildcard(pattern, case) => {
                Self::Wildcard(Box::new(Wildcard::new(pattern, *case == Case::Exact).ok()?))
            }
            Spec::Matches(_) => Self::Matches(Arc::clone(regex?)),
            Spec::Order(text, side, equal) => Self::Order(text.clone(), *side, *equal),
            Spec::List(place) => Self::List(*place),
        })
    }

    /// Whether a value passes.
    #[inline]
    pub(super) fn passes(&self, value: Value<'_>, seen: &Seen<'_, '_>) -> bool {
        match (self, value) {
            (Self::Text(text, case), Value::Bytes(value)) => case.equal(value, text),
            (Self::Prefix(text, case), Value::Bytes(value)) => match case {
                Case::Exact => value.starts_with(text),
                Case::Folded => starts_with_folded(value, text),
            },
            (Self::Int(first, last), Value::Int(value)) => *first <= value && value <= *last,
            (Self::True, value) => value == Value::Bool(true),
            (Self::Exists, _) => true,
            (Self::Nets(nets), Value::Ip(ip)) => nets.contains(ip),
            _ => self.passes_more(value, seen),
        }
    }

    #[inline(never)]
    fn passes_more(&self, value: Value<'_>, seen: &Seen<'_, '_>) -> bool {
        match (self, value) {
            (Self::Ints(ranges), Value::Int(value)) => {
                let at = ranges.partition_point(|(_, last)| *last < value);
                ranges.get(at).is_some_and(|(first, _)| *first <= value)
            }
            (Self::Bits(bits), Value::Int(value)) => value & bits != 0,
            (Self::Texts(texts), Value::Bytes(value)) => texts.contains(value),
            (Self::Suffix(text, case), Value::Bytes(value)) => match case {
                Case::Exact => value.ends_with(text),
                Case::Folded => ends_with_folded(value, text),
            },
            (Self::Contains(needle), Value::Bytes(value)) => needle.is_in(value),
            (Self::Wildcard(wildcard), Value::Bytes(value)) => wildcard.is_match(value),
            (Self::Matches(regex), Value::Bytes(value)) => regex.is_match(value),
            (Self::Order(text, side, equal), Value::Bytes(value)) => {
                match (value.cmp(text), side) {
                    (Ordering::Equal, _) => *equal,
                    (order, Side::Before) => order.is_lt(),
                    (order, Side::After) => order.is_gt(),
                }
            }
            (Self::List(place), value) => in_list(*place, value, seen),
            _ => false,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Ints(ranges) => size_of_val(&**ranges),
            Self::Nets(nets) => nets.memory_bytes(),
            Self::Text(text, _) | Self::Prefix(text, _) | Self::Suffix(text, _) => text.len(),
            Self::Order(text, ..) => text.len(),
            Self::Texts(texts) => {
                let each = texts.texts.iter().map(|text| text.len().saturating_add(16));
                each.fold(size_of::<Texts>(), usize::saturating_add)
            }
            Self::Contains(needle) => size_of::<Needle>().saturating_add(needle.memory_bytes()),
            Self::Wildcard(wildcard) => {
                size_of::<Wildcard>().saturating_add(wildcard.memory_bytes())
            }
            // Regular expressions are shared, and counted where they are kept.
            _ => 0,
        }
    }
}

/// Whether a value is in the list at this place, as it is for this request.
pub(super) fn in_list(place: u32, value: Value<'_>, seen: &Seen<'_, '_>) -> bool {
    match (seen.facts.lists.at(place as usize), value) {
        (Some(List::Addresses(set)), Value::Ip(ip)) => set.contains(ip),
        (Some(List::Texts(set)), Value::Bytes(text)) => set.contains(text),
        (Some(List::Numbers(set)), Value::Int(number)) => set.contains(number),
        _ => false,
    }
}

impl Texts {
    fn contains(&self, value: &[u8]) -> bool {
        match self.case {
            Case::Exact => self.texts.binary_search_by(|text| (**text).cmp(value)).is_ok(),
            Case::Folded => {
                let folded = |text: &[u8]| {
                    text.iter().copied().cmp(value.iter().map(u8::to_ascii_lowercase))
                };
                self.texts.binary_search_by(|text| folded(text)).is_ok()
            }
        }
    }
}

impl Case {
    /// Whether a value is the text, which is in lower case if case does not count.
    #[inline]
    fn equal(self, value: &[u8], text: &[u8]) -> bool {
        match self {
            Self::Exact => value == text,
            Self::Folded => value.eq_ignore_ascii_case(text),
        }
    }
}
