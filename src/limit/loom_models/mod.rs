//! loom models of the limits: `RUSTFLAGS="--cfg loom" cargo test -p portcullis --release --lib loom_`.
//!
//! Every thread is spawned: loom explores fewer schedules of what runs on the model's main thread.

mod adjustable;
mod bucket;
mod exact;
mod group;
mod keyed;
mod leased;
mod permits;
mod remote;
mod window;

use core::time::Duration;

use crate::time::Timestamp;

/// Runs `model` for every schedule of up to three preemptions.
pub(super) fn explore(model: impl Fn() + Sync + Send + 'static) {
    explore_with(3, model);
}

/// Runs `model` for every schedule of up to this many preemptions.
pub(super) fn explore_with(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Runs `model` for schedules of up to two preemptions, as many as fit this time.
pub(super) fn explore_for(time: Duration, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_duration = Some(time);
    builder.check(model);
}

const NOW: Timestamp = Timestamp::from_secs(1);
