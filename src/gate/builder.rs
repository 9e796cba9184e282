//! How a gate is described, and every mistake in that told at once.

use alloc::string::String;

use super::{
    Gate, LimitRule, MissingPeer, Mode,
    plan::{Bound, LimitPlan, Plan},
};
use crate::{
    cidr::CidrSet,
    detect::Defence,
    error::BuildError,
    limit::{OnSaturation, remote::FleetSettings},
    quota::Quota,
    request::{ClientGroup, ClientIp},
    rule::{List, Name, Rule, RuleMode, Scheme},
};

/// Describes a [`Gate`]; made by [`Gate::builder`].
///
/// # Example: limits, lists and what counts as a client
/// ```
/// use portcullis::{ClientGroup, Gate, Quota};
///
/// let gate = Gate::builder()
///     .exempt("192.0.2.10".parse()?)
///     .deny("198.51.100.0/24\n2001:db8:bad::/48".parse()?)
///     .client_group(ClientGroup { v4: 32, v6: 56 })
///     .limit("per second", Quota::per_second(10).burst(40))
///     .limit("per hour", Quota::per_hour(3_000))
///     .clients(50_000)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct GateBuilder {
    pub(super) plan: Plan,
}

impl GateBuilder {
    /// Addresses that always pass: health checks, operators. They are neither limited nor denied.
    pub fn exempt(self, exempt: CidrSet) -> Self {
        Self { plan: Plan { exempt, ..self.plan } }
    }

    /// Addresses that the deny list does not apply to. Limits do.
    pub fn allow(self, allow: CidrSet) -> Self {
        Self { plan: Plan { allow, ..self.plan } }
    }

    /// Addresses that are refused with status 403.
    pub fn deny(self, deny: CidrSet) -> Self {
        Self { plan: Plan { deny, ..self.plan } }
    }

    /// What counts as one client: a /32 of IPv4 and a /64 of IPv6 unless set here.
    pub fn client_group(self, group: ClientGroup) -> Self {
        Self { plan: Plan { group, ..self.plan } }
    }

    /// One more limit for every client. A request passes if all limits let it, and takes one unit
    /// from each of them, or from none. There can be 64.
    ///
    /// Intervals (the time in which a unit comes back) go down to 64 ns, and bursts up to 2²⁷; a unit
    /// may come back up to 1/64 of its interval early, as in a [`KeyedLimiter`](crate::KeyedLimiter).
    ///
    /// The name goes into denials, statistics and responses: up to 64 visible ASCII characters and
    /// blanks, without `"` and `\`.
    pub fn limit(mut self, name: impl Into<String>, quota: Quota) -> Self {
        self.plan.limits.push(LimitPlan::per_client(&name.into(), Bound::Quota(quota)));
        self
    }

    /// One more limit, with a condition, a key of its own, or whatever else a [`LimitRule`] says.
    pub fn limit_rule(mut self, limit: LimitRule) -> Self {
        self.plan.limits.push(limit.into());
        self
    }

    /// How many bans there can be at a time; 10,000 unless set here. A new one displaces the one that ends
    /// first.
    ///
    /// # Memory
    /// About 150 bytes a ban, allocated by [`build`](Self::build).
    pub fn bans(self, bans: usize) -> Self {
        Self { plan: Plan { bans: Some(bans), ..self.plan } }
    }

