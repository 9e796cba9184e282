//! A request that has passed, until it has ended.

use alloc::sync::Arc;
use core::{fmt, time::Duration};

use crate::{
    detect::{sketch::Ticket, watch::Detector},
    sync::Ordering,
    time::Timestamp,
};

/// A request in flight: counted as such until this is dropped.
pub(crate) struct Flight {
    detector: Arc<Detector>,
    since: Timestamp,
    /// The network that is known if this goes well.
    network: u64,
    ticket: Option<Ticket>,
}

impl Flight {
    #[inline]
    pub(crate) fn new(
        detector: &Arc<Detector>,
        network: u64,
        ticket: Option<Ticket>,
        since: Timestamp,
    ) -> Self {
        // Relaxed: a number of requests, which orders nothing.
        detector.flights.0.fetch_add(1, Ordering::Relaxed);
        Self { detector: Arc::clone(detector), since, network, ticket }
    }

    /// It was answered with this status, after so long if that was measured.
    pub(crate) fn answered(self, status: u16, latency: Option<Duration>, now: Timestamp) {
        let Self { detector, since, network, ticket } = &self;
        let (_, stripe) = detector.counters.stripe();
        if let Some(stripe) = stripe {
            stripe.answered(status);
        }
        let latency = latency.unwrap_or_else(|| now.saturating_duration_since(*since));
        detector.latencies.add(latency);
        if (200..400).contains(&status) {
            if *network != 0 {
                detector.known.note(*network);
            }
            if let Some(ticket) = ticket {
                detector.recent.mark_good(*ticket);
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.detector.flights.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("since", &self.since).finish_non_exhaustive()
    }
}
