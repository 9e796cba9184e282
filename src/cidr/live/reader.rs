//! A handle for a hot loop: the newest table at the price of a look at its version.

use core::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
};

use super::{Editable, Shared};
use crate::sync::{Arc, Ordering};

/// A handle that keeps the newest table of a [`Live`](super::Live) list between questions.
///
/// Made by [`Live::reader`](super::Live::reader), one for each worker. It may outlive the list's other
/// handles, and holds on to the table it saw last.
///
/// # Example: a worker
/// ```
/// use portcullis::cidr::{CidrEdit, CidrSet, Live};
///
/// let blocked = Live::new(CidrSet::new());
/// let mut reader = blocked.reader();
/// assert!(!reader.get().contains("192.0.2.1".parse()?));
/// blocked.edit([CidrEdit::Insert("192.0.2.0/24".parse()?, ())]);
/// assert!(reader.get().contains("192.0.2.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader<T: Editable> {
    shared: Arc<Shared<T>>,
    table: Arc<T>,
    version: u64,
}

impl<T: Editable> Reader<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let (table, version) = shared.newest();
        Self { shared, table, version }
    }

    /// The newest table.
    ///
    /// Never an older one than the last time, and never older than a change that returned before, in
    /// this thread or in one that this thread heard from.
    ///
    /// # Cost
    /// One load of a word that only changes write, as long as nothing was changed; after a change,
    /// that of a [`load`](super::Live::load). A reader that slept through several changes can be the
    /// last one to hold its old table, and then frees it, which takes longer for a large one.
    #[inline]
    pub fn get(&mut self) -> &T {
        // Acquire: with Release in `Shared::swap`.
        if self.shared.version.load(Ordering::Acquire) != self.version {
            self.renew();
        }
        &self.table
    }

    #[cold]
    fn renew(&mut self) {
        let (table, version) = self.shared.newest();
        self.version = version;
        self.table = table;
    }
}

impl<T: Editable> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<T: Editable + fmt::Debug> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.table).finish()
    }
}

// As for `Live`; a table and its version are set together.
impl<T: Editable + RefUnwindSafe> UnwindSafe for Reader<T> {}
impl<T: Editable + RefUnwindSafe> RefUnwindSafe for Reader<T> {}
