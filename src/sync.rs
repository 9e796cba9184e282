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

/// The same value where only real threads share it; under loom a copy.
#[cfg(all(feature = "std", not(loom)))]
pub(crate) fn shared<T>(value: Arc<T>) -> alloc::sync::Arc<T> {
    value
}

#[cfg(all(feature = "std", loom))]
pub(crate) fn shared<T: Clone>(value: Arc<T>) -> alloc::sync::Arc<T> {
    alloc::sync::Arc::new(T::clone(&value))
}

/// One value that many threads read while it is replaced as a whole. Readers take no lock and never
/// wait; who replaces waits for nobody either.
///
/// # Memory
/// A thread's first [`load`](Self::load) makes an entry for it, of a few hundred bytes; later threads
/// take over the entries of those that have ended.
#[cfg(all(feature = "std", not(loom)))]
pub(crate) struct Swap<T>(arc_swap::ArcSwap<T>);

/// A value of a [`Swap`] as it was when it was loaded; alive as long as this is.
#[cfg(all(feature = "std", not(loom)))]
pub(crate) struct Held<T>(arc_swap::Guard<Arc<T>>);

#[cfg(all(feature = "std", not(loom)))]
impl<T> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(arc_swap::ArcSwap::from_pointee(value))
    }

    /// The newest value.
    #[inline]
    pub(crate) fn load(&self) -> Held<T> {
        Held(self.0.load())
    }

    /// Puts a value in the place of the newest one, which whoever has loaded it keeps.
    pub(crate) fn store(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

#[cfg(all(feature = "std", not(loom)))]
impl<T> core::ops::Deref for Held<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(all(feature = "std", loom))]
pub(crate) use self::modelled::Swap;

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

    /// A value that is replaced as a whole, behind a lock that readers leave at once.
    pub(crate) struct Swap<T>(RwLock<alloc::sync::Arc<T>>);

    impl<T> Swap<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(RwLock::new(alloc::sync::Arc::new(value)))
        }

        pub(crate) fn load(&self) -> alloc::sync::Arc<T> {
            alloc::sync::Arc::clone(&self.0.read())
        }

        pub(crate) fn store(&self, value: T) {
            *self.0.write() = alloc::sync::Arc::new(value);
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

        pub(crate) fn try_lock(&self) -> Option<loom::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}
