//! Atomics and locks, real or modelled: the only file that names them.
//!
//! Under `cfg(loom)` the same names are loom's, so that the models in the tests run the shipped code.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

/// A fence in models only: loom takes SeqCst accesses for AcqRel ones, and knows SeqCst fences.
#[cfg(feature = "std")]
#[inline]
pub(crate) fn model_fence() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Makes a function `const`, except under loom, whose atomics have no `const` constructor.
macro_rules! const_fn {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $visibility const fn $($rest)*

        #[cfg(loom)]
        $(#[$attribute])*
        $visibility fn $($rest)*
    };
}
pub(crate) use const_fn;

/// Lets one thread at a time do what is rare; a mutex where there is one.
#[cfg(feature = "std")]
#[derive(Debug)]
pub(crate) struct Turnstile(Mutex<()>);

#[cfg(feature = "std")]
impl Turnstile {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(()))
        }
    }

    /// Waits for whoever is inside, and stays inside until the result is dropped.
    pub(crate) fn enter(&self) -> impl Drop + '_ {
        self.0.lock()
    }
}

/// Lets one thread at a time do what is rare; without an operating system, the others spin.
#[cfg(not(feature = "std"))]
#[derive(Debug)]
pub(crate) struct Turnstile(AtomicU64);

#[cfg(not(feature = "std"))]
impl Turnstile {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// Waits for whoever is inside, and stays inside until the result is dropped.
    pub(crate) fn enter(&self) -> impl Drop + '_ {
        // Acquire: what the one before did inside is seen. Relaxed on failure: it is tried again.
        while self.0.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            core::hint::spin_loop();
        }
        Inside(&self.0)
    }
}

#[cfg(not(feature = "std"))]
struct Inside<'a>(&'a AtomicU64);

#[cfg(not(feature = "std"))]
impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // Release: the next one sees what was done inside.
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(all(feature = "std", not(loom)))]
pub(crate) use alloc::sync::Arc;

#[cfg(all(feature = "std", loom))]
pub(crate) use loom::sync::Arc;

#[cfg(all(feature = "std", not(loom)))]
pub(crate) use parking_lot::{Mutex, RwLock};

#[cfg(all(feature = "std", loom))]
pub(crate) use self::modelled::{Mutex, RwLock};

#[cfg(all(feature = "std", loom))]
mod modelled {
    use std::sync::PoisonError;

    /// loom's lock for readers and writers, with parking_lot's face.
    #[derive(Debug)]
    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// loom's mutex with parking_lot's face: no poisoning to handle.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
