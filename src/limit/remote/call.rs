//! What is sent to the store, and what comes back.

use alloc::{format, string::String, sync::Arc, vec::Vec};

use super::limit::{Claim, FleetLimit};
#[cfg(any(test, feature = "__reference"))]
use super::subject::Subject;

/// One call of the [script](super::SCRIPT): some limits of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    keys: Vec<String>,
    args: Vec<String>,
    bounds: Vec<Bounds>,
}

/// What a reply can say of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    least: u32,
    burst: u32,
    /// Microseconds.
    longest: u64,
}

/// Why a store gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It took too long.
    #[error("the store did not answer in time")]
    Timeout,
    /// There is no connection to it.
    #[error("the store cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// It answers that it cannot: it has no memory left, is read-only, is loading.
    #[error("the store refuses: {0}")]
    Refused(Arc<str>),
    /// Something else is kept under this key.
    #[error("something else is kept under a limit's key: {0}")]
    WrongType(Arc<str>),
    /// Its answer is not one of the script's.
    #[error("the store's answer cannot be understood")]
    Malformed,
}

/// What the store says of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) granted: u32,
    pub(super) remaining: u32,
    /// Microseconds to wait for the least that was asked for; 0 if it was granted, `None` if never.
    pub(super) retry: Option<u64>,
    /// Microseconds until the bucket is full.
    pub(super) full: u64,
}

/// Numbers of each key in a reply.
const WIDTH: usize = 4;

impl Call {
    /// The names of the keys, all of which a cluster keeps in the same place.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.keys.iter().map(String::as_bytes)
    }

    /// The other arguments of the script.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.args.iter().map(String::as_bytes)
    }

    /// The same with this time in microseconds instead of the store's: for tests that know what time it is.
    #[doc(hidden)]
    #[must_use]
    pub fn at_micros(mut self, now: u64) -> Self {
        if let Some(first) = self.args.first_mut() {
            *first = format!("{now}");
        }
        self
    }

    /// A call of these limits of a subject, each with the least and the most that is asked for: for tests.
    #[cfg(any(test, feature = "__reference"))]
    #[doc(hidden)]
    #[must_use]
    pub fn of(prefix: &str, subject: Subject, asked: &[(FleetLimit, u32, u32)]) -> Self {
        let claims: Vec<_> = asked
            .iter()
            .map(|(limit, least, most)| (Claim::new(limit, subject, *least), *most))
            .collect();
        Self::new(prefix, &claims)
    }

    /// All these claims are of one subject; each with the most that is asked for.
    pub(super) fn new(prefix: &str, claims: &[(Claim<'_>, u32)]) -> Self {
        let keys = claims.iter().map(|(claim, _)| key(prefix, claim)).collect();
        let mut args = Vec::with_capacity(claims.len().saturating_mul(5).saturating_add(1));
        args.push(String::new());
        for (Claim { limit: FleetLimit(limit), units, .. }, most) in claims {
            let rate = limit.rate;
            let numbers = [rate.n, rate.p, rate.burst.into(), (*units).into(), (*most).into()];
            args.extend(numbers.iter().map(|number| format!("{number}")));
        }
        let bounds = |(claim, _): &(Claim<'_>, u32)| Bounds {
            least: claim.units,
            burst: claim.limit.0.rate.burst,
            longest: claim.limit.0.rate.longest(),
        };
        Self { keys, args, bounds: claims.iter().map(bounds).collect() }
    }

    /// What this reply says of each key, if it can be one: all of what was asked for is granted, and no more than a
    /// burst, or nothing is and somebody has to wait; and no longer than an empty bucket takes to fill.
    pub(super) fn read(&self, reply: &[i64]) -> Result<Vec<Reply>, StoreError> {
        let is_whole = reply.len() == self.bounds.len().saturating_mul(WIDTH);
        let replies: Option<Vec<_>> = reply.chunks_exact(WIDTH).map(Reply::of).collect();
        let replies = replies.filter(|_| is_whole).ok_or(StoreError::Malformed)?;
        let is_granted = replies.iter().all(|reply| reply.retry == Some(0));
        let mut pairs = replies.iter().zip(&self.bounds);
        let fits = pairs.all(|(reply, Bounds { least, burst, longest })| {
            let granted = if is_granted { *least..=*burst } else { 0..=0 };
            let is_known = reply.full <= *longest && reply.retry.unwrap_or(0) <= *longest;
            granted.contains(&reply.granted) && reply.remaining <= *burst && is_known
        });
        if fits { Ok(replies) } else { Err(StoreError::Malformed) }
    }
}

impl Reply {
    fn of(numbers: &[i64]) -> Option<Self> {
        let &[granted, remaining, retry, full] = numbers else { return None };
        Some(Self {
            granted: u32::try_from(granted).ok()?,
            remaining: u32::try_from(remaining).ok()?,
            retry: if retry == -1 { None } else { Some(u64::try_from(retry).ok()?) },
            full: u64::try_from(full).ok()?,
        })
    }
}

/// `PREFIX:pc1:{SUBJECT}:N-P-BURST:NAME`: the braces are what a cluster looks at. The quota is a part of it: nodes that
/// differ about it, while a deployment is on its way, would mend each other's buckets.
fn key(prefix: &str, claim: &Claim<'_>) -> String {
    let colon = if prefix.is_empty() { "" } else { ":" };
    let super::rate::Rate { n, p, burst } = claim.limit.0.rate;
    format!("{prefix}{colon}pc1:{{{}}}:{n}-{p}-{burst}:{}", claim.subject, claim.limit.name())
}
