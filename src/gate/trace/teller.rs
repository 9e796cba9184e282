//! Who tells a subscriber.

use core::net::IpAddr;

use tracing::{Level, event, level_filters::LevelFilter};

use super::{CLIENT, CONFIG, DEFENCE, DENY, FLEET, ROOM, sparse::Sparse};
use crate::{
    detect::{Detector, Event, EventKind},
    gate::{
        RuleKind, Stage,
        pipeline::Refusal,
        snapshot::{Setting, Snapshot},
        stats::Counter,
    },
    limit::remote::Fleet,
    rule::Name,
    sync::{AtomicU64, Ordering},
    time::Timestamp,
    verdict::{Denial, Mark, Traces},
};

/// What one gate has told, as far as that is needed to tell no more than once a second.
#[derive(Debug)]
pub(in crate::gate) struct Tracer {
    without_peer: Sparse,
    refused_reload: Sparse,
    raised: Sparse,
    away: Sparse,
    /// 1 after it was told that the store is away.
    is_away: AtomicU64,
    looked: Sparse,
    /// What was counted when it was last told.
    unseated: AtomicU64,
    displaced: AtomicU64,
}

impl Tracer {
    pub(in crate::gate) fn new() -> Self {
        Self {
            without_peer: Sparse::new(),
            refused_reload: Sparse::new(),
            raised: Sparse::new(),
            away: Sparse::new(),
            is_away: AtomicU64::new(0),
            looked: Sparse::new(),
            unseated: AtomicU64::new(0),
            displaced: AtomicU64::new(0),
        }
    }

    /// A request or a connection is refused.
    #[inline]
    pub(in crate::gate) fn denied(&self, refusal: Refusal, denial: &Denial) {
        if tracing::enabled!(target: DENY, Level::DEBUG) {
            say_denied(refusal, denial, denial.name(), true);
        }
    }

    /// A request would be refused, if the gate did not only observe; by this mitigation, if by one.
    #[inline]
    pub(in crate::gate) fn would_deny(
        &self,
        refusal: Refusal,
        mitigation: Option<&Name>,
        denial: impl FnOnce() -> Denial,
    ) {
        if tracing::enabled!(target: DENY, Level::DEBUG) {
            let denial = denial();
            let name = mitigation.filter(|_| matches!(refusal, Refusal::Mitigated { .. }));
            say_denied(refusal, &denial, name.map_or(denial.name(), |name| name), false);
        }
    }

    /// Rules and limits in shadow would have denied this request. The mark of a refusal that was only observed is
    /// among the traces, and is told already.
    #[inline]
    pub(in crate::gate) fn in_shadow(&self, traces: &Traces, observed: Option<Refusal>) {
        if !traces.is_empty() && tracing::enabled!(target: DENY, Level::DEBUG) {
            say_shadow(traces, observed.and_then(Refusal::mark));
        }
    }

    /// A check is over, and with it what it has done of a tick.
    #[inline]
    pub(in crate::gate) fn checked(
        &self,
        setting: &Setting,
        client: Option<IpAddr>,
        without_peer: &Counter,
        now: Timestamp,
    ) {
        // Nobody listens, or only to what is not told.
        if LevelFilter::current() < Level::WARN {
            return;
        }
        if client.is_none() {
            self.say_without_peer(without_peer, now);
        }
        self.due(setting, now);
    }

    /// Tells what has come to be known since, if anything has.
    #[inline]
    pub(in crate::gate) fn due(&self, setting: &Setting, now: Timestamp) {
        if let Some(detector) = &setting.detector {
            self.defence(detector);
        }
        if self.looked.turn(now) {
            self.look(setting);
        }
    }

    /// Tells the events that were noted since.
    #[inline]
    pub(in crate::gate) fn defence(&self, detector: &Detector) {
        if detector.has_untold() {
            self.say_events(detector);
        }
    }

    /// A check that may have asked the store goes on.
    #[inline]
    pub(in crate::gate) fn fleet(&self, fleet: Option<&Fleet>, now: Timestamp) {
        if let Some(fleet) = fleet {
            if tracing::enabled!(target: FLEET, Level::WARN) {
                self.say_whether_away(fleet, now);
            }
        }
    }

    /// The gate was changed as a whole.
    pub(in crate::gate) fn reloaded(&self, snapshot: &Snapshot) {
        let (rules, limits) = (snapshot.rules.rules().len(), snapshot.setting.limit_tallies.len());
        event!(target: CONFIG, Level::INFO, rules = rules, limits = limits, "reloaded");
    }

