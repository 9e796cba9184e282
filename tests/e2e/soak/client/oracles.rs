//! Clients that know what they are owed: each holds a limit that no text changes to its word.
//!
//! Some ask for more than there is, on one connection or several, and count what they get; some ask only when the gate
//! owes them an answer for sure, often in the last nanosecond of that, and are never to be refused. What else may refuse
//! is kept from them: they are on a list whose rule allows them (so no mitigation and no shedding meets them), no other
//! limit is about them, and no limit of theirs has more keys than it has room for.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{PROXY, World, request, tell, wire::Answer};
use crate::bound::{Ledger, Quota};

/// One that asks for a limit.
#[derive(Clone, Copy)]
struct Oracle {
    name: &'static str,
    /// The last number of its address.
    address: u8,
    paths: &'static [&'static str],
    lines: &'static str,
    quota: Quota,
    kind: Kind,
    /// Connections that ask at the same time.
    at_a_time: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Asks for more than there is.
    Greedy,
    /// Asks when it must be admitted.
    Polite,
    /// Greedy, and only answers with status 401 count: the unit of others comes back after they are answered, so a
    /// refusal is wrong only if there was one more.
    Counted,
    /// Greedy, of a limit of the fleet.
    Fleet,
    /// Asks a limit of the fleet for a quarter of what there is.
    PoliteFleet,
    /// Is never refused, as often as it asks.
    Never,
    /// Asks for more places than there are; the service counts.
    Places,
}

const CLIENT: Quota = Quota::per_second(10, 20);
const HEADER: Quota = Quota::per_second(25, 50);
const PATH: Quota = Quota::per_second(5, 1);
const COUNT: Quota = Quota::per_second(5, 10);
const FLEET: Quota = Quota::per_second(20, 40);
/// What a node may have leased: half a burst.
const LEASES: u32 = 20;

const ORACLES: [Oracle; 12] = [
    one("by client, greedy", 1, &["/kept/client"], "", CLIENT, Kind::Greedy),
    one("by client, polite", 2, &["/kept/client"], "", CLIENT, Kind::Polite),
    Oracle {
        at_a_time: 4,
        ..one("by header, greedy", 3, &["/kept/header"], "x-api-key: a\r\n", HEADER, Kind::Greedy)
    },
    one("by header, polite", 4, &["/kept/header"], "x-api-key: b\r\n", HEADER, Kind::Polite),
    Oracle { at_a_time: 2, ..one("by path, greedy", 5, &["/kept/path/a"], "", PATH, Kind::Greedy) },
    one("by path, polite", 6, &["/kept/path/b"], "", PATH, Kind::Polite),
    one("count_if", 7, &["/kept/count/401", "/kept/count/200"], "", COUNT, Kind::Counted),
    one(
        "distinct, four of five again and again",
        8,
        &["/kept/distinct/1", "/kept/distinct/2", "/kept/distinct/3", "/kept/distinct/4"],
        "",
        CLIENT,
        Kind::Never,
    ),
    one("in_flight, one of three", 9, &["/kept/places"], "", CLIENT, Kind::Never),
    Oracle {
        at_a_time: 6,
        ..one(
            "in_flight, six for three",
            10,
            &["/kept/places"],
            "x-counted: 1\r\n",
            CLIENT,
            Kind::Places,
        )
    },
    one("fleet, greedy", 11, &["/kept/fleet"], "x-fleet-key: a\r\n", FLEET, Kind::Fleet),
    one(
        "fleet, polite",
        12,
        &["/kept/fleet"],
        "x-fleet-key: b\r\n",
        Quota::per_second(5, 10),
        Kind::PoliteFleet,
    ),
];

const fn one(
    name: &'static str,
    address: u8,
    paths: &'static [&'static str],
    lines: &'static str,
    quota: Quota,
    kind: Kind,
) -> Oracle {
    Oracle { name, address, paths, lines, quota, kind, at_a_time: 1 }
}

