//! Translations between frameworks' types and the gate, and nothing else.

mod http;
pub mod tower;
