//! Words for messages.

use alloc::{format, string::String, vec::Vec};

use crate::rule::{field::Kind, suggest::closest};

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

pub(super) fn declared(word: &str, what: &str, names: Vec<String>) -> String {
    if let Some(help) = meant(word, names.iter().map(String::as_str)) {
        return help;
    }
    match names.as_slice() {
        [] => format!("no {what} are declared"),
        names => {
            let shown = names.get(..names.len().min(10)).unwrap_or_default();
            let more = if names.len() > shown.len() { ", …" } else { "" };
            format!("declared {what}: {}{more}", shown.join(", "))
        }
    }
}

/// What was perhaps meant: `did you mean …?`
pub(in crate::rule) fn meant<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    closest(word, candidates).map(|name| format!("did you mean `{name}`?"))
}
