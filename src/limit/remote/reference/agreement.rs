//! Whether a fleet keeps its promises in any sequence of events: for tests and fuzzing.
//!
//! One to four nodes and a store that is a model. Checks begin, wait, go on, are dropped in the middle, come too
//! late; calls fail, get lost, are answered with nonsense; clocks step. Of each key it is counted what
//! was granted and what was spent.

use alloc::{string::ToString, vec::Vec};
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::collections::HashMap;

use super::Server;
use crate::{
    Quota, Timestamp,
    limit::remote::{
        Answer, Answers, Ask, Call, Claim, Fleet, FleetLimit, FleetSettings, Held, OnFailure, Step,
        StoreError, Subject, Wait,
    },
};

/// Performs the operations that these bytes stand for, each of which is four of them; the first four say what
/// the fleet is like.
///
/// # Panics
/// If a promise is broken.
pub fn check(bytes: &[u8]) {
    let mut operations = bytes.chunks_exact(4);
    let Some(&[nodes, quotas, lease, keys]) = operations.next() else { return };
    let mut play = Play::new(nodes, quotas, lease, keys);
    for operation in operations {
        let &[kind, one, two, three] = operation else { return };
        play.step(kind % 20, one, two, three);
        play.look_at_the_sums();
    }
    play.ends();
}

struct Play {
    nodes: Vec<Node>,
    limits: Vec<FleetLimit>,
    /// How many subjects there are.
    keys: u8,
    /// Subjects as the store reads them.
    names: HashMap<Vec<u8>, u8>,
    server: Server,
    /// Whether the store's clock has only gone forward, and nothing was forgotten.
    is_lawful: bool,
    began: u64,
    pending: Vec<Pending>,
    sums: HashMap<Key, Sums>,
}

struct Node {
    fleet: Fleet,
    now: Timestamp,
}

/// A limit and a subject.
type Key = (usize, u8);

#[derive(Default)]
struct Sums {
    /// By the store, and by nonsense that could be its answer.
    granted: u64,
    /// By the store alone.
    lawfully: u64,
    spent: u64,
}

/// A claim as it is told again in each step.
#[derive(Clone, Copy)]
struct Wish {
    key: Key,
    subject: Subject,
    units: u32,
    in_shadow: bool,
}

struct Pending {
    node: usize,
    wishes: Vec<Wish>,
    what: What,
}

enum What {
    Asks(Ask),
    Waits(Wait),
    /// Nobody has gone on with it yet.
    Rests(Held),
}

const QUOTAS: [Quota; 8] = [
    Quota::per_minute(100),
    Quota::per_second(1_000_000),
    Quota::per_day(1),
    Quota::per_second(10).burst(1),
    Quota::per_second(1_000).burst(10),
    Quota::per_second(3).burst(1_000),
    Quota::per_second(7),
    Quota::per_second(0),
];
const LEASES: [u64; 4] = [100, 1, 10_000, 5];
const START: u64 = 1_000_000_000_000;

