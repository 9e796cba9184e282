//! Random checks, ends and reloads, against a list of what is in flight.

use proptest::prelude::*;

use super::*;
use crate::{gate::limits::Hold, rule::RuleMode, test_support::cases};

/// What can be in a plan: three limits of requests in flight, and a quota, in this order.
#[derive(Clone, Debug)]
struct Told {
    /// How many, if it is there; by the client, or not.
    in_flight: [Option<u32>; 3],
    shadow: usize,
}

const BY_CLIENT: [bool; 3] = [true, false, true];
const COST: [u32; 3] = [1, 1, 2];
/// Of the quota, for each client: units do not come back while the time stands still.
const UNITS: u32 = 12;

#[derive(Clone, Debug)]
enum Step {
    Check(u8),
    /// These go round among what there is.
    Hold(usize),
    Finish(usize),
    Drop(usize),
    LetGo(usize),
    Reload(Told),
}

fn any_told() -> impl Strategy<Value = Told> {
    (prop::array::uniform3(prop::option::weighted(0.8, 0..6_u32)), 0..5_usize)
        .prop_map(|(in_flight, shadow)| Told { in_flight, shadow })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..4_u8).prop_map(Step::Check),
        2 => any::<usize>().prop_map(Step::Hold),
        2 => any::<usize>().prop_map(Step::Finish),
        2 => any::<usize>().prop_map(Step::Drop),
        3 => any::<usize>().prop_map(Step::LetGo),
        1 => any_told().prop_map(Step::Reload),
    ]
}

impl Told {
    fn plan(&self) -> Plan {
        let in_flight = self.in_flight.iter().enumerate().filter_map(|(at, n)| {
            let limit = LimitRule::in_flight(&std::format!("{at}"), (*n)?).cost(COST[at]);
            let limit = if BY_CLIENT[at] { limit } else { limit.by([]) };
            let is_in_shadow = self.shadow == at;
            Some(limit.mode(if is_in_shadow { RuleMode::Shadow } else { RuleMode::Enforce }))
        });
        let quota = LimitRule::new("quota", Quota::per_day(1).burst(UNITS));
        plan(in_flight.chain([quota]))
    }

    /// The number that a limit has in the plan.
    fn number(&self, at: usize) -> usize {
        self.in_flight.iter().take(at).flatten().count()
    }
}

/// What one request has: which limit, in which of its lives, for whom.
type Place = (usize, u32, u8);

/// All that is in flight, in the plainest way.
#[derive(Default)]
struct Model {
    /// Of requests, and of what is held of them; each goes as a whole.
    out: Vec<Vec<Place>>,
    /// A limit that was gone for a time starts anew.
    lives: [u32; 3],
    units: [u32; 4],
}

impl Model {
    fn place(&self, at: usize, client: u8) -> Place {
        (at, self.lives[at], if BY_CLIENT[at] { client } else { 0 })
    }

    fn fits(&self, n: u32, place: Place) -> bool {
        let held = self.out.iter().flatten().filter(|it| **it == place).count();
        let cost = COST[place.0];
        n > 0 && u32::try_from(held).unwrap() * cost + cost <= n
    }

    /// Which limit denies, by its number, or which are in shadow and would.
    fn check(&mut self, told: &Told, client: u8) -> Result<(Vec<Place>, u64), usize> {
        let there = (0..3).filter_map(|at| Some((at, told.in_flight[at]?)));
        let (shadow, enforced): (Vec<_>, Vec<_>) = there.partition(|(at, _)| told.shadow == *at);
        let mut places = Vec::new();
        for (at, n) in enforced {
            if !self.fits(n, self.place(at, client)) {
                return Err(told.number(at));
            }
            places.push(self.place(at, client));
        }
        let units = &mut self.units[usize::from(client)];
        if *units == UNITS {
            return Err(told.number(3));
        }
        *units += 1;
        let mut would_deny = 0;
        for (at, n) in shadow {
            match self.fits(n, self.place(at, client)) {
                true => places.push(self.place(at, client)),
                false => would_deny |= 1 << told.number(at),
            }
        }
        Ok((places, would_deny))
    }
}

proptest! {
    #![proptest_config(cases(300))]

    /// I1 to I4 of the limits in flight, and what an explanation says before each check.
    #[test]
    fn equals_a_list_of_what_is_in_flight(
        mut told in any_told(),
        steps in prop::collection::vec(any_step(), 1..80),
    ) {
        let mut world = World::new(told.plan());
        let mut model = Model::default();
        // What goes with each list of the model's.
        let mut out: Vec<(Option<Pending>, Option<Hold>)> = Vec::new();
        for step in steps {
            match step {
                Step::Check(client) => {
                    let request = Request::new(IpAddr::from([192, 0, 2, client]));
                    let expected = model.check(&told, client);
                    let foreseen = world.foresee(&request, NOW);
                    let (ruling, pending) = world.rule_and_rest(&request, NOW);
                    for ruling in [&foreseen, &ruling] {
                        let quota = told.number(3);
                        match (ruling, &expected) {
                            (Ruling::Passes { would_deny, .. }, Ok((_, shadow))) => {
                                prop_assert_eq!(would_deny, shadow);
                            }
                            (Ruling::Full { limit, .. }, Err(by)) => prop_assert_eq!(limit, by),
                            (Ruling::Denied { limit, .. }, Err(by)) => {
                                prop_assert_eq!((limit, by), (&quota, &quota));
                            }
                            other => prop_assert!(false, "{:?}", other),
                        }
                    }
                    if let Ok((places, _)) = expected {
                        model.out.push(places);
                        out.push((Some(pending), None));
                    } else {
                        prop_assert!(pending.is_empty());
                    }
                }
                Step::Hold(which) if !out.is_empty() => {
                    let which = which % out.len();
                    if let (Some(pending), held) = &mut out[which] {
                        if let Some(hold) = pending.hold() {
                            prop_assert!(held.is_none());
                            *held = Some(hold);
                        }
                    }
                }
                Step::Finish(which) | Step::Drop(which) if !out.is_empty() => {
                    let which = which % out.len();
                    let (pending, held) = &mut out[which];
                    match (pending.take(), &step) {
                        (Some(pending), Step::Finish(_)) => pending.finish(status(200), NOW),
                        (pending, _) => drop(pending),
                    }
                    // What is held goes on.
                    if held.is_none() {
                        out.swap_remove(which);
                        model.out.swap_remove(which);
                    }
                }
                Step::LetGo(which) if !out.is_empty() => {
                    let which = which % out.len();
                    out.swap_remove(which);
                    model.out.swap_remove(which);
                }
                Step::Hold(_) | Step::Finish(_) | Step::Drop(_) | Step::LetGo(_) => {}
                Step::Reload(new) => {
                    for at in 0..3 {
                        model.lives[at] += u32::from(new.in_flight[at].is_none());
                    }
                    world.reload(new.plan(), NOW);
                    told = new;
                }
            }
        }
        out.clear();
        for at in 0..3 {
            for client in 1..4 {
                let request = Request::new(IpAddr::from([192, 0, 2, client]));
                if let Some(Stand::InFlight { now, .. }) = world.explain(&request, NOW).get(at) {
                    prop_assert_eq!(now.in_use(), 0);
                }
            }
        }
    }
}
