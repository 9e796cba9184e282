//! What responses say: to who is refused, and to who passes. The same for every framework and for both
//! versions of the `http` crate, so here are only names and bytes.

mod problem;
mod texts;

use bytes::Bytes;

pub(super) use self::texts::Texts;
use super::setting::Setting;
use crate::verdict::{Admission, Denial};

/// The response to a refused request.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) lines: Lines,
    pub(super) body: Bytes,
}

/// How the client talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect<'a> {
    Http,
    /// gRPC, in requests of this content type.
    Grpc(&'a [u8]),
}

/// Fields of a response, with their values.
#[derive(Debug, Default)]
pub(super) struct Lines([Option<(Field, Bytes)>; MOST]);

const MOST: usize = 8;

/// The fields that responses may have from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    ContentType,
    CacheControl,
    RetryAfter,
    Policy,
    Limit,
    LegacyLimit,
    LegacyRemaining,
    LegacyReset,
    GrpcStatus,
    GrpcMessage,
    GrpcDetails,
    GrpcPushback,
}

impl<'a> Dialect<'a> {
    /// By the request's content type.
    pub(super) fn of(content_type: Option<&'a [u8]>) -> Self {
        match content_type {
            Some(it) if it.starts_with(b"application/grpc") => Self::Grpc(it),
            _ => Self::Http,
        }
    }
}

impl Refusal {
    pub(super) fn of(denial: &Denial, dialect: Dialect<'_>, setting: &Setting) -> Self {
        let _ = (dialect, setting.fields);
        let mut lines = Lines::of_denial(denial, setting);
        lines.add(Field::ContentType, Bytes::from_static(b"application/problem+json"));
        Self { status: denial.status(), lines, body: problem::problem(denial) }
    }
}

impl Refusal {
    /// Without what only a gate's texts can tell, where the gate that denies is not known.
    #[cfg(feature = "actix")]
    pub(super) fn bare(denial: &Denial) -> Self {
        let mut lines = Lines::bare(denial);
        lines.add(Field::ContentType, Bytes::from_static(b"application/problem+json"));
        Self { status: denial.status(), lines, body: problem::problem(denial) }
    }
}

impl Field {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ContentType => "content-type",
            Self::CacheControl => "cache-control",
            Self::RetryAfter => "retry-after",
            Self::Policy => "ratelimit-policy",
            Self::Limit => "ratelimit",
            Self::LegacyLimit => "x-ratelimit-limit",
            Self::LegacyRemaining => "x-ratelimit-remaining",
            Self::LegacyReset => "x-ratelimit-reset",
            Self::GrpcStatus => "grpc-status",
            Self::GrpcMessage => "grpc-message",
            Self::GrpcDetails => "grpc-status-details-bin",
            Self::GrpcPushback => "grpc-retry-pushback-ms",
        }
    }
}

impl Lines {
    /// What a refusal says of the limit, the wait and of being kept, however the rest of it is made.
    pub(super) fn of_denial(denial: &Denial, _: &Setting) -> Self {
        Self::bare(denial)
    }

    fn bare(denial: &Denial) -> Self {
        let mut lines = Self::default();
        lines.add(Field::CacheControl, Bytes::from_static(b"no-store"));
        if let Some(wait) = denial.retry_after() {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            lines.add(Field::RetryAfter, alloc::format!("{seconds}").into());
        }
        lines
    }

    /// What a response that passes says of its strictest limit.
    pub(super) fn of_admission(_: &Admission, _: &Setting) -> Self {
        Self::default()
    }

    fn add(&mut self, field: Field, value: Bytes) {
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some((field, value));
        }
    }
}

impl IntoIterator for Lines {
    type Item = (Field, Bytes);
    type IntoIter = core::iter::Flatten<core::array::IntoIter<Option<(Field, Bytes)>, MOST>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

#[cfg(all(test, feature = "tower"))]
mod tests;
