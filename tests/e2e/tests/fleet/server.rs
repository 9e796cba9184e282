//! A server in a folder of its own, which can be killed, stopped and started again.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio, id},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use portcullis::redis::RedisStore;
use redis::{
    Client, FromRedisValue,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};

/// What a node's store is made of.
pub(crate) type Managed = RedisStore<ConnectionManager>;

/// A server that ends with the test, however that ends.
pub(crate) struct Server {
    program: PathBuf,
    folder: PathBuf,
    /// Without one it listens on a socket in its folder only.
    port: Option<u16>,
    args: Vec<String>,
    process: Option<Child>,
}

/// How long anything may take that a server does.
const PATIENCE: Duration = Duration::from_secs(20);

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// One of the servers that there are here; `None`, and it is said, if there are none.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// One of each kind that there is here.
    pub(crate) fn start_each() -> Vec<Self> {
        programs().into_iter().map(|program| Self::new(program, None, &[])).collect()
    }

    /// With more options, on a socket.
    pub(crate) fn start_with(args: &[&str]) -> Option<Self> {
        Some(Self::new(programs().into_iter().next()?, None, args))
    }

    /// As a node of a cluster, on a port.
    pub(crate) fn start_in_cluster() -> Option<Self> {
        let program = programs().into_iter().next()?;
        let args = ["--cluster-enabled", "yes"];
        // Somebody else may take a port before the server does.
        let mut last = String::new();
        for port in free_ports() {
            match Self::try_new(program.clone(), Some(port), &args) {
                Ok(server) => return Some(server),
                Err(problem) => last = problem,
            }
        }
        panic!("no port is free: {last}");
    }

    fn new(program: PathBuf, port: Option<u16>, args: &[&str]) -> Self {
        Self::try_new(program, port, args).unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn try_new(program: PathBuf, port: Option<u16>, args: &[&str]) -> Result<Self, String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Names of sockets must be short.
        let folder = env::temp_dir().join(format!("pc-redis-{}-{number}", id()));
        fs::create_dir_all(&folder).unwrap();
        let args = args.iter().map(ToString::to_string).collect();
        let mut server = Self { program, folder, port, args, process: None };
        server.spawn();
        server.answers()?;
        Ok(server)
    }

    /// Starts it again at the same place, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.spawn();
        self.answers().unwrap_or_else(|problem| panic!("{problem}"));
    }

    fn answers(&mut self) -> Result<(), String> {
        self.comes_to("an answer", |server| server.client().get_connection().is_ok())
    }

    /// Starts it again at the same place, and does not wait.
    pub(crate) fn spawn(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let log = fs::File::create(self.folder.join("log")).unwrap();
        let port = self.port.unwrap_or(0).to_string();
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &port, "--appendonly", "no", "--save", ""]);
        command.arg("--unixsocket").arg(self.folder.join("socket"));
        command.arg("--dir").arg(&self.folder).args(&self.args);
        command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("a server that starts"));
    }

    /// At once: nothing is saved, nobody is told.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// It does nothing from then on, and keeps its connections.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    /// It goes on.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("a server that runs").id();
        let sent = Command::new("kill").args([signal, &process.to_string()]).status();
        assert!(sent.expect("a program called kill").success());
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Its port, if it has one.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.expect("a server with a port")).into()
    }

    pub(crate) fn client(&self) -> Client {
        Client::open(format!("redis+unix://{}", self.socket().display())).unwrap()
    }

    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        self.client().get_multiplexed_async_connection().await.expect("a server that answers")
    }

    /// What a service would use.
    pub(crate) async fn store(&self) -> Managed {
        managed(self.client()).await
    }

    /// One command, for which there is time.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.client().get_connection().expect("a server that answers");
        let (first, others) = words.split_first().expect("a command");
        let answer = redis::cmd(first).arg(others).query(&mut connection);
        answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Until this is so.
    pub(crate) fn wait_for(&mut self, what: &str, is_so: impl FnMut(&mut Self) -> bool) {
        self.comes_to(what, is_so).unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Until this is so; or else why it is not, at once if the server has ended.
    fn comes_to(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        let begun = Instant::now();
        while !is_so(self) {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                let ended = ended.map(|status| format!(", has ended with {status}"));
                let (program, ended) = (self.program.display(), ended.unwrap_or_default());
                return Err(format!("{program} has not come to {what}{ended}: {log}"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// A store that comes back soon after its server.
pub(crate) async fn managed(client: Client) -> Managed {
    RedisStore::new(ConnectionManager::new_with_config(client, config()).await.unwrap())
}

/// The same, of a server that need not be there yet.
pub(crate) fn managed_later(client: Client) -> Managed {
    RedisStore::new(ConnectionManager::new_lazy_with_config(client, config()).unwrap())
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        // Longer than the half second that it is otherwise: machines that run tests are busy.
        .set_response_timeout(Some(Duration::from_secs(2)))
        .set_min_delay(Duration::from_millis(10))
        .set_max_delay(Duration::from_millis(50))
}

/// The servers that there are here.
fn programs() -> Vec<PathBuf> {
    let kinds = [
        ("PORTCULLIS_REDIS_SERVER", "redis-server"),
        ("PORTCULLIS_VALKEY_SERVER", "valkey-server"),
    ];
    let found = kinds.iter().filter_map(|(variable, name)| {
        let program = env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from);
        let version = Command::new(&program).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success()).then_some(program)
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        let required =
            env::var_os("PORTCULLIS_REQUIRE_REDIS").is_some_and(|required| required == "1");
        assert!(!required, "neither redis-server nor valkey-server can be started");
        eprintln!("!! skipped: neither redis-server nor valkey-server is here");
    }
    found
}

/// Ports that nobody listens on, nor on their companions, which a cluster's nodes talk by. None of them is given to
/// connections that are begun; processes and tests begin to look at different ones.
fn free_ports() -> impl Iterator<Item = u16> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut looks = 0..PORTS;
    std::iter::from_fn(move || {
        looks.find_map(|_| {
            let number = u64::from(id()).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = FIRST_PORT + u16::try_from(number % u64::from(PORTS)).unwrap();
            let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            (is_free(port) && is_free(port + COMPANION)).then_some(port)
        })
    })
}

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 2_000;
/// How much higher a port's companion is.
const COMPANION: u16 = 10_000;

/// Whichever of its two ports it does not get.
#[test]
fn redis_that_cannot_listen_is_not_waited_for() {
    let Some(program) = programs().into_iter().next() else { return };
    for above in [0, COMPANION] {
        let mut taken = free_ports().filter_map(|port| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port + above)).ok()?;
            Some((port, listener))
        });
        let (port, _listener) = taken.next().expect("a port");
        let started = Server::try_new(program.clone(), Some(port), &["--cluster-enabled", "yes"]);
        let problem = started.err().expect("a server that has ended");
        assert!(problem.contains("has ended with exit status: 1"), "{problem}");
    }
}
