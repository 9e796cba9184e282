//! Any bytes as the first ones of a connection: the PROXY header is what the reference says, beginnings wait, what
//! follows is left alone, and only who is trusted is believed.
//!
//! The first byte says whether the rest is taken as it is, or as what follows the signature of version 2, and
//! whether a right checksum is put in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::request::proxy::reference::{check, write};

fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first() else { return };
    if how & 1 == 0 {
        let _ = check(rest);
        return;
    }
    let [command, family, block @ ..] = rest else { return };
    let header = write(*command, *family, block, &[], how & 2 != 0);
    let _ = check(&header);
    let _ = check(&[&header[..], b"GET / HTTP/1.1\r\n"].concat());
});
