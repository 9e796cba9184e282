//! The client: it asks all services far more often than its limit allows, and counts what it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    task::JoinSet,
    time::{self, MissedTickBehavior},
};

use crate::{
    node::Node,
    wire::{self, Connection},
};

/// Requests a second for each service.
pub(crate) const RATE: u32 = 1_000;
/// On so many connections, each of which waits for its answer.
const CONNECTIONS: u32 = 8;
/// Who has no answer by then hangs, also on a machine that has stalled for a while.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What one service has answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) admitted: u32,
    pub(crate) refused: u32,
    /// Neither: another status, or no answer.
    pub(crate) failed: u32,
    pub(crate) slowest: Duration,
}

/// What the services have answered in some time.
pub(crate) struct Window {
    pub(crate) length: Duration,
    pub(crate) nodes: Vec<Counts>,
}

/// A flood that goes on until it is dropped.
pub(crate) struct Flood {
    nodes: Vec<Arc<Mutex<Counts>>>,
    since: Instant,
    /// Whether its beginning has been told: then a window begins when it is asked for.
    is_watched: AtomicBool,
    /// Aborts them when it is dropped.
    _connections: JoinSet<()>,
}

impl Flood {
    pub(crate) fn begin(nodes: &[Node]) -> Self {
        let mut connections = JoinSet::new();
        let counted = nodes.iter().map(|node| {
            let counts = Arc::default();
            for nth in 0..CONNECTIONS {
                connections.spawn(ask(node.address, nth, Arc::clone(&counts)));
            }
            counts
        });
        Self {
            nodes: counted.collect(),
            since: Instant::now(),
            is_watched: AtomicBool::new(false),
            _connections: connections,
        }
    }

    /// What is answered within this time. The first one begins with the flood, and others where the flood is.
    pub(crate) async fn window(&self, length: Duration) -> Window {
        let since = if self.is_watched.swap(true, Ordering::Relaxed) {
            self.taken();
            Instant::now()
        } else {
            self.since
        };
        time::sleep_until((since + length).into()).await;
        Window { nodes: self.taken(), length: since.elapsed() }
    }

    fn taken(&self) -> Vec<Counts> {
        self.nodes.iter().map(|counts| with(counts, std::mem::take)).collect()
    }
}

impl Window {
    pub(crate) fn all(&self) -> Counts {
        self.nodes.iter().fold(Counts::default(), |all, node| Counts {
            admitted: all.admitted + node.admitted,
            refused: all.refused + node.refused,
            failed: all.failed + node.failed,
            slowest: all.slowest.max(node.slowest),
        })
    }
}

impl Counts {
    pub(crate) fn all(&self) -> u32 {
        self.admitted + self.refused + self.failed
    }
}

/// One connection. Its turns are spread evenly among those of the others.
async fn ask(service: SocketAddr, nth: u32, counts: Arc<Mutex<Counts>>) {
    let request = wire::request(service, None);
    let every = Duration::from_secs(1) * CONNECTIONS / RATE;
    let mut turns = time::interval_at((Instant::now() + every * nth / CONNECTIONS).into(), every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        turns.tick().await;
        let sent = Instant::now();
        let answered = time::timeout(PATIENCE, exchange(service, connection.take(), &request));
        let status = match answered.await {
            Ok(Ok((open, status))) => {
                connection = Some(open);
                status
            }
            _ => 0,
        };
        with(&counts, |counts| {
            match status {
                200 => counts.admitted += 1,
                429 => counts.refused += 1,
                _ => counts.failed += 1,
            }
            counts.slowest = counts.slowest.max(sent.elapsed());
        });
    }
}

/// One request and its answer, over this connection or a new one.
async fn exchange(
    service: SocketAddr,
    open: Option<Connection>,
    request: &[u8],
) -> std::io::Result<(Connection, u16)> {
    let mut connection = match open {
        Some(connection) => connection,
        None => Connection::open(None, service).await?,
    };
    connection.send(request).await?;
    let answer = connection.receive().await?;
    Ok((connection, answer.status))
}

fn with<T>(counts: &Mutex<Counts>, what: impl FnOnce(&mut Counts) -> T) -> T {
    what(&mut counts.lock().unwrap_or_else(PoisonError::into_inner))
}
