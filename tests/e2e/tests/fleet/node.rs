//! A node of a fleet, whose checks are timed.

use std::{
    iter,
    time::{Duration, Instant},
};

use portcullis::{
    Quota, SystemClock,
    limit::remote::{Answer, Claim, Fleet, FleetLimit, FleetSettings, OnFailure, Store},
};
use tokio::task::JoinSet;

/// What a limit of these tests lets pass: nothing comes back while a test lasts.
pub(crate) const BURST: u32 = 7;
/// How long checks wait for a store that does not answer.
const TIMEOUT: Duration = Duration::from_millis(100);
/// The same where the store always answers: this machine is busy, and what is tested is not how fast it is.
pub(crate) const PATIENT: Duration = Duration::from_secs(10);
/// No check takes so long or twice the timeout, whatever happens and whatever else this machine does.
const LONGEST: Duration = Duration::from_secs(2);
/// How long a store may take to be used again.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const QUOTA: Quota = Quota::per_day(1).burst(BURST);

/// One node.
#[derive(Clone)]
pub(crate) struct Node<S> {
    pub(crate) fleet: Fleet,
    pub(crate) store: S,
    /// One of each kind of failure.
    pub(crate) limits: [FleetLimit; 3],
    longest: Duration,
}

const KINDS: [OnFailure; 3] = [OnFailure::Local, OnFailure::Open, OnFailure::Closed];

/// So many that nobody takes anything in advance: what is admitted can be counted.
pub(crate) fn settings() -> FleetSettings {
    FleetSettings::new().prefix("test").nodes(1_000).lease(Duration::from_millis(10))
}

impl<S: Store> Node<S> {
    pub(crate) fn new(store: S) -> Self {
        Self::with(settings(), TIMEOUT, QUOTA, store)
    }

    /// One that waits for its store however busy the machine is.
    pub(crate) fn patient(store: S) -> Self {
        Self::with(settings(), PATIENT, QUOTA, store)
    }

    pub(crate) fn with(settings: FleetSettings, timeout: Duration, quota: Quota, store: S) -> Self {
        let fleet = Fleet::new(settings.timeout(timeout)).unwrap();
        let longest = LONGEST.max(2 * timeout);
        let limit = |kind| fleet.limit(&format!("{kind:?}"), quota, kind).unwrap();
        Self { limits: KINDS.map(limit), fleet, store, longest }
    }

    /// One unit for this one.
    pub(crate) async fn check(&self, limit: &FleetLimit, who: &str) -> Answer {
        let claims = [Claim::new(limit, self.fleet.subject(who.as_bytes()), 1)];
        let begun = Instant::now();
        let answers = self.fleet.check(&claims, &self.store, SystemClock::now).await;
        assert!(begun.elapsed() < self.longest, "a check took {:?}", begun.elapsed());
        let answer = answers.get(0).expect("there is one claim");
        assert_eq!(answers.is_admitted(), !answer.refuses());
        answer
    }

    /// How many of these are admitted, one after the other, and of how many the store did not say anything in time.
    pub(crate) async fn admitted(&self, limit: &FleetLimit, who: &str, tries: u32) -> (u32, u32) {
        let (mut admitted, mut unknown) = (0, 0);
        for _ in 0..tries {
            match self.check(limit, who).await {
                Answer::Admitted(_) => admitted += 1,
                Answer::Denied(_) => {}
                Answer::Fallback(_) => unknown += 1,
            }
        }
        (admitted, unknown)
    }

    /// The limits are limits: exactly a burst is admitted of each, for somebody new.
    pub(crate) async fn holds(&self, who: &str) {
        for limit in &self.limits {
            self.admits_a_burst(limit, who, |_| {}).await;
        }
    }

    /// Exactly a burst is admitted of this limit, for somebody who is new but for what is done for each before.
    pub(crate) async fn admits_a_burst(
        &self,
        limit: &FleetLimit,
        who: &str,
        mut before: impl FnMut(&str),
    ) {
        let others = (1..20).map(|attempt| format!("{who} {attempt}"));
        for who in iter::once(who.to_owned()).chain(others) {
            before(&who);
            let (admitted, unknown) = self.admitted(limit, &who, BURST + 3).await;
            if unknown == 0 {
                assert_eq!(admitted, BURST, "of {} for {who}", limit.name());
                return;
            }
            // The machine was too busy, and nobody knows what a late call has taken.
            assert!(admitted <= BURST, "{admitted} of {} for {who}", limit.name());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the store never answers in time: {:?}", self.fleet.stats());
    }

    /// The store does not answer: all limits do what they are told to, and it is soon asked seldom.
    pub(crate) async fn is_without_store(&self, when: &str) {
        // All at once, so that five fail within a second on a busy machine, too.
        let mut checks = JoinSet::new();
        for number in 0..6 {
            for at in 0..KINDS.len() {
                let (node, who) = (self.clone(), format!("{when} {number}"));
                checks.spawn(async move { (at, node.check(&node.limits[at], &who).await) });
            }
        }
        while let Some(checked) = checks.join_next().await {
            let (at, answer) = checked.unwrap();
            assert_eq!(answer, Answer::Fallback(KINDS[at]), "{when}");
        }
        assert!(self.fleet.stats().is_open(), "{when}");
        let (begun, before) = (Instant::now(), self.fleet.stats());
        for number in 0..100 {
            for (limit, kind) in self.limits.iter().zip(KINDS) {
                let answer = self.check(limit, &format!("{when} later {number}")).await;
                assert_eq!(answer, Answer::Fallback(kind), "{when}");
            }
        }
        let (quarters, after) = (begun.elapsed().as_millis() / 250, self.fleet.stats());
        let calls = u128::from(after.calls() - before.calls());
        assert!(calls <= quarters + 2, "{calls} calls in {quarters} quarters of a second");
        assert!(after.fallbacks() - before.fallbacks() >= 300, "{before:?} {after:?}");
    }

    /// The store answers again: that is found out, and the limits are limits.
    pub(crate) async fn is_back(&self, when: &str) {
        let begun = Instant::now();
        for number in 0.. {
            let who = format!("back {when} {number}");
            if !matches!(self.check(&self.limits[0], &who).await, Answer::Fallback(_)) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "the store is not used again {when}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!self.fleet.stats().is_open(), "{when}");
        self.holds(&format!("new {when}")).await;
    }
}
