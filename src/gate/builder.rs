//! How a gate is described, and every mistake in that told at once.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

use super::{Gate, Inner, MissingPeer, Mode, stats::Counters};
use crate::{
    cidr::CidrSet,
    error::{BuildError, BuildProblem, snippet},
    limit::{
        OnSaturation,
        store::{Store, Terms},
    },
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
    /// from each of them, or from none.
    ///
    /// The name goes into denials, statistics and responses: up to 64 visible ASCII characters and
    /// blanks, without `"` and `\`.
    pub fn limit(mut self, name: impl Into<String>, quota: Quota) -> Self {
        self.limits.push((name.into(), quota));
        self
    }

    /// How many clients are remembered at a time; 100,000 unless set here.
    ///
    /// A client is remembered until it has all of its units back. This is what the gate's memory is
    /// made of, 85 to 115 bytes a client and 16 to 20 more for each limit after the first, all allocated by
    /// [`build`](Self::build).
    pub fn clients(self, clients: usize) -> Self {
        Self { clients: Some(clients), ..self }
    }

    /// What becomes of requests without a peer address; they pass unless set here.
    pub fn missing_peer(self, missing_peer: MissingPeer) -> Self {
        Self { missing_peer, ..self }
    }

    /// What becomes of new clients while all the [`clients`](Self::clients) that can be remembered
    /// have something to pay off; they are denied unless set here.
    pub fn on_saturation(self, on_saturation: OnSaturation) -> Self {
        Self { on_saturation, ..self }
    }

    /// How far the gate goes at first: [`Mode::Enforce`] unless set here.
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The gate.
    ///
    /// # Errors
    /// When a limit's name is empty, too long, twice there or not printable, when a
    /// [`ClientGroup`] has more bits than an address, or when no client at all can be remembered:
    /// all mistakes at once.
    ///
    /// # Panics
    /// If the memory for the clients cannot be had, as any allocation does.
    pub fn build(self) -> Result<Gate, BuildError> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(BuildError::new(problems));
        }
        let quotas: Box<[Quota]> = self.limits.iter().map(|(_, quota)| *quota).collect();
        let names = self.limits.iter().map(|(name, _)| Arc::from(name.as_str()));
        let counters = Counters::new(names);
        let clients = if quotas.is_empty() {
            None
        } else {
            let terms = Terms { quotas, max_debt: 0, distinct: 0 };
            Some(Store::new(&terms, self.clients.unwrap_or(DEFAULT_CLIENTS)))
        };
        Ok(Gate(Arc::new(Inner {
            exempt: self.exempt,
            allow: self.allow,
            deny: self.deny,
            group: self.group,
            missing_peer: self.missing_peer,
            on_saturation: self.on_saturation,
            mode: AtomicU64::new(self.mode.to_word()),
            clients,
            counters,
        })))
    }

    fn problems(&self) -> Vec<BuildProblem> {
        let mut problems = Vec::new();
        for (at, (name, _)) in self.limits.iter().enumerate() {
            let number = at.saturating_add(1);
            if !is_a_name(name) {
                problems.push(BuildProblem::LimitName { number, name: snippet(name) });
            } else if Counters::OWN_NAMES.contains(&name.as_str())
                || self.limits.iter().take(at).any(|(earlier, _)| earlier == name)
            {
                problems.push(BuildProblem::DuplicateLimit { number, name: name.clone() });
            }
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

/// Fit for a header, a JSON string and a log line without escaping.
fn is_a_name(name: &str) -> bool {
    let fit = |c: char| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\';
    (1..=64).contains(&name.len()) && name.chars().all(fit) && name.trim() == name
}

const DEFAULT_CLIENTS: usize = 100_000;
const MOST_CLIENTS: usize = 1 << 30;
