//! How long single checks take that run a part of a tick, in peace and under attack: the slowest ones, which
//! a mean does not show.
//!
//! A check is timed by itself, so each figure has the cost of reading a clock twice in it, some 50 ns.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that times and tells"
)]

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use portcullis::{Defence, Gate, Outcome, Posture, Request, Timestamp};

/// Requests a second, of clients that are always there, and of attackers from a /16.
const USUAL: u64 = 500;
const ATTACK: u64 = 5_000;
const LEARNS: u64 = 900;
const LASTS: u64 = 300;

struct World {
    gate: Gate,
    /// In microseconds.
    now: u64,
    nth: u64,
    /// How long each check took, in nanoseconds.
    took: Vec<u64>,
}

impl World {
    fn ask(&mut self, client: u32, target: &str, agent: &str) {
        let request = Request::new(IpAddr::from(Ipv4Addr::from_bits(client)))
            .method("GET")
            .host("shop.example")
            .target(target)
            .header("user-agent", agent)
            .header("cookie", "session=1");
        let now = Timestamp::from_micros(self.now);
        let start = Instant::now();
        let verdict = self.gate.check(&request, now);
        self.took.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if let Ok(admission) = verdict.into_result() {
            self.gate.finish(admission, Outcome::status(200), now);
        }
    }

    fn second(&mut self, attack: u64) {
        let each = 1_000_000 / (USUAL + attack);
        for nth in 0..USUAL + attack {
            self.now += each;
            self.nth += 1;
            let mixed = self.nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let mixed = u32::try_from(mixed).unwrap_or(0);
            if nth % ((USUAL + attack) / USUAL) == 0 {
                let target =
                    ["/", "/search?q=lamp", "/products/17", "/static/a.css"][(mixed % 4) as usize];
                self.ask(
                    0x0a00_0000 + (mixed % 400) * 256,
                    target,
                    "Mozilla/5.0 (X11; Linux x86_64)",
                );
            } else {
                self.ask(0xc0a8_0000 + (mixed & 0xffff), "/search?q=x", "a flood");
            }
        }
    }

    fn tell(&mut self, title: &str) {
        self.took.sort_unstable();
        let at = |share: f64| {
            let place = (self.took.len() as f64 * share) as usize;
            self.took[place.min(self.took.len() - 1)] as f64 / 1_000.0
        };
        println!(
            "{title:<22} {:>9} checks, us: p50 {:.2}  p99 {:.2}  p99.9 {:.1}  p99.99 {:.1}  max {:.1}; {}",
            self.took.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(0.9999),
            at(1.0),
            self.gate.posture(),
        );
        self.took.clear();
    }
}

fn main() {
    let gate = Gate::builder().defence(Defence::up_to(Posture::Defend)).build().expect("a gate");
    let mut world = World { gate, now: 1_000_000, nth: 0, took: Vec::with_capacity(2_000_000) };
    (0..LEARNS).for_each(|_| world.second(0));
    world.took.clear();
    (0..LASTS).for_each(|_| world.second(0));
    world.tell("in peace");
    (0..10).for_each(|_| world.second(ATTACK));
    world.tell("the attack begins");
    (0..LASTS).for_each(|_| world.second(ATTACK));
    world.tell("under attack");
    for mitigation in world.gate.defence().mitigations(Timestamp::from_micros(world.now)) {
        println!("{}: {} ({:?})", mitigation.name, mitigation.condition, mitigation.step);
    }
}
