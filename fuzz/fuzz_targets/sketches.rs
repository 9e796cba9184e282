//! Every sketch keeps its bounds in every sequence of operations, beside exact models.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::detect::sketches::agreement;

fuzz_target!(|bytes: &[u8]| agreement::check(bytes));
