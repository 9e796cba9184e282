//! The index finds the rules that trying one after the other finds, also where a rule sees what earlier
//! ones have left.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| portcullis::rule::agreement::check(bytes));
