//! Servers that share a limit: their requests wait for a store, which a test answers for.

mod actix;
mod axum;
mod tonic;

use std::{
    convert::Infallible,
    future::{Future, pending},
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis::{
    Gate, LimitRule, Quota, Timestamp,
    limit::remote::{Call, FleetSettings, OnFailure, Store, StoreError},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::wire::Connection;

type Reply = Result<Vec<i64>, StoreError>;

/// A store whose calls come to a test, one after the other.
#[derive(Clone)]
struct Asked(mpsc::UnboundedSender<Question>);

/// What is asked of the store. Whoever asked has left when nobody waits for its reply any more.
struct Question(oneshot::Sender<Reply>);

/// The same, which goes on with what it has begun when whoever waits for it leaves, and counts those.
#[derive(Clone)]
struct Kept {
    asked: Asked,
    leavers: Arc<AtomicUsize>,
}

/// Somebody waits for a store, and leaves if the count is still here when this is dropped.
struct Waits(Option<Arc<AtomicUsize>>);

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(leavers) = &self.0 {
            leavers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Kept {
    /// With the count of those that have left.
    fn new(asked: Asked) -> (Self, Arc<AtomicUsize>) {
        let leavers = Arc::default();
        (Self { asked, leavers: Arc::clone(&leavers) }, leavers)
    }
}

impl Store for Kept {
    async fn call(&self, call: &Call) -> Reply {
        self.asked.call(call).await
    }

    async fn sleep(&self, time: Duration) {
        self.asked.sleep(time).await;
    }

    async fn keep<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut waits = Waits(Some(Arc::clone(&self.leavers)));
        let kept = tokio::spawn(what).await.ok();
        waits.0 = None;
        kept
    }
}

/// What comes of the store, for its test.
struct Questions(mpsc::UnboundedReceiver<Question>);

fn store() -> (Asked, Questions) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Asked(sender), Questions(receiver))
}

impl Store for Asked {
    async fn call(&self, _: &Call) -> Reply {
        let (question, reply) = oneshot::channel();
        // Otherwise the test is over, or does not answer.
        let _ = self.0.send(Question(question));
        reply.await.unwrap_or(Err(StoreError::Timeout))
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

impl Questions {
    /// The next one, for which a server may take its time.
    async fn next(&mut self) -> Question {
        let question = timeout(Duration::from_secs(30), self.0.recv()).await;
        question.expect("the store should have been asked").expect("there is a store")
    }

    /// Grants what is asked from now on, one by one, for as long as this is polled.
    async fn grant(&mut self) -> Infallible {
        while let Some(question) = self.0.recv().await {
            question.granted(1, 2);
        }
        pending().await
    }

    /// Whether nobody has asked anything more.
    fn is_empty(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

impl Question {
    fn granted(self, units: i64, remaining: i64) {
        self.answer(&[units, remaining, 0, 1_000_000]);
    }

    /// There are no units for so many seconds.
    fn denied(self, seconds: i64) {
        self.answer(&[0, 0, seconds * 1_000_000, seconds * 1_000_000]);
    }

    fn answer(self, numbers: &[i64]) {
        self.0.send(Ok(numbers.to_vec())).expect("somebody waits for it");
    }

    /// Waits until whoever asked has left.
    async fn left(mut self) {
        timeout(Duration::from_secs(30), self.0.closed()).await.expect("nobody has left");
    }
}

/// How many requests have come to a gate, each of which looks for its peer. From then on nothing but the store is
/// waited for.
#[derive(Clone, Default)]
struct Arrivals(Arc<AtomicUsize>);

impl Arrivals {
    fn note(&self, peer: Option<IpAddr>) -> Option<IpAddr> {
        self.0.fetch_add(1, Ordering::Relaxed);
        peer
    }

    /// Waits until there are so many, and no more than that.
    async fn are(&self, number: usize) {
        comes_to(&self.0, number).await;
    }
}

/// Waits until a count is so high, and no higher.
async fn comes_to(count: &AtomicUsize, number: usize) {
    let begun = Instant::now();
    while count.load(Ordering::Relaxed) < number {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come to {number}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(count.load(Ordering::Relaxed), number);
}

/// What four requests are answered, one after the other, whose store fails.
const ON_FAILURE: [(OnFailure, [u16; 4]); 3] = [
    (OnFailure::Local, [200, 200, 200, 429]),
    (OnFailure::Open, [200; 4]),
    (OnFailure::Closed, [503; 4]),
];

/// Three an hour, for the whole fleet; its store may take its time, as tests do.
fn gate(on_failure: OnFailure) -> Gate {
    let settings = FleetSettings::new().timeout(Duration::from_secs(10));
    let limit = LimitRule::new("per client", Quota::per_hour(3)).fleet(on_failure);
    Gate::builder().fleet(settings).limit_rule(limit).build().unwrap()
}

/// No time passes for servers, however slow the machine is: what is leased stays so.
fn clock() -> Timestamp {
    Timestamp::from_secs(1)
}

/// A store that has so many units and never gets any more.
#[derive(Clone)]
struct Purse(Arc<Mutex<i64>>);

impl Store for Purse {
    async fn call(&self, call: &Call) -> Reply {
        // As over a network: others have their turn meanwhile.
        tokio::task::yield_now().await;
        let mut left = self.0.lock().unwrap();
        let number = |at: usize| {
            let text = std::str::from_utf8(call.args().nth(at).unwrap()).unwrap();
            text.parse::<i64>().unwrap()
        };
        let (least, most) = (number(4), number(5));
        let granted = if least <= *left { most.min(*left) } else { 0 };
        *left -= granted;
        let wait = if granted == 0 { 60_000_000 } else { 0 };
        Ok(vec![granted, *left, wait, 60_000_000])
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A node of axum and a node of actix-web, and one client that is at both of them with many connections.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_two_frameworks_are_one_limit() {
    const UNITS: i64 = 500;
    let purse = Purse(Arc::new(Mutex::new(UNITS)));
    let node = || {
        let settings = FleetSettings::new().nodes(2).timeout(Duration::from_secs(10));
        let quota = Quota::per_hour(500);
        let limit = LimitRule::new("per client", quota).fleet(OnFailure::Closed);
        Gate::builder().fleet(settings).limit_rule(limit).build().unwrap()
    };
    let gates = [node(), node()];
    let arrivals = Arrivals::default();
    let one = axum::serve(axum::echo(&gates[0], purse.clone(), &arrivals)).await;
    let other = actix::serve(&gates[1], purse.clone(), &arrivals);
    let clients: Vec<_> = (0..16)
        .map(|number| {
            let server = if number % 2 == 0 { one } else { other.address };
            tokio::spawn(async move {
                let mut client = Connection::open(Ipv4Addr::LOCALHOST, server).await.unwrap();
                let mut served = 0;
                for _ in 0..100 {
                    match client.get("/", "").await.unwrap().status {
                        200 => served += 1,
                        429 => {}
                        other => panic!("status {other}"),
                    }
                }
                served
            })
        })
        .collect();
    let mut served = 0;
    for client in clients {
        served += client.await.unwrap();
    }
    let stats = gates.map(|gate| gate.fleet().unwrap().stats());
    assert_eq!(served, UNITS, "{stats:?}");
    assert_eq!(*purse.0.lock().unwrap(), 0);
    assert!(stats.iter().all(|stats| stats.calls() > 0 && stats.fallbacks() == 0), "{stats:?}");
}
