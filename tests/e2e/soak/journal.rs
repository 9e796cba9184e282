//! What has happened, so that what goes wrong is told with what was just before; and what has gone wrong.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// So much is told of what was before.
const BEFORE: usize = 12;
/// So many are told in full; the others are counted.
const IN_FULL: u64 = 50;

pub(crate) struct Journal {
    origin: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    recent: VecDeque<String>,
    wrongs: u64,
    first: Vec<String>,
}

impl Journal {
    pub(crate) fn new(origin: Instant) -> Self {
        let recent = VecDeque::with_capacity(BEFORE + 1);
        Self { origin, inner: Mutex::new(Inner { recent, wrongs: 0, first: Vec::new() }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.origin.elapsed().as_secs_f64()
    }

    /// Something was done.
    pub(crate) fn note(&self, what: &str) {
        let line = format!("{:9.3} s  {what}", self.seconds());
        let recent = &mut self.inner().recent;
        recent.push_back(line);
        if recent.len() > BEFORE {
            recent.pop_front();
        }
    }

    /// Something is not as it must be.
    pub(crate) fn wrong(&self, what: &str) {
        let at = self.seconds();
        let mut inner = self.inner();
        inner.wrongs += 1;
        if inner.wrongs > IN_FULL {
            return;
        }
        println!("\n!! WRONG at {at:.3} s: {what}\n   before:");
        for line in &inner.recent {
            println!("   {line}");
        }
        inner.first.push(format!("{at:.3} s: {what}"));
    }

    /// How often, and the first ones.
    pub(crate) fn wrongs(&self) -> (u64, Vec<String>) {
        let inner = self.inner();
        (inner.wrongs, inner.first.clone())
    }
}
