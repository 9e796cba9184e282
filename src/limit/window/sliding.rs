//! A window counted in sub-windows, in one word and a record of each.
//!
//! The word, `gate`, decides: it holds the newest slot in which anything was taken, and how many
//! units count in it (those of that slot and of the `k` before it). A check in the same slot is a
//! load and one compare-exchange, like that of a counter. Only when the first unit of a newer slot is
//! taken must it be known how much each of the older ones had, so that what leaves the window can be
//! subtracted; that is what the records are for, one for each slot that can count.
//!
//! # How a slot gives way to the next
//! Who takes the first unit in a newer slot
//! 1. *closes* the old one: sets a mark in `gate`, after which nothing more is counted there;
//! 2. *records* what it had: the units in `gate` less those in the records of the `k` slots before;
//! 3. *moves* `gate` to the new slot: subtracts what has left, adds what it takes, clears the mark.
//!
//! Each step is one compare-exchange, and whoever finds a closed slot does the rest himself, so a
//! thread that was stopped in between holds nobody up. Where no unit of the old slot counts in the new
//! one, the first two steps are left out.
//!
//! # Invariants
//! - **I1** no interval of the window's length, both ends included, has more than the limit admitted
//!   in it, under every interleaving; by timestamps, if these step back by up to `d` (at most a
//!   second), no interval that is shorter by `d`;
//! - **I2** a denial writes nothing, except to heal a clock that was set back by more than a second, or
//!   if it had closed a slot and then lost its units to another thread: then time has passed;
//! - **I3** an earlier `now` is judged as the beginning of the newest slot, and never gives more;
//! - **I4** a step back of more than a second forgives at most one window's limit: what counted is
//!   counted in the new slot;
//! - **I5** every decision equals that of the reference, which keeps all that was ever taken;
//! - **I6** a lost compare-exchange never admits;
//! - **I7** the records of the slots that count never sum up to more than the units in `gate`.
//!
//! # Why that holds
//! *I1.* Slots only rise within a turn, so every unit counts in `gate` from the compare-exchange that
//! took it until the move to the slot `k + 1` later, and every admission found room for itself beside
//! all that count. Two units of which the later does not see the earlier are therefore `k + 1` slots
//! apart, which is more than `k` slot lengths, which is at least a window. A timestamp that lags is
//! counted in a slot that is later than its own by no more than the lag.
//!
//! *A record is written once.* Its value depends on `gate` (closed, so fixed) and on the records of
//! the `k` slots before. The writer reads the old record first and then sees that `gate` still says
//! closed. `gate` leaves a closed slot, to one that still counts it, only after its record was
//! written; so if the exchange finds the old record unchanged, then `gate` had not moved when the
//! others were read, or the slot counts nowhere any more. Only a newer slot of the same place
//! overwrites a record, and it belongs to a slot that no longer counts then.
//!
//! *Set back.* The turn is a part of the word and of every record, so that a move to an earlier slot
//! is one compare-exchange too, and makes all records worthless at once. Before that, those that are
//! left from an earlier round of turns are wiped. To wipe one that was still good is harmless: units
//! that no record claims count as taken in the newest slot, so they stay for longer (I7).
//!
//! *What is left* is a thread that sleeps between its load and its compare-exchange while the clock is
//! set back by more than a second eight times or more, as often as there are turns, and then finds the
//! very same slot: it may forgive one limit.

use alloc::boxed::Box;
use core::{fmt, time::Duration};

use super::{
    frame::{Frame, MOST_PARTS, Tally, View},
    word::{Layout, Word},
};
use crate::{
    error::WindowError,
    sync::{AtomicU64, Ordering},
    time::Timestamp,
    verdict::Decision,
};

