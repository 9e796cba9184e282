//! How a service describes a limit.

use crate::{
    gate::plan::{Bound, Cost, LimitPlan, MissingKey, Scope, Then},
    limit::{Share, remote::OnFailure},
    quota::Quota,
    rule::{Expr, Name, RuleMode, Term},
};

/// A limit with a condition, a key, and what counts: for
/// [`GateBuilder::limit_rule`](crate::GateBuilder::limit_rule).
///
/// Unless it is said otherwise, it is a limit of each client's for all requests, each of them counts one
/// unit, and what is beyond it is refused.
///
/// # Example: five failed logins a minute, then out for a while
/// ```
/// use portcullis::{Gate, Quota, gate::{LimitRule, Then}, rule::{Ban, Scheme}};
/// use std::time::Duration;
///
/// let scheme = Scheme::new();
/// let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
/// let failures = LimitRule::new("login failures", Quota::per_minute(5))
///     .when(scheme.parse(r#"method == "POST" and path == "/login""#)?)
///     .count_if(scheme.parse_response("status in {401 403}")?)
///     .then(Then::Ban(Ban::new(minutes(15)).escalate(4).most(minutes(24 * 60))));
/// let gate = Gate::builder().limit_rule(failures).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a limit does nothing until a gate is built with it"]
pub struct LimitRule(pub(in crate::gate) LimitPlan);

impl LimitRule {
    /// A limit of each client's with this name, which goes into denials, statistics and responses.
    pub fn new(name: &str, quota: Quota) -> Self {
        Self(LimitPlan::per_client(name, Bound::Quota(quota)))
    }

    /// A limit of each client's requests in flight: no more than `n` of them at a time.
    ///
    /// A request takes a place when it is checked, and gives it back when its
    /// [`Admission`](crate::Admission) is finished or dropped, or, if [`hold`](crate::Admission::hold) is asked
    /// for, when that is dropped. What finds no place is refused with
    /// [`DenialReason::Concurrency`](crate::DenialReason::Concurrency): status 429 if the limit has a key, and
    /// 503 if it is one for everything together ([`by`](Self::by) nothing), which is not this client's doing.
    /// The wait that is told is one second, as nobody can know, and none where there will never be
    /// as many places as the request asks for.
    ///
    /// Places are taken before units of quotas, and what a quota denies gives its own back at once: only while it
    /// is being checked does it count for others. Another number of [`clients`](crate::GateBuilder::clients) makes
    /// a limit with a key start anew: what is in flight then no longer counts. A request takes as many places
    /// as its [`cost`](Self::cost). [`count_if`](Self::count_if), [`distinct`](Self::distinct), a cost that the
    /// response tells, and bans do not go with it.
    ///
    /// # Example: 20 requests in flight for each client, 500 in all
    /// ```
    /// use portcullis::{DenialReason, Gate, Outcome, Request, Timestamp, gate::LimitRule};
    /// use std::net::IpAddr;
    ///
    /// let gate = Gate::builder()
    ///     .limit_rule(LimitRule::in_flight("per client in flight", 20))
    ///     .limit_rule(LimitRule::in_flight("in flight", 500).by([]))
    ///     .build()?;
    /// let now = Timestamp::ZERO;
    /// let client = Request::new("203.0.113.9".parse::<IpAddr>()?);
    /// let mut served = Vec::new();
    /// for _ in 0..20 {
    ///     let mut admission = gate.check(&client, now).into_result()?;
    ///     let places = admission.hold();
    ///     // The status is known; the body is still on its way, and keeps the places.
    ///     gate.finish(admission, Outcome::status(200), now);
    ///     served.push(places);
    /// }
    /// let denial = gate.check(&client, now).into_result().unwrap_err();
    /// assert_eq!((denial.reason(), denial.status()), (DenialReason::Concurrency, 429));
    /// served.pop();
    /// assert!(gate.check(&client, now).is_admitted());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Memory
    /// 32 to 60 bytes for each of the [`clients`](crate::GateBuilder::clients), which is how many keys can have
    /// requests in flight at a time; nothing if it is one for everything. A key that finds the table full is
    /// refused with [`DenialReason::Saturated`](crate::DenialReason::Saturated), or passes uncounted, as
    /// [`on_saturation`](crate::GateBuilder::on_saturation) says.
    ///
    /// # Concurrency
    /// A check and the end of a response take the lock of one of up to 64 shards, for a few memory
    /// accesses; one limit for everything takes none.
    pub fn in_flight(name: &str, n: u32) -> Self {
        Self(LimitPlan::per_client(name, Bound::InFlight(n)))
    }

