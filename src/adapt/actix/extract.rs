//! What handlers can ask for.

use core::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError, dev::Payload};

use crate::adapt::{admitted::Admitted, client::ClientIp};

/// The gate is not in front of the handler, or the client's address is not known.
///
/// That is a mistake of the service and not of its client, so the response is a 500, whose text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGate(Missing);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Gate,
    Address,
}

impl fmt::Display for NoGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Missing::Gate => {
                "no gate is in front of this handler: wrap the application, or this scope, in a \
                 portcullis::GateMiddleware"
            }
            Missing::Address => {
                "the client's address is not known: the connection has none, so give the \
                 portcullis::GateMiddleware a way to find it, with peer()"
            }
        })
    }
}

impl core::error::Error for NoGate {}

impl ResponseError for NoGate {}

/// What the gate has said of the request.
///
/// # Errors
/// [`NoGate`] if there is no [`GateMiddleware`](super::GateMiddleware) in front of the handler, or one that
/// [skips preflights](super::GateMiddleware::skip_preflights) and this is one.
impl FromRequest for Admitted {
    type Error = NoGate;
    type Future = Ready<Result<Self, NoGate>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get().cloned().ok_or(NoGate(Missing::Gate)))
    }
}

/// The client's address.
///
/// # Errors
/// As for [`Admitted`]; or the client's address is not known.
impl FromRequest for ClientIp {
    type Error = NoGate;
    type Future = Ready<Result<Self, NoGate>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.extensions().get::<Admitted>().map(Admitted::client) {
            Some(Some(client)) => Ok(Self(client)),
            Some(None) => Err(NoGate(Missing::Address)),
            None => Err(NoGate(Missing::Gate)),
        })
    }
}
