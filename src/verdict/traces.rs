//! What rules leave behind in a verdict: names to log, tags, a class.
//!
//! A request that no rule has anything to say about carries nothing; otherwise the verdict shares the
//! names of its gate's rules, and numbers say which are meant.
//!
//! # Invariants
//! - **I1** nothing is allocated, and the names are shared only where there is something to name;
//! - **I2** the names are those of the rules that the request met, whatever the gate has now.
//!
//! # Bounds
//! The first [`MOST`] marks are kept; of what is beyond, [`Traces::beyond`] is the number. Counters of
//! rules count all of them.

use alloc::{boxed::Box, sync::Arc};

use crate::rule::{Class, Name};

/// What rules have left behind for one request.
#[derive(Clone, Default)]
pub(crate) struct Traces {
    /// `None` if there is nothing to name.
    names: Option<Arc<Names>>,
    /// A bit for each tag.
    tags: u64,
    /// Those below `len`: the kind in the upper two bits, the number in the others.
    marks: [u32; MOST],
    len: u8,
    beyond: u8,
    class: Class,
}

/// What the numbers in traces stand for.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) rules: Box<[Name]>,
    pub(crate) limits: Box<[Name]>,
    /// By the bit of each.
    pub(crate) tags: Box<[Name]>,
}

/// Something that is remembered of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A rule that held, and is to be logged.
    Rule(usize),
    /// A rule that would have denied.
    ShadowRule(usize),
    /// A limit that would have denied.
    ShadowLimit(usize),
}

/// The marks that one request can have.
pub(crate) const MOST: usize = 6;
const NUMBER: u32 = u32::MAX >> 2;
const SHADOW_RULE: u32 = 1 << 30;
const SHADOW_LIMIT: u32 = 1 << 31;

impl Traces {
    pub(crate) fn mark(&mut self, mark: Mark) {
        let (kind, number) = match mark {
            Mark::Rule(number) => (0, number),
            Mark::ShadowRule(number) => (SHADOW_RULE, number),
            Mark::ShadowLimit(number) => (SHADOW_LIMIT, number),
        };
        let number = u32::try_from(number).unwrap_or(NUMBER).min(NUMBER);
        match self.marks.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = kind | number;
                self.len = self.len.saturating_add(1);
            }
            None => self.beyond = self.beyond.saturating_add(1),
        }
    }

    pub(crate) fn set_tags(&mut self, tags: u64) {
        self.tags = tags;
    }

    pub(crate) fn set_class(&mut self, class: Class) {
        self.class = class;
    }

    /// Whether there is nothing but a class.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.tags == 0
    }

    /// Nothing but a class.
    #[inline]
    pub(crate) fn of_class(class: Class) -> Self {
        Self { class, ..Self::default() }
    }

    /// Shares the names, if there is something to name.
    #[inline]
    pub(crate) fn named(mut self, names: &Arc<Names>) -> Self {
        if !self.is_empty() {
            self.names = Some(Arc::clone(names));
        }
        self
    }

    /// The names of rules to log.
    pub(crate) fn matched(&self) -> impl Iterator<Item = &str> {
        self.marks().filter_map(|(names, mark)| match mark {
            Mark::Rule(number) => names.rules.get(number).map(|name| &**name),
            Mark::ShadowRule(_) | Mark::ShadowLimit(_) => None,
        })
    }

    /// The names of rules and limits that would have denied.
    pub(crate) fn shadow(&self) -> impl Iterator<Item = &str> {
        self.marks().filter_map(|(names, mark)| match mark {
            Mark::Rule(_) => None,
            Mark::ShadowRule(number) => names.rules.get(number).map(|name| &**name),
            Mark::ShadowLimit(number) => names.limits.get(number).map(|name| &**name),
        })
    }

    /// The same, each with its mark.
    #[cfg(feature = "tracing")]
    pub(crate) fn would_deny(&self) -> impl Iterator<Item = (&str, Mark)> {
        self.marks().filter_map(|(names, mark)| {
            let name = match mark {
                Mark::Rule(_) => None,
                Mark::ShadowRule(number) => names.rules.get(number),
                Mark::ShadowLimit(number) => names.limits.get(number),
            };
            name.map(|name| (&**name, mark))
        })
    }

    /// The names of tags.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        let names = self.names.as_deref();
        let tags = names.into_iter().flat_map(|names| names.tags.iter().enumerate());
        tags.filter(|(bit, _)| {
            u32::try_from(*bit)
                .ok()
                .and_then(|bit| self.tags.checked_shr(bit))
                .is_some_and(|tags| tags & 1 == 1)
        })
        .map(|(_, name)| &**name)
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    /// Marks for which there was no place.
    pub(crate) fn beyond(&self) -> u8 {
        self.beyond
    }

    fn marks(&self) -> impl Iterator<Item = (&Names, Mark)> {
        let marks = self.marks.iter().take(usize::from(self.len)).copied();
        let named = self.names.as_deref().map(|names| marks.map(move |mark| (names, mark)));
        named.into_iter().flatten().map(|(names, mark)| {
            let number = usize::try_from(mark & NUMBER).unwrap_or(usize::MAX);
            let mark = match mark & !NUMBER {
                SHADOW_RULE => Mark::ShadowRule(number),
                SHADOW_LIMIT => Mark::ShadowLimit(number),
                _ => Mark::Rule(number),
            };
            (names, mark)
        })
    }
}

impl core::fmt::Debug for Traces {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut list = f.debug_list();
        list.entries(self.marks().map(|(_, mark)| mark)).entries(self.tags()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use std::{vec, vec::Vec};

    use super::{MOST, Mark, Names, Traces};
    use crate::rule::{Class, Name};

    fn names() -> Arc<Names> {
        let named = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
        Arc::new(Names {
            rules: named(&["a", "b", "c"]),
            limits: named(&["x", "y"]),
            tags: named(&["t", "u", "v"]),
        })
    }

    /// I1, I2.
    #[test]
    fn numbers_stand_for_names_that_are_shared_only_if_needed() {
        let all = names();
        let mut traces = Traces::default();
        traces.set_class(Class::Critical);
        let nothing = traces.clone().named(&all);
        assert_eq!(Arc::strong_count(&all), 1);
        assert_eq!(nothing.class(), Class::Critical);
        assert_eq!(nothing.matched().chain(nothing.shadow()).chain(nothing.tags()).count(), 0);

        for mark in [Mark::Rule(2), Mark::ShadowRule(0), Mark::ShadowLimit(1), Mark::Rule(1)] {
            traces.mark(mark);
        }
        traces.set_tags(0b101);
        let traces = traces.named(&all);
        assert_eq!(Arc::strong_count(&all), 2);
        drop(all);
        assert_eq!(traces.matched().collect::<Vec<_>>(), ["c", "b"]);
        assert_eq!(traces.shadow().collect::<Vec<_>>(), ["a", "y"]);
        assert_eq!(traces.tags().collect::<Vec<_>>(), ["t", "v"]);
        assert_eq!(traces.beyond(), 0);
    }

    #[test]
    fn marks_beyond_the_most_are_numbered_only() {
        let mut traces = Traces::default();
        for _ in 0..=MOST + 2 {
            traces.mark(Mark::Rule(0));
        }
        let traces = traces.named(&names());
        assert_eq!(traces.matched().collect::<Vec<_>>(), vec!["a"; MOST]);
        assert_eq!(traces.beyond(), 3);
    }
}
