//! A service on actix-web: a limit per client, a slower one for logins that fail, and what handlers learn.
//!
//!     cargo run --release -p portcullis-examples --bin actix
//!     curl -i http://127.0.0.1:8080/
//!
//! Ten requests get `200 OK` and `127.0.0.1 has 9 left`, one less each time; those that follow at once get
//! `429 Too Many Requests` with `retry-after`. After three wrong passwords there is one more every twenty seconds:
//!
//!     curl -i -X POST http://127.0.0.1:8080/login -d 'guess'
//!
//! Right ones (`swordfish`) cost nothing.

use std::{env, error::Error, net::TcpListener};

use actix_web::{App, HttpResponse, HttpServer, get, post};
use portcullis::{
    Gate, GateMiddleware,
    actix::{Admitted, ClientIp},
};

const GATE: &str = r#"
[[limit]]
name  = "per client"
quota = "1/s burst 10"

[[limit]]
name     = "wrong passwords"
when     = 'method == "POST" and path == "/login"'
quota    = "3/min"
count_if = 'status == 401'      # what is taken is given back when the response is another one
"#;

#[get("/")]
async fn who(client: ClientIp, admitted: Admitted) -> String {
    let left = admitted.standing().map_or(0, |standing| standing.remaining());
    format!("{} has {left} left\n", client.0)
}

#[post("/login")]
async fn login(password: String) -> HttpResponse {
    match password.as_str() {
        "swordfish" => HttpResponse::Ok().body("welcome\n"),
        _ => HttpResponse::Unauthorized().body("no\n"),
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Outside of the closure, which runs once for each worker: the limits are the gate's, not a worker's.
    let gate = Gate::from_toml(GATE)?;
    let server = HttpServer::new(move || {
        App::new().wrap(GateMiddleware::new(&gate)).service(who).service(login)
    });

    let port = env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on http://{}", listener.local_addr()?);
    server.listen(listener)?.workers(2).run().await?;
    Ok(())
}
