//! A page for operators, live, with buttons; and numbers for Prometheus.
//!
//!     STATUS_TOKEN=sesame cargo run --release -p portcullis-examples --bin status
//!     open http://localhost:8080/login
//!     while curl -s http://localhost:8080/; do :; done
//!     curl http://localhost:8080/metrics
//!
//! The page shows ten requests, and what is refused from then on. Who asks from the machine itself, or through
//! `ssh -L`, may look. Who acts has logged in with the token, or is a program that sends it along:
//!
//!     curl localhost:8080/status/act -b operator=sesame -H 'x-portcullis-act: 1' --json '{"act":"release"}'

use std::{env, error::Error, net::SocketAddr, sync::LazyLock, time::Duration};

use axum::http::{StatusCode, header, request::Parts};
use axum::response::{Html, IntoResponse, Redirect};
use axum::{Router, routing::get};
use portcullis::{Gate, GateLayer, SystemClock, axum::StatusPage, gate::OPEN_METRICS_TYPE};
use tokio::{net::TcpListener, signal::ctrl_c, time::sleep};

const GATE: &str = r#"
defence.auto = "defend"
limit = [{ name = "per client", quota = "1/s burst 10" }]
rule  = [{ name = "scanners", when = 'path contains "/.env"', then = { ban = "15m" } }]
"#;

const LOGIN: &str = "<form method=post><input type=password name=token><button>Log in";

/// Letters and digits. Without it nobody acts.
static TOKEN: LazyLock<Option<String>> =
    LazyLock::new(|| env::var("STATUS_TOKEN").ok().filter(|token| !token.is_empty()));

async fn login(form: String) -> Result<impl IntoResponse, StatusCode> {
    let token = form.strip_prefix("token=").filter(|told| TOKEN.as_deref() == Some(told));
    let token = token.ok_or(StatusCode::FORBIDDEN)?;
    let cookie = format!("operator={token}; HttpOnly; SameSite=Strict");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/status")))
}

/// Not by an address: through a proxy that adds nothing, everybody comes from the machine itself.
fn is_operator(request: &Parts) -> bool {
    let lines = request.headers.get_all(header::COOKIE).iter();
    let mut cookies = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split("; "));
    cookies.any(|one| TOKEN.is_some() && one.strip_prefix("operator=") == TOKEN.as_deref())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let gate = Gate::from_toml(GATE)?;
    let page = StatusPage::new(&gate).title("shop").allow_actions(is_operator);
    let page = page.allow_viewing(|it| is_operator(it) || StatusPage::is_from_this_machine(it));
    let numbers = gate.clone();
    let numbers = async move || {
        ([(header::CONTENT_TYPE, OPEN_METRICS_TYPE)], numbers.open_metrics(SystemClock::now()))
    };
    let app: Router = Router::new()
        .route("/", get(async || "hello\n"))
        .route("/login", get(async || Html(LOGIN)).post(login))
        .layer(GateLayer::new(&gate))
        // After the layer, so outside of it: a flood keeps no operator out.
        .nest("/status", page.router())
        .route("/metrics", get(numbers));

    let port = env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async move {
        let _ = ctrl_c().await;
        page.close(); // or the server would wait for whoever still looks
    };
    let bound = async {
        let _ = ctrl_c().await;
        sleep(Duration::from_secs(10)).await; // for who has stopped reading, and cannot be told
    };
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let serving = async { axum::serve(listener, service).with_graceful_shutdown(stop).await };
    tokio::select! { done = serving => done?, () = bound => {} }
    Ok(())
}
