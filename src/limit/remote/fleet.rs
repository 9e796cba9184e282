//! A node's part of a fleet.

use alloc::sync::Arc;
use core::{fmt, hash::Hasher};

use super::{
    breaker::Breaker,
    call::StoreError,
    error::FleetError,
    held::Held,
    keys::Keys,
    limit::{Claim, FleetLimit},
    settings::{FleetSettings, OnFailure},
    stats::FleetStats,
    subject::{Subject, SubjectHasher},
    window::Window,
};
use crate::{
    limit::seeds::Seeds,
    quota::Quota,
    sync::{AtomicU64, Ordering},
    time::Timestamp,
    verdict::Decision,
};

/// What one node knows of the limits that it shares with others; clones are the same.
///
/// # Example: a limit without a gate
/// ```
/// use portcullis::{Quota, Timestamp, limit::remote::*};
///
/// let fleet = Fleet::new(FleetSettings::new().prefix("shop").nodes(8))?;
/// let exports = fleet.limit("exports", Quota::per_minute(10), OnFailure::Local)?;
/// let claims = [Claim::new(&exports, fleet.subject(b"alice"), 1)];
///
/// let now = Timestamp::from_secs(1);
/// match fleet.step(&claims, fleet.begin(now), now) {
///     Step::Decided(answers) => assert!(answers.is_admitted()),
///     Step::Ask(ask) => {
///         // Here a store runs the script. What it grants is there for this check and for later ones.
///         assert_eq!(ask.calls().len(), 1);
///         let held = ask.finish(&[Ok(vec![1, 9, 0, 6_000_000])], now);
///         let Step::Decided(answers) = fleet.step(&claims, held, now) else { unreachable!() };
///         assert!(answers.is_admitted());
///     }
///     Step::Wait(_) => unreachable!("nobody else has asked"),
/// }
/// # Ok::<(), FleetError>(())
/// ```
///
/// # Concurrency
/// `Send` and `Sync`. A claim that a lease or a denial answers takes the lock of one of many sets of eight keys, for some
/// memory accesses, and allocates nothing.
///
/// # Memory
/// Fixed, see [`FleetSettings::keys`]; and some hundred bytes for each check that waits for the store: up to 1,024 of a
/// node ask it at a time, fewer when its answers come too late, and up to 1,024 wait for each of those.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    settings: FleetSettings,
    keys: Keys,
    breaker: Breaker,
    calls: AtomicU64,
    timeouts: AtomicU64,
    failures: AtomicU64,
    fallbacks: AtomicU64,
    window: Window,
}

/// One of those that ask; the next one's when it is dropped.
pub(super) struct Turn(Fleet);

impl Fleet {
    /// A node's part of a fleet.
    ///
    /// # Errors
    /// The first of the settings that cannot be had, or that there is no memory for its keys.
    pub fn new(settings: FleetSettings) -> Result<Self, FleetError> {
        Self::seeded(settings, &mut Seeds::of_chance())
    }

    /// The same with a secret from here.
    pub(crate) fn seeded(settings: FleetSettings, seeds: &mut Seeds) -> Result<Self, FleetError> {
        if let Some(problem) = settings.problems().next() {
            return Err(problem);
        }
        let keys =
            Keys::new(settings.keys, seeds).ok_or(FleetError::NoMemory { keys: settings.keys })?;
        Ok(Self::with_keys(settings, keys))
    }

    /// One whose chance is the same in each run: for tests.
    #[cfg(any(test, feature = "__reference"))]
    #[doc(hidden)]
    #[must_use]
    pub fn danger_with_seed(settings: FleetSettings, seed: u64) -> Option<Self> {
        let keys = Keys::with_mix(settings.keys, seed)?;
        Some(Self::with_keys(settings, keys))
    }

    fn with_keys(settings: FleetSettings, keys: Keys) -> Self {
        Self(Arc::new(Inner {
            settings,
            keys,
            breaker: Breaker::new(),
            calls: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            window: Window::new(),
        }))
    }

