//! Listeners of axum, and the connections that they accept.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use portcullis::{
    Gate, Request,
    axum::{GateListener, PeerAddr},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{NOW, at_every_call, clock, gate, now, touch};
use crate::peer;

#[test]
fn listeners() {
    type State = Arc<std::sync::Mutex<(Gate, GateListener<Connections>)>>;
    // For the timers of first requests.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    for hook in ["accept", "peer", "clock", "io"] {
        let make = || {
            let gate = gate(false);
            let listener = GateListener::new(Connections, &gate)
                .connections_per_client(2)
                .connections(2)
                .first_request_within(Duration::from_secs(60))
                .refuse_over_limit()
                .clock(clock);
            Arc::new(std::sync::Mutex::new((gate, listener)))
        };
        let work = |state: &State| {
            let mut state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            for _ in 0..3 {
                let mut connections = [now(state.1.accept()), now(state.1.accept())];
                assert_eq!(state.1.stats().open(), 2);
                for (io, _) in &mut connections {
                    assert_eq!(now(io.read(&mut [0; 9])).unwrap(), 0);
                    now(io.write_all(b"hello")).unwrap();
                    now(io.shutdown()).unwrap();
                }
            }
        };
        at_every_call(hook, make, work, |state, _| {
            let mut state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let (gate, listener) = &mut *state;
            let stats = listener.stats();
            assert_eq!(stats.open(), 0, "no place is lost");
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _entered = runtime.enter();
            let connections = [now(listener.accept()), now(listener.accept())];
            assert_eq!((stats.open(), stats.refused()), (2, 0));
            drop(connections);
            assert!(gate.check(&Request::new(peer(1)), NOW).is_admitted());
        });
    }
}

/// Connections from one client, from an address that cannot always be told.
struct Connections;

#[derive(Clone, Debug)]
struct From(IpAddr);

impl PeerAddr for From {
    fn peer_ip(&self) -> Option<IpAddr> {
        touch("peer");
        Some(self.0)
    }
}

/// A connection whose other end says nothing.
struct Silent;

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        touch("io");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Silent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        touch("io");
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        touch("io");
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        touch("io");
        Poll::Ready(Ok(()))
    }
}

impl Listener for Connections {
    type Io = Silent;
    type Addr = From;

    async fn accept(&mut self) -> (Silent, From) {
        touch("accept");
        (Silent, From(peer(1)))
    }

    fn local_addr(&self) -> io::Result<From> {
        Ok(From(peer(0)))
    }
}
