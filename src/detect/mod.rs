//! Unusual traffic: noticed, explained, and answered.
//!
//! A flood is much traffic, but much traffic is not yet a flood. So volume alone makes a gate watchful and no
//! more; what convicts is that the excess is concentrated on few sources or few kinds of requests, that the
//! mix of requests has changed, that its sources have never been seen before, or that the service does not
//! stand it. All of that is compared with what is usual *here*, which is learned while nothing is unusual.
//!
//! ```text
//! every request  ->  watch    counts, sketches, a sample of requests            (no lock is waited for)
//! once a second  ->  judge    usual? concentrated? another mix? new? loaded?    -> Evidence
//!                ->  posture  normal, elevated, overload, defend, lockdown      -> Event
//!                ->  answer   mitigations, shares for unknown clients, shedding -> what checks ask
//! ```
//!
//! Everything is judged on the traffic that is *offered*, before the gate refuses any of it: otherwise
//! success would look like the end of the attack.
//!
//! | part | idea |
//! |---|---|
//! | `posture`, `defence`, `ranges` | how far the gate may go, and all numbers that it goes by |
//! | `seen` | what is remembered of a sampled request |
//! | `keyed` | one hash for all estimates, the same after a restart |
//! | `sketch` | hot keys, distinct counts, known networks, latencies, samples: fixed memory, error bounds |
//! | `counted` | what one tick has to say |
//! | `judge` | baselines, the mix, evidence, load |
//! | `machine` | the posture, with hysteresis |
//! | `search` | a signature that most of the excess has, and next to nothing of the usual traffic |
//! | `mitigation` | such signatures as rules that expire |
//! | `admission` | adaptive concurrency, classes, and how unknown clients come back |
//! | `event`, `sentence` | what is told, in words and numbers |
//! | `talkers` | who asks for most, for people who look |
//! | `untold` | what a subscriber has not been told yet |
//! | `recorder`, `incident` | what is kept of it: events until they are read, and a report |
//! | `saved`, `packed` | what is known, over a restart |
//! | `watch`, `brain` | the two halves put together |
//!
//! # Invariants
//! - **I1** no clock, no thread, no I/O: time is an argument, and the checks themselves run what is due;
//! - **I2** memory is fixed at construction; what an attacker sends makes none of it grow;
//! - **I3** a request waits for nobody: a sample that another thread is in the way of is dropped and counted;
//! - **I4** once enough is known to tell, what is usual is learned in posture normal only, and more slowly than the
//!   rate that `judge` documents.
//!
//! # Sources
//! Flash crowds and attacks differ by their networks: Jung, Krishnamurthy, Rabinovich, "Flash crowds and
//! denial of service attacks", WWW 2002. One random level for each request: Ben Basat et al., "Constant time
//! updates in hierarchical heavy hitters", SIGCOMM 2017.

#![cfg_attr(
    not(all(feature = "config", feature = "__reference")),
    allow(dead_code, unused_imports, reason = "texts, snapshots and models ask for more")
)]

mod admission;
mod brain;
mod counted;
mod defence;
mod event;
mod evidence;
mod incident;
mod judge;
mod keyed;
mod machine;
mod mitigation;
#[cfg(feature = "serde")]
mod packed;
mod posture;
mod ranges;
mod recorder;
#[cfg(feature = "serde")]
mod saved;
mod search;
mod seen;
mod sentence;
mod sketch;
mod talkers;
#[cfg(feature = "tracing")]
mod untold;
mod watch;

#[cfg(any(test, feature = "__reference"))]
#[doc(hidden)]
pub use self::sketch::reference as sketches;
pub(crate) use self::{
    counted::{Counted, Heat, Hot, Latency},
    defence::MOST_DIMENSIONS,
    incident::{Matched, Totals},
    keyed::KeyedHash,
    mitigation::{Applied, Deed},
    ranges::{NAMES, Number, PARAMETERS, Parameter, Range},
    seen::{Dimension, Keys, Seen, Shape, Text, Words},
    sentence::Culprit,
    talkers::Talker,
    watch::{Detector, Flight, Glance, Refused, Shed, Who, Word},
};
pub use self::{
    defence::{Defence, Parameters},
    event::{Event, EventKind},
    evidence::Evidence,
    incident::{Attacker, Harm, Incident, Moment, Step},
    mitigation::{EditError, Ladder, MitigationInfo},
    posture::{Posture, PostureParseError},
};
#[cfg(test)]
pub(crate) use self::{
    machine::{Machine, Signs, Turn},
    recorder::Recorder,
    search::Signature,
};
#[cfg(feature = "serde")]
pub(crate) use self::{packed::Packed, saved::DetectSnapshot};
