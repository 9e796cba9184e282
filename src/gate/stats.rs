//! What a gate has decided, counted.

use alloc::{sync::Arc, vec::Vec};

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

    /// Denials that had no effect, because the gate only observed or the rule was in shadow. A request
    /// counts for each rule in shadow that would have denied it.
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
    /// by their network](Self::judged_by_network) or [as newcomers](Self::judged_as_newcomers), that
    /// [`OnSaturation::Allow`](crate::OnSaturation::Allow) let pass, or that a limit of requests in flight
    /// refused for that.
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

    /// Who denied what: the gate's own rules (the deny list, missing peers, saturation, bans,
    /// mitigations, unknown clients, shedding), then
    /// [rules](crate::rule::Rule) in the order in which they are judged, then limits in their order.
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

/// What one rule or limit has done.
#[derive(Clone, Debug)]
pub struct RuleStats {
    name: Arc<str>,
    matched: u64,
    in_shadow: u64,
    denied: u64,
    would_deny: u64,
}

impl RuleStats {
    /// The name, as in [`Denial::name`](crate::Denial::name).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests that it met: for a rule those whose condition held when it was its turn, for a limit
    /// and the gate's own rules those that it denied or would have denied.
    #[must_use]
    pub fn matched(&self) -> u64 {
        self.matched
    }

    /// Of these, requests on which it had its effect, whatever that is. What a rule denies while the gate
    /// observes is not among them.
    #[must_use]
    pub fn enforced(&self) -> u64 {
        self.matched.saturating_sub(self.in_shadow)
    }

    /// Of these, requests on which it had none: in shadow, for clients outside its share, or while the
    /// gate observed.
    #[must_use]
    pub fn would_have(&self) -> u64 {
        self.in_shadow
    }

    /// Requests that it denied.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied
    }

    /// Requests that it would have denied, had the gate not only observed, or had it not been in shadow.
    #[must_use]
    pub fn would_deny(&self) -> u64 {
        self.would_deny
    }
}

/// The live counts of the whole gate, apart from what checks only read. They outlive every reload.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Totals {
    pub(super) admitted: Counter,
    pub(super) exempted: Counter,
    pub(super) missing_peer: Counter,
    finished: [Counter; 5],
    pub(super) deny_list: Tally,
    pub(super) no_peer: Tally,
    pub(super) saturated: Tally,
    pub(super) bans: Tally,
    pub(super) mitigations: Tally,
    pub(super) unknown: Tally,
    pub(super) shedding: Tally,
}

/// The live counts of one rule or limit; what has the same name after a reload goes on with them.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) name: Arc<str>,
    matched: Counter,
    in_shadow: Counter,
    denied: Counter,
    would_deny: Counter,
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

/// The names that rules and limits cannot have: the deny list's, missing peers', saturation's, bans', and those
/// of what the gate does by itself.
pub(super) const OWN_NAMES: [&str; 7] = [
    "deny list",
    "missing peer address",
    "too many clients",
    "bans",
    "mitigations",
    "unknown clients",
    "shedding",
];

impl Totals {
    pub(super) fn new() -> Self {
        let [deny_list, no_peer, saturated, bans, mitigations, unknown, shedding] =
            OWN_NAMES.map(|name| Tally::new(Arc::from(name)));
        Self {
            admitted: Counter::new(),
            exempted: Counter::new(),
            missing_peer: Counter::new(),
            finished: core::array::from_fn(|_| Counter::new()),
            deny_list,
            no_peer,
            saturated,
            bans,
            mitigations,
            unknown,
            shedding,
        }
    }

    pub(super) fn finished(&self, status: u16) {
        let class = usize::from(status / 100);
        if let Some(counter) = class.checked_sub(1).and_then(|at| self.finished.get(at)) {
            counter.add();
        }
    }

    pub(super) fn snapshot<'a>(
        &self,
        rules: impl Iterator<Item = &'a Tally>,
        saturation: &Saturation,
    ) -> GateStats {
        let own = [
            &self.deny_list,
            &self.no_peer,
            &self.saturated,
            &self.bans,
            &self.mitigations,
            &self.unknown,
            &self.shedding,
        ];
        GateStats {
            admitted: self.admitted.get(),
            exempted: self.exempted.get(),
            missing_peer: self.missing_peer.get(),
            saturated: saturation.unseated.get(),
            judged_by_network: saturation.by_network.get(),
            judged_as_newcomers: saturation.by_newcomers.get(),
            saturated_refused: self
                .saturated
                .denied
                .get()
                .saturating_add(self.saturated.would_deny.get()),
            finished: self.finished.each_ref().map(Counter::get),
            rules: own.into_iter().map(Tally::snapshot).chain(rules.map(Tally::snapshot)).collect(),
        }
    }
}

impl Tally {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            matched: Counter::new(),
            in_shadow: Counter::new(),
            denied: Counter::new(),
            would_deny: Counter::new(),
        }
    }

    /// It holds for a request, and has its effect; a denial is then counted apart.
    #[inline]
    pub(super) fn holds(&self) {
        self.matched.add();
    }

    /// It holds for a request, and has no effect.
    pub(super) fn holds_in_shadow(&self, denies: bool) {
        self.matched.add();
        self.in_shadow.add();
        if denies {
            self.would_deny.add();
        }
    }

    /// A rule that [holds](Self::holds) denies the request, unless the gate only observes.
    pub(super) fn denies(&self, really: bool) {
        if really {
            self.denied.add();
        } else {
            self.in_shadow.add();
            self.would_deny.add();
        }
    }

    fn snapshot(&self) -> RuleStats {
        // What counts later is read first, so that no part is larger than the whole.
        let (denied, would_deny) = (self.denied.get(), self.would_deny.get());
        let in_shadow = self.in_shadow.get();
        let name = Arc::clone(&self.name);
        // What has no condition counts only what it denies.
        let matched = self.matched.get().max(denied.saturating_add(would_deny));
        RuleStats { name, matched, in_shadow, denied, would_deny }
    }
}

impl Counter {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn add(&self) {
        // Relaxed: nothing is ordered by a count.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
