//! The stages of a check, in their one order.
//!
//! A check and an explanation walk through the same code: what differs, whether anything is charged and
//! who hears of it, is a [`Witness`].
//!
//! # Invariants
//! - **I1** the first stage that refuses ends the check, and later ones hear nothing of the request;
//! - **I2** a rule that allows does not lift limits, unless it says so;
//! - **I3** neither an exempt client, nor a proxy that is trusted, nor the machine itself is ever banned;
//! - **I4** a request without a known client passes the stages that ask for one.

use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::{
    MissingPeer,
    effects::{Effect, End, Fared, Judged},
    limiting::{Bans, Limits, Pending, Ruling},
    snapshot::{Setting, Snapshot},
};
use crate::{
    request::{
        Client, Request, Trust,
        canonical::{Canonical, UriFlags},
    },
    rule::{Ban, Facts, Lists},
    time::Timestamp,
    verdict::{Decision, Traces},
};

/// Who hears of the stages, and lets them charge or not.
pub(super) trait Witness {
    /// The client is exempt.
    fn exempted(&mut self);

    /// The client is not known.
    fn without_client(&mut self);

    /// A rule holds. The marks are those before it.
    fn rule(&mut self, at: usize, effect: &Effect, fared: Fared, facts: &Facts<'_>);

    /// Asks the limits.
    fn limits(&mut self, limits: &Limits, facts: &Facts<'_>, now: Timestamp) -> Ruling;

    /// A rule bans this client; for how long that is.
    fn ban(&mut self, bans: &Bans, client: &Client, ban: Ban, now: Timestamp) -> Duration;
}

/// What the stages say.
pub(super) struct Found {
    pub(super) result: Result<Passed, Refusal>,
    pub(super) traces: Traces,
}

/// What a request that passes brings with it.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Where it stands with its strictest limit.
    pub(super) standing: Option<Decision>,
    pub(super) pending: Pending,
}

/// Why a request does not pass. Rules and limits are numbers of the snapshot's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    MissingPeer,
    Banned { wait: Duration },
    DenyList,
    Rule { rule: usize, status: u16 },
    RuleBans { rule: usize, wait: Option<Duration> },
    Limit { limit: usize, decision: Decision },
    Saturated { wait: Duration },
}

impl Snapshot {
    /// Leads a request through the stages.
    #[inline]
    pub(super) fn decide(
        &self,
        request: &Request<'_>,
        chance: impl FnOnce(&Client) -> u64,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Found {
        let setting = &*self.setting;
        let address = setting.client.resolve(request).map(|resolved| resolved.ip);
        let client = match address {
            Some(address) => match setting.admit(address, now, witness) {
                Ok(client) => client,
                Err(end) => return end.into(),
            },
            None => {
                witness.without_client();
                if setting.missing_peer == MissingPeer::Deny {
                    return Err(Refusal::MissingPeer).into();
                }
                Client::Unknown
            }
        };
        if !setting.reads_requests {
            let facts = Facts { client: address, group: setting.group, ..bare(request) };
            return setting.limit(&facts, Traces::default(), now, witness);
        }
        Canonical::with(request, |canonical| {
            let facts = Facts {
                client: address,
                group: setting.group,
                tag_names: self.rules.tags(),
                chance: chance(&client),
                ..Facts::of(request, canonical, self.rules.lists())
            };
            self.judge(&client, &facts, now, witness)
        })
    }

    /// The rules, and then the limits.
    fn judge(
        &self,
        client: &Client,
        facts: &Facts<'_>,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Found {
        let setting = &*self.setting;
        let seen = |at, effect: &Effect, fared| witness.rule(at, effect, fared, facts);
        let Judged { end, by, skips_limits, traces } =
            setting.effects.judge(&self.rules, facts, seen);
        let traces = traces.named(&setting.names);
        let result = match (end, by) {
            (End::Denied { status }, Some(rule)) => Err(Refusal::Rule { rule, status }),
            (End::Banned(ban), Some(rule)) => {
                let wait = setting
                    .may_ban(facts.client)
                    .then(|| witness.ban(&setting.bans, client, ban, now));
                Err(Refusal::RuleBans { rule, wait })
            }
            (End::Allowed { bypasses_limits: true }, _) => Ok(Passed::default()),
            _ if skips_limits => Ok(Passed::default()),
            _ => return setting.limit(facts, traces, now, witness),
        };
        Found { result, traces }
    }
}

impl Setting {
    /// The stages that only ask who it is: exempt, bans, lists.
    #[inline]
    fn admit(
        &self,
        address: IpAddr,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Result<Client, Result<Passed, Refusal>> {
        if self.exempt.contains(address) {
            witness.exempted();
            return Err(Ok(Passed::default()));
        }
        let client = Client::of(address, self.group);
        if let Some(wait) = self.bans.check(&client, now) {
            return Err(Err(Refusal::Banned { wait }));
        }
        if self.deny.contains(address) && !self.allow.contains(address) {
            return Err(Err(Refusal::DenyList));
        }
        Ok(client)
    }

    #[inline]
    fn limit(
        &self,
        facts: &Facts<'_>,
        traces: Traces,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Found {
        let result = match witness.limits(&self.limits, facts, now) {
            Ruling::Passes { standing, pending } => Ok(Passed { standing, pending }),
            Ruling::Denied { limit, decision } => Err(Refusal::Limit { limit, decision }),
            Ruling::Saturated { wait } => Err(Refusal::Saturated { wait }),
        };
        Found { result, traces }
    }

    /// I3; an exempt client has passed before.
    fn may_ban(&self, client: Option<IpAddr>) -> bool {
        let own = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        client.is_some_and(|client| {
            !own.contains(&client)
                && match &self.client.trust {
                    Trust::Nets(nets) => !nets.contains(client),
                    Trust::None | Trust::Hops(_) => true,
                }
        })
    }
}

/// The facts of a request that nobody reads.
fn bare<'a>(request: &'a Request<'a>) -> Facts<'a> {
    static NOTHING: Canonical<'static> =
        Canonical { path: b"", query: None, host: b"", flags: UriFlags(0), oversize: false };
    static NO_LISTS: Lists = Lists::new();
    Facts::of(request, &NOTHING, &NO_LISTS)
}

impl From<Result<Passed, Refusal>> for Found {
    fn from(result: Result<Passed, Refusal>) -> Self {
        Self { result, traces: Traces::default() }
    }
}
