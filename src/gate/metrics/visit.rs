//! All numbers, family by family.

use super::{
    GateMetrics, Gauges, LimitGauges, MetricFamily, MetricValue, family::*, gauges::DefenceGauges,
};
use crate::{
    detect::Posture,
    gate::{GateStats, Mode, RuleStats},
};

/// Who visits the numbers.
type Visit<'v> = dyn FnMut(&'static MetricFamily, &[(&str, &str)], MetricValue) + 'v;

impl GateMetrics {
    /// Visits every number: its family, its labels, its value. Those of one family come one after the other.
    ///
    /// Labels are names of rules, limits and lists, and words of the library's own; which there are does not depend on
    /// what clients send.
    pub fn each(&self, visit: &mut Visit<'_>) {
        let Self { stats, gauges } = self;
        requests(stats, visit);
        rules(stats, visit);
        limits(&gauges.limits, visit);
        state(stats, gauges, visit);
        if let Some(defence) = &gauges.defence {
            defended(defence, visit);
        }
        fleet(gauges, visit);
        visit(&MEMORY, &[], gauge(gauges.memory));
    }
}

fn requests(stats: &GateStats, visit: &mut Visit<'_>) {
    visit(&REQUESTS, &[("outcome", "admitted")], MetricValue::Count(stats.admitted()));
    visit(&REQUESTS, &[("outcome", "denied")], MetricValue::Count(stats.denied()));
    visit(&EXEMPTED, &[], MetricValue::Count(stats.exempted()));
    visit(&ALLOWED, &[], MetricValue::Count(stats.allowed()));
    visit(&MISSING_PEER, &[], MetricValue::Count(stats.missing_peer()));
    for (class, name) in [(1, "1xx"), (2, "2xx"), (3, "3xx"), (4, "4xx"), (5, "5xx")] {
        let count = MetricValue::Count(stats.finished_with_class(class));
        visit(&FINISHED, &[("class", name)], count);
    }
}

fn rules(stats: &GateStats, visit: &mut Visit<'_>) {
    // Only what is counted as it is: a difference of two counts could go back between two looks at it.
    for (family, count) in [
        (&MATCHES, RuleStats::matched as fn(&RuleStats) -> u64),
        (&SHADOW_MATCHES, RuleStats::would_have),
    ] {
        for rule in stats.rules() {
            let labels = [("rule", rule.name()), ("kind", rule.kind().name())];
            visit(family, &labels, MetricValue::Count(count(rule)));
        }
    }
    for rule in stats.rules() {
        for (effect, count) in [("enforced", rule.denied()), ("shadow", rule.would_deny())] {
            let labels = [
                ("rule", rule.name()),
                ("kind", rule.kind().name()),
                ("stage", rule.stage().name()),
                ("effect", effect),
            ];
            visit(&DENIALS, &labels, MetricValue::Count(count));
        }
    }
    visit(&SATURATED, &[], MetricValue::Count(stats.saturated()));
    let judges =
        [("network", stats.judged_by_network()), ("newcomers", stats.judged_as_newcomers())];
    for (judge, count) in judges {
        visit(&SATURATED_JUDGED, &[("judge", judge)], MetricValue::Count(count));
    }
}

fn limits(limits: &[LimitGauges], visit: &mut Visit<'_>) {
    let each = |family: &'static MetricFamily,
                of: &dyn Fn(&LimitGauges) -> Option<MetricValue>,
                visit: &mut Visit<'_>| {
        for limit in limits {
            if let Some(value) = of(limit) {
                visit(family, &[("limit", &limit.name)], value);
            }
        }
    };
    each(&LIMIT_KEYS, &|limit| limit.room.keys.map(gauge), visit);
    each(&LIMIT_ROOM, &|limit| limit.room.keys_room.map(gauge), visit);
    each(&LIMIT_UNSEATED, &|limit| limit.room.unseated.map(MetricValue::Count), visit);
    each(&LIMIT_RECLAIMED, &|limit| limit.room.reclaimed.map(MetricValue::Count), visit);
    each(
        &LIMIT_IN_FLIGHT,
        &|limit| limit.room.in_flight.map(|n| MetricValue::Gauge(n.into())),
        visit,
    );
}

fn state(stats: &GateStats, gauges: &Gauges, visit: &mut Visit<'_>) {
    for (name, entries) in &gauges.lists {
        visit(&LIST_ENTRIES, &[("list", name)], gauge(*entries));
    }
    visit(&RELOADS, &[("outcome", "done")], MetricValue::Count(stats.reloads()));
    visit(&RELOADS, &[("outcome", "refused")], MetricValue::Count(stats.refused_reloads()));
    for mode in [Mode::Off, Mode::Observe, Mode::Enforce] {
        let value = MetricValue::Gauge(flag(gauges.mode == mode));
        visit(&super::family::MODE, &[("portcullis_mode", mode.name())], value);
    }
    visit(&BANS, &[], gauge(gauges.bans));
    visit(&BANS_ROOM, &[], gauge(gauges.bans_room));
    visit(&BANS_DISPLACED, &[], MetricValue::Count(gauges.bans_displaced));
    if let Some([same, deny, allow]) = gauges.candidate {
        for (verdict, count) in [("agree", same), ("would_deny", deny), ("would_allow", allow)] {
            visit(&CANDIDATE, &[("verdict", verdict)], MetricValue::Count(count));
        }
    }
}

fn defended(defence: &DefenceGauges, visit: &mut Visit<'_>) {
    for posture in Posture::ALL {
        let value = MetricValue::Gauge(flag(defence.posture == posture));
        visit(&POSTURE, &[("portcullis_posture", posture.name())], value);
    }
    let evidence = &defence.evidence;
    visit(&LOAD, &[], MetricValue::Gauge(evidence.load / 100.0));
    visit(&ATTACK, &[], MetricValue::Gauge(evidence.attack / 100.0));
    visit(&OFFERED, &[], MetricValue::Gauge(evidence.offered));
    visit(&USUAL, &[], MetricValue::Gauge(evidence.usual));
    visit(&CLIENTS, &[], MetricValue::Gauge(evidence.clients));
    visit(&IN_FLIGHT, &[], gauge(usize::try_from(defence.in_flight).unwrap_or(usize::MAX)));
    visit(&MITIGATIONS, &[], gauge(defence.mitigations));
    visit(&EVENTS_DROPPED, &[], MetricValue::Count(defence.dropped_events));
    visit(&SAMPLES_DROPPED, &[], MetricValue::Count(defence.dropped_samples));
}

fn fleet(gauges: &Gauges, visit: &mut Visit<'_>) {
    let Some(fleet) = gauges.fleet else { return };
    visit(&FLEET_CALLS, &[], MetricValue::Count(fleet.calls()));
    for (failure, count) in [("timeout", fleet.timeouts()), ("error", fleet.failures())] {
        visit(&FLEET_FAILURES, &[("failure", failure)], MetricValue::Count(count));
    }
    let answers = [
        ("lease", fleet.from_leases()),
        ("memory", fleet.from_memory()),
        ("fallback", fleet.fallbacks()),
    ];
    for (by, count) in answers {
        visit(&FLEET_CLAIMS, &[("answered_by", by)], MetricValue::Count(count));
    }
    visit(&FLEET_OPEN, &[], MetricValue::Gauge(flag(fleet.is_open())));
}

fn flag(is_set: bool) -> f64 {
    if is_set { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn gauge(count: usize) -> MetricValue {
    MetricValue::Gauge(count as f64)
}
