//! The leased bucket: a unit is in one place.

use core::time::Duration;
use std::sync::Arc;

use super::NOW;
use crate::{
    limit::LeasedBucket,
    quota::Quota,
    schedules::{Clock, Dice, break_exchanges, explore, together},
};

fn no_unit_is_lost_or_made() {
    explore(|| {
        let dice = Dice;
        let (burst, stripes) = (6 + dice.units(10), dice.of(&[1_u16, 2, 3]));
        let batch = dice.of(&[1_u16, 2, 4]);
        let quota = Quota::per_day(1).burst(burst);
        let bucket = Arc::new(LeasedBucket::new(quota, stripes, batch));
        let clock = Clock::at(NOW);
        let (at, shared) = (clock.clone(), Arc::clone(&bucket));
        let taken = together(5, move |thread| {
            let mut taken = 0;
            for _ in 0..5 {
                // A lease is too old after 10 ms.
                let now = at.pass(Duration::from_millis(dice.of(&[0, 0, 1, 6])));
                if taken > 0 && dice.below(6) == 0 {
                    shared.refund_n(1, now);
                    taken -= 1;
                    continue;
                }
                let n = dice.units(3);
                let stripe = dice.of(&[thread, 0, 1]);
                taken += if shared.check_n_on(stripe, n, now).is_admitted() { n } else { 0 };
            }
            taken
        });
        let taken: u32 = taken.into_iter().sum();
        assert!(taken <= burst, "{taken} are too many, at most {burst}");
        let now = clock.now();
        let left = (0..).find(|_| bucket.check_on(0, now).is_denied()).unwrap();
        assert_eq!(taken + left, burst);
    });
}

/// I1, I2 and I5: five threads on up to three stripes take, give back, and call in what is old; then all that was not used is
/// there, once.
#[test]
fn shuttle_leased_no_unit_is_lost_or_made() {
    no_unit_is_lost_or_made();
}

#[test]
#[should_panic]
fn shuttle_leased_mutant_exchanges_in_two_steps() {
    let _broken = break_exchanges();
    no_unit_is_lost_or_made();
}
