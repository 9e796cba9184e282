//! What a middleware, its services and their responses share.

use alloc::sync::Arc;
use core::{fmt, net::IpAddr};

use actix_web::{HttpRequest, HttpResponse, dev::ServiceRequest};

use crate::{adapt::setting::Setting, verdict::Denial};

/// The setting of a middleware.
#[derive(Clone)]
pub(super) struct MiddlewareSetting {
    pub(super) common: Setting,
    /// The other end of the connection if there is none.
    pub(super) peer: Option<Arc<FindPeer>>,
    /// A problem description if there is none.
    pub(super) on_deny: Option<Arc<OnDeny>>,
    /// Whether the gate is told the route.
    pub(super) labels_routes: bool,
}

pub(super) type FindPeer = dyn Fn(&ServiceRequest) -> Option<IpAddr> + Send + Sync;
pub(super) type OnDeny = dyn Fn(&Denial, &HttpRequest) -> HttpResponse + Send + Sync;

impl MiddlewareSetting {
    pub(super) fn find_peer(&self, request: &ServiceRequest) -> Option<IpAddr> {
        match &self.peer {
            Some(peer) => peer(request),
            None => request.peer_addr().map(|address| address.ip()),
        }
    }
}

impl fmt::Debug for MiddlewareSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiddlewareSetting").field("common", &self.common).finish_non_exhaustive()
    }
}
