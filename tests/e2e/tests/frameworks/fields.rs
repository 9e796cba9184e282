//! What responses say of limits, read by those whose business that is: `sfv` reads the fields, `serde_json` the
//! descriptions of problems, tonic the refusals in gRPC.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use portcullis::{Gate, GateBuilder, GateLayer, LimitFields, Quota, Reset, Timestamp};
use sfv::{BareItem, List, ListEntry, Parser};
use tonic_types::StatusExt;
use tower::{Layer, ServiceExt, service_fn};

const NOW: Timestamp = Timestamp::from_secs(1_000);
/// The largest integer of a structured field.
const MOST: i64 = 999_999_999_999_999;

async fn hello(_: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

/// One request to a service behind this gate.
async fn ask(gate: &Gate, fields: LimitFields, content_type: Option<&str>) -> Response<Bytes> {
    let layer = GateLayer::new(gate).clock(|| NOW).fields(fields);
    let mut request = Request::new(());
    request.extensions_mut().insert(IpAddr::from(Ipv4Addr::LOCALHOST));
    if let Some(content_type) = content_type {
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
    }
    let response = layer.layer(service_fn(hello)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// The only item of a list: a name with integers, and what its units are.
#[derive(Debug, PartialEq)]
struct Item {
    name: String,
    numbers: Vec<(String, i64)>,
    unit: Option<String>,
}

impl Item {
    fn number(&self, key: &str) -> Option<i64> {
        self.numbers.iter().find(|(known, _)| known == key).map(|(_, number)| *number)
    }
}

fn item(response: &Response<Bytes>, field: &str) -> Option<Item> {
    let value = response.headers().get(field)?;
    let list: List = Parser::new(value.as_bytes()).parse().unwrap();
    let [ListEntry::Item(item)] = &*list else { panic!("{value:?} is not one item") };
    let BareItem::String(name) = &item.bare_item else { panic!("{value:?} has no name") };
    let (mut numbers, mut unit) = (Vec::new(), None);
    for (key, value) in &item.params {
        match value {
            BareItem::Integer(number) => {
                numbers.push((key.as_str().to_owned(), i64::from(*number)));
            }
            BareItem::String(text) if key.as_str() == "qu" => unit = Some(text.as_str().to_owned()),
            other => panic!("{key:?} is {other:?}"),
        }
    }
    Some(Item { name: name.as_str().to_owned(), numbers, unit })
}

fn number(response: &Response<Bytes>, field: &str) -> Option<i64> {
    Some(response.headers().get(field)?.to_str().unwrap().parse().unwrap())
}

fn every(count: u32, period: Duration) -> Quota {
    Quota::new(count, period).unwrap()
}

fn one(name: &str, quota: Quota) -> GateBuilder {
    Gate::builder().limit(name, quota)
}

/// Quotas of all sizes, each until it is used up: what is said can be read, agrees, and promises no more than
/// there is.
#[tokio::test]
async fn fields_of_all_responses_are_read_back() {
    let years = Duration::from_secs(3_155_760_000);
    for (name, quota) in [
        ("plain", Quota::per_minute(3)),
        ("with blanks in it", Quota::per_second(5)),
        ("odd !#$%&'()*+,-./:;<=>?@[]^_`{|}~ odd", Quota::per_hour(2)),
        ("sub-second", every(2, Duration::from_millis(300))),
        ("odd period", every(3, Duration::from_millis(1_001)).burst(2)),
        ("one at a time", Quota::per_second(1_000).burst(1)),
        ("rare", every(1, years)),
        ("closed", Quota::per_day(0)),
        ("closed, too", Quota::per_day(9).burst(0)),
    ] {
        let gate = one(name, quota).build().unwrap();
        let fields = LimitFields::on_all().legacy(Reset::Delta);
        for nth in 0..=quota.max_burst().min(5) {
            let response = ask(&gate, fields, None).await;
            let policy = item(&response, "ratelimit-policy").unwrap();
            let limit = item(&response, "ratelimit").unwrap();
            assert_eq!((policy.name.as_str(), limit.name.as_str()), (name, name));
            let (q, w) = (policy.number("q").unwrap(), policy.number("w"));
            let (r, t) = (limit.number("r").unwrap(), limit.number("t"));
            assert_eq!(policy.numbers.len(), 1 + usize::from(w.is_some()));
            assert_eq!(policy.unit, None, "requests");
            let passed = response.status() == 200;
            assert_eq!(passed, !quota.is_zero() && nth < quota.max_burst(), "{quota}, {nth}");
            if quota.is_zero() {
                assert_eq!((q, w, r, t), (0, None, 0, None));
                assert_eq!(number(&response, "retry-after"), None);
                break;
            }
            let (w, t) = (w.unwrap(), t.unwrap());
            assert!((1..=MOST).contains(&w) && (1..=MOST).contains(&t));
            // Neither is faster than the quota.
            let rate = f64::from(quota.count()) / quota.period().as_secs_f64() * (1.0 + 1e-9);
            assert!(q as f64 / w as f64 <= rate && r as f64 / t as f64 <= rate, "{response:?}");
            let left = if passed { quota.max_burst() - nth - 1 } else { 0 };
            assert_eq!(r, i64::from(left));
            assert_eq!(number(&response, "retry-after"), (!passed).then_some(t));
            assert_eq!(number(&response, "x-ratelimit-reset"), Some(t));
            assert_eq!(number(&response, "x-ratelimit-remaining"), Some(r));
            let most = i64::from(quota.max_burst());
            assert_eq!(number(&response, "x-ratelimit-limit"), Some(most));
        }
    }
}

/// As large as a gate keeps them.
#[tokio::test]
async fn huge_quotas_are_read_back() {
    for (quota, units, seconds) in [
        (Quota::per_second(1_000_000).burst(1 << 27), 135_000_000, 135),
        (Quota::per_day(1).burst(1 << 20), 1 << 20, (1_i64 << 20) * 86_400),
    ] {
        let gate = one("huge", quota).build().unwrap();
        let response = ask(&gate, LimitFields::on_all(), None).await;
        let policy = item(&response, "ratelimit-policy").unwrap();
        assert_eq!((policy.number("q"), policy.number("w")), (Some(units), Some(seconds)));
        let limit = item(&response, "ratelimit").unwrap();
        assert_eq!(limit.number("r"), Some(i64::from(quota.max_burst()) - 1));
    }
}

/// By default, who passes is told nothing.
#[tokio::test]
async fn fields_are_where_they_are_wanted() {
    for (fields, told) in [
        (LimitFields::none(), [0, 0]),
        (LimitFields::default(), [0, 2]),
        (LimitFields::on_all(), [2, 2]),
        (LimitFields::on_denials().legacy_only(Reset::Epoch), [0, 3]),
        (LimitFields::on_all().legacy(Reset::Epoch), [5, 5]),
    ] {
        let gate = one("per client", Quota::per_minute(1)).build().unwrap();
        for (status, told) in [200, 429].into_iter().zip(told) {
            let response = ask(&gate, fields, None).await;
            assert_eq!(response.status(), status);
            let names = response.headers().keys();
            let found = names.filter(|name| name.as_str().contains("ratelimit")).count();
            assert_eq!(found, told, "{response:?}");
            assert_eq!(response.headers().contains_key("retry-after"), status == 429);
        }
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem_that_names_the_limit() {
    let gate = one("per client", Quota::per_minute(1)).build().unwrap();
    let _ = ask(&gate, LimitFields::default(), None).await;
    let refused = ask(&gate, LimitFields::default(), Some("application/json")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let problem: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
    let expected = serde_json::json!({
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Quota Exceeded",
        "status": 429,
        "violated-policies": ["per client"],
    });
    assert_eq!(problem, expected);
}

/// tonic finds the code, the message, and when to try again.
#[tokio::test]
async fn tonic_understands_a_refusal() {
    for (name, quota, wait) in [
        ("per client", Quota::per_minute(1), Some(Duration::from_secs(60))),
        ("100% mine", Quota::new(1, Duration::from_millis(1_500)).unwrap(), None),
        ("closed", Quota::per_day(0), Some(Duration::MAX)),
    ] {
        let gate = one(name, quota).build().unwrap();
        let content_type = "application/grpc+proto";
        if !quota.is_zero() {
            let passed = ask(&gate, LimitFields::default(), Some(content_type)).await;
            assert_eq!(passed.body().as_ref(), b"hello");
        }
        let refused = ask(&gate, LimitFields::default(), Some(content_type)).await;
        assert_eq!(refused.status(), 200);
        assert!(refused.body().is_empty());
        assert_eq!(refused.headers()["content-type"], content_type);
        let status = tonic::Status::from_header_map(refused.headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(status.message(), format!("Quota Exceeded: {name}"));
        let details = status.check_error_details().unwrap();
        let told = details.retry_info().map(|info| info.retry_delay.unwrap());
        let pushback = &refused.headers()["grpc-retry-pushback-ms"];
        match wait {
            Some(Duration::MAX) => {
                assert_eq!(told, None);
                assert_eq!(pushback, "-1");
            }
            wait => {
                // A gate's clock may be a little coarser than a quota.
                let told = told.unwrap();
                let wait = wait.unwrap_or(quota.period());
                assert!(told <= wait && told > wait * 9 / 10, "{told:?}");
                let millis = told.as_nanos().div_ceil(1_000_000);
                assert_eq!(pushback.to_str().unwrap(), millis.to_string());
            }
        }
        assert_eq!(item(&refused, "ratelimit").unwrap().name, name);
    }
    // Whom a list denies.
    let gate = Gate::builder().deny("127.0.0.1".parse().unwrap()).build().unwrap();
    let refused = ask(&gate, LimitFields::default(), Some("application/grpc")).await;
    let status = tonic::Status::from_header_map(refused.headers()).unwrap();
    assert_eq!((status.code(), status.message()), (tonic::Code::PermissionDenied, "Forbidden"));
    assert_eq!(status.details(), b"");
}