/// What one of them knows.
struct Book {
    ledger: Ledger,
    /// Whatever the store does: twice the quota, since a node lets pass its own part beside the store's.
    outer: Ledger,
    /// How often the store had not answered when it was admitted last, and whether it was whole.
    fallbacks: String,
    whole: u64,
}

/// One that is at work, for the report.
pub(super) struct Told {
    oracle: Oracle,
    book: Arc<Mutex<Book>>,
    counts: Arc<[AtomicU64; 2]>,
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn start(world: &Arc<World>) -> Vec<Told> {
    let oracles = ORACLES.iter().map(|oracle| {
        let origin = world.origin;
        let fleet = oracle.kind == Kind::Fleet;
        let Quota { nanos, burst } = oracle.quota;
        let twice = Quota { nanos: nanos / 2, burst: 2 * burst };
        let extra = if fleet { LEASES } else { 0 };
        let book = Arc::new(Mutex::new(Book {
            ledger: Ledger::new(origin, oracle.quota, oracle.at_a_time, extra),
            outer: Ledger::new(origin, twice, 1, 2 * LEASES),
            fallbacks: String::new(),
            whole: 0,
        }));
        let counts: Arc<[AtomicU64; 2]> = Arc::default();
        for number in 0..oracle.at_a_time {
            let asks = Asks {
                oracle: *oracle,
                number: u64::from(oracle.address) * 100 + u64::from(number),
                book: Arc::clone(&book),
                counts: Arc::clone(&counts),
            };
            let world = Arc::clone(world);
            tokio::spawn(async move { asks.run(&world).await });
        }
        Told { oracle: *oracle, book, counts }
    });
    oracles.collect()
}

/// One connection after the other of one of them.
struct Asks {
    oracle: Oracle,
    number: u64,
    book: Arc<Mutex<Book>>,
    counts: Arc<[AtomicU64; 2]>,
}

impl Asks {
    async fn run(&self, world: &World) {
        let Oracle { name, kind, lines, paths, .. } = self.oracle;
        let client = Ipv4Addr::new(203, 0, 113, self.oracle.address);
        let mut dice = world.dice(self.number);
        while let Some(_turn) = world.turn().await {
            let Some(mut connection) = world.connect(PROXY, name).await else {
                world.wrong(name, "cannot connect");
                continue;
            };
            for _ in 0..1 + dice.below(60) {
                self.wait(world, dice.below(1_000)).await;
                if world.rests() {
                    break;
                }
                let path = paths.get(dice.below(paths.len() as u64) as usize).unwrap_or(&"/");
                let whole = world.fleet.load(Ordering::SeqCst);
                let sent = lock(&self.book).ledger.send();
                let asked = request("GET", path, client, lines);
                let Some(answer) = world.ask(&mut connection, &asked, name).await else {
                    lock(&self.book).ledger.forget();
                    world.wrong(name, "its connection was closed");
                    break;
                };
                let is_admitted = answer.line("x-served").is_some();
                if let Some(count) = self.counts.get(usize::from(!is_admitted)) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                let wrong = match kind {
                    Kind::Fleet => self.of_the_fleet(world, &answer, sent, whole),
                    _ => self.judge(&answer, sent),
                };
                if let Some(wrong) = wrong {
                    world.wrong(name, &wrong);
                }
            }
        }
    }

