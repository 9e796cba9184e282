//! How full the stores of limits are, for those who watch them.

use super::Limits;
use crate::{limit::permits::Places, time::Timestamp};

/// How full the store of a limit is; `None` where it has nothing of the kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::gate) struct Room {
    /// Keys that have something to pay off, or something in flight.
    pub(in crate::gate) keys: Option<usize>,
    /// Keys that there is room for.
    pub(in crate::gate) keys_room: Option<usize>,
    /// How often a key found no place, and how often a place went to another key.
    pub(in crate::gate) unseated: Option<u64>,
    pub(in crate::gate) reclaimed: Option<u64>,
    /// Requests in flight, where all count together.
    pub(in crate::gate) in_flight: Option<u32>,
}

impl Limits {
    /// That of each limit, in order. Reads their stores from end to end.
    pub(in crate::gate) fn rooms(&self, now: Timestamp) -> impl Iterator<Item = Room> {
        self.all.iter().map(move |entry| {
            if let Some(own) = entry.state.own() {
                let stats = own.stats(now);
                // Where failures find no place, nobody is banned for them.
                let uncounted = entry.state.times_uncounted();
                return Room {
                    keys: Some(stats.owing()),
                    keys_room: Some(stats.places()),
                    unseated: Some(stats.times_unseated().saturating_add(uncounted)),
                    reclaimed: Some(stats.times_reclaimed()),
                    in_flight: None,
                };
            }
            entry.state.places().map_or_else(Room::default, Room::of_places)
        })
    }
}

impl Room {
    fn of_places(places: &Places) -> Self {
        match places.keys() {
            None => Self { in_flight: Some(places.in_use(0)), ..Self::default() },
            Some([keys, room]) => Self {
                keys: Some(keys),
                keys_room: Some(room),
                unseated: Some(places.times_unseated()),
                ..Self::default()
            },
        }
    }
}
