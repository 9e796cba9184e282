//! Lines of JSON: one object for each request, under the names that servers use.
//!
//! | what | under the names (`a.b` is `b` in an object `a`) |
//! |---|---|
//! | client | `client_ip`, `request.client_ip`, `remote_addr`, `remote_ip`, `request.remote_ip`, `ClientHost`, `ClientAddr`, `source.ip`, `client.ip`, `clientip`, `ip`, `remote`, `request.remote_addr` |
//! | when | `ts`, `time`, `timestamp`, `@timestamp`, `time_iso8601`, `time_local`, `msec`, `StartUTC`, `date`, `datetime` |
//! | method | `method`, `request_method`, `request.method`, `RequestMethod`, `http.request.method`, `verb` |
//! | target | `uri`, `request_uri`, `request.uri`, `RequestPath`, `url.original`, `url`, `path`, `target`, `url.path` (with `url.query`) |
//! | all three | `request`: `"GET / HTTP/1.1"` |
//! | host | `host`, `http_host`, `request.host`, `RequestHost`, `url.domain`, `server_name`, `vhost` |
//! | status | `status`, `status_code`, `DownstreamStatus`, `http.response.status_code`, `response`, `response.status` |
//! | size | `size`, `body_bytes_sent`, `bytes_sent`, `bytes`, `DownstreamContentSize`, `http.response.body.bytes` |
//! | duration | in seconds `duration`, `request_time`, `elapsed`, `latency`; in milliseconds `duration_ms`, `latency_ms`, `elapsed_ms`; in nanoseconds `Duration`, `event.duration`; texts say their unit, as in `"12.5ms"` |
//! | agent | `user_agent`, `http_user_agent`, `request.headers.User-Agent`, `request_User-Agent`, `user_agent.original`, `agent` |
//! | referer | `referer`, `http_referer`, `request.headers.Referer`, `request_Referer`, `http.request.referrer`, `referrer` |
//!
//! Where several of one row are there, the first counts. Numbers may be texts. Of an array, the first value counts.
//! Anything else is passed over.

mod shape;

use std::{borrow::Cow, time::Duration};

use super::{
    Reject,
    common::{address, asked, split_absolute, without_port},
    record::{Batch, Record},
    time,
};
use shape::{Leaf, Object};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Client,
    When,
    Method,
    Target,
    Query,
    Request,
    Host,
    Status,
    Size,
    Seconds,
    Agent,
    Referer,
}

const SLOTS: usize = 12;

/// The table: for each row the names in their order. A duration's name tells its unit.
const NAMES: [(Slot, &[&str]); SLOTS] = [
    (
        Slot::Client,
        &[
            "client_ip",
            "request.client_ip",
            "remote_addr",
            "remote_ip",
            "request.remote_ip",
            "ClientHost",
            "ClientAddr",
            "source.ip",
            "client.ip",
            "clientip",
            "ip",
            "remote",
            "request.remote_addr",
        ],
    ),
    (
        Slot::When,
        &[
            "ts",
            "time",
            "timestamp",
            "@timestamp",
            "time_iso8601",
            "time_local",
            "msec",
            "StartUTC",
            "date",
            "datetime",
        ],
    ),
    (
        Slot::Method,
        &[
            "method",
            "request_method",
            "request.method",
            "RequestMethod",
            "http.request.method",
            "verb",
        ],
    ),
    (
        Slot::Target,
        &[
            "uri",
            "request_uri",
            "request.uri",
            "RequestPath",
            "url.original",
            "url",
            "path",
            "target",
            "url.path",
        ],
    ),
    (Slot::Query, &["url.query"]),
    (Slot::Request, &["request"]),
    (
        Slot::Host,
        &["host", "http_host", "request.host", "RequestHost", "url.domain", "server_name", "vhost"],
    ),
    (
        Slot::Status,
        &[
            "status",
            "status_code",
            "DownstreamStatus",
            "http.response.status_code",
            "response",
            "response.status",
        ],
    ),
    (
        Slot::Size,
        &[
            "size",
            "body_bytes_sent",
            "bytes_sent",
            "bytes",
            "DownstreamContentSize",
            "http.response.body.bytes",
        ],
    ),
    (
        Slot::Seconds,
        &[
            "duration",
            "request_time",
            "elapsed",
            "latency",
            "duration_ms",
            "latency_ms",
            "elapsed_ms",
            "Duration",
            "event.duration",
        ],
    ),
    (
        Slot::Agent,
        &[
            "user_agent",
            "http_user_agent",
            "request.headers.User-Agent",
            "request_User-Agent",
            "user_agent.original",
            "agent",
        ],
    ),
    (
        Slot::Referer,
        &[
            "referer",
            "http_referer",
            "request.headers.Referer",
            "request_Referer",
            "http.request.referrer",
            "referrer",
        ],
    ),
];

