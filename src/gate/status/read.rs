//! How a status is read off a gate.

use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::net::IpAddr;

use super::{
    BanStatus, CandidateStatus, DefenceStatus, FleetStatus, GateStatus, LimitStatus, ListStatus,
    MOST_BANS, MOST_TALKERS, RuleStatus, StageStatus, StandingStatus, StatusCounts, TalkerStatus,
    words,
};
use crate::{
    detect::{Detector, Talker},
    gate::{
        Gate, GateStats, RuleKind, RuleStats, Stage, metrics::Gauges, pipeline::bare,
        plan::LimitPlan, plan::Scope, snapshot::Setting, snapshot::Snapshot,
        snapshot::mode_of_limit,
    },
    request::Request,
    rule::{Facts, RuleMode},
    time::Timestamp,
};

/// The status of a gate at `now`.
pub(super) fn read(gate: &Gate, now: Timestamp) -> GateStatus {
    let (stats, gauges) = (gate.stats(), gate.gauges(now));
    let snapshot = gate.0.snapshot.load();
    let setting = &*snapshot.setting;
    let limits = setting.frame.limits.iter();
    let limits = limits.map(|limit| self::limit(limit, &setting.frame.groups, &stats, &gauges));
    let bans = setting.bans.longest(MOST_BANS, now).into_iter().map(|ban| BanStatus {
        net: ban.net(),
        reason: String::from(ban.reason()),
        remaining: ban.remaining().as_secs_f64(),
        level: ban.level(),
    });
    GateStatus {
        seconds: core::time::Duration::from_nanos(now.as_nanos()).as_secs_f64(),
        mode: gauges.mode,
        counts: counts(&stats),
        stages: stages(&stats),
        rules: rules(&stats, &snapshot),
        limits: limits.collect(),
        lists: gauges
            .lists
            .iter()
            .map(|(name, entries)| ListStatus { name: name.to_string(), entries: *entries })
            .collect(),
        bans: bans.collect(),
        bans_in_force: gauges.bans,
        bans_room: gauges.bans_room,
        defence: setting.detector.as_ref().map(|detector| defence(setting, detector, now)),
        candidate: gauges.candidate.map(|[agree, would_deny, would_allow]| CandidateStatus {
            agree,
            would_deny,
            would_allow,
        }),
        fleet: gauges.fleet.map(|fleet| FleetStatus {
            calls: fleet.calls(),
            timeouts: fleet.timeouts(),
            failures: fleet.failures(),
            from_leases: fleet.from_leases(),
            from_memory: fleet.from_memory(),
            fallbacks: fleet.fallbacks(),
            is_open: fleet.is_open(),
        }),
        memory_bytes: gauges.memory,
    }
}

fn counts(stats: &GateStats) -> StatusCounts {
    StatusCounts {
        checked: stats.checked(),
        admitted: stats.admitted(),
        denied: stats.denied(),
        would_deny: stats.would_deny(),
        exempted: stats.exempted(),
        allowed: stats.allowed(),
        missing_peer: stats.missing_peer(),
        saturated: stats.saturated(),
        finished: [1, 2, 3, 4, 5].map(|class| stats.finished_with_class(class)),
        reloads: stats.reloads(),
        refused_reloads: stats.refused_reloads(),
    }
}

/// Exempt addresses are never refused.
fn stages(stats: &GateStats) -> Vec<StageStatus> {
    let refusing = Stage::ALL.iter().copied().filter(|stage| *stage != Stage::Exempt);
    let status = |stage| {
        let of_stage = stats.stage(stage);
        StageStatus { stage, denied: of_stage.denied(), would_deny: of_stage.would_deny() }
    };
    refusing.map(status).collect()
}

fn rules(stats: &GateStats, snapshot: &Snapshot) -> Vec<RuleStatus> {
    let status = |stats: &RuleStats, condition, actions, mode| RuleStatus {
        name: String::from(stats.name()),
        kind: stats.kind(),
        condition,
        actions,
        mode,
        matched: stats.matched(),
        denied: stats.denied(),
        would_deny: stats.would_deny(),
    };
    let own = stats.rules().iter().filter(|stats| stats.kind() == RuleKind::Own);
    let own = own.map(|stats| status(stats, String::new(), String::new(), RuleMode::Enforce));
    // A reload between the two looks may have taken one away.
    let rules = snapshot.rules.rules().iter().filter_map(|rule| {
        let stats = stats.rule(&rule.name)?;
        Some(status(stats, rule.when.to_string(), words::actions_of(rule), rule.mode))
    });
    own.chain(rules).collect()
}

fn limit(
    limit: &LimitPlan,
    groups: &[(crate::rule::Name, RuleMode)],
    stats: &GateStats,
    gauges: &Gauges,
) -> LimitStatus {
    let counted = stats.rule(&limit.name);
    let room = gauges.limits.iter().find(|gauges| gauges.name == limit.name);
    let room = room.map(|gauges| gauges.room).unwrap_or_default();
    LimitStatus {
        name: limit.name.to_string(),
        bound: words::bound_of(limit),
        by: words::key_of(limit),
        condition: limit.when.as_ref().map_or_else(String::new, ToString::to_string),
        words: words::words_of(limit),
        mode: mode_of_limit(limit, groups),
        is_shared: matches!(limit.scope, Scope::Fleet(_)),
        denied: counted.map_or(0, RuleStats::denied),
        would_deny: counted.map_or(0, RuleStats::would_deny),
        keys: room.keys,
        keys_room: room.keys_room,
        unseated: room.unseated,
        in_flight: room.in_flight,
    }
}

fn defence(setting: &Setting, detector: &Arc<Detector>, now: Timestamp) -> DefenceStatus {
    let talkers = detector.talkers().into_iter().take(MOST_TALKERS);
    DefenceStatus {
        posture: detector.word().posture(),
        evidence: detector.evidence(),
        in_flight: detector.in_flight(),
        mitigations: detector.mitigations(now),
        talkers: talkers.map(|talker| self::talker(setting, talker, now)).collect(),
        events: detector.recent_events(),
        is_incident: detector.incident().is_some_and(|incident| !incident.is_over()),
    }
}

fn talker(setting: &Setting, talker: Talker, now: Timestamp) -> TalkerStatus {
    let Talker { client, net, rate, usual, is_known } = talker;
    TalkerStatus { standings: standings(setting, client, now), client, net, rate, usual, is_known }
}

/// Where a client stands with limits that are each client's, whatever it asks for.
fn standings(setting: &Setting, client: IpAddr, now: Timestamp) -> Vec<StandingStatus> {
    let request = Request::new(client);
    let facts = Facts { client: Some(client), group: setting.group, ..bare(&request) };
    let stands = setting.limits.standings_of_client(&facts, now);
    let named = stands.filter_map(|(limit, decision)| {
        let standing = decision.standing();
        Some(StandingStatus {
            limit: setting.names.limits.get(limit)?.to_string(),
            remaining: standing.remaining(),
            of: standing.limit(),
            is_denied: decision.is_denied(),
        })
    });
    named.collect()
}
