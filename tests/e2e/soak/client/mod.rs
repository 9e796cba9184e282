//! The clients: a process that is told what goes on, and tells what it sees.

mod crowd;
mod hostile;
mod oracles;
mod watched;

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use self::wire::{Answer, Connection};
use crate::{dice::Dice, histogram::Histogram, talk::COUNTS};

#[allow(dead_code, reason = "other tests need more of it")]
#[path = "../../tests/frameworks/wire.rs"]
mod wire;

/// No answer and no close for so long is wrong.
const HANGS: Duration = Duration::from_secs(10);

/// The proxy that the gate trusts: whoever comes from there is who it says.
const PROXY: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// What goes on, by its number in [`World::phase`]; of several the last one counts.
pub(crate) const PHASES: [&str; 4] = ["peace", "flood", "swaps", "store-down"];

/// What all clients share.
pub(crate) struct World {
    server: SocketAddr,
    origin: Instant,
    seed: u64,
    /// Whether each of [`PHASES`] goes on.
    phases: [AtomicBool; PHASES.len()],
    is_resting: AtomicBool,
    is_over: AtomicBool,
    /// Clients that have connections.
    busy: AtomicUsize,
    /// What is the case for who is watched: a number that grows, times three, and 0 while it changes, 1 if it is to be
    /// refused, 2 if not.
    watched: [AtomicU64; 3],
    /// Even while the store of the fleet is whole.
    fleet: AtomicU64,
    counts: [AtomicU64; COUNTS.len()],
    latencies: Mutex<[Histogram; PHASES.len()]>,
}

/// A client that has connections.
struct Turn<'a>(&'a World);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One line for the other process.
fn tell(line: &str) {
    let mut out = io::stdout().lock();
    // Nobody listens any more: then nothing is to be told.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

impl World {
    fn flag(&self, phase: usize) -> bool {
        self.phases.get(phase).is_some_and(|phase| phase.load(Ordering::Relaxed))
    }

    /// The phase that counts.
    fn phase(&self) -> usize {
        (1..PHASES.len()).rev().find(|phase| self.flag(*phase)).unwrap_or(0)
    }

    fn is_flooded(&self) -> bool {
        self.flag(1)
    }

    fn rests(&self) -> bool {
        self.is_resting.load(Ordering::SeqCst)
    }

    /// Waits until clients may have connections; `None` when it is over.
    async fn turn(&self) -> Option<Turn<'_>> {
        loop {
            self.busy.fetch_add(1, Ordering::SeqCst);
            let turn = Turn(self);
            if self.is_over.load(Ordering::SeqCst) {
                return None;
            }
            if !self.rests() {
                return Some(turn);
            }
            drop(turn);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sleeps for so long, or until there is to be rest.
    async fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.rests() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(Duration::from_millis(50))).await;
        }
    }

    fn wrong(&self, who: &str, what: &str) {
        tell(&format!("wrong {who}: {what} (clients' clock {:.3} s)", self.seconds()));
    }

    fn seconds(&self) -> f64 {
        self.origin.elapsed().as_secs_f64()
    }

    fn count(&self, at: usize) {
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection from this address of the machine.
    async fn connect(&self, from: Ipv4Addr, who: &str) -> Option<Connection> {
        let connected = timeout(HANGS, Connection::open(IpAddr::from(from), self.server)).await;
        match connected {
            Ok(Ok(connection)) => Some(connection),
            Ok(Err(_)) => {
                self.count(6);
                None
            }
            Err(_) => {
                self.wrong(who, "no connection within 10 s");
                None
            }
        }
    }

    /// One request on a connection, and its answer; `None` if the connection is closed instead.
    async fn ask(&self, connection: &mut Connection, request: &str, who: &str) -> Option<Answer> {
        self.count(0);
        let asked = async {
            connection.send(request.as_bytes()).await?;
            connection.answer_or_empty().await
        };
        match timeout(HANGS, asked).await {
            Ok(Ok(answer)) => {
                self.count(match answer.status {
                    _ if answer.line("x-served").is_some() => 1,
                    429 => 2,
                    403 => 3,
                    503 => 4,
                    _ => 5,
                });
                Some(answer)
            }
            Ok(Err(_)) => {
                self.count(6);
                None
            }
            Err(_) => {
                self.wrong(who, "neither an answer nor a close within 10 s");
                None
            }
        }
    }

    /// The same, and the time that it takes counts.
    async fn ask_timed(
        &self,
        connection: &mut Connection,
        request: &str,
        who: &str,
    ) -> Option<Answer> {
        let (phase, begun) = (self.phase(), Instant::now());
        let answer = self.ask(connection, request, who).await;
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(histogram) = latencies.get_mut(phase) {
            histogram.note(micros);
        }
        answer
    }

    fn dice(&self, number: u64) -> Dice {
        Dice::new(self.seed.wrapping_mul(1_000_003).wrapping_add(number))
    }
}

