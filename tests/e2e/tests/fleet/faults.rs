//! Everything that a server can do instead of answering: limits do what they are told to, checks are over in
//! time, and when the server is back, they are limits again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis::limit::remote::{Answer, Store, StoreError};
use redis::Client;
use tokio::task::JoinSet;

use super::{
    node::{BURST, Node},
    proxy::Proxy,
    server::{Managed, Server, managed, managed_later},
};

/// Requests that go on, whatever happens, each of somebody new.
struct Traffic {
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<[u64; 3]>,
}

impl Traffic {
    fn of(node: &Node<Managed>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for task in 0..4 {
            let (node, is_over) = (node.clone(), Arc::clone(&is_over));
            tasks.spawn(async move {
                let mut counts = [0; 3];
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let who = format!("traffic {task} {}", number / 10);
                    match node.check(&node.limits[task % 3], &who).await {
                        Answer::Admitted(_) => counts[0] += 1,
                        Answer::Denied(_) => counts[1] += 1,
                        Answer::Fallback(_) => counts[2] += 1,
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                counts
            });
        }
        Self { is_over, tasks }
    }

    /// Admitted, denied, and those that nobody knew of.
    async fn end(self) -> [u64; 3] {
        self.is_over.store(true, Ordering::Relaxed);
        let all = self.tasks.join_all().await;
        all.iter().fold([0; 3], |sum, one| std::array::from_fn(|at| sum[at] + one[at]))
    }
}

/// Until it is so; the traffic makes it so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it has not come to {what}");
}

/// One call, and why it fails.
async fn why(node: &Node<impl Store>) -> StoreError {
    let subject = node.fleet.subject(b"why");
    let call =
        portcullis::limit::remote::Call::of("test", subject, &[(node.limits[0].clone(), 1, 1)]);
    node.store.call(&call).await.expect_err("a store that fails")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_in_the_middle_and_comes_back() {
    let Some(mut server) = Server::start() else { return };
    for protocol in ["resp2", "resp3"] {
        let url = format!("redis+unix://{}?protocol={protocol}", server.socket().display());
        let node = Node::new(managed(Client::open(url).unwrap()).await);
        node.holds(protocol).await;
        let traffic = Traffic::of(&node);
        until("calls", || node.fleet.stats().calls() > 60).await;
        server.kill();
        until("failures", || node.fleet.stats().is_open()).await;
        node.is_without_store(protocol).await;
        assert!(matches!(why(&node).await, StoreError::Unreachable(_)));
        server.restart();
        node.is_back(protocol).await;
        let [admitted, denied, unknown] = traffic.end().await;
        assert!(admitted > 0 && denied > 0 && unknown > 0, "{admitted} {denied} {unknown}");
        // It has lost everything, and the script with it.
        node.admits_a_burst(&node.limits[1], &format!("anew {protocol}"), |_| {}).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_forgets_the_script_in_the_middle_and_nobody_notices() {
    for server in Server::start_each() {
        let node = Node::new(server.store().await);
        node.store.load().await.unwrap();
        let traffic = Traffic::of(&node);
        for flush in 0..10 {
            server.ask::<()>(&["SCRIPT", "FLUSH"]);
            node.holds(&format!("flush {flush}")).await;
        }
        let [admitted, _, unknown] = traffic.end().await;
        assert!(admitted > 0);
        // None fails; a machine that is too busy for a check makes one late.
        assert_eq!(node.fleet.stats().failures(), 0);
        assert_eq!(unknown, node.fleet.stats().fallbacks());
    }
}

#[tokio::test]
async fn redis_pauses_its_clients() {
    for server in Server::start_each() {
        let node = Node::new(server.store().await);
        node.holds("before").await;
        server.ask::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]);
        node.is_without_store("paused").await;
        assert!(node.fleet.stats().timeouts() >= 5, "{:?}", node.fleet.stats());
        server.ask::<()>(&["CLIENT", "UNPAUSE"]);
        node.is_back("unpaused").await;
    }
}

#[tokio::test]
async fn redis_is_stopped_and_goes_on() {
    let Some(server) = Server::start() else { return };
    let node = Node::new(server.store().await);
    node.holds("before").await;
    server.stop();
    node.is_without_store("stopped").await;
    // The client's own time is up after two seconds.
    assert_eq!(why(&node).await, StoreError::Timeout);
    server.go_on();
    node.is_back("going on").await;
}

#[tokio::test]
async fn redis_is_slow() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.socket()).await;
    let node = Node::new(managed(proxy.client()).await);
    proxy.delay(15);
    node.is_back("a little slow").await;
    proxy.delay(400);
    node.is_without_store("too slow").await;
    assert!(node.fleet.stats().timeouts() >= 5, "{:?}", node.fleet.stats());
    proxy.delay(0);
    node.is_back("fast").await;
}

