//! What needs no crate: the plainest table, and the fastest that memory can be.

use super::{contestant::List, data::Entry, family::Family};

/// Where each stretch of equal answers ends, sorted, and the answer beside it.
#[derive(Debug, PartialEq)]
pub(crate) struct Sorted<B> {
    ends: Vec<B>,
    values: Vec<u32>,
}

impl<B: Family> List<B> for Sorted<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        Self::of_values(entries, |entry| entry.value)
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        self.values[self.ends.partition_point(|&end| end < addr)]
    }
}

impl<B: Family> Sorted<B> {
    fn of_values(entries: &[Entry<B>], value: impl Fn(&Entry<B>) -> u32) -> Self {
        let mut sorted = entries.to_vec();
        sorted.sort_unstable_by_key(|entry| (entry.bits, entry.len));
        let mut list = Self { ends: Vec::new(), values: Vec::new() };
        // The prefixes that hold the place, the shortest first.
        let mut open: Vec<(B, u32)> = Vec::new();
        // What is told already ends before it.
        let mut place = Some(B::ZERO);
        for entry in &sorted {
            place = list.close(&mut open, place, |last| last < entry.bits);
            if place.is_some_and(|place| place < entry.bits) {
                let around = open.last().map_or(0, |&(_, value)| value);
                list.push(entry.bits.not().next().not(), around);
                place = Some(entry.bits);
            }
            open.push((entry.last(), value(entry)));
        }
        if list.close(&mut open, place, |_| true).is_some() {
            list.push(B::MAX, 0);
        }
        list.ends.shrink_to_fit();
        list.values.shrink_to_fit();
        list
    }

    /// Tells the rest of the prefixes that end, and where the next stretch begins.
    fn close(
        &mut self,
        open: &mut Vec<(B, u32)>,
        mut place: Option<B>,
        ends: impl Fn(B) -> bool,
    ) -> Option<B> {
        while let Some(&(last, value)) = open.last().filter(|&&(last, _)| ends(last)) {
            open.pop();
            if place.is_some_and(|place| place <= last) {
                self.push(last, value);
                place = (last != B::MAX).then(|| last.next());
            }
        }
        place
    }

    fn push(&mut self, end: B, value: u32) {
        if self.values.last() == Some(&value) {
            *self.ends.last_mut().unwrap() = end;
        } else {
            self.ends.push(end);
            self.values.push(value);
        }
    }
}

/// The same for a set: every other stretch is in it.
pub(crate) struct SortedSet<B> {
    ends: Vec<B>,
    first_is_in: bool,
}

impl<B: Family> List<B> for SortedSet<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        let Sorted { ends, values } = Sorted::of_values(entries, |_| 1);
        Self { ends, first_is_in: values[0] == 1 }
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        let before = self.ends.partition_point(|&end| end < addr);
        before as u32 & 1 ^ u32::from(self.first_is_in)
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        super::contestant::is_in(found)
    }
}

/// DIR-24-8: a word for each /24, which is the answer or the number of a group of 256 answers. One read of
/// memory, or two: no table of one's own design does with less.
///
/// ```text
/// 31  30 ......................... 0
///  0  the answer
///  1  the number of the group
/// ```
pub(crate) struct Flat {
    by_24: Box<[u32; 1 << 24]>,
    groups: Vec<[u32; 256]>,
}

const IN_A_GROUP: u32 = 1 << 31;

impl List<u32> for Flat {
    fn of(entries: &[Entry<u32>]) -> Self {
        let by_24 = vec![0; 1 << 24].into_boxed_slice().try_into().unwrap();
        let mut flat = Self { by_24, groups: Vec::new() };
        let mut sorted = entries.to_vec();
        // The longer ones write over the shorter ones.
        sorted.sort_by_key(|entry| entry.len);
        for entry in &sorted {
            let (first, last) = (entry.bits, entry.last());
            let block = (first >> 8) as usize;
            if entry.len <= 24 {
                flat.by_24[block..=(last >> 8) as usize].fill(entry.value);
            } else {
                let group = flat.group(block);
                group[first as usize & 255..=last as usize & 255].fill(entry.value);
            }
        }
        flat.groups.shrink_to_fit();
        flat
    }

    #[inline]
    fn answer(&self, addr: u32) -> u32 {
        let word = self.by_24[(addr >> 8) as usize];
        if word & IN_A_GROUP == 0 {
            return word;
        }
        self.groups[(word & !IN_A_GROUP) as usize][(addr & 255) as usize]
    }
}

impl Flat {
    fn group(&mut self, block: usize) -> &mut [u32; 256] {
        let word = self.by_24[block];
        let number = if word & IN_A_GROUP == 0 {
            let number = self.groups.len();
            self.groups.push([word; 256]);
            self.by_24[block] = IN_A_GROUP | number as u32;
            number
        } else {
            (word & !IN_A_GROUP) as usize
        };
        &mut self.groups[number]
    }
}

/// The same, asked whether there is an answer.
pub(crate) struct FlatSet(Flat);

impl List<u32> for FlatSet {
    fn of(entries: &[Entry<u32>]) -> Self {
        Self(Flat::of(entries))
    }

    #[inline]
    fn answer(&self, addr: u32) -> u32 {
        u32::from(self.0.answer(addr) != 0)
    }

    fn expected(found: Option<&Entry<u32>>) -> u32 {
        super::contestant::is_in(found)
    }
}
