//! What responses say of limits, and how long to wait.

use core::time::Duration;
use std::{sync::Arc, vec, vec::Vec};

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::{Dialect, Field, Lines, Refusal, after, texts::LimitText};
use crate::{
    Gate, GateBuilder, LimitFields, LimitRule, MissingKey, Quota, Request, Reset, Timestamp,
    TokenBucket,
    adapt::{http as adapter, setting::Setting},
    gate::Bound,
    rule::{Action, Rule, Scheme},
    verdict::{Admission, Denial, DenialReason, Verdict},
};

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_000);

pub(super) fn setting(builder: GateBuilder) -> Setting {
    Setting::new(&builder.build().unwrap())
}

fn ask(setting: &Setting, now: Timestamp) -> Verdict {
    let peer: core::net::IpAddr = [192, 0, 2, 1].into();
    setting.gate.check(&Request::new(peer).target("/"), now)
}

pub(super) fn admitted(setting: &Setting, now: Timestamp) -> Admission {
    ask(setting, now).into_result().unwrap()
}

/// The first denial, where everything before has passed.
pub(super) fn denied(setting: &Setting, now: Timestamp) -> Denial {
    loop {
        if let Err(denial) = ask(setting, now).into_result() {
            return denial;
        }
    }
}

pub(super) fn refused(denial: &Denial, setting: &Setting) -> Response<Bytes> {
    adapter::response(Refusal::of(denial, Dialect::Http, setting))
}

/// A denial by itself, of a gate that is not there.
pub(super) fn denial(reason: DenialReason, name: &str, wait: Option<Duration>) -> Denial {
    Denial::new(reason, Arc::from(name), None, wait)
}

pub(super) fn of(headers: &HeaderMap, name: &str) -> Option<std::string::String> {
    headers.get(name).map(|value| value.to_str().unwrap().into())
}

fn lines(lines: Lines) -> Vec<(Field, Bytes)> {
    lines.into_iter().collect()
}

fn line(all: &[(Field, Bytes)], wanted: Field) -> Option<&str> {
    let found = all.iter().find(|(field, _)| *field == wanted);
    found.map(|(_, value)| core::str::from_utf8(value).unwrap())
}

fn every(count: u32, millis: u64) -> Quota {
    Quota::new(count, Duration::from_millis(millis)).unwrap()
}

