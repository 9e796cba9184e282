//! Address lists: who finds an address, or the longest prefix that holds it.
//!
//! - `family`: addresses of both families, in everybody's types;
//! - `data`, `traffic`: what is in the lists, and who asks;
//! - `contestant`: what a contestant has to do, the comparison before it is measured, the loops;
//! - `ours`, `peers`, `plain`: the contestants;
//! - `tables`: what is measured, and how it is told.

mod contestant;
mod data;
mod family;
mod ours;
mod peers;
mod plain;
mod tables;
mod traffic;

use std::sync::Once;

use self::{
    data::Source,
    family::Family,
    tables::{Contestant, Prepared},
};

const V4: &[(&str, Source)] = &[
    ("10 random prefixes", Source::Random(10)),
    ("1,000 random prefixes", Source::Random(1_000)),
    ("100,000 random prefixes", Source::Random(100_000)),
    ("full BGP", Source::File("bgp_2023_v4v6.txt.gz")),
    ("block list of hosts", Source::File("ipsum_2026-08-22.txt.gz")),
    ("data centres", Source::File("x4bnet_datacenter_ipv4.txt.gz")),
    ("countries", Source::File("country_2026_ipv4.tsv.gz")),
];

const V6: &[(&str, Source)] = &[
    ("10 random prefixes", Source::Random(10)),
    ("1,000 random prefixes", Source::Random(1_000)),
    ("100,000 random prefixes", Source::Random(100_000)),
    ("full BGP", Source::File("bgp_2023_v4v6.txt.gz")),
];

/// Making and changing small lists is in our own benchmarks.
const MANY: usize = 50_000;

const FLAT: &str = "limit: flat DIR-24-8";

pub(crate) fn run(is_wanted: impl Fn(&str) -> bool) {
    let (mut v4_maps, mut v4_sets) = (maps(), sets());
    v4_maps.push(Contestant::of::<plain::Flat>(FLAT));
    v4_sets.push(Contestant::of::<plain::FlatSet>(FLAT));
    run_family::<u32>(V4, &v4_maps, &v4_sets, &is_wanted);
    run_family::<u128>(V6, &maps(), &sets(), &is_wanted);
}

fn run_family<B: Family>(
    lists: &[(&str, Source)],
    maps: &[Contestant<B>],
    sets: &[Contestant<B>],
    is_wanted: &impl Fn(&str) -> bool,
) {
    for (name, source) in lists {
        let title = |what: &str| format!("address lists: {name} {}, {what}", B::NAME);
        let [to_values, as_set, made, changed] =
            ["to values", "as a set", "making", "one change"].map(title);
        let is_any_wanted =
            [&to_values, &as_set, &made, &changed].into_iter().any(|title| is_wanted(title));
        let Some(list) = is_any_wanted.then(|| Prepared::<B>::of(*source)) else { continue };
        say_how_it_is_compiled();
        let Some(list) = list else {
            println!("\n### address lists: {name} {}\n", B::NAME);
            println!(
                "**NOT MEASURED: PORTCULLIS_DATA does not name the folder with the real lists.**"
            );
            continue;
        };
        if is_wanted(&to_values) {
            tables::look_up(&to_values, &list, maps);
        }
        if is_wanted(&as_set) {
            tables::look_up(&as_set, &list, sets);
        }
        if list.entries.len() < MANY {
            continue;
        }
        if is_wanted(&made) {
            tables::make(&made, &list, maps.iter().chain(sets));
        }
        if is_wanted(&changed) {
            tables::change(&changed, &list, maps.iter().chain(sets));
        }
    }
}

fn maps<B: Family>() -> Vec<Contestant<B>> {
    vec![
        Contestant::changeable::<ours::Map>("portcullis CidrMap"),
        Contestant::of::<ours::LongestMatch>("portcullis CidrMap, longest_match").only_asked(),
        Contestant::of::<ours::SharedValues>("portcullis CidrMap, 32,767 values"),
        Contestant::changeable::<ours::Published>("portcullis Live<CidrMap>, published")
            .only_changed(),
        Contestant::changeable::<peers::PrefixTrie<B>>("prefix-trie map"),
        Contestant::changeable::<peers::NetworkTable>("ip_network_table"),
        Contestant::changeable::<peers::Patricia<B>>("iptrie map, Patricia"),
        Contestant::of::<peers::LcTrie<B>>("iptrie map, LC"),
        Contestant::changeable::<peers::PoptrieMap<B>>("poptrie"),
        Contestant::of::<plain::Sorted<B>>("sorted array"),
    ]
}

fn sets<B: Family>() -> Vec<Contestant<B>> {
    vec![
        Contestant::changeable::<ours::Set>("portcullis CidrSet"),
        Contestant::changeable::<peers::PrefixTrieSet<B>>("prefix-trie set"),
        Contestant::of::<peers::NetworkTableSet>("ip_network_table, no values"),
        Contestant::of::<peers::PatriciaSet<B>>("iptrie set, Patricia"),
        Contestant::of::<peers::LcTrieSet<B>>("iptrie set, LC"),
        Contestant::changeable::<peers::Ranges<B>>("iprange"),
        Contestant::of::<peers::PoptrieSet<B>>("poptrie, no values"),
        Contestant::of::<plain::SortedSet<B>>("sorted array of ranges"),
    ]
}

fn say_how_it_is_compiled() {
    static ONCE: Once = Once::new();
    let popcount = if cfg!(target_feature = "popcnt") { "with" } else { "without" };
    ONCE.call_once(|| println!("\nAddress lists are compiled {popcount} POPCNT."));
}
