//! What an explanation is made of: stages, and how rules and limits fare.

use core::time::Duration;

use crate::{
    gate::limits::{Fits, InFlight, Stand},
    rule::{Expr, Name},
    verdict::Standing,
};

/// A stage of a check, in the order in which they are passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Stage {
    /// The client's address is found.
    Client,
    /// Exempt addresses.
    Exempt,
    /// Banned clients.
    Bans,
    /// The deny list, and the allow list.
    Lists,
    /// Rules.
    Rules,
    /// Mitigations that the gate has found by itself.
    Mitigations,
    /// What is left for unknown clients, and for requests of this importance.
    Shedding,
    /// Limits.
    Limits,
}

/// What a stage has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StageOutcome {
    /// The request goes on to the next stage, or to the service after the last.
    Passed,
    /// The request passes without the stages after this one.
    Admitted,
    /// The request is refused here.
    Denied,
    /// An earlier stage has decided.
    NotReached,
}

/// How a rule fares with a request.
#[derive(Clone, Debug)]
pub struct RuleReport {
    pub(super) name: Name,
    pub(super) fate: RuleFate,
    pub(super) failing: Option<Expr>,
}

/// How a rule fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleFate {
    /// It holds, and has its effect.
    Enforced,
    /// It holds, and is only counted.
    InShadow,
    /// It holds, and an earlier rule skips its group.
    Skipped,
    /// It does not hold.
    DoesNotHold,
    /// An earlier rule, or an earlier stage, has decided.
    NotReached,
}

/// How a limit fares with a request.
#[derive(Clone, Debug)]
pub struct LimitReport {
    pub(super) name: Name,
    pub(super) fate: LimitFate,
    pub(super) standing: Option<Standing>,
    pub(super) in_flight: Option<InFlight>,
}

/// How a limit fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitFate {
    /// It has what the request asks for.
    Admits,
    /// It has not.
    Denies,
    /// It has no place for the request's key, which something coarser judges.
    Saturated,
    /// The request lacks a part of its key, and is denied for that.
    MissingKey,
    /// The request's key is banned for so long.
    Banned(Duration),
    /// It is off, or its condition does not hold.
    DoesNotApply,
    /// The request has no key that it counts by.
    NoKey,
    /// It is one of a fleet, and its store would have to be asked.
    AsksStore,
    /// An earlier stage has decided before anything was known of the request.
    NotReached,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: &'static [Self] = &[
        Self::Client,
        Self::Exempt,
        Self::Bans,
        Self::Lists,
        Self::Rules,
        Self::Mitigations,
        Self::Shedding,
        Self::Limits,
    ];

    /// In a word, as in explanations and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Exempt => "exempt",
            Self::Bans => "bans",
            Self::Lists => "lists",
            Self::Rules => "rules",
            Self::Mitigations => "mitigations",
            Self::Shedding => "shedding",
            Self::Limits => "limits",
        }
    }
}

impl RuleReport {
    /// The rule's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it fares.
    #[must_use]
    pub fn fate(&self) -> RuleFate {
        self.fate
    }

    /// Why it does not hold: the first part of a conjunction that fails, or else the whole condition.
    #[must_use]
    pub fn failing(&self) -> Option<&Expr> {
        self.failing.as_ref()
    }
}

impl LimitReport {
    pub(super) fn new(name: &Name, stand: Option<Stand>) -> Self {
        let mut in_flight = None;
        let (fate, standing) = match stand {
            Some(Stand::InFlight { now, fits }) => {
                in_flight = Some(now);
                let fate = match fits {
                    Fits::In => LimitFate::Admits,
                    Fits::Not => LimitFate::Denies,
                    Fits::Nowhere => LimitFate::Saturated,
                };
                (fate, None)
            }
            None => (LimitFate::NotReached, None),
            Some(Stand::DoesNotApply) => (LimitFate::DoesNotApply, None),
            Some(Stand::NoKey) => (LimitFate::NoKey, None),
            Some(Stand::MissingKey) => (LimitFate::MissingKey, None),
            Some(Stand::Banned { wait }) => (LimitFate::Banned(wait), None),
            Some(Stand::Elsewhere) => (LimitFate::AsksStore, None),
            Some(Stand::Asked(decision)) => {
                let fate = match (decision.is_saturated(), decision.is_admitted()) {
                    (true, _) => LimitFate::Saturated,
                    (_, true) => LimitFate::Admits,
                    _ => LimitFate::Denies,
                };
                (fate, Some(decision.standing()))
            }
        };
        Self { name: Name::clone(name), fate, standing, in_flight }
    }

    /// The limit's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it fares.
    #[must_use]
    pub fn fate(&self) -> LimitFate {
        self.fate
    }

    /// Where the request's key stands with it now; `None` for a limit of requests in flight.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// What the request's key has in flight, for a limit of requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> Option<InFlight> {
        self.in_flight
    }
}
