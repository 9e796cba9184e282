//! A crowd of clients, in a process of its own: ordinary visitors or attackers. Both run this code,
//! and differ in number, in rate, and in how long they wait for an answer.

use std::{
    io::{BufRead, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, time};

use crate::{
    tally::{Outcome, Record},
    wire::{self, Connection},
};

/// The argument that makes this program a crowd.
pub(crate) const HIDDEN: &str = "--crowd";

/// Within this time everybody has begun.
const RAMP_MS: f64 = 1000.0;

/// Who they are and what they do. All times are milliseconds after "go".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) service: SocketAddr,
    /// The second number of their addresses: 127.x.0.1, 127.x.0.2 and so on.
    pub(crate) network: u8,
    pub(crate) clients: u32,
    /// Requests per second, all of them together.
    pub(crate) rate: f64,
    /// How long an answer is waited for before the client hangs up.
    pub(crate) patience_ms: u64,
    /// Connections that one client has open at most.
    pub(crate) connections: usize,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
    /// Name the address in a header, because the machine has only one.
    pub(crate) pretend: bool,
}

impl Crowd {
    pub(crate) fn address(&self, client: u32) -> IpAddr {
        let [.., high, low] = (client + 1).to_be_bytes();
        Ipv4Addr::new(127, self.network, high, low).into()
    }

    pub(crate) fn to_arguments(self) -> Vec<String> {
        vec![
            HIDDEN.to_owned(),
            self.service.to_string(),
            self.network.to_string(),
            self.clients.to_string(),
            self.rate.to_string(),
            self.patience_ms.to_string(),
            self.connections.to_string(),
            self.from_ms.to_string(),
            self.until_ms.to_string(),
            self.pretend.to_string(),
        ]
    }

    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            service: arguments.next()?.parse().ok()?,
            network: arguments.next()?.parse().ok()?,
            clients: arguments.next()?.parse().ok()?,
            rate: arguments.next()?.parse().ok().filter(|rate| *rate > 0.0)?,
            patience_ms: arguments.next()?.parse().ok()?,
            connections: arguments.next()?.parse().ok()?,
            from_ms: arguments.next()?.parse().ok()?,
            until_ms: arguments.next()?.parse().ok()?,
            pretend: arguments.next()?.parse().ok()?,
        })
    }

    /// Waits for "go" on standard input, does its work and reports every request on standard
    /// output. Nobody outlives the parent: the end of standard input ends the process.
    pub(crate) fn run(self) -> Result<(), String> {
        let mut output = std::io::stdout().lock();
        let say = |error: std::io::Error| format!("the report can not be written: {error}");
        writeln!(output, "ready").and_then(|()| output.flush()).map_err(say)?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(|error| error.to_string())?;
        if line.trim_end() != "go" {
            return Err("the parent is gone".to_owned());
        }
        let start = Instant::now();
        std::thread::spawn(|| {
            let _ = std::io::stdin().lock().read_line(&mut String::new());
            std::process::exit(0);
        });
        let (sender, records) = mpsc::channel();
        let crowd = std::thread::spawn(move || self.act(start, sender));
        // Written in batches, away from the thread that keeps the schedule.
        while let Ok(first) = records.recv() {
            std::thread::sleep(Duration::from_millis(50));
            std::iter::once(first)
                .chain(records.try_iter())
                .try_for_each(|record: Record| writeln!(output, "{record}"))
                .and_then(|()| output.flush())
                .map_err(say)?;
        }
        crowd.join().map_err(|_| "the crowd's thread has failed".to_owned())?
    }

    fn act(self, start: Instant, records: mpsc::Sender<Record>) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("the crowd can not be started: {error}"))?;
        runtime.block_on(async {
            for number in 0..self.clients {
                let client = Arc::new(Client::new(self, number, start, records.clone()));
                tokio::spawn(client.keep_schedule());
            }
            let end = self.until_ms + self.patience_ms + 100;
            time::sleep_until((start + Duration::from_millis(end)).into()).await;
        });
        Ok(())
    }
}

/// One client: an address, a schedule, and the connections it has open.
struct Client {
    crowd: Crowd,
    number: u32,
    source: Option<IpAddr>,
    request: Vec<u8>,
    start: Instant,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    records: mpsc::Sender<Record>,
}

impl Client {
    fn new(crowd: Crowd, number: u32, start: Instant, records: mpsc::Sender<Record>) -> Self {
        let address = crowd.address(number);
        Self {
            crowd,
            number,
            source: (!crowd.pretend).then_some(address),
            request: wire::request(crowd.service, crowd.pretend.then_some(address)),
            start,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(crowd.connections)),
            records,
        }
    }

    /// Open loop: a request leaves when it is due, whatever became of the ones before.
    async fn keep_schedule(self: Arc<Self>) {
        let interval = 1000.0 * f64::from(self.crowd.clients) / self.crowd.rate;
        let mut random = (u64::from(self.number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 11) as f64 / (1_u64 << 53) as f64
        };
        // Not all in the same instant: neither people nor hired machines are that well drilled.
        let mut due = self.crowd.from_ms as f64 + interval.max(RAMP_MS) * next();
        while due < self.crowd.until_ms as f64 {
            let at = self.start + Duration::from_secs_f64(due / 1000.0);
            time::sleep_until(at.into()).await;
            tokio::spawn(Arc::clone(&self).ask(at));
            // People are not metronomes; neither are tools.
            due += interval * (0.6 + 0.8 * next());
        }
    }

    async fn ask(self: Arc<Self>, due: Instant) {
        let Ok(_permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return self.record(due, Outcome::Unsent);
        };
        let mut sent = false;
        let patience = Duration::from_millis(self.crowd.patience_ms);
        let answered = time::timeout(patience, self.exchange(&mut sent)).await;
        let outcome = match answered {
            Ok(Ok(200)) => Outcome::Served,
            Ok(Ok(429)) => Outcome::Refused,
            Ok(Ok(_)) => Outcome::Failed,
            _ if !sent => Outcome::Unsent,
            Ok(Err(_)) => Outcome::Failed,
            Err(_) => Outcome::GaveUp,
        };
        self.record(due, outcome);
    }

    /// One request and its answer, over a connection that is idle or else over a new one.
    async fn exchange(&self, sent: &mut bool) -> std::io::Result<u16> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.source, self.crowd.service).await?,
        };
        connection.send(&self.request).await?;
        *sent = true;
        let answer = connection.receive().await?;
        if answer.reusable {
            if let Ok(mut idle) = self.idle.lock() {
                idle.push(connection);
            }
        }
        Ok(answer.status)
    }

    fn record(&self, due: Instant, outcome: Outcome) {
        let record = Record {
            due_ms: due.saturating_duration_since(self.start).as_millis() as u64,
            latency_us: due.elapsed().as_micros() as u64,
            client: self.number,
            outcome,
        };
        // Fails only when the report is over.
        let _ = self.records.send(record);
    }
}
