//! Clients that leave before they are answered.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use portcullis::{
    Quota, SystemClock,
    limit::remote::{Claim, FleetLimit, OnFailure},
};

use super::{
    node::Node,
    server::{Managed, Server},
};

const CLIENTS: u32 = 5;
const EVERYBODYS: u32 = 1_000;

fn limits(node: &Node<Managed>) -> [FleetLimit; 2] {
    let limit = |name, units| {
        node.fleet.limit(name, Quota::per_day(units), OnFailure::Closed).expect("a limit")
    };
    [limit("per client", CLIENTS), limit("everybody", EVERYBODYS)]
}

/// Whoever sends requests and does not wait for answers costs others no more than its own limit lets it. In one thread,
/// so that no answer comes while a check is polled.
#[tokio::test]
async fn redis_is_asked_little_by_a_client_that_leaves_again_and_again() {
    for server in Server::start_each() {
        let node = Node::patient(server.store().await);
        let [per_client, everybody] = limits(&node);
        let claims = [
            Claim::new(&per_client, node.fleet.subject(b"alice"), 1),
            Claim::new(&everybody, node.fleet.subject(b"everybody"), 1),
        ];
        let mut admitted = 0;
        for number in 0..200 {
            {
                let mut check = pin!(node.fleet.check(&claims, &node.store, SystemClock::now));
                let polled = poll_fn(|context| Poll::Ready(check.as_mut().poll(context))).await;
                if let Poll::Ready(answers) = polled {
                    assert_eq!(node.fleet.stats().fallbacks(), 0, "{answers:?}");
                    admitted += u32::from(answers.is_admitted());
                }
            }
            // Some leave before the store can have answered, and after some it has.
            if number % 2 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let stats = node.fleet.stats();
        assert!(admitted <= CLIENTS, "{admitted} admitted");
        assert!(stats.calls() < 50, "{stats:?}");

        let fresh = Node::patient(server.store().await);
        let [per_client, everybody] = limits(&fresh);
        let claims = [Claim::new(&everybody, fresh.fleet.subject(b"everybody"), 900)];
        let answers = fresh.fleet.check(&claims, &fresh.store, SystemClock::now).await;
        assert!(answers.is_admitted(), "{answers:?}, after {stats:?}");
        let (more, unknown) = fresh.admitted(&per_client, "alice", CLIENTS + 1).await;
        assert!(admitted + more <= CLIENTS && unknown == 0, "{admitted} and {more} admitted");
    }
}
