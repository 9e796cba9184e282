//! How a scenario is played: what is due next, until nothing is.

use alloc::{collections::BinaryHeap, sync::Arc, vec, vec::Vec};
use core::{
    cmp::Ordering,
    future::Future,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{sync::Mutex, task::Wake};

use super::{Happening, Outcome, Scenario};
use crate::{
    Timestamp,
    limit::remote::{
        Answer, Ask, Claim, Fleet, FleetLimit, FleetSettings, Held, OnFailure, Step, Subject, Wait,
        reference::Server,
    },
};

/// A fleet in the middle of it.
pub(super) struct Play<'a> {
    scenario: &'a Scenario,
    random: Random,
    nodes: Vec<Node>,
    limit: FleetLimit,
    subjects: Vec<Subject>,
    levels: Vec<Level>,
    server: Server,
    server_ahead: i64,
    busy_until: Vec<u64>,
    busy: Vec<u64>,
    now: u64,
    order: u64,
    events: BinaryHeap<Due>,
    checks: Vec<(u64, Option<Check>)>,
    free: Vec<usize>,
    rung: Arc<Mutex<Vec<Ticket>>>,
    outcome: Outcome,
}

/// A made-up origin of all clocks: room to step back.
const ORIGIN: u64 = 1_000_000_000_000_000_000;

