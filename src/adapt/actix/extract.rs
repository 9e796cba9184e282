//! What handlers can ask for: [`Admitted`] and [`ClientIp`].
//!
//! Both come from what [`GateMiddleware`](super::GateMiddleware) leaves with each request that it lets pass. Where
//! that is not there, the service is put together wrongly, and no client can help it: the answer is a 500 that
//! names the fix. Who can do without writes `Option<Admitted>` or `Option<ClientIp>`.

use core::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError, dev::Payload};

use crate::adapt::{admitted::Admitted, client::ClientIp};

/// Why there is nothing to extract: a mistake in how the service is put together, never in a request, unless
/// [preflights are skipped](super::GateMiddleware::skip_preflights).
///
/// As a response it is a 500, whose body says what is to be done; so does its `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GateRejection {
    /// No [`GateMiddleware`](super::GateMiddleware) is in front of the handler, or it has let a
    /// [preflight](super::GateMiddleware::skip_preflights) pass unasked.
    NoGate,
    /// The gate does not know the client's address.
    NoAddress,
}

impl fmt::Display for GateRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoGate => {
                "there is no gate in front of this handler: add `.wrap(GateMiddleware::new(&gate))` to the \
                 application, or to its scope"
            }
            Self::NoAddress => {
                "the client's address is not known: its connection has none, so say with \
                 `GateMiddleware::peer` where the address is"
            }
        })
    }
}

impl core::error::Error for GateRejection {}

impl ResponseError for GateRejection {}

/// # Errors
/// [`NoGate`](GateRejection::NoGate).
impl FromRequest for Admitted {
    type Error = GateRejection;
    type Future = Ready<Result<Self, GateRejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get().cloned().ok_or(GateRejection::NoGate))
    }
}

/// # Errors
/// [`NoGate`](GateRejection::NoGate) and [`NoAddress`](GateRejection::NoAddress).
impl FromRequest for ClientIp {
    type Error = GateRejection;
    type Future = Ready<Result<Self, GateRejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let admitted = extensions.get::<Admitted>().ok_or(GateRejection::NoGate);
        ready(admitted.and_then(|it| it.client().map(Self).ok_or(GateRejection::NoAddress)))
    }
}
