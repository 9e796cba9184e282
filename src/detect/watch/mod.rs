//! The half of detection that checks run: they count, look closer at some requests, and ask what the other half
//! has decided.
//!
//! # Invariants
//! - **I1** nothing here waits: what is locked is tried, and left out if somebody else is in the way;
//! - **I2** nothing is allocated after construction;
//! - **I3** requests are counted before anything refuses them, whoever has sent them, except exempt clients;
//! - **I4** clients that are spared are counted, and are no part of what attacks are recognised by.

mod counters;
mod flight;
mod look;
mod newcomers;
mod word;

use alloc::{boxed::Box, sync::Arc};
use core::{net::IpAddr, time::Duration};

use self::look::{Look, look};
pub(crate) use self::{
    counters::{Counters, float},
    flight::Flight,
    look::key_of_address,
    newcomers::Newcomers,
    word::Word,
};
#[cfg(feature = "tracing")]
use super::untold::Untold;
use super::{
    Applied, Defence, Dimension, KeyedHash, Posture,
    admission::room,
    brain::Brain,
    mitigation::Live,
    sketch::{Distinct, HotKeys, Known, Latencies, Recent, Ticket},
};
use crate::{
    error::KeyedLimiterError,
    limit::seeds::Seeds,
    request::{Request, canonical::Needs},
    rule::{Class, Facts, Reader},
    sync::{AtomicU64, Mutex, Ordering, Swap},
    time::Timestamp,
};

/// Everything that detection keeps, for one gate.
pub(crate) struct Detector {
    /// The key of all hashes; it is another one only after [`restore`](Self::restore).
    key: [AtomicU64; 2],
    pub(super) counters: Counters,
    /// Requests that have passed and have not ended.
    pub(super) flights: Alone,
    /// Looks since the last tick, and which share of them is remembered: one in so many.
    looks: AtomicU64,
    each: AtomicU64,
    /// A [`Word`].
    word: AtomicU64,
    /// The time from which the next tick, or the next step of one, is due.
    due: AtomicU64,
    /// The most requests in flight.
    pub(super) most_flights: AtomicU64,
    /// What the service says of its load, as bits of a float.
    pub(super) gauge: AtomicU64,
    pub(super) hot: Box<[HotKeys]>,
    pub(super) clients: Distinct,
    pub(super) newcoming: Distinct,
    pub(super) known: Known,
    pub(super) latencies: Latencies,
    pub(super) recent: Recent,
    pub(super) newcomers: Newcomers,
    /// The mitigations that checks ask.
    pub(super) live: Swap<Live>,
    #[cfg(feature = "tracing")]
    pub(super) untold: Untold,
    pub(super) brain: Mutex<Brain>,
}

/// A count in lines of memory of its own.
#[repr(align(128))]
pub(super) struct Alone(pub(super) AtomicU64);

/// What was seen of a request when it came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Glance {
    pub(crate) word: Word,
    /// The key of the client's network; 0 without a client.
    pub(crate) network: u64,
    ticket: Option<Ticket>,
    /// It is counted, and its end will be.
    pub(crate) is_watched: bool,
}

/// Why a request is refused although no rule and no limit says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Mitigated,
    Shed,
    Unknown,
}

/// Who asks, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Known,
    Unknown,
    /// Whoever it is: what is asked looks like an attacker's.
    Suspect,
}

/// Who is refused although no rule and no limit says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// A client that is not known, while known ones leave too little.
    Unknown { wait: Duration },
    /// Anybody of this class, while too many requests are in flight.
    Full { wait: Duration },
}

impl Detector {
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn new(defence: Defence, seeds: &mut Seeds) -> Result<Arc<Self>, KeyedLimiterError> {
        let hash = KeyedHash::new(seeds);
        let brain = Brain::new(defence, hash, seeds)?;
        let live = brain.live();
        Ok(Arc::new(Self {
            key: hash.key.map(AtomicU64::new),
            counters: Counters::new(seeds.are_fixed()),
            flights: Alone(AtomicU64::new(0)),
            looks: AtomicU64::new(0),
            each: AtomicU64::new(1),
            word: AtomicU64::new(0),
            due: AtomicU64::new(0),
            most_flights: AtomicU64::new(u64::MAX),
            gauge: AtomicU64::new(0),
            hot: (0..Dimension::COUNT).map(|_| HotKeys::new()).collect(),
            clients: Distinct::new(),
            newcoming: Distinct::new(),
            // What it is given is hashed with a key already.
            known: Known::new(KeyedHash::with_key([1, 2])),
            latencies: Latencies::new(),
            recent: Recent::new(SAMPLE),
            newcomers: Newcomers::new(seeds)?,
            live: Swap::new(live),
            #[cfg(feature = "tracing")]
            untold: Untold::new(),
            brain: Mutex::new(brain),
        }))
    }

