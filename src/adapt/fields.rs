//! Which fields of responses tell clients about limits, and what these say.

/// Which fields of responses tell clients about limits.
///
/// The fields are those of draft-ietf-httpapi-ratelimit-headers, revision 11 of May 2026, with values that are
/// structured fields (RFC 9651). That is not a standard yet, and what is said will follow it.
///
/// ```text
/// RateLimit-Policy: "per client";q=20;w=12
/// RateLimit: "per client";r=14;t=9
/// ```
///
/// | | of a quota, such as `100/min burst 20` | of requests in flight |
/// |---|---|---|
/// | `q` | the units of a window: the burst | the most at a time, with `qu="concurrent-requests"` |
/// | `w` | the seconds in which they come back | |
/// | `r` | the units that are left; 0 if the request is refused | the same |
/// | `t` | in how many seconds there are more, see below | 1: nobody can know |
///
/// - **`q` and `w` are the rate.** Windows are whole seconds: where the burst comes back in a fraction of
///   them, `w` is rounded up, and `q` is what comes back in that time. `10/500ms` is `q=20;w=1`. A quota of
///   zero is `q=0` without `w`.
/// - **`t` is safe to believe.** If the request passes, it is the time until all units are back, or that in
///   which `r` units come back, whichever is longer; so `r / t` is never more than the rate, and who
///   spreads `r` requests over `t` seconds, again and again, does not run out of them. If it is refused, it
///   is the wait. It is rounded up to a second, never 0, and left out where waiting does not help: a quota
///   of zero, or a request that costs more than the burst.
/// - **`Retry-After` is the same number** on a refusal, for clients that do not know the others. It does
///   not depend on this setting: a denial for which waiting helps always has it.
/// - **One limit is told**, the one that refuses the request, or else the strictest of those that it has
///   passed. The draft lets servers leave out the others, which are further from being used up; and as they
///   come closer, they are the strictest. So a response is short however many limits a gate has, and tells
///   nothing of those that a client shares with others as long as its own are stricter.
/// - **A limit of requests in flight is told on refusals only**: who passes knows its quotas.
/// - **Denials without a limit have no fields**: what rules and lists deny, and what lacks a key.
///
/// Names are those of the gate's limits. A field that the service has set itself is not touched.
///
/// # Cost
/// Names and quotas are written when an adapter is made, and when the gate's limits change; a response adds
/// digits.
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

/// What the legacy `X-RateLimit-Reset` is: services differ, and clients can only know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// Seconds since 1970 by the system's clock, as GitHub has it.
    Epoch,
    /// Seconds from now, as in `t`.
    Delta,
}

impl LimitFields {
    /// No response has any.
    #[must_use]
    pub const fn none() -> Self {
        Self { on: On::None, standard: true, legacy: None }
    }

    /// Refusals have `RateLimit-Policy` and `RateLimit`. The default.
    #[must_use]
    pub const fn on_denials() -> Self {
        Self { on: On::Denials, ..Self::none() }
    }

    /// All responses have them, and tell the client where it stands with its strictest limit.
    #[must_use]
    pub const fn on_all() -> Self {
        Self { on: On::All, ..Self::none() }
    }

    /// With `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` as well: the burst (or the
    /// most at a time), `r`, and when `t` is over.
    #[must_use]
    pub const fn legacy(self, reset: Reset) -> Self {
        Self { legacy: Some(reset), ..self }
    }

    /// With these instead.
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
