//! Ordinary visitors: a population of its own, whose members come back, read some pages with what belongs to
//! them, and leave.
//!
//! | share | who |
//! |---|---|
//! | 9 in 10 sessions | of clients that come again and again, few of them often (Zipf), from some hundred networks |
//! | 1 in 10 | from a network that never came before and hardly will again |
//! | 1 in 20 of all | a crawler: pages only, no cookie, no referer |
//! | 1 in 20 of all | through a proxy that the gate trusts |
//!
//! A page that is answered is followed by its style sheets and pictures; one that is not is followed by half
//! of the people's patience.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::{
    ask::{Ask, Nanos, Who, Work, nanos, seconds},
    random::{Random, Zipf},
    site::{BROWSERS, CRAWLERS, Site},
};

/// A proxy that the gate trusts.
pub(crate) const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

const NETWORKS: usize = 400;
const CLIENTS: usize = 1_200;
const PAGES: f64 = 3.5;
/// Requests that belong to the first page of a session, and to a later one on average.
const FIRST_ASSETS: u32 = 4;
const LATER_ASSETS: f64 = 1.5;
/// What one session asks for on average; a test compares.
const REQUESTS: f64 = 10.6;

/// Sessions come more often for a while, all for one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) from: Nanos,
    /// When it is at its largest, and when it is over.
    pub(crate) peak: Nanos,
    pub(crate) until: Nanos,
    /// So many times the usual number of visitors then.
    pub(crate) times: f64,
}

impl Crowd {
    /// How many times the usual there are beyond the usual ones.
    fn beyond(&self, now: Nanos) -> f64 {
        let share = |from: Nanos, to: Nanos| (seconds(now - from) / seconds(to - from)).min(1.0);
        match now {
            now if now < self.from || now >= self.until => 0.0,
            now if now < self.peak => (self.times - 1.0) * share(self.from, self.peak),
            _ => (self.times - 1.0) * (1.0 - share(self.peak, self.until)),
        }
    }
}

/// What happens next to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Somebody comes.
    Arrives,
    /// The session with this number asks for a page, or for what belongs to one.
    Page(usize),
    Asset(usize),
}

#[derive(Clone, Debug)]
struct Session {
    who: Who,
    client: IpAddr,
    is_behind_proxy: bool,
    agent: &'static str,
    is_crawler: bool,
    has_cookie: bool,
    comes_for_sale: bool,
    pages_left: u32,
    pages_seen: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct People {
    random: Random,
    site: Arc<Site>,
    /// Sessions a second.
    sessions_per_second: f64,
    pub(crate) crowd: Option<Crowd>,
    clients: Vec<(IpAddr, usize)>,
    client: Zipf,
    networks: Vec<IpAddr>,
    /// The networks that have come before.
    met: Vec<bool>,
    sessions: Vec<Session>,
}

impl People {
    /// People who ask for so many things a second, all together.
    pub(crate) fn new(site: Arc<Site>, rate: f64, mut random: Random) -> Self {
        let networks: Vec<IpAddr> = (0..NETWORKS).map(|_| fresh_address(&mut random)).collect();
        let clients = (0..CLIENTS).map(|number| {
            // Each network has at least one.
            let network = if number < NETWORKS { number } else { random.below(NETWORKS) };
            (neighbour(networks[network], &mut random), network)
        });
        Self {
            clients: clients.collect(),
            client: Zipf::new(CLIENTS, 0.6),
            met: vec![false; NETWORKS],
            networks,
            sessions_per_second: rate / REQUESTS,
            crowd: None,
            sessions: Vec::new(),
            site,
            random,
        }
    }

    /// When the next one comes after `now`.
    pub(crate) fn next_arrival(&mut self, now: Nanos) -> Nanos {
        let beyond = self.crowd.map_or(0.0, |crowd| crowd.beyond(now));
        now + nanos(self.random.wait(1.0 / (self.sessions_per_second * (1.0 + beyond))))
    }

