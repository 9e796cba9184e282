//! One node of the fleet: a service with a port of its own.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::Router;
use portcullis::Gate;
use tokio::{net::TcpListener, task::JoinHandle, time};

/// Much longer than any pause between two tries to connect.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running service. It ends when this is dropped.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    gate: Gate,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Node {
    pub(crate) async fn start((app, gate): (Router, Gate)) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, gate, serving })
    }

    /// Whether its calls are answered, as far as it knows.
    fn is_answered(&self) -> bool {
        self.gate.fleet().is_none_or(|fleet| !fleet.stats().is_open())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What nodes have asked of Redis, all of them together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Round trips.
    pub(crate) calls: u64,
    /// Checks for which there was no answer, so that a node had to decide alone.
    pub(crate) alone: u64,
}

impl Asked {
    /// So far.
    pub(crate) fn by(nodes: &[Node]) -> Self {
        let fleets = nodes.iter().filter_map(|node| node.gate.fleet());
        fleets.map(|fleet| fleet.stats()).fold(Self::default(), |sum, stats| Self {
            calls: sum.calls + stats.calls(),
            alone: sum.alone + stats.fallbacks(),
        })
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self { calls: self.calls - before.calls, alone: self.alone - before.alone }
    }
}

/// They find out by themselves that somebody answers again: each of them asks four times a second.
pub(crate) async fn until_all_are_answered(nodes: &[Node]) -> Result<(), Box<dyn Error>> {
    let all = async {
        while !nodes.iter().all(Node::is_answered) {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(PATIENCE, all).await.map_err(|_| "Redis is back, and is not asked again".into())
}
