//! Coming from elsewhere: what the words of others are here, what is different, and where it hurts.
//!
//! Each chapter has a table of equivalents, the same limits there and here, and the traps. What is said of ours is run as
//! a test; what is said of others was read in their sources and documentation, in the versions that the chapters name.
//! They go on, so if one of them does better by now, that chapter is wrong and not they.
//!
//! | you know | it is | the chapter | the trap |
//! |---|---|---|---|
//! | governor | a limiter for Rust, GCRA | [`governor`] | it wants to know how many keys; the time is yours |
//! | tower_governor | governor as a tower layer | [`tower_governor`] | `per_second(2)` is one each two seconds there |
//! | actix-governor | governor as a middleware of actix-web | [`actix_governor`] | bursts of 8 unless said otherwise there, of the count here |
//! | nginx | `limit_req`, `limit_conn`, `allow` and `deny` | [`nginx`] | `burst=20` is 21 at once; nothing is delayed here |
//! | Rack::Attack | throttles and bans for Ruby | [`rack_attack`] | periods there, buckets here; a proxy is trusted unasked there |
//! | Cloudflare | rules and rate limits at the edge | [`cloudflare`] | a ban by an address alone is for everything |
//!
//! # The words
//!
//! | here | governor | nginx | Rack::Attack | Cloudflare |
//! |---|---|---|---|---|
//! | a limit | `RateLimiter` | `limit_req_zone`, `limit_req` | `throttle` | rate limiting rule |
//! | `quota = "10/s"` | `Quota::per_second(10)` | `rate=10r/s burst=9 nodelay` | `limit: 10, period: 1` | 10 requests, 10 seconds at least |
//! | `burst 40` | `.allow_burst(40)` | `burst=39` | | |
//! | `by = [..]` | the key | the variable of the zone | the discriminator | characteristics |
//! | `when` | | `location`, `map` | the block | expression |
//! | `count_if` | | | | counting expression |
//! | `then = { ban = "1m" }` | | | `Fail2Ban`, `Allow2Ban` | mitigation timeout |
//! | `in_flight` | | `limit_conn` | | |
//! | `exempt` | | `geo` and an empty key | `safelist_ip` | IP Access rule, allow |
//! | `deny` | | `deny` | `blocklist_ip` | IP Access rule, block |
//! | `[[rule]]` | | `if`, `return` | `safelist`, `blocklist` | custom rule |
//! | `$list` | | `geo` | | custom list |
//! | `mode = "shadow"` | | dry run | `track` | action *Log* |
//! | `[client] trust` | | `set_real_ip_from` | Rack's own | |
//! | `scope = "fleet"` | | | cache store | |
//! | `posture` | | | | Under Attack mode |
//!
//! # The same one limit, six times
//! Ten a second for each client, forty at once:
//!
//! ```
//! use portcullis::{Gate, Quota, Request, Timestamp};
//! use std::net::IpAddr;
//!
//! // governor:        Quota::per_second(10).allow_burst(40), keyed by the address
//! // tower_governor:  .per_millisecond(100).burst_size(40)
//! // actix-governor:  .requests_per_second(10).burst_size(40)
//! // nginx:           rate=10r/s, burst=39 nodelay
//! // Rack::Attack:    limit: 100, period: 10 is as near as it comes: 100 at once
//! // Cloudflare:      100 requests per 10 seconds, throttle: likewise
//! let ours = "[[limit]]\nname = 'per client'\nquota = '10/s burst 40'";
//! let in_code = Gate::builder().limit("per client", Quota::per_second(10).burst(40)).build()?;
//!
//! let client: IpAddr = "203.0.113.9".parse()?;
//! for gate in [Gate::from_toml(ours)?, in_code] {
//!     let passes = |ms| gate.check(&Request::new(client), Timestamp::from_millis(ms)).is_admitted();
//!     assert_eq!((0..1_000).filter(|_| passes(1_000)).count(), 40);
//!     assert_eq!((1_001..=2_000).filter(|ms| passes(*ms)).count(), 10);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc = include_str!("coming_from/actix_governor.md")]
pub mod actix_governor {}
#[doc = include_str!("coming_from/cloudflare.md")]
pub mod cloudflare {}
#[doc = include_str!("coming_from/governor.md")]
pub mod governor {}
#[doc = include_str!("coming_from/nginx.md")]
pub mod nginx {}
#[doc = include_str!("coming_from/rack_attack.md")]
pub mod rack_attack {}
#[doc = include_str!("coming_from/tower_governor.md")]
pub mod tower_governor {}
