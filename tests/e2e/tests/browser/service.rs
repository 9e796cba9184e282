//! A service of axum with a gate and its status page, and crowds that ask it over real connections.
//!
//! This machine has few addresses, so the gate is told to believe a header.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::request::Parts, routing::get};
use portcullis::{Gate, GateLayer, axum::StatusPage};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

/// Where the page is.
pub(crate) const PATH: &str = "/ops/status";

/// A running service. Dropping it is pulling the plug.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

impl Service {
    pub(crate) fn start(gate: &Gate, page: &StatusPage) -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), gate, page)
    }

    /// On this port, which may have been another's a moment ago.
    pub(crate) fn start_at(address: SocketAddr, gate: &Gate, page: &StatusPage) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).expect("a free port");
        let address = listener.local_addr().unwrap();
        // The page is outside of the layer, so that a flood does not keep operators out.
        let app: Router = Router::new()
            .fallback(get(|| async { "hello" }))
            .layer(GateLayer::new(gate))
            .nest(PATH, page.router());
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { address, runtime: Some(runtime) }
    }

    /// Begins to ask.
    pub(crate) fn asked_by(&self, crowd: Crowd) -> Asking {
        let goes_on = Arc::new(AtomicBool::new(true));
        let runtime = self.runtime.as_ref().expect("running");
        for number in 0..crowd.clients {
            let (address, goes_on) = (self.address, Arc::clone(&goes_on));
            runtime.spawn(async move {
                while goes_on.load(Ordering::Relaxed) {
                    // Connections end with the service.
                    let _ = crowd.ask(number, address, &goes_on).await;
                    tokio::time::sleep(crowd.pause).await;
                }
            });
        }
        Asking { goes_on }
    }
}

/// Who has this cookie may act.
pub(crate) fn is_operator(request: &Parts) -> bool {
    let mut cookies = request.headers.get_all("cookie").iter();
    cookies.any(|cookie| cookie.to_str().is_ok_and(|cookie| cookie.contains("operator=yes")))
}

/// Clients that ask again and again.
#[derive(Clone, Copy)]
pub(crate) struct Crowd {
    /// They are the first addresses of this /24.
    pub(crate) network: [u8; 3],
    pub(crate) clients: u8,
    /// Between two requests of one of them.
    pub(crate) pause: Duration,
    pub(crate) target: &'static str,
    pub(crate) agent: &'static str,
}

impl Crowd {
    pub(crate) fn address(self, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, number + 1)
    }

    /// One connection, until it breaks or nobody wants more.
    async fn ask(
        self,
        number: u8,
        service: SocketAddr,
        goes_on: &AtomicBool,
    ) -> std::io::Result<()> {
        let Self { target, agent, .. } = self;
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: {service}\r\nuser-agent: {agent}\r\nx-forwarded-for: {}\r\n\r\n",
            self.address(number)
        );
        let mut stream = TcpStream::connect(service).await?;
        let mut answer = [0; 4_096];
        // Answers are short, and nobody here wants to know what they say.
        while goes_on.load(Ordering::Relaxed) {
            stream.write_all(request.as_bytes()).await?;
            if stream.read(&mut answer).await? == 0 {
                break;
            }
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }
}

/// Ends when it is dropped.
pub(crate) struct Asking {
    goes_on: Arc<AtomicBool>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
    }
}
