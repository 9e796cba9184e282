//! [`Live`]: one list that many threads ask while it is changed.
//!
//! A compiled table is quick to ask because it is packed, and packed things cannot be changed under
//! the eyes of a reader. So nobody changes a table that can be seen: readers share the newest one by
//! an [`Arc`], and a change puts another one in its place.
//!
//! # How
//! A copy of a full table takes milliseconds, so the one that was replaced is kept as a *spare*, and a
//! *log* remembers the changes of late. The next change takes the spare, applies to it what it missed
//! and then the new edits, and swaps it in: two small batches of edits instead of a copy. A spare that
//! a reader still holds is left alone; then, and at the first change, the newest table is copied.
//!
//! Two changes at a time work each on a table of its own, without a lock. The one that comes to the
//! swap second finds that the version is not the one it started from; it catches up with what it
//! missed, applies its own edits again so that they count last, and tries again. That works because an
//! edit says what shall be ([`CidrEdit`]), so a table that had it too early is put right by replaying
//! what came in between and then the edit itself.
//!
//! There are two locks, and neither is held while anything runs that takes more than a few steps, or
//! that belongs to the caller (iterators, values): one for what writers share, and inside it one for
//! the place of the newest table, which readers share among themselves.
//!
//! Invariants, each with a test that cites it:
//! - **I1** a table that a reader got never changes;
//! - **I2** versions go up, and a thread that saw the table of one version never gets an older one;
//! - **I3** once [`edit`](Live::edit) returns, its edits are in the newest table, until another change
//!   says otherwise; each table is the one before with one call's edits applied, or a replacement;
//! - **I4** a change that panics (in a value's `Hash`, `Eq` or `Clone`) changes nothing;
//! - **I5** old tables that no reader holds are dropped by the writers, except for one spare.
//!
//! # Bounds
//! Twice the memory of the table once something was edited, and three times while a change is being
//! made on a copy. Tables that readers hold on to come on top, of which two are kept as spares in case
//! the readers let go. The log holds 1,024 edits at most.

mod editable;
mod log;
#[cfg(all(test, loom))]
mod loom_models;
mod reader;
#[cfg(all(test, shuttle))]
mod shuttle_models;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
};

use self::log::{Batch, Log};
pub use self::{editable::Editable, reader::Reader};
use super::CidrEdit;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, RwLock};

/// A [`CidrSet`](super::CidrSet) or `CidrMap` that is changed while other threads ask it.
///
/// Readers are undisturbed: they go on with the table that they have, and get the newest one when
/// they ask next. A change of a few prefixes takes some tens of microseconds even on a full routing
/// table.
///
/// A clone is another handle to the same table.
///
/// # `load` or `reader`
/// [`load`](Self::load) hands out the newest table, to be kept as long as it is needed: for a request,
/// over an `await`, for a report that must not change while it is written. It counts its holders,
/// and all threads that load write to that one count, which costs more the more of them do it all the
/// time.
///
/// [`reader`](Self::reader) makes a handle that keeps its table between questions: for a worker or a
/// connection that asks again and again. As long as nothing changes, a question costs a look at a
/// version number that nobody writes to, on any number of threads. It needs `&mut`, so it is one for
/// each worker, and it holds on to the table it saw last: drop the handles of workers that sleep, or
/// each keeps a table in memory and makes one change a slow one.
///
/// # Cost
/// A change copies the newest table, instead of replaying the last changes on the spare one, in these
/// cases: it is the first, or the first after a [`replace`](Self::replace); a reader still holds the
/// table before the newest one; other changes are being made at the same time; the last call had more
/// than 1,024 edits. Many edits in one call are cheaper than many calls.
///
/// # Memory
/// Two tables once something was edited, and those that readers hold. See
/// [`memory_bytes`](Self::memory_bytes).
///
/// # Example: a block list that is changed under traffic
/// ```
/// use std::thread;
///
/// use portcullis::cidr::{CidrEdit, CidrSet, Live};
///
/// let blocked = Live::new("192.0.2.0/24\n".parse::<CidrSet>()?);
///
/// thread::scope(|scope| {
///     for _ in 0..2 {
///         let mut reader = blocked.reader();
///         scope.spawn(move || {
///             for client in 0..100 {
///                 let client = [198, 51, 100, client].into();
///                 let _refuse = reader.get().contains(client);
///             }
///         });
///     }
///     blocked.edit([CidrEdit::Insert("198.51.100.7/32".parse().unwrap(), ())]);
/// });
///
/// assert!(blocked.load().contains("198.51.100.7".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Example: a list that is fetched anew
/// ```
/// # use portcullis::cidr::{CidrSet, Live};
/// let list = Live::new(CidrSet::new());
/// let before = list.replace("203.0.113.0/24".parse()?);
/// assert!(before.is_empty() && !list.load().is_empty());
/// # Ok::<(), portcullis::CidrParseError>(())
/// ```
pub struct Live<T: Editable>(Arc<Shared<T>>);

