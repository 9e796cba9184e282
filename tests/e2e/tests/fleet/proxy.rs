//! A way to the server that takes its time, and can be cut.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
};

/// Between a client, by TCP, and a server's socket.
pub(crate) struct Proxy {
    address: SocketAddr,
    /// Milliseconds that each answer takes longer.
    delay: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let delay = Arc::new(AtomicU64::new(0));
        let of_all = Arc::clone(&delay);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&socket).await else { continue };
                let delay = Arc::clone(&of_all);
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                tokio::spawn(async move {
                    let mut answer = vec![0; 4_096];
                    while let Ok(1..) = from_server.read(&mut answer[..1]).await {
                        let more = from_server.try_read(&mut answer[1..]).unwrap_or(0);
                        let delay = delay.load(Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(delay)).await;
                        if to_client.write_all(&answer[..=more]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, delay }
    }

    pub(crate) fn client(&self) -> Client {
        Client::open(format!("redis://{}/", self.address)).unwrap()
    }

    pub(crate) fn delay(&self, millis: u64) {
        self.delay.store(millis, Ordering::Relaxed);
    }
}
