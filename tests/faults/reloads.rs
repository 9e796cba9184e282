//! Everything at once: checks, reloads that are good, bad and huge, edits, candidates, bans, snapshots, and people who look.
//!
//! Afterwards a limit that no reload has named is exact over the whole storm, all counts add up, no place in flight is lost,
//! and nobody waits for anybody.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use portcullis::{
    CidrSet, Defence, Gate, GateBuilder, LimitRule, Mode, Outcome, Posture, Quota, Request,
    Timestamp,
    cidr::CidrEdit,
    gate::MetricValue,
    ipnet::IpNet,
    rule::{Action, List, Rule, Scheme, Type},
};

use crate::{Dice, in_time, peer, secs};

const NOW: Timestamp = secs(10_000);
const STORM: Duration = Duration::from_millis(2_000);

/// What the limit that stays lets pass in the hour in which all of this happens.
const KEPT: u32 = 20_000;
const PLACES: u32 = 30;

/// What stays in all that comes: texts come on top of it.
fn base() -> GateBuilder {
    let scheme = scheme();
    let blocked = scheme.parse("ip.src in $blocked").unwrap();
    let path = scheme.parse_term("path").unwrap();
    Gate::builder()
        .clients(2_000)
        .scheme(scheme)
        .list("blocked", CidrSet::new())
        .rule(Rule::new("blocked", blocked).then(Action::Deny { status: 403 }))
        .limit_rule(LimitRule::new("kept", Quota::per_day(1).burst(KEPT)).by([]))
        .limit_rule(LimitRule::new("kept by path", Quota::per_day(1).burst(KEPT)).by([path]))
        .limit_rule(LimitRule::in_flight("in flight", PLACES).by([]))
        .defence(Defence::up_to(Posture::Elevated))
}

fn scheme() -> Scheme {
    Scheme::new().list("blocked", Type::Ip)
}

/// Texts that are good, bad and huge; each with whether it is good.
fn texts() -> Vec<(String, bool)> {
    let rule = |n: usize| {
        format!("[[rule]]\nname = \"r{n}\"\nwhen = 'path eq \"/{n}\"'\nthen = \"deny\"\n")
    };
    let limit = |name: &str, quota: &str| {
        format!("[[limit]]\nname = \"{name}\"\nby = [\"client\"]\nquota = \"{quota}\"\n")
    };
    let good = [
        String::new(),
        rule(1),
        limit("extra", "5000/h"),
        // The same limit with another quota, which goes on.
        limit("extra", "9000/h burst 10"),
        [rule(2), rule(3), limit("other", "7000/min"), limit("more", "8000/h")].concat(),
        (0..150).map(rule).collect(),
    ];
    let bad = [
        String::from("[[limit"),
        limit("kept", "1/s"),
        limit("extra", "5 bananas"),
        rule(1).replace("path eq", "path eqq"),
        rule(1).replace("\"deny\"", "\"explode\""),
        String::from("clients = 0\n") + &limit("a", "1/s"),
        String::from("mode = \"sideways\"\n"),
        (0..40).map(|n| limit(&format!("limit {n}"), "1/s")).collect::<String>() + "x",
        "x = 1\n".repeat(2_000),
        "[".repeat(20_000),
    ];
    good.into_iter().map(|text| (text, true)).chain(bad.map(|text| (text, false))).collect()
}

/// What threads have done.
#[derive(Default)]
struct Done {
    checked: AtomicU64,
    admitted: AtomicU64,
    denied: AtomicU64,
    /// Admitted, in a mode that takes.
    finished: AtomicU64,
    reloaded: AtomicU64,
    refused: AtomicU64,
}

struct Storm {
    gate: Gate,
    done: Arc<Done>,
    until: Instant,
    is_failed: Arc<AtomicBool>,
}

