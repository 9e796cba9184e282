//! What the script is called, what it costs, and what it leaves behind.

use std::time::{Duration, Instant};

use portcullis::{
    Quota, SystemClock,
    limit::remote::{Call, Claim, Fleet, FleetSettings, OnFailure, SCRIPT, SCRIPT_SHA1, Store},
};
use redis::Client;

use super::{
    node::{Node, QUOTA},
    server::{Server, managed},
};

#[test]
fn redis_calls_the_script_what_it_is_called() {
    for server in Server::start_each() {
        assert_eq!(server.ask::<String>(&["SCRIPT", "LOAD", SCRIPT]), SCRIPT_SHA1);
    }
}

/// A call of limits with these quotas, for this one.
fn call(who: &str, quotas: &[Quota]) -> (Call, Vec<String>) {
    let fleet = Fleet::new(FleetSettings::new().prefix("test")).unwrap();
    let asked: Vec<_> = quotas
        .iter()
        .enumerate()
        .map(|(at, quota)| (fleet.limit(&format!("{at}"), *quota, OnFailure::Local).unwrap(), 1, 1))
        .collect();
    let call = Call::of("test", fleet.subject(who.as_bytes()), &asked);
    let keys = call.keys().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect();
    (call, keys)
}

#[tokio::test]
async fn redis_keeps_a_bucket_until_it_is_full_and_no_longer() {
    for server in Server::start_each() {
        let store = server.store().await;
        // A third of 20,000 s is 6,667 s.
        let (call, keys) = call("alice", &[Quota::new(3, Duration::from_secs(20_000)).unwrap()]);
        for owed in 1..=3_i64 {
            let full = store.call(&call).await.unwrap()[3];
            let whole = (20_000_000_000 * owed + 2) / 3;
            assert!((whole - 15_000_000..=whole).contains(&full), "{full} with {owed} taken");
            let left: i64 = server.ask(&["PTTL", &keys[0]]);
            // A key must not be gone before its bucket is full: rounded up, and a millisecond longer.
            let most = (full + 999) / 1_000 + 1;
            assert!((most - 15_000..=most).contains(&left), "{left} of {most} ms");
        }
        // Whoever is denied does not make it longer.
        let before: i64 = server.ask(&["PTTL", &keys[0]]);
        assert_eq!(store.call(&call).await.unwrap()[0], 0);
        assert!(server.ask::<i64>(&["PTTL", &keys[0]]) <= before);
    }
}

/// A key that went before its bucket is full would be a full bucket.
#[tokio::test]
async fn redis_keeps_no_bucket_too_short() {
    for server in Server::start_each() {
        let store = server.store().await;
        // A unit comes back after 20/7 s: no whole number of anything, and time enough to ask.
        let quota = Quota::new(7, Duration::from_secs(20)).unwrap().burst(1_000);
        let (call, keys) = call("carol", &[quota]);
        for _ in 0..50 {
            assert_eq!(store.call(&call).await.unwrap()[0], 1);
            let kept: String = server.ask(&["GET", &keys[0]]);
            let full: i64 = kept.split(' ').next().unwrap().parse().unwrap();
            let expires: i64 = server.ask(&["PEXPIRETIME", &keys[0]]);
            let spare = expires * 1_000 - full;
            assert!((0..=2_000).contains(&spare), "{spare}");
        }
    }
}

#[tokio::test]
async fn redis_has_no_key_of_a_full_bucket() {
    for mut server in Server::start_each() {
        let store = server.store().await;
        let (call, _) = call("alice", &[Quota::per_second(100).burst(3), Quota::per_second(40)]);
        let begun = Instant::now();
        assert_eq!(store.call(&call).await.unwrap()[0], 1);
        server.wait_for("empty itself", |server| server.ask::<i64>(&["DBSIZE"]) == 0);
        assert!(begun.elapsed() >= Duration::from_millis(24), "the slower one takes 25 ms");
    }
}

/// The number of calls of a command since the last reset.
fn calls(server: &Server, command: &str) -> u32 {
    let all: String = server.ask(&["INFO", "commandstats"]);
    let line = all.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn redis_does_two_commands_for_each_key_and_one_for_those_that_are_denied() {
    for server in Server::start_each() {
        let store = server.store().await;
        store.load().await.unwrap();
        let (call, keys) =
            call("alice", &[Quota::per_day(1), Quota::per_day(2), Quota::per_day(3)]);
        for (granted, sets) in [(1, 3), (0, 0)] {
            server.ask::<()>(&["CONFIG", "RESETSTAT"]);
            assert_eq!(store.call(&call).await.unwrap()[0], granted);
            let counts = ["evalsha", "eval", "time", "get", "set"].map(|name| calls(&server, name));
            assert_eq!(counts, [1, 0, 1, 3, sets]);
        }
        for key in keys {
            let bytes: i64 = server.ask(&["MEMORY", "USAGE", &key]);
            assert!((64..=200).contains(&bytes), "{bytes} bytes for {key}");
        }
    }
}

/// What the documentation says is enough, and no more than that is.
#[tokio::test]
async fn redis_needs_to_allow_no_more_than_is_said() {
    for server in Server::start_each() {
        let rights = ["+evalsha", "+eval", "+script|load", "+get", "+set", "+time"];
        for (who, without) in [("all", None), ("few", Some("+set")), ("fewer", Some("+eval"))] {
            let mut words = vec!["ACL", "SETUSER", who, "on", ">secret", "~test:*", "-@all"];
            words.extend(rights.iter().copied().filter(|right| Some(*right) != without));
            server.ask::<()>(&words);
        }
        for protocol in ["resp2", "resp3"] {
            let client = |who| {
                let socket = server.socket();
                let socket = socket.display();
                let url =
                    format!("redis+unix://{socket}?user={who}&pass=secret&protocol={protocol}");
                Client::open(url).unwrap()
            };
            let node = Node::patient(managed(client("all")).await);
            node.store.load().await.unwrap();
            node.holds(&format!("anybody {protocol}")).await;
            server.ask::<()>(&["SCRIPT", "FLUSH"]);
            node.holds(&format!("anybody else {protocol}")).await;
            for who in ["few", "fewer"] {
                server.ask::<()>(&["SCRIPT", "FLUSH"]);
                let node = Node::new(managed(client(who)).await);
                node.is_without_store(&format!("{who} {protocol}")).await;
            }
        }
    }
}

/// Several limits are asked in one call, by whatever name the fleet has.
#[tokio::test]
async fn redis_takes_from_all_limits_or_from_none() {
    let Some(server) = Server::start() else { return };
    let node = Node::patient(server.store().await);
    let fleet = &node.fleet;
    let wide = fleet.limit("wide", QUOTA.burst(5), OnFailure::Closed).unwrap();
    let narrow = fleet.limit("narrow", QUOTA.burst(2), OnFailure::Closed).unwrap();
    let subject = fleet.subject(b"alice");
    let both = [Claim::new(&wide, subject, 1), Claim::new(&narrow, subject, 1)];
    let mut admitted = 0;
    for _ in 0..4 {
        let answers = fleet.check(&both, &node.store, SystemClock::now).await;
        admitted += u32::from(answers.is_admitted());
    }
    let stats = fleet.stats();
    assert_eq!((admitted, stats.fallbacks()), (2, 0));
    assert!(stats.calls() <= 3, "what is denied is remembered: {stats:?}");
    let fresh = Node::patient(server.store().await);
    assert_eq!(fresh.admitted(&wide, "alice", 5).await, (3, 0), "the denied one took nothing");
}