    /// A limit of this fleet, known to all nodes by this name.
    ///
    /// # Errors
    /// [`FleetError::Quota`] if the script cannot reckon with the quota exactly: its burst takes longer than 142 years
    /// to fill, or has too many digits.
    pub fn limit(
        &self,
        name: &str,
        quota: Quota,
        on_failure: OnFailure,
    ) -> Result<FleetLimit, FleetError> {
        // Under another key than subjects: nobody can name one that is a limit.
        let [first, second] = self.settings().secret;
        let mut hasher = SubjectHasher::new([!first, second]);
        hasher.write(name.as_bytes());
        // Another quota is another key: a denial under the old one says nothing of it.
        hasher.write_u32(quota.count());
        hasher.write_u32(quota.max_burst());
        hasher.write_u64(quota.period_nanos());
        FleetLimit::new(self.settings(), hasher.subject(), name, quota, on_failure)
    }

    /// Whom these bytes name.
    #[must_use]
    pub fn subject(&self, name: &[u8]) -> Subject {
        let mut hasher = self.hasher();
        hasher.write(name);
        hasher.subject()
    }

    /// Makes a subject of several values.
    #[must_use]
    pub fn hasher(&self) -> SubjectHasher {
        SubjectHasher::new(self.0.settings.secret)
    }

    /// Begins a check, which is over by its deadline.
    pub fn begin(&self, now: Timestamp) -> Held {
        Held::new(now.saturating_add(self.0.settings.timeout))
    }

    /// What this node would say to a claim without asking, if it knows; nothing is taken.
    pub(crate) fn peek(&self, claim: &Claim<'_>, now: Timestamp) -> Option<Decision> {
        self.keys().peek(claim.key(), claim.units, claim.limit, now).map(Decision::counted)
    }

    /// What it was made with.
    pub fn settings(&self) -> &FleetSettings {
        &self.0.settings
    }

    /// What this node has done so far.
    ///
    /// # Cost
    /// The lock of each set of eight keys, one after the other.
    #[must_use]
    pub fn stats(&self) -> FleetStats {
        let Inner { calls, timeouts, failures, fallbacks, .. } = &*self.0;
        // Relaxed: counts order nothing.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = self.keys().counts();
        FleetStats {
            calls: read(calls),
            timeouts: read(timeouts),
            failures: read(failures),
            from_leases: counts.from_leases,
            remembered: counts.remembered,
            fallbacks: read(fallbacks),
            is_open: self.breaker().is_open(),
        }
    }

    /// The memory that it takes, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Inner>().saturating_add(self.keys().memory_bytes())
    }

    /// Whether the store is taken to be away; [`stats`](Self::stats) say so too, and cost more.
    #[cfg(feature = "tracing")]
    pub(crate) fn is_away(&self) -> bool {
        self.breaker().is_open()
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    /// Whether the store may be asked now; whoever is told so asks it.
    pub(super) fn turn(&self, now: Timestamp) -> Option<Turn> {
        if !self.0.window.enter() {
            return None;
        }
        let turn = Turn(self.clone());
        self.0.breaker.lets(now).then_some(turn)
    }

    /// So many calls are made.
    pub(super) fn called(&self, calls: usize) {
        let calls = u64::try_from(calls).unwrap_or(u64::MAX);
        self.0.calls.fetch_add(calls, Ordering::Relaxed);
    }

    pub(super) fn answered(&self) {
        self.0.window.answered();
        self.0.breaker.answered();
    }

    pub(super) fn failed(&self, error: &StoreError, now: Timestamp) {
        let count = match error {
            StoreError::Timeout => &self.0.timeouts,
            _ => &self.0.failures,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if matches!(error, StoreError::Timeout) {
            self.0.window.late();
        }
        match error {
            // The store is well; it is this key that is not.
            StoreError::WrongType(_) => self.0.breaker.answered(),
            _ => self.0.breaker.failed(now),
        }
    }

    pub(super) fn falls_back(&self) {
        self.0.fallbacks.fetch_add(1, Ordering::Relaxed);
    }
}

impl Turn {
    pub(super) fn fleet(&self) -> &Fleet {
        &self.0
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.window.leave();
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
