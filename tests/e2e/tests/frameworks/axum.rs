//! axum 0.8, as it is served.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{Router, routing::get};
use portcullis::{Gate, GateLayer, MissingPeer, Quota};
use tokio::net::TcpListener;

use super::client;

async fn serve(app: Router) -> SocketAddr {
    serve_at((Ipv4Addr::LOCALHOST, 0).into(), app).await
}

async fn serve_at(address: SocketAddr, app: Router) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
    address
}

fn hello(gate: &Gate) -> Router {
    Router::new().route("/", get(|| async { "hello" })).layer(GateLayer::new(gate))
}

/// A widely used layer keeps its state per connection, and lets 1,500 requests through a cap of 5.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_share_one_limit() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(5)).build().unwrap();
    let server = serve(hello(&gate)).await;
    static SERVED: AtomicU64 = AtomicU64::new(0);
    static REFUSED: AtomicU64 = AtomicU64::new(0);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..50 {
                    match client::get(server).await.unwrap().status {
                        200 => SERVED.fetch_add(1, Ordering::Relaxed),
                        429 => REFUSED.fetch_add(1, Ordering::Relaxed),
                        other => panic!("status {other}"),
                    };
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!((SERVED.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed)), (5, 995));
    assert_eq!((gate.stats().admitted(), gate.stats().denied()), (5, 995));
    assert_eq!(gate.stats().finished_with_class(2), 5);
}

/// Twenty servers with layers of their own, and a clone of the service for each of a thousand
/// connections, are still one gate.
#[tokio::test]
async fn servers_and_layers_share_one_limit() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(5)).build().unwrap();
    let mut served = 0;
    for _ in 0..20 {
        let server = serve(hello(&gate)).await;
        for _ in 0..50 {
            served += u32::from(client::get(server).await.unwrap().status == 200);
        }
    }
    assert_eq!(served, 5);
}

#[tokio::test]
async fn a_refusal_is_a_response_that_explains_itself() {
    let gate = Gate::builder().limit("per client", Quota::per_minute(1)).build().unwrap();
    let server = serve(hello(&gate)).await;
    let served = client::get(server).await.unwrap();
    assert_eq!((served.status, served.body.as_str()), (200, "hello"));
    assert_eq!(served.header("retry-after"), None);

    let refused = client::get(server).await.unwrap();
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    assert_eq!(refused.header("content-length"), Some(refused.body.len().to_string().as_str()));
    let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(problem["violated-policies"][0], "per client");
}

#[tokio::test]
async fn a_denied_address_is_forbidden_and_others_are_not() {
    let near = [Ipv4Addr::new(127, 9, 0, 1), Ipv4Addr::new(127, 9, 1, 1)].map(IpAddr::from);
    let gate = Gate::builder().deny("127.9.0.0/24".parse().unwrap()).build().unwrap();
    let server = serve(hello(&gate)).await;
    let [denied, other] =
        [client::get_from(near[0], server).await, client::get_from(near[1], server).await];
    match (denied, other) {
        (Ok(denied), Ok(other)) => {
            assert_eq!((denied.status, other.status), (403, 200));
            assert_eq!(denied.header("retry-after"), None);
        }
        // Linux answers on all of 127.0.0.0/8; others have one address there.
        failed if cfg!(target_os = "linux") => panic!("{failed:?}"),
        failed => eprintln!("NOT TESTED: no 127.0.0.0/8 to connect from: {failed:?}"),
    }
}

/// A dual-stack socket tells IPv4 peers as `::ffff:a.b.c.d`: lists and limits must not care.
#[tokio::test]
async fn an_ipv4_client_of_a_dual_stack_socket_is_an_ipv4_client() {
    let gate = Gate::builder().deny("127.0.0.1".parse().unwrap()).build().unwrap();
    let Ok(listener) = TcpListener::bind("[::]:0").await else {
        eprintln!("NOT TESTED: this system has no IPv6");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = serve_at(SocketAddr::new("::".parse().unwrap(), port), hello(&gate)).await;
    let as_v4 = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), server.port());
    match client::get(as_v4).await {
        Ok(response) => assert_eq!(response.status, 403),
        Err(error) => eprintln!("NOT TESTED: [::] does not take IPv4 here: {error}"),
    }
}

/// Served without connect info: what happens is what was chosen, and never a 500.
#[tokio::test]
async fn a_server_that_forgets_the_peer_address_is_told_so() {
    for (choice, expected) in [
        (MissingPeer::Skip, [200, 200]),
        (MissingPeer::Shared, [200, 429]),
        (MissingPeer::Deny, [403, 403]),
    ] {
        let limit = Quota::per_hour(1);
        let gate = Gate::builder().limit("per client", limit).missing_peer(choice).build().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = listener.local_addr().unwrap();
        let app = hello(&gate);
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        for status in expected {
            assert_eq!(client::get(server).await.unwrap().status, status, "{choice:?}");
        }
        assert_eq!(gate.stats().missing_peer(), 2);
    }
}
