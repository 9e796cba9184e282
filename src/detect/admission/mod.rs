//! How much is let in: as many at once as the service stands, the important ones first, and unknown clients back
//! in step by step.
//!
//! | part | question |
//! |---|---|
//! | [`Concurrency`] | how many requests may be in flight |
//! | [`room`] | up to how many of them for this class |
//! | [`jitter`] | when whoever was shed may come again, not all at once |
//! | [`Capacity`] | how many requests a second the service has been seen to serve |
//! | [`Readmission`] | how many of them unknown clients get |
//!
//! # Invariants
//! - **I1** every number is finite and within its bounds, whatever is measured;
//! - **I2** a more important class never has less room, and a known client never less than an unknown one;
//! - **I3** each call is a fixed number of operations.

mod capacity;
mod concurrency;
mod readmission;

use core::time::Duration;

pub(crate) use self::{capacity::Capacity, concurrency::Concurrency, readmission::Readmission};
use super::{Parameters, judge::sane};
use crate::{
    rule::Class,
    time::{NANOS_PER_SEC, nanos},
};

/// A request of this class passes while fewer than so many are in flight, of `limit` at most.
///
/// Thresholds in percent of the limit; where nobody is judged by who he is, all are known.
///
/// | class | unknown | known |
/// |---|---|---|
/// | sheddable | 50 | 60 |
/// | default | 75 | 90 |
/// | critical | 95 | 100 |
/// | critical plus | 110 | 110 |
///
/// What is critical plus, health checks for one, also passes when everything else is full; at least one request
/// of each class passes when none is in flight.
pub(crate) fn room(class: Class, is_known: bool, limit: u64) -> u64 {
    let percent = match (class, is_known) {
        (Class::Sheddable, false) => 50,
        (Class::Sheddable, true) => 60,
        (Class::Default, false) => 75,
        (Class::Default, true) => 90,
        (Class::Critical, false) => 95,
        (Class::Critical, true) => 100,
        (Class::CriticalPlus, _) => 110,
    };
    // Of hundreds and of what is left, each for itself: the product of large limits has no place.
    let hundreds = (limit / 100).saturating_mul(percent);
    let rest = (limit % 100).saturating_mul(percent) / 100;
    hundreds.saturating_add(rest).max(1)
}

/// A wait between once and twice `base`: never earlier, and never all at once.
pub(crate) fn jitter(base: Duration, random: u64) -> Duration {
    let base = nanos(base).unwrap_or(u64::MAX);
    let more = u128::from(base).saturating_mul(u128::from(random)) >> 64;
    let wait = base.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
    Duration::new(wait / NANOS_PER_SEC, u32::try_from(wait % NANOS_PER_SEC).unwrap_or(0))
}

/// The whole part.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "finite and not negative; a cast saturates"
)]
fn whole(number: f64) -> u64 {
    sane(number) as u64
}

/// What a measure with this half-life counts for after so many seconds.
fn weight(seconds: f64, half_life: f64) -> f64 {
    1.0 - (-sane(seconds) / half_life).exp2()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::{jitter, room};
    use crate::{rule::Class, test_support::cases};

    const CLASSES: [Class; 4] =
        [Class::Sheddable, Class::Default, Class::Critical, Class::CriticalPlus];

    #[test]
    fn rooms_are_shares_of_the_limit() {
        let rooms = |known| CLASSES.map(|class| room(class, known, 200));
        assert_eq!(rooms(false), [100, 150, 190, 220]);
        assert_eq!(rooms(true), [120, 180, 200, 220]);
        assert_eq!(CLASSES.map(|class| room(class, false, 0)), [1; 4]);
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// I2.
        #[test]
        fn importance_and_acquaintance_never_hurt(limit in any::<u64>()) {
            for pair in CLASSES.windows(2) {
                for known in [false, true] {
                    prop_assert!(room(pair[0], known, limit) <= room(pair[1], known, limit));
                }
                prop_assert!(room(pair[0], false, limit) <= room(pair[0], true, limit));
            }
        }

        #[test]
        fn waits_are_never_early(seconds in any::<u64>(), nanos in 0..1_000_000_000_u32, random: u64) {
            let base = Duration::new(seconds >> 31, nanos);
            let wait = jitter(base, random);
            prop_assert!(wait >= base.min(Duration::from_nanos(u64::MAX)) && wait <= base * 2);
        }
    }
}
