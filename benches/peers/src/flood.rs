//! Strangers: millions of keys that come once, and the memory that keys take.
//!
//! Each contestant has a process of its own, so that its memory is what the system says of that
//! process, and nobody inherits what another has left behind.

use std::{
    env,
    hint::black_box,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    draws::address,
    keyed::filled,
    limits::Limit,
    stores::{
        Array, GovernorCaller, Moka, OURS, Ours, Papaya, PingoraLimits, QuickCache, Scc,
        ShardedMutex, Store,
    },
};

/// Clients that the other thread checks: so many that each stays within its limit.
const KNOWN: u32 = 200_000;
/// Clients that come once.
const STRANGERS: u32 = 20_000_000;
/// What a contestant is made for, if it wants to know.
const ROOM: usize = 1_000_000;
/// How long the other thread is measured without a flood.
const QUIET: Duration = Duration::from_secs(1);

const FLOOD: &str = "flood: 20 M keys that come once, for a store of 1 M";
const MEMORY: &str = "memory: bytes per key";
const CYCLING: &str =
    "cycling: 300 k keys, four times each, one a day allowed, for a store of 200 k";

/// Which part of a table a child process is asked for.
const CHILD: &str = "--child=";

struct Contestant {
    name: &'static str,
    flood: fn() -> String,
    /// By the number of keys.
    memory: Option<fn(u32) -> String>,
    most: u32,
    cycling: Option<fn() -> String>,
}

const fn contestant<S: Store>(name: &'static str, most: u32) -> Contestant {
    let (flood, memory, cycling) = (flood::<S>, Some(memory::<S> as _), Some(cycling::<S> as _));
    Contestant { name, flood, memory, most, cycling }
}

const CONTESTANTS: &[Contestant] = &[
    contestant::<Ours>(OURS, u32::MAX),
    contestant::<GovernorCaller>("governor, time set by the caller", u32::MAX),
    contestant::<ShardedMutex>("mutexed maps, 64", u32::MAX),
    contestant::<Papaya>("papaya", u32::MAX),
    contestant::<Scc>("scc", u32::MAX),
    contestant::<QuickCache>("quick_cache", u32::MAX),
    contestant::<Moka>("moka", 1_000_000),
    contestant::<PingoraLimits>("pingora-limits, Instant", u32::MAX),
    Contestant {
        name: "limit: a word of an array, no hash, no keys",
        flood: flood::<Words>,
        memory: None,
        most: 0,
        cycling: None,
    },
];

/// The memory itself, with strangers at random places in it.
struct Words(Array);

impl Store for Words {
    fn new(limit: Limit, clients: usize) -> Self {
        Self(Array::new(limit, clients))
    }

    #[inline]
    fn check(&self, client: std::net::IpAddr, nanos: u64) -> bool {
        let std::net::IpAddr::V4(client) = client else { return false };
        self.0.check(((u64::from(client.to_bits()) * ROOM as u64) >> 32) as u32, nanos)
    }
}

/// Prints the tables that are wanted.
pub(crate) fn run(wanted: impl Fn(&str) -> bool) {
    if wanted(FLOOD) {
        print_flood();
    }
    if wanted(MEMORY) {
        print_memory();
    }
    if wanted(CYCLING) {
        print_cycling();
    }
}

fn print_flood() {
    println!("\n### {FLOOD}\n");
    println!(
        "| | ns per new key | MiB before | MiB after | quiet: p99.9, worst (µs) | flood: p99.9, worst (µs) | known denied |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (nth, contestant) in CONTESTANTS.iter().enumerate() {
        println!("| {} | {} |", contestant.name, child(&format!("flood:{nth}")));
    }
}

fn print_memory() {
    println!("\n### {MEMORY}\n");
    println!("| | 10 k | 1 M | 10 M |");
    println!("|---|---:|---:|---:|");
    for (nth, contestant) in CONTESTANTS.iter().enumerate() {
        let Some(_) = contestant.memory else { continue };
        let cells = [10_000, 1_000_000, 10_000_000].map(|keys| {
            if keys > contestant.most {
                "-".to_owned()
            } else {
                child(&format!("memory:{nth}:{keys}"))
            }
        });
        println!("| {} | {} |", contestant.name, cells.join(" | "));
    }
}

fn print_cycling() {
    println!("\n### {CYCLING}\n");
    println!("| | admitted, of what the limit allows |");
    println!("|---|---:|");
    for (nth, contestant) in CONTESTANTS.iter().enumerate() {
        if contestant.cycling.is_some() {
            println!("| {} | {} |", contestant.name, child(&format!("cycling:{nth}")));
        }
    }
}

/// What this process was started for, if another one of this program has started it.
pub(crate) fn child_part() -> Option<String> {
    env::args().find_map(|word| word.strip_prefix(CHILD).map(part))
}

