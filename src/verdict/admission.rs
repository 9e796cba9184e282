//! The gate's answer: an [`Admission`] or a [`Denial`], and what rules have to say about the request.

use alloc::sync::Arc;
use core::{fmt, net::IpAddr, num::NonZeroU32, time::Duration};

use super::{Decision, Standing, Traces};
use crate::{
    detect::Flight,
    gate::{Hold, Pending},
    rule::Answer,
    time::Timestamp,
};

/// The gate's answer to one request.
#[must_use = "a verdict says whether the request may pass"]
#[derive(Debug)]
pub struct Verdict(Result<Admission, Denial>);

impl Verdict {
    pub(crate) fn admitted(admission: Admission) -> Self {
        Self(Ok(admission))
    }

    pub(crate) fn denied(denial: Denial) -> Self {
        Self(Err(denial))
    }

    /// Whether the request may pass.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.0.is_ok()
    }

    /// The verdict as a `Result`, to branch on.
    ///
    /// # Errors
    /// The denial, if the request must be refused.
    pub fn into_result(self) -> Result<Admission, Denial> {
        self.0
    }

    fn traces(&self) -> &Traces {
        match &self.0 {
            Ok(admission) => &admission.traces,
            Err(denial) => &denial.traces,
        }
    }
}

/// The right to serve one request, until [`Gate::finish`](crate::Gate::finish).
///
/// Dropping it instead is fine: the response is then taken as not known.
#[must_use = "an admission is to be finished with the response's status"]
#[derive(Debug)]
pub struct Admission {
    client: Option<IpAddr>,
    strictest: Option<Strictest>,
    traces: Traces,
    pending: Pending,
    /// What detection wants to know of its end.
    flight: Option<Flight>,
}

impl Admission {
    #[inline]
    pub(crate) fn new(
        client: Option<IpAddr>,
        strictest: Option<Strictest>,
        traces: Traces,
        pending: Pending,
    ) -> Self {
        Self { client, strictest, traces, pending, flight: None }
    }

    /// With what detection wants to know of its end.
    #[inline]
    pub(crate) fn in_flight(self, flight: Option<Flight>) -> Self {
        Self { flight, ..self }
    }

    /// The client's address, as it was found behind proxies that are trusted; `None` if it is not known.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Where the client stands with its strictest limit; `None` if no quota applied: in a limit of requests in
    /// flight nobody knows how long others go on.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.strictest.map(|strictest| strictest.decision.standing())
    }

    /// Which limit is the strictest, and where the client stands with it.
    #[cfg_attr(not(any(feature = "tower", feature = "actix")), allow(dead_code))]
    pub(crate) fn strictest(&self) -> Option<Strictest> {
        self.strictest
    }

    /// Takes out what is held for as long as the response goes on: the places that the request has in limits
    /// of requests in flight. `None` if it has none.
    ///
    /// [`Gate::finish`](crate::Gate::finish) settles all the rest, as soon as the status is known; keep what
    /// this returns until the last byte of the response has been sent, and drop it then.
    pub fn hold(&mut self) -> Option<Hold> {
        self.pending.hold()
    }

    /// Whether a limit asks how large the response was, so that it is to be finished when that is known and
    /// not before; what does not ask is settled by [`Gate::finish_head`](crate::Gate::finish_head) meanwhile.
    #[must_use]
    pub fn awaits_size(&self) -> bool {
        self.pending.awaits_size()
    }

    pub(crate) fn finish_head(&mut self, answer: &Answer, now: Timestamp) {
        self.pending.finish_head(answer, now);
    }

    /// Whether the response settles nothing, and only its status is to be counted.
    #[cfg(any(feature = "tower", feature = "actix"))]
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.flight.is_none()
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }

    /// What only the response can settle, and what detection learns from it.
    pub(crate) fn into_parts(self) -> (Pending, Option<Flight>) {
        (self.pending, self.flight)
    }
}

/// Where a request stands with its strictest limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strictest {
    pub(crate) limit: LimitAt,
    pub(crate) decision: Decision,
}

/// One of a gate's limits, as it was at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitAt {
    /// The gate's generation; limits are numbered anew in each.
    pub(crate) generation: u32,
    /// Counted from 1: so that none at all takes no room of its own.
    number: NonZeroU32,
}

