//! The adversarial catalogue: what has gone wrong in others' limiters, filters and servers, tried on this one.
//!
//! One file for each class, with its identifiers, the attack, what stops it here, and which line was changed to see the tests fail. They ask
//! as users and attackers do: through the public interface, mostly of a gate from a text and through the layer. What the library's own tests
//! try closer by is cited, not repeated. Nothing is timed: where cost is the attack, `benches/linear.sh` counts instructions, and what would
//! take for ever here does not end.
//!
//! | row | class | file | what fails when the protection is removed |
//! |--:|---|---|---|
//! | 1 | integer overflow in rates and times | `r01_overflow.rs` | 213,505 units pass a bucket of ten; an upload of 2⁶³ bytes costs one unit |
//! | 2 | clocks that step back or jump | `r02_clocks.rs` | 41 of 40 with clocks a second apart |
//! | 3 | more than the limit in some interval | `r03_windows.rs` | 4 of 3 in 250 ms; the double burst of a fixed window |
//! | 4 | refusals that take from limits | `r04_denials.rs` | a flood of refusals uses up the limit of all |
//! | 5 | lost updates | `r05_races.rs` | four threads get more than 100,000 |
//! | 6 | memory for each invented key | `r06_memory.rs` | more bans than were asked for; stores of nothing |
//! | 7 | being forgotten on purpose | `r07_eviction.rs` | the attacker starts afresh after 120 addresses; a long ban is displaced by short ones |
//! | 8 | keys that collide | `r08_hashes.rs` | keys found in one store leave half of each other one unused |
//! | 9 | keys that look alike | `r09_keys.rs` | two clients are one subject of a fleet's store |
//! | 10 | IPv4 as IPv6 | `r10_mapped.rs` | who is banned, denied or limited passes in the other spelling |
//! | 11 | odd texts of addresses | `r11_addresses.rs` | `010.8.8.8` is a prefix, and a client |
//! | 12 | rotation inside of a /64 | `r12_rotation.rs` | 65,536 requests of one client pass a limit of 20 |
//! | 13 | forwarding headers that clients write | `r13_forwarded.rs` | a header in the open is a new client, an exemption, a ban of somebody else |
//! | 14 | paths that are read differently | `r14_paths.rs` | `/%61dmin`, `/./admin` and `/\admin` pass a rule about `/admin` |
//! | 15 | patterns that texts make slow | `r15_patterns.rs` | `x{100000}` and 80 groups in groups are taken |
//! | 16 | requests that are taken back | `r16_resets.rs` | 10,000 resets pass a limit of 100; places stay taken |
//! | 17 | configurations that take the gate down | `r17_reload.rs` | a refused text has switched the gate off |
//! | 18 | changes seen in parts, or late | `r18_torn.rs` | the name of one version with the tags of another; version 27 after 28 has returned |
//! | 19 | failing open | `r19_failing_open.rs` | a store that answers nonsense admits everybody |
//! | 20 | callbacks that panic | `r20_panics.rs` | places of requests that panic are never free again |
//! | 21 | injection into responses | `r21_headers.rs` | `application/grpc+<script>` comes back |
//! | 22 | waits that are wrong | `r22_retry_after.rs` | who waits as told is refused again |
//! | 23 | injection into logs, and who is told of there | `r23_logs.rs` | an escape sequence reaches a terminal; a secret is shown |
//! | 24 | secrets found out by timing | none | nothing here compares a secret: keys are hashed with one, and nothing tells a client which place a hash has. Guards of the status page are the service's own. That look-ups in lists take as long as they take is said in `SECURITY.md` |
//! | 25 | numbers that are cut to fit | `r25_widths.rs` | 4,294,967,296 places are another number; a length of 65,939 is 403 |
//! | 26 | the troubles of dependencies | `r26_dependencies.rs` | a third crate for everybody; `unsafe` only denied |
//! | 27 | what a client says of its own connection and host | `r27_claims.rs` | `https://` in a target is an encrypted connection; `Host: admin.example` passes a rule about that host |
//!
//! What needs other processes is in `tests/e2e`: a real Redis that fails (`fleet/faults.rs`, row 19; `fleet/keys.rs`, row 9; `fleet/leaving.rs`, row
//! 16), a real nginx (`frameworks/nginx.rs`, row 13), connections and HTTP/2 (`frameworks/`, rows 3, 16, 21). What has to be tried in all orders is
//! in the models for `loom` (rows 5 and 18).

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests start threads and say what they have seen"
)]

mod support;

mod r01_overflow;
mod r02_clocks;
mod r03_windows;
mod r04_denials;
mod r05_races;
mod r06_memory;
mod r07_eviction;
mod r08_hashes;
mod r09_keys;
mod r10_mapped;
mod r11_addresses;
mod r12_rotation;
mod r13_forwarded;
mod r14_paths;
mod r15_patterns;
mod r16_resets;
mod r17_reload;
mod r18_torn;
mod r19_failing_open;
mod r20_panics;
mod r21_headers;
mod r22_retry_after;
mod r23_logs;
mod r25_widths;
mod r26_dependencies;
mod r27_claims;