#[test]
fn a_used_up_limit_is_429_with_a_wait_that_is_never_zero_and_never_early() {
    for (quota, policy, seconds) in [
        (Quota::per_second(1_000).burst(1), r#""per client";q=1000;w=1"#, "1"),
        (Quota::per_second(1), r#""per client";q=1;w=1"#, "1"),
        (every(1, 1_001), r#""per client";q=1;w=2"#, "2"),
        (Quota::per_minute(1), r#""per client";q=1;w=60"#, "60"),
        (Quota::per_minute(100), r#""per client";q=100;w=60"#, "1"),
        (Quota::per_minute(100).burst(20), r#""per client";q=20;w=12"#, "1"),
        (every(10, 500), r#""per client";q=20;w=1"#, "1"),
        (Quota::per_day(1).burst(3), r#""per client";q=3;w=259200"#, "86400"),
    ] {
        let setting = setting(Gate::builder().limit("per client", quota));
        let denial = denied(&setting, NOW);
        let response = refused(&denial, &setting);
        let headers = response.headers();
        assert_eq!(response.status(), 429);
        assert_eq!(headers["retry-after"], seconds, "{quota}");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["ratelimit-policy"], policy, "{quota}");
        let limit = std::format!("\"per client\";r=0;t={seconds}");
        assert_eq!(headers["ratelimit"], limit, "{quota}");
        assert_eq!(headers.len(), 5);
        // One that is made from the start by somebody else has all that is not about how it looks.
        let mut made = HeaderMap::new();
        adapter::write(Lines::of_denial(&denial, &setting), &mut made);
        assert_eq!(made.len(), 4);
        assert!(made.iter().all(|(name, value)| headers[name] == value));
    }
}

#[test]
fn where_waiting_does_not_help_there_is_no_retry_after() {
    let bucket = TokenBucket::new(Quota::per_second(0));
    let never = bucket.check(Timestamp::ZERO).standing();
    let empty = setting(Gate::builder());
    for (reason, standing, status) in [
        (DenialReason::Limit, Some(never), 429),
        (DenialReason::DenyList, None, 403),
        (DenialReason::MissingPeer, None, 403),
    ] {
        let response = refused(&Denial::new(reason, Arc::from("x"), standing, None), &empty);
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("retry-after"));
    }
    // Never 0, also where it is a matter of nanoseconds.
    let full = denial(DenialReason::Saturated, "x", Some(Duration::ZERO));
    assert_eq!(refused(&full, &empty).headers()["retry-after"], "1");

    let none = setting(Gate::builder().limit("closed", Quota::per_day(0)));
    let response = refused(&denied(&none, NOW), &none);
    assert_eq!(of(response.headers(), "ratelimit-policy").unwrap(), r#""closed";q=0"#);
    assert_eq!(of(response.headers(), "ratelimit").unwrap(), r#""closed";r=0"#);
    assert_eq!(of(response.headers(), "retry-after"), None);
    // A request that costs more than there can ever be.
    let rule = LimitRule::new("costly", Quota::per_second(3)).cost(4);
    let costly = setting(Gate::builder().limit_rule(rule));
    let response = refused(&denied(&costly, NOW), &costly);
    assert_eq!(of(response.headers(), "ratelimit").unwrap(), r#""costly";r=0"#);
    assert_eq!(of(response.headers(), "retry-after"), None);
}

/// I1: also where a ban takes longer than the limit.
#[test]
fn a_wait_is_the_same_wherever_it_is_said() {
    let fields = LimitFields::on_denials().legacy(Reset::Delta);
    let ban = crate::Then::Ban(crate::rule::Ban::new(Duration::from_secs(900)));
    // A ban of a key that is not the client is the limit's.
    let path = Scheme::new().parse_term("path").unwrap();
    let rule = LimitRule::new("strict", Quota::per_second(1)).by([path]).then(ban);
    let setting = Setting { fields, ..setting(Gate::builder().limit_rule(rule)) };
    for (later, reason, seconds) in
        [(0, DenialReason::Limit, "900"), (1, DenialReason::Banned, "899")]
    {
        let now = Timestamp::from_secs(1_000 + later);
        let denial = denied(&setting, now);
        assert_eq!(denial.reason(), reason);
        let response = refused(&denial, &setting);
        let headers = response.headers();
        assert_eq!(headers["retry-after"], seconds);
        assert_eq!(headers["ratelimit"], std::format!("\"strict\";r=0;t={seconds}"));
        assert_eq!(headers["ratelimit-policy"], r#""strict";q=1;w=1"#);
        assert_eq!(headers["x-ratelimit-reset"], seconds);
        assert_eq!(headers["x-ratelimit-limit"], "1");
        assert_eq!(headers["x-ratelimit-remaining"], "0");
    }
}

#[test]
#[cfg_attr(miri, ignore = "asks for the time of day")]
fn who_passes_is_told_its_strictest_limit_if_that_is_asked_for() {
    let builder = Gate::builder()
        .limit("per hour", Quota::per_hour(3_600))
        .limit("per minute", Quota::per_minute(60));
    let setting = setting(builder);
    assert_eq!(lines(Lines::of_admission(&admitted(&setting, NOW), &setting)), []);
    for fields in [LimitFields::none().legacy(Reset::Delta), LimitFields::on_denials()] {
        let setting = Setting { fields, ..setting.clone() };
        assert_eq!(lines(Lines::of_admission(&admitted(&setting, NOW), &setting)), []);
    }
    let all = Setting { fields: LimitFields::on_all(), ..setting.clone() };
    let said = lines(Lines::of_admission(&admitted(&all, NOW), &all));
    assert_eq!(line(&said, Field::Policy), Some(r#""per minute";q=60;w=60"#));
    assert_eq!(line(&said, Field::Limit), Some(r#""per minute";r=56;t=56"#));
    assert_eq!(said.len(), 2);

    let both = Setting { fields: LimitFields::on_all().legacy(Reset::Delta), ..setting.clone() };
    let said = lines(Lines::of_admission(&admitted(&both, NOW), &both));
    assert_eq!(line(&said, Field::Limit), Some(r#""per minute";r=55;t=55"#));
    assert_eq!(line(&said, Field::LegacyLimit), Some("60"));
    assert_eq!(line(&said, Field::LegacyRemaining), Some("55"));
    assert_eq!(line(&said, Field::LegacyReset), Some("55"));
    assert_eq!(said.len(), 5);

    let legacy = LimitFields::on_all().legacy_only(Reset::Epoch);
    let legacy = Setting { fields: legacy, ..setting };
    let said = lines(Lines::of_admission(&admitted(&legacy, NOW), &legacy));
    assert_eq!(line(&said, Field::LegacyRemaining), Some("54"));
    let reset: u64 = line(&said, Field::LegacyReset).unwrap().parse().unwrap();
    assert!(reset > 1_700_000_000, "a time of day");
    assert_eq!(said.len(), 3);
    // No limit, nothing to tell.
    let free = Setting { fields: LimitFields::on_all(), ..self::setting(Gate::builder()) };
    assert_eq!(lines(Lines::of_admission(&admitted(&free, NOW), &free)), []);
}

#[test]
fn a_reset_is_the_second_that_begins_when_the_wait_has_ended() {
    for (millis, wait, second) in [(5_000, 7, 12), (5_001, 7, 13), (5_999, 1, 7)] {
        assert_eq!(after(Duration::from_millis(millis), wait), second);
    }
    assert_eq!(after(Duration::MAX, u64::MAX), 999_999_999_999_999);
}

#[test]
fn requests_in_flight_are_a_quota_without_a_window() {
    let text = LimitText::of("uploads", Bound::InFlight(3));
    assert_eq!(text.policy, r#""uploads";q=3;qu="concurrent-requests""#);
    let fields = LimitFields::on_all().legacy(Reset::Delta);
    let standing = TokenBucket::new(Quota::per_second(3)).check(NOW).standing();
    let mut said = Lines::default();
    said.admit(standing, fields, &text);
    let said = lines(said);
    assert_eq!(line(&said, Field::Limit), Some(r#""uploads";r=2"#));
    assert_eq!(line(&said, Field::LegacyLimit), Some("3"));
    assert_eq!(line(&said, Field::LegacyReset), None);
    for (wait, limit) in
        [(None, r#""uploads";r=0"#), (Some(Duration::from_millis(1)), r#""uploads";r=0;t=1"#)]
    {
        let mut said = Lines::default();
        said.deny(&denial(DenialReason::Concurrency, "uploads", wait), fields, Some(&text));
        assert_eq!(line(&lines(said), Field::Limit), Some(limit));
    }
}

/// What a response says of a limit is that limit's, whatever becomes of the gate meanwhile.
#[test]
fn texts_are_those_of_the_answers_generation() {
    let setting = setting(Gate::builder().limit("old", Quota::per_minute(1)));
    let before = denied(&setting, NOW);
    let policy = |denial: &Denial| of(refused(denial, &setting).headers(), "ratelimit-policy");
    assert_eq!(policy(&before).unwrap(), r#""old";q=1;w=60"#);

    let other = Gate::builder().limit("new", Quota::per_hour(2)).limit("old", Quota::per_minute(1));
    setting.gate.reload_with(other, NOW).unwrap();
    // Nobody has met the new limits, so their texts are not there, and those of the old are still true.
    assert_eq!(policy(&before).unwrap(), r#""old";q=1;w=60"#);
    let now = NOW.saturating_add(Duration::from_secs(3_600));
    let after = denied(&setting, now);
    assert_eq!(after.name(), "old");
    assert_eq!(policy(&after).unwrap(), r#""old";q=1;w=60"#);
    assert_eq!(policy(&before), None, "the first limit is another one now");
    let response = refused(&before, &setting);
    assert_eq!(response.headers()["retry-after"], "60");
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["violated-policies"][0], "old");
    // Back and forth.
    for quota in [3, 4, 5] {
        let other = Gate::builder().limit("old", Quota::per_minute(quota));
        setting.gate.reload_with(other, now).unwrap();
        let denial = denied(&setting, now);
        assert_eq!(policy(&denial).unwrap(), std::format!("\"old\";q={quota};w=60"));
        assert_eq!(policy(&after), None);
    }
}

#[test]
fn what_no_limit_has_used_up_has_no_fields() {
    let condition = Scheme::new().parse("path eq \"/\"").unwrap();
    let rule = Rule::new("no home", condition).then(Action::Deny { status: 404 });
    let missing = LimitRule::new("per token", Quota::per_second(9))
        .by([Scheme::new().parse_term("header[\"authorization\"]").unwrap()])
        .missing(MissingKey::Deny);
    for (builder, reason) in [
        (Gate::builder().rule(rule), DenialReason::Rule),
        (Gate::builder().limit_rule(missing), DenialReason::MissingKey),
        (Gate::builder().deny("192.0.2.1".parse().unwrap()), DenialReason::DenyList),
    ] {
        let setting = setting(builder);
        let denial = denied(&setting, NOW);
        assert_eq!(denial.reason(), reason);
        let response = refused(&denial, &setting);
        assert_eq!(response.headers().len(), 2, "{response:?}");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    // Nor if they are not wanted.
    let fields = LimitFields::none();
    let one = Gate::builder().limit("one", Quota::per_second(1));
    let silent = Setting { fields, ..setting(one) };
    let response = refused(&denied(&silent, NOW), &silent);
    assert_eq!(response.headers().len(), 3);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[test]
fn what_a_response_says_itself_stays() {
    let setting = setting(Gate::builder().limit("one", Quota::per_minute(1)));
    let denial = denied(&setting, NOW);
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert("retry-after", "7".parse().unwrap());
    headers.append("cache-control", "private".parse().unwrap());
    headers.append("cache-control", "max-age=1".parse().unwrap());
    adapter::write(Lines::of_denial(&denial, &setting), headers);
    assert_eq!(headers["retry-after"], "7");
    let kept: Vec<_> = headers.get_all("cache-control").iter().collect();
    assert_eq!(kept, vec!["private", "max-age=1"]);
    assert_eq!(headers["ratelimit"], r#""one";r=0;t=60"#);
}
