//! A reservoir as it is saved.
//!
//! Keys are hashes, so a sample is of use only to a detector with the same key; times are of the process
//! that saves, and are not saved: requests come back as old ones.

use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Reservoir;
use crate::{
    detect::{Dimension, Keys, Seen, Shape},
    time::Timestamp,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    places: usize,
    random: u64,
    /// Nanoseconds in which one place is replaced.
    each: u64,
    requests: Vec<Request>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    client: IpAddr,
    keys: [u64; Dimension::COUNT],
    shape: u8,
    known: bool,
}

impl Serialize for Reservoir {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let requests = self.requests.iter().map(|seen| Request {
            client: seen.client,
            keys: seen.keys.0,
            shape: seen.shape.0,
            known: seen.known,
        });
        State {
            places: self.places,
            random: self.random,
            each: self.each,
            requests: requests.collect(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Reservoir {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let state = State::deserialize(deserializer)?;
        let places = 1..=Self::MOST;
        if !places.contains(&state.places) || state.requests.len() > state.places {
            return Err(D::Error::custom("a sample of more requests than there can be"));
        }
        let mut reservoir = Self::new(state.places, state.random);
        reservoir.each = state.each.max(1);
        reservoir.requests.extend(state.requests.iter().map(|request| Seen {
            at: Timestamp::ZERO,
            client: request.client,
            keys: Keys(request.keys),
            shape: Shape(request.shape),
            known: request.known,
            good: true,
        }));
        Ok(reservoir)
    }
}
