//! Time that the caller brings, for peers that insist on reading a clock.

use std::{cell::Cell, time::Duration};

use governor::nanos::Nanos;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// A clock that says what its thread last [`set`]: one plain store and one plain load.
///
/// governor's own `FakeRelativeClock` advances by a compare-exchange, which would cost as much as
/// the check; standing still it is as cheap as this one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallerClock;

#[inline]
pub(crate) fn set(nanos: u64) {
    NOW.set(nanos);
}

impl governor::clock::Clock for CallerClock {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        NOW.get().into()
    }
}

impl ratelimit::Clock for CallerClock {
    #[inline]
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(NOW.get())
    }
}
