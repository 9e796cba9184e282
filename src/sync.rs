//! Atomics and locks, real or modelled: the only file that names them.
//!
//! Under `cfg(loom)` the same names are loom's, and under `cfg(shuttle)` shuttle's, so that the models in the tests run the
//! shipped code: loom all schedules of small ones, and what weak memory may show; shuttle some schedules of larger ones.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};

#[cfg(shuttle)]
pub(crate) use self::breakable::{AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(shuttle)]
mod breakable {
    use core::ops::Deref;

    use shuttle::sync::atomic;
    pub(crate) use shuttle::sync::atomic::Ordering;

    /// shuttle's word, whose exchanges a model can break: then it has to fail, or it would show nothing.
    #[derive(Debug, Default)]
    pub(crate) struct AtomicU64(atomic::AtomicU64);

    impl Deref for AtomicU64 {
        type Target = atomic::AtomicU64;

        fn deref(&self) -> &atomic::AtomicU64 {
            &self.0
        }
    }

    impl AtomicU64 {
        pub(crate) const fn new(value: u64) -> Self {
            Self(atomic::AtomicU64::new(value))
        }

        pub(crate) fn compare_exchange(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            if !is_broken() {
                return self.0.compare_exchange(current, new, success, failure);
            }
            // Two steps, between which another thread may be at it.
            let seen = self.0.load(Ordering::SeqCst);
            if seen != current {
                return Err(seen);
            }
            self.0.store(new, Ordering::SeqCst);
            Ok(seen)
        }

        pub(crate) fn compare_exchange_weak(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            self.compare_exchange(current, new, success, failure)
        }

        pub(crate) fn fetch_update(
            &self,
            success: Ordering,
            failure: Ordering,
            change: impl Fn(u64) -> Option<u64>,
        ) -> Result<u64, u64> {
            let mut seen = self.0.load(failure);
            while let Some(new) = change(seen) {
                match self.compare_exchange(seen, new, success, failure) {
                    Ok(before) => return Ok(before),
                    Err(newer) => seen = newer,
                }
            }
            Err(seen)
        }
    }

    #[cfg(test)]
    fn is_broken() -> bool {
        crate::schedules::exchanges_are_broken()
    }

    #[cfg(not(test))]
    fn is_broken() -> bool {
        false
    }
}

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

#[cfg(all(feature = "std", not(any(loom, shuttle))))]
pub(crate) use parking_lot::{Mutex, RwLock};

#[cfg(all(feature = "std", any(loom, shuttle)))]
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
#[cfg(all(feature = "std", not(any(loom, shuttle))))]
pub(crate) struct Swap<T>(arc_swap::ArcSwap<T>);

/// A value of a [`Swap`] as it was when it was loaded; alive as long as this is.
#[cfg(all(feature = "std", not(any(loom, shuttle))))]
pub(crate) struct Held<T>(arc_swap::Guard<Arc<T>>);

#[cfg(all(feature = "std", not(any(loom, shuttle))))]
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

#[cfg(all(feature = "std", not(any(loom, shuttle))))]
impl<T> core::ops::Deref for Held<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(all(feature = "std", any(loom, shuttle)))]
pub(crate) use self::modelled::Swap;

#[cfg(all(feature = "std", any(loom, shuttle)))]
mod modelled {
    #[cfg(loom)]
    use loom::sync as checked;
    #[cfg(shuttle)]
    use shuttle::sync as checked;
    use std::sync::PoisonError;

    /// The checker's lock for readers and writers, with parking_lot's face.
    #[derive(Debug)]
    pub(crate) struct RwLock<T>(checked::RwLock<T>);

    impl<T> RwLock<T> {
        const_fn! {
            pub(crate) fn new(value: T) -> Self {
                Self(checked::RwLock::new(value))
            }
        }

        pub(crate) fn read(&self) -> checked::RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> checked::RwLockWriteGuard<'_, T> {
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

    /// The checker's mutex with parking_lot's face: no poisoning to handle.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(checked::Mutex<T>);

    impl<T> Mutex<T> {
        const_fn! {
            pub(crate) fn new(value: T) -> Self {
                Self(checked::Mutex::new(value))
            }
        }

        pub(crate) fn lock(&self) -> checked::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<checked::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}
