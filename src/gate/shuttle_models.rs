//! Random schedules of whole gates, and of bans. `tests/models.md` says how to run them.

use core::{net::IpAddr, time::Duration};
use std::{collections::BTreeMap, format, string::String, sync::Arc, vec::Vec};

use ahash::RandomState;
use ipnet::IpNet;

use super::{Gate, GateBuilder, LimitRule, Outcome, bans::Bans};
use crate::{
    Defence,
    cidr::CidrEdit,
    quota::Quota,
    request::Request,
    rule::{Action, Ban, Name, Rule, Scheme, Type},
    schedules::{Clock, Dice, Reference, assert_explained, done, explore, explore_times, together},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const DENY: Action = Action::Deny { status: 403 };

fn rule(name: &str, when: &str, then: Action) -> Rule {
    let scheme = Scheme::new().list("listed", Type::Ip);
    Rule::new(name, scheme.parse(when).unwrap()).then(then)
}

/// A small one, which is the same in every run.
fn gate() -> GateBuilder {
    Gate::builder().clients(16).bans(8).danger_seed(1)
}

fn ask(gate: &Gate, peer: [u8; 4], target: &str) -> Result<super::Admission, String> {
    let request = Request::new(IpAddr::from(peer)).method("GET").target(target);
    gate.check(&request, NOW).into_result().map_err(|denial| String::from(denial.name()))
}

/// The plan of this number. The client is denied in each one: by the list in even ones, by a rule in odd ones.
fn plan(number: u32) -> GateBuilder {
    let gate = gate()
        .rule(rule(&format!("{number}"), r#"path eq "/version""#, DENY).priority(-1))
        .limit("per day", Quota::per_day(5))
        .limit_rule(LimitRule::in_flight("in flight", 2));
    if number % 2 == 0 {
        gate.deny("192.0.2.0/24".parse().unwrap())
    } else {
        gate.rule(rule("odd", "ip.src in {192.0.2.0/24}", DENY))
    }
}

/// I1 to I3 of reloads: a check sees one plan, never an older one after a newer one; limits that no plan changes go on; counts
/// are of all checks.
#[test]
fn shuttle_gate_checks_see_one_plan_and_limits_go_on() {
    explore(|| {
        let dice = Dice;
        let gate = plan(0).build().unwrap();
        let shared = gate.clone();
        let at_work = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counts = together(4, move |thread| {
            use std::sync::atomic::Ordering::SeqCst;
            let (mut admitted, mut denied, mut last) = (0_u64, 0_u64, 0_u32);
            for turn in 1..=4_u32 {
                if thread == 0 {
                    shared.reload_with(plan(turn), NOW).unwrap();
                    continue;
                }
                match dice.below(3) {
                    0 => {
                        // Another client, so that the deny list does not hide the rule.
                        let name = ask(&shared, [203, 0, 113, 1], "/version").unwrap_err();
                        let version = name.parse().unwrap();
                        assert!(version >= last, "plan {version} after plan {last}");
                        last = version;
                        denied += 1;
                    }
                    1 => {
                        let name = ask(&shared, [192, 0, 2, 1], "/").unwrap_err();
                        assert!(name == "odd" || name == "deny list", "{name}");
                        denied += 1;
                    }
                    _ => match ask(&shared, [203, 0, 113, 9], "/") {
                        Ok(admission) => {
                            admitted += 1;
                            let before = at_work.fetch_add(1, SeqCst);
                            assert!(before < 2, "{} are too many, at most 2", before + 1);
                            shuttle::thread::yield_now();
                            at_work.fetch_sub(1, SeqCst);
                            match dice.below(2) {
                                0 => drop(admission),
                                _ => shared.finish(admission, Outcome::status(200), NOW),
                            }
                        }
                        Err(name) => {
                            assert!(name == "per day" || name == "in flight", "{name}");
                            denied += 1;
                        }
                    },
                }
            }
            (admitted, denied)
        });
        let admitted: u64 = counts.iter().map(|(admitted, _)| admitted).sum();
        let denied: u64 = counts.iter().map(|(_, denied)| denied).sum();
        assert!(admitted <= 5, "{admitted} are too many, at most 5");
        let stats = gate.stats();
        assert_eq!((stats.admitted(), stats.denied(), stats.reloads()), (admitted, denied, 4));
        // What is left is left, and all places came back.
        let rest: Vec<_> =
            (admitted..5).map(|_| drop(ask(&gate, [203, 0, 113, 9], "/").unwrap())).collect();
        assert_eq!(rest.len() as u64 + admitted, 5);
        assert_eq!(ask(&gate, [203, 0, 113, 9], "/").unwrap_err(), "per day");
    });
}

/// I1 and I2 of lists: edits and replacements among checks, each of which sees a whole list.
#[test]
fn shuttle_gate_checks_see_whole_lists() {
    explore(|| {
        let dice = Dice;
        let scheme = Scheme::new().field("other", Type::Ip).list("listed", Type::Ip);
        // One of the two is always listed, and never both.
        let torn = scheme.parse("not (ip.src in $listed xor other in $listed)").unwrap();
        let gate = gate()
            .scheme(scheme)
            .rule(Rule::new("torn", torn).then(DENY))
            .list("listed", "192.0.2.0/24".parse::<crate::CidrSet>().unwrap())
            .build()
            .unwrap();
        let shared = gate.clone();
        let nets: [IpNet; 2] = ["192.0.2.0/24", "203.0.113.0/24"].map(|net| net.parse().unwrap());
        together(4, move |thread| {
            for _ in 0..3 {
                let (add, remove) = dice.of(&[(0, 1), (1, 0)]);
                match thread {
                    0 => {
                        let edits =
                            [CidrEdit::Insert(nets[add], ()), CidrEdit::Remove(nets[remove])];
                        shared.lists().edit("listed", edits).unwrap();
                    }
                    1 => {
                        let set = crate::CidrSet::from_iter([nets[add]]);
                        shared.lists().replace("listed", set).unwrap();
                    }
                    _ => {
                        let (one, other) = ([192, 0, 2, 1], [203, 0, 113, 9]);
                        let (peer, other) = if add == 0 { (one, other) } else { (other, one) };
                        let request =
                            Request::new(IpAddr::from(peer)).field("other", IpAddr::from(other));
                        assert!(shared.check(&request, NOW).is_admitted(), "half an edit");
                    }
                }
            }
        });
    });
}

/// When each network's ban ends.
#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<IpNet, Timestamp>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Check(IpAddr, Timestamp),
    Add(IpNet, Duration, Timestamp),
    Remove(IpNet, Timestamp),
}

impl Reference for Model {
    type Call = Call;
    type Answer = Option<Duration>;

    fn perform(&mut self, call: &Call) -> Option<Duration> {
        match *call {
            Call::Check(address, now) => {
                let of =
                    self.0.iter().filter(|(net, until)| net.contains(&address) && **until > now);
                of.map(|(_, until)| until.saturating_duration_since(now)).max()
            }
            Call::Add(net, time, now) => {
                self.0.insert(net, now.saturating_add(time));
                None
            }
            Call::Remove(net, now) => {
                let was = self.0.remove(&net).is_some_and(|until| until > now);
                was.then_some(Duration::ZERO)
            }
        }
    }
}

/// I1 of bans: whatever is banned, lifted and looked up in vain at a time, answers are those of a map in some order. (Networks
/// here are apart from each other: a look at several lengths is not one moment.)
#[test]
fn shuttle_bans_each_answer_is_that_of_some_order() {
    let nets: [IpNet; 4] = ["192.0.2.0/24", "198.51.100.7/32", "203.0.113.9/32", "2001:db8::/48"]
        .map(|net| net.parse().unwrap());
    explore(move || {
        let dice = Dice;
        let bans = Arc::new(Bans::new(6, RandomState::with_seeds(1, 2, 3, 4)));
        let clock = Clock::at(NOW);
        // Few more in vain, and the filter is made anew.
        bans.add(nets[0], Duration::from_nanos(1), &Name::from("a"), NOW);
        let later = clock.pass(Duration::from_secs(5));
        (0..14).for_each(|_| assert!(bans.check(nets[0].addr(), later).is_none()));
        let (at, shared) = (clock.clone(), Arc::clone(&bans));
        let told = together(4, move |_| {
            let call = |_| {
                // No clock is behind another one by a second.
                let now = at.pass(Duration::from_millis(dice.of(&[0, 0, 10, 40])));
                let net = dice.of(&nets);
                let call = match dice.below(5) {
                    0 => Call::Remove(net, now),
                    1 => Call::Add(net, Duration::from_millis(dice.of(&[30, 60_000])), now),
                    _ => Call::Check(net.addr(), now),
                };
                done(call, |call| match call {
                    Call::Check(address, now) => shared.check(address, now),
                    Call::Add(net, time, now) => {
                        shared.add(net, time, &Name::from("b"), now);
                        None
                    }
                    Call::Remove(net, now) => shared.remove(net, now).then_some(Duration::ZERO),
                })
            };
            (0..5).map(call).collect()
        });
        let now = clock.now();
        assert_explained(&Model::default(), &told, |model| {
            nets.iter().all(|net| {
                model.clone().perform(&Call::Check(net.addr(), now)) == bans.check(net.addr(), now)
            })
        });
    });
}

/// I2 of bans: more than there is room for, of all lengths; what is left is found, and nothing else.
#[test]
fn shuttle_bans_those_that_are_left_are_found() {
    explore(|| {
        let dice = Dice;
        let bans = Arc::new(Bans::new(dice.of(&[1, 2, 3]), RandomState::with_seeds(1, 2, 3, 4)));
        let shared = Arc::clone(&bans);
        let made = together(5, move |_| {
            let mut made = 0;
            for _ in 0..4 {
                let (block, bits) = (u8::try_from(dice.below(6)).unwrap(), dice.of(&[16, 24, 32]));
                let net = IpNet::new([10, block, 0, 0].into(), bits).unwrap();
                match dice.below(4) {
                    0 => _ = shared.remove(net, NOW),
                    1 => _ = shared.check(net.addr(), NOW),
                    2 => {
                        let subject = super::bans::Subject::Net(net);
                        let time = shared.ban(subject, Ban::new(MINUTE), &Name::from("b"), NOW);
                        assert!(time >= MINUTE);
                        made += 1;
                    }
                    _ => {
                        shared.add(net, MINUTE * dice.units(3), &Name::from("b"), NOW);
                        made += 1;
                    }
                }
            }
            made
        });
        let list = bans.list(NOW);
        assert_eq!(list.len(), bans.count(NOW));
        assert!(list.len() <= 3 && list.len() <= made.into_iter().sum::<usize>());
        for block in 0..6 {
            let address = IpAddr::from([10, block, 0, 0]);
            let of = list.iter().filter(|ban| ban.net().unwrap().contains(&address));
            let longest = of.map(super::bans::BanInfo::remaining).max();
            assert_eq!(bans.check(address, NOW), longest);
        }
        // Nothing is looked up any more when nobody is banned.
        for ban in list {
            assert!(bans.remove(ban.net().unwrap(), NOW));
        }
        assert_eq!(bans.count(NOW), 0);
    });
}

/// I3 of reloads: an operator's ban that has been made is in force after a change of the number of bans, whichever came first;
/// one that has been lifted is not.
#[test]
fn shuttle_gate_an_operators_ban_outlives_a_change_of_their_number() {
    explore(|| {
        let dice = Dice;
        let gate = gate().build().unwrap();
        let nets: [IpNet; 3] =
            ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"].map(|net| net.parse().unwrap());
        gate.bans().add(nets[2], MINUTE, "before", NOW);
        let shared = gate.clone();
        together(3, move |thread| match thread {
            0 => {
                for _ in 0..2 {
                    let bans = 8 + usize::try_from(dice.below(8)).unwrap();
                    shared.reload_with(self::gate().bans(bans), NOW).unwrap();
                }
            }
            1 => {
                for net in &nets[..2] {
                    shared.bans().add(*net, MINUTE, "operator", NOW);
                }
            }
            _ => assert!(shared.bans().remove(nets[2], NOW)),
        });
        let banned: Vec<_> = gate.bans().list(NOW).iter().map(|ban| ban.net().unwrap()).collect();
        assert_eq!(banned.len(), 2, "{banned:?}");
        assert!(
            ask(&gate, [192, 0, 2, 1], "/").is_err() && ask(&gate, [203, 0, 113, 1], "/").is_ok()
        );
    });
}

/// I1 of detection: whatever ends however, nothing is in flight when all has ended; ticks come at any time.
#[test]
fn shuttle_gate_what_is_watched_is_in_flight_until_it_ends() {
    // Making a detector takes longer than all that is done with it.
    explore_times((1, 20), || {
        let dice = Dice;
        let gate = gate().defence(Defence::up_to(crate::Posture::Defend)).build().unwrap();
        let detector = |gate: &Gate| gate.0.snapshot.load().setting.detector.clone().unwrap();
        let shared = gate.clone();
        let clock = Clock::at(NOW);
        let counts = together(3, move |thread| {
            let mut admitted = 0;
            for _ in 0..3 {
                let now = clock.pass(Duration::from_millis(dice.of(&[0, 100, 400])));
                if thread == 0 && dice.below(2) == 0 {
                    shared.tick(now);
                    continue;
                }
                let client = [203, 0, 113, u8::try_from(dice.below(3)).unwrap()];
                let request = Request::new(IpAddr::from(client)).method("GET").target("/");
                if let Ok(admission) = shared.check(&request, now).into_result() {
                    admitted += 1;
                    match dice.below(3) {
                        0 => drop(admission),
                        1 => shared.finish(admission, Outcome::status(500), now),
                        _ => shared.finish(admission, Outcome::status(200), now),
                    }
                }
            }
            admitted
        });
        assert_eq!(gate.stats().admitted(), counts.into_iter().sum::<u64>());
        assert_eq!(detector(&gate).in_flight(), 0);
    });
}

/// I3 of snapshots: what is written while others are banned has at least those that were banned before, and restores.
#[cfg(feature = "serde")]
#[test]
fn shuttle_gate_a_snapshot_under_load_forgets_no_ban() {
    explore(|| {
        let dice = Dice;
        let trap =
            || gate().rule(rule("trap", r#"path eq "/trap""#, Action::Ban(Ban::new(MINUTE))));
        let gate = trap().build().unwrap();
        assert!(ask(&gate, [192, 0, 2, 1], "/trap").is_err());
        let shared = gate.clone();
        let made = together(4, move |thread| {
            if thread == 0 {
                return Some(shared.snapshot(NOW));
            }
            for _ in 0..3 {
                let client = [203, 0, 113, u8::try_from(dice.below(3)).unwrap()];
                let _ = ask(&shared, client, dice.of(&["/trap", "/"]));
            }
            None
        });
        let snapshot = made.into_iter().flatten().next().unwrap();
        let after = trap().build().unwrap();
        after.restore(&snapshot, NOW).unwrap();
        assert!(ask(&after, [192, 0, 2, 1], "/").is_err());
        assert_eq!(after.bans().list(NOW).len(), snapshot.bans());
    });
}
