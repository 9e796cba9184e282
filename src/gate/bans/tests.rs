use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use std::{collections::HashMap, thread, vec, vec::Vec};

use ahash::RandomState;
use ipnet::IpNet;
use proptest::prelude::*;

use super::{Bans, Subject};
use crate::{
    rule::{Ban, Name},
    sync::Ordering,
    test_support::{cases, rounds},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(secs(seconds))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn host(bits: u32) -> Subject {
    Subject::Net(IpAddr::V4(Ipv4Addr::from_bits(bits)).into())
}

fn name(text: &str) -> Name {
    Name::from(text)
}

/// I1.
#[test]
fn a_ban_holds_until_it_ends() {
    let bans = Bans::new(10, RandomState::new());
    let peer = address("192.0.2.1");
    assert_eq!(bans.check(peer, NOW), None);
    assert_eq!(bans.ban(Subject::Net(peer.into()), Ban::new(secs(60)), &name("a"), NOW), secs(60));
    assert_eq!(bans.check(peer, NOW), Some(secs(60)));
    assert_eq!(bans.check(peer, later(59)), Some(secs(1)));
    assert_eq!(bans.check(peer, later(60)), None);
    assert_eq!(
        bans.check(address("::ffff:192.0.2.1"), NOW),
        None,
        "resolved addresses are canonical"
    );
    assert_eq!(bans.check(address("192.0.2.2"), NOW), None);
    assert_eq!(bans.check(address("2001:db8::1"), NOW), None);
    let key = Subject::Key { scope: 1, hash: 7 };
    bans.ban(key, Ban::new(secs(60)), &name("a"), NOW);
    assert_eq!(bans.check_key(&key, NOW), Some(secs(60)));
    assert_eq!(bans.check_key(&Subject::Key { scope: 2, hash: 7 }, NOW), None);
    assert_eq!(bans.check_key(&Subject::Key { scope: 1, hash: 8 }, NOW), None);
}

#[test]
fn networks_of_any_length_are_banned_and_the_longest_ban_counts() {
    let bans = Bans::new(10, RandomState::new());
    bans.add(net("10.0.0.0/8"), secs(10), &name("a"), NOW);
    bans.add(net("10.1.2.0/24"), secs(30), &name("b"), NOW);
    bans.add(net("10.1.2.3/32"), secs(20), &name("c"), NOW);
    bans.add(net("2001:db8::/33"), secs(40), &name("d"), NOW);
    bans.add(net("2001:db8::1/128"), secs(50), &name("e"), NOW);
    for (peer, expected) in [
        ("10.9.9.9", Some(10)),
        ("10.1.2.9", Some(30)),
        ("10.1.2.3", Some(30)),
        ("11.0.0.0", None),
        ("2001:db8:7fff::", Some(40)),
        ("2001:db8::1", Some(50)),
        ("2001:db8:8000::", None),
        ("::", None),
    ] {
        assert_eq!(bans.check(address(peer), NOW), expected.map(secs), "{peer}");
    }
    // Everybody, and an address with host bits and in its other spelling.
    bans.add(net("0.0.0.0/0"), secs(5), &name("f"), NOW);
    assert_eq!(bans.check(address("11.0.0.0"), NOW), Some(secs(5)));
    assert!(bans.remove(net("0.0.0.0/0"), NOW));
    assert_eq!(bans.check(address("11.0.0.0"), NOW), None);
    bans.add(net("::ffff:198.51.100.7/120"), secs(5), &name("g"), NOW);
    assert_eq!(bans.check(address("198.51.100.9"), NOW), Some(secs(5)));
    bans.add(net("::/0"), secs(1), &name("h"), NOW);
    assert_eq!(bans.check(address("2001:db8::1"), NOW), Some(secs(50)));
    assert_eq!(bans.check(address("fe80::"), NOW), Some(secs(1)));
}

/// I4: a length that nobody is banned by any more is not asked for.
#[test]
fn lengths_that_are_not_banned_any_more_are_not_asked_for() {
    let bans = Bans::new(2, RandomState::new());
    let lengths = || {
        let v6 = bans.lengths.v6.iter().map(|word| word.load(Ordering::Relaxed).count_ones());
        (bans.lengths.v4.load(Ordering::Relaxed), v6.sum::<u32>())
    };
    bans.add(net("10.0.0.0/8"), secs(10), &name("a"), NOW);
    bans.add(net("2001:db8::/128"), secs(20), &name("a"), NOW);
    assert_eq!(lengths(), (1 << 8, 1));
    bans.add(net("11.0.0.0/9"), secs(30), &name("a"), NOW);
    assert_eq!(lengths(), (1 << 9, 1), "one was displaced");
    assert!(bans.remove(net("2001:db8::/128"), NOW) && bans.remove(net("11.0.0.0/9"), NOW));
    assert_eq!(lengths(), (0, 0));
}

#[test]
fn operators_see_change_and_end_bans() {
    let bans = Bans::new(10, RandomState::new());
    let limit = Ban::new(secs(60)).escalate(2).most(secs(3_600));
    let peer = Subject::Net(net("192.0.2.1/32"));
    bans.ban(peer, limit, &name("logins"), NOW);
    bans.add(net("198.51.100.0/24"), secs(600), &name("report 17"), NOW);
    bans.ban(Subject::Key { scope: 1, hash: 7 }, limit, &name("keys"), NOW);
    let seen: Vec<_> = bans
        .list(later(10))
        .iter()
        .map(|ban| {
            (ban.net(), std::string::String::from(ban.reason()), ban.remaining(), ban.level())
        })
        .collect();
    assert_eq!(seen[0], (Some(net("198.51.100.0/24")), "report 17".into(), secs(590), 0));
    assert!(seen.contains(&(Some(net("192.0.2.1/32")), "logins".into(), secs(50), 1)));
    assert!(seen.contains(&(None, "keys".into(), secs(50), 1)));

    // An operator's ban replaces what there is, also by a shorter one.
    bans.add(net("192.0.2.1/32"), secs(5), &name("short"), later(10));
    assert_eq!(bans.check(address("192.0.2.1"), later(10)), Some(secs(5)));
    assert!(!bans.remove(net("192.0.2.0/24"), NOW), "exactly this one");
    assert!(bans.remove(net("192.0.2.1/24").trunc(), NOW) || bans.remove(net("192.0.2.1/32"), NOW));
    assert_eq!(bans.check(address("192.0.2.1"), NOW), None);
    assert_eq!(
        bans.ban(peer, limit, &name("logins"), later(20)),
        secs(60),
        "its level is forgotten"
    );
    assert!(!bans.remove(net("203.0.113.1/32"), NOW));
    assert_eq!(bans.list(later(1_000_000)), []);
}

#[test]
fn each_further_ban_is_longer_until_it_is_forgotten() {
    let bans = Bans::new(10, RandomState::new());
    let limit = Ban::new(secs(10)).escalate(4).most(secs(100));
    let mut now = NOW;
    for time in [10, 40, 100, 100] {
        assert_eq!(bans.ban(host(1), limit, &name("a"), now), secs(time));
        // I3: requests in flight.
        let half = now.saturating_add(secs(time / 2));
        assert_eq!(bans.ban(host(1), limit, &name("a"), half), secs(time - time / 2));
        now = now.saturating_add(secs(time));
    }
    let remembered = now.saturating_add(secs(99));
    assert_eq!(bans.ban(host(1), limit, &name("a"), remembered), secs(100));
    let forgotten = remembered.saturating_add(secs(200));
    assert_eq!(bans.ban(host(1), limit, &name("a"), forgotten), secs(10));
    let hard = Ban::new(secs(1)).escalate(u32::MAX).most(Duration::MAX);
    for _ in 0..5 {
        bans.ban(host(2), hard, &name("a"), NOW);
    }
    assert_eq!(hard.time(u32::MAX), Duration::MAX);
}

/// I2.
#[test]
fn a_full_table_displaces_what_ends_first() {
    let bans = Bans::new(3, RandomState::new());
    for (at, time) in [(1, 30), (2, 10), (3, 20)] {
        bans.ban(host(at), Ban::new(secs(time)), &name("a"), NOW);
    }
    bans.ban(host(4), Ban::new(secs(40)), &name("a"), NOW);
    let banned = |at, now| bans.check(IpAddr::V4(Ipv4Addr::from_bits(at)), now).is_some();
    assert_eq!([1, 2, 3, 4].map(|at| banned(at, NOW)), [true, false, true, true]);
    assert_eq!(bans.times_displaced(), 1);
    // One that has ended is not missed.
    bans.ban(host(5), Ban::new(secs(40)), &name("a"), later(20));
    assert_eq!([1, 3, 4, 5].map(|at| banned(at, later(20))), [true, false, true, true]);
    assert_eq!(bans.times_displaced(), 1);
}

#[test]
fn memory_is_fixed_and_as_many_find_room_as_was_said() {
    let all = [1, 2, 100, 1_023, 1_024, 5_000, 20_000];
    for most in all.into_iter().take(rounds(7, 3)) {
        let bans = Bans::new(most, RandomState::new());
        let before = bans.memory_bytes();
        for at in 0..most {
            bans.ban(host(at as u32), Ban::new(secs(60)), &name("a"), NOW);
        }
        assert_eq!((bans.list(NOW).len(), bans.times_displaced()), (most, 0), "{most}");
        for at in 0..2 * most {
            bans.ban(host((most + at) as u32), Ban::new(secs(600)), &name("a"), NOW);
        }
        assert!(bans.times_displaced() > 0);
        assert_eq!(bans.memory_bytes(), before);
        if most >= 1_000 {
            let each = before / most;
            assert!(each < 300, "{each} bytes a ban of {most}");
        }
    }
}

/// I4: of who is in no ban, so few meet a lock.
#[test]
fn the_filter_stops_most() {
    let bans = Bans::new(1_000, RandomState::new());
    for at in 0..rounds(1_000, 20) {
        bans.ban(host(at), Ban::new(secs(60)), &name("a"), NOW);
    }
    let mut looked_up = 0;
    let asked = rounds(20_000_u32, 500);
    for at in 0..asked {
        let before = bans.tables[0].read().in_vain.load(Ordering::Relaxed);
        assert_eq!(bans.check(IpAddr::V4(Ipv4Addr::from_bits(1 << 30 | at)), NOW), None);
        let after = bans.tables[0].read().in_vain.load(Ordering::Relaxed);
        looked_up += usize::from(before != after);
    }
    assert!(looked_up < asked as usize / 40, "{looked_up}");
}

/// What has ended does not fill the filter for ever.
#[test]
fn what_has_ended_leaves_the_filter() {
    let bans = Bans::new(100, RandomState::new());
    for at in 0..100 {
        bans.ban(host(at), Ban::new(secs(1 + u64::from(at) % 2 * 1_000)), &name("a"), NOW);
    }
    let set =
        || bans.filter.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum::<u32>();
    let full = set();
    for _ in 0..5 {
        for at in 0..100 {
            let left = bans.check(IpAddr::V4(Ipv4Addr::from_bits(at)), later(10));
            assert_eq!(left.is_some(), at % 2 == 1);
        }
    }
    assert!(set() <= full * 6 / 10, "{} of {full}", set());
}

#[derive(Clone, Debug)]
enum Op {
    Ban(u8, u8),
    Add(u8, u64),
    Remove(u8),
    Wait(u64),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..24_u8, 0..3_u8).prop_map(|(at, ban)| Op::Ban(at, ban)),
        2 => (0..24_u8, 0..300_u64).prop_map(|(at, time)| Op::Add(at, time)),
        1 => (0..24_u8).prop_map(Op::Remove),
        3 => (0..120_u64).prop_map(Op::Wait),
    ]
}

