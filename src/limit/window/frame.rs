//! The arithmetic of sub-windows, shared by all who count in them.
//!
//! Time is cut into slots of one length, numbered from the origin of the clock. What is taken is
//! counted in a slot, and counts there until the slot that is `parts + 1` later begins: until then
//! some window of the full length may still reach back to it.
//!
//! Invariants: **I1** two units of which the later one no longer sees the earlier one lie more than a
//! window apart; **I2** a unit counts for at most a window and one slot; **I3** waits are exact: they
//! end on the nanosecond at which enough slots have left.

use core::time::Duration;

use crate::{
    error::WindowError,
    quota::{Quota, ticks::SLACK},
    time::{Timestamp, nanos},
    verdict::{Count, Decision, NEVER},
};

/// A limit, and the slots that it is counted in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) limit: u32,
    /// Slots in a window.
    parts: u32,
    /// The length of a slot in nanoseconds: of the window's `parts`th, rounded up.
    slot_nanos: u64,
}

/// Units counted up to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    /// The newest slot.
    pub(super) slot: u64,
    /// The units in it and in the `parts` slots before it.
    pub(super) used: u32,
}

/// A tally as it stands at a later time, or after a step back of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) slot: u64,
    pub(super) used: u32,
    /// The clock was set back: all that was counted is now counted in `slot`.
    pub(super) healed: bool,
}

impl Frame {
    pub(super) fn new(limit: u32, window: Duration, parts: u32) -> Result<Self, WindowError> {
        let window = length(window)?;
        if parts == 0 || parts > MOST_PARTS {
            return Err(WindowError::Parts { parts, most: MOST_PARTS });
        }
        let slot_nanos = window.div_ceil(parts.into());
        let least_nanos = u64::from(limit.max(1)).saturating_mul(NANOS_PER_UNIT);
        if slot_nanos < least_nanos {
            return Err(WindowError::PartTooShort { limit, part_nanos: slot_nanos, least_nanos });
        }
        Ok(Self { limit, parts, slot_nanos })
    }

    /// How many slots can count at one time.
    pub(super) fn places(&self) -> usize {
        self.reach() as usize
    }

    /// The last slot that there is.
    pub(super) fn last_slot(&self) -> u64 {
        self.slot_of(Timestamp::MAX)
    }

    #[inline]
    pub(super) fn slot_of(&self, now: Timestamp) -> u64 {
        now.as_nanos().checked_div(self.slot_nanos).unwrap_or(0)
    }

    /// Where a slot is kept in a ring of all that can count at one time.
    #[inline]
    pub(super) fn place_of(&self, slot: u64) -> usize {
        // Below `reach`, a u32.
        usize::try_from(slot.checked_rem(self.reach().into()).unwrap_or(0)).unwrap_or(0)
    }

    /// The slots from `from` to before `to`, with their places.
    pub(super) fn slots(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, usize)> + use<> {
        let places = self.places();
        let mut place = self.place_of(from);
        (from..to).map(move |slot| {
            let this = place;
            place = place.wrapping_add(1);
            if place == places {
                place = 0;
            }
            (slot, this)
        })
    }

    /// The oldest slot that counts in `slot`.
    #[inline]
    pub(super) fn oldest(&self, slot: u64) -> u64 {
        slot.saturating_sub(self.parts.into())
    }

    /// The first slot in which the units of `slot` no longer count.
    pub(super) fn left_in(&self, slot: u64) -> u64 {
        slot.saturating_add(self.reach().into())
    }

    /// When a slot begins, in nanoseconds; `None` past the end of time.
    pub(super) fn begin(&self, slot: u64) -> Option<u64> {
        slot.checked_mul(self.slot_nanos)
    }

    /// Whether a slot begins so far after `now` that the clock must have been set back.
    #[inline]
    pub(super) fn is_ahead(&self, slot: u64, now: Timestamp) -> bool {
        slot > self.slot_of(now.saturating_add(Duration::from_nanos(SLACK)))
    }

    /// What a tally comes to at `now`, not before the slot `not_before`.
    ///
    /// `units` tells what was counted in a slot, by its number and place; it is asked about slots that
    /// count in the tally's, without the tally's own.
    #[inline]
    pub(super) fn view(
        &self,
        tally: Tally,
        not_before: u64,
        now: Timestamp,
        units: impl Fn(u64, usize) -> u32,
    ) -> View {
        let slot = self.slot_of(now);
        if slot < tally.slot && self.is_ahead(tally.slot, now) {
            return View { slot, used: tally.used, healed: true };
        }
        let slot = slot.max(not_before).max(tally.slot);
        let used = if slot == tally.slot {
            tally.used
        } else if self.oldest(slot) > tally.slot {
            0
        } else {
            let gone = self.slots(self.oldest(tally.slot), self.oldest(slot));
            gone.fold(tally.used, |used, (slot, place)| used.saturating_sub(units(slot, place)))
        };
        View { slot, used, healed: false }
    }

    /// `used` with `n` more, if the limit has room for them.
    #[inline]
    pub(super) fn room(&self, used: u32, n: u32) -> Option<u32> {
        used.checked_add(n).filter(|after| *after <= self.limit)
    }

