//! Attackers: who they are, what they send, and how fast. They wait for no answer and go on whatever it is.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::{
    ask::{Ask, Nanos, SECOND, Who, Work, nanos, seconds},
    people::{PROXY, fresh_address, neighbour},
    random::Random,
    site::{BROWSERS, Site, TOOLS},
};

/// The network that an attack from one network comes from.
pub(crate) const ONE_NET: &str = "198.51.100.0/24";
/// An exempt address in the middle of it.
pub(crate) const EXEMPT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 77));

/// They take part in every attack, and must not be refused for it.
const GUESTS: [IpAddr; 4] =
    [EXEMPT, PROXY, IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
const GUESTS_SHARE: f64 = 0.01;

/// Where from, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 120 hosts of one /24, one tool, the search page.
    OneNet,
    /// Twenty hosts in each of fifty /24s.
    FiftyNets,
    /// 5,000 hosts in as many networks, all browsers there are, the search page.
    Scattered,
    /// Every request from somewhere else, and each as a new visitor's first one.
    OneShot,
    /// 300 hosts; a query that no cache has seen.
    CacheBusting,
    /// 300 hosts try passwords.
    Login,
}

/// How fast, in requests a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    Steady(f64),
    /// From nothing to this at the end.
    Rising(f64),
    /// At full speed, and then not at all, for so many seconds each.
    Pulses {
        rate: f64,
        on: u64,
        off: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Attack {
    kind: Kind,
    speed: Speed,
    from: Nanos,
    until: Nanos,
    hosts: Vec<IpAddr>,
    site: Arc<Site>,
    random: Random,
}

impl Attack {
    pub(crate) fn new(
        kind: Kind,
        speed: Speed,
        (from, until): (Nanos, Nanos),
        site: Arc<Site>,
        mut random: Random,
    ) -> Self {
        let hosts = hosts(kind, &mut random);
        Self { kind, speed, from, until, hosts, site, random }
    }

    /// When the next request is sent after `now`; `None` if it is over.
    pub(crate) fn next(&mut self, now: Nanos) -> Option<Nanos> {
        let mut at = now.max(self.from);
        loop {
            let most = match self.speed {
                Speed::Steady(rate) | Speed::Rising(rate) => rate,
                Speed::Pulses { rate, .. } => rate,
            };
            at += nanos(self.random.wait(1.0 / most));
            if let Speed::Pulses { on, off, .. } = self.speed {
                let into = (at - self.from) % ((on + off) * SECOND);
                if into >= on * SECOND {
                    at += (on + off) * SECOND - into;
                    continue;
                }
            }
            let length = seconds(self.until - self.from);
            let is_rising = matches!(self.speed, Speed::Rising(_));
            let is_sent =
                !is_rising || self.random.chance(seconds(at.saturating_sub(self.from)) / length);
            if at >= self.until {
                return None;
            }
            if is_sent {
                return Some(at);
            }
        }
    }

    pub(crate) fn ask(&mut self) -> Ask {
        let random = &mut self.random;
        let ask = Ask {
            who: Who::Attacker,
            peer: match self.kind {
                Kind::OneShot => fresh_address(random),
                _ => random.pick(&self.hosts),
            },
            behind: None,
            method: "GET",
            target: Arc::clone(&self.site.login),
            agent: TOOLS[0],
            has_referer: false,
            has_cookie: false,
            has_language: false,
            work: Work::Search,
            status: 200,
        };
        let ask = match self.kind {
            Kind::OneNet => Ask { target: self.site.search(random), ..ask },
            Kind::FiftyNets => Ask { target: self.site.search(random), agent: TOOLS[1], ..ask },
            Kind::Scattered => {
                let agent = random.pick(&BROWSERS);
                Ask { target: self.site.search(random), agent, ..ask }
            }
            Kind::OneShot => Ask {
                target: self.site.page(random),
                agent: BROWSERS[random.below(10).min(random.below(10))],
                has_referer: random.chance(0.5),
                has_language: true,
                work: Work::Page,
                ..ask
            },
            Kind::CacheBusting => Ask {
                target: format!("/?{}", random.next() >> 20).into(),
                agent: random.pick(&BROWSERS),
                has_referer: random.chance(0.7),
                ..ask
            },
            Kind::Login => Ask { method: "POST", work: Work::Login, status: 401, ..ask },
        };
        match random.chance(GUESTS_SHARE) {
            true => Ask { who: Who::Guest, peer: random.pick(&GUESTS), ..ask },
            false => ask,
        }
    }
}

fn hosts(kind: Kind, random: &mut Random) -> Vec<IpAddr> {
    let somewhere = |random: &mut Random, many| (0..many).map(|_| fresh_address(random)).collect();
    match kind {
        Kind::OneNet => {
            let host = |last| IpAddr::V4(Ipv4Addr::new(198, 51, 100, last));
            (1..=121).filter(|last| *last != 77).map(host).collect()
        }
        Kind::FiftyNets => {
            let networks: Vec<IpAddr> = std::iter::repeat_with(|| fresh_address(random))
                .filter(IpAddr::is_ipv4)
                .take(50)
                .collect();
            networks
                .into_iter()
                .flat_map(|network| (0..20).map(|_| neighbour(network, random)).collect::<Vec<_>>())
                .collect()
        }
        Kind::Scattered => somewhere(random, 5_000),
        Kind::CacheBusting | Kind::Login => somewhere(random, 300),
        Kind::OneShot => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use super::{
        super::ask::{SECOND, Who},
        Attack, Kind, Random, Site, Speed,
    };

    fn attack(kind: Kind, speed: Speed) -> Attack {
        let time = (100 * SECOND, 400 * SECOND);
        Attack::new(kind, speed, time, Arc::new(Site::new()), Random::new(5))
    }

    fn times(speed: Speed) -> Vec<u64> {
        let mut attack = attack(Kind::OneNet, speed);
        let mut now = 0;
        std::iter::from_fn(|| {
            now = attack.next(now)?;
            Some(now)
        })
        .collect()
    }

    #[test]
    fn they_keep_to_their_time_and_speed() {
        let steady = times(Speed::Steady(50.0));
        assert!(steady.iter().all(|at| (100 * SECOND..400 * SECOND).contains(at)));
        assert!((steady.len() as f64 / 15_000.0 - 1.0).abs() < 0.05);
        let rising = times(Speed::Rising(50.0));
        assert!((rising.len() as f64 / 7_500.0 - 1.0).abs() < 0.05);
        let early = rising.iter().filter(|at| **at < 250 * SECOND).count();
        assert!((early as f64 / rising.len() as f64 - 0.25).abs() < 0.03);
        let pulses = times(Speed::Pulses { rate: 50.0, on: 20, off: 40 });
        assert!((pulses.len() as f64 / 5_000.0 - 1.0).abs() < 0.05);
        assert!(pulses.iter().all(|at| (at / SECOND - 100) % 60 < 20));
    }

    #[test]
    fn there_are_as_many_of_them_as_they_say() {
        let sources = |kind| {
            let mut attack = attack(kind, Speed::Steady(50.0));
            let asks: Vec<_> = (0..20_000).map(|_| attack.ask()).collect();
            let attackers = asks.iter().filter(|ask| ask.who == Who::Attacker);
            attackers.map(|ask| ask.peer).collect::<HashSet<_>>().len()
        };
        assert_eq!(sources(Kind::OneNet), 120);
        assert!((900..=1_000).contains(&sources(Kind::FiftyNets)));
        assert!(sources(Kind::Scattered) > 4_800);
        assert!(sources(Kind::OneShot) > 19_500);
        assert_eq!(sources(Kind::CacheBusting), 300);
    }

    #[test]
    fn guests_send_the_same() {
        let mut attack = attack(Kind::OneNet, Speed::Steady(50.0));
        let guests: HashSet<_> = (0..5_000)
            .map(|_| attack.ask())
            .filter(|ask| ask.who == Who::Guest)
            .map(|ask| ask.peer)
            .collect();
        assert_eq!(guests.len(), 4);
    }
}
