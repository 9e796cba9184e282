//! The clients are a process of their own, so that this one's memory is the service's: what they are told, and what they tell.
//!
//! Lines both ways. Each order has a number, and is acknowledged when it holds: what comes after the acknowledgement has
//! come after the order for every client.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time::timeout};

use crate::{histogram::Histogram, journal::Journal};

/// Longer than anything takes that ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// What clients have counted so far: in the order of [`COUNTS`].
pub(crate) type Counts = [u64; COUNTS.len()];
pub(crate) const COUNTS: [&str; 7] =
    ["sent", "served", "status 429", "status 403", "status 503", "other status", "broken off"];

/// What they have told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) counts: Counts,
    pub(crate) latencies: BTreeMap<String, Histogram>,
    /// Lines of the table of limits: name, admitted, refused, least slack.
    pub(crate) oracles: Vec<String>,
    acks: BTreeMap<u64, oneshot::Sender<()>>,
}

pub(crate) struct Clients {
    process: Child,
    orders: Mutex<(u64, ChildStdin)>,
    told: Arc<Mutex<Told>>,
    reader: JoinHandle<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clients {
    pub(crate) fn start(server: SocketAddr, seed: u64, journal: &Arc<Journal>) -> Self {
        let program = env::current_exe().expect("the path of this program");
        let mut command = Command::new(program);
        command.args(["clients", &server.to_string(), &seed.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("this program again");
        let orders = Mutex::new((0, process.stdin.take().expect("a pipe")));
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let told: Arc<Mutex<Told>> = Arc::default();
        let (reader_told, journal) = (Arc::clone(&told), Arc::clone(journal));
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                lock(&reader_told).hear(&line, &journal);
            }
        });
        Self { process, orders, told, reader }
    }

    /// Comes back when it holds for all clients.
    pub(crate) async fn tell(&self, order: &str) {
        let (ack, held) = oneshot::channel();
        {
            let mut orders = lock(&self.orders);
            orders.0 += 1;
            let number = orders.0;
            lock(&self.told).acks.insert(number, ack);
            let sent = writeln!(orders.1, "{number} {order}").and_then(|()| orders.1.flush());
            sent.expect("clients that listen");
        }
        let held = timeout(PATIENCE, held).await;
        held.unwrap_or_else(|_| panic!("clients do not come to \"{order}\"")).expect("clients");
    }

    pub(crate) fn counts(&self) -> Counts {
        lock(&self.told).counts
    }

    /// Ends them, and hands back all that they have told.
    pub(crate) async fn end(mut self) -> Told {
        self.tell("end").await;
        drop(self.orders);
        let begun = Instant::now();
        while self.process.try_wait().expect("a process").is_none() {
            assert!(begun.elapsed() < PATIENCE, "clients do not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.reader.join().expect("a thread");
        std::mem::take(&mut lock(&self.told))
    }
}

impl Told {
    fn hear(&mut self, line: &str, journal: &Journal) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split_whitespace();
        match kind {
            "ack" => {
                let ack = rest.parse().ok().and_then(|number| self.acks.remove(&number));
                // Who has waited may have given up.
                let _ = ack.map(|ack| ack.send(()));
            }
            "counts" => {
                for (count, word) in self.counts.iter_mut().zip(words) {
                    *count = word.parse().unwrap_or(*count);
                }
            }
            "wrong" => journal.wrong(rest),
            "latency" => {
                let phase = words.next().unwrap_or_default().to_owned();
                if let Some(histogram) = Histogram::from_words(words) {
                    self.latencies.insert(phase, histogram);
                }
            }
            "oracle" => self.oracles.push(rest.to_owned()),
            _ => journal.wrong(&format!("clients say what nobody understands: {line}")),
        }
    }
}
