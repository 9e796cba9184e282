//! What limits say to requests, asked directly: without lists, rules and proxies before them.

use core::{net::IpAddr, time::Duration};
use std::vec::Vec;

use ahash::RandomState;

use super::{LimitRule, Limits, Pending, Plainly, Ruling, Sentence, Stand};
use crate::{
    gate::{
        bans::{Bans, Subject},
        plan::Plan,
    },
    limit::seeds::Seeds,
    quota::Quota,
    request::{Client, Request, canonical::Canonical},
    rule::{Answer, Expr, Facts, Lists, Scheme, Term},
    time::Timestamp,
    verdict::Decision,
};

mod bans;
mod build;
mod build_fleet;
mod counts;
mod distinct;
mod in_flight;
mod in_flight_model;
mod keys;
mod model;
mod rare;
mod reload;
mod shadow;

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn when(text: &str) -> Expr {
    scheme().parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn response(text: &str) -> Expr {
    scheme().parse_response(text).unwrap_or_else(|error| panic!("{error}"))
}

fn term(text: &str) -> Term {
    scheme().parse_response_term(text).unwrap_or_else(|error| panic!("{error}"))
}

fn terms(texts: &[&str]) -> Vec<Term> {
    texts.iter().map(|text| term(text)).collect()
}

fn scheme() -> Scheme {
    Scheme::new().limit("a").limit("b").list("bad", crate::rule::Type::Int)
}

fn plan(limits: impl IntoIterator<Item = LimitRule>) -> Plan {
    Plan {
        limits: limits.into_iter().map(Into::into).collect(),
        clients: Some(1_000),
        ..Plan::default()
    }
}

fn limits(limits: impl IntoIterator<Item = LimitRule>) -> World {
    World::new(plan(limits))
}

/// Limits, and the bans that they make.
struct World {
    plan: Plan,
    limits: Limits,
    bans: Bans,
}

impl World {
    fn new(plan: Plan) -> Self {
        let limits = Limits::build(&plan, &[], None, &mut Seeds::of_chance(), NOW)
            .unwrap_or_else(|error| panic!("{error:?}"));
        Self { plan, limits, bans: Bans::new(100, RandomState::new()) }
    }

    fn reload(&mut self, plan: Plan, now: Timestamp) {
        self.limits =
            Limits::build(&plan, &[], Some(&self.limits), &mut Seeds::of_chance(), now).unwrap();
        self.plan = plan;
    }

    fn with<R>(&self, request: &Request<'_>, look: impl FnOnce(&Facts<'_>) -> R) -> R {
        let lists = Lists::new();
        Canonical::with(request, |canonical| {
            let chance = request.peer().map_or(0, |peer| match peer {
                IpAddr::V4(v4) => u64::from(v4.to_bits()),
                IpAddr::V6(v6) => v6.to_bits() as u64,
            });
            let group = self.plan.group;
            look(&Facts { group, chance, ..Facts::of(request, canonical, &lists) })
        })
    }

    fn rule(&self, request: &Request<'_>, now: Timestamp) -> Ruling {
        self.rule_and_rest(request, now).0
    }

    /// The same, and what is left over for the response.
    fn rule_and_rest(&self, request: &Request<'_>, now: Timestamp) -> (Ruling, Pending) {
        let mut rest = Pending::default();
        let ruling = self.with(request, |facts| {
            let client = facts.client.map_or(Client::Unknown, |ip| Client::of(ip, facts.group));
            match self.limits.check_plainly(&client, now) {
                Some(Plainly::Passes(strictest)) => Ruling::passes(strictest),
                Some(Plainly::Denied { limit, decision, ban }) => {
                    let net = facts.client.map(|ip| Subject::Net(facts.group.net_of(ip)));
                    let ban = ban.zip(net).map(|(ban, subject)| Sentence { subject, ban });
                    Ruling::Denied { limit, decision, ban }
                }
                None => self.limits.check(facts, &self.bans, &mut rest, None, now),
            }
        });
        (ruling, rest)
    }

    fn explain(&self, request: &Request<'_>, now: Timestamp) -> Vec<Stand> {
        self.with(request, |facts| self.limits.explain(facts, &self.bans, now))
    }

    /// What a check would say.
    fn foresee(&self, request: &Request<'_>, now: Timestamp) -> Ruling {
        self.with(request, |facts| self.limits.foresee(facts, &self.bans, now))
    }

    /// What is left over of a request that passes.
    #[track_caller]
    fn passes(&self, request: &Request<'_>, now: Timestamp) -> Pending {
        match self.rule_and_rest(request, now) {
            (Ruling::Passes { .. }, pending) => pending,
            other => panic!("{other:?}"),
        }
    }

    /// Which limit denies it.
    fn denied_by(&self, request: &Request<'_>, now: Timestamp) -> Option<usize> {
        match self.rule(request, now) {
            Ruling::Passes { .. } => None,
            Ruling::Denied { limit, .. }
            | Ruling::Full { limit, .. }
            | Ruling::Banned { limit, .. }
            | Ruling::Unavailable { limit }
            | Ruling::MissingKey { limit } => Some(limit),
            Ruling::Saturated { .. } => Some(usize::MAX),
            Ruling::Suspended(_) => unreachable!("nobody is asked"),
        }
    }

    /// How many of these pass one after the other.
    fn how_many(&self, request: &Request<'_>, most: usize, now: Timestamp) -> usize {
        (0..most).take_while(|_| self.denied_by(request, now).is_none()).count()
    }

    /// What is left of a limit for this request.
    #[track_caller]
    fn left(&self, limit: usize, request: &Request<'_>, now: Timestamp) -> u32 {
        match self.explain(request, now).get(limit) {
            Some(Stand::Asked(decision)) => decision.standing().remaining(),
            other => panic!("{other:?}"),
        }
    }
}

fn from(peer: &str) -> Request<'static> {
    Request::new(peer.parse::<IpAddr>().unwrap())
}

fn status(status: u16) -> Answer {
    Answer { status, ..Answer::default() }
}

fn denial(ruling: &Ruling) -> Option<Decision> {
    match ruling {
        Ruling::Denied { decision, .. } => Some(*decision),
        _ => None,
    }
}
