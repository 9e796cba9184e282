//! What a gate has said to the requests of a log, counted in bounded tables.
//!
//! # Bounds
//! [`MOST_RULES`] rules, limits and mitigations are told apart, and what is beyond counts as one; [`MOST_EVENTS`] events of the
//! defence are kept. Clients and times are bounded by [`clients`](super::clients) and [`timeline`](super::timeline).

use std::net::IpAddr;

use portcullis::{DenialReason, Posture, Timestamp, detect::EventKind};

use super::{
    clients::Clients,
    timeline::{Column, Timeline},
};

/// As many rules are told apart; with what stands for all others, [`Client`](super::clients::Client) knows them all.
pub const MOST_RULES: usize = 127;
/// As many events are kept.
pub const MOST_EVENTS: usize = 400;
/// As many changes of posture are marked in a picture.
const MOST_POSTURES: usize = 400;

/// What stands for rules beyond [`MOST_RULES`].
const OTHERS: &str = "others";

/// The class of a status that the log does not tell, or that is none.
pub const NO_CLASS: usize = 0;

/// All that a gate has said.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that passed, by the class of their status: 2 for 200 to 299.
    pub passed: [u64; 6],
    /// Requests that were refused, by the class of the status that the log tells of.
    pub refused: [u64; 6],
    /// Requests that passed, and that something in shadow would have refused.
    pub in_shadow: u64,
    /// What refused them.
    pub by: Rules,
    /// What would have refused requests that passed, or that something else refused.
    pub shadow: Rules,
    /// Who asked.
    pub clients: Clients,
    /// When.
    pub timeline: Timeline,
    /// What the defence has told.
    pub story: Story,
}

impl Tally {
    /// Requests that passed.
    #[must_use]
    pub fn all_passed(&self) -> u64 {
        self.passed.iter().sum()
    }

    /// Requests that were refused.
    #[must_use]
    pub fn all_refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// Requests that were refused, and that the service had served: with a status of 200 to 399.
    #[must_use]
    pub fn served_and_refused(&self) -> u64 {
        self.refused.iter().skip(2).take(2).sum()
    }

    /// Bans that were made, of clients.
    #[must_use]
    pub fn bans(&self) -> u64 {
        self.by.all().iter().map(|rule| rule.bans).sum()
    }

    /// Notes a request that passed.
    pub(super) fn pass(&mut self, hit: &Hit<'_>, is_in_shadow: bool) {
        count(&mut self.passed, hit.status);
        self.in_shadow += u64::from(is_in_shadow);
        self.clients.note(hit.client, None);
        let in_shadow = u64::from(is_in_shadow);
        self.timeline.note(hit.at, Column { asked: 1, refused: 0, in_shadow });
    }

    /// Notes a request that was refused, and whether its client was banned for it.
    pub(super) fn refuse(&mut self, hit: &Hit<'_>, name: &str, reason: DenialReason, bans: bool) {
        count(&mut self.refused, hit.status);
        let rule = self.by.note(name, Some(reason), hit);
        let is_first = self.clients.note(hit.client, Some(rule));
        self.by.add(rule, u64::from(is_first), u64::from(bans));
        self.timeline.note(hit.at, Column { asked: 1, refused: 1, in_shadow: 0 });
    }
}

fn count(classes: &mut [u64; 6], status: u16) {
    let class = usize::from(status / 100);
    let class = if class < classes.len() { class } else { NO_CLASS };
    if let Some(count) = classes.get_mut(class) {
        *count += 1;
    }
}

/// A request, as far as it is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    pub(super) client: IpAddr,
    pub(super) at: Timestamp,
    pub(super) status: u16,
    pub(super) method: &'a str,
    pub(super) target: &'a str,
}

/// What one rule, limit or mitigation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Why it refused; `None` in shadow.
    pub reason: Option<DenialReason>,
    /// How many requests.
    pub count: u64,
    /// Of these, those that the service had served.
    pub served: u64,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// Clients whose requests these were; not counted in shadow.
    pub clients: u64,
    /// Bans of clients that it made.
    pub bans: u64,
    /// The first request, as the client wrote it: not to be shown as it is.
    pub sample: String,
}

