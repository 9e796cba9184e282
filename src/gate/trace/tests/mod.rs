//! What a subscriber is told, word by word.

mod defence;
mod denials;
mod listener;
mod seldom;

use core::net::IpAddr;

use self::listener::{Listener, heard};
use crate::{
    request::Request,
    rule::{Action, Rule, Scheme},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(100);

fn from(peer: &str) -> Request<'static> {
    Request::new(peer.parse::<IpAddr>().unwrap()).method("GET").target("/")
}

fn rule(name: &str, when: &str, then: Action) -> Rule {
    Rule::new(name, Scheme::new().parse(when).unwrap()).then(then)
}