impl<'a> Play<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        // What a node sees within a lease is all that it needs to remember.
        let settings = FleetSettings::new().nodes(scenario.nodes).lease(scenario.lease).keys(512);
        let mut random = Random(scenario.seed);
        let mut fleet =
            || Fleet::danger_with_seed(settings.clone(), random.next()).expect("some memory");
        let first = fleet();
        let limit = first.limit("hot", scenario.quota, OnFailure::Local).expect("a quota");
        let node = |_| Node { fleet: fleet(), ahead: 0, is_cut_off: false, admitted: 0 };
        let stores = usize::try_from(scenario.shards).expect("few");
        let mut play = Self {
            scenario,
            nodes: (0..scenario.nodes).map(node).collect(),
            random,
            limit,
            subjects: (0..scenario.keys).map(|key| first.subject(&key.to_le_bytes())).collect(),
            levels: vec![Level::default(); usize::try_from(scenario.keys).expect("few")],
            server: Server::new(ORIGIN / 1_000),
            server_ahead: 0,
            busy_until: vec![0; stores],
            busy: vec![0; stores],
            now: 0,
            order: 0,
            events: BinaryHeap::new(),
            checks: Vec::new(),
            free: Vec::new(),
            rung: Arc::default(),
            outcome: Outcome::default(),
        };
        for (at, happening) in &scenario.events {
            play.at(nanos(*at), Event::Happening(*happening));
        }
        play
    }

    pub(super) fn run(&mut self) {
        let end = nanos(self.scenario.time);
        let mut next = self.random.gap(self.scenario.offered);
        loop {
            let at = self.events.peek().map_or(u64::MAX, |due| due.at);
            if next < end && next <= at {
                self.now = next;
                self.arrives();
                next += self.random.gap(self.scenario.offered);
            } else if let Some(Due { at, event, .. }) = self.events.pop() {
                // What is on its way at the end still comes.
                self.now = at;
                self.takes_place(event);
            } else {
                break;
            }
            self.wakes();
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let by_node = self.nodes.iter().map(|node| node.admitted);
        let unit = i128::try_from(self.scenario.quota.period().as_nanos()).expect("127 bits");
        let excess = self.levels.iter().map(|level| level.most).max().unwrap_or(0) / unit;
        Outcome {
            calls: self.nodes.iter().map(|node| node.fleet.stats().calls()).sum(),
            timeouts: self.nodes.iter().map(|node| node.fleet.stats().timeouts()).sum(),
            busy: Duration::from_nanos(self.busy.iter().copied().max().unwrap_or(0)),
            granted: self.server.granted(),
            excess: u64::try_from(excess).unwrap_or(0),
            by_node: (by_node.clone().min().unwrap_or(0), by_node.max().unwrap_or(0)),
            ..self.outcome
        }
    }

    fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.push(Due { at, order: self.order, event });
    }

    fn arrives(&mut self) {
        self.outcome.requests += 1;
        let node = self.random.below(self.nodes.len());
        let (keys, nodes) = (self.subjects.len(), self.nodes.len());
        let key = match (self.scenario.by_node, keys / nodes) {
            (false, _) => self.random.below(keys),
            (true, 0) => node % keys,
            (true, own) => node + nodes * self.random.below(own),
        };
        let now = self.node_time(node);
        let held = self.nodes[node].fleet.begin(now);
        self.goes_on(node, key, held);
    }

    fn goes_on(&mut self, node: usize, key: usize, held: Held) {
        let now = self.node_time(node);
        let claims = [Claim::new(&self.limit, self.subjects[key], 1)];
        match self.nodes[node].fleet.step(&claims, held, now) {
            Step::Decided(answers) => match answers.get(0) {
                Some(Answer::Admitted(_)) => self.admitted(node, key),
                Some(Answer::Denied(_)) => self.outcome.denied += 1,
                _ => self.outcome.unknown += 1,
            },
            Step::Ask(ask) => {
                let left = nanos(ask.deadline().saturating_duration_since(now));
                let ticket = self.keep(Check { node, key, what: What::Asks(ask, None) });
                self.at(self.now + left, Event::Late(ticket));
                let lost = self.random.below(1_000) < usize::try_from(self.scenario.lost).unwrap();
                if !lost && !self.nodes[node].is_cut_off {
                    let way = self.way();
                    self.at(self.now + way, Event::Called(ticket));
                }
            }
            Step::Wait(wait) => {
                let left = nanos(wait.deadline().saturating_duration_since(now));
                let ticket = self.keep(Check { node, key, what: What::Waits(wait) });
                self.at(self.now + left, Event::Late(ticket));
                self.looks(ticket);
            }
        }
    }

    fn admitted(&mut self, node: usize, key: usize) {
        self.outcome.admitted += 1;
        self.nodes[node].admitted += 1;
        let quota = self.scenario.quota;
        let unit = i128::try_from(quota.period().as_nanos()).expect("127 bits");
        let level = &mut self.levels[key];
        level.now -= i128::from(self.now - level.since) * i128::from(quota.count());
        level.since = self.now;
        level.least = level.least.min(level.now);
        level.now += unit;
        level.most = level.most.max(level.now - level.least);
    }

    fn takes_place(&mut self, event: Event) {
        match event {
            Event::Called(ticket) => self.called(ticket),
            Event::Answered(ticket) => {
                if let Some(Check { node, key, what: What::Asks(ask, Some(reply)) }) =
                    self.give(ticket)
                {
                    let held = ask.finish(&[Ok(reply)], self.node_time(node));
                    self.goes_on(node, key, held);
                }
            }
            Event::Late(ticket) => {
                let Some(Check { node, key, what }) = self.give(ticket) else { return };
                let held = match what {
                    What::Asks(ask, _) => ask.finish(&[], self.node_time(node)),
                    What::Waits(wait) => wait.give_up(),
                };
                self.goes_on(node, key, held);
            }
            Event::Happening(what) => self.happens(what),
        }
    }

    /// The store answers as soon as it has time, though nobody may wait any more.
    fn called(&mut self, ticket: Ticket) {
        let Some((serial, check)) = self.checks.get_mut(ticket.0) else { return };
        // A check that is over has given up what it asked for; the store does not know.
        let Some(Check { key, what: What::Asks(ask, reply), .. }) = check else { return };
        if *serial != ticket.1 {
            return;
        }
        let shard = *key % self.busy.len();
        let service = nanos(self.scenario.service);
        let begins = self.now.max(self.busy_until[shard]);
        self.busy_until[shard] = begins + service;
        self.busy[shard] += service;
        let ahead = self.server_ahead;
        self.server.set_clock((ORIGIN + begins).saturating_add_signed(ahead) / 1_000);
        *reply = Some(self.server.answer(&ask.calls()[0]));
        let way = self.way();
        self.at(begins + service + way, Event::Answered(ticket));
    }

    fn happens(&mut self, what: Happening) {
        const MILLI: i64 = 1_000_000;
        match what {
            Happening::CutOff(number) => {
                let number = usize::try_from(number).unwrap();
                self.nodes.iter_mut().take(number).for_each(|node| node.is_cut_off = true);
            }
            Happening::Healed => {
                self.nodes.iter_mut().for_each(|node| node.is_cut_off = false);
            }
            Happening::NodeClock(node, millis) => {
                self.nodes[usize::try_from(node).unwrap()].ahead += millis * MILLI;
            }
            Happening::StoreClock(millis) => self.server_ahead += millis * MILLI,
            Happening::Flush => self.server.flush(),
        }
    }

    /// All that were told that their calls are over.
    fn wakes(&mut self) {
        loop {
            let rung = core::mem::take(&mut *self.rung.lock().expect("nobody panics"));
            if rung.is_empty() {
                return;
            }
            rung.into_iter().for_each(|ticket| self.looks(ticket));
        }
    }

    fn looks(&mut self, ticket: Ticket) {
        let Some((serial, Some(Check { what: What::Waits(wait), .. }))) =
            self.checks.get_mut(ticket.0)
        else {
            return;
        };
        if *serial != ticket.1 {
            return;
        }
        let waker = Waker::from(Arc::new(Bell { ticket, rung: Arc::clone(&self.rung) }));
        if let Poll::Ready(held) = Pin::new(wait).poll(&mut Context::from_waker(&waker)) {
            if let Some(Check { node, key, .. }) = self.give(ticket) {
                self.goes_on(node, key, held);
            }
        }
    }

    fn keep(&mut self, check: Check) -> Ticket {
        let at = self.free.pop().unwrap_or_else(|| {
            self.checks.push((0, None));
            self.checks.len() - 1
        });
        let (serial, place) = &mut self.checks[at];
        *serial += 1;
        *place = Some(check);
        (at, *serial)
    }

    fn give(&mut self, (at, serial): Ticket) -> Option<Check> {
        let (now, check) = &mut self.checks[at];
        let check = if *now == serial { check.take() } else { None };
        if check.is_some() {
            self.free.push(at);
        }
        check
    }

    fn node_time(&self, node: usize) -> Timestamp {
        let time = (ORIGIN + self.now).saturating_add_signed(self.nodes[node].ahead);
        Timestamp::from_nanos(time)
    }

    /// One way, in nanoseconds.
    fn way(&mut self) -> u64 {
        let Range { start, end } = &self.scenario.latency;
        let spread = usize::try_from(nanos(end.saturating_sub(*start))).unwrap().max(1);
        (nanos(*start) + u64::try_from(self.random.below(spread)).unwrap()) / 2
    }
}

