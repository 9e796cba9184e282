//! Traffic in virtual time: a service, its visitors, and those who attack it, in front of a gate that has
//! learned what is usual and defends by itself.
//!
//! An hour of traffic takes about a second. Nothing here reads a clock or does any input or output, so a run
//! is the same everywhere; a seed decides all that is sent. (What the gate draws by itself, the keys of its
//! hashes, is not decided by it.)
//!
//! | module | what is in it |
//! |---|---|
//! | `play` | learning in peace, and playing a scenario after it |
//! | `scenario` | the scenarios |
//! | `world` | the agenda: what is due, in its order |
//! | `people`, `attack` | who asks |
//! | `service` | what answers: a queue and workers |
//! | `logs` | access logs of real services, instead of people |
//! | `gatekeeper` | the gate; nothing else speaks to its defence |
//! | `measure`, `table` | what became of it |
//! | `ask`, `site`, `random` | one request, what there is to ask for, and chance |

#![allow(
    dead_code,
    reason = "the program shows what the tests do not look at, and the other way round"
)]

pub(crate) mod ask;
mod attack;
pub(crate) mod gatekeeper;
pub(crate) mod logs;
pub(crate) mod measure;
mod people;
pub(crate) mod play;
pub(crate) mod random;
pub(crate) mod scenario;
mod service;
mod site;
pub(crate) mod table;
mod world;
