//! What responses say of limits.

/// Which fields of responses tell clients about limits.
///
/// `Retry-After` is not one of them: a denial for which waiting helps always has it.
///
/// # Example: on all responses, in both spellings
/// ```
/// use portcullis::{LimitFields, Reset};
///
/// let fields = LimitFields::on_all().legacy(Reset::Delta);
/// # let _ = fields;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitFields {
    on: On,
    standard: bool,
    legacy: Option<Reset>,
}

/// On which responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    None,
    Denials,
    All,
}

/// What the legacy `X-RateLimit-Reset` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// Seconds since 1970, as GitHub has it.
    Epoch,
    /// Seconds from now.
    Delta,
}

impl LimitFields {
    /// No response has any.
    #[must_use]
    pub const fn none() -> Self {
        Self { on: On::None, standard: true, legacy: None }
    }

    /// Refusals have `RateLimit-Policy` and `RateLimit`, as
    /// draft-ietf-httpapi-ratelimit-headers-11 says. The default.
    #[must_use]
    pub const fn on_denials() -> Self {
        Self { on: On::Denials, ..Self::none() }
    }

    /// All responses have them, and tell the client where it stands with its strictest limit.
    #[must_use]
    pub const fn on_all() -> Self {
        Self { on: On::All, ..Self::none() }
    }

    /// With `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` as well.
    #[must_use]
    pub const fn legacy(self, reset: Reset) -> Self {
        Self { legacy: Some(reset), ..self }
    }

    /// With these only.
    #[must_use]
    pub const fn legacy_only(self, reset: Reset) -> Self {
        Self { standard: false, legacy: Some(reset), ..self }
    }

    pub(super) const fn on_denial(self) -> bool {
        matches!(self.on, On::Denials | On::All)
    }

    pub(super) const fn on_admission(self) -> bool {
        matches!(self.on, On::All)
    }

    pub(super) const fn has_standard(self) -> bool {
        self.standard
    }

    pub(super) const fn has_legacy(self) -> Option<Reset> {
        self.legacy
    }
}

impl Default for LimitFields {
    fn default() -> Self {
        Self::on_denials()
    }
}
