//! actix-web 4, as it is served: with workers, over real connections.

mod places;
mod responses;
mod uploads;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use actix_web::{
    App, Error, HttpResponse,
    dev::{Server, ServerHandle, Service},
    http::header::{HeaderName, HeaderValue},
    middleware::Logger,
    web,
};
use portcullis::{Gate, GateMiddleware, MissingPeer, Outcome, Quota, actix::Denied};

use super::{client, wire::Connection};

/// A server that ends with its test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

impl Running {
    pub(crate) fn start(addresses: Vec<SocketAddr>, server: Server) -> Self {
        let handle = server.handle();
        tokio::spawn(server);
        Self { address: addresses[0], handle }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Told at once; only who waits until it has ended has to wait.
        drop(self.handle.stop(false));
    }
}

/// A server with so many workers, each of which makes this application for itself; and perhaps a setting.
macro_rules! serve {
    ($workers:expr, $app:expr $(, .$set:ident($to:expr))?) => {{
        let server = actix_web::HttpServer::new(move || $app).workers($workers).disable_signals();
        $(let server = server.$set($to);)?
        let server = server.bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        $crate::actix::Running::start(server.addrs(), server.run())
    }};
}
pub(crate) use serve;

async fn connect(server: SocketAddr) -> Connection {
    Connection::open(Ipv4Addr::LOCALHOST, server).await.unwrap()
}

fn per_hour(burst: u32) -> Gate {
    Gate::builder().limit("per client", Quota::per_hour(burst)).build().unwrap()
}

async fn hello() -> &'static str {
    "hello"
}

/// Whatever a factory makes exists once for each worker; the gate is made outside.
#[tokio::test(flavor = "multi_thread")]
async fn four_workers_and_a_thousand_connections_share_one_limit() {
    let gate = per_hour(5);
    let made = gate.clone();
    let server =
        serve!(4, { App::new().wrap(GateMiddleware::new(&made)).route("/", web::get().to(hello)) });
    let address = server.address;
    let clients: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(async move {
                let mut served = 0;
                for _ in 0..50 {
                    match client::get(address).await.unwrap().status {
                        200 => served += 1,
                        429 => {}
                        other => panic!("status {other}"),
                    }
                }
                served
            })
        })
        .collect();
    let mut served = 0;
    for client in clients {
        served += client.await.unwrap();
    }
    assert_eq!(served, 5);
    assert_eq!((gate.stats().admitted(), gate.stats().denied()), (5, 995));
    assert_eq!(gate.stats().finished_with_class(2), 5);
}

#[tokio::test]
async fn a_connection_outlives_refusals() {
    let gate = per_hour(2);
    let server =
        serve!(1, App::new().wrap(GateMiddleware::new(&gate)).route("/", web::get().to(hello)));
    let mut wire = connect(server.address).await;
    for _ in 0..2 {
        let served = wire.get("/", "").await.unwrap();
        assert_eq!((served.status, served.body.as_str()), (200, "hello"));
        assert_eq!(served.line("retry-after"), None);
    }
    for _ in 0..20 {
        let refused = wire.get("/", "").await.unwrap();
        assert_eq!(refused.status, 429);
        let wait: u64 = refused.line("retry-after").unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&wait), "{wait}");
        assert_eq!(refused.line("content-type"), Some("application/problem+json"));
        assert_eq!(refused.line("cache-control"), Some("no-store"));
        let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(problem["violated-policies"][0], "per client");
    }
}

