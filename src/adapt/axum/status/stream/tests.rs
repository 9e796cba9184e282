use core::{future::poll_fn, pin::Pin, time::Duration};
use std::{
    string::String,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    vec::Vec,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, advance};

use super::{Feed, LONGEST, MOST_STREAMS, Updates};
use crate::{Defence, Posture, gate::Gate, time::Timestamp};

/// A feed on tokio's clock, which only these tests turn.
fn feed() -> Feed {
    let gate = Gate::builder().build().unwrap();
    feed_of(&gate)
}

fn feed_of(gate: &Gate) -> Feed {
    let start = Instant::now();
    let clock = move || {
        let since = Duration::from_secs(1) + start.elapsed();
        Timestamp::ZERO.saturating_add(since)
    };
    Feed { clock: Some(Arc::new(clock)), ..Feed::of(gate) }
}

async fn next(updates: &mut Updates) -> Option<Bytes> {
    let next = poll_fn(|context| Pin::new(&mut *updates).poll_next(context)).await;
    next.map(|event| event.unwrap_or_else(|never| match never {}))
}

async fn text(updates: &mut Updates) -> String {
    String::from_utf8(next(updates).await.unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn hello_comes_first_and_then_a_status_each_second() {
    let feed = feed();
    let mut updates = feed.stream("{}").unwrap();
    let start = Instant::now();
    assert_eq!(text(&mut updates).await, "retry: 1000\nevent: hello\ndata: {}\n\n");
    for second in 0..3 {
        let text = text(&mut updates).await;
        assert!(text.starts_with("event: status\ndata: {\"seconds\":"), "{text}");
        // One line of data, and the empty one.
        assert!(text.ends_with("}\n\n") && text.lines().count() == 3, "{text}");
        let lag = start.elapsed() - Duration::from_secs(second);
        assert!(lag < Duration::from_millis(100), "{lag:?} after {second} s");
    }
}

/// Sixteen who look cost as much as one who does.
#[tokio::test(start_paused = true)]
async fn all_streams_of_a_second_share_one_status() {
    let feed = feed();
    let mut all: Vec<_> = (0..MOST_STREAMS).map(|_| feed.stream("{}").unwrap()).collect();
    for updates in &mut all {
        next(updates).await;
    }
    let mut before = None;
    for _ in 0..3 {
        let mut events = Vec::new();
        for updates in &mut all {
            events.push(next(updates).await.unwrap());
            // Not all at once.
            advance(Duration::from_millis(10)).await;
        }
        // The very same bytes, not only equal ones.
        let first = events[0].as_ptr();
        assert!(events.iter().all(|event| event.as_ptr() == first));
        assert_ne!(before.replace(events[0].clone()), Some(events[0].clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_when_its_stream_is_dropped() {
    let feed = feed();
    let mut all: Vec<_> = (0..16).map(|_| feed.stream("{}").unwrap()).collect();
    assert!(feed.stream("{}").is_none(), "the 17th");
    assert_eq!(feed.streams(), 16);
    drop(all.pop());
    assert!(feed.stream("{}").is_some());
    drop(all);
    assert_eq!(feed.streams(), 0);
}

/// What a slow reader has missed is gone: it goes on with what is now.
#[tokio::test(start_paused = true)]
async fn nothing_is_kept_for_a_slow_reader() {
    let feed = feed();
    let mut updates = feed.stream("{}").unwrap();
    next(&mut updates).await;
    next(&mut updates).await;
    advance(Duration::from_secs(60)).await;
    let late = text(&mut updates).await;
    assert!(late.contains("\"seconds\":61."), "{}", &late[..60]);
    let start = Instant::now();
    next(&mut updates).await;
    assert!(start.elapsed() >= Duration::from_millis(950), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_it_is_closed_and_after_ten_minutes() {
    let feed = feed();
    let mut updates = feed.stream("{}").unwrap();
    next(&mut updates).await;
    let mut events = 0;
    while next(&mut updates).await.is_some() {
        events += 1;
    }
    assert_eq!(events, LONGEST.as_secs());

    // It is a time, and no number of events: who reads slowly is asked again just as soon.
    let mut updates = feed.stream("{}").unwrap();
    next(&mut updates).await;
    next(&mut updates).await;
    advance(LONGEST).await;
    assert_eq!(next(&mut updates).await, None);

    let mut updates = feed.stream("{}").unwrap();
    next(&mut updates).await;
    next(&mut updates).await;
    feed.close();
    let start = Instant::now();
    assert_eq!(next(&mut updates).await, None);
    assert!(start.elapsed() <= Duration::from_millis(1_010), "{:?}", start.elapsed());
    assert!(feed.stream("{}").is_none());
}

/// A gate that nobody asks anything any more still sees that time goes on.
#[tokio::test(start_paused = true)]
async fn looking_ticks() {
    let gate = Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap();
    let feed = feed_of(&gate);
    gate.defence().force(Posture::Defend, Duration::from_secs(3), feed.now());
    let mut updates = feed.stream("{}").unwrap();
    next(&mut updates).await;
    let mut postures = Vec::new();
    for _ in 0..6 {
        let text = text(&mut updates).await;
        postures.push(text.contains("\"posture\":\"defend\",\"evidence\""));
    }
    assert_eq!((postures[0], postures[5]), (true, false), "{postures:?}");
    assert_eq!(gate.posture(), Posture::Normal);
}

/// A clock that goes back, as one of the service's own may, shows the past again rather than nothing.
#[tokio::test]
async fn a_clock_that_goes_back_makes_a_new_status() {
    let now = Arc::new(AtomicU64::new(100));
    let told = Arc::clone(&now);
    let gate = Gate::builder().build().unwrap();
    let clock = move || Timestamp::from_secs(told.load(Ordering::Relaxed));
    let feed = Feed { clock: Some(Arc::new(clock)), ..Feed::of(&gate) };
    assert!(feed.status().unwrap().starts_with(b"{\"seconds\":100.0,"));
    now.store(50, Ordering::Relaxed);
    assert!(feed.status().unwrap().starts_with(b"{\"seconds\":50.0,"));
}

/// What is due may be told to somebody who then wants a status: that must not wait for itself.
#[cfg(feature = "tracing")]
#[test]
fn nothing_is_locked_while_somebody_is_told() {
    use tracing::{Dispatch, dispatcher::with_default};

    let now = Arc::new(AtomicU64::new(100));
    let told = Arc::clone(&now);
    let gate = Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap();
    let clock = move || Timestamp::from_secs(told.load(Ordering::Relaxed));
    let feed = Feed { clock: Some(Arc::new(clock)), ..Feed::of(&gate) };
    gate.defence().force(Posture::Defend, Duration::from_secs(3), feed.now());
    let (free, locked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let ears = |feed: Feed| Ears { feed, free: Arc::clone(&free), locked: Arc::clone(&locked) };
    // With one alone, other threads decide what is wanted.
    let _other = Dispatch::new(ears(feed.clone()));
    let asks = feed.clone();
    with_default(&Dispatch::new(ears(feed)), || {
        for second in [100, 101, 102, 103, 104, 110] {
            now.store(second, Ordering::Relaxed);
            assert!(asks.status().is_some());
        }
    });
    assert_eq!(gate.posture(), Posture::Normal);
    assert_eq!(locked.load(Ordering::Relaxed), 0);
    assert_ne!(free.load(Ordering::Relaxed), 0, "that the posture has ended is told");
}

/// A subscriber that looks whether the last status is locked.
#[cfg(feature = "tracing")]
struct Ears {
    feed: Feed,
    free: Arc<AtomicU64>,
    locked: Arc<AtomicU64>,
}

#[cfg(feature = "tracing")]
impl tracing::Subscriber for Ears {
    fn register_callsite(
        &self,
        _: &'static tracing::Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("portcullis")
    }

    fn event(&self, _: &tracing::Event<'_>) {
        let is_free = self.feed.shared.last.try_lock().is_some();
        let count = if is_free { &self.free } else { &self.locked };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
