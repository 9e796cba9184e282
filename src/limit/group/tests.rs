use core::{
    cell::{Cell, RefCell},
    time::Duration,
};
use std::{string::String, thread, vec::Vec};

use proptest::prelude::*;

use super::{Limit, Member, check_all};
use crate::{
    limit::{
        AdjustableBucket, Capacity, ExactLimiter, KeyedLimiter, OnSaturation, SlidingWindow,
        TokenBucket, WindowLog, reference::Bucket,
    },
    quota::Quota,
    test_support::{cases, rounds},
    time::Timestamp,
    verdict::Decision,
};

const NOW: Timestamp = Timestamp::from_secs(10);

proptest! {
    #![proptest_config(cases(500))]

    /// I1, I2 and I3, against models of which all are asked before any is charged.
    #[test]
    fn all_are_charged_or_none(
        quotas in prop::collection::vec((1..20_u32, 1..20_u32), 1..5),
        story in prop::collection::vec((prop::collection::vec(0..8_u32, 5), 0..300_u64), 1..60),
    ) {
        let quotas: Vec<Quota> =
            quotas.iter().map(|(count, burst)| Quota::per_second(*count).burst(*burst)).collect();
        let buckets: Vec<TokenBucket> = quotas.iter().map(|quota| TokenBucket::new(*quota)).collect();
        let mut models: Vec<Bucket> = quotas.iter().map(|quota| Bucket::new(*quota)).collect();
        let mut now = NOW;
        for (units, forward) in story {
            now = now.saturating_add(Duration::from_millis(forward));
            let members: Vec<Member<'_>> = buckets
                .iter()
                .zip(&units)
                .map(|(bucket, units)| Member::new(bucket, *units))
                .collect();
            let mut asked = models.clone();
            let answers: Vec<_> = asked
                .iter_mut()
                .zip(&units)
                .map(|(model, units)| model.check_n(*units, now))
                .collect();
            let admitted = answers.iter().all(|answer| answer.admitted);
            if admitted {
                models = asked;
            }
            let decision = check_all(&members, now);
            prop_assert_eq!(decision.is_admitted(), admitted);
            let strictest = decision.strictest().unwrap();
            let standing = decision.standing().unwrap();
            prop_assert_eq!(standing.retry_after(), answers[strictest].retry_after);
            let longest = answers.iter().map(|answer| answer.retry_after).max().unwrap();
            prop_assert_eq!(standing.retry_after(), longest);
            if admitted {
                let fewest = answers.iter().map(|answer| answer.remaining).min().unwrap();
                prop_assert_eq!(standing.remaining(), fewest);
            }
        }
    }
}

/// All kinds of limits stand together.
#[test]
fn limits_of_all_kinds_are_members() {
    let bucket = TokenBucket::new(Quota::per_hour(10));
    let adjustable = AdjustableBucket::new(Quota::per_hour(9));
    let window = SlidingWindow::new(8, Duration::from_secs(3_600), 4).unwrap();
    let log = WindowLog::new(7, Duration::from_secs(3_600)).unwrap();
    let keyed = KeyedLimiter::new(Quota::per_hour(6), Capacity::keys(10)).unwrap();
    let exact: ExactLimiter<String> = ExactLimiter::new(Quota::per_hour(5), 10);
    let (on_keyed, on_exact) = (keyed.on("key"), exact.on("key"));
    let limits: [&dyn Limit; 6] = [&bucket, &adjustable, &window, &log, &on_keyed, &on_exact];
    let members = limits.map(|limit| Member::new(limit, 1));
    for left in (0..5).rev() {
        let decision = check_all(&members, NOW);
        assert!(decision.is_admitted());
        assert_eq!(decision.standing().unwrap().remaining(), left);
    }
    let denied = check_all(&members, NOW);
    assert_eq!((denied.is_denied(), denied.strictest()), (true, Some(5)));
    let left = limits.map(|limit| limit.peek_n(0, NOW).standing().remaining());
    assert_eq!(left, [5, 4, 3, 2, 1, 0], "a denial has taken from none");
}

#[test]
fn no_limit_limits_nobody() {
    let decision = check_all(&[], NOW);
    assert!(decision.is_admitted());
    assert_eq!((decision.strictest(), decision.standing()), (None, None));
}

/// A limit that says yes when asked and no when charged, as if somebody had been faster.
struct Fickle<'a> {
    inner: TokenBucket,
    denies: Cell<bool>,
    log: &'a RefCell<Vec<&'static str>>,
}

