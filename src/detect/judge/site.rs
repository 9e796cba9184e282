//! A site with visitors, and an attacker: what a watch would count, drawn from a seed.

use std::vec::Vec;

use super::{Counted, Evidence, Heat, Judge, Parameters};
use crate::{
    detect::{Dimension, Hot, Latency, Machine, Posture, Signs, Turn},
    time::Timestamp,
};

/// Numbers from a seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (core::f64::consts::TAU * self.unit()).cos()
    }

    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (mut count, mut product, least) = (0, self.unit(), (-mean).exp());
        while product > least {
            (count, product) = (count + 1, product * self.unit());
        }
        count
    }

    fn of(&mut self, n: u64, share: f64) -> u64 {
        if n < 40 {
            return (0..n).map(|_| u64::from(self.unit() < share)).sum();
        }
        let mean = n as f64 * share;
        let drawn = (mean + (mean * (1.0 - share)).sqrt() * self.normal()).round().max(0.0);
        (drawn as u64).min(n)
    }
}

/// What an attacker sends beside the visitors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    /// Requests a second.
    pub(crate) rate: f64,
    /// From so many networks, each as busy as the others; beyond 64 none of them is hot.
    pub(crate) nets: u64,
    /// The share that comes from unknown networks.
    pub(crate) new: f64,
    /// All for one path.
    pub(crate) one_path: bool,
    /// Like robots: one agent, no cookie, no referer, a query.
    pub(crate) robots: bool,
}

impl Attack {
    pub(crate) const NONE: Self =
        Self { rate: 0.0, nets: 1, new: 1.0, one_path: true, robots: true };
    /// Visitors, from known networks, of one page.
    pub(crate) const CROWD: Self =
        Self { rate: 0.0, nets: 5_000, new: 0.1, one_path: true, robots: false };
}

struct Key {
    hot: Hot,
    share: f64,
}

/// The site, with what judges it.
pub(crate) struct Site {
    pub(crate) random: Random,
    pub(crate) judge: Judge,
    pub(crate) machine: Machine,
    pub(crate) parameters: Parameters,
    pub(crate) rate: f64,
    pub(crate) latency: f64,
    pub(crate) up_to: Posture,
    pub(crate) now: Timestamp,
    pub(crate) turns: Vec<(u64, Turn)>,
    keys: Vec<Key>,
    hosts: Vec<f64>,
    total: f64,
    usual_total: f64,
    second: u64,
}

const ATTACKER: u64 = 1_000_000;

impl Site {
    pub(crate) fn new(rate: f64, seed: u64) -> Self {
        let mut keys = Vec::new();
        for (dimension, most) in
            [(Dimension::Net, 16_u32), (Dimension::Path, 10), (Dimension::Agent, 5)]
        {
            let sum: f64 = (1..=most).map(|rank| 1.0 / f64::from(rank)).sum();
            let spread = if dimension == Dimension::Net { 0.3 } else { 0.9 };
            for rank in 1..=most {
                let hot =
                    Hot { dimension, key: u64::from(rank), count: 0.0, usual: 0.0, over: 0.0 };
                keys.push(Key { hot, share: spread / f64::from(rank) / sum });
            }
            for place in 0..if dimension == Dimension::Net { 64 } else { 1 } {
                let hot =
                    Hot { dimension, key: ATTACKER + place, count: 0.0, usual: 0.0, over: 0.0 };
                keys.push(Key { hot, share: 0.0 });
            }
        }
        Self {
            random: Random(seed),
            judge: Judge::new(),
            machine: Machine::new(),
            parameters: Parameters::default(),
            rate,
            latency: 0.03,
            up_to: Posture::Lockdown,
            now: Timestamp::from_secs(1_000),
            turns: Vec::new(),
            keys,
            hosts: Vec::new(),
            total: 0.0,
            usual_total: 0.0,
            second: 0,
        }
    }

    /// So many seconds, with so many times the usual visitors.
    pub(crate) fn run(&mut self, seconds: u64, times: f64, attack: &Attack) -> Evidence {
        (0..seconds).map(|_| self.tick(times, attack)).last().unwrap_or_default()
    }

