//! When each seat will be free: a heap of times in which a seat's time can be changed.
//!
//! The standard library's heap cannot find an entry again. Here `places` holds each seat's place in
//! the heap, so that a time is lowered as easily as it is raised.
//!
//! Invariants: **I1** no entry is earlier than the entry above it, `(i - 1) / 2`; **I2** every seat
//! has one entry, and `places` says where.

use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) struct Agenda {
    entries: Vec<Entry>,
    /// By seat.
    places: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    time: u64,
    seat: u32,
}

impl Agenda {
    /// An agenda for up to `seats` seats, numbered from 0 in the order they are added.
    pub(crate) fn new(seats: u32) -> Self {
        let seats = seats as usize;
        Self { entries: Vec::with_capacity(seats), places: Vec::with_capacity(seats) }
    }

    /// The earliest time, and whose it is.
    pub(crate) fn first(&self) -> Option<(u64, u32)> {
        self.entries.first().map(|entry| (entry.time, entry.seat))
    }

    /// A seat's time.
    pub(crate) fn time(&self, seat: u32) -> Option<u64> {
        let place = *self.places.get(seat as usize)?;
        self.entries.get(place as usize).map(|entry| entry.time)
    }

    /// Adds the next seat.
    pub(crate) fn add(&mut self, time: u64) {
        // Seats are u32, so both fit.
        let next = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Entry { time, seat: next });
        self.places.push(next);
        self.rise(self.entries.len().saturating_sub(1));
    }

    /// Changes a seat's time.
    pub(crate) fn set(&mut self, seat: u32, time: u64) {
        let Some(&place) = self.places.get(seat as usize) else { return };
        let place = place as usize;
        let Some(entry) = self.entries.get_mut(place) else { return };
        let earlier = time < entry.time;
        entry.time = time;
        if earlier { self.rise(place) } else { self.sink(place) }
    }

    /// Removes a seat; the last one takes its number.
    pub(crate) fn remove(&mut self, seat: u32) {
        let Some(&place) = self.places.get(seat as usize) else { return };
        let place = place as usize;
        self.swap(place, self.entries.len().saturating_sub(1));
        self.entries.pop();
        // What came here from the end may belong further down or, if not, further up.
        self.sink(place);
        self.rise(place);
        let Some(last) = self.places.pop() else { return };
        if let Some(renumbered) = self.places.get_mut(seat as usize) {
            *renumbered = last;
            if let Some(entry) = self.entries.get_mut(last as usize) {
                entry.seat = seat;
            }
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let entries = self.entries.capacity().saturating_mul(size_of::<Entry>());
        entries.saturating_add(self.places.capacity().saturating_mul(size_of::<u32>()))
    }

    fn rise(&mut self, mut place: usize) {
        while let Some(above) = place.checked_sub(1).map(|place| place / 2) {
            if self.time_at(above) <= self.time_at(place) {
                break;
            }
            self.swap(above, place);
            place = above;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let left = place.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let lower = if self.time_at(right) < self.time_at(left) { right } else { left };
            if lower >= self.entries.len() || self.time_at(place) <= self.time_at(lower) {
                break;
            }
            self.swap(place, lower);
            place = lower;
        }
    }

    /// The time at this place; later than all others where there is none.
    fn time_at(&self, place: usize) -> u64 {
        self.entries.get(place).map_or(u64::MAX, |entry| entry.time)
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.entries.swap(one, other);
        for place in [one, other] {
            let Some(entry) = self.entries.get(place) else { continue };
            if let Some(at) = self.places.get_mut(entry.seat as usize) {
                *at = u32::try_from(place).unwrap_or(u32::MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::Agenda;
    use crate::test_support::cases;

    #[test]
    fn memory_is_twenty_bytes_a_seat() {
        assert_eq!(Agenda::new(100).memory_bytes(), 2_000);
    }

    proptest! {
        #![proptest_config(cases(1_000))]

        /// I1 and I2: the first is always the least of all times, whatever was changed.
        #[test]
        fn the_first_is_the_earliest(
            added in prop::collection::vec(0..50_u64, 1..20),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), prop::option::weighted(0.8, 0..50_u64)), 0..60,
            ),
        ) {
            let mut agenda = Agenda::new(20);
            let mut times: Vec<u64> = Vec::new();
            for time in added {
                agenda.add(time);
                times.push(time);
                prop_assert_eq!(agenda.first().unwrap().0, *times.iter().min().unwrap());
            }
            for (seat, time) in changes {
                let seat = seat.index(times.len());
                if let Some(time) = time {
                    agenda.set(seat as u32, time);
                    times[seat] = time;
                } else if times.len() > 1 {
                    agenda.remove(seat as u32);
                    times.swap_remove(seat);
                }
                let (first, whose) = agenda.first().unwrap();
                prop_assert_eq!(first, *times.iter().min().unwrap());
                prop_assert_eq!(times[whose as usize], first);
                for (seat, time) in times.iter().enumerate() {
                    prop_assert_eq!(agenda.time(seat as u32), Some(*time));
                }
            }
        }
    }
}
