//! A page for operators, live, with buttons; and numbers for Prometheus.
//!
//!     STATUS_TOKEN=sesame cargo run --release -p portcullis-examples --bin status
//!     open http://localhost:8080/status
//!     while curl -s http://localhost:8080/; do :; done
//!     curl http://localhost:8080/metrics
//!
//! The page shows ten requests, and what is refused from then on. Who asks from the machine itself, or through
//! `ssh -L`, may look and act. Who comes through a proxy needs the token, as programs can send it:
//!
//!     curl https://shop.example/status/act -H 'authorization: Bearer sesame' -H 'x-portcullis-act: 1' \
//!         --json '{"act":"unban","net":"192.0.2.0/24"}'

use std::{env, error::Error, net::SocketAddr};

use axum::{
    Router,
    http::{header::CONTENT_TYPE, request::Parts},
    routing::get,
};
use portcullis::{Gate, GateLayer, SystemClock, axum::StatusPage, gate::OPEN_METRICS_TYPE};
use tokio::net::TcpListener;

const GATE: &str = r#"
[[rule]]
name = "scanners"
when = 'path contains "/.env"'
then = { ban = "15m" }

[[limit]]
name  = "per client"
quota = "1/s burst 10"

[defence]
auto = "defend"
"#;

/// A guard: the machine itself, or whoever knows the token. Without a token, nobody else does.
fn operators(token: Option<String>) -> impl Fn(&Parts) -> bool + Clone + Send + Sync + 'static {
    let bearer = token.filter(|token| !token.is_empty()).map(|token| format!("Bearer {token}"));
    move |request| {
        let told = request.headers.get("authorization").map(|value| value.as_bytes());
        StatusPage::is_from_this_machine(request)
            || bearer.as_ref().is_some_and(|bearer| told == Some(bearer.as_bytes()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let gate = Gate::from_toml(GATE)?;
    let operators = operators(env::var("STATUS_TOKEN").ok());
    let page = StatusPage::new(&gate)
        .title("shop")
        .allow_viewing(operators.clone())
        .allow_actions(operators);
    let numbers = gate.clone();
    let numbers = async move || {
        ([(CONTENT_TYPE, OPEN_METRICS_TYPE)], numbers.open_metrics(SystemClock::now()))
    };
    let app: Router = Router::new()
        .route("/", get(async || "hello\n"))
        .layer(GateLayer::new(&gate))
        // After the layer, so outside of it: a flood keeps no operator out.
        .nest("/status", page.router())
        .route("/metrics", get(numbers));

    let port = env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async move {
        let _ = tokio::signal::ctrl_c().await;
        // Or the server would wait for whoever still looks.
        page.close();
    };
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    Ok(())
}
