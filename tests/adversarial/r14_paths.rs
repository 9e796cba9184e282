//! **Row 14: a path that the rule reads differently from the service.**
//!
//! Identifiers: CVE-2019-9901 and CVE-2021-29492 (Envoy); CVE-2021-31920 (Istio); CVE-2024-1019 (ModSecurity: decoded before it was split);
//! CVE-2026-26205 (OPA and Envoy, `//`).
//!
//! The attack: a rule refuses `/admin`, and the service answers `//admin`, `/x/../admin` or `/%61dmin` with the same page.
//!
//! Ours: rules see one canonical form, decoded once, and what was odd is told by flags: `src/request/canonical/mod.rs` I1 to I5
//! (`any_target_and_host_keep_the_laws`, 198 published paths in `tests/cases/path.tsv`, fuzz target `path`). What a service may read as the same,
//! but which is another path by the standards (`%2F`, decoded twice, `;`), is refused by a rule about flags, as the book has it. This row
//! holds gates from a text against two models of services: one that follows the standards, and one that decodes whatever it can.
//!
//! Shown to fail, tests counted from above:
//! - `src/request/canonical/path.rs`: a backslash is no slash (test 1); nothing is decoded, or a dot segment stays
//!   (tests 1 and 3); no flag for what is encoded twice (tests 2 and 3).

use std::borrow::Cow;

use portcullis::{Gate, GateLayer, Request, Timestamp, request::canonical_path};
use tower_layer::Layer;

use crate::support::{Hello, Random, client, gate, get, ip, refused, send};

const NOW: Timestamp = Timestamp::from_secs(1);

const RULE: &str = "[[rule]]\nname = \"admin\"\nwhen = 'path eq \"/admin\" or path starts_with \"/admin/\"'\nthen = \"deny\"\n";

/// And what a canonical path cannot tell.
const FLAGS: &str = "[[rule]]\nname = \"odd\"\nwhen = 'uri.flags.encoded_slash or uri.flags.double_encoded or uri.flags.bad_percent \
    or uri.flags.nul or uri.flags.non_utf8 or path contains \";\"'\ndeny = 400\n";

/// Does this target get past?
fn is_refused(gate: &Gate, target: &str) -> bool {
    refused(gate, &Request::new(client(1)).target(target), NOW).is_some()
}

#[test]
fn the_spellings_that_mean_the_same_are_refused() {
    let gate = gate(RULE);
    let mut service = GateLayer::new(&gate).layer(Hello);
    for target in [
        "/admin",
        "//admin",
        "///admin",
        "/./admin",
        "/././admin",
        "/x/../admin",
        "/x/y/../../admin",
        "/../admin",
        "/../../admin",
        "/admin/",
        "/admin//",
        "/admin/.",
        "/admin/x",
        "/admin/x/..",
        "/admin/../admin",
        "/%61dmin",
        "/%61%64%6D%69%6e",
        "/%2e/admin",
        "/%2E/admin",
        "/x/%2e%2e/admin",
        "/x/.%2e/admin",
        "/x/%2E./admin",
        "/admin?x",
        "/admin/?/../x",
        "//x/..//admin",
        "/x//../admin",
        "/%2e%2e/admin",
    ] {
        assert!(is_refused(&gate, target), "{target}");
        assert_eq!(
            send(&mut service, get(ip("192.0.2.1"), target)).0.status,
            403,
            "{target} through the layer"
        );
    }
    // These cannot come through HTTP libraries, which refuse them first, but they can be given.
    for target in [
        "/\\admin",
        "\\admin",
        "/x\\..\\admin",
        "/.\\admin",
        "/admin#x",
        "http://h/admin",
        "http://h//x/../admin",
    ] {
        assert!(is_refused(&gate, target), "{target}");
    }
    for target in [
        "/administrator",
        "/x/admin",
        "/Admin",
        "/admin%2F",
        "/admin/..",
        "/%2561dmin",
        "/admin%00",
        "/admin;x",
        "/",
    ] {
        assert!(!is_refused(&gate, target), "{target} is another path");
    }
}

#[test]
fn spellings_that_only_some_services_take_for_the_same_are_told_by_flags() {
    let gate = gate(&format!("{RULE}{FLAGS}"));
    for target in [
        "/x%2f..%2fadmin",
        "/%2fadmin",
        "/%5cadmin",
        "/%5Cadmin",
        "/%2561dmin",
        "/%25%36%31dmin",
        "/x/%252e%252e/admin",
        "/%%36%31dmin",
        "/%u0061dmin",
        "/admin%00",
        "/admin%00.png",
        "/%00/admin",
        "/admin;x=1",
        "/;x/admin",
        "/x/..;/admin",
        "/%c0%afadmin",
        "/x/%c0%ae%c0%ae/admin",
        "/admin%",
        "/admin%2",
        "/%e0%80%afadmin",
    ] {
        assert!(is_refused(&gate, target), "{target}");
    }
    for target in ["/", "/a%20b", "/caf%C3%A9", "/x?a=%2f%252e;b", "/a.b/..c/d.."] {
        assert!(!is_refused(&gate, target), "{target} is nothing odd");
    }
}

/// Split at slashes, then each segment decoded once: RFC 3986 with two slashes as one.
fn read_by_the_standards(target: &str) -> Vec<Vec<u8>> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in path.split('/').map(decoded) {
        match &*segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    segments
}

fn decoded(text: &str) -> Vec<u8> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let escape = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escape.filter(|_| *byte == b'%') {
            Some(escaped) => {
                out.push(escaped);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// Decodes until nothing changes, backslashes and parameters and NULs and all, and only then splits.
fn read_by_the_lenient(target: &str) -> Vec<Vec<u8>> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut text = path.to_owned();
    loop {
        let next = String::from_utf8_lossy(&decoded(&text)).into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    let text = text.split('\0').next().unwrap_or_default().replace('\\', "/");
    let plain: Vec<&str> =
        text.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    read_by_the_standards(&plain.join("/"))
}

/// Whatever random pieces make of it: what either model takes for the page is refused.
#[test]
fn whatever_a_service_takes_for_the_page_is_refused() {
    let (plain, strict) = (gate(RULE), gate(&format!("{RULE}{FLAGS}")));
    let pieces = [
        "/",
        "/",
        "//",
        "admin",
        "adm",
        "in",
        "%61dmin",
        "%2561dmin",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "%252e",
        "%2f",
        "%5c",
        ";",
        ";x",
        "x",
        "%00",
        "?",
        "%",
        "%25",
        "6",
        "1",
    ];
    let mut random = Random(99);
    let (mut by_standards, mut by_lenient) = (0, 0);
    for _ in 0..60_000 {
        let target: String =
            ["/"].into_iter().chain((0..2 + random.below(6)).map(|_| random.of(&pieces))).collect();
        let is_admin =
            |segments: Vec<Vec<u8>>| segments.first().is_some_and(|first| first == b"admin");
        if is_admin(read_by_the_standards(&target)) {
            by_standards += 1;
            // With `;` and bytes that stay escaped, it is by the standards as it stands: no more is promised of the rule alone.
            assert!(is_refused(&plain, &target), "{target}");
        }
        if is_admin(read_by_the_lenient(&target)) {
            by_lenient += 1;
            assert!(is_refused(&strict, &target), "{target}, by a lenient service");
        }
        // Once canonical, always canonical.
        let once = canonical_path(&target).into_owned();
        assert_eq!(canonical_path(&once), Cow::<[u8]>::Owned(once.clone()), "{target}");
    }
    assert!(by_standards > 500 && by_lenient > by_standards, "{by_standards} and {by_lenient}");
}
