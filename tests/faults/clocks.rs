//! Time that goes anywhere: back by nanoseconds and by years, forward by 584 years, and otherwise in each thread.
//!
//! Nothing panics, and nothing is given that the bounds do not allow. They are those of the book: a step back by more than
//! a second forgives, one burst at the most, and from then on the clock is believed in as it is. So a walk is cut where it
//! falls more than a second behind its running maximum, and each piece is allowed a burst, and the rate over what it spans.
//!
//! A ban holds until its end, by the clock of who asks, so one from a time far ahead holds until then: whoever goes on here
//! is not banned.

use std::{
    sync::{Arc, Barrier, Mutex},
    time::Duration,
};

use portcullis::{
    AdjustableBucket, Capacity, Defence, ExactLimiter, Gate, KeyedLimiter, KeyedWindow,
    LeasedBucket, LimitRule, Outcome, Posture, Quota, Request, SlidingWindow, Timestamp,
    TokenBucket, WindowLog,
    gate::{GateStep, Then},
    limit::remote::{FleetSettings, OnFailure, StoreError, reference::Server},
    rule::{Action, Ban, Rule, Scheme},
};

use crate::{Dice, in_time, peer, secs};

const NANO: i128 = 1;
const SECOND: i128 = 1_000_000_000;
const YEAR: i128 = 31_557_600 * SECOND;

/// A clock that nobody should have.
struct Walk {
    dice: Dice,
    now: i128,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let last = i128::from(u64::MAX);
        let starts = [0, SECOND, 50 * YEAR, last / 2, last - SECOND, last];
        let now = *dice.one_of(&starts);
        Self { dice, now }
    }

    fn step(&mut self) -> Timestamp {
        const STEPS: [i128; 14] = [
            0,
            NANO,
            SECOND / 20,
            SECOND,
            100 * SECOND,
            YEAR / 12,
            584 * YEAR,
            -NANO,
            -SECOND / 2,
            -SECOND,
            -3 * SECOND / 2,
            -3_600 * SECOND,
            -YEAR,
            -584 * YEAR,
        ];
        // Mostly as clocks go, so that there is something in the limits when they jump.
        let by = match self.dice.below(6) {
            0 => *self.dice.one_of(&STEPS),
            1 => 0,
            _ => i128::from(self.dice.below(200_000_000)),
        };
        self.now = (self.now + by).clamp(0, u64::MAX.into());
        Timestamp::from_nanos(self.now.try_into().unwrap())
    }
}

/// What a quota allows on such a clock.
struct Allowed {
    burst: u128,
    units: u128,
    period: u128,
    /// The running maximum, and the least, since time went back.
    piece: Option<(u64, u64)>,
    /// By the pieces before.
    so_far: u128,
    given: u128,
}

impl Allowed {
    fn by(quota: Quota) -> Self {
        Self {
            burst: quota.max_burst().into(),
            units: quota.count().into(),
            period: quota.period().as_nanos(),
            piece: None,
            so_far: 0,
            given: 0,
        }
    }

    /// A piece's burst and rate; and a unit for rounding, since units may come back a part of an interval early.
    fn of_piece(&self, (least, most): (u64, u64)) -> u128 {
        let rate = u128::from(most - least) * self.units / self.period;
        self.burst + rate + rate / 64 + 2
    }

    fn sees(&mut self, now: Timestamp, given: bool, told: &dyn Fn() -> String) {
        let now = now.as_nanos();
        let piece = match self.piece {
            None => (now, now),
            Some(piece @ (_, most)) if now.saturating_add(1_000_000_000) < most => {
                self.so_far += self.of_piece(piece);
                (now, now)
            }
            Some((least, most)) => (least.min(now), most.max(now)),
        };
        self.piece = Some(piece);
        self.given += u128::from(given);
        let allowed = self.so_far + self.of_piece(piece);
        assert!(self.given <= allowed, "{} of {allowed} at {now}: {}", self.given, told());
    }
}

const QUOTA: Quota = Quota::per_second(10).burst(20);

/// Whether a key may pass.
type Check<'a> = dyn Fn(u64, Timestamp) -> bool + 'a;

