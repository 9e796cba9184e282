//! Why a text is not an address, a prefix or a list of them.

use alloc::{string::String, vec::Vec};
use core::fmt;

use ipnet::IpNet;

use crate::error::snippet;

/// Why a list text was refused: all that is wrong in it, line by line.
///
/// `Display` writes one problem a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CidrParseError {
    errors: Vec<CidrLineError>,
    total: usize,
}

impl CidrParseError {
    /// The most problems that are kept; further ones are only counted.
    pub const SHOWN: usize = 100;

    /// Counts a problem, and tells it only if it is kept: to quote each line of a hostile text would
    /// cost more than to read it.
    pub(super) fn push(&mut self, error: impl Into<CidrLineError>) {
        self.total = self.total.saturating_add(1);
        if self.errors.len() < Self::SHOWN {
            self.errors.push(error.into());
        }
    }

    /// The first problems in the order of the text, at most [`SHOWN`](Self::SHOWN).
    #[must_use]
    pub fn errors(&self) -> &[CidrLineError] {
        &self.errors
    }

    /// How many lines have a problem, also those that are not kept.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }
}

impl fmt::Display for CidrParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        match self.total.saturating_sub(self.errors.len()) {
            0 => Ok(()),
            1 => f.write_str("\nand 1 more line"),
            more => write!(f, "\nand {more} more lines"),
        }
    }
}

impl core::error::Error for CidrParseError {}

/// What is wrong in one line of a list text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {snippet:?}: {problem}")]
pub struct CidrLineError {
    line: usize,
    column: usize,
    snippet: String,
    problem: CidrProblem,
}

