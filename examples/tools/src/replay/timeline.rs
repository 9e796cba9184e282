//! What became of requests over time, in a fixed number of columns, however long the log goes on.
//!
//! Columns begin as seconds. When there are too many, several become one: 5, 10, 30 seconds, a minute, and so on, so that
//! their bounds are those of a clock.
//!
//! # Bounds
//! [`MOST`] columns.

use std::time::Duration;

use portcullis::Timestamp;

/// The most columns.
pub const MOST: usize = 240;

const SECOND: u64 = 1_000_000_000;
/// Seconds of a column; each is a multiple of the one before. Behind the last, they double.
const WIDTHS: [u64; 15] =
    [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 604_800, 1_209_600];

/// What came in some seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Requests.
    pub asked: u64,
    /// Of these, those that were refused.
    pub refused: u64,
    /// Of these, those that passed and that something in shadow would have refused.
    pub in_shadow: u64,
}

impl Column {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            refused: self.refused + other.refused,
            in_shadow: self.in_shadow + other.in_shadow,
        }
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Seconds; 0 while there is nothing.
    width: u64,
    /// Seconds since 1970; a multiple of the width.
    start: u64,
    columns: Vec<Column>,
}

impl Timeline {
    /// Notes a request; times never go back.
    pub fn note(&mut self, at: Timestamp, column: Column) {
        let second = at.as_nanos() / SECOND;
        if self.width == 0 {
            (self.width, self.start) = (1, second);
        }
        loop {
            let place = second.saturating_sub(self.start) / self.width;
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            if place >= MOST {
                self.widen();
                continue;
            }
            if place >= self.columns.len() {
                self.columns.resize(place + 1, Column::default());
            }
            if let Some(known) = self.columns.get_mut(place) {
                *known = known.and(column);
            }
            return;
        }
    }

    /// How long a column is.
    #[must_use]
    pub fn width(&self) -> Duration {
        Duration::from_secs(self.width)
    }

    /// The columns with the times at which they begin.
    pub fn columns(&self) -> impl Iterator<Item = (Timestamp, Column)> {
        let starts = (0..).map(|place| Timestamp::from_secs(self.start + place * self.width));
        starts.zip(self.columns.iter().copied())
    }

    /// The same with at most so many columns.
    #[must_use]
    pub fn coarser(&self, most: usize) -> Self {
        let mut coarser = self.clone();
        while coarser.columns.len() > most.max(1) {
            coarser.widen();
        }
        coarser
    }

    fn widen(&mut self) {
        let next = WIDTHS.into_iter().find(|width| *width > self.width).unwrap_or(self.width * 2);
        let start = self.start - self.start % next;
        let mut columns: Vec<Column> = Vec::with_capacity(MOST);
        for (at, column) in self.columns() {
            let place = (at.as_nanos() / SECOND - start) / next;
            let place = usize::try_from(place).unwrap_or(usize::MAX).min(MOST);
            if place >= columns.len() {
                columns.resize(place + 1, Column::default());
            }
            if let Some(known) = columns.get_mut(place) {
                *known = known.and(column);
            }
        }
        *self = Self { width: next, start, columns };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis::Timestamp;

    use super::{Column, MOST, Timeline, WIDTHS};

    fn one(refused: u64) -> Column {
        Column { asked: 1, refused, in_shadow: 0 }
    }

    #[test]
    fn nothing_is_lost_while_columns_grow() {
        let mut line = Timeline::default();
        for (count, second) in (0..400_000_u64).step_by(37).enumerate() {
            line.note(Timestamp::from_secs(1_431_857_103 + second), one(second % 2));
            assert!(line.columns.len() <= MOST, "after {count}");
        }
        let all = line.columns().fold(Column::default(), |sum, (_, column)| sum.and(column));
        assert_eq!(all.asked, 400_000_u64.div_ceil(37));
        assert_eq!(all.refused, all.asked / 2);
        assert_eq!(line.width(), Duration::from_secs(1_800));
        assert_eq!(line.start % 1_800, 0, "columns begin with the half hour");
        let coarse = line.coarser(24);
        assert!((12..=24).contains(&coarse.columns.len()), "{}", coarse.columns.len());
        let sum = coarse.columns().fold(Column::default(), |sum, (_, column)| sum.and(column));
        assert_eq!(sum, all);
    }

    #[test]
    fn a_request_long_after_all_others_is_none_that_hurts() {
        let mut line = Timeline::default();
        line.note(Timestamp::from_secs(5), one(1));
        line.note(Timestamp::MAX, one(0));
        assert_eq!(line.columns().map(|(_, column)| column.asked).sum::<u64>(), 2);
        assert!(line.columns.len() <= MOST);
    }

    #[test]
    fn widths_are_multiples_of_each_other() {
        assert!(WIDTHS.windows(2).all(|pair| pair[1] % pair[0] == 0));
    }
}