/// The earliest first, and those of one time in their order.
struct Due {
    at: u64,
    order: u64,
    event: Event,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Due {}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A call has reached its store.
    Called(Ticket),
    /// The answer of the check with this ticket is there.
    Answered(Ticket),
    /// A check must be over.
    Late(Ticket),
    Happening(Happening),
}

/// A check that is not over: its place, and how many had it before.
type Ticket = (usize, u64);

struct Check {
    node: usize,
    key: usize,
    what: What,
}

enum What {
    Asks(Ask, Option<Vec<i64>>),
    Waits(Wait),
}

struct Node {
    fleet: Fleet,
    /// How far its clock is ahead, in nanoseconds.
    ahead: i64,
    is_cut_off: bool,
    admitted: u64,
}

/// Who tells of a check that it can go on.
struct Bell {
    ticket: Ticket,
    rung: Arc<Mutex<Vec<Ticket>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.lock().expect("nobody panics").push(self.ticket);
    }
}

/// What was admitted of a key, less what the rate allows: now, at the least so far, and the most that it ever rose. A unit
/// is as many of these as its quota's period has nanoseconds.
#[derive(Clone, Copy, Default)]
struct Level {
    now: i128,
    least: i128,
    since: u64,
    most: i128,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("64 bits")
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, number: usize) -> usize {
        let scaled = (u128::from(self.next()) * number as u128) >> 64;
        usize::try_from(scaled).expect("less than the number")
    }

    /// Nanoseconds until the next of so many a second.
    fn gap(&mut self, per_second: u32) -> u64 {
        let uniform = ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        (-uniform.ln() * 1e9 / f64::from(per_second)) as u64
    }
}