    /// All nodes of a fleet count together, in a store that they share; and this is what the limit does when
    /// it fails.
    ///
    /// A denial is remembered by each node for as long as waiting takes, and for up to a lease (100 ms) at least: who is
    /// right at the limit may be refused that much too early, which a [ban](Self::then) then answers. What a
    /// node refuses by itself while the store fails bans nobody. In shadow, requests wait for the store as well: that
    /// is what is tried out. Another quota begins anew.
    ///
    /// The gate is then to be asked with [`Gate::start`](crate::Gate::start), or through an adapter that has been
    /// [given a store](crate::limit::remote::Store); what a fleet is, [`fleet`](crate::GateBuilder::fleet) says. The
    /// limit's name is what all nodes know it by. What only the response tells ([`count_if`](Self::count_if), a
    /// [cost](Self::cost_of) of responses), [`distinct`](Self::distinct) values and requests
    /// [in flight](Self::in_flight) cannot be counted together.
    pub fn fleet(mut self, on_failure: OnFailure) -> Self {
        self.0.scope = Scope::Fleet(on_failure);
        self
    }

    /// Only requests of which this holds meet the limit.
    pub fn when(mut self, when: Expr) -> Self {
        self.0.when = Some(when);
        self
    }

    /// Requests with the same values are counted together; all of them, if there is no value.
    ///
    /// A value that is missing is one of its own, different from an empty one; see
    /// [`missing`](Self::missing). Only a limit by the client's address or a network of it can fall back on
    /// the network when it has no place for a key; others fall back on the [budget for
    /// newcomers](crate::GateBuilder::newcomers).
    pub fn by(mut self, terms: impl IntoIterator<Item = Term>) -> Self {
        self.0.by = terms.into_iter().collect();
        self
    }

    /// Only requests whose response is such count.
    ///
    /// The unit is taken before the request is served, and given back by
    /// [`Gate::finish`](crate::Gate::finish) when the response says so: a thousand requests at once do not
    /// slip through a limit of five. What is never finished counts.
    ///
    /// With a [ban](Self::then), what responses have counted is kept apart, and only who has used up the quota with
    /// that is banned: a hundred right passwords at once, from one address, are throttled and no more. That takes as
    /// much memory for each client again. A response that is not known bans nobody either.
    pub fn count_if(mut self, condition: Expr) -> Self {
        self.0.count_if = Some(condition);
        self
    }

    /// A request takes so many units.
    pub fn cost(mut self, units: u32) -> Self {
        self.0.cost = Cost::Units(units);
        self
    }

    /// A request takes as many units as this number says: one if it is missing, none if it is negative.
    ///
    /// Where only the response tells, one unit is taken until then; the rest is
    /// charged afterwards, also beyond an empty bucket, by up to the quota's burst. A request that takes more
    /// than the burst at once is always denied.
    pub fn cost_of(mut self, number: Term) -> Self {
        // Which one it is, the field says.
        self.0.cost = Cost::Request(number);
        self
    }

    /// Only distinct values of this count: a value that was counted takes nothing for the quota's period.
    ///
    /// Requests with values that were counted pass as long as there is a unit left. Two values are
    /// taken for one with a probability of less than 7 in a million. A value is noted when it counts; if
    /// the limit has a [`count_if`](Self::count_if), that is when its response is known.
    ///
    /// # Memory
    /// 46 bytes for each of the [`clients`](crate::GateBuilder::clients), besides what the limit has anyway.
    pub fn distinct(mut self, value: Term) -> Self {
        self.0.distinct = Some(value);
        self
    }

    /// What becomes of requests that lack a part of the key, or the value of which distinct ones count.
    pub fn missing(mut self, missing: MissingKey) -> Self {
        self.0.missing = missing;
        self
    }

    /// What follows a denial.
    ///
    /// For a limit with a [`count_if`](Self::count_if), a reload that adds a ban or takes it away has the limit start
    /// anew: what responses have counted is kept apart for bans.
    pub fn then(mut self, then: Then) -> Self {
        self.0.then = then;
        self
    }

    /// How far the limit goes. In shadow it counts what passes, and denies nothing.
    pub fn mode(mut self, mode: RuleMode) -> Self {
        self.0.mode = mode;
        self
    }

    /// The share of clients that it is in force for; for the others it is in shadow.
    pub fn share(mut self, share: Share) -> Self {
        self.0.share = share;
        self
    }

    /// The group that it belongs to, whose mode it does not go beyond.
    pub fn group(mut self, group: &str) -> Self {
        self.0.group = Some(Name::from(group));
        self
    }
}

impl From<LimitRule> for LimitPlan {
    fn from(LimitRule(plan): LimitRule) -> Self {
        plan
    }
}
