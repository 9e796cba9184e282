//! A request that may pass, until its response has been sent.
//!
//! The gate is told of the response as soon as its head is there. What takes longer goes with the body: places
//! in limits of requests in flight, and, where a limit asks for the size, all that the response is to settle.
//!
//! # Invariants
//! - **I1** an admission is finished once, or dropped, which leaves taken what it has taken;
//! - **I2** places in flight are given back when the body has ended or is dropped, and not before. Where the service
//!   gives an error instead of a response, that is its end: what is then sent is made further out, and not seen here;
//! - **I3** a size counts what has gone out, also when the rest never does.

use alloc::boxed::Box;

use super::{answer::Lines, setting::Setting};
use crate::{
    gate::{Hold, Outcome},
    time::Timestamp,
    verdict::Admission,
};

/// A request that may pass.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) admission: Admission,
    /// When the gate was asked.
    pub(super) at: Timestamp,
}

/// What lasts until the end of a response, or until its body is dropped.
#[derive(Debug)]
pub(super) struct UntilEnd {
    owed: Option<Owed>,
    _hold: Option<Hold>,
}

/// What the gate is still to be told.
#[derive(Debug)]
struct Owed {
    admission: Admission,
    outcome: Outcome,
    /// Bytes so far.
    size: u64,
    setting: Setting,
}

impl Asked {
    /// What the response says of the strictest limit, if that is wanted.
    pub(super) fn lines(&self, setting: &Setting) -> Option<Lines> {
        let wanted = setting.fields.on_admission();
        wanted.then(|| Lines::of_admission(&self.admission, setting))
    }

    /// Settles what the head of the response tells; what is returned goes with the body.
    pub(super) fn answered(self, status: u16, setting: &Setting) -> Option<Box<UntilEnd>> {
        let Self { mut admission, at } = self;
        let hold = admission.hold();
        let until_end = |hold| Box::new(UntilEnd { owed: None, _hold: Some(hold) });
        if admission.is_settled() {
            // Nothing asks how long it took, and a clock is not read for nothing.
            setting.gate.finish(admission, Outcome::status(status), at);
            return hold.map(until_end);
        }
        let now = setting.now();
        let outcome = Outcome::status(status).latency(now.saturating_duration_since(at));
        if admission.awaits_size() {
            setting.gate.finish_head(&mut admission, outcome, now);
            let owed = Owed { admission, outcome, size: 0, setting: setting.clone() };
            return Some(Box::new(UntilEnd { owed: Some(owed), _hold: hold }));
        }
        setting.gate.finish(admission, outcome, now);
        hold.map(until_end)
    }

    /// Settles all and gives places back, for a response that is made where it cannot be seen.
    #[cfg(feature = "actix")]
    pub(super) fn failed(self, status: u16, setting: &Setting) {
        let Self { admission, at } = self;
        let now = setting.now();
        let outcome = Outcome::status(status).latency(now.saturating_duration_since(at));
        setting.gate.finish(admission, outcome, now);
    }
}

impl UntilEnd {
    /// So many bytes more of the body have gone out.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(owed) = &mut self.owed {
            owed.size = owed.size.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
    }
}

impl Drop for UntilEnd {
    fn drop(&mut self) {
        if let Some(Owed { admission, outcome, size, setting }) = self.owed.take() {
            setting.gate.finish(admission, outcome.size(size), setting.now());
        }
    }
}
