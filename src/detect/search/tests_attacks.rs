//! Attacks as they are known, on top of usual traffic: what is found, and what is not.

use std::{
    boxed::Box,
    format,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    string::{String, ToString as _},
    vec::Vec,
};

use ipnet::IpNet;

use super::{
    Candidate, Search, Taken,
    samples::{BROWSER, Book, Dice, Make, Sample, person, run, search, usual},
};
use crate::{
    detect::{Dimension, Parameters, Seen, Shape},
    rule::{Lists, Rule, RuleSet, Scheme, build::field},
};

fn people(seed: u64) -> Make {
    let mut dice = Dice(seed);
    Box::new(move || usual(&mut dice))
}

/// Usual requests with something else about them.
fn people_but(seed: u64, mut change: impl FnMut(&mut Sample, &mut Dice) + 'static) -> Make {
    let mut dice = Dice(seed);
    Box::new(move || {
        let mut sample = usual(&mut dice);
        change(&mut sample, &mut dice);
        sample
    })
}

struct Scene {
    book: Book,
    recent: Vec<Seen>,
    usual: Vec<Seen>,
}

/// One usual request in ten; all others are these.
fn scene(attack: Make) -> Scene {
    let mut book = Book::new();
    let usual = book.sample(&mut [(1_024, people(1))]);
    let recent = book.sample(&mut [(102, people(2)), (922, attack)]);
    Scene { book, recent, usual }
}

impl Scene {
    fn found(&self) -> Vec<Candidate> {
        search((1_000.0, 100.0), &self.recent, &self.usual)
    }

    /// As it prints; I2 of signatures.
    fn text(&self, candidate: &Candidate) -> String {
        let expr = candidate.expr(&|dimension, key| self.book.words(dimension, key), &[]).unwrap();
        let text = expr.to_string();
        assert_eq!(Scheme::new().parse(&text).unwrap(), expr, "{text}");
        assert!(RuleSet::new([Rule::new("rule", expr)], Lists::new()).is_ok());
        text
    }

    fn only(&self) -> (Candidate, String) {
        let found = self.found();
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].clone(), self.text(&found[0]))
    }
}

fn v4(bits: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(bits as u32))
}

#[test]
fn one_host() {
    let scene = scene(people_but(3, |sample, _| {
        (sample.client, sample.known) = (v4(0xc633_6407), false);
    }));
    let (found, text) = scene.only();
    assert_eq!(text, "ip.src in {198.51.100.7}");
    assert!(found.covers > 0.95 && found.harms == 0.0 && found.new == 1.0, "{found:?}");
    assert!(found.per_client > 900.0 && (found.rate - 900.0).abs() < 20.0, "{found:?}");
}

#[test]
fn one_network() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(0xc633_6400 | dice.next(256));
        sample.agent = "flood/1.0".into();
    }));
    assert_eq!(scene.only().1, "ip.src in {198.51.100.0/24}");
}

/// I3 and I4 of networks: four of the hosts are all that is seen of a network.
#[test]
fn few_hosts_are_one_rule_and_most_of_a_network_is_that_network() {
    let scene = scene(people_but(3, |sample, dice| {
        let at = dice.next(12);
        sample.client = v4(if at < 4 { 0xcb00_7100 + at } else { 0x0a00_0001 + (at << 16) });
    }));
    let (found, text) = scene.only();
    assert!(text.starts_with("ip.src in {10.4.0.1 10.5.0.1 "), "{text}");
    assert!(text.ends_with(" 10.11.0.1 203.0.113.0/24}"), "{text}");
    assert!(found.covers > 0.95, "{found:?}");
}

#[test]
fn fifty_networks_are_one_rule() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(0x2d00_0000 | dice.next(50) << 17 | dice.next(256));
    }));
    let (found, text) = scene.only();
    assert_eq!(text.matches("/24").count(), 50, "{text}");
    assert!(text.starts_with("ip.src in {45.0.0.0/24 45.2.0.0/24 "), "{text}");
    assert!(found.covers > 0.95 && found.harms < 0.01, "{found:?}");
}

