//! Configurations from texts.

use crate::Gate;

const SAMPLE: &str = include_str!("../../../tests/cases/gate.toml");

#[test]
fn the_sample_is_a_gate() {
    let gate = Gate::from_toml(SAMPLE).unwrap();
    assert_eq!(gate.lists().names(), ["blocked", "office"]);
}

/// One file, many mistakes: each is told, where it stands.
#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = r#"clinets = 50_000
newcomers = "50/fortnight"
exempt = ["192.0.2.0/24", "10.0.0.1/8"]

[client]
header = "x-forwarded-for"
group = { v4 = 33, v6 = "64" }

[lists]
offices = ["192.0.2.0/24"]

[groups]
crawlers = "shadwo"

[[rule]]
name = "block-login-floods"
when = 'http.request.uri.pth eq "/login" and ip.src in $office'
then = "denied"
group = "crawler"

[[rule]]
name = "block-login-floods"
when = "path eq \"/a\" and\thost = 7"
deny = { status = 200 }
ban = "15 minuten"
priority = "high"

[[limit]]
name = "per client"
by = ["cleint", "headers"]
quota = "100/min burts 20"
count_if = 'status = 401'
cost = 'path'
enforce_share = 10
then = { ban = 15, escalate = 4 }

[[limit]]
quotas = "5/min"

[defence]
auto = "defend"
"#;
    let error = Gate::from_toml(text).unwrap_err();
    assert_eq!(error.len(), 28, "{error}");
}
