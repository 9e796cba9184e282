//! The keyed store that keeps its keys.

use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::{NOW, explore};
use crate::{limit::ExactLimiter, quota::Quota};

type Limiter = ExactLimiter<u32>;

fn spawn<R: 'static>(
    limiter: &Arc<Limiter>,
    act: impl FnOnce(&Limiter) -> R + 'static,
) -> thread::JoinHandle<R> {
    let limiter = Arc::clone(limiter);
    thread::spawn(move || act(&limiter))
}

/// Two new keys and one free seat: one of them gets it; and a key that both bring shares one bucket.
#[test]
fn loom_newcomers_never_share_a_seat_or_take_two() {
    for keys in [[1, 2], [1, 1]] {
        explore(move || {
            let limiter: Arc<Limiter> = Arc::new(ExactLimiter::new(Quota::per_second(1), 1));
            let threads: Vec<_> = keys
                .iter()
                .map(|&key| spawn(&limiter, move |l| u32::from(l.check(&key, NOW).is_admitted())))
                .collect();
            let admitted: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(admitted, 1);
            assert_eq!(limiter.len(), 1);
        });
    }
}

/// A new key takes the seat of one that is full, while that one is charged: whoever comes first keeps
/// it, and the charge is either there or was never made.
#[test]
fn loom_a_seat_is_claimed_or_charged() {
    explore(|| {
        let limiter: Arc<Limiter> = Arc::new(ExactLimiter::new(Quota::per_second(1).burst(3), 1));
        assert!(limiter.check(&1, NOW).is_admitted());
        // Full again, and so free to be taken.
        let later = NOW.saturating_add(core::time::Duration::from_secs(1));
        let charging = spawn(&limiter, move |l| l.charge_n(&1, 2, later));
        let claiming = spawn(&limiter, move |l| l.check(&2, later));
        charging.join().unwrap();
        let claimed = claiming.join().unwrap();
        let lost = limiter.times_saturated();
        assert_eq!(lost, 1, "one seat, and both owe something");
        let left = limiter.peek_n(&1, 1, later).standing().remaining();
        assert_eq!(left, if claimed.is_admitted() { 3 } else { 1 });
    });
}

/// Checks race a change of the quota: each is judged by the old or by the new one, and together they
/// take what the larger gives, no matter in which order.
#[test]
fn loom_a_change_against_checks() {
    for (from, to) in [(1, 3), (3, 1)] {
        explore(move || {
            let limiter: Arc<Limiter> =
                Arc::new(ExactLimiter::new(Quota::per_second(1).burst(from), 1));
            let changing = spawn(&limiter, move |l| {
                l.set_quota(Quota::per_minute(1).burst(to), NOW);
            });
            let checking = spawn(&limiter, |l| {
                [l.check_n(&1, 1, NOW), l.check_n(&1, 2, NOW)].map(|decision| {
                    let limit = decision.standing().limit();
                    assert!(limit == 1 || limit == 3);
                    u32::from(decision.is_admitted())
                })
            });
            changing.join().unwrap();
            let [one, two] = checking.join().unwrap();
            assert_eq!(one, 1, "there is one under either quota");
            let taken = one + two * 2;
            let left = limiter.peek_n(&1, 1, NOW).standing().remaining();
            assert_eq!(left, to.saturating_sub(taken), "what was owed is owed");
        });
    }
}

/// Two changes at once: one of them is the last one, everywhere.
#[test]
fn loom_two_changes_leave_one_quota() {
    explore(|| {
        let limiter: Arc<Limiter> = Arc::new(ExactLimiter::new(Quota::per_second(1), 2_048));
        let changes =
            [2, 3].map(|n| spawn(&limiter, move |l| l.set_quota(Quota::per_second(n), NOW)));
        let _ = changes.map(|change| change.join().unwrap());
        let burst = limiter.quota().max_burst();
        for key in 0..16 {
            assert_eq!(limiter.peek_n(&key, 1, NOW).standing().limit(), burst);
        }
    });
}

/// A key gets a quota of its own while it is checked and forgotten: it has a place with it, or none.
#[test]
fn loom_a_quota_of_its_own_against_a_check_and_a_pardon() {
    explore(|| {
        let limiter: Arc<Limiter> = Arc::new(ExactLimiter::new(Quota::per_second(1), 1));
        let giving = spawn(&limiter, |l| l.set_key_quota(&1, Quota::per_second(5), NOW));
        let checking = spawn(&limiter, |l| l.check(&1, NOW).is_admitted());
        let forgetting = spawn(&limiter, |l| l.forget(&1));
        assert_eq!(giving.join().unwrap(), Ok(()));
        assert!(checking.join().unwrap());
        let _ = forgetting.join().unwrap();
        let own = limiter.key_quota(&1);
        assert!(limiter.len() == 1 || own.is_none());
        let left = limiter.peek_n(&1, 1, NOW).standing().remaining();
        match own {
            Some(own) => assert!(own == Quota::per_second(5) && left >= 4),
            None => assert!(left <= 1),
        }
    });
}
