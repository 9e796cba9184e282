//! The facade's exporter for Prometheus says of a gate what the gate says itself: every series, every value.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use metrics_exporter_prometheus::PrometheusBuilder;
use portcullis::{
    CidrSet, Defence, Gate, LimitRule, Outcome, Posture, Quota, Request, Timestamp,
    limit::remote::{FleetSettings, OnFailure},
    metrics::MetricsPublisher,
    rule::{Action, Rule, Scheme},
};

const NOW: Timestamp = Timestamp::from_secs(1);

/// A series as its name and its labels, as they are escaped, in their order.
type Series = (String, BTreeMap<String, String>);

fn gate() -> Gate {
    let when = Scheme::new().parse(r#"path eq "/.env""#).unwrap();
    Gate::builder()
        .deny("198.51.100.0/24".parse().unwrap())
        .list("a \"b\",\nc", "203.0.113.0/24".parse::<CidrSet>().unwrap())
        .rule(Rule::new("} 1 # {a=b},c", when).then(Action::Deny { status: 403 }))
        .limit("per client", Quota::per_hour(3))
        .limit_rule(LimitRule::in_flight("all places", 500).by([]))
        .limit_rule(LimitRule::new("shared", Quota::per_minute(100)).fleet(OnFailure::Local))
        .fleet(FleetSettings::new())
        .defence(Defence::up_to(Posture::Elevated))
        .build()
        .unwrap()
}

fn ask(gate: &Gate, clients: u8) {
    for (net, target) in [(10, "/"), (10, "/.env"), (198, "/"), (10, "/"), (10, "/")] {
        for client in 0..clients {
            let ip = if net == 10 { [10, 0, 0, client] } else { [198, 51, 100, client] };
            let request = Request::new(IpAddr::V4(Ipv4Addr::from(ip))).target(target);
            if let Ok(admission) = gate.check(&request, NOW).into_result() {
                gate.finish(admission, Outcome::status(200), NOW);
            }
        }
    }
}

/// All samples of a text in the format of Prometheus or OpenMetrics.
fn samples(text: &str) -> BTreeMap<Series, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut rest = labels.strip_suffix('}').unwrap();
        let mut all = BTreeMap::new();
        while let Some((label, quoted)) = rest.split_once("=\"") {
            let is_end = |at: &usize| !quoted[..*at].ends_with('\\');
            let end = quoted.match_indices('"').map(|(at, _)| at).find(is_end).unwrap();
            let label = label.trim_start_matches(',').to_owned();
            assert_eq!(all.insert(label, quoted[..end].to_owned()), None, "{line}");
            rest = &quoted[end + 1..];
        }
        assert_eq!(rest, "", "{line}");
        ((name.to_owned(), all), value.parse().unwrap())
    };
    let mut samples = BTreeMap::new();
    for (series, value) in lines.map(sample) {
        assert_eq!(samples.insert(series.clone(), value), None, "{series:?} is there twice");
    }
    samples
}

#[test]
fn the_exporter_renders_what_the_gate_does() {
    for recommended in [false, true] {
        let gate = gate();
        let builder = PrometheusBuilder::new().with_recommended_naming(recommended);
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let mut publisher = MetricsPublisher::new(&gate);
        for clients in [0, 9, 40] {
            ask(&gate, clients);
            metrics::with_local_recorder(&recorder, || publisher.publish(NOW));
            let (theirs, ours) = (samples(&handle.render()), samples(&gate.open_metrics(NOW)));
            assert!(ours.len() > 80, "{}", ours.len());
            assert_eq!(theirs, ours, "recommended naming: {recommended}");
        }
        let text = handle.render();
        for line in [
            "# TYPE portcullis_requests_total counter",
            "# TYPE portcullis_memory_bytes gauge",
            "# HELP portcullis_bans Bans in force.",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