    /// One more rule. Rules are asked by their priority, and those of equal priority in the order in which
    /// they are given here.
    ///
    /// Names are as those of limits, and different from theirs.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.plan.rules.push(rule);
        self
    }

    /// A list that rules can name as `$name`, with what it holds at first; it is replaced and edited
    /// through [`Gate::lists`].
    pub fn list(mut self, name: &str, list: impl Into<List>) -> Self {
        self.plan.lists.set(name, list);
        self
    }

    /// The names that the conditions of rules were made with. Lists that are declared there and not
    /// [given](Self::list) are empty at first.
    pub fn scheme(self, scheme: Scheme) -> Self {
        Self { plan: Plan { scheme, ..self.plan } }
    }

    /// Whose word about the client's address is believed; nobody's unless set here, so that the peer is
    /// the client.
    pub fn trust(self, client: ClientIp) -> Self {
        Self { plan: Plan { client, ..self.plan } }
    }

    /// How far the rules and limits of a group go; of the rule's mode and this one, the less far counts.
    pub fn group(mut self, name: &str, mode: RuleMode) -> Self {
        self.plan.groups.push((Name::from(name), mode));
        self
    }

    /// How many clients are remembered at a time; 100,000 unless set here.
    ///
    /// A client is remembered until it has all of its units back, in a [`KeyedLimiter`](crate::KeyedLimiter) for each
    /// limit; there it is said [how much is enough](crate::KeyedLimiter#how-much-is-enough). Clients that find no
    /// place are judged more coarsely, see [`on_saturation`](Self::on_saturation).
    ///
    /// Another number in a [reload](Gate::reload_with) makes all limits by keys start anew, with a burst for everybody: not
    /// in the middle of a flood.
    ///
    /// # Memory
    /// For each limit 11.4 bytes a client, and an eighth of that for networks (unless saturation
    /// [allows](OnSaturation::Allow)), or 32 to 60 bytes for one of requests in flight, all allocated by
    /// [`build`](Self::build);
    /// [`Gate::memory_bytes`] tells.
    pub fn clients(self, clients: usize) -> Self {
        Self { plan: Plan { clients: Some(clients), ..self.plan } }
    }

    /// What becomes of requests without a peer address; they pass unless set here.
    pub fn missing_peer(self, missing_peer: MissingPeer) -> Self {
        Self { plan: Plan { missing_peer, ..self.plan } }
    }

    /// What becomes of new clients while all the [`clients`](Self::clients) that can be remembered
    /// have something to pay off: [`OnSaturation::Deny`] unless set here.
    ///
    /// | | a client that a limit has no place for |
    /// |---|---|
    /// | [`Deny`](OnSaturation::Deny) | is judged by its network: all newcomers of a /24 of IPv4 or a /48 of IPv6 have the limit's quota together. Where there is no place for the network either, by the [budget for newcomers](Self::newcomers). What these refuse has [`DenialReason::Saturated`](crate::DenialReason::Saturated) |
    /// | [`Allow`](OnSaturation::Allow) | passes that limit, uncounted |
    ///
    /// A limit of requests in flight has no coarser judge: it denies, with the same reason, or lets pass.
    /// The limits that do have a place for it judge it all the same. Both ways the store is too small
    /// for its traffic, or under a flood: see [`GateStats::saturated`](crate::GateStats::saturated).
    pub fn on_saturation(self, on_saturation: OnSaturation) -> Self {
        Self { plan: Plan { on_saturation, ..self.plan } }
    }

    /// The budget for newcomers: what all clients together get for which neither they nor their network
    /// find a place; a hundredth of the [`clients`](Self::clients) a second unless set here, at least
    /// one.
    ///
    /// That is as many new clients in 100 seconds as the gate remembers. A service that knows what
    /// it can serve beyond its usual traffic sets that. With a quota of zero they are denied. It does
    /// nothing where saturation [allows](OnSaturation::Allow).
    ///
    /// # Example: at most 50 a second from whom the gate cannot tell apart
    /// ```
    /// use portcullis::{Gate, Quota};
    ///
    /// let gate = Gate::builder()
    ///     .limit("per client", Quota::per_minute(100).burst(20))
    ///     .newcomers(Quota::per_second(50))
    ///     .build()?;
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    pub fn newcomers(self, budget: Quota) -> Self {
        Self { plan: Plan { newcomers: Some(budget), ..self.plan } }
    }

    /// How far the gate may go by itself when traffic is unusual: nowhere unless set here.
    ///
    /// # Example: it watches and tells, and refuses nothing
    /// ```
    /// use portcullis::{Defence, Gate, Posture};
    ///
    /// let gate = Gate::builder().defence(Defence::up_to(Posture::Elevated)).build()?;
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    pub fn defence(self, defence: Defence) -> Self {
        Self { plan: Plan { defence: Some(defence), ..self.plan } }
    }

    /// What limits of a fleet have in common; see [`LimitRule::fleet`](crate::LimitRule::fleet).
    ///
    /// # Example: eight instances, one limit
    /// ```
    /// use portcullis::{Gate, LimitRule, Quota, limit::remote::{FleetSettings, OnFailure}};
    ///
    /// let limit = LimitRule::new("per client", Quota::per_minute(100)).fleet(OnFailure::Local);
    /// let settings = FleetSettings::new().prefix("shop").nodes(8);
    /// let gate = Gate::builder().fleet(settings).limit_rule(limit).build()?;
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    pub fn fleet(self, fleet: FleetSettings) -> Self {
        Self { plan: Plan { fleet, ..self.plan } }
    }

    /// Makes all that is left to chance follow from this number: who is in a share of the clients, which keys
    /// share a place, and what detection looks at.
    ///
    /// The same requests at the same times, one after the other, then get the same verdicts, in each run: for tests,
    /// simulations and the replay of logs. (With several threads, the order in which they come is still chance. A build for a
    /// processor with other instructions may hash, and decide, differently.)
    ///
    /// It is said once: a gate keeps its chance, or its number, over [reloads](Gate::reload_with), whatever their builders say
    /// of it.
    ///
    /// # Danger
    /// Who knows the number can choose keys that share a place with others, and drive them out of it. Never give one to
    /// a gate that serves clients.
    pub fn danger_seed(self, seed: u64) -> Self {
        Self { plan: Plan { seed: Some(seed), ..self.plan } }
    }

    /// How far the gate goes at first: [`Mode::Enforce`] unless set here.
    pub fn mode(self, mode: Mode) -> Self {
        Self { plan: Plan { mode, ..self.plan } }
    }

    /// The gate.
    ///
    /// # Errors
    /// When the name of a rule or a limit is empty, too long, twice there or not printable; when a quota is
    /// beyond what can be kept for each client, or there are more than 64 limits; when rules cannot be
    /// compiled; when a parameter of the [`defence`](Self::defence) or of the [`fleet`](Self::fleet) is
    /// beyond its range, or a limit of a fleet asks for what a fleet cannot count; when a [`ClientGroup`] has more bits than
    /// an address, or no client at all can be remembered: all mistakes at once. And when the memory for
    /// the clients cannot be had.
    pub fn build(self) -> Result<Gate, BuildError> {
        Gate::from_plan(self.plan)
    }
}
