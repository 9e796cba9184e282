//! What one tick has to say: what the watch hands to the judge.

use alloc::vec::Vec;

use super::Dimension;

/// What was counted since the tick before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    /// How long that is.
    pub(crate) seconds: f64,
    /// Requests, before any of them was refused; those of exempt clients are not among them.
    pub(crate) offered: u64,
    /// Of these, requests that were looked at closely. The following six count these alone.
    pub(crate) sampled: u64,
    /// With method GET, POST, and any other.
    pub(crate) methods: [u64; 3],
    pub(crate) without_agent: u64,
    /// Without a referer, and not for the path `/`.
    pub(crate) without_referer: u64,
    pub(crate) with_cookie: u64,
    pub(crate) with_query: u64,
    /// HTTP/1.0, where the service says so.
    pub(crate) http_1_0: u64,
    /// From networks that were not known.
    pub(crate) unknown: u64,
    /// With `client.verified`, where the service says so.
    pub(crate) verified: u64,
    /// Entropy of the clients' /16 networks over 256 cells, in bits: 0 to 8.
    pub(crate) entropy: f64,
    /// Distinct clients, estimated.
    pub(crate) clients: f64,
    /// Responses with status 2xx, 3xx, 404, other 4xx, 5xx.
    pub(crate) answered: [u64; 5],
    /// Requests that passed.
    pub(crate) admitted: u64,
    /// Requests that a mitigation matched, whatever it did with them.
    pub(crate) mitigated: u64,
    /// Of these, those that it refused.
    pub(crate) refused: u64,
    /// Requests that were shed, for too many were in flight.
    pub(crate) shed: u64,
    /// Requests of unknown clients that were held back for that.
    pub(crate) held: u64,
    /// Of the last three, those of known clients.
    pub(crate) known_refused: u64,
    /// Requests that have passed and have not ended, at this moment.
    pub(crate) in_flight: u64,
    /// How many there could be, as far as that is known.
    pub(crate) in_flight_limit: Option<u64>,
    pub(crate) latency: Latency,
    /// What the service says about its load, 0 to 100: the highest of its gauges.
    pub(crate) gauge: f64,
}

/// How long requests took that ended since the tick before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Latency {
    pub(crate) requests: u64,
    /// In seconds.
    pub(crate) median: f64,
    /// Nine in ten were quicker, in seconds.
    pub(crate) p90: f64,
}

/// One hot key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hot {
    pub(crate) dimension: Dimension,
    /// As in [`Keys`](super::Keys).
    pub(crate) key: u64,
    /// Its requests in the decayed window.
    pub(crate) count: f64,
    /// What it has at this time usually, in the same window.
    pub(crate) usual: f64,
    /// What of the count may be other keys'.
    pub(crate) over: f64,
}

/// What is hot, hottest first in each dimension.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heat {
    pub(crate) hot: Vec<Hot>,
    /// All requests in the decayed window, as the same sketches counted them, and usually.
    pub(crate) total: f64,
    pub(crate) usual_total: f64,
}

impl Heat {
    /// The hottest keys of a dimension.
    pub(crate) fn of(&self, dimension: Dimension) -> impl Iterator<Item = &Hot> {
        self.hot.iter().filter(move |hot| hot.dimension == dimension)
    }
}
