//! Limits of a fleet on real servers: Redis, and Valkey where there is one.
//!
//! The tests start servers themselves, each its own, found by `PORTCULLIS_REDIS_SERVER`, `PORTCULLIS_VALKEY_SERVER` or
//! the search path. Where there is none they say so; with `PORTCULLIS_REQUIRE_REDIS=1` that is a failure.
//!
//! | module | what |
//! |---|---|
//! | `server` | a server in a folder of its own, which can be killed, stopped and started again |
//! | `node` | a node of a fleet, whose checks are timed |
//! | `proxy` | a way to the server that takes its time |
//! | `exact` | the script against the exact reference, step by step |
//! | `script` | what the script is called, costs, and leaves behind |
//! | `parallel` | many tasks, many nodes, many processes on one key |
//! | `faults` | everything that a server can do instead of answering |
//! | `keys` | keys that hold something else, and clocks that step |
//! | `leaving` | clients that do not wait for answers |
//! | `gate` | all of that in a gate |
//! | `cluster` | two limits in one call, slots that move |

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests start servers, have a clock, and print what they could not test"
)]

mod cluster;
mod exact;
mod faults;
mod gate;
mod keys;
mod leaving;
mod node;
mod parallel;
mod proxy;
mod script;
mod server;
