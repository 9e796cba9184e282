//! A gRPC service on tonic; what asks too often gets RESOURCE_EXHAUSTED, with the time to wait.
//!
//! The service is gRPC's standard health check, so that nothing has to be generated.
//!
//!     cargo run --release -p portcullis-examples --bin tonic
//!     cargo run --release -p portcullis-examples --bin tonic -- ask http://127.0.0.1:50051
//!
//! The first five calls say `Serving`, the sixth `ResourceExhausted: Quota Exceeded: per client; again in 1s`,
//! or a little less. The same with curl (the five bytes are an empty message; a refusal is status 200 with
//! `grpc-status: 8` and no message, as gRPC has it):
//!
//!     printf '\0\0\0\0\0' | curl -i --http2-prior-knowledge -H 'content-type: application/grpc' \
//!         --data-binary @- http://127.0.0.1:50051/grpc.health.v1.Health/Check

use std::{env, error::Error};

use portcullis::{Gate, GateLayer, Quota};
use tonic::transport::{
    Endpoint, Server,
    server::{TcpConnectInfo, TcpIncoming},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let first = env::args().nth(1);
    if first.as_deref() == Some("ask") {
        return ask(env::args().nth(2).ok_or("ask whom?")?).await;
    }
    let gate = Gate::builder().limit("per client", Quota::per_second(1).burst(5)).build()?;
    let layer = GateLayer::new(&gate).peer(|extensions, _| {
        let info = extensions.get::<TcpConnectInfo>()?;
        info.remote_addr().map(|address| address.ip())
    });

    let (_, health) = tonic_health::server::health_reporter();
    let port: u16 = first.map_or(Ok(50051), |port| port.parse())?;
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], port).into())?;
    println!("listening on http://{}", incoming.local_addr()?);
    Server::builder()
        .max_concurrent_streams(64)
        .layer(layer)
        .add_service(health)
        .serve_with_incoming_shutdown(incoming, async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    Ok(())
}

/// Calls until it is refused, at most twenty times.
async fn ask(server: String) -> Result<(), Box<dyn Error>> {
    let mut client = HealthClient::new(Endpoint::from_shared(server)?.connect().await?);
    for _ in 0..20 {
        match client.check(HealthCheckRequest::default()).await {
            Ok(answer) => println!("{:?}", answer.get_ref().status()),
            Err(status) => {
                // Clients may only ask again where the server says when.
                let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
                let delay = delay.ok_or_else(|| format!("no time to wait: {status}"))?;
                println!("{:?}: {}; again in {delay:?}", status.code(), status.message());
                return Ok(());
            }
        }
    }
    Err("never refused".into())
}
