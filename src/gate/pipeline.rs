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

use alloc::boxed::Box;
use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::{
    MissingPeer,
    bans::{Bans, Subject},
    effects::{Effect, End, Fared, Judged},
    limits::{Pause, Plainly, Ruling, Sentence},
    snapshot::{Setting, Snapshot},
};
use ipnet::IpNet;

use crate::{
    detect::{Applied, Glance},
    request::{
        Client, Request,
        canonical::{Canonical, Needs},
    },
    rule::{Facts, Lists, Name},
    time::Timestamp,
    verdict::{Decision, Mark, Traces},
};

/// Who hears of the stages, and lets them charge or not.
pub(super) trait Witness {
    /// Whether what is asked is charged.
    const CHARGES: bool;

    /// A request comes in, of a client that is not exempt.
    fn offered(
        &mut self,
        setting: &Setting,
        request: &Request<'_>,
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> Glance;

    /// A mitigation matches.
    fn mitigated(&mut self, setting: &Setting, by: &Applied);

    /// The client is exempt.
    fn exempted(&mut self);

    /// The client is on the deny list, and on the allow list too.
    fn allowed(&mut self);

    /// The client is not known.
    fn without_client(&mut self);

    /// What of a request's canonical form is to be there, where a check reads this of it.
    #[inline]
    fn needs(&self, of_check: Needs) -> Needs {
        of_check
    }

    /// A rule holds. The marks are those before it.
    fn rule(&mut self, at: usize, effect: &Effect, fared: Fared, facts: &Facts<'_>);

    /// All rules are asked, or one has ended them.
    fn judged(&mut self, snapshot: &Snapshot, facts: &Facts<'_>, end: End, by: Option<usize>);

    /// Asks limits that ask for nothing but the client, if they are such.
    #[inline]
    fn plain_limits(&mut self, _: &Setting, _: &Client, _: Timestamp) -> Option<Plainly> {
        None
    }

    /// Asks the limits.
    fn limits(&mut self, setting: &Setting, facts: &Facts<'_>, now: Timestamp) -> Ruling;

    /// The store of a fleet is to be asked: the check goes on from here later.
    fn suspend(&mut self, pause: Box<Pause>, facts: &Facts<'_>);

    /// A limit in shadow would deny.
    fn shadow_limit(&mut self, setting: &Setting, limit: usize);

    /// A rule or a limit bans this one; for how long that is.
    fn ban(&mut self, bans: &Bans, sentence: Sentence, by: &Name, now: Timestamp) -> Duration;
}

/// What the stages say.
pub(super) struct Found {
    /// Which limit is the strictest for a request that passes, and where it stands there. If the check is
    /// [suspended](Witness::suspend), it does not pass yet, and nothing is said of it.
    pub(super) result: Result<Option<(usize, Decision)>, Refusal>,
    pub(super) traces: Traces,
}

/// Why a request does not pass. Rules and limits are numbers of the snapshot's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    MissingPeer,
    /// By which limit, if it is not the client that is banned.
    Banned {
        limit: Option<usize>,
        wait: Duration,
    },
    DenyList,
    Rule {
        rule: usize,
        status: u16,
    },
    RuleBans {
        rule: usize,
        wait: Option<Duration>,
    },
    /// And how long its client, or its key, is banned for that.
    Limit {
        limit: usize,
        decision: Decision,
        ban: Option<Duration>,
    },
    /// All places of a limit in flight are taken; they are each key's, or of all.
    Concurrency {
        limit: usize,
        of_all: bool,
        units: u32,
    },
    MissingKey {
        limit: usize,
    },
    /// The store of this limit does not answer.
    Unavailable {
        limit: usize,
    },
    Saturated {
        wait: Duration,
    },
    /// A mitigation, which the witness knows.
    Mitigated {
        wait: Duration,
    },
    /// It is not known who it is, or not important enough what it is.
    Shed {
        for_being_unknown: bool,
        wait: Duration,
    },
}

impl Snapshot {
    /// Leads a request of this client's through the stages.
    #[inline]
    pub(super) fn decide(
        &self,
        request: &Request<'_>,
        address: Option<IpAddr>,
        chance: impl FnOnce(&Client) -> u64,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Found {
        let setting = &*self.setting;
        if address.is_some_and(|address| setting.exempt.contains(address)) {
            witness.exempted();
            return Ok(None).into();
        }
        let glance = witness.offered(setting, request, address, now);
        let client = match address {
            Some(address) => match setting.admit(address, now, witness) {
                Ok(client) => client,
                Err(refusal) => return Err(refusal).into(),
            },
            None => {
                witness.without_client();
                if setting.missing_peer == MissingPeer::Deny {
                    return Err(Refusal::MissingPeer).into();
                }
                Client::Unknown
            }
        };
        if !setting.reads_requests && self.candidate.is_none() && !glance.word.guards() {
            if let Some(said) = witness.plain_limits(setting, &client, now) {
                return setting.limit_plainly(said, address, now, witness).into();
            }
            let facts = Facts { client: address, group: setting.group, ..bare(request) };
            return setting.limit(&facts, Traces::default(), now, witness);
        }
        let counters = setting.limits.at(now);
        let needs = witness.needs(self.needs().union(setting.needs_of_guard(&glance)));
        Canonical::with_only(request, needs, |canonical| {
            let facts = Facts {
                client: address,
                group: setting.group,
                state: setting.state_of(&glance),
                tag_names: self.rules.tags(),
                chance: if setting.asks_chance || self.candidate.is_some() {
                    chance(&client)
                } else {
                    0
                },
                counters: &counters,
                ..Facts::of(request, canonical, self.rules.lists())
            };
            self.judge(&client, &facts, &glance, now, witness)
        })
    }

    /// The rules, and then the limits.
    fn judge(
        &self,
        client: &Client,
        facts: &Facts<'_>,
        glance: &Glance,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Found {
        let setting = &*self.setting;
        let seen = |at, effect: &Effect, fared| witness.rule(at, effect, fared, facts);
        let Judged { end, by, skips_limits, traces } =
            setting.effects.judge(&self.rules, facts, seen);
        witness.judged(self, facts, end, by);
        if glance.word.guards() && !end.denies() {
            let class = traces.class();
            if let Some(refusal) = setting.guard(facts, glance, end, class, now, witness) {
                return Found { result: Err(refusal), traces };
            }
        }
        let result = match (end, by) {
            (End::Denied { status }, Some(rule)) => Err(Refusal::Rule { rule, status }),
            (End::Banned(ban), Some(rule)) => {
                let client = facts.client.map(|client| Subject::Net(facts.group.net_of(client)));
                let sentence = client.map(|subject| Sentence { subject, ban });
                let name = setting.names.rules.get(rule);
                let wait = setting.sentence(sentence, name, facts.client, now, witness);
                Err(Refusal::RuleBans { rule, wait })
            }
            (End::Allowed { bypasses_limits: true, .. }, _) => Ok(None),
            _ if skips_limits => Ok(None),
            _ => match witness.plain_limits(setting, client, now) {
                Some(said) => setting.limit_plainly(said, facts.client, now, witness),
                None => return setting.limit(facts, traces, now, witness),
            },
        };
        Found { result, traces }
    }
}

impl Setting {
    /// The stages that only ask who it is: bans, lists.
    #[inline]
    fn admit(
        &self,
        address: IpAddr,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Result<Client, Refusal> {
        if let Some(wait) = self.bans.check(address, now) {
            return Err(Refusal::Banned { limit: None, wait });
        }
        if self.deny.contains(address) {
            if !self.allow.contains(address) {
                return Err(Refusal::DenyList);
            }
            witness.allowed();
        }
        Ok(Client::of(address, self.group))
    }

    /// What becomes of a request that limits have said this to.
    #[inline]
    fn limit_plainly(
        &self,
        said: Plainly,
        address: Option<IpAddr>,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Result<Option<(usize, Decision)>, Refusal> {
        match said {
            Plainly::Passes(strictest) => Ok(strictest),
            Plainly::Denied { limit, decision, ban } => {
                let sentence = ban.zip(address).map(|(ban, address)| Sentence {
                    subject: Subject::Net(self.group.net_of(address)),
                    ban,
                });
                let by = self.names.limits.get(limit);
                let ban = self.sentence(sentence, by, address, now, witness);
                Err(Refusal::Limit { limit, decision, ban })
            }
        }
    }

    #[inline(never)]
    pub(super) fn limit(
        &self,
        facts: &Facts<'_>,
        mut traces: Traces,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Found {
        let result = match witness.limits(self, facts, now) {
            Ruling::Passes { strictest, would_deny } => {
                if would_deny != 0 {
                    self.in_shadow(would_deny, &mut traces, witness);
                }
                Ok(strictest)
            }
            Ruling::Denied { limit, decision, ban } => {
                let by = self.names.limits.get(limit);
                let ban = self.sentence(ban, by, facts.client, now, witness);
                Err(Refusal::Limit { limit, decision, ban })
            }
            Ruling::Full { limit, of_all, units } => {
                Err(Refusal::Concurrency { limit, of_all, units })
            }
            Ruling::Banned { limit, wait } => Err(Refusal::Banned { limit: Some(limit), wait }),
            Ruling::MissingKey { limit } => Err(Refusal::MissingKey { limit }),
            Ruling::Unavailable { limit } => Err(Refusal::Unavailable { limit }),
            Ruling::Suspended(pause) => {
                witness.suspend(pause, facts);
                Ok(None)
            }
            Ruling::Saturated { wait } => Err(Refusal::Saturated { wait }),
        };
        Found { result, traces }
    }

    /// The limits with these bits would deny.
    #[cold]
    fn in_shadow(&self, mut limits: u64, traces: &mut Traces, witness: &mut impl Witness) {
        while limits != 0 {
            let limit = usize::try_from(limits.trailing_zeros()).unwrap_or(0);
            limits &= limits.wrapping_sub(1);
            traces.mark(Mark::ShadowLimit(limit));
            witness.shadow_limit(self, limit);
        }
    }

    /// Has somebody banned, if there is somebody to ban.
    fn sentence(
        &self,
        sentence: Option<Sentence>,
        by: Option<&Name>,
        client: Option<IpAddr>,
        now: Timestamp,
        witness: &mut impl Witness,
    ) -> Option<Duration> {
        let sentence = sentence.filter(|sentence| self.may_ban(&sentence.subject, client))?;
        Some(witness.ban(&self.bans, sentence, by?, now))
    }

    /// Whether a proxy that is trusted, or the machine itself, is in this network (I3).
    pub(super) fn is_ours(&self, net: &IpNet) -> bool {
        let own = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        own.iter().any(|own| net.contains(own)) || self.client.trusts_any_of(net)
    }

    /// I3; an exempt client has passed before. A key is whose request has it.
    fn may_ban(&self, subject: &Subject, client: Option<IpAddr>) -> bool {
        let net = match subject {
            Subject::Net(net) => Some(*net),
            Subject::Key { .. } => client.map(IpNet::from),
        };
        net.is_none_or(|net| !self.is_ours(&net))
    }
}

/// The facts of a request that nobody reads.
pub(super) fn bare<'a>(request: &'a Request<'a>) -> Facts<'a> {
    static NO_LISTS: Lists = Lists::new();
    Facts::of(request, &Canonical::NOTHING, &NO_LISTS)
}

impl From<Result<Option<(usize, Decision)>, Refusal>> for Found {
    #[inline]
    fn from(result: Result<Option<(usize, Decision)>, Refusal>) -> Self {
        Self { result, traces: Traces::default() }
    }
}
