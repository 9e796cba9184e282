use core::time::Duration;
use std::string::ToString;

use proptest::prelude::*;

use super::{Ramp, is_slower};
use crate::{
    limit::Share,
    quota::{
        Quota,
        tests::{any_quota, edgy_u32},
    },
    time::Timestamp,
};

fn any_share() -> impl Strategy<Value = Share> {
    prop_oneof![
        2 => (0..=1_000_000_u32).prop_map(Share::per_million),
        1 => (0..3_u32).prop_map(Share::per_million),
        1 => (0..3_u32).prop_map(|below| Share::per_million(1_000_000 - below)),
    ]
}

/// Moments and lengths of all sizes, with the ends of time.
fn any_nanos() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => 0..4_u64,
        2 => (0..64_u32, 0..3_u64).prop_map(|(bit, off)| (1_u64 << bit).saturating_add(off)),
        2 => (0..100_000_u64).prop_map(|millis| millis * 1_000_000),
        1 => (0..3_u64).prop_map(|below| u64::MAX - below),
        1 => any::<u64>(),
    ]
}

fn any_length() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => any_nanos().prop_map(Duration::from_nanos),
        1 => any_nanos().prop_map(Duration::from_secs),
        1 => Just(Duration::MAX),
    ]
}

/// A moment before, in, at the edges of or after a way.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Any(u64),
    AfterStart(u64),
    BeforeEnd(u64),
    /// So many 2⁻⁶⁴ of the way.
    Inside(u64),
}

impl Moment {
    fn of(self, start: Timestamp, over: Duration) -> Timestamp {
        let end = start.saturating_add(over);
        match self {
            Self::Any(nanos) => Timestamp::from_nanos(nanos),
            Self::AfterStart(nanos) => start.saturating_add(Duration::from_nanos(nanos)),
            Self::BeforeEnd(nanos) => end.saturating_sub(Duration::from_nanos(nanos)),
            Self::Inside(part) => {
                let length = end.saturating_duration_since(start).as_nanos();
                let inside = u64::try_from((length * u128::from(part)) >> 64).unwrap();
                start.saturating_add(Duration::from_nanos(inside))
            }
        }
    }
}

fn any_moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        1 => any_nanos().prop_map(Moment::Any),
        1 => (0..4_u64).prop_map(Moment::AfterStart),
        1 => (0..4_u64).prop_map(Moment::BeforeEnd),
        3 => any::<u64>().prop_map(Moment::Inside),
    ]
}

fn before(start: Timestamp) -> impl Iterator<Item = Timestamp> {
    [0, 1].map(|by| start.saturating_sub(Duration::from_nanos(by))).into_iter()
}

/// As exact as quotas are: which rate is higher, in whole numbers.
fn in_order(quotas: [Quota; 3]) -> bool {
    let rates = quotas.windows(2).all(|pair| !is_slower(pair[1], pair[0]));
    rates && quotas.windows(2).all(|pair| pair[0].max_burst() <= pair[1].max_burst())
}

