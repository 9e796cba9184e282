//! Real logs played to a gate: where nothing happens, nobody is refused; in a flood, those who flood.

use std::{collections::BTreeSet, net::IpAddr};

use portcullis::{
    DenialReason, Gate, Outcome, Quota, Request, Timestamp, gate::LimitRule, rule::Scheme,
};

use super::{
    log,
    replay::logs::{self, Line},
};

/// Four days of a real site, as fast as they came and an hour in a minute. The gate knows nothing at first.
#[test]
fn where_nothing_happens_nobody_is_refused() {
    let log = log("access-semicomplete-2015.log").unwrap_or_else(logs::sample);
    // Without optimisation, all of it takes long.
    let lines = if cfg!(debug_assertions) { 2_000 } else { usize::MAX };
    let log: String = log.lines().take(lines).flat_map(|line| [line, "\n"]).collect();
    for (speed, observes) in [(1, false), (60, false), (60, true)] {
        let played = logs::play(&log, speed, observes).unwrap();
        assert!(played.asked >= 240 && played.refused == 0, "{speed} times as fast: {played}");
    }
}

/// CrowdSec's own scenario expects exactly these four of fourteen addresses: more than 30 distinct queries at
/// a time, one of which is forgotten each second.
#[test]
fn in_a_flood_those_who_flood_are_refused() {
    let Some(log) = log("access-crowdsec-http-dos-bypass-cache.log") else { return };
    let scheme = Scheme::new();
    let queries = LimitRule::new("distinct queries", Quota::per_second(1).burst(30))
        .distinct(scheme.parse_term("query").unwrap());
    let gate = Gate::builder().limit_rule(queries).build().unwrap();
    let mut refused = BTreeSet::new();
    for line in log.lines().filter_map(Line::parse) {
        let now = Timestamp::from_secs(line.at);
        let request = Request::new(line.client).method(line.method).target(line.target);
        match gate.check(&request, now).into_result() {
            Ok(admission) => gate.finish(admission, Outcome::status(line.status), now),
            Err(denial) => {
                assert_eq!(denial.reason(), DenialReason::Limit);
                refused.insert(line.client);
            }
        }
    }
    let four: Vec<IpAddr> = (1..=4).map(|last| IpAddr::from([127, 0, 0, last])).collect();
    assert_eq!(refused.into_iter().collect::<Vec<_>>(), four);
}
