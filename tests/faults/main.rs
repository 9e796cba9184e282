//! What goes wrong around the library is made to go wrong: code of the caller's that panics, memory that cannot be had,
//! clocks that jump, reloads in the middle of everything, snapshots that are damaged.
//!
//! # Hooks
//! Each piece of code of the caller's that the library runs panics at its first call, at its second, and so on until it is
//! not called any more. Afterwards the limits are exact (what was interrupted has taken its units once or not at all, and no
//! place in flight is lost), no lock stays held, and all goes on. Other threads look at that, with a time limit.
//!
//! | code of the caller's | that runs in | test |
//! |---|---|---|
//! | `Headers::first`, `Headers::visit` | [`Gate::check`], with rules, limits by headers, places in flight, trust, defence, a candidate | `hooks::gates::headers` |
//! | the same | `Gate::start`, `Gate::resume`, `Gate::explain` | `hooks::gates::headers_of_a_fleet` |
//! | `Hash`, `Eq`, `Clone`, `Drop` of a key | `ExactLimiter`: checks, charges, pardons, quotas of its own, `iter`, displacement | `hooks::keys::exact_*` |
//! | the same, and `Serialize`, `Deserialize` | `ExactLimiter::snapshot`, `restore` | `hooks::keys::exact_snapshots` |
//! | the same | `KeyedWindow` | `hooks::keys::windows` |
//! | `Hash` of a key | `KeyedLimiter`, `KeyedPermits` | `hooks::keys::hashes` |
//! | `Limit` | `limit::check_all` | `hooks::keys::members` |
//! | `Iterator` | `AddressLimiter::new`, `CidrSet`, `CidrMap`, `Live::edit`, `LimitRule::by` | `hooks::tables::iterators` |
//! | `Hash`, `Eq`, `Clone`, `Drop` of a value; the closure of `retain` | `CidrMap`, `Live<CidrMap>` | `hooks::tables::values`, `live_values` |
//! | `Iterator` | `GateLists::edit`, `Gate::set_candidate` | `hooks::gates::changes` |
//! | `Subscriber` of `tracing` | checks, ticks, reloads that are done and refused, orders of an operator | `hooks::gates::subscribers` |
//! | `Recorder` of `metrics`, its handles | `MetricsPublisher::publish` | `hooks::gates::recorders` |
//! | the visitor | `GateMetrics::each`, `Request::each_header` | `hooks::gates::visitors` |
//! | `Store::call`, `sleep`, `keep`, `clone`; the clock | `Gate::check_with`, `Fleet::check` | `hooks::fleets::stores` |
//! | `Waker` | who waits for the call of another | `hooks::fleets::wakers` |
//! | `peer`, `describe`, `on_deny`, `clock`; the service, its future and its body | `GateLayer`, with and without a store | `hooks::adapters::layers` |
//! | the same | `GateMiddleware` of actix-web, with and without a store | `hooks::adapters::middleware` |
//! | `Listener::accept`, `PeerAddr`, `clock`, reading and writing | `GateListener`, `GateIo` | `hooks::adapters::listeners` |
//! | `allow_viewing`, `allow_actions`, `clock`, a subscriber of `tracing` | `StatusPage` | `hooks::adapters::pages` |
//!
//! Code that panics a second time while the first panic unwinds ends the process, as everywhere in Rust; so does a clock that
//! does so where a response's body is dropped. That is not tried.
//!
//! # The rest
//! `allocation`: constructors that promise an error for want of memory give it. `clocks`: random walks of time. `reloads`:
//! everything at once, with exact counts at the end. `snapshots`: damage at every byte.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test, which measures how long it waits, and prints its seeds"
)]

mod allocation;
mod clocks;
mod hooks;
mod reloads;
mod snapshots;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::mpsc,
    thread,
    time::Duration,
};

use portcullis::Timestamp;

/// Nothing here takes a thousandth of it, unless it waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does this on a thread of its own, and does not wait for ever.
///
/// A panic there is one here.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let worker = thread::spawn(move || {
        let result = work();
        let _ = tell.send(());
        result
    });
    match told.recv_timeout(PATIENCE) {
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        },
        Err(mpsc::RecvTimeoutError::Timeout) => {
            panic!("{what}: not done in {PATIENCE:?}; somebody keeps a lock")
        }
    }
}

/// Numbers without a pattern, the same for the same seed (splitmix64).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

fn peer(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 | number).into()
}

const fn secs(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}
