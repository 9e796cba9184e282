//! **Row 21: a response that somebody else has written a part of.**
//!
//! Identifiers: RUSTSEC-2017-0002 (hyper, line breaks in headers).
//!
//! The attack: a name, a path or a content type with a line break or a quote comes back in a field of the response, and from there on the attacker writes
//! it: another field, another response, a script in a page.
//!
//! Ours: what goes out is numbers, words of the library and names of the configuration, which are printable (`is_a_name` in `src/gate/problems.rs`) and
//! nonetheless escaped as each format asks (`src/adapt/answer/escape.rs`); of the request a harmless content type alone (`src/adapt/answer/mod.rs` I3). Read back from
//! real connections: `fields_of_all_responses_are_read_back` in `tests/e2e/tests/frameworks/fields.rs`. This row asks with hostile requests for every kind of
//! refusal, and looks for anything of them in what is said.
//!
//! Shown to fail, tests counted from above:
//! - `src/gate/problems.rs`, `is_a_name` takes all but control characters: test 1. (With the escaping of `escape.rs`
//!   left out as well it is the same test: no builder lets a quote come that far);
//! - `src/adapt/answer/grpc.rs`, `said_back` says any byte back: test 3.

use http::{HeaderValue, response::Parts};
use portcullis::{Gate, GateLayer, LimitFields, Quota, Reset, Timestamp};
use tower_layer::Layer;

use crate::support::{Hello, client, gate, get, send};

const NOW: Timestamp = Timestamp::from_secs(4);

/// Names that would break out of something are refused, by a builder and by a text.
#[test]
fn names_that_could_break_out_are_no_names() {
    for name in [
        "",
        " ",
        "a\r\nx: y",
        "a\nb",
        "a\0",
        "a\"b",
        "a\\b",
        "\u{e9}",
        "a\u{202e}b",
        "a\u{7f}",
        "\u{1b}[2J",
        " a",
        "a ",
        &"a".repeat(65),
    ] {
        assert!(Gate::builder().limit(name, Quota::per_hour(1)).build().is_err(), "{name:?}");
        let escaped: String = name.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect();
        let text = format!("[[limit]]\nname = \"{escaped}\"\nquota = \"1/h\"\n");
        let mistakes = Gate::from_toml(&text).unwrap_err().to_string();
        assert!(mistakes.chars().all(|c| c == '\n' || !c.is_control()), "{name:?}: {mistakes:?}");
        let rule = format!("[[rule]]\nname = \"{escaped}\"\nwhen = 'tls'\nthen = \"deny\"\n");
        assert!(Gate::from_toml(&rule).is_err(), "{name:?}");
    }
}

/// All that may be in a name, in names of 64 bytes: what is read back is the name.
#[test]
fn every_name_that_may_be_is_read_back_from_fields_and_body() {
    let fit: Vec<char> = (' '..='~').filter(|c| *c != '"' && *c != '\\').collect();
    for part in fit.chunks(31) {
        let middle: String = part.iter().collect();
        let name = format!("<{middle}>");
        let gate = Gate::builder().limit(&*name, Quota::per_hour(1)).build().unwrap();
        let fields = LimitFields::on_all().legacy(Reset::Delta);
        let mut service = GateLayer::new(&gate).clock(|| NOW).fields(fields).layer(Hello);
        let responses = [(); 2].map(|()| send(&mut service, get(client(1), "/")));
        for (head, _) in &responses {
            for field in ["ratelimit", "ratelimit-policy"] {
                let value = head.headers[field].to_str().unwrap();
                assert!(value.starts_with(&format!("\"{name}\";")), "{value}");
            }
        }
        let body: serde_json::Value = serde_json::from_str(&responses[1].1).unwrap();
        assert_eq!(body["violated-policies"][0], *name);
    }
}

/// Something that must not come back, in all that a client writes.
const MARKS: [&str; 3] = ["<script>", "mark-of-a-client", "evil.example"];

fn is_clean(head: &Parts, body: &str) {
    for (name, value) in &head.headers {
        let value = value.to_str().unwrap();
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value:?}");
        assert!(MARKS.iter().all(|mark| !value.contains(mark)), "{name}: {value:?}");
    }
    assert!(MARKS.iter().all(|mark| !body.contains(mark)), "{body}");
}

/// One refusal of each kind, for a request with a mark in each of its parts.
#[test]
fn nothing_of_a_request_comes_back_in_any_refusal() {
    let text = r#"
        deny = ["11.0.0.9"]
        [[rule]]
        name = "r"
        when = 'arg["q"] contains "teapot"'
        deny = 418
        [[limit]]
        name = "by key"
        by = ['header["x-key"]', "path", "host"]
        quota = "1/h"
        [[limit]]
        name = "must have"
        by = 'header["x-must"]'
        quota = "1000/h"
        missing = "deny"
    "#;
    let gate = gate(text);
    gate.bans().add(client(3).into(), std::time::Duration::from_secs(60), "<script>", NOW);
    let mut service =
        GateLayer::new(&gate).clock(|| NOW).fields(LimitFields::on_all()).layer(Hello);
    let mut seen = std::collections::BTreeSet::new();
    for content_type in [
        "application/grpc+<script>",
        "application/grpc",
        "application/grpc;x=mark-of-a-client",
        "application/grpc+proto, evil.example",
        "application/grpc-web+proto\"; evil.example",
        "text/html",
        "application/json",
    ] {
        for nth in [1, 9, 2, 3] {
            for (must, teapot) in [
                (true, false),
                (false, false),
                (true, true),
                (true, false),
                (true, false),
                (true, false),
            ] {
                let query = if teapot { "teapot" } else { "%0d%0aset-cookie:mark-of-a-client" };
                let mut request = get(
                    client(nth),
                    &format!("http://evil.example/mark-of-a-client%3Cscript%3E?q={query}"),
                );
                let headers = request.headers_mut();
                for name in ["x-key", "user-agent", "origin", "referer", "cookie", "accept", "te"] {
                    headers
                        .insert(name, HeaderValue::from_static("<script>mark-of-a-client\t\"\\"));
                }
                if must {
                    headers.insert("x-must", HeaderValue::from_static("evil.example"));
                }
                headers.insert("content-type", content_type.parse().unwrap());
                let (head, body) = send(&mut service, request);
                is_clean(&head, &body);
                seen.insert(
                    head.extensions
                        .get::<portcullis::Denial>()
                        .map(|denial| denial.reason().name()),
                );
            }
        }
    }
    let reasons = ["banned", "deny_list", "limit", "missing_key", "rule"].map(Some);
    assert!(reasons.iter().all(|reason| seen.contains(reason)), "{seen:?}");
}
