//! The changes of late, by version, so that a copy that missed some can catch up.

use alloc::{sync::Arc, vec::Vec};
use std::collections::VecDeque;

use crate::cidr::CidrEdit;

/// The changes of one version, applied in order.
pub(super) type Batch<V> = Arc<[CidrEdit<V>]>;

/// How many changes are remembered. A copy that missed more is not worth catching up: copying the
/// newest table is quicker, at about ten microseconds a change and ten milliseconds a full table.
pub(super) const REMEMBERED: usize = 1_024;

/// The batches of the newest versions: `REMEMBERED` changes at most.
#[derive(Debug)]
pub(super) struct Log<V> {
    /// The version before the first batch.
    start: u64,
    batches: VecDeque<Batch<V>>,
    /// In all batches.
    edits: usize,
}

impl<V> Log<V> {
    pub(super) const fn new() -> Self {
        Self { start: 0, batches: VecDeque::new(), edits: 0 }
    }

    /// What came after a version, unless that is forgotten.
    pub(super) fn since(&self, version: u64) -> Option<Vec<Batch<V>>> {
        let known = usize::try_from(version.checked_sub(self.start)?).ok()?;
        Some(self.batches.iter().skip(known).cloned().collect())
    }

    pub(super) const fn reaches(&self, version: u64) -> bool {
        self.start <= version
    }

    /// Remembers the next version, and hands back what is forgotten for it.
    pub(super) fn push(&mut self, batch: Batch<V>) -> Vec<Batch<V>> {
        self.edits = self.edits.saturating_add(batch.len());
        self.batches.push_back(batch);
        let mut forgotten = Vec::new();
        while self.edits > REMEMBERED {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.edits = self.edits.saturating_sub(oldest.len());
            self.start = self.start.saturating_add(1);
            forgotten.push(oldest);
        }
        forgotten
    }

    /// Forgets everything before a version, which no older copy can catch up with.
    pub(super) fn restart(&mut self, version: u64) -> Self {
        core::mem::replace(self, Self { start: version, ..Self::new() })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let entries = self.edits.saturating_mul(size_of::<CidrEdit<V>>());
        entries.saturating_add(self.batches.capacity().saturating_mul(size_of::<Batch<V>>()))
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    fn batch(edits: usize) -> Batch<()> {
        vec![CidrEdit::Remove("192.0.2.0/24".parse().unwrap()); edits].into()
    }

    #[test]
    fn memory_grows_with_what_is_remembered() {
        let mut log = Log::new();
        assert_eq!(log.heap_bytes(), 0);
        for edits in [5, 10, 15] {
            log.push(batch(5));
            let least = edits * size_of::<CidrEdit<()>>() + edits / 5 * size_of::<Batch<()>>();
            let bytes = log.heap_bytes();
            assert!((least..least + 1_000).contains(&bytes), "{bytes} for {edits} edits");
        }
    }

    #[test]
    fn what_came_after_a_version_is_known_until_it_is_forgotten() {
        let mut log = Log::new();
        assert!(log.push(batch(1)).is_empty());
        assert!(log.push(batch(REMEMBERED - 1)).is_empty());
        let lens = |log: &Log<()>, version| {
            Some(log.since(version)?.iter().map(|batch| batch.len()).collect::<Vec<_>>())
        };
        assert_eq!(lens(&log, 0), Some(vec![1, REMEMBERED - 1]));
        assert_eq!(lens(&log, 1), Some(vec![REMEMBERED - 1]));
        assert_eq!(lens(&log, 2), Some(vec![]));
        assert_eq!(log.push(batch(2)).len(), 2);
        assert_eq!((lens(&log, 1), lens(&log, 2)), (None, Some(vec![2])));
        assert!(!log.reaches(1) && log.reaches(2));
        // More than is remembered at all: only who has it is up to date.
        assert_eq!(log.push(batch(REMEMBERED + 1)).len(), 2);
        assert_eq!((lens(&log, 3), lens(&log, 4)), (None, Some(vec![])));
        assert_eq!(log.edits, 0);
        log.push(batch(1));
        assert_eq!(log.restart(6).edits, 1);
        assert_eq!((lens(&log, 5), lens(&log, 6)), (None, Some(vec![])));
    }
}
