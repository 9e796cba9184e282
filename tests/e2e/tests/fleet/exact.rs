//! The script against the exact reference, step by step: random walks from fixed seeds, without one difference.

use std::time::Duration;

use portcullis::{
    Quota,
    limit::remote::{Call, Fleet, FleetLimit, FleetSettings, OnFailure, SCRIPT_SHA1, reference},
};
use redis::{Pipeline, aio::MultiplexedConnection};

use super::server::Server;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// Of any number of digits with the same probability.
    fn of_any_size(&mut self, bits: u32) -> u64 {
        let bits = self.below(u64::from(bits) + 1);
        self.roll() & ((1 << bits) - 1)
    }
}

/// 2026-01-01.
const START: u64 = 1_767_225_600_000_000;
const YEAR: u64 = 31_556_952_000_000;
const DAY: u64 = 86_400_000_000;
/// Steps that go out together.
const BATCH: usize = 100;
const BATCHES: usize = 6;
const NAMES: [&str; 3] = ["per client", "exports", "signup"];

fn quotas() -> Vec<Quota> {
    let of = |count, millis| Quota::new(count, Duration::from_millis(millis)).unwrap();
    vec![
        Quota::per_day(1),
        Quota::per_day(1).burst(1_000),
        Quota::per_hour(3).burst(10),
        Quota::per_minute(10),
        Quota::per_second(1),
        Quota::per_second(50).burst(100),
        of(7, 3_000),
        of(7, 3_000).burst(1),
        Quota::per_second(700_000),
        Quota::per_second(700_000).burst(3),
        Quota::per_second(1_000_000),
        Quota::per_second(1_000_000).burst(1),
        of(104_729, 7_919).burst(97),
        of(99_991, 86_399_981).burst(65_537),
        Quota::per_second(4_294_967_291).burst(1_000),
        Quota::per_second(5).burst(0),
        Quota::per_day(1).burst(50_000),
    ]
}

struct Walk {
    dice: Dice,
    fleet: Fleet,
    quotas: Vec<Quota>,
    limits: Vec<FleetLimit>,
    now: u64,
    /// Makes all of a walk's keys its own.
    subject: String,
}

impl Walk {
    fn new(seed: u64, start: u64) -> Self {
        let fleet = Fleet::new(FleetSettings::new().prefix("exact")).unwrap();
        let mut walk = Self {
            dice: Dice(seed),
            fleet,
            quotas: quotas(),
            limits: Vec::new(),
            now: start,
            subject: format!("{seed}"),
        };
        walk.limits = NAMES.iter().map(|name| walk.limit(name)).collect();
        walk
    }

    /// One of those that are in the list, or any that a fleet can count.
    fn limit(&mut self, name: &str) -> FleetLimit {
        loop {
            let quota = if self.dice.below(2) == 0 {
                *self.dice.one(&self.quotas)
            } else {
                let count = u32::try_from(self.dice.of_any_size(32)).unwrap().max(1);
                let period = Duration::from_nanos(self.dice.of_any_size(50).max(1));
                let Ok(quota) = Quota::new(count, period) else { continue };
                quota.burst(u32::try_from(self.dice.of_any_size(32)).unwrap())
            };
            if let Ok(limit) = self.fleet.limit(name, quota, OnFailure::Local) {
                return limit;
            }
        }
    }

    /// The time goes on, mostly; to just before, just when and just after something becomes possible.
    fn tick(&mut self) {
        let limit = self.dice.one(&self.limits);
        let quota = limit.quota();
        let unit =
            u64::try_from(quota.period().as_micros()).unwrap() / u64::from(quota.count().max(1));
        let full = unit.saturating_mul(u64::from(quota.max_burst())).min(200 * YEAR);
        let by = match self.dice.below(12) {
            0..=3 => 0,
            4 => 1,
            5 => unit,
            6 => unit.saturating_add(self.dice.below(3)).saturating_sub(1),
            7 => unit.saturating_mul(self.dice.below(5)),
            8 => self.dice.below(unit.saturating_mul(3).min(YEAR)),
            9 => full.saturating_add(self.dice.below(3)).saturating_sub(1),
            10 => self.dice.of_any_size(44),
            // A clock that is set back.
            _ => {
                let back = self.dice.of_any_size(40);
                self.now = self.now.saturating_sub(back);
                0
            }
        };
        // No longer than clocks are right about in doubles: until the year 2200.
        self.now = self.now.saturating_add(by.min(YEAR)).min(START + 174 * YEAR);
    }

