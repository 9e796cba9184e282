//! Memory that cannot be had.
//!
//! Rust ends a process whose allocator refuses, unless who asks is ready for that. Promised is that where a number in a
//! configuration decides how much is asked for:
//!
//! | what | answer |
//! |---|---|
//! | `KeyedLimiter::new`, `with_debt` | [`KeyedLimiterError::NoMemory`], [`TooLarge`](KeyedLimiterError::TooLarge) |
//! | `KeyedLimiter::restore` | [`SnapshotError::NoMemory`] |
//! | `AddressLimiter::new` | [`AddressLimiterError::Tier`] |
//! | `Fleet::new` | [`FleetError::NoMemory`], [`OutOfRange`](FleetError::OutOfRange) |
//! | `GateBuilder::build`, `Gate::reload_with`, `Gate::reload`, `Gate::from_toml` | [`BuildProblem::NoMemory`], [`TooManyClients`](BuildProblem::TooManyClients), [`NoRoomToWatch`](BuildProblem::NoRoomToWatch), [`FleetSettings`](BuildProblem::FleetSettings); a gate goes on unchanged |
//!
//! Not promised: `ExactLimiter::new`, `KeyedWindow::new`, `KeyedPermits::new` and what builds on them say under `# Panics`
//! that they do as `Vec::with_capacity` does; and small things, whoever asks for them.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
    time::Duration,
};

use portcullis::{
    AddressLimiterError, BuildError, BuildProblem, Capacity, Defence, Gate, GateBuilder,
    KeyedLimiter, KeyedLimiterError, KeyedSnapshot, LimitRule, Outcome, Posture, Quota, Request,
    SnapshotError, WindowLog,
    gate::Then,
    limit::{
        AddressLimiter, Tier,
        remote::{Fleet, FleetError, FleetSettings, OnFailure},
    },
    rule::{Ban, Scheme},
};

use crate::{peer, secs};

/// The system's allocator, which refuses when it is told to.
struct Refusing;

thread_local! {
    // Constant and without a destructor, so that the allocator may use it at any time.
    /// How many large allocations of this thread go well before one is refused; `None` if none is.
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
    /// From how many bytes on an allocation is large.
    static LARGE: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Up to how many.
    static LARGEST: Cell<usize> = const { Cell::new(usize::MAX) };
    static REFUSED: Cell<u64> = const { Cell::new(0) };
}

fn is_refused(size: usize) -> bool {
    let Some(left) = LEFT.get() else { return false };
    if !(LARGE.get()..=LARGEST.get()).contains(&size) {
        return false;
    }
    LEFT.set(left.checked_sub(1));
    if left == 0 {
        REFUSED.set(REFUSED.get() + 1);
    }
    left == 0
}

// SAFETY: what is not refused goes to the system's allocator unchanged; null is how an allocator refuses.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_refused(size) {
            return ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

/// Has the first allocation of so many bytes or more refused that `work` makes on this thread, then the second and so on;
/// says how many there are. All but the last of its results, where nothing is refused, must be errors.
fn refused_one_by_one<T, E>(
    large: usize,
    work: impl Fn() -> Result<T, E>,
    told: impl Fn(E),
) -> (T, u64) {
    for left in 0..1_000 {
        LARGE.set(large);
        REFUSED.set(0);
        LEFT.set(Some(left));
        let result = work();
        LEFT.set(None);
        match (result, REFUSED.get()) {
            (Ok(done), 0) => return (done, left),
            (Err(error), 1) => told(error),
            (Ok(_), refused) => panic!("done, although {refused} allocations were refused"),
            (Err(_), refused) => panic!("an error, with {refused} allocations refused"),
        }
    }
    panic!("it allocates without end");
}

const NOW: portcullis::Timestamp = secs(10_000);
const CLIENTS: usize = 100_000;
/// Larger than what is allocated by the way, smaller than what is promised.
const LARGE_BYTES: usize = 100 * 1024;