    /// A change was refused for its mistakes.
    pub(in crate::gate) fn refused_reload(&self, mistakes: usize, now: Timestamp) {
        if !tracing::enabled!(target: CONFIG, Level::WARN) {
            return;
        }
        if let Some(suppressed) = self.refused_reload.lets(now) {
            event!(
                target: CONFIG,
                Level::WARN,
                mistakes = mistakes,
                suppressed = suppressed,
                "reload refused"
            );
        }
    }

    #[cold]
    fn say_without_peer(&self, without_peer: &Counter, now: Timestamp) {
        if !tracing::enabled!(target: CLIENT, Level::WARN) {
            return;
        }
        if let Some(suppressed) = self.without_peer.lets(now) {
            event!(
                target: CLIENT,
                Level::WARN,
                missing_peer = without_peer.get(),
                suppressed = suppressed,
                help = "axum: serve with `into_make_service_with_connect_info::<SocketAddr>()`; \
                        other servers: put the peer's `SocketAddr` among the request's extensions",
                "requests without a peer address"
            );
        }
    }

    /// Whether there was too little room since, once a second.
    #[cold]
    fn look(&self, setting: &Setting) {
        if !tracing::enabled!(target: ROOM, Level::WARN) {
            return;
        }
        let unseated = since(&self.unseated, || setting.limits.saturation().unseated.get());
        let displaced = since(&self.displaced, || setting.bans.times_displaced());
        if unseated > 0 || displaced > 0 {
            event!(
                target: ROOM,
                Level::WARN,
                unseated = unseated,
                displaced = displaced,
                "too little room"
            );
        }
    }

    #[cold]
    fn say_events(&self, detector: &Detector) {
        // Otherwise they are kept for who comes to listen.
        if !tracing::enabled!(target: DEFENCE, Level::WARN) {
            return;
        }
        detector.tell(|event, left_out| {
            if left_out > 0 {
                event!(target: DEFENCE, Level::INFO, left_out = left_out, "events were left out");
            }
            self.say_event(event);
        });
    }

    fn say_event(&self, event: &Event) {
        let Event { at, kind, evidence, .. } = event;
        macro_rules! posture {
            ($level:expr, $from:expr, $to:expr, $message:literal) => {
                event!(
                    target: DEFENCE,
                    $level,
                    from = $from,
                    to = $to,
                    times_usual = evidence.times_usual(),
                    offered = evidence.offered,
                    usual = evidence.usual,
                    attack = evidence.attack,
                    load = evidence.load,
                    new = evidence.new,
                    $message
                )
            };
        }
        match kind {
            EventKind::Posture { from, to } => {
                let (is_raised, from, to) = (to > from, from.name(), to.name());
                if !is_raised {
                    posture!(Level::INFO, from, to, "posture lowered");
                } else if self.raised.turn(*at) {
                    posture!(Level::WARN, from, to, "posture raised");
                } else {
                    posture!(Level::INFO, from, to, "posture raised");
                }
            }
            EventKind::Latched => {
                let none = None::<&str>;
                posture!(Level::INFO, none, none, "posture latched");
            }
            // Not the rule: it names networks and paths.
            EventKind::Found { name, covers, harms, .. } => event!(
                target: DEFENCE,
                Level::INFO,
                mitigation = name.as_str(),
                covers = covers,
                harms = harms,
                "mitigation found"
            ),
            EventKind::Throttled { name } => {
                let name = name.as_str();
                event!(target: DEFENCE, Level::INFO, mitigation = name, "mitigation throttles");
            }
            EventKind::Denied { name } => {
                let name = name.as_str();
                event!(target: DEFENCE, Level::INFO, mitigation = name, "mitigation denies");
            }
            EventKind::Ended { name, matched } => event!(
                target: DEFENCE,
                Level::INFO,
                mitigation = name.as_str(),
                matched = matched,
                "mitigation ended"
            ),
            EventKind::Held { rate } => {
                event!(target: DEFENCE, Level::INFO, rate = rate, "unknown clients are held");
            }
            EventKind::Readmitted => {
                event!(target: DEFENCE, Level::INFO, "unknown clients are served again");
            }
            // Not what: conditions that are edited name networks and paths.
            EventKind::Told { .. } => {
                event!(target: DEFENCE, Level::INFO, "an operator has intervened");
            }
        }
    }

