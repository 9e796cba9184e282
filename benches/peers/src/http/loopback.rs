//! Requests over connections that are kept, many in flight at once: one thread serves, another one asks.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use axum::Router;
use tokio::{net::TcpListener, runtime};

use super::services::Contestant;
use crate::rounds::{Turns, interleave};

const ROUNDS: usize = 41;
const ROUND: Duration = Duration::from_millis(30);
/// A request is in flight on each.
const CONNECTIONS: usize = 32;
const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

pub(super) fn run(title: &str, services: Vec<Contestant>) {
    let names: Vec<_> = services.iter().map(|service| service.name).collect();
    let mut turns: Vec<_> = services.into_iter().map(turns).collect();
    interleave(&mut turns, ROUNDS);
    let per_second = |nanos: f64| CONNECTIONS as f64 * 1e9 / nanos;
    let bare = turns[0].median();
    println!("\n### {title}\n");
    println!("| | requests a second | fastest tenth | slowest tenth | of the bare service |");
    println!("|---|---:|---:|---:|---:|");
    for (name, turns) in names.iter().zip(&turns) {
        let all = [turns.median(), turns.fastest_tenth(), turns.slowest_tenth()];
        let [median, fastest, slowest] = all.map(per_second);
        let ratio = bare / turns.median();
        println!("| {name} | {median:.0} | {fastest:.0} | {slowest:.0} | {ratio:.2}x |");
    }
}

/// Turns of as many requests as there are connections.
fn turns(service: Contestant) -> Turns {
    let Contestant { router, answers, .. } = service;
    let expected = format!("HTTP/1.1 {} ", answers.as_str());
    let address = serve(router);
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::to(address)).collect();
    // The first one takes what there is to take.
    connections[0].send();
    connections[0].receive();
    Turns::new(ROUND, u64::MAX, move |times, _| {
        let begun = Instant::now();
        for _ in 0..times {
            connections.iter_mut().for_each(Connection::send);
            for connection in &mut connections {
                assert!(connection.receive().starts_with(expected.as_bytes()));
            }
        }
        begun.elapsed()
    })
}

/// Serves on a thread of its own until the process ends.
fn serve(router: Router) -> SocketAddr {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
    let runtime = runtime.unwrap();
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async move { axum::serve(listener, service).await.unwrap() });
    // Its threads would end with it.
    std::mem::forget(runtime);
    address
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: vec![0; 4_096] }
    }

    fn send(&mut self) {
        self.stream.write_all(REQUEST).unwrap();
    }

    /// One whole response.
    fn receive(&mut self) -> &[u8] {
        let mut length = 0;
        loop {
            let more = self.stream.read(&mut self.received[length..]).unwrap();
            assert_ne!(more, 0, "the server has closed a connection");
            length += more;
            if is_whole(&self.received[..length]) {
                return &self.received[..length];
            }
        }
    }
}

/// Whether a response with a `content-length` is there to its end.
fn is_whole(response: &[u8]) -> bool {
    const LENGTH: &str = "content-length: ";
    let text = std::str::from_utf8(response).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("\r\n").find_map(|line| line.strip_prefix(LENGTH));
    body.len() == length.unwrap().parse::<usize>().unwrap()
}