impl Limit for Fickle<'_> {
    fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        self.log.borrow_mut().push("asked");
        self.inner.peek_n(n, now)
    }

    fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        self.log.borrow_mut().push("charged");
        if self.denies.get() {
            TokenBucket::new(Quota::per_second(0)).check(now)
        } else {
            self.inner.check_n(n, now)
        }
    }

    fn refund_n(&self, n: u32, now: Timestamp) {
        self.log.borrow_mut().push("refunded");
        self.inner.refund_n(n, now);
    }
}

/// I1 in a race: what was charged is given back, also to a member that has no place and took nothing.
#[test]
fn what_was_charged_before_a_race_was_lost_comes_back() {
    let log = RefCell::new(Vec::new());
    let fickle =
        Fickle { inner: TokenBucket::new(Quota::per_hour(5)), denies: Cell::new(true), log: &log };
    let before = TokenBucket::new(Quota::per_hour(5));
    let last = TokenBucket::new(Quota::per_hour(5));
    let full = KeyedLimiter::new(Quota::per_hour(5), Capacity::keys(1))
        .unwrap()
        .on_saturation(OnSaturation::Allow);
    for key in 0..7_u32 {
        assert!(full.check(&key, NOW).is_admitted());
    }
    let unseated = full.on("nobody");
    let members = [
        Member::new(&unseated, 1),
        Member::new(&before, 2),
        Member::new(&fickle, 1),
        Member::new(&last, 3),
    ];
    let decision = check_all(&members, NOW);
    assert_eq!((decision.is_denied(), decision.strictest()), (true, Some(2)));
    assert_eq!(*log.borrow(), ["asked", "charged"]);
    for bucket in [&before, &last] {
        assert_eq!(bucket.peek_n(1, NOW).standing().remaining(), 5);
    }
    fickle.denies.set(false);
    assert!(check_all(&members, NOW).is_admitted());
    assert_eq!(before.peek_n(1, NOW).standing().remaining(), 3);
}

/// A limit that lets everybody pass for want of a place, and counts what is given back to it.
struct Unjudged(Decision, Cell<u32>);

impl Limit for Unjudged {
    fn peek_n(&self, _: u32, _: Timestamp) -> Decision {
        self.0
    }

    fn check_n(&self, _: u32, _: Timestamp) -> Decision {
        self.0
    }

    fn refund_n(&self, n: u32, _: Timestamp) {
        self.1.set(self.1.get() + n);
    }
}

/// I1 in a race: who has taken nothing gets nothing back, wherever it stands.
#[test]
fn a_member_that_did_not_judge_gets_nothing_back() {
    let full: ExactLimiter<u32> =
        ExactLimiter::new(Quota::per_hour(1), 0).on_saturation(OnSaturation::Allow);
    let [first, last] = [(); 2].map(|()| Unjudged(full.check(&1, NOW), Cell::new(0)));
    assert!(first.0.is_admitted() && first.0.is_saturated());
    let log = RefCell::new(Vec::new());
    let inner = TokenBucket::new(Quota::per_hour(5));
    let fickle = Fickle { inner, denies: Cell::new(true), log: &log };
    let before = TokenBucket::new(Quota::per_hour(5));
    let members = [
        Member::new(&before, 2),
        Member::new(&first, 1),
        Member::new(&fickle, 1),
        Member::new(&last, 1),
    ];
    assert!(check_all(&members, NOW).is_denied());
    assert_eq!((first.1.get(), last.1.get()), (0, 0));
    assert_eq!(before.peek_n(0, NOW).standing().remaining(), 5);
}

