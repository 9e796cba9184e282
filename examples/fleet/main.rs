//! The fleet: three services behind one limit that they share, on a Redis that dies and comes back.
//!
//!     cargo run --release --example fleet --features axum,redis-1
//!
//! Each of the services is a real one, with a gate and a port of its own, as on three machines; one client floods all of
//! them. The program starts a Redis itself (or a Valkey: `redis-server` or `valkey-server` in the path, or what
//! `PORTCULLIS_REDIS_SERVER` names), and kills it in the middle. With an address in `REDIS_URL` it asks that one instead,
//! and leaves it alive. It takes fourteen seconds.
//!
//! Exit status: 0 the limit held, 1 it did not, 2 the run was not possible.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that plays an outage has clocks, processes and something to say"
)]

mod flood;
mod node;
mod report;
mod server;
#[path = "../incident/wire.rs"]
#[allow(dead_code, reason = "the incident needs more of it")]
mod wire;

use std::{error::Error, process::ExitCode, time::Duration};

use axum::{Router, routing::get};
use portcullis::{
    Gate, GateLayer, LimitRule, Quota,
    limit::remote::{FleetSettings, OnFailure},
    redis::RedisStore,
};
use redis::{
    Client,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::{
    flood::{Flood, Window},
    node::{Asked, Node},
    report::{Phase, Report},
    server::Server,
};

/// What one client may ask of all services together.
const RATE: u32 = 200;
const BURST: u32 = 200;
const QUOTA: Quota = Quota::per_second(RATE).burst(BURST);
const NODES: u32 = 3;

/// All that a service needs for a limit that it shares. As a text, the gate is
///
/// ```toml
/// [fleet]
/// prefix = "shop"
/// nodes  = 3
///
/// [[limit]]
/// name  = "per client"
/// quota = "200/s burst 200"
/// scope = "fleet"
/// fail  = "local"      # without Redis, each service lets a third of it pass
/// ```
async fn service(redis: &str, prefix: &str) -> Result<(Router, Gate), Box<dyn Error>> {
    let gate = Gate::builder()
        .fleet(FleetSettings::new().prefix(prefix).nodes(NODES).timeout(TIMEOUT))
        .limit_rule(LimitRule::new("per client", QUOTA).fleet(OnFailure::Local))
        .build()?;
    // It connects again by itself, here with at most so much time between two tries. (This play is nothing without a
    // store; a service that is to start without one takes `new_lazy_with_config`, and has `RedisStore::load` connect.)
    let again = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(200));
    let redis = ConnectionManager::new_with_config(Client::open(redis)?, again).await?;
    let layer = GateLayer::new(&gate).fleet(RedisStore::new(redis));
    Ok((Router::new().route("/search", get(page)).layer(layer), gate))
}

/// For comparison: the same limit in each service by itself.
fn lonely_service() -> Result<(Router, Gate), Box<dyn Error>> {
    let gate = Gate::builder().limit("per client", QUOTA).build()?;
    Ok((Router::new().route("/search", get(page)).layer(GateLayer::new(&gate)), gate))
}

async fn page() -> &'static str {
    "a small oak table\n"
}

/// How long the store is waited for: longer than unless set, so that this works where the processors are busy.
const TIMEOUT: Duration = Duration::from_millis(100);
/// Of a burst, units that nodes have taken in advance are at most this part (I2 of `portcullis::limit::remote`).
const LEASED: f64 = 0.5;
/// The least part of what may be admitted that is asked for and served in time, even where the processors are busy.
const BUSY: f64 = 0.8;

#[tokio::main]
async fn main() -> ExitCode {
    // Whatever ends the play, what it has started ends with it.
    let played = tokio::select! {
        played = play() => played,
        () = told_to_end() => Err("interrupted".into()),
    };
    match played {
        Ok(report) if report.holds() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("fleet: {reason}");
            ExitCode::from(2)
        }
    }
}

/// By the terminal, or by who started this.
async fn told_to_end() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

async fn play() -> Result<Report, Box<dyn Error>> {
    let mut server = Server::start().await?;
    println!(
        "{NODES} services and one client that asks {} times a second. The limit: {RATE} a second, {BURST} at once.\n",
        flood::RATE * NODES
    );
    let mut report = Report::begin();

    let mut lonely = Vec::new();
    for _ in 0..NODES {
        lonely.push(Node::start(lonely_service()?).await?);
    }
    let window = Flood::begin(&lonely).window(Duration::from_secs(2)).await;
    let three = f64::from(NODES) * limit(&window);
    report.add(Phase::new("each gate by itself", window).between(BUSY * three, 1.2 * three));
    drop(lonely);

    // Of its own, in a store that others may use as well.
    let prefix = format!("example-{}", std::process::id());
    let mut fleet = Vec::new();
    for _ in 0..NODES {
        fleet.push(Node::start(service(server.address(), &prefix).await?).await?);
    }
    let flood = Flood::begin(&fleet);
    let (window, asked) = watched(&flood, &fleet, Duration::from_secs(4)).await;
    let (least, most) = (BUSY * limit(&window), self::most(&window, &asked));
    report.add(Phase::new("one limit of the fleet", window).asked(asked).between(least, most));

    if !server.kill()? {
        report.conclude("Three services had one limit.");
        println!("The Redis of REDIS_URL is not ours to kill: the outage is not played.");
        return Ok(report);
    }
    let (window, asked) = watched(&flood, &fleet, Duration::from_secs(4)).await;
    // The bucket that each service keeps for this is full at first, and leases are used up.
    let most = limit(&window) + LEASED * f64::from(BURST);
    let least = BUSY * refilled(&window);
    report.add(Phase::new("Redis is killed", window).asked(asked).between(least, 1.05 * most));

    server.again().await?;
    node::until_all_are_answered(&fleet).await?;
    let (window, asked) = watched(&flood, &fleet, Duration::from_secs(3)).await;
    let (least, most) = (BUSY * refilled(&window), self::most(&window, &asked));
    report.add(Phase::new("Redis is back", window).asked(asked).between(least, most));

    report.conclude(
        "Three services had one limit; without Redis each of them had a third of it, and nobody waited for long.",
    );
    Ok(report)
}

/// So much of the flood, and how often Redis was asked meanwhile.
async fn watched(flood: &Flood, fleet: &[Node], length: Duration) -> (Window, Asked) {
    let before = Asked::by(fleet);
    let window = flood.window(length).await;
    (window, Asked::by(fleet).since(&before))
}

/// What the fleet may admit: the limit, and leases from before; and where Redis did not answer in time, as on a
/// machine that has too much to do, what a service has decided without it.
fn most(window: &Window, asked: &Asked) -> f64 {
    limit(window) + LEASED * f64::from(BURST) + asked.alone as f64
}

/// What a client can have of a limit that is full when it comes.
fn limit(window: &Window) -> f64 {
    f64::from(BURST) + refilled(window)
}

/// What comes back in this time.
fn refilled(window: &Window) -> f64 {
    f64::from(RATE) * window.length.as_secs_f64()
}
