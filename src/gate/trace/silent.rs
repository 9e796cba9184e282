//! Nobody is told anything: what stands in for the teller without the feature `tracing`, and is compiled to nothing.

use core::net::IpAddr;

use crate::{
    detect::Detector,
    gate::{
        pipeline::Refusal,
        snapshot::{Setting, Snapshot},
        stats::Counter,
    },
    limit::remote::Fleet,
    rule::Name,
    time::Timestamp,
    verdict::{Denial, Traces},
};

pub(in crate::gate) struct Tracer;

impl Tracer {
    pub(in crate::gate) fn new() -> Self {
        Self
    }

    #[inline]
    pub(in crate::gate) fn denied(&self, _: Refusal, _: &Denial) {}

    #[inline]
    pub(in crate::gate) fn would_deny(
        &self,
        _: Refusal,
        _: Option<&Name>,
        _: impl FnOnce() -> Denial,
    ) {
    }

    #[inline]
    pub(in crate::gate) fn in_shadow(&self, _: &Traces, _: Option<Refusal>) {}

    #[inline]
    pub(in crate::gate) fn checked(
        &self,
        _: &Setting,
        _: Option<IpAddr>,
        _: &Counter,
        _: Timestamp,
    ) {
    }

    #[inline]
    pub(in crate::gate) fn due(&self, _: &Setting, _: Timestamp) {}

    #[inline]
    pub(in crate::gate) fn defence(&self, _: &Detector) {}

    #[inline]
    pub(in crate::gate) fn fleet(&self, _: Option<&Fleet>, _: Timestamp) {}

    #[inline]
    pub(in crate::gate) fn reloaded(&self, _: &Snapshot) {}

    #[inline]
    pub(in crate::gate) fn refused_reload(&self, _: usize, _: Timestamp) {}
}
