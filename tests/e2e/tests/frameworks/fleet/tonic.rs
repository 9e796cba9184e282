//! tonic, whose calls wait.

use std::net::Ipv4Addr;

use portcullis::{GateLayer, limit::remote::OnFailure};
use tonic::{
    Code,
    transport::{
        Endpoint, Server,
        server::{TcpConnectInfo, TcpIncoming},
    },
};
use tonic_health::{
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::health_reporter,
};
use tonic_types::StatusExt;

use super::{Arrivals, clock, gate, store};

#[tokio::test]
async fn calls_wait_and_are_refused_as_always() {
    let (store, mut questions) = store();
    let (gate, arrivals) = (gate(OnFailure::Closed), Arrivals::default());
    let come = arrivals.clone();
    let layer = GateLayer::new(&gate).clock(clock).fleet(store).peer(move |extensions, _| {
        let connection = extensions.get::<TcpConnectInfo>()?;
        come.note(connection.remote_addr().map(|address| address.ip()))
    });
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let server = format!("http://{}", incoming.local_addr().unwrap());
    let router = Server::builder().layer(layer).add_service(health_reporter().1);
    tokio::spawn(async { router.serve_with_incoming(incoming).await.unwrap() });
    let channel = Endpoint::from_shared(server).unwrap().connect().await.unwrap();
    let call = || {
        let mut client = HealthClient::new(channel.clone());
        tokio::spawn(async move { client.check(HealthCheckRequest::default()).await })
    };

    // Two streams of one connection.
    let first = call();
    let question = questions.next().await;
    let second = call();
    arrivals.are(2).await;
    question.granted(2, 1);
    assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    let refused = call();
    questions.next().await.denied(60);
    let status = refused.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(wait.as_secs(), 60);
}
