//! What the posture remembers of former ticks: in words, not in lists.
//!
//! # Invariants
//! - **I1** each is of a fixed size, and each call a fixed number of operations.

use core::time::Duration;

use crate::time::Timestamp;

/// Whether something was so in each of the last 8 ticks; the newest is bit 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticks(u8);

impl Ticks {
    pub(super) fn put(&mut self, is_so: bool) {
        self.0 = (self.0 << 1) | u8::from(is_so);
    }

    /// In how many of the last ticks.
    pub(super) fn of_last(self, ticks: u32) -> u32 {
        (self.0 & u8::MAX.checked_shr(8_u32.saturating_sub(ticks)).unwrap_or(0)).count_ones()
    }
}

/// Since when something has been so without a break.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held(Option<Timestamp>);

impl Held {
    /// If it was so, then it is so since now at the earliest.
    pub(super) fn since(now: Timestamp, was: Self) -> Self {
        Self(was.0.map(|_| now))
    }

    /// It is so, if not before then at `from`; or it is not.
    pub(super) fn tell(&mut self, is_so: bool, from: Timestamp) {
        self.0 = is_so.then(|| self.0.unwrap_or(from));
    }

    pub(super) fn time(&mut self) -> Option<&mut Timestamp> {
        self.0.as_mut()
    }

    /// It has been so for so long.
    pub(super) fn lasts(self, duration: Duration, now: Timestamp) -> bool {
        self.0.is_some_and(|since| now.saturating_duration_since(since) >= duration)
    }
}

/// When the last changes were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes([Option<Timestamp>; Self::MOST as usize]);

impl Changes {
    /// So many are remembered.
    pub(super) const MOST: u32 = 32;

    pub(super) fn put(&mut self, now: Timestamp) {
        self.0.rotate_right(1);
        if let Some(newest) = self.0.first_mut() {
            *newest = Some(now);
        }
    }

    pub(super) fn times(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        self.0.iter_mut().flatten()
    }

    /// How many were less than so long ago.
    pub(super) fn within(&self, duration: Duration, now: Timestamp) -> u32 {
        let times = self.0.iter().flatten();
        let recent = times.filter(|time| now.saturating_duration_since(**time) < duration);
        recent.fold(0, |sum: u32, _| sum.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Changes, Held, Ticks};
    use crate::time::Timestamp;

    #[test]
    fn ticks_count_the_last_ones() {
        let mut ticks = Ticks::default();
        for is_so in [true, true, false, true, false] {
            ticks.put(is_so);
        }
        assert_eq!([1, 2, 3, 4, 5, 8].map(|n| ticks.of_last(n)), [0, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn what_is_interrupted_begins_anew() {
        let at = Timestamp::from_secs;
        let mut held = Held::default();
        held.tell(true, at(5));
        held.tell(true, at(6));
        assert!(held.lasts(Duration::from_secs(3), at(8)));
        held.tell(false, at(9));
        held.tell(true, at(9));
        assert!(!held.lasts(Duration::from_secs(3), at(11)));
    }

    #[test]
    fn changes_are_counted_within_their_time() {
        let mut changes = Changes::default();
        for second in [0, 100, 300, 650] {
            changes.put(Timestamp::from_secs(second));
        }
        let within = |now| changes.within(Duration::from_secs(600), Timestamp::from_secs(now));
        assert_eq!([within(650), within(699), within(700), within(5_000)], [3, 3, 2, 0]);
    }
}
