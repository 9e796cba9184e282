//! nginx in front of the gate, as most services stand: whose request it is, and what comes through of a refusal.
//!
//! The tests start nginx themselves, each its own. Where there is none they say so; with
//! `PORTCULLIS_REQUIRE_NGINX=1` that is a failure.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    extract::ConnectInfo,
    http::HeaderMap,
    middleware::map_request,
    routing::{get, post},
    serve::ListenerExt,
};
use portcullis::{
    ClientIp, ForwardedBy, Gate, GateLayer, LimitFields, Quota, Request, Timestamp, Trust,
};
use tokio::net::{TcpListener, TcpStream};

use super::{proxy, unread, wire::Connection};

const ONE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// An nginx that ends with the test, however that ends.
struct Nginx {
    process: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Nginx {
    /// In front of this server, by HTTP.
    async fn http(upstream: SocketAddr) -> Option<Self> {
        let blocks = |folder: &str, port: u16| {
            format!(
                "http {{
                    access_log off;
                    client_max_body_size 8m;
                    client_body_temp_path {folder}/body;
                    proxy_temp_path {folder}/proxy;
                    fastcgi_temp_path {folder}/fastcgi;
                    uwsgi_temp_path {folder}/uwsgi;
                    scgi_temp_path {folder}/scgi;
                    proxy_cache_path {folder}/cache keys_zone=all:1m;
                    upstream service {{ server {upstream}; keepalive 16; }}
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    server {{
                        listen 127.0.0.1:{port};
                        location / {{ proxy_pass http://service; }}
                        location /unbuffered {{
                            proxy_pass http://service;
                            proxy_request_buffering off;
                        }}
                        location /cached {{
                            proxy_pass http://service;
                            proxy_cache all;
                            proxy_cache_valid any 1h;
                            add_header X-Cache $upstream_cache_status always;
                        }}
                    }}
                }}"
            )
        };
        Self::start("", &blocks).await
    }

    /// In front of this server, by bytes and the PROXY protocol.
    async fn stream(upstream: SocketAddr) -> Option<Self> {
        let module = stream_module()?;
        let blocks = |_: &str, port: u16| {
            format!(
                "stream {{ server {{
                    listen 127.0.0.1:{port};
                    proxy_pass {upstream};
                    proxy_protocol on;
                }} }}"
            )
        };
        Self::start(&module, &blocks).await
    }

    async fn start(head: &str, blocks: &dyn Fn(&str, u16) -> String) -> Option<Self> {
        // Somebody else may take the port between our look and nginx's.
        for _ in 0..5 {
            let folder = folder();
            let path = folder.to_str().expect("a path in UTF-8");
            let address = free_address();
            let text = format!(
                "{head}
                daemon off;
                master_process off;
                pid {path}/pid;
                error_log {path}/error.log warn;
                events {{ worker_connections 256; }}
                {}",
                blocks(path, address.port())
            );
            fs::write(folder.join("nginx.conf"), text).unwrap();
            let started = Command::new("nginx")
                .args(["-p", path, "-c", &format!("{path}/nginx.conf")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let process = match started {
                Ok(process) => process,
                Err(error) => {
                    let _ = fs::remove_dir_all(&folder);
                    not_tested(&format!("nginx does not start: {error}"));
                    return None;
                }
            };
            let mut nginx = Self { process, folder, address };
            if nginx.is_listening().await {
                return Some(nginx);
            }
            eprintln!("nginx ended: {}", nginx.errors());
        }
        panic!("nginx ends whenever it is started");
    }

    async fn is_listening(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nginx does not listen: {}", self.errors());
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }

    async fn connect(&self, from: Ipv4Addr) -> Connection {
        Connection::open(from, self.address).await.unwrap()
    }
}

/// A folder of its own for each nginx.
fn folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("portcullis-nginx-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn not_tested(why: &str) {
    let is_required =
        std::env::var_os("PORTCULLIS_REQUIRE_NGINX").is_some_and(|value| value == "1");
    assert!(!is_required, "PORTCULLIS_REQUIRE_NGINX is set, and {why}");
    eprintln!("NOT TESTED: {why}");
}

/// What loads the module that passes on bytes: nothing where it is built in.
fn stream_module() -> Option<String> {
    let Ok(version) = Command::new("nginx").arg("-V").output() else {
        not_tested("nginx does not start");
        return None;
    };
    let version = String::from_utf8_lossy(&version.stderr).into_owned();
    let mut options = version.split_whitespace();
    if options.clone().any(|option| option == "--with-stream") {
        return Some(String::new());
    }
    let folder = options.find_map(|option| option.strip_prefix("--modules-path="));
    let module = folder.map(|folder| format!("{folder}/ngx_stream_module.so"));
    match module.filter(|module| fs::exists(module).unwrap_or(false)) {
        Some(module) => Some(format!("load_module {module};")),
        None => {
            not_tested("this nginx has no stream module (Debian: libnginx-mod-stream)");
            None
        }
    }
}

/// A gate that believes a proxy on this machine, in the header that it is given.
fn gate(quota: Quota) -> Gate {
    let proxies = Trust::nets(["127.0.0.1"]).unwrap();
    Gate::builder()
        .trust(ClientIp::new(proxies, ForwardedBy::XForwardedFor))
        .limit("per client", quota)
        .build()
        .unwrap()
}

/// A clock that moves when it is told to.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn layer(&self, gate: &Gate) -> GateLayer {
        let clock = self.clone();
        GateLayer::new(gate)
            .clock(move || Timestamp::from_secs(1_000 + clock.0.load(Ordering::Relaxed)))
    }

    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// Serves, and counts the connections.
