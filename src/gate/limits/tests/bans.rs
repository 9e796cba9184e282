use super::*;
use crate::{
    gate::{
        bans::Subject,
        plan::{MissingKey, Then},
    },
    rule::{Ban, Name, RuleMode},
};

const MINUTES: Ban = Ban::new(Duration::from_secs(600));

fn with_ban(by: &[&str]) -> World {
    limits([LimitRule::new("a", Quota::per_second(1)).by(terms(by)).then(Then::Ban(MINUTES))])
}

fn sentence(world: &World, request: &Request<'_>, now: Timestamp) -> Subject {
    match world.rule(request, now) {
        Ruling::Denied { ban: Some(sentence), .. } => {
            assert_eq!(sentence.ban, MINUTES);
            sentence.subject
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_limit_by_addresses_bans_the_network_that_it_counts() {
    for (by, peer, net) in [
        ("client", "192.0.2.1", "192.0.2.1/32"),
        ("client", "2001:db8::1", "2001:db8::/64"),
        ("ip.src", "2001:db8::1", "2001:db8::1/128"),
        ("cidr(ip.src, 16, 48)", "192.0.2.1", "192.0.0.0/16"),
        ("cidr(ip.src, 16, 48)", "2001:db8:0:9::1", "2001:db8::/48"),
    ] {
        let world = with_ban(&[by]);
        let request = from(peer);
        world.passes(&request, NOW);
        assert_eq!(sentence(&world, &request, NOW), Subject::Net(net.parse().unwrap()), "{by}");
        // It is said, not done: whoever asks the limits knows who is never banned.
        assert_eq!(world.denied_by(&request, later(2)), None);
    }
}

#[test]
fn a_limit_by_other_values_bans_its_key() {
    for by in [&["path"][..], &["client", "path"], &[]] {
        let world = with_ban(by);
        let request = from("192.0.2.1").target("/a");
        world.passes(&request, NOW);
        let subject = sentence(&world, &request, NOW);
        assert!(matches!(subject, Subject::Key { .. }));
        world.bans.ban(subject, MINUTES, &Name::from("a"), NOW);
        let Ruling::Banned { limit: 0, wait } = world.rule(&request, later(500)) else { panic!() };
        assert_eq!(wait, Duration::from_secs(100));
        assert_eq!(world.explain(&request, later(500)), [Stand::Banned { wait }]);
        assert_eq!(world.left(0, &request, later(600)), 1, "nothing was taken meanwhile");
        assert_eq!(world.denied_by(&request, later(600)), None);
        if !by.is_empty() {
            let other = from("192.0.2.1").target("/b");
            assert_eq!(world.denied_by(&other, later(500)), None, "another key");
        }
    }
}

#[test]
fn nobody_is_banned_for_what_is_not_a_limit_used_up() {
    let limit = || LimitRule::new("a", Quota::per_hour(0)).then(Then::Ban(MINUTES));
    let shadow = limits([limit().mode(RuleMode::Shadow)]);
    assert!(matches!(shadow.rule(&from("192.0.2.1"), NOW), Ruling::Passes { would_deny: 1, .. }));
    let lacking = limits([limit().by(terms(&[r#"header["x"]"#])).missing(MissingKey::Deny)]);
    assert!(matches!(lacking.rule(&from("192.0.2.1"), NOW), Ruling::MissingKey { .. }));
    // All whose address is not known are no network.
    let missing_peer = crate::gate::MissingPeer::Shared;
    let unknown = World::new(Plan { missing_peer, ..plan([limit()]) });
    assert!(matches!(unknown.rule(&Request::new(None), NOW), Ruling::Denied { ban: None, .. }));
}

/// Two limits with equal keys do not share bans.
#[test]
fn a_banned_key_is_one_of_its_limit() {
    let limit = |name, n| {
        LimitRule::new(name, Quota::per_hour(n)).by(terms(&["path"])).then(Then::Ban(MINUTES))
    };
    let world = limits([limit("a", 1), limit("b", 9).when(when("method == \"POST\""))]);
    let (get, post) = (from("192.0.2.1").target("/"), from("192.0.2.1").target("/").method("POST"));
    world.passes(&get, NOW);
    let subject = sentence(&world, &get, NOW);
    world.bans.ban(subject, MINUTES, &Name::from("a"), NOW);
    assert!(matches!(world.rule(&post, NOW), Ruling::Banned { limit: 0, .. }));
    assert!(matches!(world.explain(&post, NOW)[..], [Stand::Banned { .. }, Stand::Asked(_)]));
}
