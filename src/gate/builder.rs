//! How a gate is described, and every mistake in that told at once.

use alloc::{string::String, sync::Arc, vec::Vec};

use super::{
    Gate, Inner, MissingPeer, Mode,
    clients::{Clients, MOST_LIMITS},
    stats::Counters,
};
use crate::{
    cidr::CidrSet,
    error::{BuildError, BuildProblem, KeyedLimiterError, snippet},
    limit::{Capacity, KeyedLimiter, OnSaturation},
    quota::Quota,
    request::ClientGroup,
    sync::AtomicU64,
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
    exempt: CidrSet,
    allow: CidrSet,
    deny: CidrSet,
    group: ClientGroup,
    limits: Vec<(String, Quota)>,
    clients: Option<usize>,
    newcomers: Option<Quota>,
    missing_peer: MissingPeer,
    on_saturation: OnSaturation,
    mode: Mode,
}

impl GateBuilder {
    /// Addresses that always pass: health checks, operators. They are neither limited nor denied.
    pub fn exempt(self, exempt: CidrSet) -> Self {
        Self { exempt, ..self }
    }

    /// Addresses that the deny list does not apply to. Limits do.
    pub fn allow(self, allow: CidrSet) -> Self {
        Self { allow, ..self }
    }

    /// Addresses that are refused with status 403.
    pub fn deny(self, deny: CidrSet) -> Self {
        Self { deny, ..self }
    }

    /// What counts as one client: a /32 of IPv4 and a /64 of IPv6 unless set here.
    pub fn client_group(self, group: ClientGroup) -> Self {
        Self { group, ..self }
    }

    /// One more limit for every client. A request passes if all limits let it, and takes one unit
    /// from each of them, or from none. There can be 64.
    ///
    /// Intervals (the time in which a unit comes back) go down to 64 ns, and bursts up to 2²⁷; a unit
    /// may come back up to 1/64 of its interval early, as in a [`KeyedLimiter`].
    ///
    /// The name goes into denials, statistics and responses: up to 64 visible ASCII characters and
    /// blanks, without `"` and `\`.
    pub fn limit(mut self, name: impl Into<String>, quota: Quota) -> Self {
        self.limits.push((name.into(), quota));
        self
    }

    /// How many clients are remembered at a time; 100,000 unless set here.
    ///
    /// A client is remembered until it has all of its units back, in a [`KeyedLimiter`] for each
    /// limit; there it is said [how much is enough](KeyedLimiter#how-much-is-enough). Clients that find no
    /// place are judged more coarsely, see [`on_saturation`](Self::on_saturation).
    ///
    /// # Memory
    /// For each limit 11.4 bytes a client, and an eighth of that for networks (unless saturation
    /// [allows](OnSaturation::Allow)), all allocated by [`build`](Self::build);
    /// [`Gate::memory_bytes`] tells.
    pub fn clients(self, clients: usize) -> Self {
        Self { clients: Some(clients), ..self }
    }

    /// What becomes of requests without a peer address; they pass unless set here.
    pub fn missing_peer(self, missing_peer: MissingPeer) -> Self {
        Self { missing_peer, ..self }
    }

    /// What becomes of new clients while all the [`clients`](Self::clients) that can be remembered
    /// have something to pay off: [`OnSaturation::Deny`] unless set here.
    ///
    /// | | a client that a limit has no place for |
    /// |---|---|
    /// | [`Deny`](OnSaturation::Deny) | is judged by its network: all newcomers of a /24 of IPv4 or a /48 of IPv6 have the limit's quota together. Where there is no place for the network either, by the [budget for newcomers](Self::newcomers). What these refuse has [`DenialReason::Saturated`](crate::DenialReason::Saturated) |
    /// | [`Allow`](OnSaturation::Allow) | passes that limit, uncounted |
    ///
    /// The limits that do have a place for it judge it all the same. Both ways the store is too small
    /// for its traffic, or under a flood: see [`GateStats::saturated`](crate::GateStats::saturated).
    pub fn on_saturation(self, on_saturation: OnSaturation) -> Self {
        Self { on_saturation, ..self }
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
        Self { newcomers: Some(budget), ..self }
    }

