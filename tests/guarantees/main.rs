//! Guarantees about the whole process: a check allocates nothing, whatever it decides.
//!
//! Counted by an allocator, which needs a process of its own.
#![allow(missing_docs, reason = "a test")]

#[cfg(feature = "tower")]
mod adapters;
mod hostile_texts;
mod limits;
mod proxy;
mod rules;
mod seed;
mod watching;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use portcullis::{
    Capacity, CidrMap, CidrSet, ExactLimiter, Gate, KeyedLimiter, KeyedWindow, LimitRule, Mode,
    OnSaturation, Outcome, Quota, Request, Share, SlidingWindow, Timestamp, TokenBucket, WindowLog,
    cidr::{Access, AccessList, Precedence},
    ipnet::IpNet,
    rule::{Action, Rule, RuleMode, Scheme, Type},
};

/// The system's allocator, counting each thread's allocations.
struct Counting;

thread_local! {
    // Constant and without a destructor, so that the allocator may use it at any time.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    // Below zero where a thread frees what another one allocated.
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST_HELD: Cell<i64> = const { Cell::new(0) };
}

fn hold(bytes: i64) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    MOST_HELD.set(MOST_HELD.get().max(held));
}

/// No layout is larger than `isize::MAX`.
fn size(layout: Layout) -> i64 {
    i64::try_from(layout.size()).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        hold(size(layout));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-size(layout));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `work` makes on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// The most bytes that `work` holds at once on this thread. What grows counts twice while it moves.
fn peak_bytes(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST_HELD.set(before);
    work();
    usize::try_from(MOST_HELD.get() - before).unwrap_or(0)
}

fn peer(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(number).into()
}

fn peer6(number: u32) -> IpAddr {
    // Half of them differ within a /64 only.
    IpAddr::from(
        (u128::from(number) << (32 + 32 * (number >> 9 & 1)) | 0x2001 << 112).to_be_bytes(),
    )
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1_u8]))), 1);
    let twice = || (0..2).for_each(|_| drop(std::hint::black_box(vec![1_u8; 100])));
    assert_eq!((peak_bytes(twice), peak_bytes(|| ())), (100, 0));
}

#[test]
fn single_limits_allocate_nothing() {
    let bucket = TokenBucket::new(Quota::per_second(1_000).burst(10));
    let (mut admitted, mut denied) = (0, 0);
    let count = allocations(|| {
        for at in 0..10_000 {
            let decision = bucket.check(Timestamp::from_micros(at * 100));
            let _ = decision.standing();
            if decision.is_admitted() { admitted += 1 } else { denied += 1 }
        }
    });
    assert_eq!(count, 0);
    assert!(admitted > 100 && denied > 100, "both kinds were seen");
}

/// I3 of the log and of the seats.
#[test]
fn windows_allocate_nothing() {
    let second = std::time::Duration::from_secs(1);
    let window = SlidingWindow::new(10, second, 5).unwrap();
    let log = WindowLog::new(10, second).unwrap();
    let keyed: KeyedWindow<IpAddr> = KeyedWindow::new(10, second, 5, 100).unwrap();
    let (mut admitted, mut denied, mut saturated) = (0, 0, 0);
    let count = allocations(|| {
        for at in 0..50_000_u32 {
            // Half a minute, and then once more: the clock is set back.
            let now = Timestamp::from_millis(u64::from(at % 25_000));
            let key = peer(at * 7_919 % 150);
            for decision in [window.check(now), log.check(now), keyed.check_n(&key, 5, now)] {
                if decision.is_admitted() {
                    admitted += 1
                } else {
                    denied += 1
                }
                saturated += u32::from(decision.is_saturated());
            }
            window.refund_n(at % 2, now);
            log.refund_n(at % 2, now);
        }
    });
    assert_eq!(count, 0);
    let all = admitted > 100 && denied > 100 && saturated > 100;
    assert!(all, "{admitted} admitted, {denied} denied, {saturated} saturated");
}

