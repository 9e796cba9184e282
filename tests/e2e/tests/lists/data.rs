//! The lists: where they lie, how they are read, and how much of them is tried.
//!
//! Where the code is optimised, all of it: a full routing table of a million prefixes, each asked at
//! its edges. Without optimisation that takes minutes, so then every so many lines are left out.

use std::{
    env, fs,
    io::{self, Read, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use flate2::read::GzDecoder;
use portcullis::{cidr::parse_prefix, ipnet::IpNet};

use super::samples;

/// Every table, by the name of its file: prefixes in the first column.
pub(super) const TABLES: [&str; 21] = [
    "bgp_2023_v4v6.txt",
    "x4bnet_datacenter_ipv4.txt",
    "x4bnet_datacenter_ipv6.txt",
    "x4bnet_vpn_ipv4.txt",
    "x4bnet_vpn_ipv6.txt",
    "ipsum_2026-08-22.txt",
    "cloud_amazon_ipv4.txt",
    "cloud_amazon_ipv4_merged.txt",
    "cloud_amazon_ipv6.txt",
    "cloud_amazon_ipv6_merged.txt",
    "cloud_google_ipv4.txt",
    "cloud_google_ipv4_merged.txt",
    "cloud_google_ipv6.txt",
    "cloud_google_ipv6_merged.txt",
    "cloud_cloudflare_ipv4.txt",
    "cloud_cloudflare_ipv4_merged.txt",
    "cloud_cloudflare_ipv6.txt",
    "cloud_cloudflare_ipv6_merged.txt",
    "country_2026_ipv4.tsv",
    "country_2026_ipv6.tsv",
    "bogons.txt",
];

pub(super) const FULL_TABLE: &str = TABLES[0];
pub(super) const BOGONS: &str = TABLES[20];

fn folder() -> Option<&'static PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = env::var_os("PORTCULLIS_DATA").map(PathBuf::from);
            if folder.is_none() {
                // Past the harness, which keeps to itself what a test that passes prints.
                let _ = writeln!(
                    io::stderr(),
                    "\n!! PORTCULLIS_DATA is not set: NO REAL LIST is tested, only small samples"
                );
            }
            folder
        })
        .as_ref()
}

/// A list's text as it was published, all of it or every so many lines.
pub(super) fn text(name: &str) -> String {
    let Some(folder) = folder() else {
        return samples::text(name).into();
    };
    let text = published(folder, name);
    match text.lines().count().div_ceil(MOST_LINES) {
        0 | 1 => text,
        stride => text.lines().step_by(stride).flat_map(|line| [line, "\n"]).collect(),
    }
}

/// More than the lists have that must be whole, because another one is made from them.
const MOST_LINES: usize = if cfg!(debug_assertions) { 10_000 } else { usize::MAX };
const MOST_QUESTIONS: usize = if cfg!(debug_assertions) { 1_000 } else { usize::MAX };

/// Whether the lists are the real ones, with all their lines.
pub(super) fn are_whole() -> bool {
    folder().is_some() && !cfg!(debug_assertions)
}

/// Whether [`FULL_TABLE`] has all its lines, so that the oracle's answers are right.
pub(super) fn is_whole() -> bool {
    folder().is_none() || are_whole()
}

fn published(folder: &Path, name: &str) -> String {
    let (plain, packed) = (folder.join(name), folder.join(format!("{name}.gz")));
    if plain.exists() {
        return fs::read_to_string(&plain).unwrap_or_else(|error| panic!("{plain:?}: {error}"));
    }
    let file = fs::File::open(&packed).unwrap_or_else(|error| panic!("{packed:?}: {error}"));
    let mut text = String::new();
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap_or_else(|error| panic!("{packed:?}: {error}"));
    text
}

/// The first and the second column of a text, without its remarks.
pub(super) fn columns(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.filter(|line| !line.trim().is_empty()).map(|line| {
        let (first, rest) = line.split_once('\t').unwrap_or((line, ""));
        (first.trim(), rest.trim())
    })
}

/// The prefixes of a table, without the one that stands for all of IPv4.
pub(super) fn prefixes(name: &str) -> Vec<IpNet> {
    let text = text(name);
    let entries = columns(&text).map(|(entry, _)| entry).filter(|entry| *entry != MAPPED_ALL);
    entries.map(|entry| parse_prefix(entry).unwrap_or_else(|e| panic!("{name}: {e}"))).collect()
}

/// Addresses, and the longest prefix of [`FULL_TABLE`] that holds each, found by other means.
pub(super) fn oracle() -> Vec<(IpAddr, Option<IpNet>)> {
    let text = text("bgp_2023_lpm_oracle.tsv");
    let net = |text: &str| parse_prefix(text).unwrap_or_else(|e| panic!("oracle: {e}"));
    let answers = columns(&text)
        .map(|(addr, longest)| (net(addr).addr(), (longest != "-").then(|| net(longest))));
    answers.collect()
}

pub(super) const MAPPED_ALL: &str = "::ffff:0:0/96";

/// The first and the last address of a prefix and the ones next to them.
pub(super) fn edges(net: &IpNet) -> impl Iterator<Item = IpAddr> {
    [
        step(net.network(), false),
        Some(net.network()),
        Some(net.broadcast()),
        step(net.broadcast(), true),
    ]
    .into_iter()
    .flatten()
}

fn step(addr: IpAddr, up: bool) -> Option<IpAddr> {
    match addr {
        IpAddr::V4(addr) if up => Some(IpAddr::V4(addr.to_bits().checked_add(1)?.into())),
        IpAddr::V4(addr) => Some(IpAddr::V4(addr.to_bits().checked_sub(1)?.into())),
        IpAddr::V6(addr) if up => Some(IpAddr::V6(addr.to_bits().checked_add(1)?.into())),
        IpAddr::V6(addr) => Some(IpAddr::V6(addr.to_bits().checked_sub(1)?.into())),
    }
}

/// All of them, or some, evenly picked.
pub(super) fn sampled<T>(all: Vec<T>) -> impl Iterator<Item = T> {
    let stride = all.len().div_ceil(MOST_QUESTIONS).max(1);
    all.into_iter().step_by(stride)
}