impl LimitAt {
    /// The limit with this number, counted from 0.
    #[inline]
    pub(crate) fn new(generation: u32, limit: usize) -> Self {
        // There are 64 at most.
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Self { generation, number: NonZeroU32::MIN.saturating_add(limit) }
    }

    /// Its number, counted from 0.
    #[cfg(any(feature = "tower", feature = "actix", test))]
    pub(crate) fn limit(self) -> usize {
        usize::try_from(self.number.get().saturating_sub(1)).unwrap_or(usize::MAX)
    }
}

/// Why a request is refused, and what its sender can do.
#[derive(Clone, Debug)]
pub struct Denial {
    client: Option<IpAddr>,
    limit: Option<LimitAt>,
    reason: DenialReason,
    name: Arc<str>,
    status: u16,
    prospect: Prospect,
    traces: Traces,
}

/// What there is to wait for.
#[derive(Clone, Copy, Debug)]
enum Prospect {
    Nothing,
    Wait(Duration),
    Limit(Standing),
}

/// What a [`Denial`] rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DenialReason {
    /// The address is on the deny list.
    DenyList,
    /// A rule denies it, or bans its client.
    Rule,
    /// The client is banned.
    Banned,
    /// The client has used up a limit.
    Limit,
    /// As many requests are in flight as a limit lets.
    Concurrency,
    /// The request lacks what a limit counts by, and [`MissingKey::Deny`](crate::MissingKey::Deny) is
    /// set there.
    MissingKey,
    /// The limit is one of a fleet, and closed while their store does not answer; see
    /// [`OnFailure::Closed`](crate::limit::remote::OnFailure::Closed).
    Unavailable,
    /// The client is new, the gate cannot remember more of them, and the client's network, or all
    /// newcomers together, have used up what is theirs; see
    /// [`GateBuilder::on_saturation`](crate::GateBuilder::on_saturation). Or it has no seat in a limit of
    /// requests in flight, which has no coarser judge. The gate is then too small for its
    /// traffic: [`GateBuilder::clients`](crate::GateBuilder::clients).
    Saturated,
    /// The gate has recognised an attack, and the request is like it; see
    /// [`Gate::defence`](crate::Gate::defence).
    Mitigation,
    /// Not everybody can be served: so many requests are in flight that this one, for what is known of it, has
    /// to wait; or the gate defends itself, and its client is not known.
    Shed,
    /// The peer address is not known, and [`MissingPeer::Deny`](crate::MissingPeer::Deny) is set.
    MissingPeer,
}

impl DenialReason {
    /// In a word, as in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DenyList => "deny_list",
            Self::Rule => "rule",
            Self::Banned => "banned",
            Self::Limit => "limit",
            Self::Concurrency => "concurrency",
            Self::MissingKey => "missing_key",
            Self::Unavailable => "unavailable",
            Self::Saturated => "saturated",
            Self::Mitigation => "mitigation",
            Self::Shed => "shed",
            Self::MissingPeer => "missing_peer",
        }
    }

    /// The status of a refusal that nothing else is said about; whether it `ends` is known of it.
    const fn status(self, ends: bool) -> u16 {
        match self {
            Self::Limit | Self::Concurrency | Self::Banned | Self::Mitigation => 429,
            Self::Rule if ends => 429,
            Self::Saturated | Self::Shed | Self::Unavailable => 503,
            Self::DenyList | Self::Rule | Self::MissingKey | Self::MissingPeer => 403,
        }
    }
}

impl Denial {
    pub(crate) fn new(
        reason: DenialReason,
        name: Arc<str>,
        standing: Option<Standing>,
        wait: Option<Duration>,
    ) -> Self {
        let status = reason.status(wait.is_some());
        let prospect = match (standing, wait) {
            (Some(standing), _) => Prospect::Limit(standing),
            (None, Some(wait)) => Prospect::Wait(wait.max(Duration::from_nanos(1))),
            (None, None) => Prospect::Nothing,
        };
        Self {
            client: None,
            limit: None,
            reason,
            name,
            status,
            prospect,
            traces: Traces::default(),
        }
    }

    /// In this name.
    pub(crate) fn named(self, name: Arc<str>) -> Self {
        Self { name, ..self }
    }