/// All of them, in the order in which they first did something.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// All of them; [`Client::by`](super::clients::Client::by) tells them by their places here.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.0
    }

    /// Those that did most, first.
    #[must_use]
    pub fn by_count(&self) -> Vec<&Rule> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| one.name.cmp(&other.name))
        });
        all
    }

    /// Counts a request for a rule, and says which one it is.
    pub(super) fn note(
        &mut self,
        name: &str,
        reason: Option<DenialReason>,
        hit: &Hit<'_>,
    ) -> usize {
        let is_it = |rule: &Rule| rule.reason == reason && rule.name == name;
        let known = self.0.iter().position(is_it);
        let at = match known {
            Some(at) => at,
            None if self.0.len() < MOST_RULES => self.add_rule(name, reason, hit),
            None => match self.0.iter().position(|rule| rule.name == OTHERS) {
                Some(at) => at,
                None => self.add_rule(OTHERS, None, hit),
            },
        };
        if let Some(rule) = self.0.get_mut(at) {
            rule.count += 1;
            rule.served += u64::from((200..400).contains(&hit.status));
            rule.last = hit.at;
        }
        at
    }

    pub(super) fn add(&mut self, rule: usize, clients: u64, bans: u64) {
        if let Some(rule) = self.0.get_mut(rule) {
            rule.clients += clients;
            rule.bans += bans;
        }
    }

    fn add_rule(&mut self, name: &str, reason: Option<DenialReason>, hit: &Hit<'_>) -> usize {
        let target: String = hit.target.chars().take(120).collect();
        self.0.push(Rule {
            name: name.into(),
            reason,
            count: 0,
            served: 0,
            first: hit.at,
            last: hit.at,
            clients: 0,
            bans: 0,
            sample: format!("{} {target}", hit.method),
        });
        self.0.len() - 1
    }
}

/// What the defence has told.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// When, and in which words.
    pub events: Vec<(Timestamp, String)>,
    /// Events beyond [`MOST_EVENTS`].
    pub more: u64,
    /// Each change of posture, and what it is from then on.
    pub postures: Vec<(Timestamp, Posture)>,
    /// How far it went.
    pub highest: Posture,
}

impl Story {
    pub(super) fn tell(&mut self, event: portcullis::detect::Event) {
        if let EventKind::Posture { to, .. } = event.kind {
            self.highest = self.highest.max(to);
            if self.postures.len() < MOST_POSTURES {
                self.postures.push((event.at, to));
            }
        }
        if self.events.len() < MOST_EVENTS {
            self.events.push((event.at, event.text));
        } else {
            self.more += 1;
        }
    }
}

/// Why something was refused, in words.
#[must_use]
pub fn why(reason: Option<DenialReason>) -> &'static str {
    match reason {
        None => "",
        Some(DenialReason::DenyList) => "deny list",
        Some(DenialReason::Rule) => "rule",
        Some(DenialReason::Banned) => "banned",
        Some(DenialReason::Limit) => "limit",
        Some(DenialReason::Concurrency) => "in flight",
        Some(DenialReason::MissingKey) => "lacks a key",
        Some(DenialReason::Unavailable) => "no store",
        Some(DenialReason::Saturated) => "gate is full",
        Some(DenialReason::Mitigation) => "defence",
        Some(DenialReason::Shed) => "shed",
        Some(DenialReason::MissingPeer) => "no address",
        Some(_) => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use portcullis::{DenialReason, Timestamp};

    use super::{Hit, MOST_RULES, Rules, Tally};

    fn hit(second: u64, status: u16) -> Hit<'static> {
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Hit { client, at: Timestamp::from_secs(second), status, method: "GET", target: "/" }
    }

    #[test]
    fn what_is_noted_adds_up() {
        let mut tally = Tally::default();
        tally.pass(&hit(1, 200), false);
        tally.pass(&hit(1, 0), true);
        tally.refuse(&hit(2, 302), "one", DenialReason::Limit, false);
        tally.refuse(&hit(3, 404), "one", DenialReason::Limit, true);
        tally.refuse(&hit(4, 999), "one", DenialReason::Banned, false);
        assert_eq!((tally.all_passed(), tally.all_refused(), tally.in_shadow), (2, 3, 1));
        assert_eq!((tally.served_and_refused(), tally.bans()), (1, 1));
        assert_eq!((tally.passed, tally.refused), ([1, 0, 1, 0, 0, 0], [1, 0, 0, 1, 1, 0]));
        let [limit, ban] = tally.by.all() else { panic!("a ban is told apart from its limit") };
        assert_eq!((limit.count, limit.served, limit.clients, limit.bans), (2, 1, 1, 1));
        assert_eq!((limit.first, limit.last), (Timestamp::from_secs(2), Timestamp::from_secs(3)));
        assert_eq!((ban.count, ban.sample.as_str()), (1, "GET /"));
    }

    #[test]
    fn names_that_a_defence_makes_up_cannot_fill_the_memory() {
        let mut rules = Rules::default();
        for number in 0..10 * MOST_RULES {
            rules.note(
                &format!("mitigation {number}"),
                Some(DenialReason::Mitigation),
                &hit(1, 200),
            );
        }
        assert_eq!(rules.all().len(), MOST_RULES + 1);
        assert_eq!(rules.all().iter().map(|rule| rule.count).sum::<u64>(), 10 * MOST_RULES as u64);
    }

    #[test]
    fn each_rule_knows_how_many_clients_it_refused_and_so_does_what_stands_for_others() {
        let mut tally = Tally::default();
        for number in 0..2 * MOST_RULES {
            let name = format!("rule {number}");
            tally.refuse(&hit(1, 200), &name, DenialReason::Rule, false);
            tally.refuse(&hit(1, 200), &name, DenialReason::Rule, false);
        }
        let clients: Vec<_> = tally.by.all().iter().map(|rule| rule.clients).collect();
        assert_eq!(clients, [1; MOST_RULES + 1]);
    }
}
