//! Who asked, and what became of it, in a table that is bounded.
//!
//! # Bounds
//! The table holds so many clients. While the log has no more, all counts are exact. When it is full, the half of it that
//! matters least is given up: those that were refused least. A count of refusals can then be too low, by at most what
//! was refused to those that were given up, for each time that this happened; [`Clients::most_missing`] is that sum. (The
//! idea is that of lossy counting.)

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
};

/// As many clients are told apart.
pub const MOST: usize = 1 << 17;

/// Rules of which a client's are told.
const RULES: usize = 3;

/// What became of one client's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Requests.
    pub asked: u64,
    /// Of these, those that were refused.
    pub refused: u64,
    /// By which of the first 128 rules.
    met: u128,
    /// Rule and count, for the first rules that refused it.
    by: [(u16, u32); RULES],
}

impl Client {
    /// The rules that refused it, and how often, most first; `None` stands for others.
    #[must_use]
    pub fn by(&self) -> Vec<(Option<usize>, u64)> {
        let mut by: Vec<_> = self
            .by
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(rule, count)| (Some(usize::from(*rule)), u64::from(*count)))
            .collect();
        by.sort_by_key(|(rule, count)| (Reverse(*count), *rule));
        let told: u64 = by.iter().map(|(_, count)| count).sum();
        if self.refused > told {
            by.push((None, self.refused - told));
        }
        by
    }

    /// Notes a refusal; whether it is the first one by this rule.
    fn refuse(&mut self, rule: usize) -> bool {
        self.refused += 1;
        let number = u16::try_from(rule).unwrap_or(u16::MAX);
        let place = self.by.iter_mut().find(|(known, count)| *count == 0 || *known == number);
        if let Some(place) = place {
            *place = (number, place.1.saturating_add(1));
        }
        let bit = u32::try_from(rule).ok().and_then(|rule| 1_u128.checked_shl(rule)).unwrap_or(0);
        let is_first = self.met & bit == 0;
        self.met |= bit;
        is_first && bit != 0
    }
}

/// All of them.
#[derive(Debug)]
pub struct Clients {
    table: HashMap<IpAddr, Client>,
    most: usize,
    most_missing: u64,
    times_full: u64,
}

impl Default for Clients {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Clients {
    /// A table for so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { table: HashMap::new(), most: most.max(2), most_missing: 0, times_full: 0 }
    }

    /// Notes a request, and the rule that refused it; whether that is the first refusal of this client by it.
    pub fn note(&mut self, client: IpAddr, refused_by: Option<usize>) -> bool {
        if self.table.len() >= self.most && !self.table.contains_key(&client) {
            self.make_room();
        }
        let entry = match self.table.entry(client) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Client::default()),
        };
        entry.asked += 1;
        refused_by.is_some_and(|rule| entry.refuse(rule))
    }

    /// How many there are; more than so many, once [`times_full`](Self::times_full) is not 0.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.times_full > 0 { self.most } else { self.table.len() }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them were refused something, or at least were, once [`times_full`](Self::times_full) is not 0.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.table.values().filter(|client| client.refused > 0).count()
    }

    /// How many of them were refused everything; `None` once [`times_full`](Self::times_full) is not 0, as what passed of a
    /// client that was forgotten since is not known.
    #[must_use]
    pub fn locked_out(&self) -> Option<usize> {
        let is_out = |client: &&Client| client.refused > 0 && client.refused == client.asked;
        (self.times_full == 0).then(|| self.table.values().filter(is_out).count())
    }

    /// Refusals that may be missing in the count of a client.
    #[must_use]
    pub fn most_missing(&self) -> u64 {
        self.most_missing
    }

    /// How often the table was full.
    #[must_use]
    pub fn times_full(&self) -> u64 {
        self.times_full
    }

    /// Those that were refused most, most first.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<(IpAddr, Client)> {
        let mut all: Vec<_> = self
            .table
            .iter()
            .filter(|(_, client)| client.refused > 0)
            .map(|(ip, client)| (*ip, *client))
            .collect();
        all.sort_by_key(|(ip, client)| (Reverse(client.refused), client.asked, *ip));
        all.truncate(count);
        all
    }

    /// Gives up the half that was refused least, and of equals those that asked least.
    fn make_room(&mut self) {
        let mut all: Vec<_> =
            self.table.iter().map(|(ip, client)| (client.refused, client.asked, *ip)).collect();
        let half = all.len() / 2;
        let (_, middle, _) = all.select_nth_unstable(half);
        let middle = *middle;
        let mut missing = 0;
        self.table.retain(|ip, client| {
            let stays = (client.refused, client.asked, *ip) >= middle;
            if !stays {
                missing = missing.max(client.refused);
            }
            stays
        });
        self.most_missing += missing;
        self.times_full += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::Clients;

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn counts_are_exact_while_there_is_room() {
        let mut clients = Clients::new(8);
        assert!(!clients.note(ip(1), None));
        assert!(clients.note(ip(1), Some(3)), "the first of this rule");
        assert!(!clients.note(ip(1), Some(3)));
        assert!(clients.note(ip(1), Some(0)));
        for rule in 4..9 {
            clients.note(ip(2), Some(rule));
        }
        clients.note(ip(3), None);
        let top = clients.top(10);
        assert_eq!(top.iter().map(|(ip, _)| *ip).collect::<Vec<_>>(), [ip(2), ip(1)]);
        assert_eq!((top[1].1.asked, top[1].1.refused), (4, 3));
        assert_eq!(top[1].1.by(), [(Some(3), 2), (Some(0), 1)]);
        assert_eq!(top[0].1.by(), [(Some(4), 1), (Some(5), 1), (Some(6), 1), (None, 2)]);
        assert_eq!((clients.len(), clients.refused(), clients.locked_out()), (3, 2, Some(1)));
        assert_eq!(clients.most_missing(), 0);
    }

    #[test]
    fn who_is_refused_most_stays_whatever_comes() {
        let mut clients = Clients::new(64);
        let mut refused = 0;
        for round in 0..10_000_u32 {
            clients.note(ip(1_000 + round), (round % 3 == 0).then_some(1));
            if round % 7 == 0 {
                refused += 1;
                clients.note(ip(7), Some(0));
            }
        }
        assert!(clients.table.len() <= 64);
        assert_eq!(
            (clients.len(), clients.locked_out()),
            (64, None),
            "what is not known is not told"
        );
        assert!(clients.times_full() > 100);
        let (first, client) = clients.top(1)[0];
        assert_eq!(first, ip(7));
        assert!(client.refused <= refused);
        assert!(client.refused + clients.most_missing() >= refused);
    }

    #[test]
    fn rules_beyond_those_that_can_be_told_are_no_mistake() {
        let mut clients = Clients::new(8);
        assert!(!clients.note(ip(1), Some(128)), "not told apart");
        assert!(!clients.note(ip(1), Some(usize::MAX)));
        assert_eq!(clients.top(1)[0].1.refused, 2);
    }
}