/// A request as a proxy sends it for this client.
fn request(method: &str, path: &str, client: Ipv4Addr, lines: &str) -> String {
    let length = if method == "POST" { "content-length: 0\r\n" } else { "" };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: soak.test\r\nx-forwarded-for: {client}\r\n{length}{lines}\r\n"
    )
}

/// Until the other process says that it is over.
pub(crate) async fn run(server: SocketAddr, seed: u64) {
    let world = Arc::new(World {
        server,
        origin: Instant::now(),
        seed,
        phases: Default::default(),
        is_resting: AtomicBool::new(true),
        is_over: AtomicBool::new(false),
        busy: AtomicUsize::new(0),
        watched: [const { AtomicU64::new(2) }; 3],
        fleet: AtomicU64::new(0),
        counts: Default::default(),
        latencies: Mutex::default(),
    });
    let (sender, mut orders) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let looking = crowd::look(&world).await;
    let mut oracles = oracles::start(&world);
    watched::start(&world);
    crowd::start(&world);
    hostile::start(&world);
    let counting = Arc::clone(&world);
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(500)).await;
            tell_counts(&counting);
        }
    });
    while let Some(order) = orders.recv().await {
        let (number, order) = order.split_once(' ').unwrap_or((&order, ""));
        if order == "end" {
            world.is_over.store(true, Ordering::SeqCst);
            looking.abort();
            while world.busy.load(Ordering::SeqCst) > 0 {
                sleep(Duration::from_millis(10)).await;
            }
            tell_all(&world, &mut oracles);
            tell(&format!("ack {number}"));
            return;
        }
        obey(&world, order);
        if order == "rest 1" {
            let (world, number) = (Arc::clone(&world), number.to_owned());
            tokio::spawn(async move {
                while world.busy.load(Ordering::SeqCst) > 0 {
                    sleep(Duration::from_millis(5)).await;
                }
                tell(&format!("ack {number}"));
            });
        } else {
            tell(&format!("ack {number}"));
        }
    }
}

fn obey(world: &World, order: &str) {
    let words: Vec<&str> = order.split_whitespace().collect();
    let number = |word: &str| word.parse::<usize>().unwrap_or(usize::MAX);
    match words.as_slice() {
        ["rest", on] => world.is_resting.store(*on == "1", Ordering::SeqCst),
        ["phase", phase, on] => {
            if let Some(flag) = world.phases.get(number(phase)) {
                flag.store(*on == "1", Ordering::SeqCst);
            }
        }
        ["watch", who, state] => {
            let state = ["changing", "listed", "free"].iter().position(|name| name == state);
            if let (Some(watched), Some(state)) = (world.watched.get(number(who)), state) {
                let before = watched.load(Ordering::SeqCst) / 3;
                watched.store((before + 1) * 3 + state as u64, Ordering::SeqCst);
            }
        }
        ["fleet", _] => {
            world.fleet.fetch_add(1, Ordering::SeqCst);
        }
        _ => tell(&format!("wrong clients: {order} is no order")),
    }
}

fn tell_counts(world: &World) {
    let counts = world.counts.iter().map(|count| count.load(Ordering::Relaxed).to_string());
    tell(&format!("counts {}", counts.collect::<Vec<_>>().join(" ")));
}

fn tell_all(world: &World, oracles: &mut [oracles::Told]) {
    tell_counts(world);
    let latencies = world.latencies.lock().unwrap_or_else(PoisonError::into_inner);
    for (phase, histogram) in PHASES.iter().zip(latencies.iter()) {
        tell(&format!("latency {phase} {}", histogram.to_line()));
    }
    drop(latencies);
    for oracle in oracles {
        oracle.tell(world);
    }
}