fn part(asked: &str) -> String {
    let words: Vec<&str> = asked.split(':').collect();
    let contestant = |nth: &str| &CONTESTANTS[nth.parse::<usize>().unwrap()];
    match words[..] {
        ["flood", nth] => (contestant(nth).flood)(),
        ["cycling", nth] => (contestant(nth).cycling.unwrap())(),
        ["memory", nth, keys] => (contestant(nth).memory.unwrap())(keys.parse().unwrap()),
        _ => panic!("no such part: {asked}"),
    }
}

fn child(part: &str) -> String {
    let output = Command::new(env::current_exe().unwrap()).arg(format!("{CHILD}{part}")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{part}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn memory<S: Store>(keys: u32) -> String {
    let before = resident_kib();
    let store = filled::<S>(Limit::Usual, keys);
    let after = resident_kib();
    black_box(&store);
    match (before, after) {
        (Some(before), Some(after)) => {
            format!("{:.1}", (after - before) as f64 * 1024.0 / f64::from(keys))
        }
        _ => "not known".to_owned(),
    }
}

/// How much more than its limit a crowd gets that comes back when it is forgotten: the first time
/// around each key takes what it may have today, so everything after that is too much.
fn cycling<S: Store>() -> String {
    const KEYS: u32 = 300_000;
    let store = S::new(Limit::Shut, 200_000);
    let mut admitted = 0_u32;
    for nth in 0..4 * KEYS {
        admitted += u32::from(store.check(address(nth % KEYS), u64::from(nth) * 1_000));
    }
    format!("{:.2}x", f64::from(admitted) / f64::from(KEYS))
}

fn flood<S: Store>() -> String {
    let store = S::new(Limit::Usual, ROOM);
    let origin = Instant::now();
    for client in 0..KNOWN {
        store.check(address(client), origin.elapsed().as_nanos() as u64);
    }
    let mebibytes =
        || resident_kib().map_or("not known".to_owned(), |kib| format!("{}", kib / 1024));
    let before = mebibytes();
    let quiet = watched(&store, origin, |_| thread::sleep(QUIET)).1;
    let (took, busy) = watched(&store, origin, |store| {
        let start = Instant::now();
        let mut now = origin.elapsed().as_nanos() as u64;
        for stranger in KNOWN..KNOWN + STRANGERS {
            // Two clock readings in a hundred checks do not count.
            if stranger % 64 == 0 {
                now = origin.elapsed().as_nanos() as u64;
            }
            black_box(store.check(address(stranger), now));
        }
        start.elapsed()
    });
    let each = took.as_nanos() as f64 / f64::from(STRANGERS);
    format!(
        "{each:.0} | {before} | {} | {}, {} | {}, {} | {} of {}",
        mebibytes(),
        micros(quiet.at(0.999)),
        micros(quiet.worst),
        micros(busy.at(0.999)),
        micros(busy.worst),
        busy.denied + quiet.denied,
        busy.many + quiet.many,
    )
}

/// Does something while another thread checks the known clients, one after the other.
fn watched<S: Store, T>(store: &S, origin: Instant, doing: impl FnOnce(&S) -> T) -> (T, Latencies) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Latencies::default();
            let mut client = 0_u32;
            let mut before = origin.elapsed().as_nanos() as u64;
            // Relaxed: a flag, and the join says the rest.
            while !done.load(Ordering::Relaxed) {
                // A prime step, so that neighbours in the store do not follow each other.
                client = (client + 76_543) % KNOWN;
                let admitted = store.check(address(client), before);
                let after = origin.elapsed().as_nanos() as u64;
                seen.add(after - before, admitted);
                before = after;
            }
            seen
        });
        let outcome = doing(store);
        done.store(true, Ordering::Relaxed);
        (outcome, watcher.join().unwrap())
    })
}

/// How long checks took, the reading of a clock included: counted in steps of a sixteenth.
struct Latencies {
    counts: Vec<u64>,
    many: u64,
    denied: u64,
    worst: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; 64 * 16], many: 0, denied: 0, worst: 0 }
    }
}

impl Latencies {
    fn add(&mut self, nanos: u64, admitted: bool) {
        let octave = (nanos | 16).ilog2();
        let step = (nanos >> (octave - 4)) & 15;
        self.counts[(octave * 16) as usize + step as usize] += 1;
        self.many += 1;
        self.denied += u64::from(!admitted);
        self.worst = self.worst.max(nanos);
    }

    /// The upper end of the step that this part of all is not above.
    fn at(&self, part: f64) -> u64 {
        let below = (self.many as f64 * part) as u64;
        let mut sum = 0;
        for (place, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum > below {
                let (octave, step) = (place / 16, place as u64 % 16);
                return (16 + step + 1) << octave >> 4;
            }
        }
        self.worst
    }
}

fn micros(nanos: u64) -> String {
    let micros = nanos as f64 / 1_000.0;
    if micros < 10.0 { format!("{micros:.2}") } else { format!("{micros:.0}") }
}

/// What the system says that this process has in memory; Linux only.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
