//! What a handler learns of the gate's answer to its request.

use core::net::IpAddr;

use crate::verdict::{Admission, Standing, Strictest, Traces, tells_traces};

/// What the gate has said of a request that it let pass, for handlers: among the request's extensions, and
/// an extractor in axum and actix-web.
///
/// It is a copy: where the client stands is where it stood when the request came. Where several gates are in
/// front of a handler, this is the answer of the innermost.
///
/// # Cost
/// A clone copies about a hundred bytes and, if rules have left something behind, counts a reference; nothing is
/// allocated.
#[derive(Clone, Debug)]
pub struct Admitted {
    client: Option<IpAddr>,
    strictest: Option<Strictest>,
    traces: Traces,
}

impl Admitted {
    pub(super) fn of(admission: &Admission) -> Self {
        Self {
            client: admission.client(),
            strictest: admission.strictest(),
            traces: admission.traces().clone(),
        }
    }

    /// The client's address, as it was found behind proxies that are trusted; `None` if it is not known.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Where the client stands with its strictest limit; `None` if no quota applied, as of an
    /// [`Admission`](crate::Admission::standing).
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.strictest.map(|strictest| strictest.decision.standing())
    }

    fn traces(&self) -> &Traces {
        &self.traces
    }
}

tells_traces!(Admitted);

#[cfg(test)]
mod tests;
