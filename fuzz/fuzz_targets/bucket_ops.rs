//! A bucket answers every sequence of operations as its models do.
//!
//! Two models: the same rules with time in 128 bits, which must agree on everything whatever the
//! clock does; and the token bucket in rational arithmetic, which knows nothing of ticks, and must
//! have admitted whatever the bucket admits while the clock goes forward.
//!
//! A bucket whose quota is changed along the way goes through the same story, with a model of its own.

#![no_main]

mod any_quota;

use std::time::Duration;

use any_quota::AnyQuota;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use portcullis::{
    AdjustableBucket, Timestamp, TokenBucket,
    limit::reference::{Answer, Bucket, Exact},
};

#[derive(Arbitrary, Debug)]
struct Story {
    quota: AnyQuota,
    /// Room for debt.
    debt: Option<u32>,
    start: u64,
    steps: Vec<(Move, Operation)>,
}

#[derive(Arbitrary, Debug)]
enum Move {
    Stay,
    /// As far as the last denial said to wait, or so much short of it.
    Wait {
        short_of: u8,
    },
    Nanos(u16),
    Millis(u16),
    Forward(u64),
    Back(u16),
    BackMillis(u16),
    To(u64),
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Check(u8),
    CheckMany(u32),
    Peek(u32),
    Refund(u32),
    Charge(u32),
    Settle {
        reserved: u32,
        actual: u32,
    },
    Cancel(u32),
    /// For the adjustable bucket only.
    SetQuota(AnyQuota),
}

impl Move {
    fn apply(&self, now: Timestamp, wait: Duration) -> Timestamp {
        let millis = |millis: u16| Duration::from_millis(u64::from(millis));
        match *self {
            Self::Stay => now,
            Self::Wait { short_of } => now
                .saturating_add(wait)
                .saturating_sub(Duration::from_nanos(u64::from(short_of)).min(wait)),
            Self::Nanos(by) => now.saturating_add(Duration::from_nanos(u64::from(by))),
            Self::Millis(by) => now.saturating_add(millis(by)),
            Self::Forward(by) => now.saturating_add(Duration::from_nanos(by)),
            Self::Back(by) => now.saturating_sub(Duration::from_nanos(u64::from(by))),
            Self::BackMillis(by) => now.saturating_sub(millis(by)),
            Self::To(nanos) => Timestamp::from_nanos(nanos),
        }
    }
}

/// The bucket whose quota changes, and its model.
struct Adjustable {
    bucket: AdjustableBucket,
    model: Bucket,
}

impl Adjustable {
    fn follow(&mut self, operation: &Operation, now: Timestamp) {
        let Self { bucket, model } = self;
        match operation {
            Operation::Check(n) => check(bucket, model, u32::from(*n), now),
            Operation::CheckMany(n) => check(bucket, model, *n, now),
            Operation::Peek(_) => {}
            Operation::Refund(n) => {
                bucket.refund_n(*n, now);
                model.refund_n(*n, now);
            }
            Operation::Charge(n) => {
                bucket.charge_n(*n, now);
                model.charge_n(*n, now);
            }
            Operation::Settle { reserved, actual } => {
                settle(bucket, model, *reserved, *actual, now)
            }
            Operation::Cancel(n) => settle(bucket, model, *n, 0, now),
            Operation::SetQuota(quota) => {
                if let Some(quota) = quota.build() {
                    bucket.set_quota(quota, now);
                    model.set_quota(quota, now);
                    assert_eq!(bucket.quota(), quota);
                }
            }
        }
        let expected = model.clone().check_n(0, now);
        assert_eq!(Answer::from(bucket.peek_n(0, now)), expected, "after {operation:?} at {now:?}");
    }
}

fn check(bucket: &AdjustableBucket, model: &mut Bucket, n: u32, now: Timestamp) {
    let given = Answer::from(bucket.check_n(n, now));
    assert_eq!(given, model.check_n(n, now), "{n} at {now:?}");
}

fn settle(bucket: &AdjustableBucket, model: &mut Bucket, n: u32, actual: u32, now: Timestamp) {
    let outcome = bucket.reserve_n(n, now);
    assert_eq!(outcome.is_ok(), model.check_n(n, now).admitted, "{n} at {now:?}");
    if let Ok(reservation) = outcome {
        bucket.settle(reservation, actual, now);
        model.refund_n(n.saturating_sub(actual), now);
        model.charge_n(actual.saturating_sub(n), now);
    }
}

fuzz_target!(|story: Story| {
    let Some(quota) = story.quota.build() else { return };
    let debt = story.debt.unwrap_or(0);
    let bucket = TokenBucket::with_debt(quota, debt);
    let mut model = Bucket::with_debt(quota, debt);
    let mut exact = Exact::with_debt(quota, debt);
    let mut adjustable = Adjustable {
        bucket: AdjustableBucket::with_debt(quota, debt),
        model: Bucket::adjustable(quota, debt),
    };
    let mut now = Timestamp::from_nanos(story.start);
    let mut latest = now;
    let mut wait = Duration::ZERO;
    // Until the clock first steps back, or a refund gives back intervals of the bucket's length,
    // which may be longer than the exact ones.
    let mut forward = true;

    for (step, operation) in &story.steps {
        now = step.apply(now, wait);
        forward &= now >= latest;
        latest = latest.max(now);
        adjustable.follow(operation, now);
        let n = match *operation {
            Operation::SetQuota(_) => continue,
            Operation::Check(n) => u32::from(n),
            Operation::CheckMany(n) => n,
            Operation::Peek(n) => {
                let expected = model.clone().check_n(n, now);
                let peeked = Answer::from(bucket.peek_n(n, now));
                assert_eq!(peeked.admitted, expected.admitted, "peek of {n} at {now:?}");
                assert_eq!(peeked.retry_after, expected.retry_after, "peek of {n} at {now:?}");
                // It took nothing.
                assert_eq!(Answer::from(bucket.peek_n(n, now)), peeked);
                continue;
            }
            Operation::Refund(n) => {
                bucket.refund_n(n, now);
                model.refund_n(n, now);
                forward = false;
                continue;
            }
            Operation::Charge(n) => {
                bucket.charge_n(n, now);
                model.charge_n(n, now);
                exact.charge_n(n, now);
                continue;
            }
            Operation::Settle { reserved, actual } => {
                let expected = model.check_n(reserved, now);
                let outcome = bucket.reserve_n(reserved, now);
                assert_eq!(outcome.is_ok(), expected.admitted, "{reserved} of {quota} at {now:?}");
                forward = false;
                if let Ok(reservation) = outcome {
                    bucket.settle(reservation, actual, now);
                    model.refund_n(reserved.saturating_sub(actual), now);
                    model.charge_n(actual.saturating_sub(reserved), now);
                }
                continue;
            }
            Operation::Cancel(n) => {
                forward = false;
                if let Ok(reservation) = bucket.reserve_n(n, now) {
                    assert!(model.check_n(n, now).admitted, "{n} of {quota} at {now:?}");
                    bucket.cancel(reservation, now);
                    model.refund_n(n, now);
                } else {
                    assert!(!model.check_n(n, now).admitted, "{n} of {quota} at {now:?}");
                }
                continue;
            }
        };
        let given = Answer::from(bucket.check_n(n, now));
        assert_eq!(given, model.check_n(n, now), "{n} of {quota} at {now:?}");
        if forward && given.admitted && n != 0 {
            assert!(exact.would_admit(n, now), "{n} of {quota} at {now:?} is too many");
            exact.charge(n, now);
        }
        wait = if given.retry_after == Duration::MAX { Duration::ZERO } else { given.retry_after };
    }
});