    /// With the status that a rule says.
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Whom it is told, and which limit denies, if one does.
    pub(crate) fn with_client_and_limit(
        self,
        client: Option<IpAddr>,
        limit: Option<LimitAt>,
    ) -> Self {
        Self { client, limit, ..self }
    }

    /// The client's address, as it was found behind proxies that are trusted; `None` if it is not known.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// The limit that denies, if one does.
    #[cfg_attr(not(any(feature = "tower", feature = "actix")), allow(dead_code))]
    pub(crate) fn limit(&self) -> Option<LimitAt> {
        self.limit
    }

    /// What the denial rests on.
    #[must_use]
    pub fn reason(&self) -> DenialReason {
        self.reason
    }

    /// The name of the rule that denies, of the limit that was used up, or of the gate's own rule.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The HTTP status to refuse with.
    ///
    /// | what denies | status |
    /// |---|---|
    /// | a rule that says one | that one |
    /// | a limit, a mitigation, or a ban, that of a rule among them: waiting is the way out | 429 |
    /// | a limit of requests in flight that all share ([`DenialReason::Concurrency`]), a full gate ([`DenialReason::Saturated`]), or a busy service ([`DenialReason::Shed`]): what many share is used up, by whomever; a store that does not answer ([`DenialReason::Unavailable`]) | 503 |
    /// | anything else | 403 |
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// How long to wait before trying again: never zero, and `None` when waiting does not help.
    ///
    /// For a quota and for a ban that is exact. For requests in flight, for a key that finds no seat there, and for a
    /// store that does not answer, it is one second: nobody can know. For others of [`DenialReason::Saturated`] it is the time until the
    /// network or the newcomers have a unit again, if nobody else takes it; under a budget of zero, the
    /// time before which no place can be free.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let wait = match self.prospect {
            Prospect::Limit(standing) => standing.retry_after(),
            Prospect::Wait(wait) => wait,
            Prospect::Nothing => return None,
        };
        Some(wait).filter(|wait| *wait < Duration::MAX)
    }

    /// Where the client stands with the limit that denied it.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        match self.prospect {
            Prospect::Limit(standing) => Some(standing),
            Prospect::Wait(_) | Prospect::Nothing => None,
        }
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }
}

/// What rules have to say about the request, the same for each kind of answer.
macro_rules! tells_traces {
    ($($answer:ty),*) => {$(
        impl $answer {
            /// The names of the rules that held and are [to be logged](crate::rule::Action::Log).
            ///
            /// Names of at most six rules and limits are kept for one request, here and in
            /// [`shadow`](Self::shadow) together; [`more`](Self::more) counts those beyond.
            pub fn matched(&self) -> impl Iterator<Item = &str> {
                self.traces().matched()
            }

            /// The names of the rules and limits that would have denied the request, had they, or the
            /// gate, been [enforced](crate::rule::RuleMode::Enforce).
            pub fn shadow(&self) -> impl Iterator<Item = &str> {
                self.traces().shadow()
            }

            /// How many names are left out in [`matched`](Self::matched) and [`shadow`](Self::shadow).
            #[must_use]
            pub fn more(&self) -> usize {
                self.traces().beyond().into()
            }

            /// The tags that rules have set.
            pub fn tags(&self) -> impl Iterator<Item = &str> {
                self.traces().tags()
            }

            /// How important rules say that the request is.
            #[must_use]
            pub fn class(&self) -> $crate::rule::Class {
                self.traces().class()
            }
        }
    )*};
}

#[cfg(any(feature = "tower", feature = "actix"))]
pub(crate) use tells_traces;

tells_traces!(Verdict, Admission, Denial);

/// What a log line may say: the name of the rule and the wait, nothing that the client has sent.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied by \"{}\"", self.name)?;
        match self.retry_after() {
            Some(wait) => write!(f, ", again in {:?}", rounded_up(wait)),
            None => Ok(()),
        }
    }
}

/// Whole seconds, or whole milliseconds of what is less than one: never too early.
fn rounded_up(wait: Duration) -> Duration {
    if wait < Duration::from_secs(1) {
        let millis = wait.as_nanos().div_ceil(1_000_000);
        return Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    }
    let more = u64::from(wait.subsec_nanos() > 0);
    Duration::from_secs(wait.as_secs().saturating_add(more))
}

impl core::error::Error for Denial {}