impl CidrLineError {
    /// `before` is the part of the line before the entry.
    pub(super) fn new(line: usize, before: &str, entry: CidrEntryError) -> Self {
        let column = entry.column.saturating_add(before.chars().count());
        Self { line, column, snippet: entry.snippet, problem: entry.problem }
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Where in the line the problem is, counted in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The entry, cut to 60 characters.
    #[must_use]
    pub fn snippet(&self) -> &str {
        &self.snippet
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &CidrProblem {
        &self.problem
    }
}

/// Why a text is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prefix {snippet:?}, column {column}: {problem}")]
pub struct CidrEntryError {
    column: usize,
    snippet: String,
    problem: CidrProblem,
}

impl CidrEntryError {
    /// `at` is the byte of `text` where the problem is.
    pub(super) fn new(text: &str, at: usize, problem: CidrProblem) -> Self {
        let column = text.get(..at).unwrap_or_default().chars().count().saturating_add(1);
        Self { column, snippet: snippet(text), problem }
    }

    /// Where the problem is, counted in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The text, cut to 60 characters.
    #[must_use]
    pub fn snippet(&self) -> &str {
        &self.snippet
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &CidrProblem {
        &self.problem
    }
}

/// What is wrong with an entry, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidrProblem {
    /// There is no entry where one must be.
    #[error("nothing here; write an address such as 192.0.2.1 or a prefix such as 192.0.2.0/24")]
    Empty,
    /// A character that no entry has: a blank, a control character, or one outside ASCII.
    #[error("unexpected character U+{:04X}; an entry has only digits, letters a to f, \".\", \":\" and \"/\"", u32::from(*.0))]
    Character(char),
    /// A line break other than LF and CRLF, which would hide what follows it.
    #[error("line break U+{:04X}; end lines with LF or CRLF", u32::from(*.0))]
    LineBreak(char),
    /// Not an address in any way.
    #[error(
        "not an IP address; write one such as 192.0.2.1 or 2001:db8::1, and \"#\" before a remark"
    )]
    NotAnAddress,
    /// A remark that starts as in another format, with `!` or `//`. A reader that skipped what it does
    /// not know would lose a whole list to such a sign.
    #[error("not a remark here; write \"#\" or \";\" before remarks")]
    RemarkSign,
    /// An entry after other text, as in `add blocked 192.0.2.0/24` or `name:192.0.2.1-192.0.2.9`.
    #[error("an entry after other text; write it first in its line, and all else after a blank")]
    EntryNotFirst,
    /// An octet such as `010`.
    #[error("an octet with a leading zero, which some programs read as octal{}", Meant(*meant))]
    LeadingZero {
        /// The entry without the zeros, if that is an entry.
        meant: Option<IpNet>,
    },
    /// An octet above 255.
    #[error("an octet above 255; the four numbers of an IPv4 address go from 0 to 255")]
    OctetTooLarge,
    /// A hexadecimal number such as `0x7f`.
    #[error(
        "a hexadecimal number; write an IPv4 address as four decimal numbers, such as 192.0.2.1"
    )]
    Hexadecimal,
    /// One to three numbers such as `127.1` or `2130706433`.
    #[error("too few numbers; write an IPv4 address as four numbers, such as 192.0.2.1")]
    ShortForm,
    /// An address with a port or in brackets.
    #[error("an address with a port or in brackets; write the address alone")]
    Port,
    /// A zone such as `%eth0`.
    #[error("a zone id, which has a meaning on one machine only; leave out \"%\" and what follows")]
    ZoneId,
    /// A range where a prefix is expected.
    #[error("a range; only a list text takes ranges, write prefixes here")]
    Range,
    /// A prefix that an earlier line of a map has given a value.
    #[error("a prefix that line {line} has a value for; leave out one of the two")]
    Twice {
        /// The earlier line, counted from 1.
        line: usize,
    },
    /// What stands after a prefix is not a value of the map.
    #[error("not a value: {reason}")]
    Value {
        /// What the value's own reading says of it.
        reason: String,
    },
    /// Nothing after the slash.
    #[error("no length after \"/\"; write a number from 0 to {max}, or no \"/\" for one address")]
    LengthMissing {
        /// The longest length of the family.
        max: u8,
    },
    /// Something other than a decimal number after the slash.
    #[error("the length is not a number; write one from 0 to {max} in decimal digits")]
    LengthNotANumber {
        /// The longest length of the family.
        max: u8,
    },
    /// A length such as `08`.
    #[error("a length with a leading zero; write /{meant}")]
    LengthLeadingZero {
        /// The length without the zeros.
        meant: u8,
    },
    /// A length above 32 for IPv4 or above 128 for IPv6.
    #[error("the length is too long; it goes up to {max}")]
    LengthTooLong {
        /// The longest length of the family.
        max: u8,
    },
    /// A netmask such as `/255.0.0.0`.
    #[error("a netmask; write {}", Length(*length))]
    Netmask {
        /// The length that says the same, if there is one.
        length: Option<u8>,
    },
    /// Bits after the length that are not zero.
    #[error("host bits are set; write {network} for the network or {host} for the host")]
    HostBits {
        /// The prefix without the host bits.
        network: IpNet,
        /// The address alone.
        host: IpNet,
    },
    /// An IPv4-mapped address with a length that reaches beyond those.
    #[error("an IPv4-mapped prefix shorter than 96 bits; write an IPv4 prefix{}", Such(*meant))]
    MappedTooShort {
        /// The IPv4 prefix if the length was meant for IPv4.
        meant: Option<IpNet>,
    },
    /// `::ffff:0:0/96`: lists of reserved prefixes have it to keep mapped addresses off a wire, but
    /// here these are the IPv4 addresses.
    #[error(
        "stands for all of IPv4, because IPv4-mapped addresses are IPv4 here; write 0.0.0.0/0 if that is meant, else leave it out"
    )]
    MappedAll,
    /// A range whose ends are prefixes.
    #[error("a range between prefixes; write its first and its last address, without \"/\"")]
    RangeOfPrefixes,
    /// A range from one family to the other.
    #[error("a range from one family to the other; write two ranges, one for each")]
    RangeAcrossFamilies,
    /// A range that ends before it starts.
    #[error("a range that ends before it starts; write the lower address first")]
    RangeReversed,
    /// A length apart from its address.
    #[error("a length apart from its address; write both without blanks, as in 192.0.2.0/24")]
    DetachedLength,
    /// A second address, a netmask or the like in the columns after the entry.
    #[error("a second address in one line; write one entry a line, and \"#\" before a remark")]
    SecondEntry,
}

struct Meant(Option<IpNet>);

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(net) => write!(f, "; write {net} if that is what is meant"),
            None => f.write_str("; write decimal numbers without leading zeros"),
        }
    }
}

struct Such(Option<IpNet>);

impl fmt::Display for Such {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(net) => write!(f, ", {net} if that is what is meant"),
            None => f.write_str(" such as 192.0.2.0/24"),
        }
    }
}

struct Length(Option<u8>);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(length) => write!(f, "/{length}"),
            None => f.write_str("the prefix with its length, as in 192.0.2.0/24"),
        }
    }
}
