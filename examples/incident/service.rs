//! The service under attack: axum, one page, and a pool of one worker that renders it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::StatusCode,
    response::Html,
    routing::get,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

use crate::{
    defended::Defended,
    outage,
    shop::Catalogue,
    wire::{self, Connection},
};

/// What the handler works with.
#[derive(Clone)]
struct Backend {
    shop: Arc<Catalogue>,
    unplugged: Arc<AtomicBool>,
}

/// A running service. Dropping it is pulling the plug: connections and queued work are gone.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    unplugged: Arc<AtomicBool>,
}

impl Service {
    /// Starts the service on a port that the system finds free, with a gate in front if one is
    /// given.
    ///
    /// `pretended`: this machine can not give every client an address of its own, so the gate is
    /// told to read it from a header. Nothing reads that header where clients have addresses.
    pub(crate) fn start(
        shop: Arc<Catalogue>,
        gate: Option<&Defended>,
        pretended: bool,
    ) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            // The pool: one thread, with an unbounded queue, first come first served. As in any
            // service that hands work to a pool, a page once asked for is rendered even when nobody
            // waits for it any more; that is what makes a flood hurt.
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .map_err(|error| format!("the service's threads could not be started: {error}"))?;
        let unplugged = Arc::new(AtomicBool::new(false));
        let backend = Backend { shop, unplugged: Arc::clone(&unplugged) };
        let app = Router::new().route("/search", get(search)).with_state(backend);
        let app = match gate {
            Some(gate) => outage::gated(app, gate, pretended),
            None => app,
        };
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("the listener does not say where it listens: {error}"))?;
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        // axum's server only ends with its runtime.
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, runtime: Some(runtime), unplugged })
    }

    /// What the service can do: pages a second with a few clients who always want the next one.
    pub(crate) fn measure(&self, seconds: f64) -> Result<f64, String> {
        const CLIENTS: usize = 4;
        const SLICES: usize = 7;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("the measuring clients could not be started: {error}"))?;
        let address = self.address;
        let slice = Duration::from_secs_f64(seconds / SLICES as f64);
        runtime.block_on(async move {
            let start = Instant::now();
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| tokio::spawn(closed_loop(address, start, slice, SLICES)))
                .collect();
            let mut pages = [0_u32; SLICES];
            for client in clients {
                let counted = client.await.map_err(|error| error.to_string())?;
                let counted = counted.map_err(|e| format!("the service does not answer: {e}"))?;
                pages.iter_mut().zip(counted).for_each(|(sum, count)| *sum += count);
            }
            // The median slice: neither a warm-up nor a moment of somebody else's work decides.
            pages.sort_unstable();
            match pages[SLICES / 2] {
                0 => Err("the service hardly serves a page".to_owned()),
                pages => Ok(f64::from(pages) / slice.as_secs_f64()),
            }
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The pool would still work off its whole queue, and take a processor from what comes next.
        self.unplugged.store(true, Ordering::Relaxed);
        if let Some(runtime) = self.runtime.take() {
            // Not a plain drop, which would wait for the pool.
            runtime.shutdown_background();
        }
    }
}

/// The handler. It does not know of the gate.
async fn search(
    State(backend): State<Backend>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, StatusCode> {
    let query = query.unwrap_or_default();
    let page = tokio::task::spawn_blocking(move || {
        let asked = query.strip_prefix("q=").unwrap_or_default();
        (!backend.unplugged.load(Ordering::Relaxed)).then(|| backend.shop.search(asked))
    });
    page.await.ok().flatten().map(Html).ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// Asks again as soon as it is answered, and counts the pages of each slice of time.
async fn closed_loop(
    address: SocketAddr,
    start: Instant,
    slice: Duration,
    slices: usize,
) -> std::io::Result<Vec<u32>> {
    let request = wire::request(address, None);
    let mut connection = Connection::open(None, address).await?;
    let mut pages = vec![0; slices];
    loop {
        connection.send(&request).await?;
        let answer = connection.receive().await?;
        let now = (start.elapsed().as_secs_f64() / slice.as_secs_f64()) as usize;
        match pages.get_mut(now) {
            Some(count) if answer.status == 200 => *count += 1,
            Some(_) => return Err(std::io::Error::other(format!("status {}", answer.status))),
            None => return Ok(pages),
        }
    }
}

/// What a client reads that has asked too often: the head of the response.
pub(crate) fn refusal(service: &Service, pretended: Option<IpAddr>, tries: u32) -> Option<String> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let request = wire::request(service.address, pretended);
        let mut connection = Connection::open(None, service.address).await.ok()?;
        for _ in 0..tries {
            connection.send(&request).await.ok()?;
            let answer = connection.receive().await.ok()?;
            if answer.status != 200 {
                return Some(answer.head);
            }
        }
        None
    })
}
