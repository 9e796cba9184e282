//! Any bytes as a target and a host: the canonical form keeps its laws and is what the steps give.
//!
//! The first byte says how many bytes the host has, and with its first bits whether the method is CONNECT
//! and whether all of it is moved to where targets are cut, too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::request::{canonical_path, reference};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let (host, target) = rest.split_at(usize::from(first & 0x1f).min(rest.len()));
    let method = if first & 0x80 == 0 { "GET" } else { "CONNECT" };
    let checked = reference::check(target, method, host);
    // Where a target is longer than what is looked at. That takes the steps long, so not always.
    if first & 0x60 == 0x60 && target.len() < 256 {
        let far = [b"/", "a".repeat(8_100).as_bytes(), target].concat();
        let _ = reference::check(&far, method, host);
        let queried = [b"/?", "a".repeat(8_100).as_bytes(), target].concat();
        let _ = reference::check(&queried, method, host);
    }
    assert_eq!(canonical_path(&checked.path), checked.path);
});
