//! HTTP: what a layer adds to a route, and how many requests a second it turns away.
//!
//! - `services`: the contestants, one route of axum with nothing, or one of the layers, around it;
//! - `in_process`: a request that is made and handed to the router, without a server: nanoseconds;
//! - `loopback`: a server and a client that keeps its connections, on this machine: requests a second.
//!
//! Everybody reads the clock that it reads by itself, limits each client by the address that the server has
//! recorded, and has 1,024 of them where there is no network; over loopback there is one.

mod in_process;
mod loopback;
mod services;

use self::services::{Limited, services};

pub(crate) fn run(is_wanted: impl Fn(&str) -> bool) {
    for limited in [Limited::Open, Limited::UsedUp] {
        let title = format!("http: {}, in process", limited.says());
        if is_wanted(&title) {
            in_process::run(&title, services(limited));
        }
    }
    for limited in [Limited::Open, Limited::UsedUp] {
        let title = format!("http: {}, over loopback", limited.says());
        if is_wanted(&title) {
            loopback::run(&title, services(limited));
        }
    }
}
