//! The service: a gate that has learned what is usual, and a server of axum behind it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request as HttpRequest, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use portcullis::{
    Gate, GateLayer, LimitFields, Outcome, Request, SystemClock, Timestamp,
    axum::{ConnectionStats, GateListener, StatusPage},
    gate::OPEN_METRICS_TYPE,
    limit::remote::FleetSettings,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{Fault, store::Managed, texts};

/// A service that runs.
pub(crate) struct Service {
    pub(crate) gate: Gate,
    pub(crate) address: SocketAddr,
    pub(crate) connections: ConnectionStats,
    pub(crate) seen: Seen,
    page: StatusPage,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// What handlers have seen.
#[derive(Clone)]
pub(crate) struct Seen {
    gate: Gate,
    fault: Option<Fault>,
    pub(crate) handled: Arc<AtomicU64>,
    /// Handlers at work of one client that may have three at a time, and the most there were.
    places: Arc<(AtomicU32, AtomicU32)>,
}

/// Seconds of virtual time in which the gate learns.
const LEARNING: u64 = 600;

/// A gate for these texts; its secret is in none of them.
pub(crate) fn gate() -> Gate {
    let settings = FleetSettings::new().secret(b"of the soak");
    let gate = Gate::builder().fleet(settings).build_toml(&texts::usual());
    gate.unwrap_or_else(|problem| panic!("{problem}"))
}

/// One that has seen regular clients for a while: a gate that knows nobody defends nothing.
fn learned() -> Gate {
    let gate = gate();
    for second in 0..LEARNING {
        for number in 0..100_u64 {
            let now = Timestamp::from_millis(second * 1_000 + number * 10);
            let last = u8::try_from((second * 7 + number) % 100 + 1).unwrap_or(1);
            let target = ["/", "/item/7", "/big", "/slow"][usize::from(last) % 4];
            let client = format!("192.0.2.{last}");
            let request = Request::new(IpAddr::from(Ipv4Addr::LOCALHOST))
                .method("GET")
                .target(target)
                .header("x-forwarded-for", &client)
                .header("user-agent", "visitor");
            if let Ok(admission) = gate.check(&request, now).into_result() {
                gate.finish(admission, Outcome::status(200), now);
            }
        }
        gate.tick(Timestamp::from_secs(second + 1));
    }
    let saved = gate.snapshot(Timestamp::from_secs(LEARNING));
    let gate = self::gate();
    gate.restore(&saved, SystemClock::now()).expect("what was just saved");
    gate
}

impl Service {
    pub(crate) async fn start(store: Option<Managed>, fault: Option<Fault>) -> Self {
        let gate = learned();
        let page = StatusPage::new(&gate).title("soak").allow_viewing(|_| true);
        let seen =
            Seen { gate: gate.clone(), fault, handled: Arc::default(), places: Arc::default() };
        let numbers = gate.clone();
        let numbers = async move || {
            ([(header::CONTENT_TYPE, OPEN_METRICS_TYPE)], numbers.open_metrics(SystemClock::now()))
        };
        let layer = GateLayer::new(&gate).fields(LimitFields::on_all());
        let app = routes(seen.clone());
        let app = match store {
            Some(store) => app.layer(layer.fleet(store)),
            None => app.layer(layer),
        };
        let app = app.nest("/status", page.router()).route("/metrics", get(numbers));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let listener = GateListener::new(listener, &gate)
            .connections_per_client(32)
            .connections(2_000)
            .first_request_within(Duration::from_secs(3));
        let connections = listener.stats();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            let stopped = async { drop(stopped.await) };
            let done = axum::serve(listener.listen(), app).with_graceful_shutdown(stopped).await;
            done.expect("a server that serves");
        });
        Self { gate, address, connections, seen, page, stop, serving }
    }

    /// Ends when whoever is connected has left; `false` if that takes too long.
    pub(crate) async fn end(self) -> bool {
        self.page.close();
        let _ = self.stop.send(());
        tokio::time::timeout(Duration::from_secs(20), self.serving).await.is_ok()
    }
}

impl Seen {
    /// The most that one client had at work at once, of three.
    pub(crate) fn most_places(&self) -> u32 {
        self.places.1.load(Ordering::Relaxed)
    }

    fn fallbacks(&self) -> u64 {
        self.gate.fleet().map_or(0, |fleet| fleet.stats().fallbacks())
    }
}

fn routes(seen: Seen) -> Router {
    Router::new()
        .route("/", get(async || "hello\n"))
        .route("/search", get(async || "found nothing\n"))
        .route("/extra", get(async || "more\n"))
        .route("/api", get(async || "{}\n"))
        .route("/trap", get(async || "sprung\n"))
        .route("/item/{number}", get(async |Path(number): Path<u64>| format!("{number}\n")))
        .route("/big", get(async || Bytes::from_static(&[b'.'; 512 * 1_024])))
        .route("/slow", get(slow))
        .route("/login", post(login))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
        .route("/kept/places", get(places))
        .route("/kept/count/{status}", get(status))
        .route("/kept/{*rest}", get(async || "kept\n"))
        .layer(from_fn_with_state(seen.clone(), mark))
        .with_state(seen)
}

/// Marks what has come past the gate, and tells how often the store has not answered until then.
async fn mark(State(seen): State<Seen>, request: HttpRequest, next: Next) -> Response {
    let number = seen.handled.fetch_add(1, Ordering::Relaxed);
    if seen.fault == Some(Fault::LeakRequests) && number % 1_000 == 0 {
        std::mem::forget(vec![1_u8; 1_024]);
    }
    if seen.fault == Some(Fault::Hang) && number % 5_000 == 4_999 {
        tokio::time::sleep(Duration::from_secs(12)).await;
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert("x-served", HeaderValue::from_static("1"));
    headers.insert("x-fallbacks", HeaderValue::from(seen.fallbacks()));
    response
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(100)).await;
    "at last\n"
}

/// Only who knows the word comes in.
async fn login(headers: HeaderMap) -> StatusCode {
    if headers.contains_key("x-word") { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}

async fn status(Path(status): Path<u16>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, "as you like\n").into_response()
}

/// Only who has the header is counted: one client.
async fn places(State(seen): State<Seen>, headers: HeaderMap) -> &'static str {
    let (now, most) = &*seen.places;
    let is_counted = headers.contains_key("x-counted");
    if is_counted {
        most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    if is_counted {
        now.fetch_sub(1, Ordering::Relaxed);
    }
    "kept\n"
}
