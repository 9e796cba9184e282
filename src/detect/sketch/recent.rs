//! The last requests of the sample.
//!
//! A ring, each place of which has a lock that is only tried. Whoever puts a request in takes the next number, which is the
//! place and, with the rounds, the ticket under which the request can be told to have been good.
//!
//! # Invariants
//! - **I1** a place holds the request with the highest ticket that was put there, never an older one again;
//! - **I2** a ticket marks the request that it was given for, or none;
//! - **I3** nothing waits: a place whose lock is taken is left out, and a request that was to go there is dropped.
//!
//! # Memory
//! A place has 520 bytes: 520 KiB for 1,024 requests.

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU64;

use super::super::{Dimension, Seen, Words};
use crate::{
    sync::{AtomicU64, Mutex, Ordering},
    time::Timestamp,
};

/// A ring of requests: see the module.
pub(crate) struct Recent {
    places: Box<[Mutex<Place>]>,
    /// Tickets that were given.
    given: AtomicU64,
}

/// Under which a request can be told to have been good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(NonZeroU64);

#[derive(Default)]
struct Place {
    /// 0 until it holds a request.
    ticket: u64,
    request: Option<(Seen, Words)>,
}

impl Recent {
    /// More are not kept: a copy of them would take too long.
    pub(crate) const MOST: usize = 1_024;

    /// A ring of so many requests: at least 1, and at most [`MOST`](Self::MOST).
    pub(crate) fn new(requests: usize) -> Self {
        let places = requests.clamp(1, Self::MOST);
        Self {
            places: (0..places).map(|_| Mutex::new(Place::default())).collect(),
            given: AtomicU64::new(0),
        }
    }

    /// Puts a request in the place of the oldest one. `None` if another thread was there: then it is dropped.
    #[inline]
    pub(crate) fn put(&self, seen: Seen, words: Words) -> Option<Ticket> {
        // Relaxed: the place's lock orders what is in it. It does not wrap in 584 years of a number each nanosecond.
        let ticket = self.given.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut place = self.place(ticket)?.try_lock()?;
        // A thread that was stopped for a whole round comes too late.
        if place.ticket > ticket {
            return None;
        }
        place.request = Some((seen, words));
        place.ticket = ticket;
        NonZeroU64::new(ticket).map(Ticket)
    }

    /// The request was answered with a success. If it is not there any more, or another thread is at its place,
    /// nothing happens.
    #[inline]
    pub(crate) fn mark_good(&self, ticket: Ticket) {
        let Some(mut place) = self.place(ticket.0.get()).and_then(Mutex::try_lock) else { return };
        if place.ticket == ticket.0.get() {
            if let Some((seen, _)) = &mut place.request {
                seen.good = true;
            }
        }
    }

    /// Replaces the content of `into` by the requests since then, oldest first, as far as there is room without
    /// an allocation.
    pub(crate) fn copy_into(&self, into: &mut Vec<Seen>, since: Timestamp) {
        into.clear();
        let newest = self.given.load(Ordering::Relaxed);
        for ticket in self.tickets(newest) {
            if into.len() == into.capacity() {
                return;
            }
            let Some(place) = self.place(ticket).and_then(Mutex::try_lock) else { continue };
            into.extend(
                place.request.iter().map(|(seen, _)| *seen).filter(|seen| seen.at >= since),
            );
        }
    }

    /// What is told of a request with this key, of the newest one that there is.
    pub(crate) fn words_of(&self, dimension: Dimension, key: u64) -> Option<Words> {
        if key == 0 {
            return None;
        }
        let newest = self.given.load(Ordering::Relaxed);
        self.tickets(newest).rev().find_map(|ticket| {
            let place = self.place(ticket)?.try_lock()?;
            let (seen, words) = place.request.as_ref()?;
            (seen.keys.get(dimension) == key).then_some(*words)
        })
    }

    /// Bytes, all of them allocated when it was made.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(size_of_val(&*self.places))
    }

    /// The tickets of a round up to this one, each of another place.
    fn tickets(&self, newest: u64) -> impl DoubleEndedIterator<Item = u64> {
        let round = u64::try_from(self.places.len()).unwrap_or(0);
        newest.saturating_sub(round).saturating_add(1)..newest.saturating_add(1)
    }

    #[inline]
    fn place(&self, ticket: u64) -> Option<&Mutex<Place>> {
        let places = u64::try_from(self.places.len()).ok()?;
        self.places.get(usize::try_from(ticket.checked_rem(places)?).ok()?)
    }
}

#[cfg(test)]
mod tests;
