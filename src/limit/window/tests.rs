//! What the windows' tests share: steps of a caller and of its clock.

use core::time::Duration;

use proptest::prelude::*;

use super::SlidingWindow;
use crate::{quota::tests::edgy_u32, time::Timestamp};

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Check(u32),
    Peek(u32),
    Refund(u32),
    /// Of what was taken by the last check.
    RefundThen(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    Forward(u64),
    Back(u64),
    To(u64),
    /// To the beginning of a slot a few after this one, or so many nanoseconds before it.
    Slot(u64, u64),
    /// Wait as long as the last decision said.
    Retry,
    /// One nanosecond less than that.
    Early,
}

pub(super) fn any_op() -> impl Strategy<Value = Op> {
    let few = || prop_oneof![4 => 0..4_u32, 1 => edgy_u32()];
    prop_oneof![
        6 => few().prop_map(Op::Check),
        6 => Just(Op::Check(1)),
        2 => few().prop_map(Op::Peek),
        1 => few().prop_map(Op::Refund),
        1 => few().prop_map(Op::RefundThen),
    ]
}

pub(super) fn any_move() -> impl Strategy<Value = Move> {
    let step = || prop_oneof![0..4_u64, (0..64_u32).prop_map(|bit| 1 << bit), 0..3_000_000_000_u64];
    prop_oneof![
        3 => step().prop_map(Move::Forward),
        1 => step().prop_map(Move::Back),
        1 => (0..3_u64).prop_map(Move::To),
        1 => (0..3_u64).prop_map(|below| Move::To(u64::MAX - below)),
        6 => (0..4_u64, 0..2_u64).prop_map(|(slots, before)| Move::Slot(slots, before)),
        3 => Just(Move::Retry),
        2 => Just(Move::Early),
    ]
}

pub(super) fn moved(now: Timestamp, step: Move, slot: u64, wait: Duration) -> Timestamp {
    let nanos = now.as_nanos();
    Timestamp::from_nanos(match step {
        Move::Forward(by) => nanos.saturating_add(by),
        Move::Back(by) => nanos.saturating_sub(by),
        Move::To(nanos) => nanos,
        Move::Slot(slots, before) => {
            (nanos / slot).saturating_add(slots).saturating_mul(slot).saturating_sub(before)
        }
        Move::Retry if wait < Duration::MAX => now.saturating_add(wait).as_nanos(),
        Move::Early if wait < Duration::MAX => {
            now.saturating_add(wait.saturating_sub(Duration::from_nanos(1))).as_nanos()
        }
        Move::Retry | Move::Early => nanos,
    })
}

/// A window that can be built: few units and sub-windows, or the least length for many units.
pub(super) fn any_window() -> impl Strategy<Value = (u32, Duration, u32)> {
    let limit = prop_oneof![6 => 0..6_u32, 1 => edgy_u32()];
    let parts = prop_oneof![12 => 1..5_u32, 2 => 5..20_u32, 1 => 250..257_u32];
    let spare = prop_oneof![
        2 => 0..4_u64,
        4 => 0..3_000_000_000_u64,
        1 => 0..3_000_000_000_000_000_000_u64
    ];
    (limit, parts, spare).prop_filter_map("too long", |(limit, parts, spare)| {
        let least = 32 * u64::from(limit.max(1)) * u64::from(parts);
        let window = Duration::from_nanos(least + spare);
        SlidingWindow::new(limit, window, parts).is_ok().then_some((limit, window, parts))
    })
}
