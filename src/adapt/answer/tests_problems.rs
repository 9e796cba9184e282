//! Refusals as descriptions of problems.

use core::time::Duration;
use std::string::String;

use serde_json::{Value, json};

use super::{
    problem::phrase,
    tests::{NOW, admitted, denial, denied, refused, setting},
};
use crate::{
    Gate, LimitRule, Quota, Then,
    adapt::http::refusal,
    rule::{Action, Ban, Rule, Scheme},
    verdict::{Denial, DenialReason},
};

const TYPES: &str = "https://iana.org/assignments/http-problem-types#";
const MINUTE: Duration = Duration::from_secs(60);

fn problem(denial: &Denial) -> Value {
    let setting = setting(Gate::builder());
    let response = refused(denial, &setting);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    // The one that services start from is the same.
    let plain = refusal(denial);
    assert_eq!(plain.body(), response.body());
    assert_eq!((plain.status(), plain.headers()), (response.status(), response.headers()));
    let problem: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem["status"], response.status().as_u16());
    problem
}

#[test]
fn each_cause_has_its_type() {
    use DenialReason::{
        Banned, Concurrency, DenyList, Limit, MissingKey, MissingPeer, Rule, Saturated,
    };
    let (some, none) = (Some(MINUTE), None);
    let quota = ("quota-exceeded", "Quota Exceeded");
    let capacity = ("temporary-reduced-capacity", "Temporary Reduced Capacity");
    let abnormal = ("abnormal-usage-detected", "Abnormal Usage Detected");
    for (reason, wait, status, (kind, title), is_named) in [
        (Limit, some, 429, quota, true),
        (Limit, none, 400, quota, true),
        (Concurrency, none, 429, quota, true),
        (Concurrency, none, 503, capacity, true),
        (Saturated, some, 503, capacity, false),
        (Banned, some, 429, abnormal, false),
        (Banned, some, 403, abnormal, false),
        (Rule, some, 429, abnormal, false),
    ] {
        let problem = problem(&denial(reason, "the name", wait).with_status(status));
        let mut expected = json!({
            "type": std::format!("{TYPES}{kind}"), "title": title, "status": status,
        });
        if is_named {
            expected["violated-policies"] = json!(["the name"]);
        }
        assert_eq!(problem, expected);
    }
    for reason in [Rule, DenyList, MissingKey, MissingPeer] {
        let problem = problem(&denial(reason, "the name", none).with_status(403));
        assert_eq!(problem, json!({ "type": "about:blank", "title": "Forbidden", "status": 403 }));
    }
}

/// The same from a gate, where what is said is made ahead.
#[test]
fn a_gates_denials_are_described() {
    let ban = || Then::Ban(Ban::new(MINUTE));
    let limit = || LimitRule::new("per client", Quota::per_minute(1));
    let path = Scheme::new().parse_term("path").unwrap();
    let trap = Scheme::new().parse("path eq \"/\"").unwrap();
    let trap = Rule::new("the trap", trap).then(Action::Ban(Ban::new(MINUTE)));
    let trap = setting(Gate::builder().rule(trap));
    for (setting, times, kind, policies) in [
        (setting(Gate::builder().limit_rule(limit())), 1, "quota-exceeded", json!(["per client"])),
        (trap.clone(), 1, "abnormal-usage-detected", Value::Null),
        (trap, 2, "abnormal-usage-detected", Value::Null),
        (
            setting(Gate::builder().limit_rule(limit().then(ban()))),
            2,
            "abnormal-usage-detected",
            Value::Null,
        ),
        // A ban of a key that is not the client is the limit's.
        (
            setting(Gate::builder().limit_rule(limit().by([path]).then(ban()))),
            2,
            "abnormal-usage-detected",
            json!(["per client"]),
        ),
    ] {
        let denial = (1..times).fold(denied(&setting, NOW), |_, _| denied(&setting, NOW));
        let response = refused(&denial, &setting);
        let problem: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["type"], std::format!("{TYPES}{kind}"));
        assert_eq!(problem["status"], 429);
        assert_eq!(problem["violated-policies"], policies);
        let words = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(!words.contains("trap"), "what a rule is called is not told");
    }
}

/// Whatever a rule may say: it is a problem of its status, and its title is what that is called.
#[test]
fn every_status_is_described() {
    // Names that have changed since the crate was made, or that are not for everybody.
    const OTHERWISE: [u16; 4] = [413, 418, 422, 510];
    for status in 400..=599 {
        let problem = problem(&denial(DenialReason::Rule, "x", None).with_status(status));
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["title"].as_str(), phrase(status));
        if !OTHERWISE.contains(&status) {
            let code = http::StatusCode::from_u16(status).unwrap();
            assert_eq!(phrase(status), code.canonical_reason(), "{status}");
        }
    }
}

#[test]
fn names_may_hold_anything() {
    for name in ["", "a\"b\\c", "\u{0}\n\u{1f}\u{7f}", "\u{e9}\u{1f600}</script>", "% "] {
        for (status, wait) in [(429, Some(MINUTE)), (503, None)] {
            let denial = denial(DenialReason::Limit, name, wait).with_status(status);
            assert_eq!(problem(&denial)["violated-policies"], json!([name]));
        }
    }
    let names = [" ", "~", "!#$%&'()*+,-./:;<=>?@[]^_`{|}"].map(|name| std::format!("a{name}a"));
    for name in &names {
        let setting = setting(Gate::builder().limit(&**name, Quota::per_minute(1)));
        drop(admitted(&setting, NOW));
        let response = refused(&denied(&setting, NOW), &setting);
        let problem: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["violated-policies"], json!([name]));
        let limit = std::format!("\"{name}\";r=0;t=60");
        assert_eq!(response.headers()["ratelimit"], limit);
    }
}
