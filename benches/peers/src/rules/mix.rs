//! The rules and the requests.
//!
//! Four kinds of rules take turns: a prefix of addresses and a prefix of paths; a header's value; a
//! method and a prefix of paths; a prefix of addresses or one path.

use std::net::Ipv4Addr;

/// A rule, for engines to say in their own words.
pub(crate) struct Wanted {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    NetAndPath { net: u32, path: String },
    Header { value: String },
    MethodAndPath { path: String },
    NetOrPath { net: u32, path: String },
}

/// A request as a server has it.
pub(crate) struct Incoming {
    pub(crate) peer: Ipv4Addr,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The first rule that it meets.
    pub(crate) expected: Option<usize>,
}

#[derive(Clone, Copy)]
pub(crate) enum Asked {
    None,
    First,
    Last,
    /// 1,024 different requests, of which one in four meets a rule and the others nearly do.
    Rotating,
}

impl Asked {
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::None => "none matches",
            Self::First => "the first matches",
            Self::Last => "the last matches",
            Self::Rotating => "1,024 requests in turn",
        }
    }
}

pub(crate) struct Mix {
    pub(crate) rules: Vec<Wanted>,
    pub(crate) requests: Vec<Incoming>,
}

pub(crate) const HEADER: &str = "x-client";
const ROTATING: usize = 1_024;

impl Mix {
    pub(crate) fn new(size: usize, asked: Asked) -> Self {
        let rules: Vec<Wanted> = (0..size).map(Wanted::new).collect();
        let requests = match asked {
            Asked::None => vec![Incoming::innocent()],
            Asked::First => vec![rules[0].met()],
            Asked::Last => vec![rules[size - 1].met()],
            Asked::Rotating => (0..ROTATING)
                .map(|nth| {
                    let rule = &rules[nth.wrapping_mul(7_919) % size];
                    if nth % 4 == 0 { rule.met() } else { rule.nearly_met(nth) }
                })
                .collect(),
        };
        Self { rules, requests }
    }
}

impl Wanted {
    fn new(number: usize) -> Self {
        // Paths of some fifty different lengths.
        let tail = "x".repeat(number % 50);
        let net = 10 << 24 | (number as u32) << 8;
        let kind = match number % 4 {
            0 => Kind::NetAndPath { net, path: format!("/shop-{number}{tail}/") },
            1 => Kind::Header { value: format!("client-{number}{tail}") },
            2 => Kind::MethodAndPath { path: format!("/api-{number}{tail}/") },
            _ => Kind::NetOrPath { net, path: format!("/page-{number}{tail}") },
        };
        Self { number, kind }
    }

    fn met(&self) -> Incoming {
        let mut request = Incoming::innocent();
        match &self.kind {
            Kind::NetAndPath { net, path } => {
                request.peer = Ipv4Addr::from_bits(net + 77);
                request.path = format!("{path}basket/3");
            }
            Kind::Header { value } => request.set_header(value),
            Kind::MethodAndPath { path } => {
                request.method = "POST";
                request.path = format!("{path}item");
            }
            Kind::NetOrPath { path, .. } => request.path = path.clone(),
        }
        request.expected = Some(self.number);
        request
    }

    fn nearly_met(&self, nth: usize) -> Incoming {
        let mut request = self.met();
        request.expected = None;
        match &self.kind {
            // Alternately the address and the path are not those.
            Kind::NetAndPath { .. } if nth % 8 < 4 => request.peer = Ipv4Addr::new(192, 0, 2, 1),
            Kind::NetAndPath { .. } => request.path = format!("/other{nth}"),
            Kind::Header { value } => request.set_header(&format!("{value}!")),
            Kind::MethodAndPath { .. } => request.method = "GET",
            Kind::NetOrPath { path, .. } => request.path = format!("{path}/more"),
        }
        request
    }
}

impl Incoming {
    fn innocent() -> Self {
        let headers = [
            ("host", "shop.example"),
            (
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ),
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            (HEADER, "browser"),
            ("cookie", "session=0123456789abcdef"),
            ("connection", "keep-alive"),
        ];
        Self {
            peer: Ipv4Addr::new(203, 0, 113, 9),
            method: "GET",
            path: "/products/garden/chairs/1234".into(),
            headers: headers.map(|(name, value)| (name, value.to_owned())).into(),
            expected: None,
        }
    }

    fn set_header(&mut self, value: &str) {
        for (name, kept) in &mut self.headers {
            if *name == HEADER {
                value.clone_into(kept);
            }
        }
    }

    /// The header that rules ask for, found among the others.
    pub(crate) fn header(&self) -> &str {
        self.headers.iter().find(|(name, _)| *name == HEADER).map_or("", |(_, value)| value)
    }
}
