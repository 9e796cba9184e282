use std::{
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    vec::Vec,
};

use proptest::prelude::*;

use super::{Permit, Permits};
use crate::{quota::tests::edgy_u32, test_support::rounds};

#[derive(Clone, Copy, Debug)]
enum Op {
    Acquire(u32),
    /// The permit that has this place among those alive, going round.
    Release(usize),
    SetLimit(u32),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..4_u32).prop_map(Op::Acquire),
        1 => edgy_u32().prop_map(Op::Acquire),
        4 => any::<usize>().prop_map(Op::Release),
        1 => (0..12_u32).prop_map(Op::SetLimit),
        1 => edgy_u32().prop_map(Op::SetLimit),
    ]
}

proptest! {
    #![proptest_config(crate::test_support::cases(2_000))]

    /// I1, I2 and I3: as a list of what is out, and a sum.
    #[test]
    fn equals_a_list_of_what_is_out(
        mut limit in prop_oneof![0..8_u32, edgy_u32()],
        ops in prop::collection::vec(any_op(), 0..60),
    ) {
        let permits = Permits::new(limit);
        let mut out: Vec<Permit> = Vec::new();
        for op in ops {
            let in_use: u64 = out.iter().map(|permit| u64::from(permit.units())).sum();
            match op {
                Op::Acquire(n) => {
                    let room = u64::from(limit).saturating_sub(in_use);
                    let granted = permits.try_acquire_n(n);
                    prop_assert_eq!(granted.is_some(), limit > 0 && u64::from(n) <= room);
                    out.extend(granted);
                }
                Op::Release(which) if !out.is_empty() => {
                    let which = which % out.len();
                    drop(out.swap_remove(which));
                }
                Op::Release(_) => {}
                Op::SetLimit(new) => {
                    permits.set_limit(new);
                    limit = new;
                }
            }
            let in_use: u64 = out.iter().map(|permit| u64::from(permit.units())).sum();
            prop_assert_eq!(u64::from(permits.in_use()), in_use);
            prop_assert_eq!(permits.limit(), limit);
        }
        drop(out);
        prop_assert_eq!(permits.in_use(), 0);
    }
}

#[test]
fn a_lowered_limit_lets_the_present_holders_finish() {
    let permits = Permits::new(3);
    let mut out: Vec<Permit> = (0..3).map(|_| permits.try_acquire().unwrap()).collect();
    permits.set_limit(1);
    assert_eq!((permits.in_use(), permits.limit()), (3, 1));
    for left in [2, 1] {
        assert!(permits.try_acquire().is_none());
        out.pop();
        assert_eq!(permits.in_use(), left);
    }
    assert!(permits.try_acquire().is_none());
    out.pop();
    out.extend(permits.try_acquire());
    assert_eq!(out.len(), 1);
    permits.set_limit(2);
    assert!(permits.try_acquire().is_some());
}

#[test]
fn a_limit_of_zero_grants_nothing() {
    let permits = Permits::new(0);
    assert!(permits.try_acquire().is_none());
    assert!(permits.try_acquire_n(0).is_none());
    permits.set_limit(u32::MAX);
    let all = permits.try_acquire_n(u32::MAX).unwrap();
    assert!(permits.try_acquire().is_none());
    assert_eq!(permits.try_acquire_n(0).unwrap().units(), 0);
    assert_eq!(permits.in_use(), u32::MAX);
    permits.set_limit(0);
    drop(all);
    assert_eq!((permits.in_use(), permits.limit()), (0, 0));
}

/// A future that awaits something while it holds a permit, and is dropped there.
pub(super) mod cancelled {
    use core::{
        future::{Future, pending},
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::Permit;

    /// Polls so many futures once, while `alongside` looks on, and drops them unfinished.
    pub(crate) fn holders(
        many: usize,
        acquire: impl Fn(usize) -> Permit,
        looked_at: impl Fn(usize),
    ) {
        let mut context = Context::from_waker(Waker::noop());
        for nth in 0..many {
            let mut holder = pin!(async {
                let permit = acquire(nth);
                pending::<()>().await;
                drop(permit);
            });
            assert_eq!(holder.as_mut().poll(&mut context), Poll::Pending);
            looked_at(nth);
        }
    }
}

/// I1: whatever becomes of the future, its permit comes back.
#[test]
fn ten_thousand_cancelled_futures_leak_nothing() {
    let permits = Permits::new(3);
    cancelled::holders(
        10_000,
        |_| permits.try_acquire_n(2).expect("the one before has given its units back"),
        |_| assert_eq!(permits.in_use(), 2),
    );
    assert_eq!(permits.in_use(), 0);
    assert!(permits.try_acquire_n(3).is_some());
}

/// I1: as above, where it ends by a panic.
#[test]
fn a_panic_gives_the_permit_back() {
    let permits = Permits::new(1);
    let ended = panic::catch_unwind(AssertUnwindSafe(|| {
        let _permit = permits.try_acquire().unwrap();
        panic::resume_unwind(std::boxed::Box::new("the handler fails"));
    }));
    assert!(ended.is_err());
    assert_eq!(permits.in_use(), 0);
}

#[test]
fn a_permit_comes_back_from_another_thread_and_after_its_limit() {
    let permits = Permits::new(1);
    let permit = permits.try_acquire().unwrap();
    let shared = permits.clone();
    thread::scope(|scope| scope.spawn(move || drop(permit)).join().unwrap());
    let last = shared.try_acquire().unwrap();
    drop((permits, shared));
    assert_eq!(last.units(), 1);
}

/// I2, by what the holders see of each other.
#[test]
fn threads_never_hold_more_than_the_limit() {
    let permits = Permits::new(7);
    let (held, most) = (AtomicU32::new(0), AtomicU32::new(0));
    let granted: u32 = thread::scope(|scope| {
        let workers: Vec<_> = (1..=4_u32)
            .map(|worker| {
                let (permits, held, most) = (&permits, &held, &most);
                scope.spawn(move || {
                    let mut granted = 0;
                    for turn in 0..rounds(5_000_u32, 60) {
                        let units = 1 + (turn + worker) % 4;
                        if let Some(permit) = permits.try_acquire_n(units) {
                            let before = held.fetch_add(units, Ordering::SeqCst);
                            most.fetch_max(before + units, Ordering::SeqCst);
                            if turn % rounds(64, 4) == 0 {
                                thread::yield_now();
                            }
                            held.fetch_sub(units, Ordering::SeqCst);
                            drop(permit);
                            granted += 1;
                        }
                    }
                    granted
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(granted > 0);
    assert!(most.into_inner() <= 7);
    assert_eq!(permits.in_use(), 0);
}

/// What the documentation says of memory.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_permit_is_as_small_as_promised() {
    assert!(size_of::<Permit>() <= 32 && size_of::<Permits>() == 8);
}

#[test]
fn debug_shows_the_numbers() {
    let permits = Permits::new(5);
    let permit = permits.try_acquire_n(2).unwrap();
    assert_eq!(std::format!("{permits:?}"), "Permits { limit: 5, in_use: 2 }");
    assert_eq!(std::format!("{permit:?}"), "Permit { units: 2, .. }");
}
