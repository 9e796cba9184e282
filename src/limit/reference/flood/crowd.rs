//! Clients, and when each of them comes.
//!
//! Everybody is part of a crowd: the known good clients, the new ones, the abuser, the attack, squatters. A
//! crowd has a role, a way to space its requests, a way to choose who of it comes next, and networks
//! that its clients live in. Its random numbers are its own, so that one crowd does not change what
//! another does: the good clients of all stories do the same.

/// One client: an address, of which the first half is its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    network: u32,
    host: u32,
}

impl Client {
    /// What a limit per client is kept by.
    #[must_use]
    pub const fn key(self) -> u64 {
        (self.network as u64) << 32 | self.host as u64
    }

    /// What a limit per network is kept by: the part that an attacker does not have many of, unless he
    /// writes what he likes where his address should be.
    #[must_use]
    pub const fn network(self) -> u32 {
        self.network
    }
}

/// Which part somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A good client that comes again and again.
    Known,
    /// A good client that comes once.
    New,
    /// One client that asks far too often.
    Abuser,
    /// A key of the flood.
    Attacker,
    /// A patient key of the attacker's.
    Squatter,
}

/// Where clients live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// In so many networks, in which no good client lives.
    Networks(u64),
    /// Each in a network of his own, as good clients do; as an attack, all addresses are forged.
    Everywhere,
}

impl Spread {
    /// What an attacker has who rents or took over machines in many places: 200 networks, each large
    /// enough for all the keys he wants (a /48 of IPv6).
    pub(super) const fn networks(scale: u64) -> Self {
        Self::Networks(200_u64.div_ceil(scale))
    }
}

/// How a crowd spaces its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gaps {
    /// Always so many nanoseconds apart.
    Even(u64),
    /// A Poisson process with so many nanoseconds between two on average.
    Random(u64),
}

/// Who of a crowd comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turns {
    /// One after the other of so many, and again from the first.
    Round(u64),
    /// One of so many, drawn.
    Drawn(u64),
    /// One who was never there.
    Once,
}

/// Many clients with one role.
#[derive(Debug)]
pub(super) struct Crowd {
    role: Role,
    next_at: u64,
    gaps: Gaps,
    turns: Turns,
    spread: Spread,
    came: u64,
    draws: Draws,
}

impl Crowd {
    /// A crowd whose first client comes at the earliest at `from`, in nanoseconds.
    pub(super) fn new(
        role: Role,
        from: u64,
        gaps: Gaps,
        turns: Turns,
        spread: Spread,
        seed: u64,
    ) -> Self {
        let draws = Draws { state: mixed(seed << 3 | role as u64) };
        let mut crowd = Self { role, next_at: from, gaps, turns, spread, came: 0, draws };
        crowd.wait();
        crowd
    }

    pub(super) const fn role(&self) -> Role {
        self.role
    }

    pub(super) const fn next_at(&self) -> u64 {
        self.next_at
    }

    /// Whether its clients come more than once.
    pub(super) const fn comes_back(&self) -> bool {
        !matches!(self.turns, Turns::Once)
    }

    /// Who comes now; then the next one is awaited.
    pub(super) fn come(&mut self) -> Client {
        let nth = match self.turns {
            Turns::Round(number) => self.came % number,
            Turns::Drawn(number) => self.draws.next() % number,
            Turns::Once => self.came,
        };
        self.came += 1;
        self.wait();
        let host = (self.role as u32) << 29 | u32::try_from(nth).expect("below 2^29 of a role");
        let network = match self.spread {
            Spread::Networks(number) => nth % number,
            Spread::Everywhere => mixed(host.into()) >> 32,
        };
        Client { network: network as u32, host }
    }

    fn wait(&mut self) {
        self.next_at += match self.gaps {
            Gaps::Even(gap) => gap,
            Gaps::Random(mean) => (-self.draws.fraction().ln() * mean as f64) as u64,
        };
    }
}

/// Numbers that look random: a counter, and a mixer that lets nobody see it.
#[derive(Debug)]
struct Draws {
    state: u64,
}

impl Draws {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.state)
    }

    /// More than nothing, at most one.
    fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

/// Every bit of the result depends on every bit of the number, and no two numbers have the same one.
pub(super) const fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let number = (number ^ number >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    number ^ number >> 32
}
