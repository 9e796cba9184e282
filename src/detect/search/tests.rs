//! The search against a comparison of request by request.

use std::{collections::BTreeSet, net::IpAddr, vec::Vec};

use ipnet::IpNet;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    proptest,
};

use super::{
    Candidate, LEAST_USUAL, MOST_CANDIDATES, MOST_NETS, Search, What,
    samples::{Book, Dice, Sample, run, search, usual},
};
use crate::detect::{Dimension, Parameters, Seen};

fn sample() -> impl Strategy<Value = Sample> {
    let client = prop_oneof![
        (0..3_u8, 0..3_u8, 0..4_u8).prop_map(|(a, b, c)| IpAddr::from([45, a, b, c])),
        (0..3_u16, 0..3_u16).prop_map(|(a, b)| IpAddr::from([0x2001, 0xdb8, a, b, 0, 0, 0, 1])),
    ];
    let path = prop_oneof![Just("/"), Just("/a"), Just("/a/b"), Just("/a/b/c"), Just("/a/c")];
    let agent = prop_oneof![Just(""), Just("one"), Just("two")];
    let own = prop_oneof![Just(None), Just(Some("x")), Just(Some("y"))];
    (client, path, agent, 0..4_u8, own, any::<bool>()).prop_map(
        |(client, path, agent, shape, own, known)| Sample {
            client,
            path: path.into(),
            agent: agent.into(),
            shape,
            own: own.map(Into::into),
            known,
        },
    )
}

/// Whether a request has a value, by looking at it.
fn has(search: &Search, what: What, seen: &Seen) -> bool {
    match what {
        What::Is(dimension, key) => seen.keys.get(dimension) == key,
        What::From { at, .. } => search.nets[at].nets.iter().any(|net| net.contains(&seen.client)),
    }
}

proptest! {
    #![proptest_config(crate::test_support::cases(24))]

    /// I2: of each value, each two and each three of them; of networks, alone and together.
    #[test]
    fn counts_are_those_of_a_comparison_of_each_request(
        recent in vec(sample(), 50..200), usual in vec(sample(), 200..300), offered in 80.0..2_000.0,
    ) {
        let mut book = Book::new();
        let mut seen = |samples: &[Sample]| -> Vec<Seen> {
            samples.iter().map(|sample| book.seen(sample)).collect()
        };
        let (recent, usual) = (seen(&recent), seen(&usual));
        let mut search = Search::new();
        let parameters = Parameters { covers: 0.05, harms: 0.2, ..Parameters::default() };
        search.begin(offered, 100.0, Vec::new());
        let (found, _) = run(&mut search, &recent, &usual, &parameters, &|_| false);
        for (at, one) in search.values.iter().enumerate() {
            for other in &search.values[at..] {
                for third in search.values[at..].iter().step_by(5) {
                    let all = one.spread.and(&other.spread).and(&third.spread);
                    let holds = |seen: &&Seen| {
                        [one, other, third].iter().all(|value| has(&search, value.what, seen))
                    };
                    assert_eq!(all.recent.count() as usize, recent.iter().filter(holds).count());
                    assert_eq!(all.usual.count() as usize, usual.iter().filter(holds).count());
                }
            }
        }
        check(&found, &recent, &usual, &parameters, offered);
    }
}

