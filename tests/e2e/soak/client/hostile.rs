//! Clients that mean no good or know no better: they read slowly, leave in the middle, send nonsense, and hold on.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{World, request};
use crate::dice::Dice;

/// The service closes after three seconds without a head; a head that is complete is answered before this.
const CLOSES: Duration = Duration::from_secs(10);

pub(super) fn start(world: &Arc<World>) {
    for number in 0..6 {
        let worlds = [(); 4].map(|()| Arc::clone(world));
        let [slow, leaving, nonsense, holding] = worlds;
        tokio::spawn(async move { read_slowly(&slow, 30_000 + number).await });
        tokio::spawn(async move { leave(&leaving, 40_000 + number).await });
        tokio::spawn(async move { send_nonsense(&nonsense, 50_000 + number).await });
        tokio::spawn(async move { hold_on(&holding, 60_000 + number).await });
    }
}

async fn connect(world: &World, dice: &mut Dice) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    let from = Ipv4Addr::new(127, 0, 6, dice.below(250) as u8 + 1);
    socket.bind((from, 0).into()).ok()?;
    timeout(CLOSES, socket.connect(world.server)).await.ok()?.ok()
}

/// Half a megabyte, a few bytes at a time, and then it has enough.
async fn read_slowly(world: &World, number: u64) {
    let mut dice = world.dice(number);
    while let Some(_turn) = world.turn().await {
        let Some(mut stream) = connect(world, &mut dice).await else { continue };
        world.count(0);
        let asked = request("GET", "/big", Ipv4Addr::LOCALHOST, "");
        let _ = stream.write_all(asked.as_bytes()).await;
        let mut read = vec![0; 4_096];
        for _ in 0..dice.below(40) {
            if world.rests()
                || !matches!(timeout(CLOSES, stream.read(&mut read)).await, Ok(Ok(1..)))
            {
                break;
            }
            world.pause(Duration::from_millis(100)).await;
        }
        world.count(6);
    }
}

/// In the middle of a head, of a body, or while the service thinks.
async fn leave(world: &World, number: u64) {
    let mut dice = world.dice(number);
    while let Some(_turn) = world.turn().await {
        let Some(mut stream) = connect(world, &mut dice).await else { continue };
        world.count(0);
        let asked = match dice.below(4) {
            0 => "GET /sear".to_owned(),
            1 => "POST /upload HTTP/1.1\r\nhost: soak.test\r\ncontent-length: 1000\r\n\r\nabc"
                .to_owned(),
            2 => request("GET", "/slow", Ipv4Addr::LOCALHOST, ""),
            _ => request("GET", "/big", Ipv4Addr::LOCALHOST, "").repeat(3),
        };
        let _ = stream.write_all(asked.as_bytes()).await;
        world.pause(Duration::from_millis(dice.below(60))).await;
        if dice.one_in(2) {
            // With a reset instead of an end.
            #[allow(deprecated, reason = "with a time of zero nothing blocks")]
            let _ = stream.set_linger(Some(Duration::ZERO));
        }
        drop(stream);
        world.count(6);
        world.pause(Duration::from_millis(dice.below(200))).await;
    }
}

/// Each is answered or closed.
async fn send_nonsense(world: &World, number: u64) {
    let mut dice = world.dice(number);
    while let Some(_turn) = world.turn().await {
        let Some(mut stream) = connect(world, &mut dice).await else { continue };
        world.count(0);
        let bytes = nonsense(&mut dice);
        // It may be closed already.
        let _ = timeout(CLOSES, stream.write_all(&bytes)).await;
        // A body that does not come is waited for as long as its client is there: how long is for the service to say.
        let _ = stream.shutdown().await;
        let begun = Instant::now();
        let mut read = vec![0; 4_096];
        // Without `connection: close` it may stay open after an answer: then this has seen one.
        match timeout(CLOSES, stream.read(&mut read)).await {
            Ok(Ok(0) | Err(_)) => world.count(6),
            Ok(Ok(_)) => world.count(5),
            Err(_) => {
                let shown = String::from_utf8_lossy(bytes.get(..60).unwrap_or(&bytes)).into_owned();
                world.wrong(
                    "nonsense",
                    &format!("neither answered nor closed after {:?}: {shown:?}", begun.elapsed()),
                );
            }
        }
        drop(stream);
        world.pause(Duration::from_millis(dice.below(300))).await;
    }
}

fn nonsense(dice: &mut Dice) -> Vec<u8> {
    let head = |first: &str, lines: &str| {
        format!("{first}\r\nhost: soak.test\r\n{lines}\r\n").into_bytes()
    };
    let get = |lines: &str| head("GET / HTTP/1.1", lines);
    match dice.below(16) {
        0 => (0..500).map(|_| dice.number() as u8).chain(*b"\r\n\r\n").collect(),
        1 => get(&format!("x-long: {}\r\n", "a".repeat(600_000))),
        2 => get(&"x-more: 1\r\n".repeat(1_000)),
        3 => get(&format!("x-forwarded-for: {}\r\n", "127.0.0.1, ".repeat(500))),
        4 => get("x-forwarded-for: 127.0.0.1\r\nx-forwarded-for: \u{0}\u{7f}\r\n"),
        5 => head(&format!("GET /{} HTTP/1.1", "%2e%2e/".repeat(2_000)), ""),
        6 => head("GET /../../etc/passwd?%00%zz%ff HTTP/1.1", "connection: close\r\n"),
        7 => head("GET  /\t HTTP/9.9", ""),
        8 => head("POST /upload HTTP/1.1", "transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
        9 => head(
            "POST /upload HTTP/1.1",
            "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
        ),
        10 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        11 => head("OPTIONS * HTTP/1.1", "content-length: -1\r\n"),
        12 => get("").repeat(50),
        13 => head("GET http://[::1]:99999/x HTTP/1.1", ""),
        14 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        _ => head("BREW /item/\u{1F375} HTTP/1.1", "x-api-key: \u{1F375}\r\n"),
    }
}

/// A byte now and then: closed all the same, since the head does not come.
async fn hold_on(world: &World, number: u64) {
    let mut dice = world.dice(number);
    while let Some(_turn) = world.turn().await {
        let Some(mut stream) = connect(world, &mut dice).await else { continue };
        world.count(0);
        let begun = Instant::now();
        let mut read = [0; 64];
        for byte in request("GET", "/", Ipv4Addr::LOCALHOST, "").bytes() {
            if world.rests() || stream.write_all(&[byte]).await.is_err() {
                break;
            }
            match timeout(Duration::from_millis(150), stream.read(&mut read)).await {
                Ok(_) => break,
                Err(_) if begun.elapsed() > CLOSES => {
                    world.wrong("who holds on", "is not closed after 10 s");
                    break;
                }
                Err(_) => {}
            }
        }
        world.count(6);
    }
}
