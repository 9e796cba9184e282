//! Code of the caller's that panics at its k-th call, for every k.

mod adapters;
mod fleets;
mod gates;
mod keys;
mod tables;

use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, panic_any, set_hook, take_hook},
    pin::pin,
    sync::Once,
    task::{Context, Poll, Waker},
};

use crate::in_time;

thread_local! {
    /// Which hook is to panic, at which of its calls from now on.
    static FUSE: Cell<(&'static str, u64)> = const { Cell::new(("", 0)) };
}

/// What the hooks panic with: whatever else panics is a mistake.
struct Planned;

/// One call of a hook.
fn touch(hook: &'static str) {
    // Threads may end after their fuse.
    let _ = FUSE.try_with(|fuse| {
        let (armed, left) = fuse.get();
        if armed == hook && left > 0 {
            fuse.set((armed, left - 1));
            if left == 1 {
                panic_any(Planned);
            }
        }
    });
}

/// Planned panics are not worth a message.
fn be_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !info.payload().is::<Planned>() {
                usual(info);
            }
        }));
    });
}

/// Has `hook` panic at its first call in `work`, its second and so on, each time with things that `make` has made anew;
/// `check` looks at them afterwards, on another thread, and is told whether it has panicked.
///
/// Returns how often the hook is called by the whole of it: never is a test that tests nothing.
#[track_caller]
fn at_every_call<S: Clone + Send + 'static>(
    hook: &'static str,
    make: impl Fn() -> S,
    work: impl Fn(&S),
    check: fn(&S, bool),
) -> u64 {
    let calls = at_any_call(hook, make, work, check);
    assert!(calls > 0, "{hook} is never called");
    calls
}

/// The same for a hook that need not be called.
#[track_caller]
fn at_any_call<S: Clone + Send + 'static>(
    hook: &'static str,
    make: impl Fn() -> S,
    work: impl Fn(&S),
    check: fn(&S, bool),
) -> u64 {
    be_quiet();
    for call in 1..5_000 {
        let state = make();
        FUSE.set((hook, call));
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&state)));
        FUSE.set(("", 0));
        let has_panicked = outcome.is_err();
        if let Err(panic) = outcome {
            assert!(
                panic.is::<Planned>(),
                "{hook}, call {call}: another panic than the planned one"
            );
        }
        let looked_at = state.clone();
        in_time(hook, move || check(&looked_at, has_panicked));
        if !has_panicked {
            return call - 1;
        }
    }
    panic!("{hook} is called without end");
}

/// The output of a future that has nothing to wait for.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}
