//! The status page in a real browser: Chromium without a window, asked over the DevTools protocol.
//!
//! Where there is no Chromium the tests say so; with `PORTCULLIS_REQUIRE_BROWSER=1` that is a failure. With
//! `PORTCULLIS_SCREENSHOTS` they write what they have seen into that folder.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests start programs, open sockets and print what they could not test"
)]

mod calm;
mod chromium;
mod flood;
mod page;
mod pictures;
mod service;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One browser at a time: they are many processes each.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