#[test]
fn keyed_limiters_that_cannot_be_had_are_errors() {
    let quota = Quota::per_hour(3);
    let no_memory = |error| assert!(matches!(error, KeyedLimiterError::NoMemory { .. }), "{error}");
    let make = || KeyedLimiter::new(quota, Capacity::keys(CLIENTS));
    let (limiter, refused) = refused_one_by_one(LARGE_BYTES, make, no_memory);
    assert_eq!(refused, 1);
    assert!(limiter.check(&1, NOW).is_admitted());
    let make = || KeyedLimiter::with_debt(quota, 10, Capacity::bytes(1 << 20));
    assert_eq!(refused_one_by_one(LARGE_BYTES, make, no_memory).1, 1);

    let (snapshot, seconds) = (limiter.snapshot(NOW), Duration::from_secs(1));
    let restore = || KeyedLimiter::restore(&snapshot, seconds, NOW);
    let (restored, refused) = refused_one_by_one(LARGE_BYTES, restore, |error| {
        assert!(matches!(error, SnapshotError::NoMemory { .. }), "{error}");
    });
    assert_eq!(refused, 1);
    assert_eq!((0..9).filter(|_| restored.check(&1, NOW).is_admitted()).count(), 2);

    let tier = |bits| Tier::v4(bits, quota, Capacity::keys(CLIENTS));
    let make = || AddressLimiter::new([tier(32), tier(24), tier(16)]);
    let (_, refused) = refused_one_by_one(LARGE_BYTES, make, |error| {
        let AddressLimiterError::Tier { error, .. } = error else { panic!("{error}") };
        no_memory(error);
    });
    assert_eq!(refused, 3);

    let make = || Fleet::new(FleetSettings::new().keys(1 << 16));
    let (_, refused) = refused_one_by_one(LARGE_BYTES, make, |error| {
        assert_eq!(error, FleetError::NoMemory { keys: 1 << 16 });
    });
    assert_eq!(refused, 1);
}

/// Everything that a gate has memory for.
fn all(clients: usize) -> GateBuilder {
    let scheme = Scheme::new();
    let term = |text| scheme.parse_term(text).unwrap();
    let failed = scheme.parse_response("status ge 400").unwrap();
    let ban = Then::Ban(Ban::new(Duration::from_secs(60)));
    let few = Quota::per_hour(3);
    Gate::builder()
        .clients(clients)
        .limit("per client", few)
        .limit_rule(LimitRule::in_flight("in flight", 2).by([term("client")]))
        .limit_rule(LimitRule::in_flight("all in flight", 2).by([]))
        .limit_rule(LimitRule::new("paths", Quota::per_hour(9)).distinct(term("path")))
        .limit_rule(LimitRule::new("failures", Quota::per_hour(9)).count_if(failed).then(ban))
        .limit_rule(LimitRule::new("shared", Quota::per_hour(9)).fleet(OnFailure::Local))
        .fleet(FleetSettings::new().keys(1 << 14))
}

fn is_for_want_of_memory(error: &BuildError) {
    use BuildProblem as P;
    for problem in error.problems() {
        let is_it = match problem {
            P::NoMemory { .. } | P::NoRoomToWatch => true,
            P::FleetSettings { error } => matches!(error, FleetError::NoMemory { .. }),
            _ => false,
        };
        assert!(is_it, "{problem}");
    }
    assert!(!error.problems().is_empty());
}

#[test]
fn gates_that_cannot_be_had_are_errors() {
    let build = || all(CLIENTS).build();
    let (gate, refused) =
        refused_one_by_one(LARGE_BYTES, build, |error| is_for_want_of_memory(&error));
    assert!(refused >= 8, "{refused}");
    drop(gate);
    let build = || Gate::from_toml("[[limit]]\nname = \"a\"\nquota = \"3/h\"\n");
    let (_, refused) = refused_one_by_one(LARGE_BYTES, build, |error| {
        assert!(error.to_string().contains("memory"), "{error}");
    });
    assert!(refused >= 1, "{refused}");
}

/// What it limits by: its throttle and its newcomers. (Its samples and sketches are of a fixed size, and end the process.)
#[test]
fn a_defence_that_cannot_be_had_is_an_error() {
    for keys in [16_384, 32_768] {
        let like_it = KeyedLimiter::new(Quota::per_second(1), Capacity::keys(keys)).unwrap();
        let bytes = like_it.memory_bytes() - size_of::<KeyedLimiter>();
        LARGEST.set(bytes);
        let build = || Gate::builder().defence(Defence::up_to(Posture::Lockdown)).build();
        let (_, refused) = refused_one_by_one(bytes, build, |error| {
            assert!(matches!(error.problems(), [BuildProblem::NoRoomToWatch]), "{error}");
        });
        assert_eq!(refused, 1, "{keys} keys, {bytes} bytes");
    }
}

/// How many requests of a client pass in a row, and how many are in flight at once.
fn bounds(gate: &Gate, client: u32) -> (usize, usize) {
    let request = Request::new(peer(client)).target("/");
    let held: Vec<_> =
        (0..20).map_while(|_| gate.check(&request, NOW).into_result().ok()).collect();
    let at_once = held.len();
    for admission in held {
        gate.finish(admission, Outcome::status(200), NOW);
    }
    let more = (0..20).take_while(|_| gate.check(&request, NOW).is_admitted()).count();
    (at_once + more, at_once)
}