    pub(crate) fn tick(&mut self, times: f64, attack: &Attack) -> Evidence {
        let (counted, heat) = self.count(times, attack);
        let learning = self.machine.learning(self.now, &self.parameters);
        let evidence = self.judge.judge(&counted, &heat, learning, &self.parameters);
        self.now = self.now.saturating_add(core::time::Duration::from_secs(1));
        let is_warm = self.judge.is_warm(&self.parameters);
        let signs = Signs { evidence, is_warm, ..Signs::default() };
        let turn = self.machine.step(&signs, &self.parameters, self.up_to, self.now);
        self.turns.extend(turn.map(|turn| (self.second, turn)));
        evidence
    }

    /// The highest posture since the last call.
    pub(crate) fn highest(&mut self) -> Posture {
        let turns = self.turns.drain(..).map(|(_, turn)| turn.to);
        turns.chain([self.machine.posture()]).max().unwrap_or_default()
    }

    pub(crate) fn count(&mut self, times: f64, attack: &Attack) -> (Counted, Heat) {
        self.second += 1;
        let random = &mut self.random;
        let good = random.poisson(self.rate * times);
        let bad = random.poisson(attack.rate);
        let (n, robots) = (good + bad, if attack.robots { bad } else { 0 });
        let people = n - robots;
        let posts = random.of(people, 0.06);
        let missing = random.of(people, 0.03);
        let found = random.of(people - missing, 0.1);
        let counted = Counted {
            seconds: 1.0,
            offered: n,
            sampled: n,
            methods: [n - posts, posts, 0],
            without_agent: 0,
            without_referer: random.of(people, 0.2) + robots,
            with_cookie: random.of(people, 0.8),
            with_query: random.of(people, 0.25) + robots,
            unknown: random.of(good, 0.1) + random.of(bad, attack.new),
            entropy: 6.5 + 0.1 * random.normal(),
            clients: n as f64 / 4.0,
            answered: [people - missing - found + robots, found, missing, 0, 0],
            admitted: n,
            latency: Latency {
                requests: n,
                median: self.latency * (random.normal() / (1.0 + n as f64).sqrt()).exp(),
                p90: 4.0 * self.latency * (2.0 * random.normal() / (1.0 + n as f64).sqrt()).exp(),
            },
            in_flight: (n as f64 * self.latency * 1.5) as u64,
            in_flight_limit: Some((self.rate * 2.0) as u64 + 20),
            ..Counted::default()
        };
        (counted, self.heat(good, bad, attack))
    }

    fn heat(&mut self, good: u64, bad: u64, attack: &Attack) -> Heat {
        let decay = (-0.1_f64).exp2();
        let learn = f64::from(u8::from(self.machine.posture() == Posture::Normal));
        let learn = learn * (1.0 - (-1.0 / 120.0_f64).exp2()).max(1.0 / self.second as f64);
        self.total = self.total * decay + (good + bad) as f64;
        self.usual_total += learn * (self.total - self.usual_total);
        for Key { hot, share } in &mut self.keys {
            // Who comes from known networks, and who acts as a browser, comes from the usual ones.
            let (mut as_usual, mut beside) = (good, 0.0);
            match hot.dimension {
                Dimension::Net if attack.nets > 64 => {
                    as_usual += (bad as f64 * (1.0 - attack.new)) as u64;
                }
                Dimension::Net if hot.key < ATTACKER + attack.nets => {
                    beside = bad as f64 / attack.nets as f64;
                }
                Dimension::Path if attack.one_path => beside = bad as f64,
                Dimension::Agent if attack.robots => beside = bad as f64,
                _ => as_usual += bad,
            }
            let count = if hot.key < ATTACKER {
                self.random.poisson(as_usual as f64 * *share) as f64
            } else {
                beside
            };
            hot.count = hot.count * decay + count;
            hot.usual += learn * (hot.count - hot.usual);
        }
        // Visitors ask for eight things at once, and leave.
        self.hosts.iter_mut().for_each(|count| *count *= decay);
        let visitors = self.random.poisson(good as f64 / 8.0).min(32);
        self.hosts.extend((0..visitors).map(|_| 8.0));
        let gone = self.hosts.len().saturating_sub(32);
        self.hosts.drain(..gone);
        let hosts = self.hosts.iter().enumerate().map(|(key, count)| Hot {
            dimension: Dimension::Host,
            key: key as u64,
            count: *count,
            usual: 0.0,
            over: 0.0,
        });
        let hot = self.keys.iter().map(|key| key.hot).chain(hosts).collect();
        Heat { hot, total: self.total, usual_total: self.usual_total }
    }
}
