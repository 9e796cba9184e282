//! Networks that are hotter than usual, alone and together.
//!
//! An attack from fifty networks is one attack: the hot networks of one size are also looked at as *one*
//! value, once all of them, and once without those that have more usual traffic than a mitigation may harm.
//!
//! # Invariants
//! - **I1** no network is wider than a /16 of IPv4 or a /32 of IPv6;
//! - **I2** no network that is spared, or that the machine itself is in, is among them;
//! - **I3** a network is hot if it has at least [`LEAST`] samples and is clearly above the usual;
//! - **I4** networks become the one around them only if [`MERGED`] of those that are seen in it are hot, and
//!   nothing of the usual traffic is in it that is not in them.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{
    bits::{Bits, Spread},
    groups::{Count, Group, Groups},
    scale::{Scale, of_usize},
    signature::MOST_NETS,
};
use crate::detect::{Dimension, Seen};

/// A hot network has at least so many samples.
pub(super) const LEAST: u32 = 6;

/// And is by so many deviations above the usual: of a thousand networks, chance makes none hot.
const CLEARLY: f64 = 3.3;

/// Networks that are looked at alone, of each size.
const ALONE: usize = 4;

/// The share of the networks seen in the one around them that are hot, where they are merged.
const MERGED: f64 = 0.6;

/// Fewer hot networks than this are never merged.
const LEAST_MERGED: u32 = 4;

/// Networks, and the samples that come from them.
pub(super) struct Nets {
    pub(super) nets: Vec<IpNet>,
    pub(super) spread: Spread,
}

/// What networks are found among.
pub(super) struct Among<'a> {
    pub(super) recent: &'a [Seen],
    pub(super) usual: &'a [Seen],
    /// Recent samples that nothing covers yet.
    pub(super) left: &'a Bits,
    pub(super) scale: Scale,
    /// Usual samples that may be harmed.
    pub(super) most_harmed: u32,
    pub(super) spares: &'a dyn Fn(&IpNet) -> bool,
}

/// Memory that is used again.
#[derive(Default)]
pub(super) struct Room {
    counts: Vec<Count>,
    around_counts: Vec<Count>,
    hot: Vec<HotNet>,
    children: Vec<Children>,
    own: Vec<bool>,
    around: Vec<bool>,
}

/// A hot network.
#[derive(Clone, Copy)]
struct HotNet {
    group: Group,
    /// It is a network around those that were looked at.
    is_merged: bool,
    count: Count,
    net: IpNet,
    /// The group of the network around it.
    around: Option<Group>,
}

/// What is in the network around others.
#[derive(Clone, Copy, Default)]
struct Children {
    seen: u32,
    hot: u32,
    usual: u32,
}

/// Finds the hot networks of one size. `around` are the groups of the next wider one.
pub(super) fn find(
    dimension: Dimension,
    groups: &Groups,
    around: Option<(Dimension, &Groups)>,
    among: &Among<'_>,
    room: &mut Room,
    into: &mut Vec<Nets>,
) {
    groups.count(among.left, &mut room.counts);
    room.hot.clear();
    for (group, count) in (0..).zip(&room.counts) {
        if count.recent < LEAST || among.scale.deviations(*count) < CLEARLY {
            continue;
        }
        let Some((net, place)) = net_of(dimension, groups, group, among) else { continue };
        if is_own(&net) || (among.spares)(&net) {
            continue;
        }
        let around = around.and_then(|(_, groups)| groups.recent.get(place).copied());
        room.hot.push(HotNet { group, is_merged: false, count: *count, net, around });
    }
    hottest_first(&mut room.hot, &among.scale);
    for hot in room.hot.iter().take(ALONE) {
        let spread = groups.spread(|group| group == hot.group);
        into.push(Nets { nets: alloc::vec![hot.net], spread });
    }
    if room.hot.len() < 2 {
        return;
    }
    let wider = around.map(|(_, groups)| groups);
    if let Some(around) = around {
        merge(around, groups, among, room);
        hottest_first(&mut room.hot, &among.scale);
    }
    let all = union(groups, wider, room, |_| true);
    let mut harmed = 0_u32;
    let harmless = union(groups, wider, room, |hot| {
        let with = harmed.saturating_add(hot.count.usual);
        let fits = with <= among.most_harmed;
        harmed = if fits { with } else { harmed };
        fits
    });
    if harmless.nets != all.nets && !harmless.nets.is_empty() {
        into.push(harmless);
    }
    into.push(all);
}

