//! Words for messages.

use crate::rule::field::Kind;

/// A kind in words, with its article.
pub(super) fn told(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "yes or no",
        Kind::Int => "a number",
        Kind::Bytes => "a text",
        Kind::Ip => "an address",
        Kind::Array => "an array",
        Kind::Map | Kind::Flags => "many values",
    }
}

pub(super) fn several(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "numbers",
        Kind::Ip => "addresses",
        Kind::Bytes => "texts",
        _ => "values",
    }
}