/// More than a rule may hold are several rules.
#[test]
fn a_hundred_networks_are_two_rules() {
    let mut book = Book::new();
    let usual = book.sample(&mut [(1_024, people(1))]);
    let mut next = 0;
    let attack = people_but(3, move |sample, dice| {
        next += 1;
        sample.client = v4(0x2d00_0000 | (next % 90) << 17 | dice.next(256));
    });
    let recent = book.sample(&mut [(24, people(2)), (1_000, attack)]);
    let found = search((5_000.0, 100.0), &recent, &usual);
    let nets: Vec<usize> = found.iter().map(|found| found.signature.nets.len()).collect();
    assert_eq!(nets, [64, 26]);
    let covers: f64 = found.iter().map(|found| found.covers).sum();
    assert!(covers > 0.95, "{covers}");
}

/// I4 of networks.
#[test]
fn networks_of_one_larger_network_are_that_one() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(0x2d07_0000 | dice.next(40) << 8 | dice.next(256));
    }));
    assert_eq!(scene.only().1, "ip.src in {45.7.0.0/16}");
}

#[test]
fn scattered_hosts_with_an_agent_and_a_shape_of_their_own() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(dice.next(1 << 30));
        (sample.path, sample.agent) = ("/search".into(), "python-requests/2.31".into());
        (sample.shape, sample.known) = (Shape::AGENT | Shape::QUERY, false);
    }));
    let (found, text) = scene.only();
    assert!(
        [
            r#"path eq "/search""#.into(),
            r#"ua eq "python-requests/2.31""#.into(),
            format!(
                r#"method eq "GET" and exists(query) and not exists(referer) and not {}"#,
                r#"exists(cookie) and not exists(header["accept-language"]) and exists(ua)"#
            )
        ]
        .contains(&text),
        "{text}"
    );
    assert!(found.covers > 0.95 && found.harms == 0.0 && found.new > 0.95, "{found:?}");
    assert!(found.per_client < 1.2, "{found:?}");
}

/// Path, agent and shape are each usual; together they are not.
#[test]
fn what_is_usual_alone_and_unusual_together() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(dice.next(1 << 30));
        (sample.path, sample.agent) = ("/page-2".into(), "Mozilla/5.0 (browser 1)".into());
        (sample.shape, sample.known) = (BROWSER | Shape::POST, false);
    }));
    let found = scene.found();
    let text = scene.text(&found[0]);
    assert!(found[0].signature.kinds.len() >= 2, "{text}");
    assert!(found[0].covers > 0.9 && found[0].harms <= 0.01, "{text} {:?}", found[0]);
}

/// Every request has another query, so that no cache has seen it.
#[test]
fn cache_busting() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(dice.next(1 << 30));
        (sample.path, sample.known) = ("/".into(), false);
        (sample.shape, sample.agent) =
            (Shape::AGENT | Shape::QUERY, format!("Mozilla/{}", dice.next(900)));
    }));
    let (found, text) = scene.only();
    assert!(text.contains("exists(query) and not exists(referer)"), "{text}");
    assert!(found.covers > 0.95 && found.harms <= 0.01, "{text} {found:?}");
}

