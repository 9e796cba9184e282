//! Traffic for tests: usual requests, and attacks.

use std::{
    boxed::Box,
    collections::HashMap,
    format,
    net::{IpAddr, Ipv4Addr},
    string::{String, ToString as _},
    vec::Vec,
};

use ipnet::IpNet;

use super::{Candidate, Search, Taken};
use crate::{
    detect::{Dimension, KeyedHash, Keys, Parameters, Seen, Shape, Text, Words},
    time::Timestamp,
};

/// What a request is.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) client: IpAddr,
    pub(crate) path: String,
    pub(crate) agent: String,
    pub(crate) shape: u8,
    pub(crate) own: Option<String>,
    pub(crate) known: bool,
}

/// Makes one after the other.
pub(crate) type Make = Box<dyn FnMut() -> Sample>;

/// Numbers without a pattern, always the same.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % below
    }

    /// Small numbers more often than large ones.
    pub(crate) fn skewed(&mut self, below: u64) -> u64 {
        let one = self.next(below) + 1;
        self.next(one)
    }
}

pub(crate) const BROWSER: u8 = Shape::AGENT | Shape::LANGUAGE | Shape::REFERER | Shape::COOKIE;

/// What people ask for: 3,000 clients, 60 pages, 12 browsers.
pub(crate) fn usual(dice: &mut Dice) -> Sample {
    let client = dice.next(3_000);
    let page = dice.skewed(60);
    let agent = dice.skewed(12);
    let shape = match dice.next(10) {
        0 => Shape::AGENT | Shape::LANGUAGE,
        1 => BROWSER | Shape::POST,
        2 | 3 => BROWSER | Shape::QUERY,
        _ => BROWSER,
    };
    Sample {
        client: person(client),
        path: match page {
            0 => "/".into(),
            1..=9 => format!("/page-{page}"),
            _ => format!("/shop/item-{page}"),
        },
        agent: format!("Mozilla/5.0 (browser {agent})"),
        shape,
        own: None,
        known: client % 50 != 0,
    }
}

/// The address of a usual client.
pub(crate) fn person(number: u64) -> IpAddr {
    let mixed = Dice(number).next(1 << 24) as u32;
    IpAddr::V4(Ipv4Addr::from(0x5000_0000 | mixed))
}

/// Keys as the watch makes them.
pub(crate) struct Book {
    hash: KeyedHash,
    words: HashMap<(Dimension, u64), Words>,
}

impl Book {
    pub(crate) fn new() -> Self {
        Self { hash: KeyedHash::with_key([11, 17]), words: HashMap::new() }
    }

    pub(crate) fn seen(&mut self, sample: &Sample) -> Seen {
        let mut keys = Keys::default();
        let hash = self.hash;
        for dimension in [Dimension::Host, Dimension::Net, Dimension::Wide] {
            let net = dimension.net(sample.client).unwrap();
            keys.set(dimension, hash.of_bytes(net.to_string().as_bytes()));
        }
        let slashes: Vec<usize> = sample.path.match_indices('/').map(|(at, _)| at).collect();
        let (path, goes_on) = match slashes.get(2) {
            Some(end) => (&sample.path[..=*end], true),
            None => (&sample.path[..], false),
        };
        if let Some(end) = slashes.get(1) {
            keys.set(Dimension::Section, hash.of_bytes(&sample.path.as_bytes()[..=*end]));
        }
        keys.set(Dimension::Path, hash.of_bytes(path.as_bytes()));
        if !sample.agent.is_empty() {
            keys.set(Dimension::Agent, hash.of_bytes(sample.agent.as_bytes()));
        }
        keys.set(Dimension::Shape, hash.of_number(u64::from(sample.shape)));
        if let Some(own) = &sample.own {
            keys.set(Dimension::First, hash.of_bytes(own.as_bytes()));
        }
        let words = Words {
            path: Text::of(path.as_bytes()),
            path_goes_on: goes_on,
            agent: Text::of(sample.agent.as_bytes()),
            own: [Text::of(sample.own.as_deref().unwrap_or("").as_bytes()), Text::EMPTY],
        };
        for dimension in Dimension::ALL {
            self.words.insert((dimension, keys.get(dimension)), words);
        }
        Seen {
            at: Timestamp::from_secs(1),
            client: sample.client,
            keys,
            shape: Shape(sample.shape),
            known: sample.known,
            good: true,
        }
    }

    pub(crate) fn words(&self, dimension: Dimension, key: u64) -> Option<Words> {
        self.words.get(&(dimension, key)).copied()
    }

    /// So many of each.
    pub(crate) fn sample(&mut self, parts: &mut [(usize, Make)]) -> Vec<Seen> {
        let mut samples = Vec::new();
        for (count, make) in parts {
            for _ in 0..*count {
                samples.push(self.seen(&make()));
            }
        }
        // In some other order.
        let mut dice = Dice(5);
        for at in (1..samples.len()).rev() {
            samples.swap(at, dice.next(at as u64 + 1) as usize);
        }
        samples
    }
}

/// Runs a search to its end: what it found, and in how many steps.
pub(crate) fn run(
    search: &mut Search,
    recent: &[Seen],
    usual: &[Seen],
    parameters: &Parameters,
    spares: &dyn Fn(&IpNet) -> bool,
) -> (Vec<Candidate>, usize) {
    for steps in 1..1_000 {
        if let Some(found) = search.step(recent, usual, parameters, spares) {
            return (found.to_vec(), steps);
        }
    }
    panic!("a search that does not end");
}

/// A whole search.
pub(crate) fn search(rates: (f64, f64), recent: &[Seen], usual: &[Seen]) -> Vec<Candidate> {
    let mut search = Search::new();
    search.begin(rates.0, rates.1, Vec::<Taken>::new());
    run(&mut search, recent, usual, &Parameters::default(), &|_| false).0
}