/// Threads that race for the last units of two limits never take more, and leave what was there.
#[test]
fn threads_take_from_both_limits_alike() {
    for round in 0..rounds(100, 2) {
        let now = Timestamp::from_secs(10 + round);
        let [one, other] = [40, 30].map(|units| TokenBucket::new(Quota::per_day(units)));
        let admitted: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|thread| {
                    let (one, other) = (&one, &other);
                    scope.spawn(move || {
                        let mut members = [Member::new(one, 1), Member::new(other, 1)];
                        if thread == 1 {
                            members.reverse();
                        }
                        (0..20).filter(|_| check_all(&members, now).is_admitted()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(admitted <= 30);
        let left = |bucket: &TokenBucket| bucket.peek_n(0, now).standing().remaining() as usize;
        assert_eq!((left(&one), left(&other)), (40 - admitted, 30 - admitted));
    }
}

/// I4. A clock that is set back locks nobody out, whichever of the limits it was and wherever it stands.
#[test]
fn a_clock_set_back_is_healed_in_every_member() {
    let quota = Quota::per_second(10);
    let window = Duration::from_secs(1);
    let bucket = TokenBucket::new(quota);
    let adjustable = AdjustableBucket::new(quota);
    let keyed = KeyedLimiter::new(quota, Capacity::keys(100)).unwrap();
    let exact = ExactLimiter::<u32>::new(quota, 10);
    let sliding = SlidingWindow::new(10, window, 10).unwrap();
    let log = WindowLog::new(10, window).unwrap();
    let (of_keyed, of_exact) = (keyed.on(&1), exact.on(&1));
    let all: [&dyn Limit; 6] = [&bucket, &adjustable, &of_keyed, &of_exact, &sliding, &log];
    let hours = |hours: u64| Timestamp::from_secs(3_600 * hours);
    for (number, limit) in all.into_iter().enumerate() {
        let roomy = TokenBucket::new(Quota::per_second(1_000));
        for (place, late) in [(0, hours(5)), (1, hours(7)), (2, hours(9))] {
            let mut members = [Member::new(&roomy, 1); 3];
            members[place] = Member::new(limit, 1);
            // One unit is enough: what is owed then is owed for hours.
            assert!(check_all(&members, late).is_admitted(), "limit {number} at {place}");
            let early = late.saturating_sub(Duration::from_secs(3_600));
            for _ in 0..3 {
                let _ = check_all(&members, early);
            }
            // One burst is forgiven at the most, and it takes its time to come back.
            let healed = early.saturating_add(Duration::from_millis(1_200));
            assert!(check_all(&members, healed).is_admitted(), "limit {number} at {place}");
        }
    }
    // Two that need it heal together, and a denial has still taken nothing.
    let [one, other, roomy] = [(); 3].map(|()| TokenBucket::new(quota));
    let members = [Member::new(&one, 10), Member::new(&other, 10), Member::new(&roomy, 1)];
    assert!(check_all(&members, hours(9)).is_admitted());
    assert!(check_all(&members, hours(8)).is_denied());
    let healed = hours(8).saturating_add(Duration::from_secs(1));
    assert!(check_all(&members, healed).is_admitted());
}

/// A limit of somebody's, which refuses when it is asked and says whatever is wanted when it is charged.
struct Changeable {
    charged: Decision,
    refunds: Cell<u32>,
}

impl Limit for Changeable {
    fn peek_n(&self, _: u32, now: Timestamp) -> Decision {
        let empty = TokenBucket::new(Quota::per_hour(1).burst(1));
        let _ = empty.check(now);
        empty.check(now)
    }

    fn check_n(&self, _: u32, _: Timestamp) -> Decision {
        self.charged
    }

    fn refund_n(&self, n: u32, _: Timestamp) {
        self.refunds.set(self.refunds.get() + n);
    }
}

#[test]
fn what_was_taken_in_vain_is_given_back_and_nothing_else() {
    let there = TokenBucket::new(Quota::per_hour(1).burst(9)).check(NOW);
    let denied = TokenBucket::new(Quota::per_hour(0)).check(NOW);
    let full: ExactLimiter<u32> =
        ExactLimiter::new(Quota::per_hour(1).burst(2), 1).on_saturation(OnSaturation::Allow);
    assert!(full.check(&1, NOW).is_admitted());
    let unseated = full.check(&2, NOW);
    assert!(unseated.is_admitted() && unseated.is_saturated());
    for (charged, refunds) in [(there, 3), (denied, 0), (unseated, 0)] {
        let limit = Changeable { charged, refunds: Cell::new(0) };
        super::check_in_vain(&limit, 3, NOW);
        assert_eq!(limit.refunds.get(), refunds);
    }
}

#[test]
fn a_key_of_an_exact_limit_gets_back_what_its_group_was_denied() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_hour(1).burst(3), 4);
    let on = limiter.on(&1);
    assert!(on.check_n(3, NOW).is_admitted());
    on.refund_n(2, NOW);
    assert!(limiter.check_n(&1, 3, NOW).is_denied());
    assert!(limiter.check_n(&1, 2, NOW).is_admitted());
}
