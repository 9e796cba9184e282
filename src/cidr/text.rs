//! From a whole text to a set: strictly, or with what is wrong set aside.
//!
//! Both ways read the same lines. Strictly, one refused line refuses the text; leniently, it is left out
//! and told. What could mean two things is refused in both: it is never guessed.
//!
//! Invariants, each with a test that cites it:
//! - **T1** a lenient reading has exactly the lines that a strict one accepts, and tells exactly those
//!   that it refuses; where a strict one accepts the text, both are equal;
//! - **T2** the memory for reading is bounded by the different ranges of a text, whatever its length.

use core::{fmt, str::FromStr};

use super::{
    CidrSet,
    error::{CidrLineError, CidrParseError},
    list::{Columns, Reader},
    set::Builder,
};

impl FromStr for CidrSet {
    type Err = CidrParseError;

    fn from_str(text: &str) -> Result<Self, CidrParseError> {
        let mut read = Builder::frugal();
        let mut errors = CidrParseError::default();
        for line in Reader::new(text, Columns::Ignored) {
            match line {
                Ok(line) if errors.total() == 0 => read.push(line.span),
                Ok(_) => {}
                Err(refused) => {
                    read = Builder::frugal();
                    errors.push(refused);
                }
            }
        }
        if errors.total() > 0 { Err(errors) } else { Ok(read.build()) }
    }
}

impl CidrSet {
    /// Reads a list text, leaves out each line that is wrong, and tells which.
    ///
    /// A line is wrong if [`parse`](str::parse) would refuse a text for it: see
    /// [the text form](Self#the-text-form). Nothing is guessed: `010.0.0.0/8`, `10.1.2.3/8` or a
    /// netmask is left out and told, not read as one of the things that it could mean.
    ///
    /// # When it is right
    /// For a feed that others make and that is fetched while the service runs: one broken line must
    /// neither stop the service nor keep yesterday's list in place. Log or count what was skipped, and
    /// refuse the feed if that is much of it: a page with an error message is a list of skipped lines.
    ///
    /// It is wrong for a list of your own, and for a list of who is let in: there a line that is left
    /// out is a mistake that somebody must see before it is in use. Use [`parse`](str::parse).
    ///
    /// # Cost
    /// As of [`parse`](str::parse), and at most [`CidrSkipped::SHOWN`] short snippets.
    ///
    /// # Example: a feed with a broken line
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let feed = "192.0.2.0/24\n010.0.0.0/8\n198.51.100.7\n<html>\n";
    /// let (blocked, skipped) = CidrSet::from_text_lenient(feed);
    ///
    /// assert_eq!(blocked.to_string(), "192.0.2.0/24\n198.51.100.7/32");
    /// assert_eq!(skipped.total(), 2);
    /// assert_eq!(skipped.lines()[0].line(), 2);
    /// assert!(skipped.to_string().starts_with("line 2, column 1: \"010.0.0.0/8\": an octet with"));
    /// // Few enough to go on with the rest?
    /// assert!(skipped.total() * 10 > feed.lines().count());
    /// ```
    #[must_use = "the second part tells which lines are not in the set"]
    pub fn from_text_lenient(text: &str) -> (Self, CidrSkipped) {
        let mut read = Builder::frugal();
        let mut skipped = CidrParseError::default();
        for line in Reader::new(text, Columns::Ignored) {
            match line {
                Ok(line) => read.push(line.span),
                Err(refused) => skipped.push(refused),
            }
        }
        (read.build(), CidrSkipped(skipped))
    }
}

/// The lines that a lenient reading left out, all counted, the first of them told.
///
/// `Display` writes one line for each, and nothing if nothing was skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "these lines are not in the set"]
pub struct CidrSkipped(CidrParseError);

impl CidrSkipped {
    /// The most lines that are kept; further ones are only counted.
    pub const SHOWN: usize = CidrParseError::SHOWN;

    /// Whether every line was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.total() == 0
    }

    /// How many lines were skipped, also those that are not kept.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.total()
    }

    /// The first skipped lines in the order of the text, at most [`SHOWN`](Self::SHOWN).
    #[must_use]
    pub fn lines(&self) -> &[CidrLineError] {
        self.0.errors()
    }

    /// What a strict reading of the same text says.
    ///
    /// # Errors
    /// All that was skipped, if anything was.
    pub fn into_result(self) -> Result<(), CidrParseError> {
        if self.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

impl fmt::Display for CidrSkipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