impl Play {
    fn new(nodes: u8, quotas: u8, lease: u8, keys: u8) -> Self {
        let number = nodes % 4 + 1;
        let lease = Duration::from_millis(LEASES[usize::from(lease % 4)]);
        let settings = FleetSettings::new().nodes(number.into()).lease(lease).keys(1);
        let now = Timestamp::from_micros(START);
        let fleet = |seed: u8| {
            let seed = u64::from(seed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Fleet::danger_with_seed(settings.clone(), seed).expect("some memory")
        };
        let node = |number| Node { fleet: fleet(number), now };
        let nodes: Vec<_> = (0..number).map(node).collect();
        let limit = |(at, on_failure)| {
            let quota = QUOTAS[(usize::from(quotas) + at) % QUOTAS.len()];
            let name = ["one", "two", "three"][at];
            nodes[0].fleet.limit(name, quota, on_failure).expect("a quota")
        };
        let failures = [OnFailure::Local, OnFailure::Open, OnFailure::Closed];
        let limits = failures.into_iter().enumerate().map(limit).collect();
        let name = |subject| (nodes[0].fleet.subject(&[subject]).to_string().into_bytes(), subject);
        let names = (0..keys.max(1)).map(name).collect();
        Self {
            nodes,
            limits,
            keys: keys.max(1),
            names,
            server: Server::new(START),
            is_lawful: true,
            began: START,
            pending: Vec::new(),
            sums: HashMap::new(),
        }
    }

    fn step(&mut self, kind: u8, one: u8, two: u8, three: u8) {
        match kind {
            0..=4 => self.begins(one, two, three),
            5..=8 => self.finishes(one, |play, call| Ok(play.answers(call))),
            9 => self.finishes(one, |_, _| Err(error(two))),
            10 => {
                // The answer gets lost on its way back.
                self.finishes(one, |play, call| {
                    play.answers(call);
                    Err(StoreError::Timeout)
                });
            }
            11 => self.finishes(one, |play, call| Ok(play.nonsense(call, two, three))),
            12 => self.is_late(one),
            13 => {
                let dropped = self.one_of(one);
                drop(dropped);
            }
            14 | 15 => self.polls(one),
            16 => self.passes(u64::from(three) << (two % 20)),
            17 => {
                let node = usize::from(one) % self.nodes.len();
                let now = &mut self.nodes[node].now;
                let by = Duration::from_micros(u64::from(three) << (two % 24));
                *now = if one < 128 { now.saturating_add(by) } else { now.saturating_sub(by) };
            }
            18 => {
                let by = u64::from(three) << (two % 24);
                let now = self.server.now_micros();
                let now = if one < 128 { now + by } else { now.saturating_sub(by) };
                self.is_lawful &= one < 128;
                self.server.set_clock(now);
            }
            _ if three == 0 => {
                self.is_lawful = false;
                self.server.flush();
            }
            _ => self.rests(one),
        }
    }

    fn begins(&mut self, one: u8, two: u8, three: u8) {
        let node = usize::from(one >> 6) % self.nodes.len();
        let wish = |at: u8| {
            let limit = usize::from((one >> (at * 2)) % 3);
            let subject = two.wrapping_add(at * (three >> 7)) % self.keys;
            let burst = QUOTAS.map(Quota::max_burst)[usize::from(three % 8)];
            let sizes = [1, 1, 2, 3, 0, burst, burst + 1, u32::MAX];
            let units = if at == 0 { 1 } else { sizes[usize::from(three >> at & 7)] };
            let in_shadow = three >> 4 & 7 == at + 1;
            let name = self.nodes[0].fleet.subject(&[subject]);
            Wish { key: (limit, subject), subject: name, units, in_shadow }
        };
        let wishes: Vec<_> = (0..=three % 3).map(wish).collect();
        let held = self.nodes[node].fleet.begin(self.nodes[node].now);
        self.goes_on(node, wishes, held);
    }

    fn goes_on(&mut self, node: usize, wishes: Vec<Wish>, held: Held) {
        let Node { fleet, now } = &self.nodes[node];
        let must_be_over = held.deadline() <= *now;
        let limits = &self.limits;
        let claim = |Wish { key, subject, units, in_shadow }: &Wish| {
            let claim = Claim::new(&limits[key.0], *subject, *units);
            if *in_shadow { claim.in_shadow() } else { claim }
        };
        let claims: Vec<_> = wishes.iter().map(claim).collect();
        let what = match fleet.step(&claims, held, *now) {
            Step::Decided(mut answers) => {
                if wishes.iter().any(|wish| wish.units == 3) && answers.is_admitted() {
                    // Something else refuses the request.
                    fleet.give_back(&claims, &mut answers);
                } else {
                    self.spends(&wishes, &answers);
                }
                return;
            }
            Step::Ask(ask) => What::Asks(ask),
            Step::Wait(wait) => What::Waits(wait),
        };
        assert!(!must_be_over, "a check is over at its deadline");
        self.pending.push(Pending { node, wishes, what });
    }

    /// All or nothing.
    fn spends(&mut self, wishes: &[Wish], answers: &Answers) {
        let mut refused = false;
        for (at, wish) in wishes.iter().enumerate() {
            let answer = answers.get(at);
            refused |= !wish.in_shadow && answer.is_some_and(|answer| answer.refuses());
            if let Some(Answer::Admitted(decision)) = answer {
                assert!(decision.is_admitted());
            }
            if let Some(Answer::Denied(decision)) = answer {
                assert!(decision.is_denied());
                assert!(decision.standing().retry_after() > Duration::ZERO);
            }
        }
        assert_eq!(answers.is_admitted(), !refused);
        if refused {
            return;
        }
        for (at, wish) in wishes.iter().enumerate() {
            let answer = answers.get(at).expect("all of a request that passes are known");
            if let Answer::Admitted(_) = answer {
                self.sums.entry(wish.key).or_default().spent += u64::from(wish.units);
            }
        }
    }

    fn finishes(
        &mut self,
        one: u8,
        reply: impl Fn(&mut Self, &Call) -> Result<Vec<i64>, StoreError>,
    ) {
        let Some(Pending { node, wishes, what }) = self.one_of(one) else { return };
        match what {
            What::Asks(ask) => {
                let calls = ask.calls().to_vec();
                let replies: Vec<_> = calls.iter().map(|call| reply(self, call)).collect();
                let held = ask.finish(&replies, self.nodes[node].now);
                if one % 4 == 3 {
                    self.pending.push(Pending { node, wishes, what: What::Rests(held) });
                } else {
                    self.goes_on(node, wishes, held);
                }
            }
            What::Rests(held) => self.goes_on(node, wishes, held),
            waits @ What::Waits(_) => self.pending.push(Pending { node, wishes, what: waits }),
        }
    }

    /// What a call asks about, one for each of its keys.
    fn keys_of(&self, call: &Call) -> Vec<Key> {
        let key = |key: &[u8]| {
            let limit = match key.rsplit(|byte| *byte == b':').next() {
                Some(b"one") => 0,
                Some(b"two") => 1,
                _ => 2,
            };
            let tag = key.split(|byte| matches!(byte, b'{' | b'}')).nth(1).expect("a tag");
            (limit, *self.names.get(tag).expect("one of ours"))
        };
        call.keys().map(key).collect()
    }

    fn answers(&mut self, call: &Call) -> Vec<i64> {
        let reply = self.server.answer(call);
        for (key, numbers) in self.keys_of(call).into_iter().zip(reply.chunks_exact(4)) {
            let granted = u64::try_from(numbers[0]).expect("not less than none");
            let sums = self.sums.entry(key).or_default();
            sums.granted += granted;
            sums.lawfully += granted;
        }
        reply
    }

    /// An answer that nobody has asked for; if it could be one, what it grants counts.
    fn nonsense(&mut self, call: &Call, two: u8, three: u8) -> Vec<i64> {
        const NUMBERS: [i64; 8] = [0, 1, -1, 2, i64::MAX, i64::MIN, 4_294_967_296, 1_000_000];
        let length = call.keys().len() * 4 + usize::from(two == 255);
        let number =
            |at: usize| NUMBERS[((usize::from(three) >> (at % 3)) + at * usize::from(two)) & 7];
        let reply: Vec<_> = (0..length).map(number).collect();
        if let Ok(replies) = call.read(&reply) {
            for (key, reply) in self.keys_of(call).into_iter().zip(replies) {
                self.sums.entry(key).or_default().granted += u64::from(reply.granted);
            }
        }
        reply
    }

    fn is_late(&mut self, one: u8) {
        let Some(Pending { node, wishes, what }) = self.one_of(one) else { return };
        let deadline = match &what {
            What::Asks(ask) => ask.deadline(),
            What::Waits(wait) => wait.deadline(),
            What::Rests(held) => held.deadline(),
        };
        let now = self.nodes[node].now;
        self.passes(
            u64::try_from(deadline.saturating_duration_since(now).as_micros()).expect("soon") + 1,
        );
        let held = match what {
            What::Asks(ask) => ask.finish(&[], self.nodes[node].now),
            What::Waits(wait) => wait.give_up(),
            What::Rests(held) => held,
        };
        self.goes_on(node, wishes, held);
    }

    fn polls(&mut self, one: u8) {
        let Some(Pending { node, wishes, what }) = self.one_of(one) else { return };
        let what = match what {
            What::Waits(mut wait) => {
                let is_over = wait.is_over();
                let mut context = Context::from_waker(Waker::noop());
                match Pin::new(&mut wait).poll(&mut context) {
                    Poll::Ready(held) => {
                        assert!(is_over);
                        return self.goes_on(node, wishes, held);
                    }
                    Poll::Pending => What::Waits(wait),
                }
            }
            other => other,
        };
        self.pending.push(Pending { node, wishes, what });
    }

    /// Goes on with what rests, or does not.
    fn rests(&mut self, one: u8) {
        let Some(Pending { node, wishes, what }) = self.one_of(one) else { return };
        match what {
            What::Rests(held) if one % 2 == 0 => drop(held),
            What::Rests(held) => self.goes_on(node, wishes, held),
            what => self.pending.push(Pending { node, wishes, what }),
        }
    }

    fn passes(&mut self, micros: u64) {
        self.server.advance(micros);
        for node in &mut self.nodes {
            node.now = node.now.saturating_add(Duration::from_micros(micros));
        }
    }

    fn one_of(&mut self, one: u8) -> Option<Pending> {
        let number = self.pending.len();
        let at = usize::from(one >> 2).checked_rem(number)?;
        Some(self.pending.swap_remove(at))
    }

    /// Nothing is spent that was not granted, and nothing granted that was not there.
    fn look_at_the_sums(&self) {
        let passed = u128::from(self.server.now_micros().saturating_sub(self.began)) * 1_000;
        for ((limit, _), sums) in &self.sums {
            assert!(sums.spent <= sums.granted, "{} of {}", sums.spent, sums.granted);
            let quota = self.limits[*limit].quota();
            let flown = passed * u128::from(quota.count()) / quota.period().as_nanos();
            let most = flown + u128::from(quota.max_burst());
            assert!(!self.is_lawful || u128::from(sums.lawfully) <= most);
        }
    }

    /// Whoever waits is free when nobody asks any more; and what is in the leases then was granted as well.
    fn ends(&mut self) {
        let (asks, others): (Vec<_>, Vec<_>) = core::mem::take(&mut self.pending)
            .into_iter()
            .partition(|pending| matches!(pending.what, What::Asks(_)));
        drop(asks);
        for pending in &others {
            if let What::Waits(wait) = &pending.what {
                assert!(wait.is_over(), "nobody asks, and this one waits");
            }
        }
        drop(others);
        let keys: Vec<Key> = self.sums.keys().copied().collect();
        for (node, key) in
            (0..self.nodes.len()).flat_map(|node| keys.iter().map(move |key| (node, *key)))
        {
            let subject = self.nodes[0].fleet.subject(&[key.1]);
            for units in (0..32).rev().map(|bits| 1 << bits) {
                let wish = Wish { key, subject, units, in_shadow: false };
                let Node { fleet, now } = &self.nodes[node];
                // It is late already: it takes what is there, and asks nobody.
                let claims = [Claim::new(&self.limits[key.0], subject, units)];
                while let Step::Decided(answers) = fleet.step(&claims, Held::default(), *now) {
                    let Some(Answer::Admitted(_)) = answers.get(0) else { break };
                    let sums = self.sums.entry(wish.key).or_default();
                    sums.spent += u64::from(units);
                    assert!(sums.spent <= sums.granted, "{} of {}", sums.spent, sums.granted);
                }
            }
        }
    }
}

fn error(kind: u8) -> StoreError {
    match kind % 5 {
        0 => StoreError::Timeout,
        1 => StoreError::Unreachable("no".into()),
        2 => StoreError::Refused("no".into()),
        3 => StoreError::WrongType("no".into()),
        _ => StoreError::Malformed,
    }
}