/// I3 of the shard.
#[test]
fn keyed_limits_allocate_nothing() {
    for on_saturation in [OnSaturation::Deny, OnSaturation::Allow] {
        let limiter = ExactLimiter::new(Quota::per_second(5), 1_000).on_saturation(on_saturation);
        let (mut denied, mut saturated) = (0, 0);
        // More keys than places, over a time in which places become free again.
        let count = allocations(|| {
            for at in 0..100_000_u32 {
                let key = peer(at % 3_000 / 2);
                let decision = limiter.check(&key, Timestamp::from_micros(u64::from(at) * 10));
                saturated += u32::from(decision.is_saturated());
                denied += u32::from(decision.is_denied() && !decision.is_saturated());
            }
        });
        assert_eq!(count, 0);
        assert!(denied > 100 && saturated > 100, "{denied} denied, {saturated} saturated");
    }
}

/// I3 of the shard, for what operators do: all the memory for it is there from the start.
#[test]
fn keyed_limits_allocate_nothing_for_debts_and_quotas() {
    let limiter = ExactLimiter::new(Quota::per_second(50), 1_000).max_debt(50).own_quotas(8);
    let (mut settled, mut refused, mut unseated) = (0, 0, 0);
    let count = allocations(|| {
        for at in 0..50_000_u32 {
            let key = peer(at % 1_500);
            let now = Timestamp::from_micros(u64::from(at) * 10);
            limiter.charge_n(&key, at % 60, now);
            match limiter.reserve_n(&key, at % 40, now) {
                Ok(reservation) if at % 2 == 0 => limiter.settle(&key, reservation, at % 70, now),
                Ok(reservation) => limiter.cancel(&key, reservation, now),
                Err(_) => refused += 1,
            }
            settled += 1;
            if at % 10 == 0 {
                // An error tells numbers only, and is made without memory too.
                let quota = Quota::per_minute(1 + at % 100);
                unseated += u32::from(limiter.set_key_quota(&key, quota, now).is_err());
            }
            if at % 30 == 0 {
                let _ = limiter.clear_key_quota(&key, now);
            }
            if at % 70 == 0 {
                limiter.forget(&key);
            }
            if at % 1_000 == 0 {
                limiter.set_quota(Quota::per_second(50 + at % 3), now);
            }
        }
    });
    assert_eq!(count, 0);
    assert!(settled > refused && refused > 100 && unseated > 100, "{refused}, {unseated}");
    assert!(limiter.times_saturated() > 100);
}

/// I4 of the keyed limiter: never-repeating keys, 20 million of them where the test is optimised, and
/// known keys in between: nothing is allocated, and the memory stays what it was to the byte.
#[test]
fn a_flood_of_fresh_keys_allocates_nothing() {
    let keys = if cfg!(debug_assertions) { 500_000_u32 } else { 20_000_000 };
    let limiter =
        KeyedLimiter::new(Quota::per_second(10).burst(20), Capacity::keys(50_000)).unwrap();
    let memory = limiter.memory_bytes();
    let (mut known_denied, mut saturated) = (0, 0);
    let mut now = Timestamp::from_secs(1);
    // Regulars come twice, a second apart, before the flood does.
    for _ in 0..2 {
        for known in 0..500_u32 {
            assert!(limiter.check(&peer(u32::MAX - known), now).is_admitted());
        }
        now = now.saturating_add(Duration::from_secs(1));
    }
    let count = allocations(|| {
        for key in 0..keys {
            // A million new keys a second.
            now = now.saturating_add(Duration::from_micros(1));
            saturated += u32::from(limiter.check(&peer(key), now).is_saturated());
            if key % 1_000 == 0 {
                let known = peer(u32::MAX - key / 1_000 % 500);
                known_denied += u32::from(limiter.check(&known, now).is_denied());
            }
        }
        limiter.rotate_seed(now).unwrap();
        for key in 0..1_000 {
            let _ = limiter.check(&peer(key), now).standing();
            limiter.refund_n(&peer(key), 1, now);
        }
    });
    assert_eq!(count, 0);
    assert_eq!(limiter.memory_bytes(), memory);
    assert_eq!(known_denied, 0, "regulars are served through the flood");
    assert!(saturated > keys / 10, "that was a flood: {saturated}");
}