    /// Somebody comes: the number of the session.
    pub(crate) fn arrive(&mut self, now: Nanos) -> usize {
        let beyond = self.crowd.map_or(0.0, |crowd| crowd.beyond(now));
        let comes_for_sale = self.random.chance(beyond / (1.0 + beyond));
        let random = &mut self.random;
        let (who, client) = if random.chance(0.1) {
            (Who::New, fresh_address(random))
        } else {
            let (client, network) = match comes_for_sale {
                false => self.clients[self.client.draw(random)],
                // Not the regular ones, but their neighbours.
                true => {
                    let network = random.below(NETWORKS);
                    (neighbour(self.networks[network], random), network)
                }
            };
            let met = std::mem::replace(&mut self.met[network], true);
            (if met { Who::Known } else { Who::New }, client)
        };
        let is_crawler = !comes_for_sale && who == Who::Known && random.chance(0.055);
        // The first browsers are the most frequent ones.
        let browser = random.below(BROWSERS.len()).min(random.below(BROWSERS.len()));
        self.sessions.push(Session {
            who,
            client,
            is_behind_proxy: random.chance(0.05),
            agent: if is_crawler { random.pick(&CRAWLERS) } else { BROWSERS[browser] },
            is_crawler,
            has_cookie: who == Who::Known && !is_crawler && random.chance(0.9),
            comes_for_sale,
            pages_left: random.times(PAGES),
            pages_seen: 0,
        });
        self.sessions.len() - 1
    }

    /// What a session asks for.
    pub(crate) fn ask(&mut self, step: Step) -> Option<Ask> {
        let (number, is_page) = match step {
            Step::Arrives => return None,
            Step::Page(number) => (number, true),
            Step::Asset(number) => (number, false),
        };
        let session = self.sessions.get_mut(number)?;
        let (random, site) = (&mut self.random, &*self.site);
        let is_first = session.pages_seen == 0;
        let (method, target, work, status) = match (is_page, session.is_crawler) {
            (false, _) => {
                let status = if random.chance(0.35) { 304 } else { 200 };
                ("GET", site.asset(random), Work::Asset, status)
            }
            (true, _) if is_first && session.comes_for_sale => {
                ("GET", Arc::clone(&site.sale), Work::Page, 200)
            }
            (true, false) if !is_first && random.chance(0.22) => match random.below(12) {
                0 => ("POST", Arc::clone(&site.login), Work::Login, 302),
                1..=2 => ("POST", Arc::clone(&site.cart), Work::Redirect, 302),
                _ => ("GET", site.search(random), Work::Search, 200),
            },
            _ if random.chance(0.03) => ("GET", site.missing(random), Work::NotFound, 404),
            _ => ("GET", site.page(random), Work::Page, 200),
        };
        let has_referer = !session.is_crawler && (!is_page || !is_first || random.chance(0.5));
        if is_page {
            session.pages_left = session.pages_left.saturating_sub(1);
            session.pages_seen += 1;
        }
        let (peer, behind) = match session.is_behind_proxy {
            true => (PROXY, Some(session.client)),
            false => (session.client, None),
        };
        Some(Ask {
            who: session.who,
            peer,
            behind,
            method,
            target,
            agent: session.agent,
            has_referer,
            has_cookie: session.has_cookie,
            has_language: !session.is_crawler,
            work,
            status,
        })
    }