/// The network of a group that has recent samples, and the place of one of them.
fn net_of(
    dimension: Dimension,
    groups: &Groups,
    group: Group,
    among: &Among<'_>,
) -> Option<(IpNet, usize)> {
    let at = usize::from(group);
    let place = usize::from(*groups.first.get(at)?);
    let samples = if at < groups.hot { among.recent } else { among.usual };
    Some((dimension.net(samples.get(place)?.client.to_canonical())?, place))
}

/// Whether the machine itself is in it.
fn is_own(net: &IpNet) -> bool {
    net.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)) || net.contains(&IpAddr::V6(Ipv6Addr::LOCALHOST))
}

fn hottest_first(hot: &mut [HotNet], scale: &Scale) {
    hot.sort_unstable_by(|one, other| {
        let by_excess = scale.covers(other.count).total_cmp(&scale.covers(one.count));
        by_excess.then(other.count.recent.cmp(&one.count.recent)).then(one.net.cmp(&other.net))
    });
}

/// Puts networks around others in their place, where most of what is seen in them is hot (I4).
fn merge(
    (dimension, around): (Dimension, &Groups),
    groups: &Groups,
    among: &Among<'_>,
    room: &mut Room,
) {
    let Room { counts, around_counts, hot, children, .. } = room;
    around.count(among.left, around_counts);
    children.clear();
    children.resize(around.keys.len(), Children::default());
    for (count, first) in counts.iter().zip(&groups.first).take(groups.hot) {
        let parent = around.recent.get(usize::from(*first));
        let parent = parent.and_then(|parent| children.get_mut(usize::from(*parent)));
        if let Some(parent) = parent.filter(|_| count.recent > 0) {
            parent.seen = parent.seen.saturating_add(1);
        }
    }
    for hot in hot.iter() {
        let parent = hot.around.and_then(|parent| children.get_mut(usize::from(parent)));
        if let Some(parent) = parent {
            parent.hot = parent.hot.saturating_add(1);
            parent.usual = parent.usual.saturating_add(hot.count.usual);
        }
    }
    let mut merged = Vec::new();
    for (group, (children, count)) in (0..).zip(children.iter_mut().zip(around_counts)) {
        let is_hot = f64::from(children.hot) >= MERGED * f64::from(children.seen);
        let is_harmless = count.usual <= children.usual;
        let net = net_of(dimension, around, group, among).map(|(net, _)| net);
        match net {
            Some(net)
                if children.hot >= LEAST_MERGED
                    && is_hot
                    && is_harmless
                    && !is_own(&net)
                    && !(among.spares)(&net) =>
            {
                merged.push(HotNet { group, is_merged: true, count: *count, net, around: None });
            }
            // Its children stay.
            _ => children.hot = 0,
        }
    }
    hot.retain(|hot| {
        let parent = hot.around.and_then(|parent| children.get(usize::from(parent)));
        parent.is_none_or(|parent| parent.hot == 0)
    });
    hot.extend(merged);
}

/// The hottest networks that are wanted, as one value.
fn union(
    groups: &Groups,
    around: Option<&Groups>,
    room: &mut Room,
    mut is_wanted: impl FnMut(&HotNet) -> bool,
) -> Nets {
    let Room { hot, own, around: wider, .. } = room;
    own.clear();
    own.resize(groups.keys.len(), false);
    wider.clear();
    wider.resize(around.map_or(0, |around| around.keys.len()), false);
    let mut nets = Vec::new();
    for hot in hot.iter().filter(|hot| is_wanted(hot)).take(MOST_NETS) {
        let marks = if hot.is_merged { &mut *wider } else { &mut *own };
        if let Some(mark) = marks.get_mut(usize::from(hot.group)) {
            *mark = true;
        }
        nets.push(hot.net);
    }
    nets.sort_unstable_by_key(|net| (net.network(), net.prefix_len()));
    let is_marked = |marks: &[bool], group: Group| marks.get(usize::from(group)) == Some(&true);
    let mut spread = groups.spread(|group| is_marked(own, group));
    if let Some(around) = around {
        let more = around.spread(|group| is_marked(wider, group));
        spread =
            Spread { recent: spread.recent.or(&more.recent), usual: spread.usual.or(&more.usual) };
    }
    Nets { nets, spread }
}

/// Distinct groups among these samples.
pub(super) fn distinct(groups: &Groups, recent: &Bits, room: &mut Room) -> f64 {
    room.own.clear();
    room.own.resize(groups.keys.len(), false);
    let mut count = 0_usize;
    for place in recent.places() {
        let group = groups.recent.get(place).map(|group| usize::from(*group));
        if let Some(mark) = group.and_then(|group| room.own.get_mut(group)) {
            count = count.saturating_add(usize::from(!*mark));
            *mark = true;
        }
    }
    of_usize(count)
}
