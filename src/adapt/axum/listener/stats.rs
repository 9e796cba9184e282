//! What a listener counts.

use alloc::sync::Arc;
use core::fmt;

use crate::sync::{AtomicU64, Ordering};

/// What a [`GateListener`](super::GateListener) has done with connections so far.
///
/// A handle: it goes on counting after the listener was given to a server, and clones of it tell the same.
/// Numbers that are read one after the other need not fit each other while connections come and go.
#[derive(Clone)]
pub struct ConnectionStats(Arc<Counts>);

/// The live counts of a listener.
#[derive(Debug, Default)]
pub(super) struct Counts {
    accepted: Counter,
    closed: Counter,
    denied: Counter,
    beyond_client: Counter,
    beyond_all: Counter,
    timed_out: Counter,
    would_close: Counter,
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Denied,
    BeyondClient,
    BeyondAll,
    TimedOut,
}

impl ConnectionStats {
    pub(super) fn of(counts: &Arc<Counts>) -> Self {
        Self(Arc::clone(counts))
    }

    /// Connections that were let in.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.0.accepted.get()
    }

    /// Of these, the ones that are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        // In this order, so that none is closed that is not yet counted.
        let closed = self.0.closed.get();
        self.0.accepted.get().saturating_sub(closed)
    }

    /// Connections that were closed at once, for whatever reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let counts = &*self.0;
        [&counts.denied, &counts.beyond_client, &counts.beyond_all]
            .into_iter()
            .fold(0, |sum, counter| sum.saturating_add(counter.get()))
    }

    /// Of the refused ones, those whose address the gate denies; [`GateStats`](crate::GateStats) says for what.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.0.denied.get()
    }

    /// Of the refused ones, those of clients that had as many
    /// [as they can](super::GateListener::connections_per_client).
    #[must_use]
    pub fn beyond_client(&self) -> u64 {
        self.0.beyond_client.get()
    }

    /// Of the refused ones, those that came when there were as many
    /// [as there can be](super::GateListener::connections).
    #[must_use]
    pub fn beyond_all(&self) -> u64 {
        self.0.beyond_all.get()
    }

    /// Connections that were let in and closed, since no request head was complete
    /// [in time](super::GateListener::first_request_within).
    #[must_use]
    pub fn timed_out(&self) -> u64 {
        self.0.timed_out.get()
    }

    /// Connections that would have been refused or closed, had the gate not only observed.
    #[must_use]
    pub fn would_close(&self) -> u64 {
        self.0.would_close.get()
    }
}

impl fmt::Debug for ConnectionStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionStats")
            .field("accepted", &self.accepted())
            .field("open", &self.open())
            .field("denied", &self.denied())
            .field("beyond_client", &self.beyond_client())
            .field("beyond_all", &self.beyond_all())
            .field("timed_out", &self.timed_out())
            .field("would_close", &self.would_close())
            .finish()
    }
}

impl Counts {
    pub(super) fn accepts(&self) {
        self.accepted.add();
    }

    /// One that was accepted is closed.
    pub(super) fn closes(&self) {
        self.closed.add();
    }

    /// One is closed for this reason, or would be.
    pub(super) fn closes_for(&self, reason: Closed, really: bool) {
        let counter = match reason {
            _ if !really => &self.would_close,
            Closed::Denied => &self.denied,
            Closed::BeyondClient => &self.beyond_client,
            Closed::BeyondAll => &self.beyond_all,
            Closed::TimedOut => &self.timed_out,
        };
        counter.add();
    }
}

impl Counter {
    fn add(&self) {
        // Release, for `open`: whoever reads that one is closed reads that it was accepted.
        self.0.fetch_add(1, Ordering::Release);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