/// In lists of both families, small and so large that they have another shape.
#[test]
fn lists_allocate_nothing() {
    for entries in [4, 40_000] {
        let nets = || (0..entries).flat_map(|n| [peer(n << 9), peer6(n << 9)]).map(IpNet::from);
        let set: CidrSet = nets().collect();
        let map: CidrMap<u8> = nets().zip([1, 2, 3].into_iter().cycle()).collect();
        let access = nets().zip([Access::Allow, Access::Deny].into_iter().cycle());
        let access = AccessList::new(Precedence::MostSpecific, Access::Deny, access);
        let addrs: Vec<IpAddr> = (0..500).flat_map(|n| [peer(n << 8), peer6(n << 8)]).collect();
        let (mut within, mut values) = (vec![false; addrs.len()], vec![None; addrs.len()]);
        let mut hits = [0_usize; 4];
        let count = allocations(|| {
            for addr in &addrs {
                let net = IpNet::from(*addr);
                hits[0] += usize::from(set.contains(*addr) && set.contains_any_form(*addr));
                hits[1] += usize::from(map.contains(*addr) && map.lookup(*addr).is_some());
                hits[2] += usize::from(map.longest_match(*addr).is_some());
                hits[3] += usize::from(access.decide(*addr) == Access::Allow);
                assert_eq!(set.longest_match(*addr).is_some(), set.covers(&net));
                assert_eq!(map.matches(*addr).count(), map.supernets(&net).count());
                assert_eq!(map.get(&net).is_some(), map.overlaps(&net));
                assert_eq!(
                    access.explain(*addr).prefix,
                    map.longest_match_net(&net).map(|it| it.0)
                );
            }
            set.contains_batch(&addrs, &mut within);
            map.lookup_batch(&addrs, &mut values);
        });
        let listed = 2 * entries.min(250) as usize;
        assert_eq!((count, hits), (0, [listed, listed, listed, listed / 2]));
        assert_eq!(within.iter().filter(|within| **within).count(), listed);
        assert_eq!(values.iter().flatten().count(), listed);
    }
}

/// I2 of the gate.
#[test]
fn gates_allocate_nothing() {
    for (choice, limits) in
        [(OnSaturation::Deny, 1), (OnSaturation::Deny, 2), (OnSaturation::Allow, 2)]
    {
        a_gate_allocates_nothing(choice, limits);
    }
}

fn a_gate_allocates_nothing(choice: OnSaturation, limits: usize) {
    let quotas = [("per second", Quota::per_second(2)), ("per minute", Quota::per_minute(60))];
    let mut builder = Gate::builder()
        .exempt("10.0.0.0/8".parse().unwrap())
        .deny("192.0.2.0/24".parse().unwrap())
        .clients(1_000)
        .newcomers(Quota::per_second(100))
        .on_saturation(choice);
    for (name, quota) in quotas.into_iter().take(limits) {
        builder = builder.limit(name, quota);
    }
    let gate = builder.build().unwrap();
    for mode in [Mode::Enforce, Mode::Observe, Mode::Off] {
        gate.set_mode(mode);
        let count = allocations(|| {
            for at in 0..20_000_u32 {
                // An exempt one, a listed one, a crowd, a flood from a network, and one from many.
                let from =
                    [0x0a00_0001, 0xc000_0201, at % 1_500, 0xc633_6400 | (at % 256), at << 8]
                        .map(peer);
                let now = Timestamp::from_micros(u64::from(at) * 100);
                for peer in from {
                    let request = Request::new(peer).method("GET").host("h").target("/?q=1");
                    drop(gate.check(&request, now));
                    drop(gate.check_peer_with_limits(peer, now));
                }
                drop(gate.check(&Request::new(None), now));
            }
        });
        assert_eq!(count, 0, "{mode:?}");
    }
    let stats = gate.stats();
    assert!(stats.exempted() > 0 && stats.saturated() > 0 && stats.would_deny() > 0);
    for rule in ["deny list", "per second"] {
        assert!(stats.rule(rule).unwrap().denied() > 0, "{rule} was never met");
    }
    let coarse =
        [stats.judged_by_network(), stats.judged_as_newcomers(), stats.saturated_refused()];
    assert!(coarse.iter().all(|met| (*met > 0) == (choice == OnSaturation::Deny)), "{stats:?}");
}

