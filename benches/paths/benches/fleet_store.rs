//! What a limit that a fleet shares costs: a script call for each request, and checks with leases, on one server.
//!
//! Starts a redis-server of its own (`PORTCULLIS_REDIS_SERVER`, or the search path) on a socket, and lets 64 tasks on
//! two threads check as fast as they can, two seconds for each line. Both ways take turns on the same server, so that
//! they can be compared; the numbers themselves are those of this machine, on which the server runs, too.

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark has a clock, starts a server and prints"
)]

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use portcullis::{
    Quota, SystemClock,
    limit::remote::{Call, Claim, Fleet, FleetLimit, FleetSettings, OnFailure, Store, Subject},
    redis::RedisStore,
};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};

const TASKS: u64 = 64;
const LONG: Duration = Duration::from_secs(2);

struct Server {
    process: Child,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    fn start() -> Option<Self> {
        let program =
            env::var_os("PORTCULLIS_REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let folder = env::temp_dir().join(format!("pc-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).ok()?;
        let mut command = Command::new(program);
        command.args(["--port", "0", "--appendonly", "no", "--save", "", "--unixsocket"]);
        command.arg(folder.join("socket")).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().ok()?;
        Some(Self { process, folder })
    }

    async fn connect(&self) -> MultiplexedConnection {
        let url = format!("redis+unix://{}", self.folder.join("socket").display());
        let client = Client::open(url).expect("an address");
        let config = AsyncConnectionConfig::new().set_pipeline_buffer_size(1_000);
        for _ in 0..1_000 {
            if let Ok(connection) =
                client.get_multiplexed_async_connection_with_config(&config).await
            {
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the server does not answer");
    }
}

/// One way to decide about a request.
#[derive(Clone)]
enum Way {
    /// A script call for each.
    Plain,
    /// By a node that takes units in advance and remembers denials.
    Leased,
}

#[derive(Clone)]
struct Bench {
    fleet: Fleet,
    limit: FleetLimit,
    store: RedisStore<MultiplexedConnection>,
    way: Way,
    keys: u64,
}

impl Bench {
    /// Whether one request of this one may pass.
    async fn check(&self, subject: Subject) -> bool {
        match self.way {
            Way::Plain => {
                let call = Call::of("bench", subject, &[(self.limit.clone(), 1, 1)]);
                matches!(self.store.call(&call).await, Ok(reply) if reply[0] == 1)
            }
            Way::Leased => {
                let claims = [Claim::new(&self.limit, subject, 1)];
                self.fleet.check(&claims, &self.store, SystemClock::now).await.is_admitted()
            }
        }
    }

    /// What each request took in nanoseconds, and how many were admitted.
    async fn task(self, seed: u64) -> (Vec<u32>, u64) {
        let (mut times, mut admitted) = (Vec::with_capacity(1 << 20), 0);
        let (begun, mut dice) = (Instant::now(), seed);
        loop {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let before = Instant::now();
            if before - begun >= LONG {
                return (times, admitted);
            }
            let subject = self.fleet.subject(&((dice >> 33) % self.keys).to_le_bytes());
            admitted += u64::from(self.check(subject).await);
            times.push(u32::try_from(before.elapsed().as_nanos()).unwrap_or(u32::MAX));
            // Requests are tasks of their own: others have their turn.
            tokio::task::yield_now().await;
        }
    }
}

async fn run(server: &Server, name: &str, keys: u64, quota: Quota, way: Way) {
    let connection = server.connect().await;
    let store = RedisStore::new(connection.clone());
    store.load().await.expect("a store");
    // So long that a busy machine's pauses are in the times, and not among the failures.
    let settings = FleetSettings::new().prefix("bench").timeout(Duration::from_secs(5));
    let fleet = Fleet::new(settings).expect("a fleet");
    let limit = fleet.limit("bench", quota, OnFailure::Closed).expect("a limit");
    let bench = Bench { fleet, limit, store, way: way.clone(), keys };
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS).map(|seed| tokio::spawn(bench.clone().task(seed))).collect();
    let (mut times, mut admitted) = (Vec::new(), 0);
    for task in tasks {
        let (own, passed) = task.await.expect("a task");
        times.extend(own);
        admitted += passed;
    }
    let passed = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let micros = |share: usize| f64::from(times[(times.len() - 1) * share / 1_000]) / 1_000.0;
    let checks = times.len() as f64;
    let stats = bench.fleet.stats();
    let (name_of_way, calls) = match way {
        Way::Plain => ("script call", checks),
        Way::Leased => ("leases", stats.calls() as f64),
    };
    println!(
        "| {name} | {name_of_way} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.5} | {} |",
        checks / passed,
        admitted as f64 / passed,
        micros(500),
        micros(990),
        micros(999),
        calls / checks,
        stats.fallbacks(),
    );
    let _: () =
        redis::cmd("FLUSHALL").query_async(&mut connection.clone()).await.expect("a server");
}

fn main() {
    let Some(server) = Server::start() else {
        println!("no redis-server can be started here");
        return;
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    println!(
        "| requests | way | checks/s | admitted/s | p50 (µs) | p99 (µs) | p99.9 (µs) | calls per check | fallbacks |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let wide = Quota::per_second(10_000_000);
    let narrow = Quota::per_second(1_000);
    for (name, keys, quota) in [
        ("2 keys, within the limit", 2, wide),
        ("2 keys, far over the limit", 2, narrow),
        ("1,000 keys, within the limit", 1_000, wide),
        ("100,000 keys, within the limit", 100_000, wide),
    ] {
        for way in [Way::Plain, Way::Leased] {
            runtime.block_on(run(&server, name, keys, quota, way));
        }
    }
}
