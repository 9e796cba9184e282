//! A request at a gate, once or many times, in virtual time.

use portcullis::{DenialReason, Gate, Outcome, Request, Timestamp, gate::Explanation};

use super::options::{Asked, Value};

/// What came of all requests, and why of the last one.
pub(super) struct Played {
    /// In their order, without gaps, from 1.
    pub(super) runs: Vec<Run>,
    /// Of the last one, made just before it came.
    pub(super) explanation: Explanation,
    /// When that was.
    pub(super) end: Timestamp,
}

/// Requests one after the other that fared alike.
#[derive(Debug, PartialEq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) last: u32,
    /// Who has refused them; `None` if they were admitted.
    pub(super) refused: Option<Refused>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) by: String,
    pub(super) reason: DenialReason,
    pub(super) status: u16,
}

/// A gate that has just started would know nobody at any time.
const START: Timestamp = Timestamp::from_secs(1);

/// Lets the request come as often as asked for; each admitted one is answered at once.
pub(super) fn play(gate: &Gate, asked: &Asked) -> Played {
    let request = request(asked);
    let outcome = Outcome::status(asked.peer.status.unwrap_or(200));
    let mut runs: Vec<Run> = Vec::new();
    let mut now = START;
    let mut explanation = gate.explain(&request, now);
    for number in 1..=asked.peer.times.max(1) {
        if number > 1 {
            now = now.saturating_add(asked.peer.every);
        }
        if number == asked.peer.times {
            explanation = gate.explain(&request, now);
        }
        let refused = match gate.check(&request, now).into_result() {
            Ok(admission) => {
                gate.finish(admission, outcome, now);
                None
            }
            Err(denial) => Some(Refused {
                by: denial.name().to_owned(),
                reason: denial.reason(),
                status: denial.status(),
            }),
        };
        match runs.last_mut() {
            Some(run) if run.refused == refused => run.last = number,
            _ => runs.push(Run { first: number, last: number, refused }),
        }
    }
    Played { runs, explanation, end: now }
}

/// The request as a gate sees it through an adapter, and with what only the service knows.
fn request(asked: &Asked) -> Request<'_> {
    let Asked { curl, peer } = asked;
    let request =
        Request::new(peer.from).method(&curl.method).host(&curl.host).target(&curl.target);
    // From HTTP/2 on, the host comes beside the headers.
    let is_beside = |name: &str| name == "host" && matches!(curl.version, "HTTP/2" | "HTTP/3");
    let headers = curl.headers.iter().filter(|(name, _)| !is_beside(name));
    let request = headers.fold(request, |request, (name, value)| request.header(name, value));
    // What was said by hand comes first, and so counts.
    let request = peer.values.iter().fold(request, |request, (name, value)| match value {
        Value::Bool(yes) => request.field(name, *yes),
        Value::Int(number) => request.field(name, *number),
        Value::Text(text) => request.field(name, text.as_str()),
        Value::Ip(ip) => request.field(name, *ip),
    });
    let request = request.field("http.request.version", curl.version);
    let request = match curl.is_secure {
        Some(is_secure) => request.field("ssl", is_secure),
        None => request,
    };
    match curl.body.and_then(|size| i64::try_from(size).ok()) {
        Some(size) => request.field("http.request.body.size", size),
        None => request,
    }
}
