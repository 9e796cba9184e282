//! Limits with conditions, keys, costs, distinct values and bans: a check and its end allocate nothing,
//! and the memory stays what it was.

use std::{net::IpAddr, time::Duration};

use portcullis::{
    Gate, GateBuilder, Outcome, Quota, Request, Timestamp,
    gate::{Hold, LimitRule, MissingKey, Then},
    rule::{Ban, RuleMode, Scheme},
};

use super::{allocations, peer};

fn limits() -> [LimitRule; 9] {
    let scheme = Scheme::new().limit("failures");
    let when = |text| scheme.parse(text).unwrap();
    let term = |text| scheme.parse_response_term(text).unwrap();
    let response = |text| scheme.parse_response(text).unwrap();
    let ban = Ban::new(Duration::from_millis(20)).escalate(2).most(Duration::from_millis(100));
    let failures = LimitRule::new("failures", Quota::per_second(3))
        .when(when(r#"method == "POST" and path starts_with "/login""#))
        .count_if(response(r#"status in {401 403} and not query contains "trusted""#))
        .then(Then::Ban(ban));
    let keys = LimitRule::new("keys", Quota::per_second(200))
        .by([term(r#"lower(header["x-key"])"#), term("url_decode(path)")])
        .missing(MissingKey::Skip)
        .cost_of(term("http.request.body.size"))
        .then(Then::Ban(ban));
    let crawl = LimitRule::new("crawl", Quota::per_second(5).burst(4)).distinct(term("uri"));
    let found = LimitRule::new("found", Quota::per_second(2))
        .distinct(term("path"))
        .count_if(response("status == 404"));
    let time = LimitRule::new("time", Quota::per_second(1_000)).cost_of(term("http.response.code"));
    let all = LimitRule::new("all", Quota::per_second(500)).by([]);
    let at_once = LimitRule::in_flight("at once", 2);
    let in_all = LimitRule::in_flight("in all", 3).by([]);
    let busy = LimitRule::new("busy", Quota::per_second(2))
        .when(when(r#"counter("failures") > 1"#))
        .mode(RuleMode::Shadow);
    [failures, keys, crawl, found, time, all, at_once, in_all, busy]
}

#[test]
fn limits_of_every_kind_allocate_nothing() {
    let [failures, .., busy] = limits();
    for alone in limits().into_iter().take(8) {
        let gate = ask(&[alone]);
        let stats = gate.stats();
        assert!(stats.rules().last().is_some_and(|limit| limit.denied() > 0), "{stats:?}");
    }
    let gate = ask(&[failures, busy]);
    assert!(gate.stats().rule("busy").unwrap().would_deny() > 0);
    assert!(!gate.bans().list(Timestamp::from_millis(750)).is_empty());
    ask(&limits());
}

/// Asks a gate with these limits for all kinds of requests.
fn ask(limits: &[LimitRule]) -> Gate {
    let gate = Gate::builder().clients(500).bans(50);
    let gate = limits.iter().cloned().fold(gate, GateBuilder::limit_rule).build().unwrap();
    let targets = ["/login?a=%20", "/a%2Fb", "/login", "/b//c/../d?trusted", "/c"];
    // A thread's first check makes an entry for the thread.
    let _ = gate.check(&Request::new(None), Timestamp::ZERO);
    let before = gate.memory_bytes();
    // As responses on their way.
    let mut held: [Option<Hold>; 4] = Default::default();
    let count = allocations(|| {
        for at in 0..6_000_u32 {
            let now = Timestamp::from_micros(u64::from(at) * 250);
            let from: [IpAddr; 2] = [peer(at % 40), peer(at << 6)];
            for (peer, target) in from.into_iter().zip([0, 2]) {
                // Every client asks for every target.
                let target = targets[(at as usize / 3 + target) % targets.len()];
                let request = Request::new(peer)
                    .method(if at % 3 == 0 { "POST" } else { "GET" })
                    .host("h")
                    .target(target)
                    .header("X-Key", if at % 5 == 0 { "One" } else { "two" })
                    .field("http.request.body.size", i64::from(at % 4));
                if let Ok(mut admission) = gate.check(&request, now).into_result() {
                    if at % 5 < 4 {
                        held[at as usize % 4] = admission.hold();
                    }
                    if at % 7 != 0 {
                        let status = [200, 401, 404][at as usize / 3 % 3];
                        gate.finish(admission, Outcome::status(status), now);
                    }
                }
            }
        }
    });
    assert_eq!(count, 0);
    assert_eq!(gate.memory_bytes(), before);
    gate
}
