//! The gate in actix-web 4.

use alloc::sync::Arc;

use super::setting::Setting;
pub use crate::adapt::{admitted::Admitted, client::ClientIp};
use crate::gate::Gate;

/// Puts a [`Gate`] in front of an application.
#[derive(Clone, Debug)]
pub struct GateMiddleware(Arc<Setting>);

impl GateMiddleware {
    /// A middleware that asks this gate.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        Self(Arc::new(Setting::new(gate)))
    }
}