/// Never more than so many in any window of a given length, for one limit, without a lock.
///
/// # Guarantee
/// No interval of the window's length, wherever it begins, has more than `limit` units admitted in
/// it, whatever the threads do. In return a unit counts for a little longer than the window: by at
/// most one sub-window (and its rounding up to the nanosecond). So everything is admitted that keeps
/// to `limit` in any window that is longer by that.
///
/// Timestamps that are earlier than another thread's are taken as no time passed; if they step back
/// by up to `d`, the guarantee is for intervals shorter by `d`. A step back of more than a second is
/// healed: what counted before is counted as taken now, and at most `limit` units are forgiven.
///
/// # What is traded
/// With a limit `N`, a window `W` and `k` sub-windows:
///
/// | | most units in any window of length `W` | gives a unit back after | state |
/// |---|---|---|---|
/// | this | `N` | `W` to `W (1 + 1/k)` | 8 bytes a sub-window, no lock |
/// | `WindowLog` | `N` | `W`, to the nanosecond | 8 bytes a unit, a lock |
/// | not here: the oldest sub-window weighted by how much of it is left (two counters: `k` = 1) | below `2N`, for any `k` | from 0 on, little by little | 8 bytes a sub-window |
/// | not here: a counter that starts anew | `2N` | 0 to `W` | one word |
///
/// An overshoot of at most `N / k`, as is sometimes said of the third, it has only where requests come
/// evenly within each sub-window, which who attacks does not. Here there is no overshoot, and what is
/// not exact is the time of return: with `k` = 10, at least 10/11 of `N` per `W` pass in the long run.
///
/// # Concurrency
/// `check` is one compare-exchange, retried while other threads admit at the same time; the first
/// admission in a new sub-window takes three. A denial writes nothing. No thread ever waits for
/// another one that was stopped.
///
/// # Memory
/// 48 bytes, and 8 for each sub-window and one more, allocated by [`new`](Self::new).
///
/// # Cost
/// O(1) in the sub-window of the last admission; for the first in another one, and for a denial,
/// O(`parts`).
///
/// # Example: never more than 100 in any minute
/// ```
/// use portcullis::{SlidingWindow, Timestamp};
/// use std::time::Duration;
///
/// // Six sub-windows of ten seconds.
/// let window = SlidingWindow::new(100, Duration::from_secs(60), 6)?;
/// let now = Timestamp::from_secs(5);
/// assert!(window.check_n(100, now).is_admitted());
///
/// let decision = window.check(now);
/// assert!(decision.is_denied());
/// // The units leave with their sub-window, which began at 0: 60 s and 10 s after that.
/// assert_eq!(decision.standing().retry_after(), Duration::from_secs(65));
/// assert!(window.check(Timestamp::from_secs(70)).is_admitted());
/// # Ok::<(), portcullis::WindowError>(())
/// ```
pub struct SlidingWindow {
    gate: AtomicU64,
    frame: Frame,
    layout: Layout,
    /// By place: what a closed slot had.
    records: Box<[AtomicU64]>,
}

impl SlidingWindow {
    /// The most sub-windows that a window can have.
    pub const MOST_PARTS: u32 = MOST_PARTS;

    /// An empty window of this length, counted in this many sub-windows.
    ///
    /// More sub-windows give units back sooner, and cost more to look through.
    ///
    /// # Errors
    /// When the window is zero or longer than 100 years, when there are no sub-windows or more than
    /// [`MOST_PARTS`](Self::MOST_PARTS), or when one of them is shorter than 32 ns for each unit of
    /// the limit, which is more than one word can count.
    pub fn new(limit: u32, window: Duration, parts: u32) -> Result<Self, WindowError> {
        let frame = Frame::new(limit, window, parts)?;
        Ok(Self {
            gate: AtomicU64::new(0),
            frame,
            layout: Layout::new(limit, frame.last_slot()),
            records: (0..frame.places()).map(|_| AtomicU64::new(NONE)).collect(),
        })
    }

    /// Takes one unit, if there is one.
    #[inline]
    pub fn check(&self, now: Timestamp) -> Decision {
        self.check_n(1, now)
    }

    /// Takes `n` units at once, or none of them.
    ///
    /// More than the limit is always denied, with a wait of [`Duration::MAX`]. Zero units are admitted
    /// unless the limit is zero, and change nothing.
    #[inline]
    pub fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        // The plain case first: something to take in the newest slot.
        let read = self.read();
        if n > 0 && !read.word.closing && self.frame.slot_of(now) == read.word.slot {
            if let Some(used) = self.frame.room(read.word.units, n) {
                if self.replace(read, Word { units: used, ..read.word }) {
                    return self.frame.admitted(read.word.slot, used, now);
                }
            }
        }
        self.check_slowly(n, now)
    }

    /// All cases of [`check_n`](Self::check_n), and the second try of who lost an exchange.
    #[cold]
    #[inline(never)]
    fn check_slowly(&self, n: u32, now: Timestamp) -> Decision {
        loop {
            let read = self.read();
            let view = self.view(read, now);
            match self.frame.room(view.used, n) {
                Some(used) if n > 0 => {
                    if self.take(read, view, used) {
                        return self.frame.admitted(view.slot, used, now);
                    }
                }
                room => {
                    let decision = self.judged(read, view, n, now);
                    let stands = if view.healed && room.is_none() {
                        self.heal(read, view.slot, view.used)
                    } else {
                        self.still_stands(read)
                    };
                    if stands {
                        return decision;
                    }
                }
            }
        }
    }

    /// What [`check_n`](Self::check_n) would answer, without taking anything.
    ///
    /// The standing of an admission is the present one, as before the units are taken.
    pub fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        loop {
            let read = self.read();
            let view = self.view(read, now);
            let decision = self.judged(read, view, n, now);
            if self.still_stands(read) {
                return decision;
            }
        }
    }

    /// Gives back `n` units that were taken at `taken_at`, if that is in the newest sub-window.
    ///
    /// At most what was taken in it. Units of an older sub-window are not given back but leave with it:
    /// who returned them to a newer one would make it count less than was taken there.
    pub fn refund_n(&self, n: u32, taken_at: Timestamp) {
        let slot = self.frame.slot_of(taken_at);
        loop {
            let read = self.read();
            if read.word.slot != slot || read.word.closing || n == 0 {
                return;
            }
            let back = self.own_units(read.word).min(n);
            let word = Word { units: read.word.units.saturating_sub(back), ..read.word };
            if if back == 0 { self.still_stands(read) } else { self.replace(read, word) } {
                return;
            }
        }
    }

    /// The memory that this window has taken, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(size_of_val(&*self.records))
    }

    fn judged(&self, read: Read, view: View, n: u32, now: Timestamp) -> Decision {
        self.frame.judged(tally(read.word), view, n, now, self.records_of(read.word.turn))
    }
}

