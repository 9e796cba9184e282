//! What a gate tells a subscriber of [`tracing`](https://docs.rs/tracing) (feature `tracing`): what it refuses, and what
//! has happened to it.
//!
//! | target | level | event | fields |
//! |---|---|---|---|
//! | [`DENY`] | DEBUG | `denied` | `rule`, `kind`, `stage`, `reason`, `status`, `retry_after_ms`, `enforced` |
//! | [`DENY`] | DEBUG | `denied in shadow` | `rule`, `kind`, `stage`, `enforced` = false |
//! | [`DEFENCE`] | WARN | `posture raised` | `from`, `to`, and the numbers of that tick |
//! | [`DEFENCE`] | INFO | `posture lowered` | the same |
//! | [`DEFENCE`] | INFO | `posture latched` | the numbers of that tick |
//! | [`DEFENCE`] | INFO | `mitigation found` | `mitigation`, `covers`, `harms` |
//! | [`DEFENCE`] | INFO | `mitigation throttles`, `mitigation denies`, `mitigation ended` | `mitigation`, `matched` |
//! | [`DEFENCE`] | INFO | `unknown clients are held`, `unknown clients are served again` | `rate`, requests a second |
//! | [`DEFENCE`] | INFO | `an operator has intervened`, `events were left out` | `left_out` |
//! | [`FLEET`] | WARN | `the store is taken to be away` | `calls`, `timeouts`, `failures`, `fallbacks`, all since the start |
//! | [`FLEET`] | INFO | `the store answers again` | the same |
//! | [`CONFIG`] | INFO | `reloaded` | `rules`, `limits` |
//! | [`CONFIG`] | WARN | `reload refused` | `mistakes`, `suppressed` |
//! | [`CLIENT`] | WARN | `requests without a peer address` | `missing_peer`, how many so far; `help`, `suppressed` |
//! | [`ROOM`] | WARN | `too little room` | since it was last told: `unseated` requests of clients without a place in a limit, `displaced` bans |
//!
//! Names (`rule`, `mitigation`) are those of [`Denial::name`](crate::Denial::name); `kind` is `own`, `rule` or `limit`.
//! The numbers of a tick are those of [`Evidence`](crate::detect::Evidence): `times_usual`, `offered` and `usual` (requests
//! a second), `attack` and `load` (0 to 100), `new` (0 to 1).
//!
//! What would be denied is told with the same target and level as what is, with `enforced` = false: by a gate that only
//! observes, as `denied`, and by a rule or limit in shadow, as `denied in shadow`. Who tries a rule out asks the very
//! question that a refusal answers, and one filter shows both.
//!
//! # Invariants
//! - **I1** nothing that a client has sent is told: no address, no network, no path, no header. Names are the
//!   configuration's or the gate's own, the rest is numbers and words of the library. The conditions of mitigations
//!   and the sentences of [`Gate::events`](crate::Gate::events) name networks and paths, for people to read: they are
//!   to be had there, and are not told here;
//! - **I2** WARN is told at most once a second by each gate for each target, by the `now` of checks, whatever clients
//!   do; `suppressed` is how many there were in between. A posture that is raised within a second of the one before is
//!   told as INFO instead, so that none is missing;
//! - **I3** each event of the defence is told once, in its order, by one thread at a time; others do not wait for it;
//! - **I4** the subscriber is called with no lock held, after all that a check changes has been changed. If it panics,
//!   the check does, and the gate goes on.
//!
//! # Cost
//! Without a subscriber, or one that asks for less, a relaxed load for a check and another one for a denial. With one, a
//! few loads more, and what the subscriber does: where a flood is refused, DEBUG is an event for each refusal, so it is
//! for looking closer, and WARN and INFO for every day. (Who listens through the crate `log` alone is told nothing: a
//! subscriber has to be there.)
//!
//! # Example: what is refused, on a console
//! ```text
//! tracing_subscriber::fmt().with_env_filter("info,portcullis::deny=debug").init();
//! ```

#[cfg(not(feature = "tracing"))]
mod silent;
#[cfg(feature = "tracing")]
mod sparse;
#[cfg(feature = "tracing")]
mod teller;

#[cfg(not(feature = "tracing"))]
pub(in crate::gate) use self::silent::Tracer;
#[cfg(feature = "tracing")]
pub(in crate::gate) use self::teller::Tracer;

/// Requests that are denied.
#[cfg(feature = "tracing")]
pub const DENY: &str = "portcullis::deny";
/// What the gate notices and does by itself.
#[cfg(feature = "tracing")]
pub const DEFENCE: &str = "portcullis::defence";
/// The store that a fleet shares.
#[cfg(feature = "tracing")]
pub const FLEET: &str = "portcullis::fleet";
/// Changes of the whole gate.
#[cfg(feature = "tracing")]
pub const CONFIG: &str = "portcullis::config";
/// What the server does not tell of clients.
#[cfg(feature = "tracing")]
pub const CLIENT: &str = "portcullis::client";
/// Tables that are too small for the traffic.
#[cfg(feature = "tracing")]
pub const ROOM: &str = "portcullis::room";

#[cfg(all(test, feature = "tracing"))]
mod tests;
