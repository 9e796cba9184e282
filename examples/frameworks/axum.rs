//! A service on axum: limits per client and per route, what handlers learn, and pages of other sites (CORS).
//!
//!     cargo run --release -p portcullis-examples --bin axum
//!     curl -i http://127.0.0.1:8080/
//!
//! Ten requests get `200 OK` and `127.0.0.1 has 9 left`, one less each time; those that follow at once get
//! `429 Too Many Requests` with `retry-after` and a problem description. Every response tells where the
//! client stands, in `ratelimit`.

use std::{env, error::Error, net::SocketAddr, time::Duration};

use axum::{Router, extract::Path, routing::get};
use portcullis::{
    Gate, GateLayer, LimitFields,
    axum::{Admitted, ClientIp, GateListener},
};
use tokio::net::TcpListener;
use tower_http::cors::{Any, CorsLayer};

const GATE: &str = r#"
[[limit]]
name  = "per client"
quota = "1/s burst 10"

[[limit]]
name  = "items"
when  = 'http.request.route == "/items/{id}"'       # the route, not the path: one limit for all items
quota = "10/min"
"#;

async fn who(ClientIp(client): ClientIp, admitted: Admitted) -> String {
    let left = admitted.standing().map_or(0, |standing| standing.remaining());
    format!("{client} has {left} left\n")
}

async fn item(Path(id): Path<u32>) -> String {
    format!("item {id}\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let gate = Gate::from_toml(GATE)?;
    let app: Router = Router::new()
        .route("/", get(who))
        .route("/items/{id}", get(item))
        .layer(GateLayer::new(&gate).fields(LimitFields::on_all()))
        // Layers that are added later are outside: a script may read the gate's refusals too, and preflights are
        // answered before the gate is asked.
        .layer(CorsLayer::new().allow_origin(Any).expose_headers(Any));

    let port = env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // Who is banned is refused before a byte is read; nobody holds more than 64 connections, or one for more
    // than ten seconds without having sent a request.
    let listener = GateListener::new(listener, &gate)
        .connections_per_client(64)
        .first_request_within(Duration::from_secs(10))
        .listen();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    Ok(())
}
