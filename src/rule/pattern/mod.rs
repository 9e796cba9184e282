//! Patterns in texts: parts, wildcards and regular expressions.
//!
//! Each is compiled once, is judged in time linear in the text whatever the text is, and copies nothing
//! of it. Each also says what a text must contain so that it can match at all: by that an index finds the
//! few patterns that are worth a try.

mod regex;
mod required;
mod search;
mod wildcard;

pub(crate) use self::{
    regex::{Regex, literal},
    required::Place,
    search::{Needle, ends_with_folded, starts_with_folded},
    wildcard::Wildcard,
};
