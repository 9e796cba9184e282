//! The book: how to limit, how to write rules, and what to do when it burns.
//!
//! The README says what there is, and the modules say what each part promises. Here is what to do with them, one
//! question a chapter. All examples are compiled and run by `cargo test --doc --all-features`: what is asserted in
//! them is so.
//!
//! | your question | the chapter |
//! |---|---|
//! | What should I limit, for whom, and to how much? | [choose a limit](choose_a_limit) |
//! | How do I say who may do what, without refusing the wrong ones? | [write rules](write_rules) |
//! | Everybody seems to be one client, or anybody can be everybody: why? | [behind proxies](behind_proxies) |
//! | It burns. What now? | [under attack](under_attack) |
//! | I have eight instances, and want one limit. | [on a fleet](on_a_fleet) |
//! | How much memory does it take, and how much does it need? | [tuning memory](tuning_memory) |
//! | How do I see what it does? | [observe] |
//! | How is it built, and where do I change what? | [architecture] |
//! | What is promised, and who says that it is kept? | [guarantees] |
//! | What can it not do for me, and what has to stand in front? | [threats] |
//! | I know another one. What is this called here? | [coming from elsewhere](coming_from) |
//!
//! # Conventions
//! The examples bring their own time, as the core does: `now` is a [`Timestamp`](crate::Timestamp) that the example
//! makes up. Behind an adapter you never see it. Addresses are those that are reserved for documentation
//! (`192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32`). Configurations are TOML and need the
//! feature `config`; all that they say can be said by [`GateBuilder`](crate::GateBuilder) too, without it.

#[doc = include_str!("architecture.md")]
pub mod architecture {}
#[doc = include_str!("behind_proxies.md")]
pub mod behind_proxies {}
#[doc = include_str!("choose_a_limit.md")]
pub mod choose_a_limit {}
pub mod coming_from;
#[doc = include_str!("guarantees.md")]
pub mod guarantees {}
#[doc = include_str!("observe.md")]
pub mod observe {}
#[doc = include_str!("on_a_fleet.md")]
pub mod on_a_fleet {}
#[doc = include_str!("threats.md")]
pub mod threats {}
#[doc = include_str!("tuning_memory.md")]
pub mod tuning_memory {}
#[doc = include_str!("under_attack.md")]
pub mod under_attack {}
#[doc = include_str!("write_rules.md")]
pub mod write_rules {}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_architecture;