    /// Until the next request; `thousandth` is chance.
    async fn wait(&self, world: &World, thousandth: u64) {
        match self.oracle.kind {
            Kind::Polite | Kind::PoliteFleet => {
                if thousandth < 20 {
                    // A whole burst comes together.
                    world.pause(Duration::from_millis(thousandth * 200)).await;
                }
                while !world.rests() && !lock(&self.book).ledger.is_owed(Instant::now()) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Kind::Never => world.pause(Duration::from_millis(20 + thousandth / 10)).await,
            Kind::Places => world.pause(Duration::from_millis(thousandth / 50)).await,
            Kind::Greedy | Kind::Counted | Kind::Fleet => {
                // Twice as fast as there are units, and sometimes rest, for bursts.
                let mut time =
                    self.oracle.quota.nanos / 1_000 * thousandth * u64::from(self.oracle.at_a_time);
                if self.oracle.kind == Kind::Counted {
                    // Of these only every other one takes a unit.
                    time /= 3;
                }
                let time = if thousandth < 5 {
                    Duration::from_secs(2)
                } else {
                    Duration::from_nanos(time)
                };
                world.pause(time).await;
            }
        }
    }

    fn judge(&self, answer: &Answer, sent: Instant) -> Option<String> {
        let mut book = lock(&self.book);
        let ledger = &mut book.ledger;
        let now = Instant::now();
        let is_admitted = answer.line("x-served").is_some();
        match self.oracle.kind {
            Kind::Never | Kind::Places => {
                ledger.forget();
                let is_wrong = !is_admitted && self.oracle.kind == Kind::Never;
                is_wrong.then(|| format!("refused: {answer:?}"))
            }
            Kind::Counted if is_admitted && answer.status != 401 => {
                ledger.forget();
                None
            }
            _ if is_admitted => {
                let over = ledger.admit(sent, now)?;
                Some(format!("admitted {} of a unit too much", thousandths(over)))
            }
            kind => {
                let owed = ledger.refuse(sent, now)?;
                let tolerance = if kind == Kind::Counted { 1_000 } else { 0 };
                (owed >= tolerance).then(|| {
                    format!(
                        "refused while {} of a unit more than one was there: {answer:?}",
                        thousandths(owed)
                    )
                })
            }
        }
    }

    /// Strictly while the store answers, and anyway at most twice as much.
    fn of_the_fleet(
        &self,
        world: &World,
        answer: &Answer,
        sent: Instant,
        whole: u64,
    ) -> Option<String> {
        let mut book = lock(&self.book);
        let now = Instant::now();
        book.outer.send();
        if answer.line("x-served").is_none() {
            book.ledger.forget();
            book.outer.forget();
            return None;
        }
        let fallbacks = answer.line("x-fallbacks").unwrap_or_default();
        let is_same = book.whole == whole && world.fleet.load(Ordering::SeqCst) == whole;
        if !is_same {
            // What the store knew may be lost, and with it what was owed.
            book.outer.cut();
        }
        let strict = is_same && whole % 2 == 0 && book.fallbacks == fallbacks;
        book.whole = whole;
        fallbacks.clone_into(&mut book.fallbacks);
        if strict {
            if let Some(over) = book.ledger.admit(sent, now) {
                return Some(format!("admitted {} of a unit too much", thousandths(over)));
            }
        } else {
            book.ledger.forget();
            book.ledger.cut();
        }
        let over = book.outer.admit(sent, now)?;
        Some(format!("admitted {} of a unit too much, store or not", thousandths(over)))
    }
}

fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1_000, number % 1_000)
}

impl Told {
    pub(super) fn tell(&self, world: &World) {
        let book = lock(&self.book);
        let mut least = book.ledger.least_slack();
        if let Some(exact) = book.ledger.all_windows() {
            if exact < 0 {
                world.wrong(
                    self.oracle.name,
                    &format!("a window has {} thousandths of a unit too much", -exact),
                );
            }
            least = Some(exact);
        }
        let slack = match self.oracle.kind {
            Kind::Never | Kind::Places => "–".to_owned(),
            _ => least
                .map_or_else(|| "–".to_owned(), |least| format!("{:.3}", least as f64 / 1_000.0)),
        };
        let [admitted, refused] = [0, 1].map(|at| {
            self.counts.get(at).map_or(0, |count: &AtomicU64| count.load(Ordering::Relaxed))
        });
        let asks_too_much =
            !matches!(self.oracle.kind, Kind::Polite | Kind::PoliteFleet | Kind::Never);
        let note = if asks_too_much && refused == 0 {
            " (never refused: it has shown little)"
        } else {
            ""
        };
        tell(&format!("oracle {}|{admitted}|{refused}|{slack}{note}", self.oracle.name));
    }
}
