//! Quotas, and texts that are none.

use alloc::string::String;
use core::fmt;

use super::snippet;

/// Why a quota cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// The period is zero.
    #[error("the period of a quota is zero; it must be at least 1 ns")]
    ZeroPeriod,
    /// The period is longer than [`Quota::LONGEST_PERIOD`](crate::Quota::LONGEST_PERIOD).
    #[error(
        "the period of a quota is longer than 100 years; use a shorter one, or a count of 0 to let nothing pass"
    )]
    PeriodTooLong,
    /// The rate is higher than [`Quota::HIGHEST_RATE`](crate::Quota::HIGHEST_RATE) a second.
    #[error(
        "{count} per {period_nanos} ns is more than {max} a second, the highest rate of a quota; use a lower count or a longer period",
        max = u32::MAX
    )]
    TooFast {
        /// The count that was asked for.
        count: u32,
        /// The period that was asked for, in nanoseconds.
        period_nanos: u64,
    },
}

/// Why a text is not a quota: what was wrong, where, and what would be right.
///
/// # Example: what a user sees
/// ```
/// use portcullis::Quota;
///
/// let error = "100/fortnight".parse::<Quota>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "quota \"100/fortnight\", column 5: unknown unit of time; \
///      use ns, us, ms, s, min, hour or day, as in \"100/min burst 20\""
/// );
/// assert_eq!(error.column(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("quota {snippet:?}, column {column}: {problem}, as in \"100/min burst 20\"")]
pub struct QuotaParseError {
    snippet: String,
    column: usize,
    problem: QuotaTextProblem,
}

impl QuotaParseError {
    pub(crate) fn new(text: &str, at: usize, problem: QuotaTextProblem) -> Self {
        let column = text.get(..at).unwrap_or_default().chars().count().saturating_add(1);
        Self { snippet: snippet(text), column, problem }
    }

    /// Where the problem is: a column, counted in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// What the problem is, without the text.
    #[cfg(feature = "config")]
    pub(crate) fn problem(&self) -> &QuotaTextProblem {
        &self.problem
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QuotaTextProblem {
    ExpectedCount,
    ExpectedSlash,
    ExpectedPeriod,
    ExpectedBurst,
    UnknownUnit,
    NumberTooLarge,
    TrailingText,
    Unrepresentable(QuotaError),
}

impl fmt::Display for QuotaTextProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExpectedCount => "expected a count, a whole number from 0 to 4294967295",
            Self::ExpectedSlash => "expected \"/\" between the count and the period",
            Self::ExpectedPeriod => "expected a period, a unit of time with or without a number",
            Self::ExpectedBurst => "expected a number from 0 to 4294967295 after \"burst\"",
            Self::UnknownUnit => "unknown unit of time; use ns, us, ms, s, min, hour or day",
            Self::NumberTooLarge => {
                "the number is too large; counts and bursts go up to 4294967295, periods to 100 years"
            }
            Self::TrailingText => "unexpected text; after the period only \"burst\" and a number may follow",
            Self::Unrepresentable(error) => return error.fmt(f),
        })
    }
}
