//! The gate in a program of one's own: no framework, no thread, no socket, and a time that is told.
//!
//!     cargo run --release --example no_io --features config
//!     cargo run --release --example no_io --features config -- - < requests.txt
//!
//! Each line is a request, "address method path"; the program plays that one comes every 100 ms. Any loop that
//! knows the time can do this: a protocol of its own, a simulation, a replay of yesterday's log.
//!
//! It prints an answer for each, and in the end what has been decided:
//!
//!       0.3 s  203.0.113.9 GET /search          429 per client, again in 0.7 s

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "a program prints")]

use std::{env, error::Error, io, net::IpAddr, time::Duration};

use portcullis::{Gate, Outcome, Request, Timestamp};

const GATE: &str = r#"
[[rule]]
name = "scanners"
when = 'path in {"/.env" "/.git/config"}'
then = { ban = "1m" }

[[limit]]
name  = "per client"
quota = "1/s burst 2"
"#;

/// The last three come from one network: an IPv6 client is a /64.
const SAMPLE: &str = "\
203.0.113.9 GET /
203.0.113.9 GET /search
198.51.100.7 GET /
203.0.113.9 GET /search
198.51.100.7 GET /.env
198.51.100.7 GET /
2001:db8::1 GET /
2001:db8::2 POST /login
2001:db8::3 POST /login
";

/// All that a program has to do for a request.
fn answer(gate: &Gate, request: &Request<'_>, now: Timestamp) -> String {
    match gate.check(request, now).into_result() {
        Ok(admission) => {
            // Here it is served. What only the response tells is settled then.
            gate.finish(admission, Outcome::status(200), now);
            "200".to_owned()
        }
        Err(denial) => {
            let wait = denial.retry_after().map(|wait| wait.as_secs_f64());
            let wait = wait.map(|wait| format!(", again in {wait:.1} s")).unwrap_or_default();
            format!("{} {}{wait}", denial.status(), denial.name())
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let text = match env::args().nth(1).as_deref() {
        Some("-") => io::read_to_string(io::stdin())?,
        _ => SAMPLE.to_owned(),
    };
    let gate = Gate::from_toml(GATE)?;
    // Any origin does: what counts is the time between one request and the next.
    let began = Timestamp::from_secs(1);
    let mut now = began;
    for line in text.lines() {
        let [client, method, path] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(format!("not an address, a method and a path: {line}").into());
        };
        let client: IpAddr = client.parse()?;
        let answer = answer(&gate, &Request::new(client).method(method).target(path), now);
        let time = now.saturating_duration_since(began).as_secs_f64();
        println!("{time:5.1} s  {line:32} {answer}");
        now = now.saturating_add(Duration::from_millis(100));
    }
    println!("{} admitted, {} denied", gate.stats().admitted(), gate.stats().denied());
    Ok(())
}
