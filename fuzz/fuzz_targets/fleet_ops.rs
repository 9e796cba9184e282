//! A fleet keeps its promises in every sequence of events, with a store that is a model.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::limit::remote::reference::agreement;

fuzz_target!(|bytes: &[u8]| agreement::check(bytes));
