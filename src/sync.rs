//! Atomics and locks, real or modelled: the only file that names them.
//!
//! Under `cfg(loom)` the same names are loom's, so that the models in the tests run the shipped code.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

/// A fence in models only: loom takes SeqCst accesses for AcqRel ones, and knows SeqCst fences.
#[inline]
pub(crate) fn model_fence() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(all(feature = "std", not(loom)))]
pub(crate) use parking_lot::Mutex;

#[cfg(all(feature = "std", loom))]
pub(crate) use self::modelled::Mutex;

#[cfg(all(feature = "std", loom))]
mod modelled {
    /// loom's mutex with parking_lot's face: no poisoning to handle.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            match self.0.lock() {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            }
        }
    }
}