    /// How far the gate goes at first: [`Mode::Enforce`] unless set here.
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The gate.
    ///
    /// # Errors
    /// When a limit's name is empty, too long, twice there or not printable, its quota is beyond what
    /// can be kept for each client, or there are more than 64; when a [`ClientGroup`] has more bits than
    /// an address, or no client at all can be remembered: all mistakes at once. And when the memory for
    /// the clients cannot be had.
    pub fn build(self) -> Result<Gate, BuildError> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(BuildError::new(problems));
        }
        let quotas: Vec<Quota> = self.limits.iter().map(|(_, quota)| *quota).collect();
        let names = self.limits.iter().map(|(name, _)| Arc::from(name.as_str()));
        let counters = Counters::new(names);
        let clients = if quotas.is_empty() {
            None
        } else {
            let clients = self.clients.unwrap_or(DEFAULT_CLIENTS);
            let newcomers = match self.on_saturation {
                OnSaturation::Deny => Some(self.newcomers.unwrap_or_else(|| newcomers(clients))),
                OnSaturation::Allow => None,
            };
            let refused = |(at, error)| {
                let problem = self.limits.get(at).map(|limit| refused(at, limit, clients, error));
                BuildError::new(problem.into_iter().collect())
            };
            Some(Clients::new(&quotas, clients, newcomers).map_err(refused)?)
        };
        Ok(Gate(Arc::new(Inner {
            exempt: self.exempt,
            allow: self.allow,
            deny: self.deny,
            group: self.group,
            missing_peer: self.missing_peer,
            mode: AtomicU64::new(self.mode.to_word()),
            clients,
            counters,
        })))
    }

    fn problems(&self) -> Vec<BuildProblem> {
        let mut problems = Vec::new();
        for (at, limit) in self.limits.iter().enumerate() {
            let (name, quota) = limit;
            let number = at.saturating_add(1);
            if !is_a_name(name) {
                problems.push(BuildProblem::LimitName { number, name: snippet(name) });
            } else if Counters::OWN_NAMES.contains(&name.as_str())
                || self.limits.iter().take(at).any(|(earlier, _)| earlier == name)
            {
                problems.push(BuildProblem::DuplicateLimit { number, name: name.clone() });
            }
            // Whether a quota fits does not depend on the size.
            if let Err(error) = KeyedLimiter::new(*quota, Capacity::keys(1)) {
                problems.push(refused(at, limit, 1, error));
            }
        }
        if self.limits.len() > MOST_LIMITS {
            let limits = self.limits.len();
            problems.push(BuildProblem::TooManyLimits { limits, most: MOST_LIMITS });
        }
        for (family, bits, most) in [("v4", self.group.v4, 32), ("v6", self.group.v6, 128)] {
            if bits > most {
                problems.push(BuildProblem::GroupTooLong { family, bits, most });
            }
        }
        match self.clients {
            Some(0) if !self.limits.is_empty() => problems.push(BuildProblem::NoClients),
            Some(clients) if clients > MOST_CLIENTS => {
                problems.push(BuildProblem::TooManyClients { clients, most: MOST_CLIENTS });
            }
            _ => {}
        }
        problems
    }
}

/// The budget for newcomers unless it is said: a hundredth of the clients a second.
fn newcomers(clients: usize) -> Quota {
    Quota::per_second(u32::try_from(clients / 100).unwrap_or(u32::MAX).max(1))
}

/// Why this limit, counted from 0, cannot be had.
fn refused(
    at: usize,
    (name, quota): &(String, Quota),
    clients: usize,
    error: KeyedLimiterError,
) -> BuildProblem {
    let (number, name) = (at.saturating_add(1), snippet(name));
    match error {
        KeyedLimiterError::OutOfRange { .. } => {
            BuildProblem::LimitQuota { number, name, quota: *quota }
        }
        _ => BuildProblem::NoMemory { number, name, clients },
    }
}

/// Fit for a header, a JSON string and a log line without escaping.
fn is_a_name(name: &str) -> bool {
    let fit = |c: char| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\';
    (1..=64).contains(&name.len()) && name.chars().all(fit) && name.trim() == name
}

const DEFAULT_CLIENTS: usize = 100_000;
const MOST_CLIENTS: usize = 1 << 30;
