//! The store of the fleet, on a thread of its own: killed, started again, paused, and robbed of what it knows.

use std::{
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

#[allow(dead_code, unused_imports, reason = "other tests need more of it")]
#[path = "../tests/fleet/server.rs"]
mod server;

pub(crate) use self::server::Managed;
use self::server::{Server, managed_later};

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Killed, and started again after so many milliseconds.
    Kill(u64),
    /// Stopped for so long; its connections stay.
    Pause(u64),
    /// It forgets the script.
    ForgetScript,
    /// It forgets everything else.
    ForgetData,
}

type Order = (Harm, oneshot::Sender<()>);

pub(crate) struct Store {
    /// Until it ends.
    orders: Option<Sender<Order>>,
    client: redis::Client,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Store {
    /// However this program ends, the server ends before it.
    fn drop(&mut self) {
        drop(self.orders.take());
        // Where it has panicked, it has said so.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Store {
    /// `None`, and it is said, if there is no server here.
    pub(crate) fn start() -> Option<Self> {
        let mut server = Server::start()?;
        let client = server.client();
        let (orders, received) = channel::<Order>();
        let thread = thread::spawn(move || {
            for (harm, done) in received {
                match harm {
                    Harm::Kill(millis) => {
                        server.kill();
                        thread::sleep(Duration::from_millis(millis));
                        server.restart();
                    }
                    Harm::Pause(millis) => {
                        server.stop();
                        thread::sleep(Duration::from_millis(millis));
                        server.go_on();
                    }
                    Harm::ForgetScript => server.ask::<()>(&["SCRIPT", "FLUSH"]),
                    Harm::ForgetData => server.ask::<()>(&["FLUSHALL"]),
                }
                // Whoever has asked may have ended.
                let _ = done.send(());
            }
        });
        Some(Self { orders: Some(orders), client, thread: Some(thread) })
    }

    /// What a gate asks; it has connected once.
    pub(crate) async fn managed(&self) -> Managed {
        let store = managed_later(self.client.clone());
        store.load().await.expect("a server that answers");
        store
    }

    /// Does it, and comes back when it answers again.
    pub(crate) async fn suffer(&self, harm: Harm) {
        let (done, end) = oneshot::channel();
        let orders = self.orders.as_ref().expect("it has not ended");
        orders.send((harm, done)).expect("its thread");
        end.await.expect("its thread");
    }
}
