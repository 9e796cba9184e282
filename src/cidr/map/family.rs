//! The prefixes of one family, and the table that is compiled from them.
//!
//! - **I1** the table says of every address what the longest prefix of the list around it says.
//!
//! After an edit only the touched stretch is compiled anew: the runs between its ends follow from the
//! prefixes that start in it and those around its first address. Where so much was touched that all is
//! compiled sooner, all is.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::{
    super::{
        runs::{Mark, Run, Runs, of_prefixes},
        table::Table,
    },
    keys::Key,
    list::Prefixes,
};

#[derive(Clone)]
pub(super) struct Family<B, L, T> {
    pub(super) list: L,
    pub(super) table: T,
    addr: PhantomData<B>,
}

/// Of a stretch that is replaced alone: what that costs beyond its prefixes, in prefixes. Of IPv6 a piece
/// of some thousand runs is compiled anew.
///
/// Small in tests, so that small maps are compiled in parts, too.
const fn overhead<B: Key>() -> usize {
    match B::WIDTH {
        _ if cfg!(test) => 4,
        32 => 256,
        _ => 2_048,
    }
}
/// A list of so few prefixes has a table in one part, which is compiled as a whole in any case.
const ONE_PART: usize = if cfg!(test) { 4 } else { 2_048 };
/// Stretches that share so many first bits lie in one part of a table,
const NEAR: u8 = 16;
/// and are replaced as one if no more prefixes than this lie between them.
const BETWEEN: usize = 64;

impl<B: Key, L: Prefixes<B>, T: Table<B, Mark>> Family<B, L, T> {
    pub(super) const EMPTY: Self = Self { list: L::EMPTY, table: T::EMPTY, addr: PhantomData };

    /// The family of prefixes that are in order.
    pub(super) fn of(sorted: &[(B, Mark)]) -> Self {
        if sorted.is_empty() {
            return Self::EMPTY;
        }
        let runs = of_prefixes(sorted.iter().copied(), Mark::default(), B::MIN, B::MAX);
        let table = T::build(runs.as_slice());
        drop(runs);
        Self { list: L::build(sorted.iter().copied()), table, addr: PhantomData }
    }

    /// Gives a prefix its tag, 0 to take it away, and says which it had.
    pub(super) fn set(&mut self, first: B, mark: Mark) -> u32 {
        let old = self.write(first, mark);
        if old != mark.tag {
            self.compile(&[(first, first.last_of(mark.len))]);
        }
        old
    }

    /// Does the same for many prefixes, in order and no two equal; `replaced` is told the tags that
    /// they had.
    pub(super) fn set_many(&mut self, edits: &[(B, Mark)], mut replaced: impl FnMut(u32)) {
        if self.list.len() == 0 && edits.iter().all(|(_, mark)| mark.tag > 0) {
            *self = Self::of(edits);
            return;
        }
        if edits.len().saturating_mul(8) >= self.list.len() {
            *self = Self::of(&self.merged(edits, replaced));
            return;
        }
        // Sorted, with those that cover others before them.
        let mut touched: Vec<(B, B)> = Vec::new();
        for &(first, mark) in edits {
            let old = self.write(first, mark);
            replaced(old);
            if old == mark.tag {
                continue;
            }
            let last = first.last_of(mark.len);
            match touched.last_mut() {
                Some(before) if before.1 >= last => {}
                Some(before)
                    if before.0.shared(last) >= NEAR
                        && self.list.count(before.1, first) <= BETWEEN =>
                {
                    before.1 = last;
                }
                _ => touched.push((first, last)),
            }
        }
        self.compile(&touched);
    }

    /// The prefixes around an address, of at most `len` bits; the longest first.
    pub(super) fn all_around(&self, addr: B, len: u8) -> impl Iterator<Item = Mark> {
        let mut len = Some(len);
        core::iter::from_fn(move || {
            let mark = self.list.around(addr, len?)?;
            len = mark.len.checked_sub(1);
            Some(mark)
        })
    }

