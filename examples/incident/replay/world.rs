//! Virtual time: what is due, in its order. No clock is read, and a seed decides everything that is sent.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use portcullis::Admission;

use super::{
    ask::{Ask, Nanos, SECOND, Who},
    attack::Attack,
    gatekeeper::Keeper,
    measure::{Fate, Record},
    people::{People, Step},
    random::Random,
    service::{PATIENCE, Service},
    site::Site,
};

/// When the service is slower than usual, and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slowness {
    pub(crate) from: Nanos,
    pub(crate) until: Nanos,
    pub(crate) times: f64,
}

/// Everybody and everything but the gate.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) site: Arc<Site>,
    pub(crate) now: Nanos,
    random: Random,
    agenda: BinaryHeap<Reverse<Due>>,
    /// How many things were put onto the agenda: what is due at the same time keeps its order.
    order: u64,
    pub(crate) people: People,
    attack: Option<Attack>,
    service: Service,
    slowness: Option<Slowness>,
    jobs: Vec<Job>,
    free_jobs: Vec<usize>,
    pub(crate) record: Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Nanos,
    order: u64,
    what: Event,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Second,
    People(Step),
    Attack,
    Done(usize),
}

/// A request that the service works on.
struct Job {
    who: Who,
    step: Option<Step>,
    arrived: Nanos,
    status: u16,
    admission: Option<Admission>,
}

/// Of another world, with another gate: that one has not admitted what this world is working on.
impl Clone for Job {
    fn clone(&self) -> Self {
        Self { admission: None, ..*self }
    }
}

impl World {
    /// Ordinary people who ask for so many things a second.
    pub(crate) fn new(seed: u64, rate: f64) -> Self {
        let (mut random, site) = (Random::new(seed), Arc::new(Site::new()));
        let mut world = Self {
            people: People::new(Arc::clone(&site), rate, random.fork()),
            service: Service::new(random.fork()),
            random: random.fork(),
            site,
            now: 0,
            agenda: BinaryHeap::new(),
            order: 0,
            attack: None,
            slowness: None,
            jobs: Vec::new(),
            free_jobs: Vec::new(),
            record: Record::default(),
        };
        world.put(SECOND, Event::Second);
        let first = world.people.next_arrival(0);
        world.put(first, Event::People(Step::Arrives));
        world
    }

    /// A generator for somebody who joins.
    pub(crate) fn fork(&mut self) -> Random {
        self.random.fork()
    }

    pub(crate) fn attack(&mut self, mut attack: Attack) {
        if let Some(first) = attack.next(self.now) {
            self.put(first, Event::Attack);
        }
        self.attack = Some(attack);
    }

    pub(crate) fn slow(&mut self, slowness: Slowness) {
        self.slowness = Some(slowness);
    }

    /// Lets time pass until `end`.
    pub(crate) fn run(&mut self, keeper: &Keeper, end: Nanos) {
        while let Some(Reverse(due)) = self.agenda.peek().copied() {
            if due.at >= end {
                break;
            }
            self.agenda.pop();
            self.now = due.at;
            match due.what {
                Event::Second => self.second(keeper),
                Event::Attack => self.attacker(keeper),
                Event::People(Step::Arrives) => self.visitor(),
                Event::People(step) => {
                    if let Some(ask) = self.people.ask(step) {
                        self.asks(keeper, &ask, Some(step));
                    }
                }
                Event::Done(job) => self.done(keeper, job),
            }
        }
        self.now = end;
    }

    fn put(&mut self, at: Nanos, what: Event) {
        self.order += 1;
        self.agenda.push(Reverse(Due { at, order: self.order, what }));
    }

    fn second(&mut self, keeper: &Keeper) {
        let now = self.now;
        keeper.tick(now);
        self.service.slowness = match self.slowness {
            Some(slow) if (slow.from..slow.until).contains(&now) => slow.times,
            _ => 1.0,
        };
        self.record.second(now, keeper);
        self.put(now + SECOND, Event::Second);
    }

    fn visitor(&mut self) {
        let session = self.people.arrive(self.now);
        self.put(self.now, Event::People(Step::Page(session)));
        let next = self.people.next_arrival(self.now);
        self.put(next, Event::People(Step::Arrives));
    }

    fn attacker(&mut self, keeper: &Keeper) {
        let now = self.now;
        let Some(attack) = &mut self.attack else { return };
        let (ask, next) = (attack.ask(), attack.next(now));
        if let Some(next) = next {
            self.put(next, Event::Attack);
        }
        self.asks(keeper, &ask, None);
    }

