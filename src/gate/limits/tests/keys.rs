use super::*;
use crate::gate::{MissingPeer, plan::MissingKey};
use crate::limit::OnSaturation;

const HOUR: Quota = Quota::per_hour(1);

fn once_by(by: &[&str]) -> World {
    limits([LimitRule::new("a", HOUR).by(terms(by))])
}

/// I1 of keys: which requests are counted together.
#[test]
fn different_values_are_different_keys() {
    let world = once_by(&[r#"header["a"]"#, r#"header["b"]"#]);
    let peer = || from("192.0.2.1");
    let requests = [
        peer().header("a", "a").header("b", "bc"),
        peer().header("a", "ab").header("b", "c"),
        peer().header("a", "abc").header("b", ""),
        peer().header("a", "").header("b", "abc"),
        peer().header("a", "abc"),
        peer().header("b", "abc"),
        peer().header("a", ""),
        peer().header("b", ""),
        peer(),
    ];
    for request in &requests {
        assert_eq!(world.denied_by(request, NOW), None, "{request:?}");
    }
    for request in &requests {
        assert_eq!(world.denied_by(request, NOW), Some(0), "{request:?}");
    }
    let other_peer = from("192.0.2.2").header("b", "bc").header("a", "a").header("a", "x");
    assert_eq!(world.denied_by(&other_peer, NOW), Some(0), "who sends it does not matter here");
}

/// A number, a text and an address are never the same; a number and another number are not.
#[test]
fn values_of_different_types_are_different() {
    let (bytes, four) = ([0, 0, 0, 0, 0, 0, 0, 7], [192, 0, 2, 1]);
    let scheme =
        Scheme::new().field("x", crate::rule::Type::Int).field("y", crate::rule::Type::Bytes);
    let by = ["x", "y"].map(|text| scheme.parse_term(text).unwrap());
    let world = limits([LimitRule::new("a", HOUR).by(by)]);
    let peer = || from("192.0.2.1");
    let (sliced, address) = (&bytes[..], &four[..]);
    for request in [
        peer().field("x", 7),
        peer().field("y", sliced),
        peer().field("x", -7),
        peer().field("x", 0),
        peer().field("y", address),
        peer().field("x", 7).field("y", sliced),
    ] {
        assert_eq!(
            (world.denied_by(&request, NOW), world.denied_by(&request, NOW)),
            (None, Some(0))
        );
    }
}

#[test]
fn without_values_everything_is_counted_together() {
    let world = once_by(&[]);
    assert_eq!(world.denied_by(&from("192.0.2.1"), NOW), None);
    assert_eq!(world.denied_by(&from("2001:db8::1"), NOW), Some(0));
    assert_eq!(world.denied_by(&Request::new(None), NOW), Some(0));
    assert_eq!(world.denied_by(&from("192.0.2.1"), later(3_600)), None);
}

#[test]
fn addresses_networks_and_clients_are_what_they_say() {
    let same = |by: &str, one: &str, other: &str| {
        let world = once_by(&[by]);
        assert_eq!(world.denied_by(&from(one), NOW), None);
        world.denied_by(&from(other), NOW).is_some()
    };
    let (one, near) = ("2001:db8::1", "2001:db8::2");
    assert!(same("client", one, near) && !same("ip.src", one, near));
    assert!(same("cidr(ip.src, 24, 64)", one, near) && !same("cidr(ip.src, 24, 128)", one, near));
    assert!(same("cidr(ip.src, 24, 64)", "192.0.2.1", "::ffff:192.0.2.9"));
    assert!(!same("ip.src", "192.0.2.1", "192.0.2.2"));
    let by_both = once_by(&["client", "path"]);
    let path = |path| from("192.0.2.1").target(path);
    assert_eq!(by_both.denied_by(&path("/a"), NOW), None);
    assert_eq!(by_both.denied_by(&path("/b"), NOW), None);
    assert_eq!(by_both.denied_by(&path("/a?x=1"), NOW), Some(0));
}

#[test]
fn who_lacks_a_value_is_counted_together_passed_over_or_denied() {
    let world = |missing| {
        let by = terms(&[r#"header["key"]"#]);
        limits([LimitRule::new("a", HOUR).by(by).missing(missing)])
    };
    let (without, empty) = (from("192.0.2.1"), from("192.0.2.1").header("key", ""));
    let group = world(MissingKey::Group);
    assert_eq!(group.denied_by(&without, NOW), None);
    assert_eq!(group.denied_by(&empty, NOW), None, "empty is not missing");
    assert_eq!(group.denied_by(&from("192.0.2.2"), NOW), Some(0));
    assert_eq!(world(MissingKey::Skip).how_many(&without, 9, NOW), 9);
    let deny = world(MissingKey::Deny);
    assert!(matches!(deny.rule(&without, NOW), Ruling::MissingKey { limit: 0 }));
    assert_eq!(deny.how_many(&empty, 9, NOW), 1);
}

#[test]
fn who_has_no_address_is_what_the_gate_says() {
    let nobody = Request::new(None);
    for by in [&["client"][..], &["client", "path"], &["ip.src"], &["cidr(ip.src, 8, 8)", "method"]]
    {
        let world = |missing_peer| {
            let limit = LimitRule::new("a", HOUR).by(terms(by));
            World::new(Plan { missing_peer, ..plan([limit]) })
        };
        assert_eq!(world(MissingPeer::Skip).how_many(&nobody, 9, NOW), 9, "{by:?}");
        assert_eq!(world(MissingPeer::Shared).how_many(&nobody, 9, NOW), 1, "{by:?}");
        let shared = world(MissingPeer::Shared);
        assert_eq!(shared.denied_by(&nobody, NOW), None);
        assert_eq!(shared.denied_by(&from("0.0.0.0"), NOW), None, "nobody is no address");
    }
    // Who they are does not matter to a limit that does not ask.
    assert_eq!(once_by(&["path"]).how_many(&nobody, 9, NOW), 1);
}

/// Room for seven keys, and for seven networks: limits of clients fall back on these, others do not.
#[test]
fn only_clients_fall_back_on_networks() {
    let world = |by: &[&str], on_saturation| {
        let limit = LimitRule::new("a", Quota::per_hour(2)).by(terms(by));
        let newcomers = Some(Quota::per_hour(3));
        World::new(Plan { clients: Some(1), newcomers, on_saturation, ..plan([limit]) })
    };
    let request = |at: u32| {
        let peer = core::net::Ipv4Addr::from_bits(0x0a00_0000 | at);
        Request::new(IpAddr::V4(peer)).target("/")
    };
    for by in [&["client"][..], &["ip.src"], &["client", "path"]] {
        let world = world(by, OnSaturation::Deny);
        let admitted = (1..=30).filter(|at| world.denied_by(&request(*at), NOW).is_none()).count();
        assert_eq!(admitted, 7 + 2, "{by:?}: two of the network of those without a place");
        assert_eq!(world.denied_by(&request(1), NOW), None, "who has a place keeps it");
        assert!(matches!(world.rule(&request(31), NOW), Ruling::Saturated { .. }));
    }
    let other = ["header[\"k\"]"];
    let keys: Vec<_> = (0..30).map(|at| std::format!("{at}")).collect();
    for (on_saturation, admitted) in [(OnSaturation::Deny, 7 + 3), (OnSaturation::Allow, 30)] {
        let world = world(&other, on_saturation);
        let passes = |key: &&std::string::String| {
            world.denied_by(&request(1).header("k", key.as_str()), NOW).is_none()
        };
        assert_eq!(keys.iter().filter(passes).count(), admitted);
    }
}
