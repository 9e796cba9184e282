//! The rules that keep the protocol safe, by name: each is broken by a mutant that makes a model fail.
//!
//! Outside of the models, `broken` is a constant.

/// A rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::limit) enum Rule {
    /// A claim takes the way that was full first, not any that is free.
    OldestFirst,
    /// A way is free by the reclaim clock, not by the clock of who wants it.
    FreeByTheReclaimClock,
    /// A key without a bucket starts not before the reclaim clock.
    StartFromTheReclaimClock,
    /// A refund leaves a time after everything that may be free.
    RefundsStayAfterNow,
    /// A claim counts only if the era is still the same after it.
    ClaimsAreConfirmed,
    /// A bucket is closed before its key gets another one.
    CloseBeforeMoving,
    /// A bucket is charged only if the era is the same after it was found.
    BucketsAreOfTheirEra,
    /// A lost exchange never admits.
    NeverOnALostExchange,
}

impl Rule {
    #[cfg(all(test, any(loom, shuttle)))]
    pub(in crate::limit) fn broken(self) -> bool {
        BROKEN.get() == Some(self)
    }

    #[cfg(not(all(test, any(loom, shuttle))))]
    #[inline]
    pub(in crate::limit) const fn broken(self) -> bool {
        false
    }

    /// Breaks this rule for the models of this test.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(in crate::limit) fn break_it(self) {
        BROKEN.set(Some(self));
    }

    /// Mends the rule that was broken.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(in crate::limit) fn keep_all() {
        BROKEN.set(None);
    }
}

#[cfg(all(test, any(loom, shuttle)))]
std::thread_local! {
    static BROKEN: core::cell::Cell<Option<Rule>> = const { core::cell::Cell::new(None) };
}