async fn serve(app: Router) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let listener = listener.tap_io(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
    (address, connections)
}

/// Tells whom a gate would take for the client, by the same trust.
fn told() -> Router {
    let clients = ClientIp::new(Trust::nets(["127.0.0.1"]).unwrap(), ForwardedBy::XForwardedFor);
    Router::new().route(
        "/",
        get(move |ConnectInfo(peer): ConnectInfo<SocketAddr>, headers: HeaderMap| async move {
            let line = headers.get("x-forwarded-for").unwrap().as_bytes();
            let request = Request::new(peer.ip()).header("x-forwarded-for", line);
            clients.resolve(&request).unwrap().ip.to_string()
        }),
    )
}

/// Whatever a client writes into the header, nginx adds where it comes from, and that counts.
#[tokio::test]
async fn the_client_is_the_one_that_nginx_saw() {
    let gate = gate(Quota::per_hour(2));
    let (upstream, _) = serve(told().layer(GateLayer::new(&gate))).await;
    let Some(nginx) = Nginx::http(upstream).await else { return };
    let mut other = nginx.connect(OTHER).await;
    assert_eq!(other.get("/", "").await.unwrap().body, "127.0.0.2");
    let forged = "x-forwarded-for: 203.0.113.9\r\n";
    assert_eq!(other.get("/", forged).await.unwrap().body, "127.0.0.2");
    for lines in [
        "",
        forged,
        "x-forwarded-for: 203.0.113.9, 127.0.0.1\r\n",
        "x-forwarded-for: 203.0.113.10\r\nx-forwarded-for: 203.0.113.11\r\n",
        "x-forwarded-for: \"\r\n",
        "x-real-ip: 203.0.113.9\r\nforwarded: for=203.0.113.9\r\n",
    ] {
        assert_eq!(other.get("/", lines).await.unwrap().status, 429, "{lines}");
    }
    assert_eq!((gate.stats().admitted(), gate.stats().denied()), (2, 6));
}

#[tokio::test]
async fn clients_behind_one_nginx_have_limits_of_their_own() {
    let gate = gate(Quota::per_hour(3));
    let app = Router::new().route("/", get(|| async { "hello" })).layer(GateLayer::new(&gate));
    let (upstream, _) = serve(app).await;
    let Some(nginx) = Nginx::http(upstream).await else { return };
    for from in [OTHER, Ipv4Addr::new(127, 0, 0, 3)] {
        let mut statuses = Vec::new();
        for _ in 0..2 {
            // In several connections: what counts is the address.
            let mut client = nginx.connect(from).await;
            for _ in 0..2 {
                statuses.push(client.get("/", "").await.unwrap().status);
            }
        }
        assert_eq!(statuses, [200, 200, 200, 429], "{from}");
    }
    // The machine that nginx is on is a client, too.
    assert_eq!(nginx.connect(ONE).await.get("/", "").await.unwrap().status, 200);
}