/// I1 of reloads: also when it is memory that is missing, after limits that go on were looked at.
#[test]
fn a_reload_that_cannot_be_had_changes_nothing() {
    let gate = all(1_000).build().unwrap();
    let changed = || {
        let bigger = Gate::builder()
            .clients(1_000)
            .limit("per client", Quota::per_hour(9))
            .limit_rule(
                LimitRule::in_flight("in flight", 9)
                    .by([Scheme::new().parse_term("client").unwrap()]),
            )
            .limit_rule(LimitRule::in_flight("all in flight", 9).by([]))
            .limit_rule(LimitRule::new("shared", Quota::per_hour(9)).fleet(OnFailure::Local));
        bigger
            .fleet(FleetSettings::new().keys(1 << 14).prefix("other"))
            .limit("new", Quota::per_hour(50))
    };
    let ban = "192.0.2.0/24".parse().unwrap();
    gate.bans().add(ban, Duration::from_secs(60), "test", NOW);
    let client = Cell::new(0);
    let is_unchanged = |error: BuildError| {
        is_for_want_of_memory(&error);
        client.set(client.get() + 1);
        assert_eq!(bounds(&gate, client.get()), (3, 2));
        assert!(!gate.check(&Request::new(ban.addr()), NOW).is_admitted());
        assert_eq!((gate.stats().reloads(), gate.posture()), (0, Posture::Normal));
        assert_eq!(gate.status(NOW).bans_room, 10_000);
    };
    // The keys of another fleet, and the clients of the new limit, which comes after those that go on.
    let reload = || gate.reload_with(changed(), NOW);
    let (_, refused) = refused_one_by_one(8 * 1_024, reload, is_unchanged);
    assert_eq!(refused, 2);
    assert_eq!(gate.stats().refused_reloads(), refused);
    client.set(client.get() + 1);
    assert_eq!(bounds(&gate, client.get()), (9, 9));
}

/// Numbers that no machine can keep are told so, by the allocator that there is.
#[test]
fn numbers_without_bounds_are_errors() {
    let quota = Quota::per_hour(3);
    // More than the address space of any machine has, some of it more than a number can be.
    let huge =
        [1_u64 << 45, 1 << 50, 1 << 60].map(|many| usize::try_from(many).unwrap_or(usize::MAX));
    for many in huge.into_iter().chain([usize::MAX / 12, usize::MAX / 10, usize::MAX]) {
        let made = KeyedLimiter::new(quota, Capacity::keys(many));
        let error = made.unwrap_err();
        use KeyedLimiterError::{NoMemory, TooLarge};
        assert!(matches!(error, NoMemory { .. } | TooLarge), "{many}: {error}");
        let bytes = KeyedLimiter::new(quota, Capacity::bytes(many.saturating_mul(16)));
        assert!(bytes.is_err(), "{many}");
        assert!(AddressLimiter::new([Tier::v6(64, quota, Capacity::keys(many))]).is_err());
        assert!(Fleet::new(FleetSettings::new().keys(many)).is_err());
        assert!(Gate::builder().fleet(FleetSettings::new().keys(many)).build().is_err());
        for limit in [
            LimitRule::new("a", quota),
            LimitRule::in_flight("a", 3).by([Scheme::new().parse_term("client").unwrap()]),
        ] {
            let error = Gate::builder().clients(many).limit_rule(limit).build().unwrap_err();
            assert!(error.to_string().contains("clients"), "{error}");
        }
        let text = format!("clients = {}\n[[limit]]\nname = \"a\"\nquota = \"3/h\"\n", many >> 1);
        assert!(Gate::from_toml(&text).is_err(), "{many}");
    }
    assert!(WindowLog::new(u32::MAX, Duration::from_secs(1)).is_err());
}

/// A snapshot that says it was of a store that large.
#[test]
fn a_snapshot_of_a_store_without_bounds_is_an_error() {
    let limiter = KeyedLimiter::new(Quota::per_hour(3), Capacity::keys(10)).unwrap();
    let text = serde_json::to_string(&limiter.snapshot(NOW)).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["content"]["sets"] = serde_json::json!(u64::MAX);
    let snapshot: KeyedSnapshot = serde_json::from_value(value).unwrap();
    assert!(KeyedLimiter::restore(&snapshot, Duration::ZERO, NOW).is_err());
}