/// Networks of both families, some of them in others.
fn nth(at: u8) -> IpNet {
    let bits = u32::from(at) << 24;
    match at % 4 {
        0 => IpNet::new(IpAddr::V4(Ipv4Addr::from_bits(bits)), 8).unwrap(),
        1 => IpNet::new(IpAddr::V4(Ipv4Addr::from_bits(bits - (1 << 24))), 32).unwrap(),
        2 => IpNet::new(IpAddr::V6(Ipv6Addr::from_bits(u128::from(at) << 100)), 64).unwrap(),
        _ => IpNet::new(IpAddr::V6(Ipv6Addr::from_bits(u128::from(at - 1) << 100)), 65).unwrap(),
    }
}

proptest! {
    #![proptest_config(cases(60))]

    /// I1, I3, against a map that forgets nothing.
    #[test]
    fn bans_are_what_a_map_says(ops in prop::collection::vec(any_op(), 1..120)) {
        let bans = Bans::new(64, RandomState::new());
        let kinds = [
            Ban::new(secs(10)),
            Ban::new(secs(20)).escalate(2).most(secs(100)),
            Ban::new(secs(5)).escalate(10).most(secs(200)),
        ];
        let mut model: HashMap<IpNet, (Timestamp, Timestamp, u32)> = HashMap::new();
        let mut now = NOW;
        for op in ops {
            match op {
                Op::Ban(at, kind) => {
                    let ban = kinds[usize::from(kind)];
                    let (until, forgotten, level) = model.entry(nth(at)).or_insert((now, now, 0));
                    if *until <= now {
                        *level = if *forgotten > now { *level + 1 } else { 1 };
                        *until = now.saturating_add(ban.time(*level - 1));
                        *forgotten = until.saturating_add(ban.most);
                    }
                    let left = until.saturating_duration_since(now);
                    prop_assert_eq!(bans.ban(Subject::Net(nth(at)), ban, &name("a"), now), left);
                }
                Op::Add(at, time) => {
                    let (until, forgotten, _) = model.entry(nth(at)).or_insert((now, now, 0));
                    *until = now.saturating_add(secs(time));
                    *forgotten = (*forgotten).max(*until);
                    bans.add(nth(at), secs(time), &name("b"), now);
                }
                Op::Remove(at) => {
                    let was = model.remove(&nth(at)).is_some_and(|(until, ..)| until > now);
                    prop_assert_eq!(bans.remove(nth(at), now), was);
                }
                Op::Wait(time) => now = now.saturating_add(secs(time)),
            }
            for at in 0..24 {
                let peer = nth(at).addr();
                let covering = model.iter().filter(|(net, _)| net.contains(&peer));
                let left = covering.map(|(_, (until, ..))| until.saturating_duration_since(now));
                let left = left.max().filter(|left| !left.is_zero());
                prop_assert_eq!(bans.check(peer, now), left, "{}", peer);
            }
            let in_force = model.values().filter(|(until, ..)| *until > now).count();
            prop_assert_eq!(bans.list(now).len(), in_force);
        }
    }
}