struct Shared<T: Editable> {
    /// How often the newest table was replaced. Written under the lock of `newest`; read without.
    version: AtomicU64,
    newest: RwLock<Arc<T>>,
    changes: Mutex<Changes<T>>,
}

/// What writers share. No caller's code runs while it is locked, nor is anything large dropped.
struct Changes<T: Editable> {
    version: u64,
    log: Log<T::Value>,
    /// Tables that were the newest before, the older first.
    spares: Vec<Spare<T>>,
}

struct Spare<T> {
    table: Arc<T>,
    version: u64,
}

/// As many are kept while readers hold them; one, otherwise.
const SPARES: usize = 2;

/// A table that only one writer knows.
struct Draft<T: Editable> {
    table: T,
    /// What it has to catch up with, to be at `version`.
    missed: Vec<Batch<T::Value>>,
    version: u64,
}

impl<T: Editable> Live<T> {
    /// Publishes a table.
    #[must_use]
    pub fn new(table: T) -> Self {
        Self(Arc::new(Shared {
            version: AtomicU64::new(0),
            newest: RwLock::new(Arc::new(table)),
            changes: Mutex::new(Changes { version: 0, log: Log::new(), spares: Vec::new() }),
        }))
    }

    /// The newest table, which stays as it is for whoever holds it.
    ///
    /// [When to use it](Self#load-or-reader).
    #[must_use]
    pub fn load(&self) -> Arc<T> {
        Arc::clone(&self.0.newest.read())
    }

    /// A handle that keeps its table between questions: for hot loops.
    ///
    /// [When to use it](Self#load-or-reader).
    #[must_use]
    pub fn reader(&self) -> Reader<T> {
        Reader::new(Arc::clone(&self.0))
    }

    /// Publishes the newest table with these edits applied in order, all at once.
    ///
    /// When it returns, every [`load`](Self::load) sees them. Of several threads that edit at a time
    /// none loses its edits; where they contradict each other, those published later count.
    /// Without edits nothing happens.
    ///
    /// # Cost
    /// See [above](Self#cost). The iterator is collected first.
    pub fn edit(&self, edits: impl IntoIterator<Item = CidrEdit<T::Value>>) {
        let edits: Batch<_> = edits.into_iter().collect();
        if edits.is_empty() {
            return;
        }
        let mut draft = self.0.draft();
        loop {
            draft.apply(&edits);
            match self.0.publish(draft, &edits) {
                Ok(()) => return,
                Err(overtaken) => draft = overtaken,
            }
        }
    }

    /// Publishes a table in place of the newest one, and hands that back.
    ///
    /// Edits made at the same time are either in the table that is handed back, or made to `table`.
    pub fn replace(&self, table: T) -> Arc<T> {
        let table = Arc::new(table);
        // What is not needed any more is dropped after the lock is released.
        let (old, _unneeded) = {
            let mut changes = self.0.changes.lock();
            let old = self.0.swap(&mut changes, table);
            let version = changes.version;
            (old, (changes.log.restart(version), core::mem::take(&mut changes.spares)))
        };
        old
    }

    /// The bytes of the newest table, of the spare ones that are kept for the next change and of the
    /// remembered edits, without what values keep elsewhere.
    ///
    /// Older tables that readers hold count as long as they may still become spares.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let changes = self.0.changes.lock();
        let newest = self.0.newest.read().bytes();
        let spares = changes.spares.iter().map(|spare| spare.table.bytes());
        size_of::<Shared<T>>()
            .saturating_add(spares.fold(newest, usize::saturating_add))
            .saturating_add(changes.log.heap_bytes())
            .saturating_add(changes.spares.capacity().saturating_mul(size_of::<Spare<T>>()))
    }
}

