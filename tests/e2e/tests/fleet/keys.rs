//! Keys that hold something else, and clocks that step.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis::limit::remote::{Answer, Call, FleetLimit, Store, StoreError};

use super::{
    node::{BURST, Node},
    server::{Managed, Server},
};

/// Where the bucket of this one is kept.
fn key(node: &Node<impl Store>, limit: &FleetLimit, who: &str) -> String {
    let subject = node.fleet.subject(who.as_bytes());
    let call = Call::of("test", subject, &[(limit.clone(), 1, 1)]);
    let key = call.keys().next().map(<[u8]>::to_vec);
    String::from_utf8(key.unwrap()).unwrap()
}

#[tokio::test]
async fn redis_key_of_another_type_is_the_matter_of_that_key_alone() {
    for server in Server::start_each() {
        let node = Node::patient(server.store().await);
        for limit in &node.limits {
            let key = key(&node, limit, "alice");
            server.ask::<()>(&["LPUSH", &key, "what"]);
            for _ in 0..10 {
                let answer = node.check(limit, "alice").await;
                assert_eq!(answer, Answer::Fallback(limit.on_failure()));
                // Not only remembered: asked again and again.
                tokio::time::sleep(Duration::from_millis(11)).await;
            }
            assert!(!node.fleet.stats().is_open(), "the store is well");
        }
        assert!(node.fleet.stats().failures() >= 6, "{:?}", node.fleet.stats());
        node.holds("bob").await;
        for limit in &node.limits {
            server.ask::<()>(&["DEL", &key(&node, limit, "alice")]);
        }
        tokio::time::sleep(Duration::from_millis(11)).await;
        node.holds("alice").await;
    }
}

#[tokio::test]
async fn redis_value_that_cannot_be_read_is_a_full_bucket() {
    for server in Server::start_each() {
        let node = Node::patient(server.store().await);
        let values = [
            "", " ", "what", "12", "12 ", " 12", "12  0", "1 2 3", "-1 0", "1 -1", "1.5 0",
            "1e300 0", "0x10 0", "nan nan", "inf inf", "1\n2", "0 0", "1 1", "\u{fc} 0",
        ];
        for (at, value) in values.iter().enumerate() {
            let who = format!("{at}");
            for limit in &node.limits {
                let before = |who: &str| server.ask(&["SET", &key(&node, limit, who), value]);
                node.admits_a_burst(limit, &who, before).await;
            }
        }
    }
}

/// Neither a server whose clock was wrong nor somebody who writes there locks anybody out for long.
#[tokio::test]
async fn redis_value_far_in_the_future_is_an_empty_bucket() {
    for server in Server::start_each() {
        let node = Node::patient(server.store().await);
        let limit = &node.limits[0];
        for (at, value) in [
            "9007199254740992 0",
            "9007199254740993 999999",
            "99999999999999999999999999999999 99999999999999999999999999",
            &format!("{}1 0", "9".repeat(400)),
        ]
        .iter()
        .enumerate()
        {
            let who = format!("{at}");
            server.ask::<()>(&["SET", &key(&node, limit, &who), value]);
            let Answer::Denied(decision) = node.check(limit, &who).await else { panic!("{value}") };
            let day = Duration::from_secs(86_400);
            let standing = decision.standing();
            assert_eq!(standing.retry_after(), day, "{value}");
            assert_eq!(standing.remaining(), 0);
            let left: i64 = server.ask(&["PTTL", &key(&node, limit, &who)]);
            assert!((1..=7 * 86_400_000 + 1).contains(&left), "{left} ms: it is mended");
        }
    }
}

/// A store whose clock shows what it is told to.
#[derive(Clone)]
struct At {
    store: Managed,
    micros: Arc<AtomicU64>,
}

impl Store for At {
    async fn call(&self, call: &Call) -> Result<Vec<i64>, StoreError> {
        let micros = self.micros.load(Ordering::Relaxed);
        self.store.call(&call.clone().at_micros(micros)).await
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        self.store.sleep(time)
    }
}

#[tokio::test]
async fn redis_clock_that_steps_denies_nobody_for_longer_than_a_bucket_takes_to_fill() {
    const DAY: u64 = 86_400_000_000;
    const NOW: u64 = 1_800_000_000_000_000;
    for server in Server::start_each() {
        let micros = Arc::new(AtomicU64::new(NOW));
        let store = At { store: server.store().await, micros: Arc::clone(&micros) };
        // Each time from a node that remembers nothing.
        let admitted = async |now: u64| {
            micros.store(now, Ordering::Relaxed);
            let node = Node::patient(store.clone());
            let (admitted, unknown) = node.admitted(&node.limits[2], "alice", BURST + 3).await;
            assert_eq!(unknown, 0, "{:?}", node.fleet.stats());
            admitted
        };
        assert_eq!(admitted(NOW).await, BURST);
        assert_eq!(admitted(NOW).await, 0);
        // A year back: the bucket is empty, and fills from there on.
        let back = NOW - 365 * DAY;
        assert_eq!(admitted(back).await, 0);
        assert_eq!(admitted(back + DAY - 1).await, 0);
        assert_eq!(admitted(back + DAY).await, 1);
        assert_eq!(admitted(back + 3 * DAY).await, 2);
        assert_eq!(admitted(NOW).await, BURST, "it holds no more than that");
    }
}
