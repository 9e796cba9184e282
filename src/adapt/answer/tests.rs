use core::time::Duration;
use std::{string::String, sync::Arc};

use super::{Dialect, Refusal};
use crate::{
    Gate, Quota, Timestamp, TokenBucket,
    adapt::setting::Setting,
    verdict::{Denial, DenialReason},
};

fn refusal(denial: &Denial) -> ::http::Response<bytes::Bytes> {
    let setting = Setting::new(&Gate::builder().build().unwrap());
    crate::adapt::http::response(Refusal::of(denial, Dialect::Http, &setting))
}

#[test]
fn a_used_up_limit_is_429_with_a_wait_that_is_never_zero_and_never_early() {
    for (quota, seconds) in [
        (Quota::per_second(1_000).burst(1), "1"),
        (Quota::per_second(1), "1"),
        (Quota::new(1, Duration::from_millis(1_001)).unwrap(), "2"),
        (Quota::per_minute(1), "60"),
    ] {
        let bucket = TokenBucket::new(quota);
        assert!(bucket.check(Timestamp::ZERO).is_admitted());
        let standing = bucket.check(Timestamp::ZERO).standing();
        let denial =
            Denial::new(DenialReason::Limit, Arc::from("per client"), Some(standing), None);
        let response = refusal(&denial);
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], seconds, "{quota}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = String::from_utf8(response.into_body().to_vec()).unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], 429);
        assert_eq!(body["violated-policies"][0], "per client");
    }
}

#[test]
fn where_waiting_does_not_help_there_is_no_retry_after() {
    let bucket = TokenBucket::new(Quota::per_second(0));
    let never = bucket.check(Timestamp::ZERO).standing();
    for (reason, standing, status) in [
        (DenialReason::Limit, Some(never), 429),
        (DenialReason::DenyList, None, 403),
        (DenialReason::MissingPeer, None, 403),
    ] {
        let response = refusal(&Denial::new(reason, Arc::from("x"), standing, None));
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("retry-after"));
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["status"], status);
    }
    let full = Denial::new(DenialReason::Saturated, Arc::from("x"), None, Some(Duration::ZERO));
    assert_eq!(refusal(&full).headers()["retry-after"], "1");
}
