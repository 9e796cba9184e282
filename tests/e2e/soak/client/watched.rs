//! Clients that are on a list and off it: refused each time while they are on it, and never otherwise.
//!
//! What is going on is known by numbers, not by times: a request counts if nothing has changed from before it was sent
//! until after it was answered, and nothing changes before all clients have heard of it.

use std::{
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{PROXY, World, request};
use crate::bound::{Ledger, Quota};

/// Their names and the last numbers of their addresses, in the order of [`World::watched`].
const WATCHED: [(&str, u8); 3] =
    [("on the list of 100,000", 20), ("on the edited list", 21), ("banned by hand", 22)];

pub(super) fn start(world: &Arc<World>) {
    for (at, (name, address)) in WATCHED.into_iter().enumerate() {
        let world = Arc::clone(world);
        tokio::spawn(async move { watched(&world, at, name, address).await });
    }
    for (name, address, line, is_refused) in [
        ("exempt", Ipv4Addr::new(198, 18, 0, 1), "user-agent: sqlmap\r\n", false),
        ("on the deny list", Ipv4Addr::new(203, 0, 113, 250), "", true),
    ] {
        let world = Arc::clone(world);
        tokio::spawn(async move { always(&world, name, address, line, is_refused).await });
    }
}

async fn watched(world: &World, at: usize, name: &str, address: u8) {
    let client = Ipv4Addr::new(203, 0, 113, address);
    let asked = request("GET", "/kept/client", client, "");
    let mut ledger = Ledger::new(world.origin, Quota::per_second(10, 20), 1, 0);
    let state = || world.watched.get(at).map_or(0, |watched| watched.load(Ordering::SeqCst));
    while let Some(_turn) = world.turn().await {
        let Some(mut connection) = world.connect(PROXY, name).await else { continue };
        for _ in 0..200 {
            // So that no limit refuses it.
            while !world.rests() && !ledger.is_owed(Instant::now()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            if world.rests() {
                break;
            }
            let before = state();
            let sent = ledger.send();
            let Some(answer) = world.ask(&mut connection, &asked, name).await else {
                ledger.forget();
                world.wrong(name, "its connection was closed");
                break;
            };
            let is_admitted = answer.line("x-served").is_some();
            if is_admitted {
                let _ = ledger.admit(sent, Instant::now());
            } else {
                ledger.forget();
            }
            match (before % 3, is_admitted) {
                _ if state() != before => {}
                (1, true) => world.wrong(name, "admitted"),
                (2, false) => {
                    world.wrong(name, &format!("refused while it is on none: {answer:?}"));
                }
                _ => {}
            }
        }
    }
}

async fn always(world: &World, name: &str, client: Ipv4Addr, line: &str, is_refused: bool) {
    let asked = request("GET", "/", client, line);
    while let Some(_turn) = world.turn().await {
        let Some(mut connection) = world.connect(PROXY, name).await else { continue };
        for _ in 0..200 {
            world.pause(Duration::from_millis(20)).await;
            if world.rests() {
                break;
            }
            let Some(answer) = world.ask(&mut connection, &asked, name).await else {
                world.wrong(name, "its connection was closed");
                break;
            };
            if answer.line("x-served").is_none() != is_refused {
                world.wrong(name, &format!("has got {answer:?}"));
            }
        }
    }
}
