//! Units taken before their true number is known.

use crate::verdict::{Decision, Standing};

/// Units that were taken in advance, to be settled once the true cost is known.
///
/// Made by `reserve_n` of a limiter, which is a check; given back to the same limiter by `settle`
/// (the cost is known) or `cancel` (there was none). Dropping it leaves the units taken: who never
/// tells what a request has cost pays what was reserved.
///
/// # Example: a cost that the response tells
/// ```
/// use portcullis::{Quota, Timestamp, TokenBucket};
///
/// let tokens = TokenBucket::new(Quota::per_minute(10_000));
/// let now = Timestamp::from_secs(1);
/// let reservation = tokens.reserve_n(4_000, now).expect("a full bucket has them");
/// // … the model answers, and says that it took 1,250 …
/// tokens.settle(reservation, 1_250, now);
/// assert_eq!(tokens.peek_n(1, now).standing().remaining(), 8_750);
/// ```
#[must_use = "a reservation is to be settled or cancelled, or its units stay taken"]
#[derive(Debug)]
pub struct Reservation {
    units: u32,
    decision: Decision,
}

impl Reservation {
    /// The outcome of a check for `units`: a reservation if it was admitted.
    pub(crate) fn of(units: u32, decision: Decision) -> Result<Self, Decision> {
        if decision.is_admitted() { Ok(Self { units, decision }) } else { Err(decision) }
    }

    /// The units that were taken.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.units
    }

    /// Where the caller stood when the units were taken.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.decision.standing()
    }

    /// What settling at `actual` units means.
    pub(crate) fn settle_at(self, actual: u32) -> Settlement {
        if self.decision.is_saturated() {
            // Nothing was charged.
            return Settlement::Charge(0);
        }
        match actual.checked_sub(self.units) {
            Some(more) => Settlement::Charge(more),
            None => Settlement::Refund(self.units.saturating_sub(actual)),
        }
    }
}

/// What is still to be done for a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Give so many units back.
    Refund(u32),
    /// Take so many more, whether they are there or not.
    Charge(u32),
}
