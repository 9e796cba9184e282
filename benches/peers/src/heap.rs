//! What a structure takes from the heap, whatever it says of itself.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

/// Counts while somebody wants to know, and otherwise costs a load of a word that nobody writes.
struct Counting;

#[global_allocator]
static HEAP: Counting = Counting;
static WANTED: AtomicBool = AtomicBool::new(false);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are those that the callee wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[inline]
fn count(taken: usize, given_back: usize) {
    if WANTED.load(Relaxed) {
        // It may go below zero and come back.
        TAKEN.fetch_add(taken.wrapping_sub(given_back), Relaxed);
    }
}

/// What `make` makes, and by how many bytes the heap has grown for it. `make` is not to give back what
/// it has not taken.
pub(crate) fn growth<T>(make: impl FnOnce() -> T) -> (T, usize) {
    TAKEN.store(0, Relaxed);
    WANTED.store(true, Relaxed);
    let made = make();
    WANTED.store(false, Relaxed);
    (made, TAKEN.load(Relaxed))
}