/// Browsers hide a response without these headers from the page, and a 429 that cannot be seen is no use.
#[tokio::test]
async fn what_is_wrapped_outside_sees_refusals_as_responses() {
    let gate = per_hour(1);
    let server = serve!(1, {
        App::new()
            .wrap(Logger::default())
            .wrap(GateMiddleware::new(&gate))
            .wrap(Logger::default())
            .wrap_fn(|request, inner| {
                let response = inner.call(request);
                async {
                    let mut response = response.await?;
                    let denial =
                        response.response().extensions().get::<portcullis::Denial>().cloned();
                    let headers = response.headers_mut();
                    let name = HeaderName::from_static("access-control-allow-origin");
                    headers.insert(name, HeaderValue::from_static("*"));
                    if let Some(denial) = denial {
                        let name = HeaderName::from_static("x-denied-by");
                        headers.insert(name, HeaderValue::from_str(denial.name()).unwrap());
                    }
                    Ok(response)
                }
            })
            .route("/", web::get().to(hello))
    });
    let mut wire = connect(server.address).await;
    let served = wire.get("/", "").await.unwrap();
    assert_eq!((served.status, served.line("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(served.line("x-denied-by"), None);
    let refused = wire.get("/", "").await.unwrap();
    assert_eq!((refused.status, refused.line("access-control-allow-origin")), (429, Some("*")));
    assert_eq!(refused.line("x-denied-by"), Some("per client"));
}

/// What happens is what was chosen, and never a 500.
#[tokio::test]
async fn a_peer_without_an_address_is_a_choice() {
    for (choice, expected) in [
        (MissingPeer::Skip, [200, 200]),
        (MissingPeer::Shared, [200, 429]),
        (MissingPeer::Deny, [403, 403]),
    ] {
        let limit = Quota::per_hour(1);
        let gate = Gate::builder().limit("per client", limit).missing_peer(choice).build().unwrap();
        let middleware = GateMiddleware::new(&gate).peer(|_| None);
        let server =
            serve!(1, App::new().wrap(middleware.clone()).route("/", web::get().to(hello)));
        let mut wire = connect(server.address).await;
        for status in expected {
            assert_eq!(wire.get("/", "").await.unwrap().status, status, "{choice:?}");
        }
        assert_eq!(gate.stats().missing_peer(), 2);
    }
}

/// actix-web has a function that believes the first address that any client writes down.
#[tokio::test]
async fn what_a_client_says_of_its_address_is_not_believed() {
    let gate = per_hour(1);
    let server =
        serve!(1, App::new().wrap(GateMiddleware::new(&gate)).route("/", web::get().to(hello)));
    let mut wire = connect(server.address).await;
    for (address, status) in [("192.0.2.1", 200), ("192.0.2.2", 429), ("192.0.2.3", 429)] {
        let headers = format!("x-forwarded-for: {address}\r\nforwarded: for={address}\r\n");
        assert_eq!(wire.get("/", &headers).await.unwrap().status, status);
    }
}

/// What a scope's gate has used up is not the application's.
#[tokio::test]
async fn a_scope_may_have_a_gate_of_its_own() {
    let (outer, inner) = (per_hour(5), per_hour(1));
    let server = serve!(1, {
        let scope =
            web::scope("/login").wrap(GateMiddleware::new(&inner)).route("", web::get().to(hello));
        App::new().wrap(GateMiddleware::new(&outer)).service(scope).route("/", web::get().to(hello))
    });
    let mut wire = connect(server.address).await;
    for (target, status) in
        [("/login", 200), ("/login", 429), ("/", 200), ("/", 200), ("/", 200), ("/", 429)]
    {
        assert_eq!(wire.get(target, "").await.unwrap().status, status, "{target}");
    }
}

/// A handler that asks a gate itself answers as a middleware does.
#[tokio::test]
async fn a_handler_can_refuse_too() {
    async fn guess(accounts: web::Data<Gate>) -> Result<HttpResponse, Error> {
        let request = portcullis::Request::new("192.0.2.1".parse::<std::net::IpAddr>().ok());
        let now = portcullis::SystemClock::now();
        let admission = accounts.check(&request, now).into_result().map_err(Denied)?;
        accounts.finish(admission, Outcome::status(200), now);
        Ok(HttpResponse::Ok().finish())
    }
    let accounts = web::Data::from(Arc::new(per_hour(1)));
    let server = serve!(1, App::new().app_data(accounts.clone()).route("/", web::get().to(guess)));
    let mut wire = connect(server.address).await;
    assert_eq!(wire.get("/", "").await.unwrap().status, 200);
    let refused = wire.get("/", "").await.unwrap();
    assert_eq!(refused.status, 429);
    assert!(refused.line("retry-after").is_some());
    assert_eq!(refused.line("cache-control"), Some("no-store"));
    assert_eq!(refused.line("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(problem["status"], 429);
}
