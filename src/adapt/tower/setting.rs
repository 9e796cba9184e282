//! What a layer, its services and their responses share.

use alloc::sync::Arc;
use core::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Request, Response, header::CONTENT_TYPE, request::Parts};

use crate::{
    adapt::{
        answer::{Dialect, Lines, Refusal},
        fleet::Stored,
        http::{response, view, write},
        setting::Setting,
    },
    limit::remote::Store,
    verdict::Denial,
};

/// The setting of a layer.
#[derive(Clone)]
pub(super) struct LayerSetting<T> {
    pub(super) common: Setting,
    /// Whom limits of a fleet ask.
    pub(super) store: T,
    /// What the server has recorded if there is none.
    pub(super) peer: Option<Arc<FindPeer>>,
    /// What the service knows of a request, if it says so.
    pub(super) describe: Option<Arc<Describe>>,
    /// A problem description, or a gRPC status, if there is none.
    pub(super) on_deny: Option<Arc<OnDeny>>,
}

pub(super) type FindPeer = dyn Fn(&Extensions, &HeaderMap) -> Option<IpAddr> + Send + Sync;
pub(super) type Describe = dyn for<'a> Fn(crate::Request<'a>, &'a Extensions, &'a HeaderMap) -> crate::Request<'a>
    + Send
    + Sync;
pub(super) type OnDeny = dyn Fn(&Denial, &Parts) -> Response<Bytes> + Send + Sync;

impl<T> LayerSetting<T> {
    pub(super) fn find_peer(&self, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
        match &self.peer {
            Some(peer) => peer(extensions, headers),
            None => recorded_peer(extensions),
        }
    }

    /// A request from this peer, as the gate sees it.
    pub(super) fn view<'a, B>(
        &self,
        request: &'a Request<B>,
        peer: Option<IpAddr>,
    ) -> crate::Request<'a> {
        let start = crate::Request::new(peer);
        let start = match &self.describe {
            Some(describe) => describe(start, request.extensions(), request.headers()),
            None => start,
        };
        view(request, start)
    }

    /// The response to a request that is refused.
    pub(super) fn refuse<B>(&self, denial: &Denial, request: Request<B>) -> Response<Bytes> {
        match &self.on_deny {
            Some(on_deny) => {
                let mut response = on_deny(denial, &request.into_parts().0);
                write(Lines::of_denial(denial, &self.common), response.headers_mut());
                response
            }
            None => {
                let content_type = request.headers().get(CONTENT_TYPE);
                let dialect = Dialect::of(content_type.map(|value| value.as_bytes()));
                response(Refusal::of(denial, dialect, &self.common))
            }
        }
    }
}

/// The address that the server has left among the extensions.
fn recorded_peer(extensions: &Extensions) -> Option<IpAddr> {
    #[cfg(feature = "axum")]
    {
        use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

        if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() {
            return Some(peer.ip());
        }
        if let Some(MockConnectInfo(peer)) = extensions.get::<MockConnectInfo<SocketAddr>>() {
            return Some(peer.ip());
        }
    }
    let address = extensions.get::<SocketAddr>().map(SocketAddr::ip);
    address.or_else(|| extensions.get::<IpAddr>().copied())
}

impl<T: Store> Stored for LayerSetting<T> {
    type Store = T;

    fn store(&self) -> &T {
        &self.store
    }

    fn common(&self) -> &Setting {
        &self.common
    }
}

impl<T> fmt::Debug for LayerSetting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerSetting").field("common", &self.common).finish_non_exhaustive()
    }
}