#[tokio::test]
async fn redis_has_no_memory_left() {
    for server in Server::start_each() {
        let node = Node::new(server.store().await);
        node.holds("before").await;
        server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        node.is_without_store("full").await;
        let StoreError::Refused(why) = why(&node).await else { panic!("it is refused") };
        assert!(why.contains("OOM"), "{why}");
        server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
        node.is_back("emptied").await;
    }
}

#[tokio::test]
async fn redis_becomes_a_replica_that_cannot_be_written_to() {
    for server in Server::start_each() {
        let node = Node::new(server.store().await);
        node.holds("before").await;
        server.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
        node.is_without_store("replica").await;
        let StoreError::Refused(why) = why(&node).await else { panic!("it is refused") };
        assert!(why.contains("read only replica"), "{why}");
        server.ask::<()>(&["REPLICAOF", "NO", "ONE"]);
        node.is_back("primary").await;
    }
}

#[tokio::test]
async fn redis_takes_the_right_to_run_scripts_away_and_gives_it_back() {
    for server in Server::start_each() {
        let node = Node::new(server.store().await);
        node.holds("before").await;
        server.ask::<()>(&["ACL", "SETUSER", "default", "-evalsha"]);
        node.is_without_store("forbidden").await;
        assert!(matches!(why(&node).await, StoreError::Refused(_)));
        server.ask::<()>(&["ACL", "SETUSER", "default", "+evalsha"]);
        node.is_back("allowed").await;
    }
}

#[tokio::test]
async fn redis_loads_its_data_for_a_while() {
    // So slowly that it takes seconds, and with an ear for others.
    let slow = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"];
    let Some(mut server) = Server::start_with(&slow) else { return };
    let node = Node::new(server.store().await);
    node.holds("before").await;
    let patient = Node::patient(node.store.clone());
    assert_eq!(patient.admitted(&patient.limits[2], "kept", 3).await, (3, 0));
    for number in 0..150 {
        let value = "long ".repeat(1_000);
        server.ask::<()>(&["SET", &format!("other {number}"), &value]);
    }
    server.ask::<()>(&["SAVE"]);
    server.kill();
    server.spawn();
    let is_loading = |server: &mut Server| {
        let Ok(mut connection) = server.client().get_connection() else { return false };
        let pong: Result<String, _> = redis::cmd("PING").query(&mut connection);
        pong.is_err_and(|error| error.to_string().contains("loading the dataset"))
    };
    server.wait_for("load", is_loading);
    let fresh = Node::new(server.store().await);
    fresh.is_without_store("loading").await;
    let StoreError::Refused(text) = why(&fresh).await else { panic!("it is refused") };
    assert!(text.contains("loading the dataset"), "{text}");
    fresh.is_back("loaded").await;
    let patient = Node::patient(fresh.store.clone());
    let kept = patient.admitted(&patient.limits[2], "kept", BURST).await;
    assert_eq!(kept, (BURST - 3, 0), "it was kept");
}

#[tokio::test]
async fn redis_is_not_there_yet_when_the_service_starts() {
    let Some(mut server) = Server::start() else { return };
    server.kill();
    let patient = Node::new(managed_later(server.client()));
    assert!(matches!(patient.store.load().await, Err(StoreError::Unreachable(_))));
    let hasty = Node::new(managed_later(server.client()));
    for node in [&patient, &hasty] {
        node.is_without_store("too early").await;
    }
    server.restart();
    for node in [&patient, &hasty] {
        node.is_back("there").await;
        assert_eq!(node.store.load().await, Ok(()));
        server.ask::<()>(&["FLUSHALL"]);
    }
}

/// What only clones of one connection have, and one that is lost.
#[tokio::test]
async fn redis_connection_that_is_not_managed_stays_lost_and_checks_are_over_all_the_same() {
    let Some(mut server) = Server::start() else { return };
    let store = portcullis::redis::RedisStore::new(server.connection().await);
    let node = Node::new(store);
    node.holds("before").await;
    server.kill();
    node.is_without_store("killed").await;
    server.restart();
    node.is_without_store("and lost").await;
    assert!(matches!(why(&node).await, StoreError::Unreachable(_)));
}