/// Each line of a refusal that a client needs, as it was sent; and the connections stay.
#[tokio::test]
async fn a_refusal_comes_through_unchanged_and_costs_no_connection() {
    let gate = gate(Quota::per_minute(2));
    let clock = Clock::default();
    let layer = clock.layer(&gate).fields(LimitFields::on_all());
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let (upstream, connections) = serve(app).await;
    let Some(nginx) = Nginx::http(upstream).await else { return };
    let mut client = nginx.connect(OTHER).await;
    for _ in 0..2 {
        let served = client.get("/", "").await.unwrap();
        assert_eq!((served.status, served.body.as_str()), (200, "hello"));
    }
    let through = client.get("/", "").await.unwrap();
    assert_eq!(through.status, 429);

    // The same refusal without nginx in between.
    let mut direct = Connection::open(ONE, upstream).await.unwrap();
    let same = direct.get("/", "x-forwarded-for: 127.0.0.2\r\n").await.unwrap();
    assert_eq!(same.status, 429);
    assert_eq!(through.line("retry-after"), Some("30"));
    assert_eq!(through.line("content-type"), Some("application/problem+json"));
    assert_eq!(through.line("cache-control"), Some("no-store"));
    // All lines that the gate sends; nginx and the server have some of their own.
    let sent: Vec<&str> = same.names().filter(|name| *name != "date").collect();
    for name in &sent {
        assert_eq!(through.line(name), same.line(name), "{name}");
    }
    assert!(sent.contains(&"ratelimit") && sent.contains(&"ratelimit-policy"), "{sent:?}");
    assert_eq!(through.body, same.body);

    // One connection carries on, whatever it was answered.
    for round in 0..10 {
        assert_eq!(client.get("/", "").await.unwrap().status, 429, "{round}");
        clock.pass(30);
        assert_eq!(client.get("/", "").await.unwrap().status, 200, "{round}");
    }
    // One from nginx, and the direct one.
    assert_eq!(connections.load(Ordering::Relaxed), 2, "{}", nginx.errors());
}

/// nginx keeps everything for an hour, and so it would a refusal.
#[tokio::test]
async fn nginx_does_not_keep_a_refusal() {
    let gate = gate(Quota::per_minute(1));
    let clock = Clock::default();
    let hello = get(|| async { "hello" });
    let app = Router::new().route("/cached", hello.clone()).route("/", hello);
    let (upstream, _) = serve(app.layer(clock.layer(&gate))).await;
    let Some(nginx) = Nginx::http(upstream).await else { return };
    let mut client = nginx.connect(OTHER).await;
    assert_eq!(client.get("/", "").await.unwrap().status, 200);
    let asked = async |client: &mut Connection| {
        let answer = client.get("/cached", "").await.unwrap();
        (answer.status, answer.line("x-cache").unwrap_or_default().to_owned())
    };
    for _ in 0..2 {
        assert_eq!(asked(&mut client).await, (429, "MISS".into()));
    }
    clock.pass(60);
    assert_eq!(asked(&mut client).await, (200, "MISS".into()));
    // What it may keep it keeps, and the gate is not asked.
    assert_eq!(asked(&mut client).await, (200, "HIT".into()));
    assert_eq!((gate.stats().admitted(), gate.stats().denied()), (2, 2));
}

