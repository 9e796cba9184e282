//! The keyed store that keeps its keys.

use core::time::Duration;
use std::{sync::Arc, vec::Vec};

use super::{Call, NOW, peeked};
use crate::{
    limit::{
        ExactLimiter,
        reference::{Answer, Bucket},
    },
    quota::Quota,
    schedules::{Clock, Dice, Done, Reference, assert_explained, done, explore, together},
};

/// A key's bucket, and what else is done to it.
#[derive(Clone, Debug)]
struct Key(Bucket, Quota);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Call(Call),
    Forget,
}

impl Reference for Key {
    type Call = Deed;
    type Answer = Option<Answer>;

    fn perform(&mut self, deed: &Deed) -> Option<Answer> {
        match *deed {
            Deed::Call(Call::Become(quota, now)) => {
                self.0 = self.0.carried_over(Bucket::with_debt(quota, 2), now);
                self.1 = quota;
                None
            }
            Deed::Call(call) => self.0.perform(&call),
            Deed::Forget => {
                self.0 = Bucket::with_debt(self.1, 2);
                None
            }
        }
    }
}

fn perform(limiter: &ExactLimiter<u32>, key: u32, deed: Deed) -> Option<Answer> {
    match deed {
        Deed::Call(Call::Check(n, now)) => Some(limiter.check_n(&key, n, now).into()),
        Deed::Call(Call::Peek(n, now)) => Some(peeked(limiter.peek_n(&key, n, now).into())),
        Deed::Call(Call::Refund(n, now)) => {
            limiter.refund_n(&key, n, now);
            None
        }
        Deed::Call(Call::Charge(n, now)) => {
            limiter.charge_n(&key, n, now);
            None
        }
        Deed::Call(Call::Become(quota, now)) => {
            limiter.set_quota(quota, now);
            None
        }
        Deed::Forget => {
            limiter.forget(&key);
            None
        }
    }
}

/// Two keys and a seat for each: what is answered for a key is what its own bucket answers in some order. A change of the quota
/// is one of both keys.
#[test]
fn shuttle_exact_each_answer_is_that_of_some_order_of_the_keys_own_calls() {
    explore(|| {
        let dice = Dice;
        let quotas = [Quota::per_second(10).burst(3), Quota::per_minute(100).burst(5)];
        let limiter = Arc::new(ExactLimiter::new(quotas[0], 4).max_debt(2));
        let clock = Clock::at(NOW);
        let shared = Arc::clone(&limiter);
        let told: Vec<Vec<(Option<u32>, Done<Deed, Option<Answer>>)>> = together(4, move |_| {
            let call = |_| {
                let now = clock.pass(Duration::from_millis(dice.of(&[0, 0, 0, 40])));
                let key = dice.of(&[1, 2]);
                let (of, deed) = match dice.below(12) {
                    0 => (None, Deed::Call(Call::Become(dice.of(&quotas), now))),
                    1 => (Some(key), Deed::Forget),
                    _ => (Some(key), Deed::Call(Call::any(dice, 3, now))),
                };
                (of, done(deed, |deed| perform(&shared, key, deed)))
            };
            (0..4).map(call).collect()
        });
        for key in [1, 2] {
            let of_key: Vec<Vec<_>> = told
                .iter()
                .map(|thread| {
                    let own = thread.iter().filter(|(of, _)| of.is_none_or(|of| of == key));
                    own.map(|(_, done)| done.clone()).collect()
                })
                .collect();
            let model = Key(Bucket::with_debt(quotas[0], 2), quotas[0]);
            assert_explained(&model, &of_key, |_| true);
        }
        assert_eq!(limiter.times_saturated(), 0);
    });
}

/// More keys than seats: whoever has one keeps it while it owes something, so that no key gets more than its burst.
#[test]
fn shuttle_exact_keys_that_compete_for_seats_get_no_more_than_their_bursts() {
    explore(|| {
        let dice = Dice;
        let seats = dice.of(&[1, 2, 3]);
        let limiter = Arc::new(ExactLimiter::new(Quota::per_hour(1).burst(2), seats));
        let shared = Arc::clone(&limiter);
        let taken = together(5, move |_| {
            let mut taken = [0_u32; 5];
            for _ in 0..5 {
                let key = usize::try_from(dice.below(5)).unwrap();
                match dice.below(8) {
                    0 if taken[key] > 0 => {
                        shared.refund_n(&key, 1, NOW);
                        taken[key] -= 1;
                    }
                    _ => taken[key] += u32::from(shared.check(&key, NOW).is_admitted()),
                }
                assert!(shared.len() <= seats);
            }
            taken
        });
        for key in 0..5 {
            let taken: u32 = taken.iter().map(|taken| taken[key]).sum();
            assert!(taken <= 2, "{taken} are too many, at most 2");
            // What it owes is known to the seat, and a key that owes nothing has nothing to lose.
            let left = limiter.peek_n(&key, 0, NOW).standing().remaining();
            assert_eq!(taken + left, 2);
        }
    });
}
