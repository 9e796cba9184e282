//! What a handler learns of the gate's answer to its request.

use core::net::IpAddr;

use crate::{
    rule::Class,
    verdict::{Admission, Standing, Strictest, Traces},
};

/// What the gate has said of a request that it let pass, for handlers: among the request's extensions, and
/// an extractor in axum and actix-web.
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

    /// Where the client stands with its strictest limit; `None` if no limit applied.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.strictest.map(|strictest| strictest.decision.standing())
    }

    /// The names of the rules that held and are [to be logged](crate::rule::Action::Log).
    pub fn matched(&self) -> impl Iterator<Item = &str> {
        self.traces.matched()
    }

    /// The names of the rules and limits that would have denied the request, had they, or the gate, been
    /// enforced.
    pub fn shadow(&self) -> impl Iterator<Item = &str> {
        self.traces.shadow()
    }

    /// The tags that rules have set.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.traces.tags()
    }

    /// How important rules say that the request is.
    #[must_use]
    pub fn class(&self) -> Class {
        self.traces.class()
    }
}