/// The gate answers before the body is there, whether nginx collects it first or passes it on as it comes. Somebody
/// has to read the rest, or nginx finds the connection closed and answers 502.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_that_is_refused_gets_its_answer() {
    let gate = gate(Quota::per_hour(1));
    let taken = post(|body: axum::body::Bytes| async move { body.len().to_string() });
    let taken = taken.layer(axum::extract::DefaultBodyLimit::max(8 << 20));
    let app = Router::new().route("/", taken.clone()).route("/unbuffered", taken);
    let app = app.layer(GateLayer::new(&gate)).layer(map_request(unread::read_on));
    let (upstream, _) = serve(app).await;
    let Some(nginx) = Nginx::http(upstream).await else { return };
    let body = vec![b'x'; 1 << 20];
    let mut served = 0;
    for round in 0..10 {
        for path in ["/", "/unbuffered"] {
            let mut client = nginx.connect(OTHER).await;
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: e2e.test\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            client.send(head.as_bytes()).await.unwrap();
            // nginx may have passed on the refusal before all is sent.
            let sent = client.send(&body).await;
            let answer = client.answer().await;
            let answer = answer.unwrap_or_else(|error| {
                panic!("{path} in round {round}: {error}, sent: {sent:?}, {}", nginx.errors())
            });
            match answer.status {
                200 => served += 1,
                429 => assert!(answer.line("retry-after").is_some()),
                status => panic!("{path} in round {round}: {status}, {}", nginx.errors()),
            }
        }
    }
    assert_eq!(served, 1);
    assert_eq!((gate.stats().admitted(), gate.stats().denied()), (1, 19));
}

/// A second of load: exactly the burst passes, since the gate's clock stands still.
#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_burst_passes_under_load() {
    const BURST: u32 = 50;
    let gate = gate(Quota::per_second(10).burst(BURST));
    let clock = Clock::default();
    let app = Router::new().route("/", get(|| async { "hello" })).layer(clock.layer(&gate));
    let (upstream, _) = serve(app).await;
    let Some(nginx) = Nginx::http(upstream).await else { return };
    let begun = Instant::now();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let server = nginx.address;
            tokio::spawn(async move {
                let mut counts = [0_u32; 2];
                let mut client = Connection::open(OTHER, server).await.unwrap();
                // Each asks often enough for the burst to run out, on the slowest machine.
                while counts[0] + counts[1] < BURST || begun.elapsed() < Duration::from_secs(1) {
                    let answer = client.get("/", "").await.unwrap();
                    match answer.status {
                        200 => counts[0] += 1,
                        429 => counts[1] += 1,
                        _ => panic!("{answer:?}"),
                    }
                    // nginx closes a connection after a thousand requests.
                    if answer.line("connection") == Some("close") {
                        client = Connection::open(OTHER, server).await.unwrap();
                    }
                }
                counts
            })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for client in clients {
        let [passed, denied] = client.await.unwrap();
        served += passed;
        refused += denied;
    }
    eprintln!("{served} served and {refused} refused in {:?}", begun.elapsed());
    assert_eq!(served, BURST);
    assert!(refused >= 7 * BURST, "{refused}");
    let counted = (gate.stats().admitted(), gate.stats().denied());
    assert_eq!(counted, (u64::from(served), u64::from(refused)));

    // Three seconds later ten a second have come back.
    clock.pass(3);
    let mut client = nginx.connect(OTHER).await;
    let mut more = 0;
    for _ in 0..40 {
        more += u32::from(client.get("/", "").await.unwrap().status == 200);
    }
    assert_eq!(more, 30);
}

/// nginx that passes on bytes says by the PROXY protocol whose they are.
#[tokio::test]
async fn the_client_is_the_one_that_nginx_names_by_the_proxy_protocol() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(1)).build().unwrap();
    let told = get(|Extension(client): Extension<SocketAddr>| async move { client.to_string() });
    let app = Router::new().route("/", told).layer(GateLayer::new(&gate));
    let Some(nginx) = Nginx::stream(proxy::serve(app).await).await else { return };
    for from in [ONE, OTHER] {
        let mut client = nginx.connect(from).await;
        assert_eq!(client.get("/", "").await.unwrap().body, client.address().to_string());
        assert_eq!(client.get("/", "").await.unwrap().status, 429, "{from}");
        let mut again = nginx.connect(from).await;
        assert_eq!(again.get("/", "").await.unwrap().status, 429, "{from}");
    }
    // A client's own header comes after nginx's, where it is a request that is none.
    let mut liar = nginx.connect(Ipv4Addr::new(127, 0, 0, 3)).await;
    liar.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n").await.unwrap();
    let answer = String::from_utf8(liar.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!((gate.stats().admitted(), gate.stats().denied()), (2, 4));
}
