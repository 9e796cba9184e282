//! Two sets answer every sequence of changes and operations as plain lists of ranges do, and list the
//! fewest prefixes.

#![no_main]

use std::net::IpAddr;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use portcullis::{
    CidrSet,
    cidr::{CidrEdit, aggregate, reference::RangeSet},
    ipnet::IpNet,
};

#[derive(Arbitrary, Debug)]
struct Story {
    start: [Vec<Place>; 2],
    steps: Vec<Step>,
}

/// What becomes of the first set.
#[derive(Arbitrary, Debug)]
enum Step {
    Insert(Place),
    Remove(Place),
    Extend(Vec<Place>),
    Apply(Vec<(Place, bool)>),
    Union,
    Intersection,
    Difference,
    SymmetricDifference,
    Complement,
    /// Hosts that few other steps meet, so many that the tables take their largest forms.
    Crowd(bool),
    /// The other set is the first one from here on.
    Swap,
}

/// A prefix, mostly near others: sets that never meet tell nothing.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    Near4 {
        host: u8,
        len: u8,
    },
    Any4 {
        host: u32,
        len: u8,
    },
    Near6 {
        host: u8,
        len: u8,
    },
    /// In and around `::ffff:0:0/96`.
    Mapped {
        block: u8,
        host: u32,
        len: u8,
    },
    Any6 {
        host: u128,
        len: u8,
    },
}

impl Place {
    fn net(self) -> IpNet {
        let v4 = |host: u32, len| IpNet::new_assert(IpAddr::V4(host.into()), len);
        let v6 = |host: u128, len| IpNet::new_assert(IpAddr::V6(host.into()), len);
        match self {
            Self::Near4 { host, len } => v4(0x0a00_0000 | u32::from(host), 32 - len % 10),
            Self::Any4 { host, len } => v4(host, len % 33),
            Self::Near6 { host, len } => v6((0x2001_0db8 << 96) | u128::from(host), 128 - len % 10),
            Self::Mapped { block, host, len } => {
                let block = 0xfff8 + u128::from(block % 16);
                v6((block << 32) | u128::from(host), 88 + len % 41)
            }
            Self::Any6 { host, len } => v6(host, len % 129),
        }
    }
}

fn follow(step: Step, (set, model): &mut (CidrSet, RangeSet), other: &mut (CidrSet, RangeSet)) {
    match step {
        Step::Insert(place) => {
            let before = model.clone();
            model.insert(place.net());
            assert_eq!(set.insert(place.net()), *model != before, "{place:?}");
        }
        Step::Remove(place) => {
            let before = model.clone();
            model.remove(&place.net());
            assert_eq!(set.remove(&place.net()), *model != before, "{place:?}");
        }
        Step::Extend(places) => {
            places.iter().for_each(|place| model.insert(place.net()));
            set.extend(places.iter().map(|place| place.net()));
        }
        Step::Apply(edits) => {
            set.apply(edits.iter().map(|&(place, insert)| match insert {
                true => CidrEdit::Insert(place.net(), ()),
                false => CidrEdit::Remove(place.net()),
            }));
            for (place, insert) in edits {
                if insert { model.insert(place.net()) } else { model.remove(&place.net()) }
            }
        }
        Step::Crowd(is_v6) => {
            set.extend(crowd(is_v6));
            *model = model.union(&crowd(is_v6).collect());
        }
        Step::Union => (*set, *model) = (&*set | &other.0, model.union(&other.1)),
        Step::Intersection => (*set, *model) = (&*set & &other.0, model.intersection(&other.1)),
        Step::Difference => (*set, *model) = (&*set - &other.0, model.difference(&other.1)),
        Step::SymmetricDifference => {
            (*set, *model) = (&*set ^ &other.0, model.symmetric_difference(&other.1));
        }
        Step::Complement => (*set, *model) = (!&*set, model.complement()),
        Step::Swap => {
            core::mem::swap(set, &mut other.0);
            core::mem::swap(model, &mut other.1);
        }
    }
}

/// More hosts than a small table has room for, each in a /16 of its own, or as many that fill two
/// pieces of an IPv6 table.
fn crowd(is_v6: bool) -> impl Iterator<Item = IpNet> {
    (0..if is_v6 { 3_400_u32 } else { 2_100 }).map(move |at| {
        IpNet::from(match is_v6 {
            true => IpAddr::from((0x2a00_u128 << 112 | u128::from(at) << 66).to_be_bytes()),
            false => IpAddr::from((0x4000_0000 | at << 16 | 0x8000).to_be_bytes()),
        })
    })
}

fn check(set: &CidrSet, model: &RangeSet) {
    let prefixes = model.prefixes();
    assert!(set.iter().eq(prefixes.iter().copied()), "{set:?} is not {prefixes:?}");
    assert_eq!(aggregate(prefixes.iter().copied()), prefixes);
    assert_eq!(*set, prefixes.iter().copied().collect(), "incremental is not rebuilt");
    assert_eq!(set.is_empty(), model.is_empty());
    let edges = model.edges();
    let mut found = vec![false; edges.len()];
    set.contains_batch(&edges, &mut found);
    for (&addr, found) in edges.iter().zip(found) {
        assert_eq!(set.contains(addr), model.contains(addr), "{addr}");
        assert_eq!(found, model.contains(addr), "{addr}");
    }
    // Of a crowd some: each is looked for among all prefixes.
    for &addr in edges.iter().step_by(edges.len() / 600 + 1) {
        let one_form = addr.to_canonical();
        let holder = prefixes.iter().copied().find(|net| net.contains(&one_form));
        assert_eq!(set.longest_match(addr), holder, "{addr}");
    }
}

fuzz_target!(|story: Story| {
    let nets = |at: usize| story.start[at].iter().map(|place| place.net());
    let [mut one, mut other] =
        [0, 1].map(|at| (nets(at).collect::<CidrSet>(), nets(at).collect::<RangeSet>()));
    check(&one.0, &one.1);
    for step in story.steps {
        follow(step, &mut one, &mut other);
        check(&one.0, &one.1);
        let common = one.1.intersection(&other.1);
        assert_eq!(one.0.is_disjoint(&other.0), common.is_empty());
        assert_eq!(one.0.is_subset(&other.0), common == one.1);
        for net in other.1.prefixes().into_iter().take(20) {
            let within: RangeSet = [net].into_iter().collect();
            let part = one.1.intersection(&within);
            assert_eq!(one.0.covers(&net), part == within, "{net}");
            assert_eq!(one.0.overlaps(&net), !part.is_empty(), "{net}");
            assert!(one.0.subnets(&net).eq(part.prefixes()), "{net}");
        }
    }
});
