//! Real traffic: each request target of access logs keeps the laws of canonical paths, and most are clean; and
//! what a gate makes of these logs. And what it tells of its traffic, read by other programs.
//!
//! The folder of the logs is given by `PORTCULLIS_DATA`; without it, a small sample stands in.
#![allow(clippy::disallowed_methods, reason = "tests read files and say what they could not test")]

mod facade;
mod gated;
mod metrics;
#[path = "../../../../examples/incident/replay/mod.rs"]
mod replay;

use std::{
    env, fs,
    io::{self, Read, Write},
    path::PathBuf,
};

use flate2::read::GzDecoder;
use portcullis::request::reference::{Checked, check};

/// The logs by name, and their counts.
const LOGS: [(&str, Counts); 3] = [
    ("access-semicomplete-2015.log", [10_000, 9_989, 9_846]),
    ("access-crowdsec-http-dos-bypass-cache.log", [356, 356, 356]),
    ("access-crowdsec-apache-http-probing.log", [75, 75, 75]),
];

/// Request lines, those whose target is clean, and those of which one scan tells that.
type Counts = [usize; 3];

#[test]
fn targets_of_real_requests_keep_the_laws_and_most_are_clean() {
    for (name, counts) in LOGS {
        let Some(log) = log(name) else {
            assert_eq!(laws_of(SAMPLE), [9, 7, 6]);
            return;
        };
        assert_eq!(laws_of(&log), counts, "{name}");
    }
}

/// A log by its name; `None` where there are none.
fn log(name: &str) -> Option<String> {
    let Some(folder) = env::var_os("PORTCULLIS_DATA").map(PathBuf::from) else {
        // Past the harness, which keeps to itself what a test that passes prints.
        let _ = writeln!(
            io::stderr(),
            "\n!! PORTCULLIS_DATA is not set: NO REAL TRAFFIC is tested, only a small sample"
        );
        return None;
    };
    let path = folder.join(format!("{name}.gz"));
    let file = fs::File::open(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut log = Vec::new();
    GzDecoder::new(file).read_to_end(&mut log).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    Some(String::from_utf8_lossy(&log).into_owned())
}

fn laws_of(log: &str) -> Counts {
    let checked: Vec<Checked> = log
        .lines()
        .filter_map(request_line)
        .map(|(method, target)| check(target.as_bytes(), method, b"www.Semicomplete.com:80"))
        .collect();
    assert!(checked.iter().all(|checked| checked.host == b"www.semicomplete.com"));
    let count = |is: fn(&&Checked) -> bool| checked.iter().filter(is).count();
    [checked.len(), count(|checked| checked.is_clean), count(|checked| checked.is_soon_clean)]
}

/// The method and the target in `"GET /path HTTP/1.1"`.
fn request_line(line: &str) -> Option<(&str, &str)> {
    let (_, quoted) = line.split_once('"')?;
    let (request, _) = quoted.split_once(" HTTP/")?;
    request.split_once(' ')
}

const SAMPLE: &str = r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /presentations/images/kibana-search.png HTTP/1.1" 200 203023
192.0.2.1 - - [17/May/2015:10:05:04 +0000] "GET /favicon.ico HTTP/1.1" 200 3638
192.0.2.2 - - [17/May/2015:10:05:05 +0000] "GET / HTTP/1.0" 200 37932
192.0.2.2 - - [17/May/2015:10:05:06 +0000] "GET /?flav=rss20 HTTP/1.1" 200 29941
192.0.2.3 - - [17/May/2015:10:05:07 +0000] "GET /blog/tags/puppet?flav=rss20 HTTP/1.1" 200 14872
192.0.2.3 - - [17/May/2015:10:05:08 +0000] "GET /.well-known/security.txt HTTP/1.1" 404 12
192.0.2.3 - - [17/May/2015:10:05:08 +0000] "GET /search?q=rate%20limit HTTP/1.1" 200 12
192.0.2.4 - - [17/May/2015:10:05:09 +0000] "GET //cgi-bin/%2e%2e/../etc/passwd HTTP/1.1" 404 12
192.0.2.4 - - [17/May/2015:10:05:10 +0000] "GET /scripts/..%255c../winnt HTTP/1.1" 404 12
192.0.2.4 - - [17/May/2015:10:05:11 +0000] "-" 408 0
"#;
