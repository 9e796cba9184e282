//! What the slow model says of every address at the edge of a prefix, and next to it.

use std::{net::IpAddr, sync::OnceLock};

use portcullis::{cidr::reference::PrefixList, ipnet::IpNet};

use super::data::{TABLES, edges, prefixes, sampled};

pub(super) struct Expected {
    pub(super) name: &'static str,
    pub(super) prefixes: Vec<IpNet>,
    /// Addresses, and the longest prefix that holds each.
    pub(super) answers: Vec<(IpAddr, Option<IpNet>)>,
}

/// For every table; made once, because sets and maps are asked the same.
pub(super) fn of_all_tables() -> &'static [Expected] {
    static ALL: OnceLock<Vec<Expected>> = OnceLock::new();
    ALL.get_or_init(|| TABLES.into_iter().map(of_table).collect())
}

fn of_table(name: &'static str) -> Expected {
    let prefixes = prefixes(name);
    let model: PrefixList<()> = prefixes.iter().map(|net| (*net, ())).collect();
    let mut asked: Vec<IpAddr> = prefixes.iter().flat_map(edges).collect();
    asked.sort();
    asked.dedup();
    let answers =
        sampled(asked).map(|addr| (addr, model.longest_match(addr).map(|(net, ())| net))).collect();
    Expected { name, prefixes, answers }
}