/// The word and the records, and who may write them when; see the module's documentation.
impl SlidingWindow {
    #[inline]
    fn read(&self) -> Read {
        // Acquire: whoever sees a slot also sees the records of those before it.
        let raw = self.gate.load(Ordering::Acquire);
        Read { raw, word: self.layout.unpack(raw) }
    }

    fn view(&self, read: Read, now: Timestamp) -> View {
        // Who closed a slot has seen a later time.
        let not_before = read.word.slot.saturating_add(u64::from(read.word.closing));
        self.frame.view(tally(read.word), not_before, now, self.records_of(read.word.turn))
    }

    /// Makes `used` units count in the view's slot, if nothing has changed since `read`.
    fn take(&self, read: Read, view: View, used: u32) -> bool {
        let Word { turn, slot, units, .. } = read.word;
        if view.healed {
            return self.heal(read, view.slot, used);
        }
        let next = Word { turn, slot: view.slot, closing: false, units: used };
        let counts_on = units > 0 && self.frame.oldest(view.slot) <= slot;
        if view.slot == slot || !counts_on {
            return self.replace(read, next);
        }
        match self.close(read) {
            Some(closed) => self.record(closed) && self.replace(closed, next),
            None => false,
        }
    }

    /// Step 1: nothing more is counted in this slot.
    fn close(&self, read: Read) -> Option<Read> {
        let word = Word { closing: true, ..read.word };
        let closed = Read { raw: self.layout.pack(word), word };
        (read.word.closing || self.replace(read, word)).then_some(closed)
    }

    /// Step 2: what a closed slot had. `false` if `gate` has moved on.
    fn record(&self, closed: Read) -> bool {
        let Some(place) = self.records.get(self.frame.place_of(closed.word.slot)) else {
            return false;
        };
        loop {
            // Acquire, and before `gate`: if this is from after a move, the next line sees the move.
            let old = place.load(Ordering::Acquire);
            if self.gate.load(Ordering::Acquire) != closed.raw {
                return false;
            }
            let was = self.layout.unpack(old);
            if was.closing && was.slot == closed.word.slot && was.turn == closed.word.turn {
                return true;
            }
            let word = Word { units: self.own_units(closed.word), ..closed.word };
            // Release on success: who reads this record sees the closed slot. Relaxed on failure:
            // it is read again.
            let new = self.layout.pack(word);
            if place.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
    }

    /// Moves to an earlier slot in a turn of its own, where all units count.
    #[cold]
    fn heal(&self, read: Read, slot: u64, used: u32) -> bool {
        let turn = self.layout.turn_after(read.word.turn);
        for record in &self.records {
            let old = record.load(Ordering::Acquire);
            if old != NONE && self.layout.unpack(old).turn == turn {
                // If it changed meanwhile, it is of the turn that there was.
                let _ = record.compare_exchange(old, NONE, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
        self.replace(read, Word { turn, slot, closing: false, units: used })
    }

    #[inline]
    fn replace(&self, read: Read, word: Word) -> bool {
        // Release on success: publishes the records that this was judged by, and written after.
        // Relaxed on failure: the caller reads again.
        self.gate
            .compare_exchange(read.raw, self.layout.pack(word), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether what was read in the records since `read` was good.
    fn still_stands(&self, read: Read) -> bool {
        // The records that count in a slot do not change while it is the newest one.
        let now = self.read().word;
        now.slot == read.word.slot && now.turn == read.word.turn
    }

    /// What the newest slot itself has: all that no record claims.
    fn own_units(&self, word: Word) -> u32 {
        let units = self.records_of(word.turn);
        let before = self.frame.slots(self.frame.oldest(word.slot), word.slot);
        before.fold(word.units, |own, (slot, place)| own.saturating_sub(units(slot, place)))
    }

    /// What a slot of this turn had, by its number and place; nothing if there is no record.
    fn records_of(&self, turn: u64) -> impl Fn(u64, usize) -> u32 {
        move |slot, place| {
            // Acquire: if it is of a newer slot, the next look at `gate` sees that one.
            let Some(record) = self.records.get(place) else { return 0 };
            let word = self.layout.unpack(record.load(Ordering::Acquire));
            if word.closing && word.slot == slot && word.turn == turn { word.units } else { 0 }
        }
    }
}

/// The limit and how it is counted, not the counts.
impl fmt::Debug for SlidingWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlidingWindow").field("frame", &self.frame).finish_non_exhaustive()
    }
}

/// The word as one thread saw it.
#[derive(Clone, Copy)]
struct Read {
    raw: u64,
    word: Word,
}

fn tally(word: Word) -> Tally {
    Tally { slot: word.slot, used: word.units }
}

/// No record.
const NONE: u64 = 0;

#[cfg(test)]
mod tests;