#[test]
fn deep_paths_of_one_section() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(dice.next(1 << 30));
        sample.path = format!("/api/{}/{}", dice.next(10_000), dice.next(10));
    }));
    assert_eq!(scene.only().1, r#"path starts_with "/api/""#);
    let scene = self::scene(people_but(3, |sample, dice| {
        sample.client = v4(dice.next(1 << 30));
        sample.path = format!("/api/v1/{}", dice.next(10_000));
    }));
    assert_eq!(scene.only().1, r#"path starts_with "/api/v1/""#);
}

#[test]
fn two_attacks_are_two_rules() {
    let scene = scene(people_but(3, |sample, dice| {
        if dice.next(5) < 2 {
            sample.client = v4(0xc633_6400 | dice.next(256));
        } else {
            sample.client = v4(dice.next(1 << 30));
            sample.agent = "flood/1.0".into();
        }
    }));
    let found = scene.found();
    let texts: Vec<_> = found.iter().map(|found| scene.text(found)).collect();
    assert_eq!(texts, [r#"ua eq "flood/1.0""#, "ip.src in {198.51.100.0/24}"]);
    assert!((found[0].covers - 0.6).abs() < 0.06 && (found[1].covers - 0.4).abs() < 0.06);
}

/// Networks with usual traffic of their own are only refused what the attack asks for.
#[test]
fn a_network_of_good_clients_too() {
    let mut book = Book::new();
    let office = |seed| {
        people_but(seed, |sample, dice| {
            (sample.client, sample.known) = (v4(0xc633_6400 | dice.next(256)), true);
        })
    };
    let attack = people_but(3, |sample, dice| {
        sample.client = v4(0xc633_6400 | dice.next(256));
        (sample.path, sample.agent) = ("/page-3".into(), "Mozilla/5.0 (browser 0)".into());
    });
    let usual = book.sample(&mut [(900, people(1)), (124, office(7))]);
    let recent = book.sample(&mut [(90, people(2)), (12, office(8)), (922, attack)]);
    let found = search((1_000.0, 100.0), &recent, &usual);
    let scene = Scene { book, recent, usual };
    let text = scene.text(&found[0]);
    assert!(text.starts_with(r#"ip.src in {198.51.100.0/24} and "#), "{text}");
    assert!(found[0].covers > 0.95 && found[0].harms <= 0.01, "{text}");
}

/// I1 of networks; I3 of signatures: nothing is wider than a /32.
#[test]
fn ipv6() {
    let from = |prefix: u128, bits: u32, dice: &mut Dice| {
        let low = u128::from(dice.next(u64::MAX)) << 64 | u128::from(dice.next(u64::MAX));
        IpAddr::V6(Ipv6Addr::from(prefix | low & (u128::MAX >> bits)))
    };
    let base = 0x2001_0db8_0042_0007_u128 << 64;
    for (bits, prefix, expected) in [
        (64, base, "ip.src in {2001:db8:42:7::/64}"),
        (48, base >> 80 << 80, "ip.src in {2001:db8:42::/48}"),
        (32, base >> 96 << 96, "ip.src in {2001:db8::/32}"),
    ] {
        let scene =
            scene(people_but(3, move |sample, dice| sample.client = from(prefix, bits, dice)));
        assert_eq!(scene.only().1, expected);
    }
    // A mapped address is the address.
    let scene = scene(people_but(3, |sample, _| {
        sample.client = "::ffff:198.51.100.7".parse().unwrap();
    }));
    let text = scene.only().1;
    assert!(text.starts_with("ip.src in {198.51.100."), "{text}");
}

/// I1: nothing tells them from people, so nothing is proposed.
#[test]
fn perfect_imitators_have_no_signature() {
    for seed in 0..20 {
        let scene = scene(people_but(100 + seed, |sample, dice| {
            (sample.client, sample.known) = (v4(dice.next(1 << 32)), false);
        }));
        assert_eq!(scene.found(), [], "{seed}");
    }
}

/// I1: twice as much of the same, from the same clients, is no attack.
#[test]
fn more_of_the_usual_has_no_signature() {
    let mut book = Book::new();
    for seed in 0..20 {
        let usual = book.sample(&mut [(1_024, people(1_000 + seed))]);
        let recent = book.sample(&mut [(1_024, people(2_000 + seed))]);
        for offered in [50.0, 100.0, 101.0, 110.0, 200.0, 1_000.0] {
            let found = search((offered, 100.0), &recent, &usual);
            assert_eq!(found, [], "{seed} {offered}");
        }
    }
}

/// A flash crowd on one page: whatever is proposed says that its clients are known and ask for little.
#[test]
fn a_flash_crowd_is_told_by_who_is_in_it() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = person(dice.next(3_000));
        (sample.path, sample.known) = ("/news/today".into(), true);
    }));
    for found in scene.found() {
        assert!(found.new < 0.1 && found.per_client < 2.0, "{found:?}");
    }
}

/// I3; I2 of networks.
#[test]
fn what_is_spared_is_in_no_signature() {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    for client in loopback {
        let scene = scene(people_but(3, move |sample, _| sample.client = client));
        let found = scene.found();
        let nets = || found.iter().flat_map(|found| &found.signature.nets);
        assert!(nets().all(|net| !net.contains(&client)), "{found:?}");
    }
    let spared: IpNet = "45.6.0.7/32".parse().unwrap();
    let spares = |net: &IpNet| net.contains(&spared) || spared.contains(net);
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(0x2d00_0000 | dice.next(50) << 17 | dice.next(256));
    }));
    let mut search = Search::new();
    search.begin(1_000.0, 100.0, Vec::new());
    let (found, _) = run(&mut search, &scene.recent, &scene.usual, &Parameters::default(), &spares);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].signature.nets.len(), 49);
    assert!(found[0].signature.nets.iter().all(|net| !spares(net)));
}

