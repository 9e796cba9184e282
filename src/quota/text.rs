//! The text form of a quota: `100/min burst 20`.
//!
//! ```text
//! quota  = count "/" period [ "burst" count ]
//! period = [ integer ] unit
//! unit   = ns | us | ms | s | sec | second | m | min | minute | h | hour | d | day   (or a plural)
//! ```
//! Blanks between the parts are free; `_` may group the digits of a number.

use core::{fmt, str::FromStr};

use super::{DAY, HOUR, MINUTE, Quota};
use crate::{
    error::{QuotaParseError, QuotaTextProblem},
    time::NANOS_PER_SEC,
};

impl FromStr for Quota {
    type Err = QuotaParseError;

    fn from_str(text: &str) -> Result<Self, QuotaParseError> {
        Reader { text, at: 0 }.quota()
    }
}

/// The canonical text: parsing it gives the same quota again.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (many, unit) = UNITS
            .iter()
            .find_map(|(nanos, name)| {
                let many = self.period_nanos.checked_div(*nanos)?;
                (self.period_nanos.checked_rem(*nanos) == Some(0)).then_some((many, *name))
            })
            .unwrap_or((self.period_nanos, "ns"));
        write!(f, "{}/", self.count)?;
        if many != 1 {
            write!(f, "{many}")?;
        }
        f.write_str(unit)?;
        if self.burst != self.count {
            write!(f, " burst {}", self.burst)?;
        }
        Ok(())
    }
}

/// The unit names that `Display` writes, longest first.
const UNITS: [(u64, &str); 7] = [
    (DAY, "day"),
    (HOUR, "hour"),
    (MINUTE, "min"),
    (NANOS_PER_SEC, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
];

/// The length of a unit of time.
pub(crate) fn unit_nanos(name: &str) -> Option<u64> {
    Some(match name {
        "d" | "day" | "days" => DAY,
        "h" | "hour" | "hours" => HOUR,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "s" | "sec" | "secs" | "second" | "seconds" => NANOS_PER_SEC,
        "ms" => 1_000_000,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ns" => 1,
        _ => return None,
    })
}

struct Reader<'a> {
    text: &'a str,
    /// A byte position on a character boundary.
    at: usize,
}

impl<'a> Reader<'a> {
    fn quota(mut self) -> Result<Quota, QuotaParseError> {
        self.skip_blanks();
        let count = self.count(QuotaTextProblem::ExpectedCount)?;
        self.skip_blanks();
        if !self.rest().starts_with('/') {
            return Err(self.error(self.at, QuotaTextProblem::ExpectedSlash));
        }
        self.at = self.at.saturating_add(1);
        self.skip_blanks();
        let period = self.period()?;
        self.skip_blanks();
        let burst = self.burst()?;
        self.skip_blanks();
        if !self.rest().is_empty() {
            return Err(self.error(self.at, QuotaTextProblem::TrailingText));
        }
        let quota = Quota::from_nanos(count, period.nanos)
            .map_err(|error| self.error(period.at, QuotaTextProblem::Unrepresentable(error)))?;
        Ok(quota.burst(burst.unwrap_or(count)))
    }

    fn period(&mut self) -> Result<Period, QuotaParseError> {
        let at = self.at;
        let many = if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            self.number(QuotaTextProblem::ExpectedPeriod)?
        } else {
            1
        };
        self.skip_blanks();
        let unit_at = self.at;
        let unit = self.take_while(char::is_alphabetic);
        let Some(unit) = unit_nanos(unit) else {
            return Err(self.error(unit_at, QuotaTextProblem::UnknownUnit));
        };
        let Some(nanos) = many.checked_mul(unit) else {
            return Err(self.error(at, QuotaTextProblem::NumberTooLarge));
        };
        Ok(Period { nanos, at })
    }

    fn burst(&mut self) -> Result<Option<u32>, QuotaParseError> {
        let at = self.at;
        match self.take_while(char::is_alphabetic) {
            "" => Ok(None),
            "burst" => {
                self.skip_blanks();
                self.count(QuotaTextProblem::ExpectedBurst).map(Some)
            }
            _ => Err(self.error(at, QuotaTextProblem::TrailingText)),
        }
    }

    fn count(&mut self, expected: QuotaTextProblem) -> Result<u32, QuotaParseError> {
        let at = self.at;
        let number = self.number(expected)?;
        u32::try_from(number).map_err(|_| self.error(at, QuotaTextProblem::NumberTooLarge))
    }

    fn number(&mut self, expected: QuotaTextProblem) -> Result<u64, QuotaParseError> {
        let at = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '_');
        if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('_') {
            return Err(self.error(at, expected));
        }
        digits
            .bytes()
            .filter(u8::is_ascii_digit)
            .try_fold(0_u64, |sum, digit| {
                sum.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
            })
            .ok_or_else(|| self.error(at, QuotaTextProblem::NumberTooLarge))
    }

    fn skip_blanks(&mut self) {
        self.take_while(|c| c == ' ' || c == '\t');
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(end);
        rest.get(..end).unwrap_or_default()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, at: usize, problem: QuotaTextProblem) -> QuotaParseError {
        QuotaParseError::new(self.text, at, problem)
    }
}

struct Period {
    nanos: u64,
    at: usize,
}

#[cfg(feature = "serde")]
mod serde_text {
    use alloc::string::{String, ToString};

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::Quota;

    impl Serialize for Quota {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Quota {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            text.parse()
                .map_err(|error: super::QuotaParseError| de::Error::custom(error.to_string()))
        }
    }
}
