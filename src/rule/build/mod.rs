//! Conditions written in Rust: the same trees as the language's, checked by the compiler.
//!
//! A condition begins with a value, from [`field`] or [`header`], goes on with a test, and is joined with
//! others by [`Expr::and`], [`Expr::or`], [`Expr::xor`] and [`Expr::not`]. Values have types: what cannot be
//! compared in a text has no method here. `$name` is [`in_list`](Text::in_list), whose name is checked when
//! the rules are compiled.
//!
//! # Example: the same condition, as a text and in Rust
//! ```
//! use portcullis::rule::{Scheme, build::{field, header}};
//!
//! let built = field::path()
//!     .starts_with("/admin")
//!     .and(field::ip_src().within(["10.0.0.0/8".parse()?]).not())
//!     .or(header("user-agent").lower().contains("bot"));
//! let text = r#"path starts_with "/admin" and not ip.src in {10.0.0.0/8} or lower(ua) contains "bot""#;
//! assert_eq!(Scheme::new().parse(text)?, built);
//! assert_eq!(built.to_string(), text);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Bounds
//! A condition may have 64 levels and 4,096 tests, as in a text. What exceeds that can be built, but rules and
//! limits with it are refused; so are those that name a list that is not there.
//!
//! # Invariants
//! - **I1** a built tree is normal and typed, and equals that of the text that it prints;
//! - **I2** it has at most one level more than it may have, however it was built.

pub mod field;
mod join;
mod term;
#[cfg(test)]
mod tests;
mod value;

use self::value::Of;
pub use self::value::{Address, Flag, Number, Text, Texts};
use super::{
    expr::{Expr, Operand},
    field::Builtin,
};
use crate::limit::Share;

/// The first value of a header; case does not matter.
#[must_use]
pub fn header(name: &str) -> Text {
    Text(Operand::header(name), Of::One)
}

/// All values of a header, in the order of the lines.
#[must_use]
pub fn headers(name: &str) -> Texts {
    Texts(Operand::Get(Builtin::Headers, name.to_ascii_lowercase().into()), Of::One)
}

/// The first value of an argument of the query.
#[must_use]
pub fn arg(name: &str) -> Text {
    args(name).at(0)
}

/// All values of an argument of the query.
#[must_use]
pub fn args(name: &str) -> Texts {
    Texts(Operand::Get(Builtin::Args, name.into()), Of::One)
}

/// The first value of a cookie.
#[must_use]
pub fn cookie(name: &str) -> Text {
    Texts(Operand::Get(Builtin::Cookies, name.into()), Of::One).at(0)
}

/// Whether an earlier rule has set this tag.
#[must_use]
pub fn tag(name: &str) -> Flag {
    Flag(Operand::Get(Builtin::Tag, name.into()), Of::One)
}

/// Whether the client belongs to this share: always the same ones.
#[must_use]
pub fn sample(share: Share) -> Expr {
    Flag(Operand::Sample(share), Of::One).is_true()
}

/// Units in use of the limit of this name, by the request's key.
#[must_use]
pub fn counter(limit: &str) -> Number {
    Number(Operand::Counter(limit.into()), Of::One)
}
