//! Errors exist only where something is built or parsed; traffic never meets one.
//!
//! Each says what was wrong, where, and what would be right.

#[cfg(feature = "std")]
mod build;
mod limit;
mod quota;
#[cfg(all(feature = "std", feature = "serde"))]
mod snapshot;

use alloc::string::String;

pub(crate) use self::quota::QuotaTextProblem;
#[cfg(all(feature = "std", feature = "serde"))]
pub use self::snapshot::{RestoreError, SnapshotError};
#[cfg(feature = "std")]
pub use self::{
    build::{BuildError, BuildProblem},
    limit::{AddressLimiterError, ChangeError, KeyQuotaError, KeyedLimiterError},
};
pub use self::{
    limit::WindowError,
    quota::{QuotaError, QuotaParseError},
};

/// The start of a text, short enough to quote and free of control characters.
pub(crate) fn snippet(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut snippet: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        snippet.push('…');
    }
    snippet
}
