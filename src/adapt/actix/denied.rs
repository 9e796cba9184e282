//! Denials of handlers.

use core::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use super::response::made;
use crate::{adapt::answer::Refusal, verdict::Denial};

/// A denial as an error, for handlers that ask a gate themselves.
///
/// The response has the denial's status, a [problem description](https://www.rfc-editor.org/rfc/rfc9457),
/// `Cache-Control: no-store`, and `Retry-After` if waiting helps; the denial is among its extensions. It has no
/// [fields](crate::LimitFields) about limits, which are those of the middleware's gate.
///
/// # Example: passwords are tried ten times a minute for one account, whoever tries
/// ```
/// use actix_web::{Error, HttpResponse, web};
/// use portcullis::{Gate, Outcome, Request, SystemClock, actix::Denied};
///
/// async fn login(accounts: web::Data<Gate>, account: String) -> Result<HttpResponse, Error> {
///     let request = Request::new(None).field("account", account.as_str());
///     let admission = accounts.check(&request, SystemClock::now()).into_result().map_err(Denied)?;
///     // ...
///     accounts.finish(admission, Outcome::status(200), SystemClock::now());
///     Ok(HttpResponse::Ok().finish())
/// }
/// # let _ = login;
/// ```
#[derive(Clone, Debug)]
pub struct Denied(pub Denial);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::error::Error for Denied {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self(denial)
    }
}

impl ResponseError for Denied {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::TOO_MANY_REQUESTS)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = made(Refusal::plain(&self.0));
        response.extensions_mut().insert(self.0.clone());
        response
    }
}
