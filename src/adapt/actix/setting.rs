//! What a middleware, its services and their responses share.

use alloc::sync::Arc;
use core::{fmt, net::IpAddr};

use actix_web::{HttpRequest, HttpResponse, dev::ServiceRequest};

use super::view::view;
use crate::{
    adapt::{fleet::Stored, setting::Setting},
    limit::remote::Store,
    request::Request,
    verdict::Denial,
};

/// The setting of a middleware.
#[derive(Clone)]
pub(super) struct MiddlewareSetting<T> {
    pub(super) common: Setting,
    /// Whom limits of a fleet ask.
    pub(super) store: T,
    /// The other end of the connection if there is none.
    pub(super) peer: Option<Arc<FindPeer>>,
    /// What the service knows of a request, if it says so.
    pub(super) describe: Option<Arc<Describe>>,
    /// A problem description if there is none.
    pub(super) on_deny: Option<Arc<OnDeny>>,
    /// Whether the gate is told the route.
    pub(super) labels_routes: bool,
}

pub(super) type FindPeer = dyn Fn(&ServiceRequest) -> Option<IpAddr> + Send + Sync;
pub(super) type Describe =
    dyn for<'a> Fn(Request<'a>, &'a ServiceRequest) -> Request<'a> + Send + Sync;
pub(super) type OnDeny = dyn Fn(&Denial, &HttpRequest) -> HttpResponse + Send + Sync;

impl<T> MiddlewareSetting<T> {
    pub(super) fn find_peer(&self, request: &ServiceRequest) -> Option<IpAddr> {
        match &self.peer {
            Some(peer) => peer(request),
            None => request.peer_addr().map(|address| address.ip()),
        }
    }

    /// A request from this peer, as the gate sees it.
    pub(super) fn view<'a>(
        &self,
        request: &'a ServiceRequest,
        peer: Option<IpAddr>,
        route: Option<&'a str>,
    ) -> Request<'a> {
        let start = Request::new(peer);
        let start = match &self.describe {
            Some(describe) => describe(start, request),
            None => start,
        };
        view(request, start, route)
    }
}

impl<T: Store> Stored for MiddlewareSetting<T> {
    type Store = T;

    fn store(&self) -> &T {
        &self.store
    }

    fn common(&self) -> &Setting {
        &self.common
    }
}

impl<T> fmt::Debug for MiddlewareSetting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiddlewareSetting").field("common", &self.common).finish_non_exhaustive()
    }
}
