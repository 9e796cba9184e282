//! The status as it goes on: one for all who look at a time, each second, as server-sent events.
//!
//! # Invariants
//! - **I1** a status is made when somebody asks for one and the last is older than 0.9 s, so about once a second,
//!   however many look; with nobody looking, none is made;
//! - **I2** a stream holds nothing but a handle of the last status: what is sent to a slow reader is made when there is
//!   room for it, and what it has missed is not sent later;
//! - **I3** there are at most [`MOST_STREAMS`] streams; a place is given back when the stream is dropped, which a server
//!   does when the client goes away;
//! - **I4** a stream ends by itself at its first event after [`LONGEST`], and browsers come back: so guards are asked again;
//! - **I5** nothing is locked while the gate tells a subscriber of what is due: that may ask for a status itself.

use alloc::{string::String, sync::Arc};
use core::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::reply::json;
use crate::{
    adapt::setting::Clock,
    gate::Gate,
    limit::{Permit, Permits},
    sync::{AtomicU64, Mutex, Ordering},
    time::{SystemClock, Timestamp},
};

/// So many streams at a time.
pub(super) const MOST_STREAMS: u32 = 16;
/// A stream that is older ends, however few of its events were wanted.
const LONGEST: Duration = Duration::from_secs(600);
/// What is younger is shown again. Less than a second, or a stream whose tick is early would show one twice.
const FRESH: Duration = Duration::from_millis(900);

const BEFORE: &str = "event: status\ndata: ";
const AFTER: &str = "\n\n";

/// What all streams of a page share.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) gate: Gate,
    /// [`SystemClock`] if there is none.
    pub(super) clock: Option<Arc<Clock>>,
    shared: Arc<Shared>,
}

struct Shared {
    last: Mutex<Option<Last>>,
    places: Permits,
    /// 1 once it is.
    is_closed: AtomicU64,
}

struct Last {
    made: Timestamp,
    event: Bytes,
}

impl Feed {
    pub(super) fn of(gate: &Gate) -> Self {
        let shared = Shared {
            last: Mutex::new(None),
            places: Permits::new(MOST_STREAMS),
            is_closed: AtomicU64::new(0),
        };
        Self { gate: gate.clone(), clock: None, shared: Arc::new(shared) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or_else(SystemClock::now, |clock| clock())
    }

    /// The last status as JSON, or a new one if that is old.
    pub(super) fn status(&self) -> Option<Bytes> {
        let event = self.event()?;
        let end = event.len().checked_sub(AFTER.len())?;
        Some(event.slice(BEFORE.len()..end))
    }

    /// The same as an event.
    fn event(&self) -> Option<Bytes> {
        let now = self.now();
        let fresh = fresh(self.shared.last.lock().as_ref(), now);
        if fresh.is_some() {
            return fresh;
        }
        // Not while it is locked: what is due is told to subscribers.
        self.gate.tick(now);
        // Whoever waits here would have made the same one.
        let mut last = self.shared.last.lock();
        let fresh = self::fresh(last.as_ref(), now);
        if fresh.is_some() {
            return fresh;
        }
        let status = json(&self.gate.status(now))?;
        let event = Bytes::from([BEFORE, &status, AFTER].concat());
        *last = Some(Last { made: now, event: event.clone() });
        Some(event)
    }

    /// What is shown next is made anew: something was changed.
    pub(super) fn forget(&self) {
        *self.shared.last.lock() = None;
    }

    /// A stream that begins with this event, if there is a place.
    pub(super) fn stream(&self, hello: &str) -> Option<Updates> {
        if self.is_closed() {
            return None;
        }
        let place = self.shared.places.try_acquire()?;
        let mut ticks = interval(Duration::from_secs(1));
        // Late is late: nothing is caught up with.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut first = String::from("retry: 1000\nevent: hello\ndata: ");
        first.push_str(hello);
        first.push_str(AFTER);
        let (feed, hello) = (self.clone(), Some(Bytes::from(first)));
        Some(Updates { feed, hello, ticks, began: Instant::now(), _place: place })
    }

    pub(super) fn close(&self) {
        // Relaxed: a stream sees it at one of its next ticks.
        self.shared.is_closed.store(1, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::Relaxed) != 0
    }

    /// Streams that are open.
    pub(super) fn streams(&self) -> u32 {
        self.shared.places.in_use()
    }
}

/// The last event, if it is young enough to be shown again.
fn fresh(last: Option<&Last>, now: Timestamp) -> Option<Bytes> {
    let last = last?;
    let is_fresh = now >= last.made && now.saturating_duration_since(last.made) < FRESH;
    is_fresh.then(|| last.event.clone())
}

/// The events of one who looks.
pub(super) struct Updates {
    feed: Feed,
    hello: Option<Bytes>,
    ticks: Interval,
    began: Instant,
    _place: Permit,
}

impl Stream for Updates {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(hello) = self.hello.take() {
            return Poll::Ready(Some(Ok(hello)));
        }
        ready!(self.ticks.poll_tick(context));
        if self.feed.is_closed() || self.began.elapsed() >= LONGEST {
            return Poll::Ready(None);
        }
        Poll::Ready(self.feed.event().map(Ok))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
