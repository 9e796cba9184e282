//! The gate, end to end: several of them, and one limit.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use portcullis::{
    Denial, DenialReason, Gate, LimitRule, Quota, Request, SystemClock,
    limit::remote::{FleetSettings, OnFailure},
    rule::Scheme,
};
use tokio::task::JoinSet;

use super::server::{Managed, Server};

const BURST: u32 = 12;
/// How long checks wait for a store that does not answer, and for one that does.
const TIMEOUT: Duration = Duration::from_millis(200);
const PATIENT: Duration = Duration::from_secs(10);
/// More than there are requests at a time: a check that is not over holds what it has of one limit until another
/// is known.
const OF_PATH: u32 = 100;

/// One of three, which need not agree on anything but this.
#[derive(Clone)]
struct Node {
    gate: Gate,
    store: Managed,
    longest: Duration,
}

fn gate(on_failure: OnFailure, timeout: Duration) -> Gate {
    let settings = FleetSettings::new()
        .prefix("shop")
        .nodes(3)
        .secret(b"a secret")
        .timeout(timeout)
        .lease(Duration::from_millis(10));
    let per_client = LimitRule::new("per client", Quota::per_day(1).burst(BURST)).fleet(on_failure);
    let per_path = LimitRule::new("per path", Quota::per_day(1).burst(OF_PATH))
        .by([Scheme::new().parse_term("path").unwrap()])
        .fleet(on_failure);
    let gate = Gate::builder().fleet(settings).limit_rule(per_client).limit_rule(per_path).build();
    gate.unwrap()
}

impl Node {
    async fn check(&self, client: &str, path: &str) -> Result<(), Denial> {
        let client: IpAddr = client.parse().unwrap();
        let request = Request::new(client).method("GET").target(path);
        let begun = Instant::now();
        let verdict = self.gate.check_with(&request, &self.store, SystemClock::now).await;
        assert!(begun.elapsed() < self.longest, "a check took {:?}", begun.elapsed());
        verdict.into_result().map(|_| ())
    }

    fn fallbacks(&self) -> u64 {
        self.gate.fleet().unwrap().stats().fallbacks()
    }
}

/// How many of these gates' clients are admitted, all at once, and what the others are told.
async fn admitted(
    nodes: &[Node],
    each: usize,
    client: &'static str,
    path: &'static str,
) -> (u32, Vec<Denial>) {
    let mut checks = JoinSet::new();
    for node in nodes {
        for _ in 0..each {
            let node = node.clone();
            checks.spawn(async move { node.check(client, path).await });
        }
    }
    let mut denials = Vec::new();
    let mut admitted = 0;
    while let Some(checked) = checks.join_next().await {
        match checked.unwrap() {
            Ok(()) => admitted += 1,
            Err(denial) => denials.push(denial),
        }
    }
    (admitted, denials)
}

async fn three(server: &Server, on_failure: OnFailure, timeout: Duration) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let (gate, store) = (gate(on_failure, timeout), server.store().await);
        nodes.push(Node { gate, store, longest: Duration::from_secs(2).max(2 * timeout) });
    }
    nodes
}

/// How many of a client's requests are admitted, one after the other by all of these in turn, so that nothing is taken
/// in advance.
async fn in_turn(nodes: &[Node], client: &str, path: &str) -> u32 {
    let mut passed = 0;
    for node in nodes.iter().cycle().take(BURST as usize + 9) {
        passed += u32::from(node.check(client, path).await.is_ok());
    }
    passed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_makes_one_limit_of_several_gates() {
    for server in Server::start_each() {
        let nodes = three(&server, OnFailure::Closed, PATIENT).await;
        assert_eq!(in_turn(&nodes, "203.0.113.7", "/a").await, BURST);
        // All at once: another client, whom another path's limit does not stop.
        let (passed, denials) = admitted(&nodes, 20, "203.0.113.8", "/b").await;
        assert_eq!(passed, BURST);
        for denial in denials {
            assert_eq!((denial.reason(), denial.name()), (DenialReason::Limit, "per client"));
            assert_eq!(denial.status(), 429);
            assert!(denial.retry_after().unwrap() > Duration::from_secs(80_000), "{denial:?}");
        }
        // What the first one was denied, the path was not charged for; others have what is left of it.
        let mut passed = 0;
        for client in 0..10 {
            let client = format!("198.51.100.{client}");
            for _ in 0..BURST {
                passed += u32::from(nodes[0].check(&client, "/a").await.is_ok());
            }
        }
        let left = OF_PATH - BURST;
        assert!((left - 40..=left).contains(&passed), "{passed} of {left}, and leases of others");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_lost_and_gates_do_what_they_are_told_to() {
    let Some(mut server) = Server::start() else { return };
    let local = three(&server, OnFailure::Local, TIMEOUT).await;
    let open = three(&server, OnFailure::Open, TIMEOUT).await;
    let closed = three(&server, OnFailure::Closed, TIMEOUT).await;
    server.kill();
    let (passed, denials) = admitted(&local, 20, "203.0.113.7", "/a").await;
    assert_eq!(passed, BURST, "each lets its third of them pass");
    assert!(denials.iter().all(|denial| denial.status() == 429));
    assert_eq!(admitted(&open, 20, "203.0.113.7", "/a").await.0, 60);
    let (passed, denials) = admitted(&closed, 20, "203.0.113.7", "/a").await;
    assert_eq!(passed, 0);
    assert!(denials.iter().all(|denial| denial.status() == 503));

    server.restart();
    for (kind, nodes) in [local, open, closed].iter().enumerate() {
        let begun = Instant::now();
        for node in nodes {
            for number in 0.. {
                let before = node.fallbacks();
                let _ = node.check("192.0.2.9", &format!("/{kind}/{number}")).await;
                if node.fallbacks() == before {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(20), "the store is not used again");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // Three thirds of a burst are a burst as well: it has to be the store that has decided.
        let fallbacks = || nodes.iter().map(Node::fallbacks).sum::<u64>();
        let mut attempts = 0..20;
        let passed = loop {
            let attempt = attempts.next().expect("a store that answers all of it in time");
            let client = format!("198.51.100.{}", 1 + 20 * kind + attempt);
            let before = fallbacks();
            let passed = in_turn(nodes, &client, &format!("/again/{attempt}")).await;
            if fallbacks() == before {
                break passed;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(passed, BURST);
        server.ask::<()>(&["FLUSHALL"]);
    }
}