impl Storm {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until && !self.is_failed.load(Ordering::Relaxed)
    }

    /// Asks, and holds what passes for a while.
    fn check(&self, seed: u64) {
        let Self { gate, done, .. } = self;
        let (mut dice, mut held) = (Dice(seed), Vec::new());
        while self.goes_on() {
            let target = ["/", "/1", "/2", "/77", "/x"][dice.below(5) as usize];
            let request = Request::new(peer(dice.below(500) as u32)).method("GET").target(target);
            done.checked.fetch_add(1, Ordering::Relaxed);
            match gate.check(&request, NOW).into_result() {
                Ok(admission) => {
                    done.admitted.fetch_add(1, Ordering::Relaxed);
                    held.push(admission);
                }
                Err(_) => {
                    done.denied.fetch_add(1, Ordering::Relaxed);
                }
            }
            while held.len() > 6 || !held.is_empty() && dice.below(3) == 0 {
                let at = dice.below(held.len() as u64) as usize;
                let mut admission = held.swap_remove(at);
                match dice.below(3) {
                    0 => drop(admission),
                    1 => drop(admission.hold()),
                    _ => {
                        done.finished.fetch_add(1, Ordering::Relaxed);
                        gate.finish(admission, Outcome::status(200), NOW);
                    }
                }
            }
        }
    }

    fn reload(&self, seed: u64) {
        let Self { gate, done, .. } = self;
        let (mut dice, texts) = (Dice(seed), texts());
        let counts = |is_good: bool| if is_good { &done.reloaded } else { &done.refused };
        while self.goes_on() {
            let (text, is_good) = dice.one_of(&texts);
            let result = gate.reload(text, NOW);
            assert_eq!(result.is_ok(), *is_good, "{:.200}: {:.500}", text, format!("{result:?}"));
            counts(*is_good).fetch_add(1, Ordering::Relaxed);
            if dice.below(8) == 0 {
                let with = |builder: GateBuilder| gate.reload_with(builder, NOW);
                assert!(with(base().limit("built", Quota::per_hour(10_000))).is_ok());
                assert!(with(base().limit("kept", Quota::per_hour(1))).is_err());
                assert!(with(base().bans(if dice.below(2) == 0 { 50 } else { 10_000 })).is_ok());
                assert!(with(base()).is_ok());
                done.reloaded.fetch_add(3, Ordering::Relaxed);
                done.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lists and candidates.
    fn edit(&self, seed: u64) {
        let Self { gate, .. } = self;
        let mut dice = Dice(seed);
        let net = |number: u64| IpNet::new(peer(number as u32), 32).unwrap();
        while self.goes_on() {
            let number = 400 + dice.below(100);
            match dice.below(8) {
                0 => {
                    let set = CidrSet::from_iter((0..50).map(|n| net(400 + n)));
                    gate.lists().replace("blocked", set).unwrap();
                }
                1 => gate.lists().edit("blocked", [CidrEdit::Remove(net(number))]).unwrap(),
                2 => assert!(gate.lists().edit("unheard of", []).is_err()),
                3 => assert!(
                    gate.lists().replace("blocked", portcullis::rule::TextSet::default()).is_err()
                ),
                4 => {
                    let when = scheme().parse(r#"path eq "/x" or ip.src in $blocked"#).unwrap();
                    let rule = Rule::new("candidate", when).then(Action::Deny { status: 403 });
                    gate.set_candidate([rule.clone()]).unwrap();
                    assert!(gate.set_candidate([rule.clone(), rule]).is_err());
                }
                5 => gate.clear_candidate(),
                6 => drop(gate.candidate_report()),
                _ => {
                    let edits = (0..5).map(|n| CidrEdit::Insert(net(number + n), ()));
                    gate.lists().edit("blocked", edits).unwrap();
                }
            }
        }
    }

    /// Looks at everything.
    fn look(&self, seed: u64) {
        let Self { gate, .. } = self;
        let (mut dice, mut last) = (Dice(seed), [0; 4]);
        while self.goes_on() {
            match dice.below(7) {
                0 => {
                    let status = gate.status(NOW);
                    assert!(status.limits.iter().any(|limit| limit.name == "kept"));
                    serde_json::to_string(&status).unwrap();
                }
                1 => assert!(gate.open_metrics(NOW).ends_with("# EOF\n")),
                2 => gate.metrics(NOW).each(&mut |_, _, value| {
                    if let MetricValue::Gauge(value) = value {
                        assert!(!value.is_nan());
                    }
                }),
                3 => drop(gate.explain(&Request::new(peer(1)).target("/1"), NOW)),
                4 => drop((format!("{gate:?}"), gate.memory_bytes(), gate.bans().list(NOW))),
                5 => drop((gate.events(), gate.incident(), gate.check_peer(peer(1), NOW))),
                _ => {}
            }
            let stats = gate.stats();
            let counts =
                [stats.admitted(), stats.denied(), stats.reloads(), stats.refused_reloads()];
            let is_later = counts.iter().zip(last).all(|(now, before)| *now >= before);
            assert!(is_later, "{last:?} and then {counts:?}");
            last = counts;
        }
    }

    /// Bans, and what is kept over a restart.
    fn save(&self, seed: u64) {
        let Self { gate, .. } = self;
        let mut dice = Dice(seed);
        let other = base().build().unwrap();
        while self.goes_on() {
            let net = IpNet::new(peer(600 + dice.below(100) as u32), 28).unwrap();
            match dice.below(6) {
                0 => drop(gate.bans().remove(net, NOW)),
                1 => {
                    let text = serde_json::to_string(&gate.snapshot(NOW)).unwrap();
                    other.restore(&serde_json::from_str(&text).unwrap(), NOW).unwrap();
                }
                2 => gate.restore(&other.snapshot(NOW), NOW).unwrap(),
                3 => gate.tick(NOW),
                4 => assert!(gate.defence().drill(Duration::from_secs(1), NOW)),
                _ => gate.bans().add(net, Duration::from_secs(60), "storm", NOW),
            }
        }
    }

    fn turn(&self, seed: u64) {
        let mut dice = Dice(seed);
        while self.goes_on() {
            self.gate.set_mode(*dice.one_of(&[Mode::Off, Mode::Observe, Mode::Enforce]));
            let _ = self.gate.mode();
            thread::yield_now();
        }
        self.gate.set_mode(Mode::Enforce);
    }
}

type Work = fn(&Storm, u64);

/// Runs all of these at once; a panic in one of them ends the others.
fn storm(name: &str, works: &[Work]) -> (Gate, Arc<Done>) {
    let (gate, done) = (base().build().unwrap(), Arc::new(Done::default()));
    let is_failed = Arc::new(AtomicBool::new(false));
    let works = works.to_vec();
    let (of_all, result) = ((gate.clone(), Arc::clone(&done)), (gate, done));
    in_time(name, move || {
        let storm = &Storm {
            gate: of_all.0,
            done: of_all.1,
            until: Instant::now() + STORM,
            is_failed: Arc::clone(&is_failed),
        };
        let failures = &Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (seed, work) in (1..).zip(works) {
                scope.spawn(move || {
                    let work = std::panic::AssertUnwindSafe(|| work(storm, seed));
                    if let Err(panic) = std::panic::catch_unwind(work) {
                        storm.is_failed.store(true, Ordering::Relaxed);
                        failures.lock().unwrap().push(panic);
                    }
                });
            }
        });
        if let Some(panic) = failures.lock().unwrap().pop() {
            std::panic::resume_unwind(panic);
        }
    });
    result
}

/// What is true whatever has happened.
fn adds_up(gate: &Gate, done: &Done) {
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let stats = gate.stats();
    assert_eq!(stats.checked(), stats.admitted() + stats.denied());
    assert_eq!(stats.admitted(), count(&done.admitted));
    assert_eq!(count(&done.checked), count(&done.admitted) + count(&done.denied));
    assert_eq!(stats.finished_with_class(2), count(&done.finished));
    assert_eq!(stats.reloads(), count(&done.reloaded), "reloads");
    assert_eq!(stats.refused_reloads(), count(&done.refused), "refused reloads");
    let status = gate.status(NOW);
    let in_flight = status.limits.iter().find(|limit| limit.name == "in flight").unwrap();
    assert_eq!(in_flight.in_flight, Some(0));
    assert_eq!(status.defence.unwrap().in_flight, 0);
}

/// It is what the last reload says, and can be changed.
fn goes_on(gate: &Gate) {
    gate.reload_with(base(), NOW).unwrap();
    assert!(gate.reload("[[limit", NOW).is_err());
    let Some(List::Addresses(_)) = gate.lists().get("blocked") else { panic!("the list is there") };
    gate.lists().replace("blocked", CidrSet::new()).unwrap();
    // Whose units may be used up by now; the places are the same.
    let places = LimitRule::in_flight("in flight", PLACES).by([]);
    gate.reload_with(Gate::builder().clients(2_000).limit_rule(places), NOW).unwrap();
    let held: Vec<_> = (0..PLACES)
        .map(|_| gate.check(&Request::new(peer(1_000)).target("/fresh"), NOW).into_result())
        .collect();
    assert!(held.iter().all(Result::is_ok), "{held:?}");
    assert!(!gate.check(&Request::new(peer(1_000)).target("/fresh"), NOW).is_admitted());
}

/// Everything but the mode: a limit that nobody has named is exact over all of it.
#[test]
fn a_limit_that_stays_is_exact_over_a_storm_of_reloads() {
    let works = [
        Storm::check as Work,
        Storm::check,
        Storm::check,
        Storm::reload,
        Storm::reload,
        Storm::edit,
        Storm::look,
        Storm::save,
    ];
    let (gate, done) = storm("a storm of reloads", &works);
    let (admitted, denied) =
        (done.admitted.load(Ordering::Relaxed), done.denied.load(Ordering::Relaxed));
    assert!(admitted > 100 && done.reloaded.load(Ordering::Relaxed) > 5, "{admitted} {denied}");
    adds_up(&gate, &done);
    // What the storm has left of it, without what came and went.
    gate.reload_with(base(), NOW).unwrap();
    gate.lists().replace("blocked", CidrSet::new()).unwrap();
    let mut left = 0;
    // Few paths: the limit by path has room for some 2,000, and a slow machine leaves more than that to be asked for.
    while gate
        .check(&Request::new(peer(2_000 + left)).target(&format!("/{}", left % 100)), NOW)
        .is_admitted()
    {
        left += 1;
    }
    assert_eq!(
        admitted + u64::from(left),
        u64::from(KEPT),
        "{admitted} in the storm, {left} after it"
    );
    // The one by path as well: a fresh one would have a burst.
    let status = gate.status(NOW);
    let by_path = status.limits.iter().find(|limit| limit.name == "kept by path").unwrap();
    assert!(by_path.keys.is_some_and(|keys| keys >= 3), "{by_path:?}");
}

/// With the mode, too: then no limit is exact, and all counts are.
#[test]
fn counts_add_up_over_a_storm_of_everything() {
    let works = [
        Storm::check as Work,
        Storm::check,
        Storm::reload,
        Storm::edit,
        Storm::look,
        Storm::save,
        Storm::save,
        Storm::turn,
    ];
    let (gate, done) = storm("a storm of everything", &works);
    adds_up(&gate, &done);
    goes_on(&gate);
}
