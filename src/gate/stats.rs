//! What a gate has decided, counted.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use crate::sync::{AtomicU64, Ordering};

/// What a gate has decided since it was built: a snapshot, made by [`Gate::stats`](crate::Gate::stats).
///
/// Counts are read one after the other while checks go on, so sums may be off by the checks in
/// flight.
#[derive(Clone, Debug)]
pub struct GateStats {
    admitted: u64,
    exempted: u64,
    missing_peer: u64,
    saturated: u64,
    judged_by_network: u64,
    judged_as_newcomers: u64,
    saturated_refused: u64,
    finished: [u64; 5],
    rules: Vec<RuleStats>,
}

impl GateStats {
    /// Requests that passed, including those that would have been denied while observing.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.admitted
    }

    /// Requests that were denied, by whichever rule.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.rules.iter().fold(0, |sum, rule| sum.saturating_add(rule.denied))
    }

    /// Requests that would have been denied, had the gate not only observed.
    #[must_use]
    pub fn would_deny(&self) -> u64 {
        self.rules.iter().fold(0, |sum, rule| sum.saturating_add(rule.would_deny))
    }

    /// Requests from exempt addresses.
    #[must_use]
    pub fn exempted(&self) -> u64 {
        self.exempted
    }

    /// Requests without a peer address. More than none usually means that the server does not pass
    /// it on, see [`MissingPeer`](crate::MissingPeer).
    #[must_use]
    pub fn missing_peer(&self) -> u64 {
        self.missing_peer
    }

    /// Requests of clients that found no place in at least one limit's store: those that were [judged
    /// by their network](Self::judged_by_network) or [as newcomers](Self::judged_as_newcomers), or that
    /// [`OnSaturation::Allow`](crate::OnSaturation::Allow) let pass.
    ///
    /// More than a few in a thousand means that the store is too small for its traffic:
    /// [`clients`](crate::GateBuilder::clients) is too low, or a flood is on.
    #[must_use]
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Of these, requests that were judged by the limits of their client's network, and not by the
    /// budget for newcomers.
    #[must_use]
    pub fn judged_by_network(&self) -> u64 {
        self.judged_by_network
    }

    /// Of these, requests that were judged by the [budget for
    /// newcomers](crate::GateBuilder::newcomers), because their network had no place either. More than
    /// a few means a flood from very many networks, or far too few clients.
    #[must_use]
    pub fn judged_as_newcomers(&self) -> u64 {
        self.judged_as_newcomers
    }

    /// Of these, requests that their network or the budget refused, or would have refused while
    /// observing: what the rule `too many clients` has denied. (What another limit denied, in
    /// which the client has a place, counts there.)
    #[must_use]
    pub fn saturated_refused(&self) -> u64 {
        self.saturated_refused
    }

    /// Requests that were finished with a status of this class, 1 to 5: 2 for all of 200 to 299.
    #[must_use]
    pub fn finished_with_class(&self, class: u16) -> u64 {
        usize::from(class).checked_sub(1).and_then(|at| self.finished.get(at)).copied().unwrap_or(0)
    }

    /// Who denied what: the deny list, missing peers, saturation, then the limits in their order.
    #[must_use]
    pub fn rules(&self) -> &[RuleStats] {
        &self.rules
    }

    /// The counts of the rule or limit of this name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&RuleStats> {
        self.rules.iter().find(|rule| rule.name() == name)
    }
}

/// What one rule or limit has denied.
#[derive(Clone, Debug)]
pub struct RuleStats {
    name: Arc<str>,
    denied: u64,
    would_deny: u64,
}

impl RuleStats {
    /// The name, as in [`Denial::name`](crate::Denial::name).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests that it denied.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied
    }

    /// Requests that it would have denied, had the gate not only observed.
    #[must_use]
    pub fn would_deny(&self) -> u64 {
        self.would_deny
    }
}

/// The live counts, apart from what checks only read.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Counters {
    pub(super) admitted: Counter,
    pub(super) exempted: Counter,
    pub(super) missing_peer: Counter,
    finished: [Counter; 5],
    pub(super) deny_list: Rule,
    pub(super) no_peer: Rule,
    pub(super) saturated: Rule,
    limits: Box<[Rule]>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    pub(super) denied: Counter,
    pub(super) would_deny: Counter,
}

/// What became of clients without a place; apart from what checks only read.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Saturation {
    pub(super) unseated: Counter,
    pub(super) by_network: Counter,
    pub(super) by_newcomers: Counter,
}

impl Saturation {
    pub(super) fn new() -> Self {
        Self { unseated: Counter::new(), by_network: Counter::new(), by_newcomers: Counter::new() }
    }
}

/// A count that many threads add to.
#[derive(Debug)]
pub(super) struct Counter(AtomicU64);

impl Counters {
    /// The names that limits cannot have: the deny list's, missing peers' and saturation's.
    pub(super) const OWN_NAMES: [&str; 3] =
        ["deny list", "missing peer address", "too many clients"];

    pub(super) fn new(limits: impl Iterator<Item = Arc<str>>) -> Self {
        let [deny_list, no_peer, saturated] =
            Self::OWN_NAMES.map(|name| Rule::new(Arc::from(name)));
        Self {
            admitted: Counter::new(),
            exempted: Counter::new(),
            missing_peer: Counter::new(),
            finished: core::array::from_fn(|_| Counter::new()),
            deny_list,
            no_peer,
            saturated,
            limits: limits.map(Rule::new).collect(),
        }
    }

    pub(super) fn limit(&self, at: usize) -> &Rule {
        // Every limit has one, numbered as by the builder.
        self.limits.get(at).unwrap_or(&self.saturated)
    }

    pub(super) fn finished(&self, status: u16) {
        let class = usize::from(status / 100);
        if let Some(counter) = class.checked_sub(1).and_then(|at| self.finished.get(at)) {
            counter.add();
        }
    }

    pub(super) fn snapshot(&self, saturation: Option<&Saturation>) -> GateStats {
        let builtin = [&self.deny_list, &self.no_peer, &self.saturated];
        let of = |count: fn(&Saturation) -> &Counter| saturation.map_or(0, |all| count(all).get());
        GateStats {
            admitted: self.admitted.get(),
            exempted: self.exempted.get(),
            missing_peer: self.missing_peer.get(),
            saturated: of(|all| &all.unseated),
            judged_by_network: of(|all| &all.by_network),
            judged_as_newcomers: of(|all| &all.by_newcomers),
            saturated_refused: self
                .saturated
                .denied
                .get()
                .saturating_add(self.saturated.would_deny.get()),
            finished: self.finished.each_ref().map(Counter::get),
            rules: builtin.into_iter().chain(&self.limits).map(Rule::snapshot).collect(),
        }
    }
}

impl Rule {
    fn new(name: Arc<str>) -> Self {
        Self { name, denied: Counter::new(), would_deny: Counter::new() }
    }

    fn snapshot(&self) -> RuleStats {
        RuleStats {
            name: Arc::clone(&self.name),
            denied: self.denied.get(),
            would_deny: self.would_deny.get(),
        }
    }
}

impl Counter {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn add(&self) {
        // Relaxed: nothing is ordered by a count.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
