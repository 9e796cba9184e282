//! The script that the store runs.

/// The script, in Lua, which asks for Redis 5 or newer, Valkey, or anything else that runs it as these do.
///
/// It is called with the [keys](super::Call::keys) and the [arguments](super::Call::args) of a call, and answers
/// with four whole numbers for each key. It works in clusters, needs no module, and leaves nothing behind:
/// a key expires when its bucket is full.
///
/// # Cost
/// Two commands for each key.
pub const SCRIPT: &str = include_str!("script.lua");

/// What the script is called by: the SHA-1 of [`SCRIPT`].
pub const SCRIPT_SHA1: &str = "c56e60717f71d78e5b1fb76cb9d67942b036afe5";