/// Seconds in one of a number under this name.
fn unit(name: &str) -> f64 {
    match name {
        "Duration" | "event.duration" => 1e-9,
        _ if name.ends_with("_ms") => 1e-3,
        _ => 1.0,
    }
}

/// What a line says, a value for each row.
#[derive(Default)]
struct Found<'a> {
    /// With the place of its name in the row.
    values: [Option<(usize, Leaf<'a>)>; SLOTS],
}

impl<'a> Found<'a> {
    /// Takes a value in, unless one under a better name is there.
    fn offer(&mut self, name: &str, leaf: Leaf<'a>) {
        for ((_, names), value) in NAMES.iter().zip(&mut self.values) {
            let Some(rank) = names.iter().position(|known| *known == name) else { continue };
            if value.as_ref().is_none_or(|(better, _)| rank < *better) {
                *value = Some((rank, leaf));
            }
            return;
        }
    }

    fn get(&self, slot: Slot) -> Option<(&'static str, &Leaf<'a>)> {
        let at = NAMES.iter().position(|(known, _)| *known == slot)?;
        let (rank, leaf) = self.values.get(at)?.as_ref()?;
        Some((*NAMES.get(at)?.1.get(*rank)?, leaf))
    }

    fn text(&self, slot: Slot) -> Option<Cow<'_, str>> {
        self.get(slot).map(|(_, leaf)| leaf.text())
    }

    fn number(&self, slot: Slot) -> Option<f64> {
        self.get(slot).and_then(|(_, leaf)| leaf.number())
    }
}

/// Reads one line.
///
/// # Errors
/// Why it is no request; nothing is kept of it then.
pub fn parse(line: &[u8], into: &mut Batch) -> Result<(), Reject> {
    into.add(|batch| read(line, batch))
}

fn read(line: &[u8], into: &mut Batch) -> Result<Record, Reject> {
    let mut found = Found::default();
    let mut object = Object::new(|name: &str, leaf| found.offer(name, leaf));
    object.read(line).map_err(|_| Reject::Malformed("no object of JSON"))?;

    let client =
        found.text(Slot::Client).ok_or(Reject::Malformed("no client under a known name"))?;
    let client = address(client.as_bytes()).ok_or(Reject::Malformed("the client is no address"))?;
    let (_, when) = found.get(Slot::When).ok_or(Reject::Malformed("no time under a known name"))?;
    let when = match when {
        Leaf::Number(number) => time::of_number(*number),
        Leaf::Text(text) => time::of_text(text),
    };
    let (at, is_fine) = when.ok_or(Reject::Malformed("the time is none"))?;

    let (method, target, host) = match (found.text(Slot::Target), found.text(Slot::Request)) {
        (Some(target), _) => {
            let mut whole = found.text(Slot::Method).unwrap_or_default().into_owned();
            if whole.is_empty() {
                whole.push_str("GET");
            }
            let method = into.keep(whole.as_bytes());
            let (host, path) = split_absolute(target.as_bytes());
            let mut path = path.to_vec();
            if let Some(query) = found.text(Slot::Query).filter(|_| !path.contains(&b'?')) {
                path.push(b'?');
                path.extend_from_slice(query.as_bytes());
            }
            let host = host.map(|host| into.keep(without_port(host)));
            (method, into.keep(&path), host)
        }
        (None, Some(request)) => asked(request.as_bytes(), into)?,
        (None, None) => return Err(Reject::Malformed("no request under a known name")),
    };
    let host = host.or_else(|| {
        let host = found.text(Slot::Host)?;
        Some(into.keep(without_port(host.as_bytes())))
    });
    let status = found.number(Slot::Status).map_or(Ok(0), |status| {
        let is_status = (100.0..1_000.0).contains(&status) || status == 0.0;
        if is_status { Ok(status as u16) } else { Err(Reject::Malformed("the status is none")) }
    })?;
    let size = found.number(Slot::Size).filter(|size| *size >= 0.0).map(|size| size as u64);
    let duration = found.get(Slot::Seconds).and_then(|(name, leaf)| leaf.seconds(unit(name)));
    let duration = duration.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let mut word = |slot| {
        let text = found.text(slot).filter(|text| !matches!(&**text, "" | "-"))?;
        Some(into.keep(text.as_bytes()))
    };
    let (referer, agent) = (word(Slot::Referer), word(Slot::Agent));
    Ok(Record {
        client,
        at,
        is_fine,
        status,
        size,
        duration,
        method,
        target,
        host: host.unwrap_or_default(),
        referer,
        agent,
    })
}

#[cfg(test)]
mod tests;