    /// What follows the end of a step: what belongs to a page, and the next page after a while of reading.
    pub(crate) fn answered(
        &mut self,
        step: Step,
        is_good: bool,
        now: Nanos,
        mut then: impl FnMut(Nanos, Step),
    ) {
        let Step::Page(number) = step else { return };
        let Some(session) = self.sessions.get_mut(number) else { return };
        let random = &mut self.random;
        if is_good && !session.is_crawler {
            session.has_cookie = true;
            let assets = match session.pages_seen {
                1 => FIRST_ASSETS,
                _ => random.times(LATER_ASSETS + 1.0) - 1,
            };
            for _ in 0..assets {
                then(now + nanos(0.02 + random.wait(0.15)), Step::Asset(number));
            }
        }
        let goes_on = is_good || random.chance(0.5);
        if session.pages_left > 0 && goes_on {
            then(now + nanos(1.0 + random.wait(7.0)), Step::Page(number));
        }
    }
}

/// An address somewhere in the world; one in five is IPv6.
pub(crate) fn fresh_address(random: &mut Random) -> IpAddr {
    if random.chance(0.2) {
        let bits = 0x2a00_0000_u128 << 96 | u128::from(random.next() >> 8) << 64;
        return neighbour(Ipv6Addr::from_bits(bits).into(), random);
    }
    let [a, b, c, d] = (random.next() as u32).to_be_bytes();
    // None that are private, of this machine, or for examples: attackers of a known place have those.
    Ipv4Addr::new(20 + a % 80, b, c, d.clamp(1, 254)).into()
}

/// Another host of its /24, or of its /48.
pub(crate) fn neighbour(address: IpAddr, random: &mut Random) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 1 + random.below(254) as u8).into()
        }
        IpAddr::V6(address) => {
            let network = address.to_bits() & !(u128::MAX >> 48);
            let host = u128::from(random.next() >> 48) << 64 | u128::from(random.next());
            Ipv6Addr::from_bits(network | host).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use super::{
        super::{
            ask::{SECOND, Who},
            site::Site,
        },
        Crowd, People, REQUESTS, Random, Step,
    };

    fn people() -> People {
        People::new(Arc::new(Site::new()), 60.0, Random::new(3))
    }

    /// All that a session asks for when everything is answered at once.
    fn whole_session(people: &mut People, now: u64) -> Vec<super::Ask> {
        let mut steps = vec![Step::Page(people.arrive(now))];
        let mut asked = Vec::new();
        while let Some(step) = steps.pop() {
            asked.extend(people.ask(step));
            people.answered(step, true, now, |_, step| steps.push(step));
        }
        asked
    }

    #[test]
    fn sessions_are_as_long_as_the_rate_counts_on() {
        let mut people = people();
        let total: usize = (0..8_000).map(|_| whole_session(&mut people, 0).len()).sum();
        assert!((total as f64 / 8_000.0 - REQUESTS).abs() < 0.25, "{}", total as f64 / 8_000.0);
    }

    #[test]
    fn most_come_from_networks_that_came_before() {
        let mut people = people();
        (0..4_000).for_each(|_| drop(whole_session(&mut people, 0)));
        let asked: Vec<_> = (0..1_000).flat_map(|_| whole_session(&mut people, 0)).collect();
        let known = asked.iter().filter(|ask| ask.who == Who::Known).count();
        let share = known as f64 / asked.len() as f64;
        assert!((0.85..0.95).contains(&share), "{share}");
        assert!(asked.iter().all(|ask| ask.who != Who::Attacker && ask.who != Who::Guest));
        let agents: HashSet<_> = asked.iter().map(|ask| ask.agent).collect();
        assert!(agents.len() > 8);
    }

    #[test]
    fn a_crowd_comes_for_one_page_and_mostly_from_known_networks() {
        let mut people = people();
        (0..4_000).for_each(|_| drop(whole_session(&mut people, 0)));
        let peak = 40 * 60 * SECOND;
        people.crowd = Some(Crowd { from: 0, peak, until: peak + SECOND, times: 3.4 });
        let sessions: Vec<_> = (0..2_000).map(|_| whole_session(&mut people, peak - 1)).collect();
        let share = |is: &dyn Fn(&super::Ask) -> bool| {
            sessions.iter().filter(|session| is(&session[0])).count() as f64 / 2_000.0
        };
        assert!((share(&|ask| &*ask.target == "/sale/today") - 0.72).abs() < 0.05);
        assert!((share(&|ask| ask.who == Who::Known) - 0.9).abs() < 0.03);
    }
}
