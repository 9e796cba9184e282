//! What an operator can do, read from a text that may be anything.
//!
//! # Invariants
//! - **I1** of a text that is not exactly one of these actions nothing is done;
//! - **I2** at most [`MOST_BYTES`] of it are kept;
//! - **I3** what is kept of it, a ban's reason, is printable and short.

use alloc::{format, string::String, vec::Vec};
use core::{
    future::poll_fn,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    time::Duration,
};

use axum::body::Body;
use futures_core::Stream;
use http::StatusCode;
use ipnet::IpNet;
use serde::Deserialize;

use super::reply::Done;
use crate::{
    detect::Posture,
    gate::{Gate, Mode},
    time::Timestamp,
};

/// No action needs more.
pub(super) const MOST_BYTES: usize = 8 * 1_024;
/// The longest time of a ban, a posture or a drill, in seconds: 30 days.
const LONGEST: u64 = 30 * 24 * 60 * 60;
/// Characters of a reason that are kept.
const REASON: usize = 200;
/// Characters of a complaint.
const COMPLAINT: usize = 300;
/// The widest networks that can be banned.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 16;

/// `{"act":"unban","net":"192.0.2.0/24"}` and so on.
#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Act {
    Unban {
        net: String,
    },
    Ban {
        net: String,
        seconds: u64,
        #[serde(default)]
        reason: String,
    },
    Mode {
        mode: Mode,
    },
    Force {
        posture: Posture,
        seconds: u64,
    },
    // With braces, because unknown fields of others are not refused.
    Release {},
    Drill {
        seconds: u64,
    },
    Pin {
        name: String,
    },
    Remove {
        name: String,
    },
}

/// The body, if it is not too long.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Done> {
    let mut data = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(chunk) = poll_fn(|context| Pin::new(&mut data).poll_next(context)).await {
        let chunk = chunk.map_err(|_| {
            Done::no(StatusCode::BAD_REQUEST, "The action did not arrive as a whole.")
        })?;
        if read.len().saturating_add(chunk.len()) > MOST_BYTES {
            let text = format!("An action is at most {MOST_BYTES} bytes long.");
            return Err(Done::no(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

impl Act {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Done> {
        // A list would do for serde, too.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err(nonsense("An action is an object of JSON."));
        }
        serde_json::from_slice(text)
            .map_err(|error| nonsense(&format!("This is no action: {error}.")))
    }

    pub(super) fn run(self, gate: &Gate, now: Timestamp) -> Done {
        self.try_run(gate, now).map_or_else(|refused| refused, Done::yes)
    }

    /// What was done, in words.
    fn try_run(self, gate: &Gate, now: Timestamp) -> Result<String, Done> {
        let defence = gate.defence();
        Ok(match self {
            Self::Unban { net } => {
                let net = network(&net)?;
                match gate.bans().remove(net, now) {
                    true => format!("{net} is no longer banned."),
                    false => return Err(nothing(format!("{net} is not banned."))),
                }
            }
            Self::Ban { net, seconds, reason } => {
                let (net, time) = (bannable(network(&net)?)?, time(seconds)?);
                gate.bans().add(net, time, &self::reason(&reason), now);
                format!("{net} is banned for {seconds} s.")
            }
            Self::Mode { mode } => {
                gate.set_mode(mode);
                String::from(match mode {
                    Mode::Off => "The gate is off: everything passes, and nothing is decided.",
                    Mode::Observe => "The gate observes: what it would deny passes.",
                    Mode::Enforce => "The gate enforces: what it denies is refused.",
                })
            }
            Self::Force { posture, seconds } => {
                let time = time(seconds)?;
                told(defence.force(posture, time, now))?;
                format!("The posture is {posture} for {seconds} s.")
            }
            Self::Release {} => {
                told(defence.release(now))?;
                format!("The gate goes on by itself. The posture is {}.", gate.posture())
            }
            Self::Drill { seconds } => {
                let time = time(seconds)?;
                let posture = gate.posture();
                if posture != Posture::Normal {
                    let text = format!("The posture is {posture}: no drill is needed.");
                    return Err(Done::no(StatusCode::CONFLICT, text));
                }
                told(defence.drill(time, now))?;
                format!("A drill goes on for {seconds} s: nothing is refused for it.")
            }
            Self::Pin { name } => match defence.pin(&name, now) {
                true => format!("{} stays until it is removed.", cut(&name, REASON)),
                false => return Err(no_mitigation(&name)),
            },
            Self::Remove { name } => match defence.remove(&name, now) {
                true => format!("{} is removed, and does not come back soon.", cut(&name, REASON)),
                false => return Err(no_mitigation(&name)),
            },
        })
    }
}

fn nonsense(text: &str) -> Done {
    Done::no(StatusCode::BAD_REQUEST, cut(text, COMPLAINT))
}

fn nothing(text: impl Into<String>) -> Done {
    Done::no(StatusCode::NOT_FOUND, text)
}

fn no_mitigation(name: &str) -> Done {
    nothing(format!("There is no mitigation {}.", cut(name, REASON)))
}

/// What a defence says of an order: `false` is that there is none.
fn told(is_there: bool) -> Result<(), Done> {
    is_there.then_some(()).ok_or_else(|| nothing("This gate has no defence."))
}

/// A network, or an address, in the form in which bans are kept.
fn network(text: &str) -> Result<IpNet, Done> {
    let net = text.parse::<IpNet>();
    let net = net.or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error));
    let net =
        net.map_err(|_| nonsense("A network is written as 192.0.2.0/24 or 2001:db8::/32."))?;
    let net = net.trunc();
    // IPv4 inside of IPv6 is IPv4: else a /104 of IPv6 would be a /8.
    Ok(match (net, net.addr().to_canonical()) {
        (IpNet::V6(v6), IpAddr::V4(v4)) if v6.prefix_len() >= 96 => {
            IpNet::new(v4.into(), v6.prefix_len().saturating_sub(96)).unwrap_or(net)
        }
        _ => net,
    })
}

/// A mistake of a digit must not ban the world, nor the machine itself: behind a proxy that is not seen, that is everybody.
fn bannable(net: IpNet) -> Result<IpNet, Done> {
    let widest = if net.addr().is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
    if net.prefix_len() < widest {
        return Err(nonsense(&format!(
            "{net} is too wide: nothing wider than a /{widest} is banned."
        )));
    }
    let is_ours = match net {
        IpNet::V4(v4) => v4.addr().is_loopback(),
        IpNet::V6(v6) => v6.contains(&Ipv6Addr::LOCALHOST),
    };
    if is_ours {
        return Err(nonsense(&format!("{net} has the machine itself in it, which is not banned.")));
    }
    Ok(net)
}

fn time(seconds: u64) -> Result<Duration, Done> {
    match seconds {
        1..=LONGEST => Ok(Duration::from_secs(seconds)),
        _ => Err(nonsense(&format!("A time is 1 to {LONGEST} seconds."))),
    }
}

/// A reason that can be shown anywhere.
fn reason(text: &str) -> String {
    let text = cut(text, REASON);
    if text.is_empty() { String::from("by an operator") } else { text }
}

/// Only characters that Rust would print as they are, and so many of them.
fn cut(text: &str, most: usize) -> String {
    // Quotes and backslashes are escaped for other reasons.
    let is_plain = |character: &char| {
        matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1
    };
    let text: String = text.trim().chars().filter(is_plain).take(most).collect();
    String::from(text.trim())
}

#[cfg(all(test, not(loom)))]
mod tests;
