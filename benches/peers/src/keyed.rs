//! A limit per client, for clients that the limiter knows already.

use crate::{
    draws::{Draws, address},
    limits::Limit,
    rounds::{At, Case, STEP, Titled},
    stores::{
        Array, Exact, GovernorCaller, GovernorFoldhash, GovernorQuanta, Moka, OURS, Ours, Papaya,
        PingoraLimits, QuickCache, Scc, ShardedMutex, Store,
    },
};

pub(crate) const CASES: &[Titled] = &[
    ("10 k keys: allow", || alone(Draws::uniform(FEW))),
    ("10 k keys: two threads, allow", || together(Draws::uniform(FEW))),
    ("10 k keys: deny", || denied(Draws::uniform(FEW))),
    ("1 M keys: allow", || alone(Draws::uniform(MANY))),
    ("1 M keys: two threads, allow", || together(Draws::uniform(MANY))),
    ("1 M keys: deny", || denied(Draws::uniform(MANY))),
    ("1 M keys by Zipf: allow", || alone(Draws::zipf(MANY))),
    ("1 M keys by Zipf: two threads, allow", || together(Draws::zipf(MANY))),
    ("10 M keys: allow", || alone(Draws::uniform(VERY_MANY))),
    ("10 M keys: two threads, allow", || together(Draws::uniform(VERY_MANY))),
    ("10 M keys: deny", || denied(Draws::uniform(VERY_MANY))),
    ("10 M keys by Zipf: allow", || alone(Draws::zipf(VERY_MANY))),
    ("10 M keys by Zipf: two threads, allow", || together(Draws::zipf(VERY_MANY))),
];

const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;
const VERY_MANY: u32 = 10_000_000;

fn alone(draws: Draws) -> Case {
    let case = case(Case::allowed(), &draws)
        .alone(OURS, on::<Ours>(&draws, Limit::Open))
        .alone("portcullis ExactLimiter, keys kept", on::<Exact>(&draws, Limit::Open))
        .alone("governor, time set by the caller", on::<GovernorCaller>(&draws, Limit::Open))
        .alone("governor, quanta (its default)", on::<GovernorQuanta>(&draws, Limit::Open))
        .alone("governor and foldhash, caller's time", on::<GovernorFoldhash>(&draws, Limit::Open))
        .alone("mutexed maps, 64", on::<ShardedMutex>(&draws, Limit::Open))
        .alone("papaya", on::<Papaya>(&draws, Limit::Open))
        .alone("scc", on::<Scc>(&draws, Limit::Open))
        .alone("quick_cache", on::<QuickCache>(&draws, Limit::Open))
        .alone("pingora-limits, Instant", on::<PingoraLimits>(&draws, Limit::Open));
    // It takes a minute to fill with ten million.
    let case = if draws.clients == VERY_MANY {
        case
    } else {
        case.alone("moka", on::<Moka>(&draws, Limit::Open))
    };
    case.alone("limit: array of words, no hash, no keys", array(&draws, Limit::Open))
}

fn together(draws: Draws) -> Case {
    let case = case(Case::allowed(), &draws)
        .together(OURS, on::<Ours>(&draws, Limit::Open))
        .together("governor, time set by the caller", on::<GovernorCaller>(&draws, Limit::Open))
        .together("governor, quanta (its default)", on::<GovernorQuanta>(&draws, Limit::Open))
        .together(
            "governor and foldhash, caller's time",
            on::<GovernorFoldhash>(&draws, Limit::Open),
        )
        .together("mutexed maps, 64", on::<ShardedMutex>(&draws, Limit::Open))
        .together("papaya", on::<Papaya>(&draws, Limit::Open))
        .together("scc", on::<Scc>(&draws, Limit::Open))
        .together("quick_cache", on::<QuickCache>(&draws, Limit::Open))
        .together("pingora-limits, Instant", on::<PingoraLimits>(&draws, Limit::Open));
    let case = if draws.clients == VERY_MANY {
        case
    } else {
        case.together("moka", on::<Moka>(&draws, Limit::Open))
    };
    case.together("limit: array of words, no hash, no keys", array(&draws, Limit::Open))
}

fn denied(draws: Draws) -> Case {
    case(Case::denied(), &draws)
        .alone(OURS, on::<Ours>(&draws, Limit::Shut))
        .alone("governor, time set by the caller", on::<GovernorCaller>(&draws, Limit::Shut))
        .alone("governor and foldhash, caller's time", on::<GovernorFoldhash>(&draws, Limit::Shut))
        .alone("mutexed maps, 64", on::<ShardedMutex>(&draws, Limit::Shut))
        .alone("papaya", on::<Papaya>(&draws, Limit::Shut))
        .alone("scc", on::<Scc>(&draws, Limit::Shut))
        .alone("quick_cache", on::<QuickCache>(&draws, Limit::Shut))
        .alone("pingora-limits, Instant", on::<PingoraLimits>(&draws, Limit::Shut))
        .alone("limit: array of words, no hash, no keys", array(&draws, Limit::Shut))
}

fn case(case: Case, draws: &Draws) -> Case {
    if draws.clients == VERY_MANY { case.of_gigabytes() } else { case }
}

/// Every client has come once; where the limit is one a day, each check after that is denied.
fn on<S: Store>(draws: &Draws, limit: Limit) -> impl Fn(At) -> bool + Sync + use<S> {
    let draws = draws.clone();
    let store = filled::<S>(limit, draws.clients);
    move |at| store.check(address(draws.nth(at.nth)), at.nanos)
}

pub(crate) fn filled<S: Store>(limit: Limit, clients: u32) -> S {
    let store = S::new(limit, clients as usize * S::ROOM);
    for client in 0..clients {
        assert!(store.check(address(client), first_seen(client)) || !S::EXACT);
    }
    store
}

/// When a client comes for the first time: one after the other, as they come later, and all of them
/// before the first turn.
fn first_seen(client: u32) -> u64 {
    u64::from(client) * STEP
}

fn array(draws: &Draws, limit: Limit) -> impl Fn(At) -> bool + Sync + use<> {
    let draws = draws.clone();
    let words = Array::new(limit, draws.clients as usize);
    for client in 0..draws.clients {
        assert!(words.check(client, first_seen(client)));
    }
    move |at| words.check(draws.nth(at.nth), at.nanos)
}
