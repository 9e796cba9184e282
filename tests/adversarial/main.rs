//! The adversarial catalogue.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests start threads and say what they have seen"
)]

mod support;

mod r01_overflow;
mod r02_clocks;
mod r03_windows;
mod r04_denials;
mod r05_races;
mod r06_memory;
mod r07_eviction;
mod r08_hashes;
mod r09_keys;
mod r10_mapped;
mod r11_addresses;
mod r12_rotation;
mod r13_forwarded;
mod r14_paths;
mod r15_patterns;
mod r16_resets;
mod r17_reload;
mod r18_torn;
mod r19_failing_open;
mod r20_panics;
mod r21_headers;
mod r22_retry_after;
mod r23_logs;
mod r25_widths;
mod r26_dependencies;