/// I1: what a candidate says of itself is true, and enough.
fn check(
    found: &[Candidate],
    recent: &[Seen],
    usual: &[Seen],
    parameters: &Parameters,
    offered: f64,
) {
    let share = |count: usize, of: &[Seen]| count as f64 / of.len() as f64;
    let mut left: Vec<&Seen> = recent.iter().collect();
    let mut harmed = 0;
    for candidate in found {
        let matches = |seen: &Seen| candidate.signature.matches(seen);
        let before = left.len();
        left.retain(|seen| !matches(seen));
        let usual_matched = usual.iter().filter(|seen| matches(seen)).count();
        let covered =
            offered * share(before - left.len(), recent) - 100.0 * share(usual_matched, usual);
        let excess = (offered - 100.0).max(0.1 * offered);
        assert!((candidate.covers - (covered / excess).min(1.0)).abs() < 1e-9);
        assert!(candidate.covers >= parameters.covers);
        assert!((candidate.harms - share(usual_matched, usual)).abs() < 1e-9);
        let matched: Vec<_> = recent.iter().filter(|seen| matches(seen)).collect();
        let unknown = matched.iter().filter(|seen| !seen.known).count();
        assert!((candidate.new - unknown as f64 / matched.len() as f64).abs() < 1e-9);
        let hosts: BTreeSet<_> =
            matched.iter().map(|seen| Dimension::Host.net(seen.client)).collect();
        assert!((candidate.per_client - matched.len() as f64 / hosts.len() as f64).abs() < 1e-9);
        assert!((candidate.rate - offered * share(matched.len(), recent)).abs() < 1e-6);
        assert!(candidate.signature.nets.len() <= MOST_NETS);
        for net in &candidate.signature.nets {
            assert!(net.prefix_len() >= if net.addr().is_ipv4() { 16 } else { 32 });
        }
        assert!(candidate.signature.nets.windows(2).all(|two| two[0].network() < two[1].network()));
    }
    for seen in usual {
        harmed += usize::from(found.iter().any(|candidate| candidate.signature.matches(seen)));
    }
    assert!(share(harmed, usual) <= parameters.harms);
}

fn attacked(usual_samples: usize) -> (Vec<Seen>, Vec<Seen>) {
    let mut book = Book::new();
    let (mut dice, mut other) = (Dice(1), Dice(2));
    let normal: Vec<Seen> = (0..usual_samples).map(|_| book.seen(&usual(&mut dice))).collect();
    let recent = (0..1_024)
        .map(|_| {
            book.seen(&Sample { client: IpAddr::from([198, 51, 100, 7]), ..usual(&mut other) })
        })
        .collect();
    (recent, normal)
}

/// I1.
#[test]
fn without_enough_that_is_usual_nothing_is_proposed() {
    let (recent, usual) = attacked(LEAST_USUAL);
    assert_eq!(search((1_000.0, 100.0), &recent, &usual).len(), 1);
    assert_eq!(search((1_000.0, 100.0), &recent, &usual[1..]), []);
    assert_eq!(search((1_000.0, 100.0), &[], &usual), []);
    assert_eq!(search((1_000.0, 100.0), &[], &[]), []);
}

#[test]
fn rates_that_are_none_find_nothing() {
    let (recent, usual) = attacked(1_024);
    for rates in [(f64::NAN, 1.0), (f64::INFINITY, 1.0), (0.0, 0.0), (-1.0, 1.0), (1.0, f64::NAN)] {
        assert_eq!(search(rates, &recent, &usual), [], "{rates:?}");
    }
    assert_eq!(search((1_000.0, 0.0), &recent, &usual).len(), 1);
    // An attack that drives others away makes no excess.
    assert_eq!(search((100.0, 100.0), &recent, &usual).len(), 1);
}

/// I4: more samples than there may be are not looked at, and a search ends whatever it is given.
#[test]
fn searches_are_bounded() {
    let mut book = Book::new();
    let mut dice = Dice(3);
    let mut many = |count: usize, of: u64| -> Vec<Seen> {
        let seen = (0..count).map(|_| {
            let number = dice.next(of) as u8;
            let client = IpAddr::from([number.wrapping_add(1), 1, 1, 1]);
            let agent = std::format!("agent {number}");
            book.seen(&Sample { client, agent, ..usual(&mut dice) })
        });
        seen.collect()
    };
    let (recent, normal) = (many(3_000, 12), many(3_000, 200));
    let parameters = Parameters { covers: 0.0, harms: 1.0, ..Parameters::default() };
    let mut search = Search::new();
    let spares = |_: &IpNet| false;
    assert!(!search.is_running());
    assert!(search.step(&recent, &normal, &parameters, &spares).is_some());
    for _ in 0..2 {
        search.begin(10_000.0, 100.0, Vec::new());
        assert!(search.is_running());
        let (found, steps) = run(&mut search, &recent, &normal, &parameters, &spares);
        assert!(found.len() <= MOST_CANDIDATES && steps < 300, "{steps}");
        assert!(!search.is_running());
        assert!(search.values.len() <= 6 * 6 + 3 * 6);
    }
}