/// What mitigations have is not found again, and what is left is.
#[test]
fn what_is_taken_is_not_looked_for() {
    let scene = scene(people_but(3, |sample, dice| {
        let flood = if dice.next(2) == 0 { "flood/1.0" } else { "flood/2.0" };
        (sample.client, sample.agent) = (v4(dice.next(1 << 30)), flood.into());
    }));
    let found = scene.found();
    assert_eq!(found.len(), 2);
    let again = |taken: &[usize]| {
        let mut search = Search::new();
        let taken =
            taken.iter().map(|at| Taken { signature: found[*at].signature.clone(), is_live: true });
        search.begin(1_000.0, 100.0, taken.collect());
        let parameters = Parameters::default();
        run(&mut search, &scene.recent, &scene.usual, &parameters, &|_| false).0
    };
    assert_eq!(again(&[0]), [found[1].clone()]);
    assert_eq!(again(&[1])[0].signature, found[0].signature);
    assert_eq!(again(&[0, 1]), []);
}

/// I1 of signatures: the condition holds for what is matched.
#[test]
fn conditions_say_what_signatures_match() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(0x2d00_0000 | dice.next(50) << 17 | dice.next(256));
    }));
    let (found, text) = scene.only();
    let built = field::ip_src().within(found.signature.nets.iter().copied());
    assert_eq!(Scheme::new().parse(&text).unwrap(), built);
    let matched = scene.recent.iter().filter(|seen| found.signature.matches(seen)).count();
    assert!((matched as f64 - found.rate * 1.024).abs() < 0.01);
    let by_hand = |seen: &&Seen| found.signature.nets.iter().any(|net| net.contains(&seen.client));
    assert_eq!(scene.recent.iter().filter(by_hand).count(), matched);
}

/// Texts that were cut say how they begin.
#[test]
fn long_texts_are_beginnings() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(dice.next(1 << 30));
        sample.agent = "x".repeat(300);
    }));
    assert_eq!(scene.only().1, format!("ua starts_with {:?}", "x".repeat(192)));
    let scene = self::scene(people_but(3, |sample, dice| {
        sample.client = v4(dice.next(1 << 30));
        sample.path = format!("/{}", "y".repeat(300));
    }));
    assert_eq!(scene.only().1, format!("path starts_with {:?}", format!("/{}", "y".repeat(95))));
}

#[test]
fn own_dimensions_are_terms() {
    let scene = scene(people_but(3, |sample, dice| {
        sample.client = v4(dice.next(1 << 30));
        sample.own = Some("4711".into());
    }));
    let found = scene.found();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].signature.kinds[0].0, Dimension::First);
    let text = |term| {
        let expr = found[0].expr(&|dimension, key| scene.book.words(dimension, key), &[term]);
        expr.map(|expr| expr.to_string())
    };
    let term = |text| Scheme::new().parse_term(text).unwrap();
    assert_eq!(text(term(r#"http.request.route"#)).as_deref(), Some(r#"route eq "4711""#));
    assert_eq!(text(term("asn")).as_deref(), Some("asn eq 4711"));
    assert_eq!(text(term("ip.src")), None);
    let words = |dimension, key| scene.book.words(dimension, key);
    assert_eq!(found[0].expr(&words, &[]), None);
}
