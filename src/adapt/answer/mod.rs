//! What responses say: to who is refused, and to who passes. The same for every framework and for both
//! versions of the `http` crate, so here are only names and bytes.
//!
//! | part | idea |
//! |---|---|
//! | `texts` | what is said of each limit, made ahead |
//! | `numbers` | quotas and standings as the numbers of fields |
//! | `cause` | what a refusal comes of, as far as its sender may know |
//! | `problem`, `grpc` | a refusal as JSON, and as gRPC has it |
//! | `digits`, `escape` | numbers and texts as they are written |
//!
//! # Invariants
//! - **I1** `Retry-After`, `t` and `X-RateLimit-Reset` are the same number, rounded up to a second, and never 0;
//!   they are left out where waiting does not help;
//! - **I2** every refusal says that it is not to be stored;
//! - **I3** nothing is said of rules, and nothing that the client has sent but its content type, if that is
//!   one of gRPC.

mod cause;
mod digits;
mod escape;
mod grpc;
mod numbers;
mod problem;
mod texts;

use core::time::Duration;

use bytes::Bytes;

pub(super) use self::texts::Texts;
use self::{cause::Cause, digits::Digits, numbers::Left, texts::LimitText};
use super::{
    fields::{LimitFields, Reset},
    setting::Setting,
};
use crate::{
    gate::Bound,
    verdict::{Admission, Denial, DenialReason, Standing},
};

/// The response to a refused request.
#[derive(Debug)]
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

/// What a refusal in gRPC has at most.
const MOST: usize = 12;

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
            Some(it) if grpc::is_grpc(it) => Self::Grpc(it),
            _ => Self::Http,
        }
    }
}

impl Refusal {
    pub(super) fn of(denial: &Denial, dialect: Dialect<'_>, setting: &Setting) -> Self {
        setting.texts.tell(&setting.gate, denial.limit(), |text| {
            Self::made(denial, dialect, setting.fields, text)
        })
    }

    /// A refusal that says nothing of limits but the name of the one that is used up.
    pub(super) fn plain(denial: &Denial) -> Self {
        Self::made(denial, Dialect::Http, LimitFields::none(), None)
    }

    fn made(
        denial: &Denial,
        dialect: Dialect<'_>,
        fields: LimitFields,
        text: Option<&LimitText>,
    ) -> Self {
        let mut lines = Lines::default();
        lines.deny(denial, fields, text);
        let cause = Cause::of(denial);
        match dialect {
            Dialect::Http => {
                lines.add(Field::ContentType, Bytes::from_static(b"application/problem+json"));
                let body = problem::problem(denial, cause, text);
                Self { status: denial.status(), lines, body }
            }
            Dialect::Grpc(content_type) => {
                grpc::add(&mut lines, denial, cause, text, content_type);
                Self { status: 200, lines, body: Bytes::new() }
            }
        }
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
    pub(super) fn of_denial(denial: &Denial, setting: &Setting) -> Self {
        let mut lines = Self::default();
        setting.texts.tell(&setting.gate, denial.limit(), |text| {
            lines.deny(denial, setting.fields, text);
        });
        lines
    }

    /// What a response that passes says of its strictest limit.
    pub(super) fn of_admission(admission: &Admission, setting: &Setting) -> Self {
        let mut lines = Self::default();
        let strictest = admission.strictest().filter(|_| setting.fields.on_admission());
        if let Some(strictest) = strictest {
            setting.texts.tell(&setting.gate, Some(strictest.limit), |text| {
                if let Some(text) = text {
                    lines.admit(strictest.decision.standing(), setting.fields, text);
                }
            });
        }
        lines
    }

    #[cfg(feature = "tower")]
    pub(super) fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }

    fn deny(&mut self, denial: &Denial, fields: LimitFields, text: Option<&LimitText>) {
        self.add(Field::CacheControl, Bytes::from_static(b"no-store"));
        let wait = denial.retry_after().map(numbers::seconds);
        if let Some(seconds) = wait {
            self.add(Field::RetryAfter, written(seconds));
        }
        let is_used_up = matches!(
            denial.reason(),
            DenialReason::Limit | DenialReason::Concurrency | DenialReason::Banned
        );
        if let Some(text) = text.filter(|_| is_used_up && fields.on_denial()) {
            self.tell(fields, text, 0, wait);
        }
    }

    fn admit(&mut self, standing: Standing, fields: LimitFields, text: &LimitText) {
        let Left { units, seconds } = match text.bound {
            Bound::Quota(quota) => Left::of(quota, standing.remaining(), standing.reset_after()),
            // How long others go on is not known.
            Bound::InFlight(_) => Left { units: standing.remaining().into(), seconds: None },
        };
        self.tell(fields, text, units, seconds);
    }

    /// So many units are left of this limit, and there are more in so many seconds.
    fn tell(&mut self, fields: LimitFields, text: &LimitText, left: u64, wait: Option<u64>) {
        let left = Digits::of(left);
        if fields.has_standard() {
            let limit = match wait.map(Digits::of) {
                Some(wait) => [&*text.left, left.as_bytes(), b";t=", wait.as_bytes()].concat(),
                None => [&*text.left, left.as_bytes()].concat(),
            };
            self.add(Field::Policy, Bytes::clone(&text.policy));
            self.add(Field::Limit, limit.into());
        }
        if let Some(reset) = fields.has_legacy() {
            self.add(Field::LegacyLimit, Bytes::clone(&text.most));
            self.add(Field::LegacyRemaining, Bytes::copy_from_slice(left.as_bytes()));
            if let Some(wait) = wait {
                let reset = match reset {
                    Reset::Delta => wait,
                    Reset::Epoch => after(since_1970(), wait),
                };
                self.add(Field::LegacyReset, written(reset));
            }
        }
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

fn written(number: u64) -> Bytes {
    Bytes::copy_from_slice(Digits::of(number).as_bytes())
}

/// The second that begins no earlier than this wait ends.
fn after(now: Duration, wait: u64) -> u64 {
    numbers::seconds(now).saturating_add(wait).min(digits::MOST)
}

/// The time of day, which only `X-RateLimit-Reset` asks for.
#[allow(clippy::disallowed_methods, reason = "an adapter knows what time clients have")]
fn since_1970() -> Duration {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default()
}

#[cfg(all(test, feature = "tower"))]
mod tests;
#[cfg(all(test, feature = "tower"))]
mod tests_grpc;
#[cfg(all(test, feature = "tower"))]
mod tests_problems;
