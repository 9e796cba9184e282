//! A cluster: two limits in one call, slots that move.

use std::{collections::HashMap, ops::Range};

use portcullis::{
    SystemClock,
    limit::remote::{Call, Claim, OnFailure},
    redis::RedisStore,
};
use redis::{cluster::ClusterClient, cluster_async::ClusterConnection};

use super::{
    node::{BURST, Node, QUOTA},
    server::Server,
};

/// For this account.
async fn store(server: &Server, who: &str) -> RedisStore<ClusterConnection> {
    let url = format!("redis://{who}{}/", server.address());
    let client = ClusterClient::new(vec![url]).unwrap();
    RedisStore::new(client.get_async_connection().await.unwrap())
}

/// This one owns these slots; one by one, which old servers understand, too.
fn take(server: &Server, slots: Range<u16>) {
    let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
    let words = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str));
    server.ask::<()>(&words.collect::<Vec<_>>());
}

/// Until all of these say so.
fn wait_for_all(servers: &mut [&mut Server], nodes: usize) {
    for server in servers {
        server.wait_for("a cluster", |server| {
            let info: String = server.ask(&["CLUSTER", "INFO"]);
            let known: HashMap<_, _> =
                info.lines().filter_map(|line| line.trim().split_once(':')).collect();
            known["cluster_state"] == "ok" && known["cluster_known_nodes"] == nodes.to_string()
        });
    }
}

#[tokio::test]
async fn redis_cluster_keeps_all_limits_of_a_subject_in_one_place() {
    let Some(mut server) = Server::start_in_cluster() else { return };
    take(&server, 0..16_384);
    wait_for_all(&mut [&mut server], 1);
    // What the documentation says is enough.
    let rights = ["+evalsha", "+eval", "+script|load", "+get", "+set", "+time", "+cluster|slots"];
    let words = ["ACL", "SETUSER", "few", "on", ">secret", "~test:*", "-@all"];
    server.ask::<()>(&[&words[..], &rights].concat());
    let node = Node::patient(store(&server, "few:secret@").await);
    node.store.load().await.unwrap();
    let names = ["per client", "exports", "signup"];
    let limits = names.map(|name| node.fleet.limit(name, QUOTA, OnFailure::Closed).unwrap());
    for who in 0..20 {
        let subject = node.fleet.subject(format!("{who}").as_bytes());
        let claims = limits.each_ref().map(|limit| Claim::new(limit, subject, 1));
        let answers = node.fleet.check(&claims, &node.store, SystemClock::now).await;
        assert!(answers.is_admitted(), "{answers:?}");
    }
    let stats = node.fleet.stats();
    assert_eq!((stats.calls(), stats.failures(), stats.fallbacks()), (20, 0, 0));
    // Of several subjects, a call each, wherever they are.
    let subjects = ["a", "b", "c"].map(|who| node.fleet.subject(who.as_bytes()));
    let claims = [0, 1, 2].map(|at: usize| Claim::new(&limits[at], subjects[at], 1));
    assert!(node.fleet.check(&claims, &node.store, SystemClock::now).await.is_admitted());
    assert_eq!(node.fleet.stats().calls(), 23);
    node.holds("anybody").await;
    server.ask::<()>(&["SCRIPT", "FLUSH"]);
    node.holds("anybody else").await;
}

#[tokio::test]
async fn redis_cluster_moves_a_slot_and_the_limit_goes_on() {
    let (Some(mut one), Some(mut other)) = (Server::start_in_cluster(), Server::start_in_cluster())
    else {
        return;
    };
    take(&one, 0..8_192);
    take(&other, 8_192..16_384);
    // Otherwise both begin with the same one, and which of them owns a slot is a matter of taste.
    one.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", "1"]);
    other.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", "2"]);
    let port = other.address().port().to_string();
    one.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port]);
    wait_for_all(&mut [&mut one, &mut other], 2);

    let node = Node::patient(store(&one, "").await);
    node.store.load().await.unwrap();
    let limit = &node.limits[2];
    // Somebody who is kept at the first one.
    let place = |who: &str| {
        let call = Call::of("test", node.fleet.subject(who.as_bytes()), &[(limit.clone(), 1, 1)]);
        let key = String::from_utf8(call.keys().next().unwrap().to_vec()).unwrap();
        let slot: u16 = one.ask(&["CLUSTER", "KEYSLOT", &key]);
        (key, slot)
    };
    let people = (0..).map(|number| format!("{number}"));
    let who = people.into_iter().find(|who| place(who).1 < 8_192).unwrap();
    let (key, slot) = place(&who);
    let slot = slot.to_string();
    assert_eq!(node.admitted(limit, &who, 3).await, (3, 0));

    let [from, to] = [&one, &other].map(|server| server.ask::<String>(&["CLUSTER", "MYID"]));
    other.ask::<()>(&["SCRIPT", "FLUSH"]);
    other.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from]);
    one.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to]);
    assert_eq!(node.admitted(limit, &who, 1).await, (1, 0), "it is still there");
    one.ask::<()>(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
    assert_eq!(node.admitted(limit, &who, 1).await, (1, 0), "it is said where to ask");
    for server in [&other, &one] {
        server.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to]);
    }
    assert_eq!(node.admitted(limit, &who, BURST).await, (BURST - 5, 0), "it has moved");
    assert_eq!(node.fleet.stats().fallbacks(), 0, "{:?}", node.fleet.stats());
    node.holds("anybody").await;
}