    fn call(&mut self) -> Call {
        if self.dice.below(40) == 0 {
            let at = usize::try_from(self.dice.below(3)).unwrap();
            self.limits[at] = self.limit(NAMES[at]);
        }
        self.tick();
        let keys = usize::try_from(self.dice.below(3)).unwrap() + 1;
        let first = usize::try_from(self.dice.below(3)).unwrap();
        let mut asked = Vec::new();
        for at in first..first + keys {
            let limit = self.limits[at % 3].clone();
            let burst = limit.quota().max_burst();
            let least = match self.dice.below(10) {
                0 => burst,
                1 => burst.saturating_add(1),
                2 => u32::try_from(self.dice.of_any_size(32)).unwrap(),
                3 => 0,
                4 => burst / 2,
                _ => 1,
            };
            let more = match self.dice.below(3) {
                0 => 0,
                1 => burst / 2,
                _ => u32::try_from(self.dice.of_any_size(32)).unwrap(),
            };
            asked.push((limit, least, least.saturating_add(more)));
        }
        let subject = self.fleet.subject(self.subject.as_bytes());
        Call::of("exact", subject, &asked).at_micros(self.now)
    }

    /// Whether each answer is the reference's.
    async fn run(mut self, connection: &mut MultiplexedConnection) {
        let seed = self.dice.0;
        let mut reference = reference::Server::new(self.now);
        for batch in 0..BATCHES {
            let calls: Vec<Call> = (0..BATCH).map(|_| self.call()).collect();
            let replies = ask(connection, &calls).await;
            for (at, (call, reply)) in calls.iter().zip(replies).enumerate() {
                let expected = reference.answer(call);
                assert_eq!(reply, expected, "step {at} of batch {batch} of walk {seed}: {call:?}");
            }
        }
    }
}

/// The clock of these calls is not the server's, by which keys expire: nothing may, and nothing does in the
/// moment in which all of this happens for the server.
async fn ask(connection: &mut MultiplexedConnection, calls: &[Call]) -> Vec<Vec<i64>> {
    let mut pipeline = Pipeline::with_capacity(calls.len() * 4);
    pipeline.atomic();
    for call in calls {
        let command = pipeline.cmd("EVALSHA").arg(SCRIPT_SHA1).arg(call.keys().len());
        for word in call.keys().chain(call.args()) {
            command.arg(word);
        }
        for key in call.keys() {
            pipeline.cmd("PERSIST").arg(key).ignore();
        }
    }
    pipeline.query_async(connection).await.unwrap()
}

#[tokio::test]
async fn redis_answers_as_the_reference_does_to_the_number() {
    for server in Server::start_each() {
        let store = server.store().await;
        store.load().await.unwrap();
        let mut connection = server.connection().await;
        let starts = [START, START + 10 * YEAR, DAY];
        for (seed, start) in (0..60).zip(starts.into_iter().cycle()) {
            Walk::new(seed, start).run(&mut connection).await;
        }
    }
}

/// A unit more or less would be seen: the reference is not simply told what to say.
#[tokio::test]
async fn redis_differs_from_a_reference_of_another_time() {
    let Some(server) = Server::start() else { return };
    server.store().await.load().await.unwrap();
    let fleet = Fleet::new(FleetSettings::new()).unwrap();
    let limit = fleet.limit("exports", Quota::per_second(10), OnFailure::Local).unwrap();
    let call =
        |now| Call::of("", fleet.subject(b"alice"), &[(limit.clone(), 1, 10)]).at_micros(now);
    let replies = ask(&mut server.connection().await, &[call(START), call(START + 99_999)]).await;
    assert_eq!(replies, [[10, 0, 0, 1_000_000], [0, 0, 1, 900_001]]);
    let mut reference = reference::Server::new(0);
    assert_eq!(reference.answer(&call(START)), replies[0]);
    assert_ne!(reference.answer(&call(START + 100_000)), replies[1]);
}
