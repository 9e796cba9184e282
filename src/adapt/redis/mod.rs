//! Redis or Valkey as the store of limits that a fleet shares, by version 1 of the crate `redis`.
//!
//! [`RedisStore`] runs the [script](crate::limit::remote::SCRIPT) over a connection of yours: a
//! `ConnectionManager`, a `MultiplexedConnection`, a `ClusterConnection`, or anything else that is a
//! [`ConnectionLike`](::redis::aio::ConnectionLike) and whose clones share one connection. No pool is needed: requests
//! are sent one after the other without waiting for answers.
//!
//! # Example: one limit for all instances of a service
//! ```no_run
//! # #[cfg(feature = "axum")] {
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use portcullis::{
//!     Gate, GateLayer, LimitRule, Quota,
//!     limit::remote::{FleetSettings, OnFailure},
//!     redis::RedisStore,
//! };
//! use redis::{Client, aio::{ConnectionManager, ConnectionManagerConfig}};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::open("redis://127.0.0.1/?protocol=resp3")?;
//! let config = ConnectionManagerConfig::new()
//!     .set_max_delay(Duration::from_millis(500))
//!     .set_pipeline_buffer_size(1_000);
//! let store = RedisStore::new(ConnectionManager::new_lazy_with_config(client, config)?);
//! let first = store.clone();
//! tokio::spawn(async move {
//!     if let Err(error) = first.load().await {
//!         // The limits do what they do on failure, until it can be reached.
//!         eprintln!("limits are not shared yet: {error}");
//!     }
//! });
//!
//! let limit = LimitRule::new("per client", Quota::per_minute(100)).fleet(OnFailure::Local);
//! let settings = FleetSettings::new().prefix("shop").nodes(8).secret(b"the same everywhere");
//! let gate = Gate::builder().fleet(settings).limit_rule(limit).build()?;
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(GateLayer::new(&gate).fleet(store));
//! # Ok(())
//! # }
//! # }
//! ```
//! For actix-web it is `GateMiddleware::new(&gate).fleet(store)`, and without a framework
//! [`Gate::check_with`](crate::Gate::check_with).
//!
//! # Example: a limit without a gate
//! ```no_run
//! use portcullis::{
//!     Quota, SystemClock,
//!     limit::remote::{Claim, Fleet, FleetSettings, OnFailure},
//!     redis::RedisStore,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = redis::Client::open("redis://127.0.0.1/")?;
//! let store = RedisStore::new(client.get_multiplexed_async_connection().await?);
//!
//! let fleet = Fleet::new(FleetSettings::new().prefix("shop").nodes(8))?;
//! let exports = fleet.limit("exports", Quota::per_minute(10), OnFailure::Local)?;
//! let claims = [Claim::new(&exports, fleet.subject(b"alice"), 1)];
//! if fleet.check(&claims, &store, SystemClock::now).await.is_admitted() {
//!     // Begin with it.
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The connection
//! - **It has to come back.** A `MultiplexedConnection` that is lost stays lost; a `ConnectionManager`
//!   (feature `connection-manager` of `redis`) connects again, and a `ClusterConnection` does. Give the manager a
//!   `max_delay`: otherwise its pauses between attempts double up to some seconds, during which a store that is
//!   back is not asked. With RESP3 it notices a lost connection at once, and with RESP2 by the next request that fails.
//! - **A refusal stays.** A `ConnectionManager` of `redis` 1.2 whose password is refused when it connects, also when it
//!   connects again, does not try once more, and each call is refused from then on: change the account in the
//!   service first, or give the service a new store.
//! - **[`FleetSettings::timeout`] counts**, 20 ms unless you say otherwise. The client's own time limits, half a
//!   second for an answer and a second for a connection, may stay: they only tidy up what nobody waits for any more.
//!   A shorter one of the client's is one that counts.
//! - **A peer that is silently gone**, without so much as a reset, keeps a TCP connection alive for minutes, and a
//!   time limit for answers does not end it. `TcpSettings::set_user_timeout` of `redis` does.
//! - **`pipeline_buffer_size`** is how many requests can wait to be written, 50 unless you say otherwise. More have to
//!   wait for a place. With leases few calls are made; a service without them, with thousands of clients
//!   at a time, wants 1,000.
//! - **A lazy manager connects only while somebody waits for it**: call [`load`](RedisStore::load), in a task of
//!   its own if the service is not to wait. Checks wait for 20 ms, and after five failures only four of them do so in a
//!   second, which may never be long enough. `load` also saves the first request a round trip, and says early
//!   that a store cannot be used. A manager made with `new_with_config` is an error after some attempts where the store
//!   is down, and a service that returns it does not start.
//! - **A runtime of tokio with a timer** is where calls are to be made, as `#[tokio::main]` and actix-web have it
//!   (`enable_time` or `enable_all` of a `tokio::runtime::Builder`); elsewhere they panic.
//!
//! # What the store has to allow
//! Redis 5 or newer, or any Valkey; no module. An account of an ACL needs `+evalsha +eval +script|load +get +set +time`
//! and the keys of the prefix, `~shop:*` in the example, or `~pc1:*` if there is none; for a cluster also
//! `+cluster|slots`.
//!
//! # Memory of the store
//! About 150 bytes for each key whose bucket is not full, which is each pair of a limit and a subject that was seen in
//! the last `burst / rate`. A key expires when its bucket is full; nothing is left to be cleaned up.
//!
//! A bucket that is evicted is a full one: whoever owned it gets one burst more. `maxmemory-policy noeviction` refuses
//! instead, and the limits do what they do [on failure](crate::limit::remote::OnFailure). Of the others
//! choose `volatile-ttl`, which takes those first that are nearly full, or give limits a store of their own: with
//! `allkeys-*` a cache beside them can push them out.
//!
//! # Replicas and failover
//! A replica that takes over may lack what the lost primary granted last; a store that starts without its data
//! lacks everything. A bucket owes at most one burst, so each key is granted **at most one burst more** for each time
//! that this happens. Nothing is lost the other way: what is kept and lies too far ahead is taken for an empty bucket, so
//! that a new primary whose clock is behind denies nobody for longer than a bucket takes to fill. A primary
//! that is cut off and still answers some nodes is a second store, with limits of its own, until it is told
//! otherwise; `min-replicas-to-write` bounds that.
//!
//! A call whose answer comes too late has taken its units. Nobody gets them: fewer are admitted, never more.
//!
//! # Versions
//! `redis` 1.2 asks for Rust 1.85, as this crate does; later versions ask for later ones, and cargo chooses
//! one that fits. A version 2 of it will be another feature, so that this crate's version does not depend on it.
//!
//! [`FleetSettings::timeout`]: crate::limit::remote::FleetSettings::timeout

mod error;

use alloc::{string::String, vec::Vec};
use core::{fmt, future::Future, time::Duration};

use redis::{Cmd, ErrorKind, ServerErrorKind, aio::ConnectionLike};

use self::error::told;
use crate::limit::remote::{Call, SCRIPT, SCRIPT_SHA1, Store, StoreError};

/// A connection to Redis or Valkey that limits of a fleet ask.
///
/// See the [module](self) for how to connect. Clones share the connection if clones of it do.
///
/// # Cost
/// One command for each call; one more if the server does not know the script, because it was started anew.
///
/// # Panics
/// Its calls are to be made in a runtime of tokio with a timer, as `#[tokio::main]` and actix-web have.
#[derive(Clone)]
pub struct RedisStore<C>(C);

impl<C> RedisStore<C> {
    /// A store behind this connection.
    pub fn new(connection: C) -> Self {
        Self(connection)
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisStore<C> {
    /// Has the server, or all of a cluster, learn the script, for a start without surprises.
    ///
    /// It takes as long as the client allows, not the fleet's timeout. A server that forgets the script is given it
    /// again whenever that is noticed. A lazy manager connects only while somebody waits for it: call this, in a task of
    /// its own if the service is not to wait.
    ///
    /// # Errors
    /// Why the store cannot be used, [`StoreError::Malformed`] if it takes the script for another one.
    pub async fn load(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(SCRIPT);
        let name: String =
            command.query_async(&mut self.0.clone()).await.map_err(|error| told(&error))?;
        if name == SCRIPT_SHA1 { Ok(()) } else { Err(StoreError::Malformed) }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Store for RedisStore<C> {
    async fn call(&self, call: &Call) -> Result<Vec<i64>, StoreError> {
        let mut connection = self.0.clone();
        let first = command("EVALSHA", SCRIPT_SHA1, call).query_async(&mut connection).await;
        match first {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                // This one learns it as well.
                let all = command("EVAL", SCRIPT, call).query_async(&mut connection).await;
                all.map_err(|error| told(&error))
            }
            reply => reply.map_err(|error| told(&error)),
        }
    }

    /// In a task of its own, which goes on when nobody waits for it any more.
    async fn keep<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        tokio::spawn(what).await.ok()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}

/// Connections name passwords, and need not be `Debug`.
impl<C> fmt::Debug for RedisStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

fn command(name: &str, script: &str, call: &Call) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(call.keys().len());
    call.keys().chain(call.args()).for_each(|one| {
        command.arg(one);
    });
    command
}

#[cfg(all(test, not(loom)))]
mod tests;