    /// The decision that has just taken at least one unit, with `used` of them now counted.
    #[inline]
    pub(super) fn admitted(&self, slot: u64, used: u32, now: Timestamp) -> Decision {
        Decision::counted(Count {
            limit: self.limit,
            remaining: self.limit.saturating_sub(used),
            retry_after: 0,
            reset_after: self.until(self.left_in(slot), now),
        })
    }

    /// The decision about `n` units that takes nothing; the standing is the present one.
    pub(super) fn judged(
        &self,
        tally: Tally,
        view: View,
        n: u32,
        now: Timestamp,
        units: impl Fn(u64, usize) -> u32,
    ) -> Decision {
        Decision::counted(self.count(tally, view, n, now, units))
    }

    /// As [`judged`](Self::judged), when the denial does not come from the units alone.
    pub(super) fn count(
        &self,
        tally: Tally,
        view: View,
        n: u32,
        now: Timestamp,
        units: impl Fn(u64, usize) -> u32,
    ) -> Count {
        let remaining = self.limit.saturating_sub(view.used);
        let in_the_way = n.saturating_sub(remaining);
        let newest = if view.healed { view.slot } else { tally.slot };
        // The slot whose leaving makes room, and the last one to leave.
        let (mut enough, mut last) = (None, None);
        let mut sum = 0_u32;
        if view.used > 0 && !view.healed {
            for (slot, place) in self.slots(self.oldest(view.slot), newest) {
                let units = units(slot, place);
                if units == 0 {
                    continue;
                }
                sum = sum.saturating_add(units);
                last = Some(slot);
                if enough.is_none() && sum >= in_the_way {
                    enough = Some(slot);
                }
            }
        }
        if sum < view.used {
            last = Some(newest);
        }
        let retry_after = if self.limit == 0 || n > self.limit {
            NEVER
        } else if in_the_way == 0 {
            0
        } else {
            self.until(self.left_in(enough.unwrap_or(newest)), now)
        };
        let reset_after = match last {
            _ if self.limit == 0 => NEVER,
            Some(last) => self.until(self.left_in(last), now),
            None => 0,
        };
        Count { limit: self.limit, remaining, retry_after, reset_after }
    }

    /// How long until a slot begins, at least a nanosecond.
    pub(super) fn until(&self, slot: u64, now: Timestamp) -> u64 {
        match self.begin(slot) {
            Some(begin) => begin.saturating_sub(now.as_nanos()).max(1),
            None => NEVER,
        }
    }

    /// A window's slots, and the one that it may only partly cover.
    #[inline]
    fn reach(&self) -> u32 {
        // At most MOST_PARTS + 1.
        self.parts.saturating_add(1)
    }
}

/// The nanoseconds of a window.
pub(super) fn length(window: Duration) -> Result<u64, WindowError> {
    match nanos(window) {
        Some(0) => Err(WindowError::ZeroWindow),
        Some(nanos) if window <= Quota::LONGEST_PERIOD => Ok(nanos),
        _ => Err(WindowError::WindowTooLong),
    }
}

/// The most sub-windows that a window can have.
pub(super) const MOST_PARTS: u32 = 256;

/// The least that a slot must last for each unit that it may count: then the numbers of all slots, the
/// units of one and four bits more fit one word.
const NANOS_PER_UNIT: u64 = 32;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::{Frame, MOST_PARTS, Tally};
    use crate::{error::WindowError, quota::tests::edgy_u32, time::Timestamp};

    proptest! {
        #![proptest_config(crate::test_support::cases(1_000))]

        /// I1 and I2, on the nanosecond: a unit counts for all of a window, and not for longer than a
        /// window and a slot.
        #[test]
        fn a_unit_counts_for_a_window_and_at_most_a_slot_more(
            window in 1..u64::MAX / 8,
            parts in 1..=MOST_PARTS,
            at in 0..u64::MAX / 2,
        ) {
            let Ok(frame) = Frame::new(1, Duration::from_nanos(window), parts) else { return Ok(()) };
            let slot = frame.slot_of(Timestamp::from_nanos(at));
            let left = frame.begin(frame.left_in(slot)).unwrap();
            prop_assert!(left - at > window, "{left} {at}");
            prop_assert!(left - at <= window + 2 * window.div_ceil(parts.into()) + u64::from(parts));
            let view = |nanos| frame.view(Tally { slot, used: 1 }, 0, Timestamp::from_nanos(nanos), |_, _| 0);
            prop_assert_eq!(view(left - 1).used, 1);
            prop_assert_eq!(view(left).used, 0);
        }

        #[test]
        fn what_is_too_short_to_count_is_refused(limit in edgy_u32(), window in any::<u64>(), parts in 0..300_u32) {
            let frame = Frame::new(limit, Duration::from_nanos(window), parts);
            match frame {
                Ok(frame) => {
                    prop_assert!(frame.slot_nanos >= 32 * u64::from(limit.max(1)));
                    prop_assert!(frame.slot_nanos.saturating_mul(parts.into()) >= window);
                    prop_assert!(window <= 3_155_760_000_000_000_000);
                }
                Err(WindowError::ZeroWindow) => prop_assert_eq!(window, 0),
                Err(WindowError::WindowTooLong) => prop_assert!(window > 3_155_760_000_000_000_000),
                Err(WindowError::Parts { .. }) => prop_assert!(parts == 0 || parts > 256),
                Err(WindowError::PartTooShort { least_nanos, .. }) => {
                    prop_assert!(window.div_ceil(parts.into()) < least_nanos);
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
