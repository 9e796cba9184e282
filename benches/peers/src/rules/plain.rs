//! The rules as a service would write them by hand: a match over an enum, one after the other.

use super::mix::{Incoming, Kind, Mix};

pub(crate) fn linear(mix: &'static Mix) -> impl Fn(&'static Incoming) -> Option<usize> {
    move |incoming| {
        let peer = incoming.peer.to_bits();
        let (path, header) = (incoming.path.as_str(), incoming.header());
        let is_post = incoming.method == "POST";
        mix.rules
            .iter()
            .find(|rule| match &rule.kind {
                Kind::NetAndPath { net, path: prefix } => {
                    peer >> 8 == net >> 8 && path.starts_with(prefix.as_str())
                }
                Kind::Header { value } => header == value,
                Kind::MethodAndPath { path: prefix } => {
                    is_post && path.starts_with(prefix.as_str())
                }
                Kind::NetOrPath { net, path: wanted } => peer >> 8 == net >> 8 || path == wanted,
            })
            .map(|rule| rule.number)
    }
}
