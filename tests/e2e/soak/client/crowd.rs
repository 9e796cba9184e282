//! Regular clients, those of the fleet's limit among them, people who look at the page, what reads the numbers, and the flood.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::timeout};

use super::{HANGS, PROXY, World, request, wire::Connection};

const PAGE: &str = "the page";
/// A stream of the page does not end before.
const STREAM: Duration = Duration::from_secs(595);

const REGULAR: u8 = 100;
/// Of those, so many say so and use the limit of the fleet.
const WITH_KEYS: u8 = 15;
/// Connections of the flood.
const FLOOD: u64 = 48;

/// Whoever looks at the page stays through everything, and comes back when its stream ends by itself, after ten minutes.
pub(super) async fn look(world: &Arc<World>) -> JoinHandle<()> {
    let mut connection = begin_to_look(world).await.expect("what a gate does");
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let mut begun = Instant::now();
        loop {
            match timeout(HANGS, connection.until("event: status\n")).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) if begun.elapsed() > STREAM => {}
                Ok(Err(error)) => world.wrong(PAGE, &format!("ends: {error}")),
                Err(_) => world.wrong(PAGE, "says nothing for 10 s"),
            }
            begun = Instant::now();
            match begin_to_look(&world).await {
                Some(again) => connection = again,
                None => return world.wrong(PAGE, "is not there any more"),
            }
        }
    })
}

async fn begin_to_look(world: &World) -> Option<Connection> {
    let mut connection = world.connect(PROXY, PAGE).await?;
    let asked = "GET /status/stream HTTP/1.1\r\nhost: soak.test\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n";
    connection.send(asked.as_bytes()).await.ok()?;
    timeout(HANGS, connection.until("event: status\n")).await.ok()?.ok()?;
    Some(connection)
}

pub(super) fn start(world: &Arc<World>) {
    for number in 1..=REGULAR {
        let world = Arc::clone(world);
        tokio::spawn(async move { regular(&world, number).await });
    }
    for number in 0..FLOOD {
        let world = Arc::clone(world);
        tokio::spawn(async move { flood(&world, number).await });
    }
    let world = Arc::clone(world);
    tokio::spawn(async move { read_numbers(&world).await });
}

/// Half of them keep their connection.
async fn regular(world: &World, number: u8) {
    let name = "a regular client";
    let mut dice = world.dice(10_000 + u64::from(number));
    let client = Ipv4Addr::new(192, 0, 2, number);
    let key = format!("user-agent: visitor\r\nx-api-key: {number}\r\n");
    while let Some(_turn) = world.turn().await {
        world.pause(Duration::from_millis(dice.below(1_000))).await;
        let Some(mut connection) = world.connect(PROXY, name).await else { continue };
        let requests = if number % 2 == 0 { 40 } else { 1 };
        for _ in 0..requests {
            if world.rests() {
                break;
            }
            let item = format!("/item/{}", dice.below(10));
            let (method, path) = match dice.below(20) {
                _ if number <= WITH_KEYS => ("GET", "/api"),
                0 => ("GET", "/big"),
                1 => ("GET", "/slow"),
                2 => ("POST", "/login"),
                3 => ("POST", "/upload"),
                4..12 => ("GET", item.as_str()),
                _ => ("GET", "/"),
            };
            let word = if dice.one_in(10) { "" } else { "x-word: yes\r\n" };
            let asked = request(method, path, client, &[key.as_str(), word].concat());
            let is_timed = !matches!(path, "/slow" | "/big");
            let answer = if is_timed {
                world.ask_timed(&mut connection, &asked, name).await
            } else {
                world.ask(&mut connection, &asked, name).await
            };
            if answer.is_none() {
                break;
            }
            world.pause(Duration::from_millis(100 + dice.below(500))).await;
        }
    }
}

/// From a few networks, most of it for one path; every fourth is a peer of its own.
async fn flood(world: &World, number: u64) {
    let name = "the flood";
    let mut dice = world.dice(20_000 + number);
    while let Some(_turn) = world.turn().await {
        if !world.is_flooded() {
            world.pause(Duration::from_millis(100)).await;
            continue;
        }
        let is_direct = number % 4 == 0;
        let from =
            if is_direct { Ipv4Addr::new(127, 0, 5, dice.below(250) as u8 + 1) } else { PROXY };
        let Some(mut connection) = world.connect(from, name).await else { continue };
        for _ in 0..1 + dice.below(100) {
            if !world.is_flooded() || world.rests() {
                break;
            }
            let client = Ipv4Addr::new(
                45,
                dice.below(4) as u8,
                dice.below(256) as u8,
                dice.below(256) as u8,
            );
            let lines = match dice.below(50) {
                0 => "user-agent: sqlmap\r\n".to_owned(),
                number => {
                    format!("user-agent: bot/{}\r\nx-api-key: {}\r\n", number % 3, dice.number())
                }
            };
            let asked = match dice.below(40) {
                0 => {
                    request("POST", "/login", Ipv4Addr::new(45, 0, 0, dice.below(20) as u8), &lines)
                }
                1 => request("GET", "/trap", Ipv4Addr::new(45, 0, 1, dice.below(50) as u8), &lines),
                2 => request(
                    "GET",
                    &format!("/item/{}", dice.below(1_000_000)),
                    Ipv4Addr::new(45, 0, 2, 1),
                    &lines,
                ),
                3 => request("GET", "/.env", client, &lines),
                4 => request("GET", "/api", client, &lines),
                _ => request("GET", &format!("/search?q={}", dice.below(1_000)), client, &lines),
            };
            if world.ask(&mut connection, &asked, name).await.is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5 + dice.below(40))).await;
        }
    }
}

/// As Prometheus does, and more often.
async fn read_numbers(world: &World) {
    let name = "who reads numbers";
    while let Some(_turn) = world.turn().await {
        let Some(mut connection) = world.connect(PROXY, name).await else { continue };
        let asked = "GET /metrics HTTP/1.1\r\nhost: soak.test\r\n\r\n";
        let answer = world.ask(&mut connection, asked, name).await;
        let is_whole =
            answer.is_some_and(|answer| answer.status == 200 && answer.body.ends_with("# EOF\n"));
        if !is_whole {
            world.wrong(name, "has not got all of them");
        }
        drop(connection);
        world.pause(Duration::from_secs(3)).await;
    }
}