proptest! {
    #![proptest_config(crate::test_support::cases(2_000))]

    /// I1 and I2 of shares, and I4 against the line in whole numbers.
    #[test]
    fn a_share_moves_from_one_end_to_the_other(
        (from, to) in (any_share(), any_share()),
        (start, over) in (any_nanos().prop_map(Timestamp::from_nanos), any_length()),
        (one, other) in (any_moment(), any_moment()),
    ) {
        let ramp = Ramp::new(from, to, start, over);
        let (one, other) = (one.of(start, over), other.of(start, over));
        let (earlier, later) = (one.min(other), one.max(other));
        let (first, second) = (ramp.at(earlier), ramp.at(later));
        if from <= to {
            prop_assert!(from <= first && first <= second && second <= to);
        } else {
            prop_assert!(from >= first && first >= second && second >= to);
        }
        for now in before(start) {
            prop_assert!(ramp.at(now) == from || over.is_zero() && now == start);
        }
        let over = over.min(Duration::from_nanos(u64::MAX));
        if let Some(end) = start.checked_add(over) {
            prop_assert_eq!(ramp.at(end), to);
            prop_assert!(ramp.is_over(end));
            prop_assert_eq!(ramp.at(Timestamp::MAX), to);
        }
        if !ramp.is_over(earlier) && earlier >= start {
            // Both sides times `over`: below 2^20 · 2^94.
            let elapsed = u128::from(earlier.as_nanos() - start.as_nanos());
            let line = u128::from(from.as_per_million()) * (over.as_nanos() - elapsed)
                + u128::from(to.as_per_million()) * elapsed;
            let value = u128::from(first.as_per_million());
            prop_assert!(value * over.as_nanos() <= line && line < (value + 1) * over.as_nanos());
        }
    }

    /// I1 and I2 of quotas, over all of them.
    #[test]
    fn a_quota_moves_from_one_end_to_the_other(
        (from, to) in (any_quota(), any_quota()),
        (start, over) in (any_nanos().prop_map(Timestamp::from_nanos), any_length()),
        (one, other) in (any_moment(), any_moment()),
    ) {
        let ramp = Ramp::new(from, to, start, over);
        let (one, other) = (one.of(start, over), other.of(start, over));
        let (first, second) = (ramp.at(one.min(other)), ramp.at(one.max(other)));
        // Rates and bursts may move in opposite directions, so each is put in order by itself.
        let bursts = |quota: Quota| Quota::per_second(1).burst(quota.max_burst());
        let rates = |quota: Quota| quota.burst(1);
        for only in [&bursts as &dyn Fn(Quota) -> Quota, &rates] {
            let [from, to, first, second] = [from, to, first, second].map(only);
            let up = in_order([from, first, second]) && in_order([first, second, to]);
            let down = in_order([second, first, from]) && in_order([to, second, first]);
            prop_assert!(up || down, "{from} .. {first} .. {second} .. {to}");
        }
        for now in before(start) {
            prop_assert!(ramp.at(now) == from || over.is_zero() && now == start);
        }
        if let Some(end) = start.checked_add(over) {
            prop_assert_eq!(ramp.at(end), to);
            prop_assert_eq!(ramp.at(Timestamp::MAX), to);
        }
    }

    /// I4 of quotas, against the line: from above in whole numbers, from below as `f64` can tell.
    #[test]
    fn a_rate_is_a_little_below_the_line_and_a_burst_a_little_above(
        ends in [(edgy_u32(), edgy_u32()), (edgy_u32(), edgy_u32())],
        period in 1_000_000_000..1_u64 << 40,
        (elapsed, over) in (0..1_u64 << 20).prop_flat_map(|over| (0..=over, Just(over + 1))),
    ) {
        let period_of = Duration::from_nanos(period);
        let [from, to] = ends.map(|(count, burst)| Quota::new(count, period_of).unwrap().burst(burst));
        let ramp = Ramp::new(from, to, Timestamp::ZERO, Duration::from_nanos(over));
        let value = ramp.at(Timestamp::from_nanos(elapsed));

        let line = |from: u32, to: u32| {
            u128::from(from) * u128::from(over - elapsed) + u128::from(to) * u128::from(elapsed)
        };
        let counts = line(from.count(), to.count());
        let mine = u128::from(value.count()) * u128::from(over) * u128::from(period);
        let value_period = value.period().as_nanos();
        prop_assert!(mine <= counts * value_period, "{value} is above the line");
        let per_second = |count: f64, period: u128| count * 1e9 / period as f64;
        let wanted = per_second(counts as f64 / over as f64, period.into());
        let got = per_second(value.count().into(), value_period);
        let allowed = (wanted + 1.0) / f64::from(1_u32 << 31);
        prop_assert!(wanted - got <= allowed, "{value}: {got} for {wanted}");

        let bursts = line(from.max_burst(), to.max_burst());
        prop_assert_eq!(u128::from(value.max_burst()), bursts.div_ceil(over.into()));
    }

    /// I3, and nothing about it depends on how often.
    #[test]
    fn a_ramp_that_is_redirected_goes_on_from_where_it_is(
        (from, to, back) in (any_quota(), any_quota(), any_quota()),
        (start, over) in (any_nanos().prop_map(Timestamp::from_nanos), any_length()),
        (moment, then) in (any_moment(), 1..u64::MAX),
    ) {
        let ramp = Ramp::new(from, to, start, over);
        let now = moment.of(start, over);
        let redirected = ramp.redirect(back, now, Duration::from_nanos(then));
        prop_assert_eq!(redirected.at(now), ramp.at(now));
        prop_assert_eq!(redirected.target(), back);
        prop_assert_eq!(ramp.redirect(back, now, Duration::ZERO).at(now), back);
    }

}

proptest! {
    #![proptest_config(crate::test_support::cases(100))]

    /// I2, as a client meets it: on the way up nobody who was let in is sent away again.
    #[test]
    fn who_is_let_in_stays_in(
        (small, large) in (any_share(), any_share()).prop_map(|(a, b)| (a.min(b), a.max(b))),
        hashes in prop::collection::vec(any::<u64>(), 10),
    ) {
        let ramp = Ramp::new(small, large, Timestamp::from_secs(10), Duration::from_secs(100));
        for hash in hashes {
            let mut inside = false;
            prop_assert_eq!(ramp.admits(hash, Timestamp::ZERO), small.takes_in(hash));
            for secs in 0..120 {
                let admits = ramp.admits(hash, Timestamp::from_secs(secs));
                prop_assert!(admits || !inside);
                inside = admits;
            }
            prop_assert_eq!(inside, large.takes_in(hash));
        }
    }
}