    fn asks(&mut self, keeper: &Keeper, ask: &Ask, step: Option<Step>) {
        let now = self.now;
        let admission = match keeper.ask(ask, now) {
            Ok(admission) => admission,
            Err(by) => {
                self.record.ended(ask.who, now, Fate::Refused(by));
                if ask.peer == super::attack::EXEMPT {
                    self.record.exempt_refused += 1;
                }
                return self.answered(step, false);
            }
        };
        let Some(done) = self.service.take(ask.work, now) else {
            keeper.finish(admission, 503, 0, now);
            self.record.ended(ask.who, now, Fate::Failed);
            return self.answered(step, false);
        };
        let (who, status) = (ask.who, ask.status);
        let job = Job { who, step, arrived: now, status, admission: Some(admission) };
        let number = match self.free_jobs.pop() {
            Some(number) => {
                self.jobs[number] = job;
                number
            }
            None => {
                self.jobs.push(job);
                self.jobs.len() - 1
            }
        };
        self.put(done, Event::Done(number));
    }

    fn done(&mut self, keeper: &Keeper, number: usize) {
        let job = &mut self.jobs[number];
        let took = self.now - job.arrived;
        if let Some(admission) = job.admission.take() {
            keeper.finish(admission, job.status, took, self.now);
        }
        let fate = if took <= PATIENCE { Fate::Good } else { Fate::Late };
        let step = job.step;
        self.record.ended(job.who, job.arrived, fate);
        self.free_jobs.push(number);
        self.answered(step, fate == Fate::Good);
    }

    fn answered(&mut self, step: Option<Step>, is_good: bool) {
        let Some(step) = step else { return };
        let (agenda, order) = (&mut self.agenda, &mut self.order);
        self.people.answered(step, is_good, self.now, |at, step| {
            *order += 1;
            agenda.push(Reverse(Due { at, order: *order, what: Event::People(step) }));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            ask::{SECOND, Who},
            attack::{Attack, Kind, Speed},
            gatekeeper::Keeper,
            measure::Phase,
        },
        Slowness, World,
    };

    fn run(seconds: u64, prepare: impl FnOnce(&mut World)) -> World {
        let mut world = World::new(11, 60.0);
        prepare(&mut world);
        // A gate that only looks on: this is about the world.
        let keeper = Keeper::new().unwrap();
        keeper.observe();
        world.run(&keeper, seconds * SECOND);
        world
    }

    #[test]
    fn in_peace_the_service_has_two_and_a_half_times_what_it_needs() {
        let world = run(400, |_| {});
        let people = world.record.sum(&Who::ORDINARY, Phase { from: 100, until: 395 });
        let rate = f64::from(people.asked) / 295.0;
        assert!((50.0..70.0).contains(&rate), "{rate} requests/s");
        assert!(people.goodput() > 0.999, "{people:?}");
        let mut flooded = run(400, |world| {
            let time = (100 * SECOND, 395 * SECOND);
            let (site, random) = (world.site.clone(), world.fork());
            world.attack(Attack::new(Kind::OneNet, Speed::Steady(300.0), time, site, random));
        });
        let during = Phase { from: 110, until: 390 };
        let served: u32 = Who::ALL
            .iter()
            .map(|who| flooded.record.sum(&[*who], during))
            .map(|c| c.good + c.late)
            .sum();
        assert!(served > 0);
        assert!(flooded.record.sum(&Who::ORDINARY, during).goodput() < 0.3);
        flooded.run(&Keeper::new().unwrap(), 450 * SECOND);
        let after = flooded.record.sum(&Who::ORDINARY, Phase { from: 420, until: 445 });
        assert!(after.goodput() > 0.99, "{after:?}");
    }

    #[test]
    fn a_slow_service_is_slow_for_a_while() {
        let slowness = Slowness { from: 100 * SECOND, until: 200 * SECOND, times: 10.0 };
        let world = run(300, |world| world.slow(slowness));
        let goodput =
            |from, until| world.record.sum(&Who::ORDINARY, Phase { from, until }).goodput();
        assert!(goodput(110, 200) < 0.6 && goodput(220, 295) > 0.99);
    }

    #[test]
    fn the_same_seed_is_the_same_world() {
        let sum = |world: &World| {
            format!("{:?}", world.record.sum(&Who::ORDINARY, Phase { from: 0, until: 100 }))
        };
        assert_eq!(sum(&run(100, |_| {})), sum(&run(100, |_| {})));
    }
}
