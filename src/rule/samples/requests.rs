//! Requests at random, with what a service gives and what a gate knows by then.

use alloc::{string::String, vec, vec::Vec};
use core::net::IpAddr;

use super::{
    super::{
        facts::{Answer, Facts, State},
        field::{Kind, SUPPLIED},
        list::Lists,
    },
    Shape, Source,
    draw::Draw,
    lists, tags,
    words::{HEADERS, HOSTS, KEYS, METHODS, ODD_PATHS, OWN_FIELDS, PATHS, WORDS},
};
use crate::request::{Given, Request, canonical::Canonical};

/// A request and all else that expressions read, owned.
#[derive(Clone, Debug)]
pub struct Sample {
    peer: Option<IpAddr>,
    method: &'static str,
    host: &'static str,
    target: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    given: Vec<(&'static str, Value)>,
    state: State,
    answer: Option<Answer>,
    lists: Lists,
    tags: u64,
    score: i64,
    chance: u64,
}

/// What a service gives, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bool(bool),
    Int(i64),
    Bytes(Vec<u8>),
    Ip(IpAddr),
}

impl Sample {
    /// A request, and the lists as they may be then.
    pub fn draw(source: &mut impl Source) -> Self {
        let lists = lists(source);
        let mut draw = Draw { source, shape: Shape::default(), atoms: 0 };
        Self {
            peer: (!draw.one_in(16)).then(|| draw.ip()),
            method: draw.of(METHODS),
            host: draw.of(HOSTS),
            target: draw.target(),
            headers: (0..draw.below(7)).map(|_| draw.header_line()).collect(),
            given: draw.given(),
            state: State {
                posture: i64::from(draw.below(5)),
                load: i64::from(draw.below(101)),
                client_known: draw.one_in(2),
            },
            answer: draw.one_in(2).then(|| Answer {
                status: draw.of(&[200, 201, 304, 401, 403, 404, 429, 500, 503]),
                latency_ms: (!draw.one_in(4)).then(|| draw.int().saturating_abs()),
                size: (!draw.one_in(4)).then(|| draw.int().saturating_abs()),
            }),
            lists,
            tags: u64::from(draw.below(8)),
            score: draw.int(),
            chance: draw.bits(),
        }
    }

    /// Shows `look` the sample as expressions see it.
    pub(crate) fn with_facts<R>(&self, look: impl FnOnce(&Facts<'_>) -> R) -> R {
        let mut request =
            Request::new(self.peer).method(self.method).host(self.host).target(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in &self.given {
            request = request.field(
                name,
                match value {
                    Value::Bool(value) => Given::Bool(*value),
                    Value::Int(value) => Given::Int(*value),
                    Value::Bytes(value) => Given::Bytes(value),
                    Value::Ip(value) => Given::Ip(*value),
                },
            );
        }
        let tags = tags();
        Canonical::with(&request, |canonical| {
            let mut facts = Facts::of(&request, canonical, &self.lists);
            facts.state = self.state;
            facts.answer = self.answer;
            facts.tag_names = &tags;
            facts.marks.tags.set(self.tags);
            facts.marks.score.set(self.score);
            facts.chance = self.chance;
            look(&facts)
        })
    }
}

impl<S: Source> Draw<'_, S> {
    fn target(&mut self) -> String {
        let mut target = String::from(self.of(PATHS));
        if self.one_in(5) {
            target.push_str(self.of(ODD_PATHS));
        }
        if self.one_in(2) {
            target.push('?');
            for at in 0..self.below(4) {
                if at > 0 {
                    target.push('&');
                }
                target.push_str(self.of(KEYS));
                if !self.one_in(4) {
                    target.push('=');
                    target.push_str(self.of(WORDS));
                }
            }
        }
        target
    }

    fn header_line(&mut self) -> (&'static str, Vec<u8>) {
        let name = self.of(HEADERS);
        if name.eq_ignore_ascii_case("cookie") {
            let mut line = String::new();
            for at in 0..1 + self.below(3) {
                if at > 0 {
                    line.push_str(self.of(&["; ", ";", " ;; "]));
                }
                line.push_str(self.of(KEYS));
                line.push_str(self.of(&["=", " = ", ""]));
                line.push_str(self.of(WORDS));
            }
            return (name, line.into_bytes());
        }
        (name, self.text().into())
    }

    fn given(&mut self) -> Vec<(&'static str, Value)> {
        let known = SUPPLIED.iter().map(|(name, _, kind, _)| (*name, *kind));
        let own = OWN_FIELDS.iter().map(|(name, holds)| (*name, Kind::from(*holds)));
        let mut given = vec![];
        for (name, kind) in known.chain(own) {
            if !self.one_in(3) {
                continue;
            }
            // Once in a while what a service gives is of another kind than the field: then it is missing.
            let kind = if self.one_in(16) { Kind::Int } else { kind };
            given.push((
                name,
                match kind {
                    Kind::Bool => Value::Bool(self.one_in(2)),
                    Kind::Int => Value::Int(self.int()),
                    Kind::Ip => Value::Ip(self.ip()),
                    _ => Value::Bytes(self.text().into()),
                },
            ));
        }
        given
    }
}
