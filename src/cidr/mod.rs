//! Address lists: is this address in that list?
//!
//! A block list is only as good as its reading. The usual ways to lose one are a client that comes
//! as `::ffff:192.0.2.1` and is not recognised as `192.0.2.1`, an octet `010` that one program reads
//! as 8 and another as 10, and a line that is skipped because nobody said that it was wrong. So:
//!
//! - **one address has one form.** IPv4-mapped IPv6 is IPv4, in what is asked and in what is listed,
//!   in every spelling. `::ffff:10.0.0.0/104` lists 10.0.0.0/8. In turn, an IPv6 prefix shorter than
//!   96 bits never covers an IPv4 address: "everything" is the two entries `0.0.0.0/0` and `::/0`.
//!   Other forms that carry an IPv4 address (NAT64, 6to4, Teredo, ISATAP) are plain IPv6, unless they
//!   are asked for: [`CidrSet::contains_any_form`];
//! - **reading is strict and complete.** Whatever could mean two things is refused, with its line,
//!   its column and what would be right; all mistakes of a text come at once, and no part of a list
//!   is made from a text with mistakes. See [`CidrSet`'s text form](CidrSet#the-text-form). For the
//!   feeds of others there is a lenient reading, which returns what it left out:
//!   [`CidrSet::from_text_lenient`]; and for tables with more columns, [`lines`](fn@lines);
//! - **two lists are no policy.** Where allowed and denied prefixes meet, an [`AccessList`] is told by
//!   name which of them counts;
//! - **an empty list contains nothing.** What that means, "nobody is blocked" or "nobody is let in",
//!   is for the one who asks.
//!
//! # How
//! A [`CidrSet`] is a set of addresses. All of a family, from the first to the last, are cut into runs
//! that are in the set or out of it, and those are compiled into a table that is asked in a few steps.
//! Nothing else is kept: the runs can be told from the table, so prefixes, other sets and changes are
//! made from it. It is built in bulk: everything given is collected, sorted once and merged once.
//!
//! Invariants, each with a test that cites it:
//! - **I1** the ranges of a set are sorted, do not overlap and do not touch, so equal sets have equal
//!   ranges;
//! - **I2** no IPv6 range holds an IPv4-mapped address: a set has one answer for an IPv4 client;
//! - **I3** an address is in the set if and only if, in its one form, a given prefix contains it;
//! - **I4** [`CidrSet::iter`] is sorted, free of overlaps, as short as possible, and builds an equal set;
//! - **I5** a text that is accepted has an address part that `core::net` accepts, and a length in
//!   canonical decimal; no text makes the parser panic.
//!
//! # Bounds
//! Building takes `O(n log n)` for `n` entries, `O(n)` if they come sorted. A change compiles the part
//! of a table that it touches: make many with one [`CidrSet::apply`] or [`Extend`], not one by one. A
//! look-up allocates nothing. An error keeps at most [`CidrParseError::SHOWN`] lines of at most 60
//! characters, whatever the text.
//!
//! A text is read in linear time, whoever wrote it, and what it lists is then sorted. Reading holds, at
//! its peak and next to the text itself:
//! - for lines that are wrong, and for lines that list the same few addresses over and over: at most
//!   64 KiB, whatever the size of the text;
//! - for lines that all list different addresses: at most 8 times the size of the text for IPv4, and 24
//!   times for IPv6 (a host such as `1::1` has five characters, and a range of IPv6 32 bytes), and half
//!   a mebibyte in which tables are made. Ranges become prefixes only when they are iterated;
//! - for the text of a [`CidrMap`], where every line has a value of one byte: at most 24 times the size
//!   of the text, and 64 KiB;
//! - for [`lines`](fn@lines): nothing, and a snippet for each error that it hands out.
//!
//! # Example: a block list as it is published
//! ```
//! use portcullis::cidr::CidrSet;
//!
//! let blocked: CidrSet = "\
//!     ; seen this week\n\
//!     192.0.2.0/24 # case 7\n\
//!     198.51.100.4\t12\n\
//!     203.0.113.16 - 203.0.113.31\n\
//!     2001:db8::/32\n"
//!     .parse()?;
//!
//! assert!(blocked.contains("192.0.2.77".parse()?));
//! assert!(blocked.contains("::ffff:192.0.2.77".parse()?));
//! assert!(!blocked.contains("198.51.100.5".parse()?));
//! assert_eq!(
//!     blocked.to_string(),
//!     "192.0.2.0/24\n198.51.100.4/32\n203.0.113.16/28\n2001:db8::/32"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Example: all mistakes at once
//! ```
//! use portcullis::cidr::CidrSet;
//!
//! let error = "10.1.2.3/8\n192.0.2.1\n010.0.0.0/8\n".parse::<CidrSet>().unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "line 1, column 1: \"10.1.2.3/8\": host bits are set; \
//!      write 10.0.0.0/8 for the network or 10.1.2.3/32 for the host\n\
//!      line 3, column 1: \"010.0.0.0/8\": an octet with a leading zero, \
//!      which some programs read as octal; write 10.0.0.0/8 if that is what is meant"
//! );
//! ```

mod addr;
mod batch;
mod edit;
mod embedded;
mod error;
mod list;
#[cfg(feature = "std")]
mod live;
mod map;
mod parse;
mod precedence;
#[cfg(any(test, feature = "__reference"))]
#[cfg_attr(docsrs, doc(cfg(false)))]
#[doc(hidden)]
pub mod reference;
mod runs;
#[cfg(feature = "serde")]
mod serde_text;
mod set;
mod slots;
mod table;
mod tags;
mod text;
mod v4;
mod v6;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_model;
#[cfg(test)]
mod tests_pitfalls;
#[cfg(test)]
mod tests_strict;
#[cfg(test)]
mod tests_text;

#[cfg(feature = "std")]
pub(crate) use addr::fold;
pub use edit::CidrEdit;
pub use embedded::{Embedding, embedded_ipv4, nat64_ipv4};
pub use error::{CidrEntryError, CidrLineError, CidrParseError, CidrProblem};
pub use list::{CidrLine, CidrLines, lines};
#[cfg(feature = "std")]
pub use live::{Editable, Live, Reader};
pub use map::{CidrMap, CidrMapIter, CidrMapMemory};
pub use parse::parse_prefix;
pub use precedence::{Access, AccessList, Precedence, Ruling};
pub use set::{CidrSet, CidrSetIter, aggregate};
pub use text::CidrSkipped;
