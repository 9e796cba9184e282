//! Random plans and random requests, against independent exact buckets that are charged all or none.

use std::{collections::HashMap, vec};

use proptest::prelude::*;

use super::*;
use crate::{limit::reference::Exact, rule::RuleMode, test_support::cases};

/// One limit of a plan, in words that the model understands as well.
#[derive(Clone, Debug)]
struct Told {
    quota: Quota,
    /// Method, path, the client: which of these are in the key.
    by: [bool; 3],
    /// Only for this method.
    when: Option<&'static str>,
    /// Only responses of this status count, or requests of this path.
    count_if: Option<(u16, &'static str)>,
    cost: u32,
    shadow: bool,
}

#[derive(Clone, Debug)]
struct Step {
    method: &'static str,
    path: &'static str,
    client: u32,
    status: u16,
    /// In steps of 250 ms, which all quotas divide.
    wait: u64,
    finish: bool,
}

impl Told {
    fn rule(&self, at: usize) -> LimitRule {
        let names = ["method", "path", "client"];
        let by = names.iter().zip(self.by).filter(|(_, is_in)| *is_in).map(|(name, _)| term(name));
        let mut rule = LimitRule::new(&std::format!("{at}"), self.quota).by(by).cost(self.cost);
        if let Some(method) = self.when {
            rule = rule.when(when(&std::format!("method == \"{method}\"")));
        }
        if let Some((status, path)) = self.count_if {
            rule =
                rule.count_if(response(&std::format!("status == {status} or path == \"{path}\"")));
        }
        rule.mode(if self.shadow { RuleMode::Shadow } else { RuleMode::Enforce })
    }

    fn key(&self, at: usize, step: &Step) -> Key {
        let [method, path, client] = self.by;
        (
            at,
            if method { step.method } else { "" },
            if path { step.path } else { "" },
            if client { step.client } else { 0 },
        )
    }
}

type Key = (usize, &'static str, &'static str, u32);

fn any_told() -> impl Strategy<Value = Told> {
    let methods = prop::sample::select(vec!["GET", "POST"]);
    let quota = prop::sample::select(vec![
        Quota::per_second(4),
        Quota::per_second(2),
        Quota::per_second(1).burst(3),
        Quota::per_second(4).burst(9),
    ]);
    let counts = (prop::sample::select(vec![200_u16, 404]), prop::sample::select(vec!["/a", "/b"]));
    (
        quota,
        any::<[bool; 3]>(),
        prop::option::of(methods),
        prop::option::weighted(0.4, counts),
        1..3_u32,
        prop::bool::weighted(0.25),
    )
        .prop_map(|(quota, by, when, count_if, cost, shadow)| Told {
            quota,
            by,
            when,
            count_if,
            cost,
            shadow,
        })
}

fn any_step() -> impl Strategy<Value = Step> {
    (
        prop::sample::select(vec!["GET", "POST"]),
        prop::sample::select(vec!["/a", "/b", "/c"]),
        1..4_u32,
        prop::sample::select(vec![200, 404]),
        0..3_u64,
        prop::bool::weighted(0.8),
    )
        .prop_map(|(method, path, client, status, wait, finish)| Step {
            method,
            path,
            client,
            status,
            wait,
            finish,
        })
}

proptest! {
    #![proptest_config(cases(150))]

    /// I1, I2, I6.
    #[test]
    fn limits_are_independent_buckets_charged_all_or_none(
        told in prop::collection::vec(any_told(), 1..8),
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let world = limits(told.iter().enumerate().map(|(at, told)| told.rule(at)));
        let mut buckets: HashMap<Key, Exact> = HashMap::new();
        let mut now = NOW;
        for step in &steps {
            // A refund leaves a tick behind, and a unit may come back a tick early: both are far from the
            // middle between two steps, where everything is asked.
            now = now.saturating_add(Duration::from_millis(step.wait * 250 + 2));
            let peer = core::net::Ipv4Addr::from_bits(step.client);
            let request = Request::new(IpAddr::V4(peer)).method(step.method).target(step.path);

            let met = told.iter().enumerate();
            let met = met.filter(|(_, told)| told.when.is_none_or(|method| method == step.method));
            let (shadow, enforced): (Vec<_>, Vec<_>) = met.partition(|(_, told)| told.shadow);
            let mut bucket = |at, told: &Told, look: &mut dyn FnMut(&mut Exact) -> bool| {
                look(buckets.entry(told.key(at, step)).or_insert_with(|| Exact::new(told.quota)))
            };
            let refuses = |told: &Told, bucket: &mut Exact| !bucket.would_admit(told.cost, now);
            let denied: Vec<usize> = enforced
                .iter()
                .filter(|(at, told)| bucket(*at, told, &mut |bucket| refuses(told, bucket)))
                .map(|(at, _)| *at)
                .collect();
            let mut would_deny = 0;
            let mut charged = Vec::new();
            if denied.is_empty() {
                for (at, told) in enforced.iter().chain(&shadow) {
                    let took = bucket(*at, told, &mut |bucket| bucket.check_n(told.cost, now).admitted);
                    if took { charged.push((*at, *told)) } else { would_deny |= 1 << *at }
                }
            }
            let (ruling, pending) = world.rule_and_rest(&request, now);
            match ruling {
                Ruling::Passes { would_deny: found, .. } => {
                    prop_assert!(denied.is_empty(), "{:?}", denied);
                    prop_assert_eq!(found, would_deny);
                    if step.finish {
                        pending.finish(status(step.status), now);
                    }
                }
                Ruling::Denied { limit, .. } => prop_assert!(denied.contains(&limit), "{} of {:?}", limit, denied),
                other => prop_assert!(false, "{:?}", other),
            }
            for (at, told) in charged.into_iter().filter(|_| step.finish) {
                if told.count_if.is_some_and(|(status, path)| step.status != status && step.path != path) {
                    bucket(at, told, &mut |bucket| { bucket.refund_n(told.cost, now); true });
                }
            }
        }
    }
}