    fn say_whether_away(&self, fleet: &Fleet, now: Timestamp) {
        let (is_away, was_away) =
            (u64::from(fleet.is_away()), self.is_away.load(Ordering::Relaxed));
        // Who comes and goes within a second has not been away long enough to be told of.
        if is_away == was_away || (is_away == 1 && !self.away.turn(now)) {
            return;
        }
        // One of those who see it tells.
        let is_mine =
            self.is_away.compare_exchange(was_away, is_away, Ordering::Relaxed, Ordering::Relaxed);
        if is_mine.is_err() {
            return;
        }
        let stats = fleet.stats();
        macro_rules! store {
            ($level:expr, $message:literal) => {
                event!(
                    target: FLEET,
                    $level,
                    calls = stats.calls(),
                    timeouts = stats.timeouts(),
                    failures = stats.failures(),
                    fallbacks = stats.fallbacks(),
                    $message
                )
            };
        }
        match is_away {
            1 => store!(Level::WARN, "the store is taken to be away"),
            _ => store!(Level::INFO, "the store answers again"),
        }
    }
}

#[cold]
#[inline(never)]
fn say_denied(refusal: Refusal, denial: &Denial, name: &str, enforced: bool) {
    let wait = denial.retry_after().map(|wait| {
        // Rounded up: who waits so long does not come too early.
        u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    });
    event!(
        target: DENY,
        Level::DEBUG,
        rule = name,
        kind = refusal.kind().name(),
        stage = refusal.stage().name(),
        reason = denial.reason().name(),
        status = denial.status(),
        retry_after_ms = wait,
        enforced = enforced,
        "denied"
    );
}

#[cold]
#[inline(never)]
fn say_shadow(traces: &Traces, told: Option<Mark>) {
    for (name, mark) in traces.would_deny().filter(|(_, mark)| Some(*mark) != told) {
        let (kind, stage) = match mark {
            Mark::ShadowLimit(_) => (RuleKind::Limit, Stage::Limits),
            Mark::ShadowRule(_) | Mark::Rule(_) => (RuleKind::Rule, Stage::Rules),
        };
        event!(
            target: DENY,
            Level::DEBUG,
            rule = name,
            kind = kind.name(),
            stage = stage.name(),
            enforced = false,
            "denied in shadow"
        );
    }
}

/// How much was counted since this was told; then it is told.
///
/// Nothing, if another thread tells meanwhile: what it has not seen yet is told the next time.
fn since(told: &AtomicU64, counted: impl FnOnce() -> u64) -> u64 {
    // Acquire and Release, and before it is counted: who sees what another thread has told counts no less than that one.
    let before = told.load(Ordering::Acquire);
    // Counts outlive reloads, but a table of bans that was just replaced may have gone on: it is not told twice.
    let counted = counted().max(before);
    match told.compare_exchange(before, counted, Ordering::Release, Ordering::Relaxed) {
        Ok(_) => counted.saturating_sub(before),
        Err(_) => 0,
    }
}

impl Refusal {
    /// Whose it is.
    fn kind(self) -> RuleKind {
        match self {
            Self::Rule { .. } | Self::RuleBans { .. } => RuleKind::Rule,
            Self::Limit { .. }
            | Self::Concurrency { .. }
            | Self::MissingKey { .. }
            | Self::Unavailable { .. }
            | Self::Banned { limit: Some(_), .. } => RuleKind::Limit,
            Self::MissingPeer
            | Self::Banned { limit: None, .. }
            | Self::DenyList
            | Self::Saturated { .. }
            | Self::Mitigated { .. }
            | Self::Shed { .. } => RuleKind::Own,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::since;
    use crate::sync::{AtomicU64, Ordering};

    /// A check that still sees the table before a change of the number of bans counts there.
    #[test]
    fn what_was_told_of_a_table_is_not_told_of_the_one_that_replaces_it() {
        let told = AtomicU64::new(0);
        let tell = |counted| since(&told, || counted);
        assert_eq!([tell(10), tell(11), tell(10), tell(10), tell(12)], [10, 1, 0, 0, 1]);
        assert_eq!(told.load(Ordering::Relaxed), 12);
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use std::vec::Vec;

    use loom::{sync::Arc, thread};

    use super::since;
    use crate::sync::{AtomicU64, Ordering};

    /// Two threads tell what a third one counts: together, and with what is left, they tell each once.
    #[test]
    fn loom_told_what_is_counted_is_told_once() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let all = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
            let tell =
                |all: &(AtomicU64, AtomicU64)| since(&all.0, || all.1.load(Ordering::Relaxed));
            let counting = Arc::clone(&all);
            let counter = thread::spawn(move || {
                (0..2).for_each(|_| _ = counting.1.fetch_add(1, Ordering::Relaxed));
            });
            let tellers: Vec<_> = (0..2)
                .map(|_| {
                    let all = Arc::clone(&all);
                    thread::spawn(move || tell(&all))
                })
                .collect();
            counter.join().unwrap();
            let told: u64 = tellers.into_iter().map(|teller| teller.join().unwrap()).sum();
            assert_eq!(told + tell(&all), 2);
        });
    }
}