/// Who is banned all the time is refused all the time, whatever other threads ban, unban and clear.
#[test]
fn threads_do_not_lose_a_ban() {
    let (kept, all) = (rounds(100, 5), rounds(3_000, 12));
    let bans = Bans::new(2_000, RandomState::new());
    for at in 0..kept {
        bans.ban(host(at), Ban::new(secs(3_600)), &name("a"), NOW);
    }
    let bans = &bans;
    thread::scope(|scope| {
        for thread in 1..4_u32 {
            scope.spawn(move || {
                for round in 0..all {
                    let at = (thread << 16) | (round % (all / 6));
                    bans.ban(host(at), Ban::new(secs(1)), &name("b"), later(u64::from(round)));
                    let net = IpAddr::V4(Ipv4Addr::from_bits(at)).into();
                    if round % 3 == 0 {
                        bans.remove(net, later(u64::from(round)));
                    }
                    let _ = bans.check(net.addr(), later(u64::from(round) + 10));
                }
            });
        }
        scope.spawn(move || {
            for _ in 0..rounds(300, 2) {
                for at in 0..kept {
                    assert!(bans.check(IpAddr::V4(Ipv4Addr::from_bits(at)), NOW).is_some());
                }
            }
        });
    });
    assert_eq!(bans.list(later(3_500)).len(), kept as usize);
    assert_eq!(vec![bans.times_displaced()], [0]);
}