#[test]
fn whole_rates_come_out_as_people_write_them() {
    let (from, to) = (Quota::per_second(10), Quota::per_second(100));
    let ramp = Ramp::new(from, to, Timestamp::ZERO, Duration::from_secs(90));
    for secs in 0..=90_u32 {
        let now = Timestamp::from_secs(secs.into());
        assert_eq!(ramp.at(now), Quota::per_second(10 + secs), "{secs}");
        assert_eq!(
            Ramp::new(to, from, Timestamp::ZERO, Duration::from_secs(90)).at(now),
            Quota::per_second(100 - secs)
        );
    }
    assert_eq!(ramp.at(Timestamp::from_millis(500)).to_string(), "21/2s burst 11");
}

/// I4, where it is closest: so far along, the line is 2⁻⁷¹ below a rate that a quota can have.
#[test]
fn a_rate_that_falls_is_not_above_the_line() {
    let over = (1_u64 << 40) - 1;
    let (from, to) = (Quota::per_second(2), Quota::per_second(1));
    let ramp = Ramp::new(from, to, Timestamp::ZERO, Duration::from_nanos(over));
    let value = ramp.at(Timestamp::from_nanos(1 << 9));
    // count / period ≤ (2 · over - 2^9) / over, per second.
    let mine = u128::from(value.count()) * 1_000_000_000 * u128::from(over);
    let line = u128::from(2 * over - (1 << 9)) * value.period().as_nanos();
    assert!(mine <= line, "{value}");
}

/// I4: between something and nothing there is something, up to the very end.
#[test]
fn a_quota_is_not_closed_on_the_way() {
    let (nothing, few) = (Quota::per_second(0), Quota::per_hour(1));
    let hour = Duration::from_secs(3_600);
    let (up, down) = (
        Ramp::new(nothing, few, Timestamp::ZERO, hour),
        Ramp::new(few, nothing, Timestamp::ZERO, hour),
    );
    for (up_at, down_at) in [(1, 3_599), (1_800, 1_800), (3_599, 1)] {
        assert!(!up.at(Timestamp::from_secs(up_at)).is_zero());
        assert!(!down.at(Timestamp::from_secs(down_at)).is_zero());
        assert_eq!(down.at(Timestamp::from_secs(down_at)).max_burst(), 1);
    }
    assert!(up.at(Timestamp::ZERO).is_zero());
    assert!(down.at(Timestamp::from_secs(3_600)).is_zero());
}

#[test]
fn a_ramp_without_a_length_is_a_step() {
    let start = Timestamp::from_secs(5);
    let step = Ramp::new(Share::NONE, Share::ALL, start, Duration::ZERO);
    assert_eq!(step.at(start.saturating_sub(Duration::from_nanos(1))), Share::NONE);
    assert_eq!(step.at(start), Share::ALL);
    assert!(step.is_over(start) && !step.is_over(Timestamp::ZERO));
    let steady = Ramp::steady(Quota::per_second(3));
    assert!(steady.is_over(Timestamp::ZERO));
    for now in [Timestamp::ZERO, start, Timestamp::MAX] {
        assert_eq!(steady.at(now), Quota::per_second(3));
    }
}

/// A way that is longer than the time that is left goes as far as that takes it.
#[test]
fn a_ramp_beyond_the_end_of_time_goes_as_far_as_there_is_time() {
    let ramp = Ramp::new(Share::NONE, Share::ALL, Timestamp::ZERO, Duration::from_nanos(u64::MAX));
    assert_eq!(ramp.at(Timestamp::from_nanos(u64::MAX - 1)), Share::per_million(999_999));
    assert_eq!(ramp.at(Timestamp::MAX), Share::ALL);
    let slow = Ramp::new(Share::NONE, Share::ALL, Timestamp::MAX, Duration::MAX);
    assert_eq!(slow.at(Timestamp::MAX), Share::NONE);
    assert!(!slow.is_over(Timestamp::MAX));
    let longest = Ramp::new(Share::NONE, Share::ALL, Timestamp::ZERO, Duration::MAX);
    assert_eq!(longest, ramp);
}

/// I2: what binary places cannot hold is not rounded to less than the slower end has.
#[test]
fn a_third_stays_a_third() {
    let third = Quota::new(1, Duration::from_secs(3)).unwrap();
    let steady = Ramp::new(third, third.burst(9), Timestamp::ZERO, Duration::from_secs(10));
    assert_eq!(steady.at(Timestamp::from_secs(5)), third.burst(5));
    let (over, little) = (Quota::LONGEST_PERIOD, Timestamp::from_nanos(1));
    let end = Timestamp::ZERO.saturating_add(over - Duration::from_nanos(1));
    let second = Quota::per_second(1);
    assert_eq!(Ramp::new(second, third, Timestamp::ZERO, over).at(end), third);
    assert_eq!(Ramp::new(third, second, Timestamp::ZERO, over).at(little), third);
}
