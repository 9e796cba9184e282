//! The scenarios: what happens after the gate has learned what is usual.

use super::{
    attack::{Kind, Speed},
    play::RATE,
};

/// What happens, in seconds after the end of learning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// In a few words.
    pub(crate) says: &'static str,
    pub(crate) trouble: Trouble,
    /// When the trouble starts and ends, and when the scenario does.
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) end: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Attack(Kind, Speed),
    /// The same, and the gate is restarted so many seconds after the start of the scenario.
    Restart(Kind, Speed, u64),
    /// So many times the usual number of visitors, all of them ordinary.
    Crowd(f64),
    /// The service takes so many times as long.
    Slow(f64),
}

impl Scenario {
    /// What people call it who look for it.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }

    /// When the gate is restarted.
    pub(crate) fn restart(&self) -> Option<u64> {
        match self.trouble {
            Trouble::Restart(.., at) => Some(at),
            _ => None,
        }
    }
}

const fn attack(name: &'static str, says: &'static str, kind: Kind, times: f64) -> Scenario {
    let trouble = Trouble::Attack(kind, Speed::Steady(times * RATE));
    Scenario { name, says, trouble, from: FROM, until: FROM + LASTS, end: FROM + LASTS + AFTER }
}

/// Of most attacks: when they start, how long they last, and how long they are followed by peace. Without
/// optimisation a request takes fifty times as long, so that there are less of them.
const FROM: u64 = 45;
const LASTS: u64 = if cfg!(debug_assertions) { 40 } else { 180 };
const AFTER: u64 = if cfg!(debug_assertions) { 240 } else { 300 };

pub(crate) const ALL: [Scenario; 11] = [
    attack("one-net", "10x from one /24", Kind::OneNet, 10.0),
    attack("fifty-nets", "8x from fifty /24s", Kind::FiftyNets, 8.0),
    attack("scattered", "8x from 5,000 hosts on one path", Kind::Scattered, 8.0),
    attack("one-shot", "5x, every request from a new source, as a visitor's", Kind::OneShot, 5.0),
    attack("cache-busting", "6x random queries from 300 hosts", Kind::CacheBusting, 6.0),
    attack("login-stuffing", "5x POST /login from 300 hosts", Kind::Login, 5.0),
    Scenario {
        name: "slow-ramp",
        says: "from nothing to 5x in 30 minutes",
        trouble: Trouble::Attack(Kind::FiftyNets, Speed::Rising(5.0 * RATE)),
        from: 30,
        until: 1_830,
        end: 2_130,
    },
    Scenario {
        name: "pulses",
        says: "6x for 20 s, then nothing for 40 s, for 30 minutes",
        trouble: Trouble::Attack(
            Kind::FiftyNets,
            Speed::Pulses { rate: 6.0 * RATE, on: 20, off: 40 },
        ),
        from: 30,
        until: 1_830,
        end: 2_430,
    },
    Scenario {
        name: "restart",
        says: "8x from fifty /24s, and the gate is restarted in the middle",
        trouble: Trouble::Restart(Kind::FiftyNets, Speed::Steady(8.0 * RATE), FROM + LASTS / 2),
        from: FROM,
        until: FROM + LASTS,
        end: FROM + LASTS + AFTER,
    },
    Scenario {
        name: "flash-crowd",
        says: "3.4x as many visitors within 40 minutes, for one page",
        trouble: Trouble::Crowd(3.4),
        from: 30,
        until: 2_430,
        end: 3_030,
    },
    Scenario {
        name: "slow-backend",
        says: "every answer takes 10x as long for 5 minutes",
        trouble: Trouble::Slow(10.0),
        from: 30,
        until: 330,
        end: 630,
    },
];