    /// The hash of everything that is estimated.
    #[inline]
    pub(super) fn hash(&self) -> KeyedHash {
        // Relaxed: a request that is hashed with half of another key is counted as an unknown one.
        KeyedHash::with_key(self.key.each_ref().map(|half| half.load(Ordering::Relaxed)))
    }

    #[cfg(feature = "serde")]
    pub(super) fn set_hash(&self, hash: KeyedHash) {
        for (half, key) in self.key.iter().zip(hash.key) {
            half.store(key, Ordering::Relaxed);
        }
    }

    /// What every check has to know.
    #[inline]
    pub(crate) fn word(&self) -> Word {
        // Relaxed: a word is complete in itself. What its flags lead to is published by its own means.
        Word(self.word.load(Ordering::Relaxed))
    }

    pub(super) fn set_word(&self, word: Word) {
        self.word.store(word.0, Ordering::Relaxed);
    }

    /// Whether a tick, or a step of one, is due.
    #[inline]
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        // Relaxed: who comes too early or too late finds that out from the brain.
        let (now, due) = (now.as_nanos(), self.due.load(Ordering::Relaxed));
        // What is due in a time that is far away was said by a wrong clock.
        now >= due || due.saturating_sub(now) > FAR
    }

    /// After a tick of so many seconds: what is remembered is to span some seconds, however many come.
    pub(super) fn thin_out(&self, seconds: f64) {
        let looks = float(self.looks.swap(0, Ordering::Relaxed)) / seconds.max(0.01);
        let each = super::brain::rank(looks * SPAN / 1_024.0).saturating_add(1);
        self.each.store(u64::try_from(each).unwrap_or(1), Ordering::Relaxed);
    }

    pub(super) fn set_due(&self, at: Timestamp) {
        self.due.store(at.as_nanos(), Ordering::Relaxed);
    }

    /// A request comes in (I3).
    #[inline]
    pub(crate) fn offered(
        &self,
        request: &Request<'_>,
        client: Option<IpAddr>,
        spared: impl FnOnce(IpAddr) -> bool,
        own: &[Reader],
        now: Timestamp,
    ) -> Glance {
        let word = self.word();
        let (number, stripe) = self.counters.stripe();
        let network = self.network_of(client);
        let weight = stripe.and_then(|stripe| stripe.offer(self.hash()));
        let ticket = match (weight, client) {
            (Some(weight), Some(client)) if !spared(client) => {
                self.look(request, client, network, own, (number, weight), now)
            }
            _ => None,
        };
        Glance { word, network, ticket, is_watched: true }
    }

    /// What there is to know of a client's next request, which is not counted.
    pub(crate) fn glance(&self, client: Option<IpAddr>) -> Glance {
        let network = self.network_of(client);
        Glance { word: self.word(), network, ticket: None, is_watched: false }
    }

    fn network_of(&self, client: Option<IpAddr>) -> u64 {
        client.map_or(0, |client| key_of_address(self.hash(), Dimension::Net, client))
    }

    /// Looks closer at a request that stands for `weight` of them.
    #[inline(never)]
    fn look(
        &self,
        request: &Request<'_>,
        client: IpAddr,
        network: u64,
        own: &[Reader],
        (number, weight): (usize, u32),
        now: Timestamp,
    ) -> Option<Ticket> {
        let known = self.known.contains(network);
        let Look { seen, words, traits } = look(request, client, known, own, self.hash(), now);
        let (_, stripe) = self.counters.stripe();
        let stripe = stripe?;
        stripe.looked_at(traits, weight);
        self.counters.network(seen.keys.get(Dimension::Wide), weight.into());
        let host = seen.keys.get(Dimension::Host);
        self.clients.add(host);
        if !known {
            self.newcoming.add(network);
        }
        // One level of three stands for all of them: a hash tells which.
        let nth = self.hash().of_number(self.looks.fetch_add(1, Ordering::Relaxed) ^ host) >> 24;
        let level = nth >> 16;
        let level = Dimension::ALL.get(usize::try_from(level % 3).unwrap_or(0));
        for dimension in Dimension::ALL {
            let weight = match dimension {
                _ if Some(&dimension) == level => weight.saturating_mul(3),
                Dimension::Host | Dimension::Net | Dimension::Wide => continue,
                _ => weight,
            };
            let key = seen.keys.get(dimension);
            let added = key == 0
                || self.hot.get(dimension.at()).is_none_or(|hot| hot.add(number, key, weight));
            if !added {
                stripe.contended.add(1);
            }
        }
        if nth.checked_rem(self.each.load(Ordering::Relaxed)).is_some_and(|rest| rest != 0) {
            return None;
        }
        let ticket = self.recent.put(seen, words);
        if ticket.is_none() {
            stripe.contended.add(1);
        }
        ticket
    }

    /// Whether the network with this key is known.
    #[inline]
    pub(crate) fn knows(&self, network: u64) -> bool {
        network != 0 && self.known.contains(network)
    }

    /// Requests that have passed and have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.flights.0.load(Ordering::Relaxed)
    }

    /// What the live mitigations say of a request.
    pub(crate) fn mitigates(
        &self,
        facts: &Facts<'_>,
        takes: bool,
        now: Timestamp,
    ) -> Option<Applied> {
        let live = self.live.load();
        if takes { live.judge(facts, now) } else { live.foresee(facts, now) }
    }

    /// What mitigations read of a request's canonical form.
    pub(crate) fn needs(&self) -> Needs {
        self.live.load().needs()
    }

    /// Whether there is room for a request, after rules and mitigations have let it pass.
    pub(crate) fn shed(
        &self,
        glance: &Glance,
        who: Who,
        class: Class,
        takes: bool,
        now: Timestamp,
    ) -> Option<Shed> {
        let known = who == Who::Known;
        let Glance { word, network, .. } = *glance;
        // Without an address it is nobody's share: that is for `MissingPeer` to say.
        if word.has(Word::HOLDS) && network != 0 && !known && class < Class::Critical {
            let held = match (who, takes) {
                (Who::Suspect, _) => self.newcomers.check_suspect(takes, now),
                (_, true) => self.newcomers.check(network, now),
                (_, false) => self.newcomers.peek(network, now),
            };
            if let Err(wait) = held {
                return Some(Shed::Unknown { wait: self.jittered(wait, network, now) });
            }
        }
        if word.has(Word::SHEDS) {
            let most = self.most_flights.load(Ordering::Relaxed);
            // In a mere overload, who it is does not matter.
            let known = known || word.posture() == Posture::Overload;
            if self.in_flight() >= room(class, known, most) {
                let wait = self.jittered(Duration::from_secs(1), network, now);
                return Some(Shed::Full { wait });
            }
        }
        None
    }

    /// A wait of between once and twice this, so that not all come back at once.
    fn jittered(&self, wait: Duration, network: u64, now: Timestamp) -> Duration {
        let random = self.hash().of_number(network ^ now.as_nanos().rotate_left(20));
        super::admission::jitter(wait.clamp(LEAST_WAIT, MOST_WAIT), random)
    }

    /// Counts a request that passes, in flight from now on.
    #[inline]
    pub(crate) fn admitted(self: &Arc<Self>, glance: &Glance, now: Timestamp) -> Flight {
        if let (_, Some(stripe)) = self.counters.stripe() {
            stripe.admitted.add(1);
        }
        Flight::new(self, glance.network, glance.ticket, now)
    }

    pub(crate) fn count_mitigated(&self) {
        if let (_, Some(stripe)) = self.counters.stripe() {
            stripe.mitigated.add(1);
        }
    }

    /// Counts a request that is refused for no rule's and no limit's sake.
    pub(crate) fn count_refused(&self, glance: &Glance, why: Refused) {
        if let (_, Some(stripe)) = self.counters.stripe() {
            match why {
                Refused::Mitigated => &stripe.refused,
                Refused::Shed => &stripe.shed,
                Refused::Unknown => &stripe.held,
            }
            .add(1);
            if self.knows(glance.network) {
                stripe.known_refused.add(1);
            }
        }
    }

    /// The bytes that it takes, all of them from the start.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.hot
            .iter()
            .fold(size_of::<Self>(), |sum, hot| sum.saturating_add(hot.memory_bytes()))
            .saturating_add(self.counters.memory_bytes())
            .saturating_add(self.clients.memory_bytes().saturating_mul(2))
            .saturating_add(self.known.memory_bytes())
            .saturating_add(self.recent.memory_bytes())
            .saturating_add(self.newcomers.memory_bytes())
            .saturating_add(self.brain.lock().memory_bytes())
    }
}

/// The requests that are remembered one by one.
pub(super) const SAMPLE: usize = 1_024;
/// Nobody is sent away for less than this, nor for more than twice as long as that.
const LEAST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_secs(30);
/// What is remembered spans so many seconds.
const SPAN: f64 = 4.0;
/// In nanoseconds.
const FAR: u64 = 10_000_000_000;