/// All kinds of limits, one after the other, on one walk.
#[test]
fn limits_give_no_more_than_their_bounds() {
    for seed in 0..150 {
        let window = Duration::from_secs(2);
        let bucket = TokenBucket::new(QUOTA);
        let adjustable = AdjustableBucket::new(QUOTA);
        let leased = LeasedBucket::new(QUOTA, 2, 4);
        let keyed = KeyedLimiter::new(QUOTA, Capacity::keys(50)).unwrap();
        let exact: ExactLimiter<u64> = ExactLimiter::new(QUOTA, 3);
        let sliding = SlidingWindow::new(20, window, 4).unwrap();
        let windows: KeyedWindow<u64> = KeyedWindow::new(20, window, 4, 3).unwrap();
        let log = WindowLog::new(20, window).unwrap();
        let limits: [(&str, &Check<'_>); 8] = [
            ("bucket", &|_, now| bucket.check(now).is_admitted()),
            ("adjustable", &|_, now| adjustable.check(now).is_admitted()),
            ("leased", &|_, now| leased.check(now).is_admitted()),
            ("keyed", &|key, now| keyed.check(&key, now).is_admitted()),
            ("exact", &|key, now| exact.check(&key, now).is_admitted()),
            ("sliding", &|_, now| sliding.check(now).is_admitted()),
            ("windows", &|key, now| windows.check(&key, now).is_admitted()),
            ("log", &|_, now| log.check(now).is_admitted()),
        ];
        for (name, check) in limits {
            let mut walk = Walk::new(seed);
            let told = || format!("{name}, seed {seed}");
            // Of the keys only the first is counted; the others are in its way.
            let mut allowed = Allowed::by(QUOTA);
            for _ in 0..600 {
                let now = walk.step();
                for _ in 0..1 + walk.dice.below(8) {
                    allowed.sees(now, check(0, now), &told);
                }
                let _ = check(1 + walk.dice.below(4), now);
            }
            // It goes on, on a clock as it should be, within what a full debt takes at the most.
            let start = walk.step().as_nanos().min(u64::MAX - 1_000_000_000_000);
            let later =
                |seconds| Timestamp::from_nanos(start).saturating_add(Duration::from_secs(seconds));
            let mut given = 0_usize;
            for second in 0..100 {
                given += (0..20).filter(|_| check(0, later(second))).count();
            }
            assert!(given >= 500, "{}: only {given} in 100 s", told());
        }
    }
}

/// A gate that has everything.
fn gate() -> Gate {
    let scheme = Scheme::new();
    let term = |text| scheme.parse_term(text).unwrap();
    let failed = scheme.parse_response("status ge 400").unwrap();
    let ban = Ban::new(Duration::from_secs(5)).escalate(4);
    let rule = |name, when, then| Rule::new(name, scheme.parse(when).unwrap()).then(then);
    Gate::builder()
        .clients(200)
        .bans(50)
        .danger_seed(7)
        .limit("per client", QUOTA)
        .limit_rule(LimitRule::new("all", Quota::per_second(100).burst(200)).by([]))
        .limit_rule(LimitRule::in_flight("in flight", 5).by([term("client")]))
        .limit_rule(LimitRule::in_flight("all in flight", 50).by([]))
        .limit_rule(LimitRule::new("paths", Quota::per_hour(1_000)).distinct(term("path")))
        .limit_rule(LimitRule::new("dear", Quota::per_second(50)).cost(3).by([term("path")]))
        .limit_rule(
            LimitRule::new("failures", Quota::per_minute(30)).count_if(failed).then(Then::Ban(ban)),
        )
        .limit_rule(LimitRule::new("shared", Quota::per_minute(600)).fleet(OnFailure::Local))
        .limit_rule(
            LimitRule::new("shared by all", Quota::per_second(90)).by([]).fleet(OnFailure::Open),
        )
        .fleet(FleetSettings::new().keys(64).nodes(2))
        .rule(rule("banned path", r#"path eq "/ban""#, Action::Ban(ban)))
        .rule(rule("bad", r#"path eq "/bad""#, Action::Deny { status: 403 }))
        .defence(Defence::up_to(Posture::Lockdown))
        .build()
        .unwrap()
}

/// A whole check; the store answers, fails, or is too late.
fn ask(
    gate: &Gate,
    request: &Request<'_>,
    server: &mut Server,
    walk: &mut Walk,
    now: Timestamp,
) -> Option<portcullis::Admission> {
    let mut step = gate.start(request, now);
    for _ in 0..20 {
        let suspended = match step {
            GateStep::Decided(verdict) => return verdict.into_result().ok(),
            GateStep::Wait(wait) => wait.finish(),
            GateStep::Ask(ask) => {
                let _ = ask.deadline();
                let replies: Vec<_> = ask
                    .calls()
                    .iter()
                    .map(|call| match walk.dice.below(8) {
                        0 => Err(StoreError::Timeout),
                        1 => Err(StoreError::Malformed),
                        2 => Ok(vec![i64::MAX, i64::MIN, -1, i64::MAX]),
                        _ => Ok(server.answer(call)),
                    })
                    .collect();
                let given = if walk.dice.below(20) == 0 { 0 } else { replies.len() };
                // Time goes on, or back, while it is waited for.
                let answered = if walk.dice.below(10) == 0 { walk.step() } else { now };
                ask.finish(&replies[..given], answered)
            }
        };
        step = gate.resume(suspended, request, now);
    }
    panic!("a check that does not end");
}

const PATHS: [&str; 6] = ["/", "/a", "/bad", "/ban", "/login", "/%2e%2e/x"];

#[test]
fn a_gate_that_has_everything_goes_on() {
    for seed in 0..12 {
        let told = || format!("seed {seed}");
        let (gate, mut walk) = (gate(), Walk::new(seed));
        let mut server = Server::new(walk.dice.below(1 << 40));
        let mut allowed = Allowed::by(QUOTA);
        let (mut held, mut asked) = (Vec::new(), 0);
        for round in 0..700 {
            let now = walk.step();
            server.set_clock(match walk.dice.below(20) {
                0 => walk.dice.below(1 << 50),
                _ => server.now_micros() + walk.dice.below(100_000),
            });
            // An attack, now and then.
            let crowd = if round % 97 < 3 { 60 } else { 2 };
            for _ in 0..crowd {
                let client = if crowd > 2 { walk.dice.below(100_000) as u32 } else { 2 };
                let path = *walk.dice.one_of(&PATHS);
                let request = Request::new(peer(client)).method("GET").target(path);
                held.push(ask(&gate, &request, &mut server, &mut walk, now));
                asked += 1;
            }
            let request = Request::new(peer(1)).method("GET").target("/mine");
            let admission = ask(&gate, &request, &mut server, &mut walk, now);
            asked += 1;
            allowed.sees(now, admission.is_some(), &told);
            held.push(admission);
            while held.len() > 20 || held.len() > 4 && walk.dice.below(2) == 0 {
                let at = walk.dice.below(held.len() as u64) as usize;
                let Some(admission) = held.swap_remove(at) else { continue };
                let then = if walk.dice.below(4) == 0 { walk.step() } else { now };
                let outcome = Outcome::status(*walk.dice.one_of(&[200, 404, 500]));
                let late = Duration::from_millis(walk.dice.below(1 << 20));
                gate.finish(admission, outcome.latency(late), then);
            }
            match walk.dice.below(60) {
                0 => gate.tick(now),
                1 => drop(gate.status(now)),
                2 => drop(gate.open_metrics(now)),
                3 => drop(gate.explain(&request, now)),
                4 => {
                    let snapshot = gate.snapshot(now);
                    gate.restore(&snapshot, walk.step()).unwrap();
                }
                5 => {
                    let posture = *walk.dice.one_of(&[Posture::Elevated, Posture::Lockdown]);
                    assert!(gate.defence().force(posture, Duration::MAX, now));
                }
                6 => assert!(gate.defence().release(now)),
                7 => assert!(gate.defence().drill(Duration::from_secs(9), now)),
                8 => gate.defence().gauge(f64::NAN),
                9 => drop(gate.events()),
                10 => gate.bans().add("203.0.113.0/24".parse().unwrap(), Duration::MAX, "x", now),
                11 => drop(gate.bans().list(now)),
                12 => drop(gate.incident()),
                // A connection that is refused counts like a request.
                13 => asked += u64::from(gate.check_peer(peer(1), now).is_err()),
                _ => {}
            }
        }
        held.clear();
        let stats = gate.stats();
        assert_eq!(stats.checked(), asked, "{}", told());
        assert_eq!(stats.checked(), stats.admitted() + stats.denied(), "{}", told());
        // Then an ordinary clock, an hour further or from zero, and an ordinary client.
        let start = walk.step().as_nanos().checked_add(3_600_000_000_000).unwrap_or(0);
        let _ = gate.defence().release(Timestamp::from_nanos(start));
        let mut passed = 0;
        for second in 0..400 {
            let now = Timestamp::from_nanos(start).saturating_add(Duration::from_secs(second));
            let request = Request::new(peer(77)).method("GET").target("/mine");
            server.advance(1_000_000);
            let admission = ask(&gate, &request, &mut server, &mut walk, now);
            if let Some(admission) = admission {
                passed += u32::from(second >= 200);
                gate.finish(admission, Outcome::status(200), now);
            }
        }
        let last = Timestamp::from_nanos(start).saturating_add(Duration::from_secs(400));
        let request = Request::new(peer(77)).method("GET").target("/mine");
        let why = gate.check(&request, last).into_result().map(drop);
        assert!(passed > 150, "{}: only {passed} of 200 pass: {why:?}", told());
    }
}

/// Threads whose clocks disagree by less than a second are one clock.
#[test]
fn threads_with_clocks_of_their_own_share_the_bounds() {
    for seed in 0..4_u64 {
        let gate = gate();
        let barrier = Arc::new(Barrier::new(4));
        let given = Arc::new(Mutex::new(0_u128));
        let workers: Vec<_> = (0..4_u64)
            .map(|thread| {
                let (gate, barrier, given) =
                    (gate.clone(), Arc::clone(&barrier), Arc::clone(&given));
                move || {
                    let mut dice = Dice(seed * 100 + thread);
                    barrier.wait();
                    for step in 0..1_000 {
                        // All are within 0.9 s of each other, as the steps go on at the barrier's pace.
                        if step % 50 == 0 {
                            barrier.wait();
                        }
                        let skew = dice.below(300_000_000);
                        let now =
                            Timestamp::from_nanos(7_000_000_000 + step / 50 * 500_000_000 + skew);
                        let request = Request::new(peer(1)).target("/mine");
                        *given.lock().unwrap() +=
                            u128::from(gate.check(&request, now).is_admitted());
                    }
                }
            })
            .collect();
        in_time("threads with clocks of their own", move || {
            std::thread::scope(|scope| {
                workers.into_iter().for_each(|work| drop(scope.spawn(work)))
            });
        });
        let mut allowed = Allowed::by(QUOTA);
        allowed.piece = Some((7_000_000_000, 7_000_000_000 + 19 * 500_000_000 + 300_000_000));
        allowed.given = *given.lock().unwrap();
        allowed.sees(secs(7), false, &|| format!("seed {seed}"));
        assert!(allowed.given > 20, "something is given");
    }
}

/// Each thread walks by itself: nothing hangs, nothing panics, and it goes on.
#[test]
fn threads_with_clocks_that_walk_go_on() {
    let gate = gate();
    let workers = (0..3).map(|thread| {
        let gate = gate.clone();
        move || {
            let (mut walk, mut server) = (Walk::new(900 + thread), Server::new(0));
            for _ in 0..1_500 {
                let now = walk.step();
                let client = walk.dice.below(5) as u32;
                let path = *walk.dice.one_of(&PATHS);
                let request = Request::new(peer(client)).method("GET").target(path);
                if let Some(admission) = ask(&gate, &request, &mut server, &mut walk, now) {
                    gate.finish(admission, Outcome::status(500), walk.step());
                }
            }
        }
    });
    let workers: Vec<_> = workers.collect();
    in_time("threads with clocks that walk", move || {
        std::thread::scope(|scope| workers.into_iter().for_each(|work| drop(scope.spawn(work))));
    });
    let stats = gate.stats();
    assert_eq!((stats.checked(), stats.checked()), (4_500, stats.admitted() + stats.denied()));
    gate.reload_with(Gate::builder().limit("per client", QUOTA), secs(1)).unwrap();
    assert!((0..400).any(|second| gate.check(&Request::new(peer(99)), secs(second)).is_admitted()));
}
