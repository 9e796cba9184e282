//! Behind a proxy: whose word on the client's address is taken, and whose is not.
//!
//!     cargo run --release -p portcullis-examples --bin behind_nginx
//!     nginx -e stderr -p . -c examples/frameworks/nginx.conf
//!     curl http://127.0.0.1:8081/
//!     curl http://127.0.0.1:8081/ -H 'x-forwarded-for: 203.0.113.9'
//!
//! Both are answered by `127.0.0.1 has 4 left`, one less each time: nginx adds the address that it sees behind
//! what the client wrote, and the gate reads from that end. After five requests comes
//! `429 Too Many Requests`. Ask port 8080 itself with that header, and you are believed, since the gate takes
//! you for the proxy: let nobody else reach the service's port, or name the proxy's addresses.

use std::{env, error::Error, net::SocketAddr};

use axum::{Router, routing::get};
use portcullis::{
    Gate, GateLayer,
    axum::{Admitted, ClientIp},
};
use tokio::net::TcpListener;

/// Nobody is believed but who is named here, and nothing but what they have written themselves.
const GATE: &str = r#"
[client]
trust  = 1                      # one proxy; where others can reach the service, its addresses: ["10.1.2.0/28"]
header = "x-forwarded-for"      # the one header that it writes; no other is looked at

[[limit]]
name  = "per client"
quota = "5/min"
"#;

async fn who(ClientIp(client): ClientIp, admitted: Admitted) -> String {
    let left = admitted.standing().map_or(0, |standing| standing.remaining());
    format!("{client} has {left} left\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let gate = Gate::from_toml(GATE)?;
    let app: Router = Router::new().route("/", get(who)).layer(GateLayer::new(&gate));

    let port = env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // The peer is the proxy: without its address, nobody could be trusted.
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    Ok(())
}
