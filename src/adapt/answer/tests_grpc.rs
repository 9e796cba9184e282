//! Refusals as gRPC has them. That others can decode them is tested where their crates are.

use core::time::Duration;

use bytes::Bytes;
use http::Response;

use super::{
    Dialect, Refusal,
    tests::{NOW, denial, denied, of, setting},
};
use crate::{
    Gate, Quota,
    adapt::{http::response, setting::Setting},
    verdict::{Denial, DenialReason},
};

const GRPC: Dialect<'_> = Dialect::Grpc(b"application/grpc");

fn refused(denial: &Denial, dialect: Dialect<'_>, setting: &Setting) -> Response<Bytes> {
    let response = response(Refusal::of(denial, dialect, setting));
    assert_eq!(response.status(), 200);
    assert!(response.body().is_empty());
    assert_eq!(response.headers()["cache-control"], "no-store");
    response
}

fn alone(denial: &Denial) -> Response<Bytes> {
    refused(denial, GRPC, &setting(Gate::builder()))
}

#[test]
fn content_types_tell_grpc_from_the_rest() {
    for kind in [
        "application/grpc",
        "application/grpc+proto",
        "Application/gRPC",
        "application/grpc;charset=utf-8",
        "application/grpc ; x=y",
        "application/grpc-web",
        "application/grpc-web-text+proto",
    ] {
        assert_eq!(Dialect::of(Some(kind.as_bytes())), Dialect::Grpc(kind.as_bytes()));
    }
    for kind in ["", "application/grp", "application/grpcx", "application/json", "\u{ff}"] {
        assert_eq!(Dialect::of(Some(kind.as_bytes())), Dialect::Http, "{kind}");
    }
    assert_eq!(Dialect::of(None), Dialect::Http);
}

/// I3: as far as it is one.
#[test]
fn the_content_type_is_said_back() {
    let long = std::format!("application/grpc+{}", "x".repeat(100));
    for (asked, said) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc+proto"),
        ("application/grpc-web-text+proto", "application/grpc-web-text+proto"),
        ("application/grpc-web; charset=x", "application/grpc-web"),
        ("application/grpc+\u{e9}", "application/grpc"),
        ("application/grpc+a\r\nx: y", "application/grpc"),
        ("application/grpc+<b>", "application/grpc"),
        (&long, "application/grpc"),
    ] {
        let dialect = Dialect::of(Some(asked.as_bytes()));
        let setting = setting(Gate::builder());
        let response = refused(&denial(DenialReason::DenyList, "x", None), dialect, &setting);
        assert_eq!(response.headers()["content-type"], said, "{asked}");
    }
}

#[test]
fn each_cause_has_its_code() {
    use DenialReason::{Banned, Concurrency, DenyList, Limit, MissingPeer, Rule, Saturated};
    let (some, none) = (Some(Duration::from_secs(1)), None);
    for (reason, wait, status, code, message) in [
        (Limit, some, 429, "8", "Quota Exceeded: 100%25 \"mine\""),
        (Concurrency, none, 429, "8", "Quota Exceeded: 100%25 \"mine\""),
        (Concurrency, none, 503, "14", "Temporary Reduced Capacity: 100%25 \"mine\""),
        (Saturated, some, 503, "14", "Temporary Reduced Capacity"),
        (Banned, some, 429, "8", "Abnormal Usage Detected"),
        (Rule, some, 429, "8", "Abnormal Usage Detected"),
        (DenyList, none, 403, "7", "Forbidden"),
        (MissingPeer, none, 403, "7", "Forbidden"),
        (Rule, none, 400, "13", "Bad Request"),
        (Rule, none, 401, "16", "Unauthorized"),
        (Rule, none, 403, "7", "Forbidden"),
        (Rule, none, 404, "12", "Not Found"),
        (Rule, none, 410, "2", "Gone"),
        (Rule, none, 429, "8", "Too Many Requests"),
        (Rule, none, 431, "13", "Request Header Fields Too Large"),
        (Rule, none, 500, "2", "Internal Server Error"),
        (Rule, none, 502, "14", "Bad Gateway"),
        (Rule, none, 503, "14", "Service Unavailable"),
        (Rule, none, 504, "14", "Gateway Timeout"),
        (Rule, none, 599, "2", "Refused"),
    ] {
        let denial = denial(reason, "100% \"mine\"", wait).with_status(status);
        let response = alone(&denial);
        let headers = response.headers();
        assert_eq!(headers["grpc-status"], code, "{denial:?}");
        assert_eq!(headers["grpc-message"], message, "{denial:?}");
        assert_eq!(headers.contains_key("grpc-status-details-bin"), wait.is_some());
    }
}

#[test]
fn when_to_retry_is_never_early() {
    let most = Duration::from_millis(i32::MAX.unsigned_abs().into());
    for (wait, status, pushback, retry_after) in [
        (Some(Duration::from_nanos(1)), 429, Some("1"), Some("1")),
        (Some(Duration::from_millis(1_500)), 429, Some("1500"), Some("2")),
        (Some(Duration::from_micros(1_500_001)), 503, Some("1501"), Some("2")),
        (Some(most), 429, Some("2147483647"), Some("2147484")),
        (Some(most + Duration::from_nanos(1)), 429, Some("-1"), Some("2147484")),
        (None, 429, Some("-1"), None),
        (None, 403, Some("-1"), None),
        (None, 503, None, None),
    ] {
        let denial = denial(DenialReason::Limit, "x", wait).with_status(status);
        let response = alone(&denial);
        let headers = response.headers();
        assert_eq!(of(headers, "grpc-retry-pushback-ms").as_deref(), pushback, "{denial:?}");
        assert_eq!(of(headers, "retry-after").as_deref(), retry_after, "{denial:?}");
    }
}

/// Also what is made ahead.
#[test]
fn a_limit_of_a_gate_is_told_with_its_fields() {
    let setting = setting(Gate::builder().limit("100% mine", Quota::per_minute(1)));
    let denial = denied(&setting, NOW);
    let dialect = Dialect::Grpc(b"application/grpc+proto");
    let response = refused(&denial, dialect, &setting);
    let headers = response.headers();
    for (name, value) in [
        ("content-type", "application/grpc+proto"),
        ("grpc-status", "8"),
        ("grpc-message", "Quota Exceeded: 100%25 mine"),
        ("grpc-retry-pushback-ms", "60000"),
        ("retry-after", "60"),
        ("ratelimit-policy", "\"100% mine\";q=1;w=60"),
        ("ratelimit", "\"100% mine\";r=0;t=60"),
    ] {
        assert_eq!(headers[name], value);
    }
    // What is made ahead is what is made for the moment.
    let now = alone(&self::denial(DenialReason::Limit, "100% mine", denial.retry_after()));
    let details = "grpc-status-details-bin";
    assert_eq!(headers[details], now.headers()[details]);
    assert_eq!(headers.len(), 9);
}

/// Written down by hand from the messages' definitions: code 8, "Quota Exceeded: x", and a `RetryInfo` of 1.5
/// seconds in an `Any`.
#[test]
fn details_are_a_status_with_a_retry_info() {
    let wait = Some(Duration::from_millis(1_500));
    let response = alone(&denial(DenialReason::Limit, "x", wait));
    let details = "CAgSEVF1b3RhIEV4Y2VlZGVkOiB4GjYKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8S\
                   CgoICAEQgMq17gE";
    assert_eq!(response.headers()["grpc-status-details-bin"], details);
}
