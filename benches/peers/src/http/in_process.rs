//! One request at a time, handed to the router: made, answered and dropped within the time.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, Request, StatusCode, header::HOST},
};
use tower::Service;

use super::services::Contestant;
use crate::rounds::{Turns, interleave};

const ROUNDS: usize = 101;
const ROUND: Duration = Duration::from_millis(3);
const CLIENTS: u32 = 1_024;

pub(super) fn run(title: &str, services: Vec<Contestant>) {
    let names: Vec<_> = services.iter().map(|service| service.name).collect();
    let mut turns: Vec<_> = services.into_iter().map(turns).collect();
    interleave(&mut turns, ROUNDS);
    let bare = turns[0].median();
    println!("\n### {title}\n");
    println!("| | median ns | fastest tenth | slowest tenth | over the bare route |");
    println!("|---|---:|---:|---:|---:|");
    for (name, turns) in names.iter().zip(&turns) {
        let (median, over) = (turns.median(), turns.median() - bare);
        let (fastest, slowest) = (turns.fastest_tenth(), turns.slowest_tenth());
        println!("| {name} | {median:.0} | {fastest:.0} | {slowest:.0} | {over:+.0} |");
    }
}

fn turns(service: Contestant) -> Turns {
    let Contestant { mut router, answers, .. } = service;
    // Each client is known, and has had what it may have.
    for client in 0..CLIENTS {
        ask(&mut router, client);
    }
    Turns::new(ROUND, u64::MAX, move |times, turn| {
        let start = turn.wrapping_mul(7_654_321);
        let mut asks = |times| {
            let begun = Instant::now();
            for nth in 0..times {
                // A stride that is prime to the number of clients, so that neighbours are not hot.
                let client = (start.wrapping_add(nth) as u32).wrapping_mul(7_919) % CLIENTS;
                assert_eq!(ask(&mut router, client), answers);
            }
            begun.elapsed()
        };
        asks(times / 3);
        asks(times)
    })
}

#[inline(never)]
fn ask(router: &mut Router, client: u32) -> StatusCode {
    let peer = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 + client), 40_000));
    let mut request = Request::new(Body::empty());
    request.headers_mut().insert(HOST, HeaderValue::from_static("shop.example"));
    request.extensions_mut().insert(ConnectInfo(peer));
    let answered = pin!(router.call(request));
    match answered.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response.status(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("nothing to wait for"),
    }
}