/// I2 of the gate, where rules hold, lists are asked, a candidate is judged and limits have conditions.
#[test]
fn gates_with_rules_allocate_nothing() {
    let scheme = Scheme::new().list("listed", Type::Ip);
    let rule = |name, when, then: Vec<Action>| {
        then.into_iter().fold(Rule::new(name, scheme.parse(when).unwrap()), Rule::then)
    };
    let deny = || vec![Action::Deny { status: 404 }];
    let tag = || vec![Action::Tag("t".into()), Action::Log, Action::Score(2)];
    let posts = LimitRule::new("posts", Quota::per_second(2))
        .when(scheme.parse(r#"method eq "POST""#).unwrap())
        .by([scheme.parse_term(r#"header["x-key"]"#).unwrap()]);
    let gate = Gate::builder()
        .rule(rule("tag", r#"lower(header["user-agent"]) contains "bot""#, tag()))
        .rule(rule("pattern", r#"path matches "^/[a-z]+[0-9]{3}$""#, deny()))
        .rule(rule("wild", r#"path wildcard "/wp-*.php""#, deny()))
        .rule(rule("listed", "ip.src in $listed", deny()))
        .rule(rule("staged", r#"tag["t"]"#, deny()).mode(RuleMode::Shadow))
        .rule(rule("part", r#"path eq "/part""#, deny()).share(Share::percent(50)))
        .list("listed", "192.0.2.0/24".parse::<CidrSet>().unwrap())
        .limit("per second", Quota::per_second(50))
        .limit_rule(posts)
        .clients(1_000)
        .build()
        .unwrap();
    gate.set_candidate([rule("all", r#"path eq "/a/b""#, deny())]).unwrap();
    let round = |from: u32, to: u32| {
        for at in from..to {
            let now = Timestamp::from_micros(u64::from(at) * 100);
            for target in ["/", "/%2e%2e/a//b?q=1", "/abc123", "/wp-login.php", "/part"] {
                for (method, agent) in [("GET", "Mozilla/5.0"), ("POST", "A Bot")] {
                    let peer = peer(if at % 7 == 0 { 0xc000_0201 } else { at % 900 });
                    let request = Request::new(peer)
                        .method(method)
                        .host("Shop.Example:443")
                        .target(target)
                        .header("user-agent", agent)
                        .header("x-key", "0123");
                    match gate.check(&request, now).into_result() {
                        Ok(admission) => gate.finish(admission, Outcome::status(200), now),
                        Err(denial) => drop(denial),
                    }
                }
            }
        }
    };
    // A pattern makes what it needs for a thread when it is first used there.
    round(0, 2_000);
    let count = allocations(|| round(2_000, 6_000));
    assert_eq!(count, 0);
    let stats = gate.stats();
    for name in ["tag", "pattern", "wild", "listed", "staged", "part", "posts"] {
        assert!(stats.rule(name).unwrap().matched() > 0, "{name} was never met: {stats:?}");
    }
    let report = gate.candidate_report().unwrap();
    assert!(report.agree() > 0 && report.would_deny() > 0);
}

/// A host of IPv6 is a hundred levels below what is said around it, and none of them may be kept.
#[test]
fn aggregation_takes_memory_by_what_is_told_and_not_by_levels() {
    for hosts in [300_u128, 3_000] {
        // Spread out by a multiplication, so that each is alone.
        let host = |n: u128| {
            IpAddr::from(
                (n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) | 1 << 127)
                    .to_be_bytes(),
            )
        };
        let pairs = (1..=hosts).map(|n| (host(n).into(), n as u32 % 2));
        let mut map: CidrMap<u32> = pairs.chain([("::/0".parse().unwrap(), 3)]).collect();
        let peak = peak_bytes(|| map.aggregate());
        assert!(peak <= 1_000 * hosts as usize, "{peak} bytes for {hosts} hosts");
        assert!(map.len() > hosts as usize);
    }
}