impl<T: Editable> Shared<T> {
    /// A table to work on, as cheap as there is one.
    fn draft(&self) -> Draft<T> {
        let (newest, version, spare, _unneeded) = {
            let mut changes = self.changes.lock();
            let (spare, unneeded) = changes.take_spare();
            // Together with the version, which does not change while the writers' lock is held.
            (Arc::clone(&self.newest.read()), changes.version, spare, unneeded)
        };
        match spare.and_then(|(table, missed)| Some((Arc::try_unwrap(table).ok()?, missed))) {
            Some((table, missed)) => Draft { table, missed, version },
            None => Draft { table: T::clone(&newest), missed: Vec::new(), version },
        }
    }

    /// Puts a draft in the place of the newest table, unless another one came first: then there is a
    /// draft to try again with.
    fn publish(&self, draft: Draft<T>, edits: &Batch<T::Value>) -> Result<(), Draft<T>> {
        let Draft { table, version, .. } = draft;
        let table = Arc::new(table);
        // What is not needed any more is dropped after the lock is released.
        let overtaken_by = {
            let mut changes = self.changes.lock();
            if changes.version == version {
                let old = self.swap(&mut changes, table);
                let forgotten = changes.log.push(edits.clone());
                let unneeded = changes.keep(Spare { table: old, version });
                drop(changes);
                drop((forgotten, unneeded));
                return Ok(());
            }
            (changes.version, changes.log.since(version))
        };
        let (version, missed) = overtaken_by;
        let table = missed.and_then(|missed| Some((Arc::try_unwrap(table).ok()?, missed)));
        Err(match table {
            Some((table, missed)) => Draft { table, missed, version },
            None => self.draft(),
        })
    }

    /// The newest table, and its version.
    fn newest(&self) -> (Arc<T>, u64) {
        let newest = self.newest.read();
        // Relaxed: it is only written under the lock.
        (Arc::clone(&newest), self.version.load(Ordering::Relaxed))
    }

    /// Makes a table the newest one, and hands back the one before.
    fn swap(&self, changes: &mut Changes<T>, table: Arc<T>) -> Arc<T> {
        changes.version = changes.version.saturating_add(1);
        let mut newest = self.newest.write();
        // Release: with Acquire in `Reader::get`. Inside the lock, so that who sees the version finds
        // its table, and who finds a table has at least its version.
        self.version.store(changes.version, Ordering::Release);
        core::mem::replace(&mut newest, table)
    }
}

impl<T: Editable> Draft<T> {
    /// Catches up, and then makes these edits, again if they were made to an older version.
    fn apply(&mut self, edits: &[CidrEdit<T::Value>]) {
        for batch in core::mem::take(&mut self.missed) {
            self.table.apply_all(&batch);
        }
        self.table.apply_all(edits);
    }
}

impl<T: Editable> Changes<T> {
    /// The newest spare that nobody else holds, with what it missed; and what need not be kept.
    #[allow(clippy::type_complexity, reason = "taken apart at once")]
    fn take_spare(&mut self) -> (Option<(Arc<T>, Vec<Batch<T::Value>>)>, Vec<Spare<T>>) {
        let mut taken = None;
        let mut unneeded = Vec::new();
        let mut held = Vec::new();
        while let Some(mut spare) = self.spares.pop() {
            // Nobody gets at an old table any more, so one that is free now stays free.
            if Arc::get_mut(&mut spare.table).is_none() {
                held.push(spare);
            } else if let Some(missed) = self.log.since(spare.version).filter(|_| taken.is_none()) {
                taken = Some((spare.table, missed));
            } else {
                unneeded.push(spare);
            }
        }
        held.reverse();
        self.spares = held;
        (taken, unneeded)
    }

    /// Keeps a spare, the newest one, and hands back those that are too many or too old to catch up.
    fn keep(&mut self, spare: Spare<T>) -> Vec<Spare<T>> {
        self.spares.push(spare);
        let too_many = self.spares.len().saturating_sub(SPARES);
        let old = |spare: &&Spare<T>| !self.log.reaches(spare.version);
        let too_old = self.spares.iter().take_while(old).count();
        self.spares.drain(..too_many.max(too_old)).collect()
    }
}

impl<T: Editable> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Editable + Default> Default for Live<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Editable> From<T> for Live<T> {
    fn from(table: T) -> Self {
        Self::new(table)
    }
}

impl<T: Editable + fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&self.load()).finish()
    }
}

// A change that panics leaves no lock and nothing half done behind (I4).
impl<T: Editable + RefUnwindSafe> UnwindSafe for Live<T> {}
impl<T: Editable + RefUnwindSafe> RefUnwindSafe for Live<T> {}