/// Those that last longest, without a copy of all the others; and a count of what was displaced goes on.
#[test]
fn the_longest_are_the_first_of_all() {
    let many = rounds(2_000_u32, 400);
    let bans = Bans::new(3_000, RandomState::new());
    for number in 0..many {
        // Some end at the same time.
        let length = secs(10 + u64::from(number / 3));
        bans.add(IpAddr::V4(Ipv4Addr::from_bits(number)).into(), length, &name("a"), NOW);
    }
    let at = later(100);
    let all = bans.list(at);
    assert_eq!(all.len(), bans.count(at));
    let ends =
        |bans: &[super::BanInfo]| -> Vec<_> { bans.iter().map(|ban| ban.remaining()).collect() };
    for most in [0, 1, 2, 199, 200, all.len(), 5_000] {
        let longest = bans.longest(most, at);
        assert_eq!(ends(&longest), ends(&all[..most.min(all.len())]), "{most}");
    }
    assert!(bans.longest(5, later(100_000)).is_empty());

    let small = Bans::new(2, RandomState::new());
    for number in 0..5_u32 {
        small.add(IpAddr::V4(Ipv4Addr::from_bits(number)).into(), secs(60), &name("a"), NOW);
    }
    let displaced = small.times_displaced();
    assert_eq!(displaced, 3);
    assert!(small.resized(100, RandomState::new(), NOW).times_displaced() >= displaced);
}