    /// The prefixes within one, itself included.
    pub(super) fn within(&self, first: B, len: u8) -> impl Iterator<Item = (B, Mark)> {
        let last = first.last_of(len);
        self.list.entries_from(first, len).take_while(move |(first, _)| *first <= last)
    }

    fn write(&mut self, first: B, mark: Mark) -> u32 {
        if mark.tag == 0 {
            self.list.remove(first, mark.len)
        } else {
            self.list.insert(first, mark)
        }
    }

    fn merged(&self, edits: &[(B, Mark)], mut replaced: impl FnMut(u32)) -> Vec<(B, Mark)> {
        let mut merged = Vec::with_capacity(self.list.len().saturating_add(edits.len()));
        let mut listed = self.list.entries_from(B::MIN, 0).peekable();
        for &(first, mark) in edits {
            let place = (first, mark.len);
            while let Some(entry) = listed.next_if(|(key, old)| (*key, old.len) < place) {
                merged.push(entry);
            }
            if let Some((_, old)) = listed.next_if(|(key, old)| (*key, old.len) == place) {
                replaced(old.tag);
            }
            if mark.tag > 0 {
                merged.push((first, mark));
            }
        }
        merged.extend(listed);
        merged
    }

    /// Makes I1 true again for stretches that are sorted and apart.
    fn compile(&mut self, touched: &[(B, B)]) {
        let all = self.list.len();
        let mut cost = if touched.len() > 1 && all < ONE_PART { all } else { 0 };
        for &(first, last) in touched {
            let own =
                self.list.count(first, last).saturating_mul(2).saturating_add(overhead::<B>());
            cost = cost.saturating_add(own);
            if cost >= all {
                let entries = self.list.entries_from(B::MIN, 0);
                let runs = of_prefixes(entries, Mark::default(), B::MIN, B::MAX);
                self.table = T::build(runs.as_slice());
                return;
            }
        }
        for &(first, last) in touched {
            self.table.replace(first, &self.runs(first, last));
        }
    }

    /// The runs that cover `first..=last`.
    fn runs(&self, first: B, last: B) -> Vec<Run<B, Mark>> {
        // Whatever is around `first` is told as if it started there, and cut off at `last`.
        let mut around: Vec<(B, Mark)> = match first.previous() {
            Some(_) => self
                .all_around(first, B::WIDTH)
                .map(|mark| (first.first_of(mark.len), mark))
                .collect(),
            None => Vec::new(),
        };
        around.retain(|(from, _)| *from < first);
        around.reverse();
        let inside = self.list.entries_from(first, 0).take_while(|(from, _)| *from <= last);
        let told = of_prefixes(around.into_iter().chain(inside), Mark::default(), first, last);
        let mut cut = Runs::new();
        for run in told.as_slice() {
            cut.push(run.last.min(last), run.mark);
        }
        cut.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::super::{super::CidrEdit, CidrMap};
    use super::*;

    fn v4(first: u32) -> ipnet::IpNet {
        ipnet::Ipv4Net::new_assert(Ipv4Addr::from_bits(first), 24).into()
    }

    /// Of a few edits each is compiled where it is, which leaves something over in the table; with many,
    /// everything is compiled, and nothing is left over.
    #[test]
    fn few_edits_are_compiled_in_parts_and_many_as_a_whole() {
        let edits = |count: u32, value: u32| {
            (0..count).map(move |n| CidrEdit::Insert(v4(n << 18), n + value))
        };
        let mut map = CidrMap::new();
        map.apply(edits(5_000, 0));
        let whole = map.v4.table.heap_bytes();
        map.apply(edits(3, 7));
        assert!(map.v4.table.heap_bytes() > whole);
        map.apply(edits(5_000, 9));
        assert_eq!(map.v4.table.heap_bytes(), whole);
    }
}
