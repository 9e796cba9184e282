//! What handlers can ask for: [`Admitted`] and [`ClientIp`].
//!
//! Both come from what [`GateLayer`](crate::GateLayer) leaves with each request that it lets pass. Where that
//! is not there, the service is put together wrongly, and no client can help it: the answer is a 500 that
//! names the fix. Who can do without writes `Option<Admitted>` or `Option<ClientIp>`.

use core::{convert::Infallible, fmt};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::adapt::{admitted::Admitted, client::ClientIp};

/// Why there is nothing to extract: a mistake in how the service is put together, never in a request, unless
/// [preflights are skipped](crate::GateLayer::skip_preflights).
///
/// As a response it is a 500, whose body says what is to be done; so does its `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GateRejection {
    /// No [`GateLayer`](crate::GateLayer) is in front of the handler.
    NoGate,
    /// The gate does not know the client's address.
    NoAddress,
}

impl GateRejection {
    const fn text(self) -> &'static str {
        match self {
            Self::NoGate => {
                "there is no gate in front of this handler: add `.layer(GateLayer::new(&gate))` to the \
                 router, after the route; a layer covers only the routes that were added before it"
            }
            Self::NoAddress => {
                "the client's address is not known: serve with \
                 `app.into_make_service_with_connect_info::<SocketAddr>()`, or say with \
                 `GateLayer::peer` where the address is"
            }
        }
    }
}

impl fmt::Display for GateRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for GateRejection {}

impl IntoResponse for GateRejection {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.text()).into_response()
    }
}

/// # Errors
/// [`NoGate`](GateRejection::NoGate).
impl<S: Sync> FromRequestParts<S> for Admitted {
    type Rejection = GateRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, GateRejection> {
        parts.extensions.get::<Self>().cloned().ok_or(GateRejection::NoGate)
    }
}

/// `None` where no gate is in front.
impl<S: Sync> OptionalFromRequestParts<S> for Admitted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// # Errors
/// [`NoGate`](GateRejection::NoGate) and [`NoAddress`](GateRejection::NoAddress).
impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = GateRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, GateRejection> {
        let admitted = parts.extensions.get::<Admitted>().ok_or(GateRejection::NoGate)?;
        admitted.client().map(Self).ok_or(GateRejection::NoAddress)
    }
}

/// `None` where the address is not known or no gate is in front.
impl<S: Sync> OptionalFromRequestParts<S> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Admitted>().and_then(Admitted::client).map(Self))
    }
}

#[cfg(test)]
mod tests {
    use core::{
        future::Future,
        net::IpAddr,
        pin::pin,
        task::{Context, Poll, Waker},
    };
    use std::{format, string::ToString};

    use axum::{
        extract::{FromRequestParts, OptionalFromRequestParts},
        response::IntoResponse,
    };
    use http::{Request as HttpRequest, request::Parts};

    use super::{Admitted, ClientIp, GateRejection};
    use crate::{
        gate::{Gate, Mode},
        request::Request,
        time::Timestamp,
    };

    fn now<F: Future>(future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("nothing is waited for"),
        }
    }

    fn parts(admitted: Option<Admitted>) -> Parts {
        let (mut parts, ()) = HttpRequest::new(()).into_parts();
        if let Some(admitted) = admitted {
            parts.extensions.insert(admitted);
        }
        parts
    }

    fn admitted(mode: Mode, peer: Option<IpAddr>) -> Admitted {
        let gate = Gate::builder().mode(mode).build().unwrap();
        let verdict = gate.check(&Request::new(peer), Timestamp::from_secs(1));
        Admitted::of(&verdict.into_result().unwrap())
    }

    async fn extract<T: FromRequestParts<()>>(parts: &mut Parts) -> Result<T, T::Rejection> {
        T::from_request_parts(parts, &()).await
    }

    async fn extract_if_there<T: OptionalFromRequestParts<()>>(parts: &mut Parts) -> Option<T> {
        T::from_request_parts(parts, &()).await.unwrap_or_else(|_| panic!("never refused"))
    }

    #[test]
    fn without_a_gate_there_is_nothing_and_the_fix_is_named() {
        let mut parts = parts(None);
        let no_gate = GateRejection::NoGate;
        assert_eq!(now(extract::<ClientIp>(&mut parts)), Err(no_gate));
        assert_eq!(now(extract::<Admitted>(&mut parts)).unwrap_err(), no_gate);
        assert_eq!(now(extract_if_there::<ClientIp>(&mut parts)), None);
        assert!(now(extract_if_there::<Admitted>(&mut parts)).is_none());
        for (rejection, fix) in [
            (no_gate, ".layer(GateLayer::new(&gate))"),
            (GateRejection::NoAddress, "into_make_service_with_connect_info::<SocketAddr>()"),
        ] {
            assert!(rejection.to_string().contains(fix), "{rejection}");
            let response = rejection.into_response();
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        }
    }

    #[test]
    fn a_client_without_an_address_is_not_silent() {
        let mut parts = parts(Some(admitted(Mode::Enforce, None)));
        assert_eq!(now(extract::<ClientIp>(&mut parts)), Err(GateRejection::NoAddress));
        assert_eq!(now(extract_if_there::<ClientIp>(&mut parts)), None);
        assert!(now(extract::<Admitted>(&mut parts)).is_ok());
        assert!(now(extract_if_there::<Admitted>(&mut parts)).is_some());
    }

    #[test]
    fn the_address_is_the_admissions() {
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        for mode in [Mode::Enforce, Mode::Observe, Mode::Off] {
            let admitted = admitted(mode, Some(peer));
            let client = Some(ClientIp(peer));
            let mut parts = parts(Some(admitted));
            let text = format!("{mode:?}");
            assert_eq!(now(extract_if_there::<ClientIp>(&mut parts)), client, "{text}");
            assert_eq!(now(extract::<ClientIp>(&mut parts)).ok(), client, "{text}");
        }
    }
}
