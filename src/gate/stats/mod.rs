//! What a gate has decided, counted.

mod live;
mod rule;

use alloc::vec::Vec;

pub(super) use self::live::{Counter, OWN_NAMES, Saturation, Tally, Totals};
pub use self::rule::{RuleKind, RuleStats, StageStats};
use super::Stage;

/// What a gate has decided since it was built: a snapshot, made by [`Gate::stats`](crate::Gate::stats).
///
/// Counts are read one after the other while checks go on, so sums may be off by the checks in
/// flight.
#[derive(Clone, Debug)]
pub struct GateStats {
    admitted: u64,
    denied: u64,
    exempted: u64,
    allowed: u64,
    missing_peer: u64,
    saturated: u64,
    judged_by_network: u64,
    judged_as_newcomers: u64,
    saturated_refused: u64,
    finished: [u64; 5],
    reloads: u64,
    refused_reloads: u64,
    rules: Vec<RuleStats>,
}

impl GateStats {
    /// Requests that passed, including those that would have been denied while observing.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.admitted
    }

    /// Requests that were denied, by whatever: rules and limits that a reload has taken away among them.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied
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

    /// Requests from addresses on the deny list that passed it, because they are on the allow list too.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.allowed
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

    /// How often the gate was changed as a whole, by a text or a builder.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        self.reloads
    }

    /// How often that was refused for mistakes, and the gate went on unchanged.
    #[must_use]
    pub fn refused_reloads(&self) -> u64 {
        self.refused_reloads
    }

    /// All requests that it has decided about, so far.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.admitted().saturating_add(self.denied())
    }

    /// What one stage has denied, and would have.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> StageStats {
        let of_stage = self.rules.iter().filter(|rule| rule.stage() == stage);
        of_stage.fold(StageStats::default(), |sum, rule| StageStats {
            denied: sum.denied.saturating_add(rule.denied()),
            would_deny: sum.would_deny.saturating_add(rule.would_deny()),
        })
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
