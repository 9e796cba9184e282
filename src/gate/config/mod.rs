//! A gate from a text.

mod duration;
mod face;
mod limits;
mod lists;
mod model;
mod read;
mod rules;
mod section;
mod text;
mod then;

pub(super) use self::face::Base;
pub use self::{face::ConfigError, model::*};

#[cfg(test)]
mod tests;
