//! A check whose limits of a fleet ask a store.
//!
//! Without limits of a fleet, and wherever a lease or a remembered denial answers, [`Gate::start`] is
//! [`Gate::check`]. Otherwise it stops before its limits, and goes on there when the store has answered: rules are judged
//! once, and what other limits say is charged last, so that a request that is refused takes nothing.
//!
//! Limits of one subject are asked in one call, all or none. Those of several subjects, such as a client and
//! everybody, are asked at the same time in a call each, and a request holds what one of them has granted until the others
//! have answered; if one denies, that goes back to this node's lease, for the next request here. So a crowd that its own
//! limit refuses can make a shared one look emptier for a moment than it is: for as long as a call takes, and on
//! other nodes until the lease is used or has run out.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, net::IpAddr};

use super::{
    Gate, Mode,
    check::{Doing, Stopped},
    limits::Pause,
    snapshot::Snapshot,
};
use crate::{
    detect::Glance,
    limit::remote::{Ask, Call, Fleet, Held, Store, StoreError, Wait},
    request::{Request, canonical::Canonical},
    rule::{Facts, Marks, State},
    time::Timestamp,
    verdict::{Traces, Verdict},
};

/// What is to be done next.
#[must_use = "a check is over when it is decided"]
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the common case is the large one")]
pub enum GateStep {
    /// Nothing: this is the verdict.
    Decided(Verdict),
    /// The store is to be asked.
    Ask(GateAsk),
    /// Another request asks for the same; what comes of that is to be waited for.
    Wait(GateWait),
}

/// A check that makes calls; others wait for them. Dropped instead, one of those makes them: see [`Ask`].
#[must_use = "others wait for these calls"]
pub struct GateAsk {
    ask: Ask,
    rest: Box<Rest>,
}

/// A check that waits for the call of another.
#[must_use = "a check that waits is not over"]
pub struct GateWait {
    wait: Wait,
    rest: Box<Rest>,
}

/// A check that can go on, with [`Gate::resume`]. Dropped instead, nothing is taken.
#[must_use = "a check that is not over is to be gone on with"]
pub struct Suspended {
    held: Held,
    rest: Box<Rest>,
}

/// Where a check has stopped: before its limits, with all that has been decided by then.
struct Rest {
    /// What it goes on with, whatever the gate is by then.
    snapshot: Snapshot,
    mode: Mode,
    client: Option<IpAddr>,
    glance: Glance,
    traces: Traces,
    state: State,
    marks: (i64, u64),
    chance: u64,
}

impl Gate {
    /// Decides about one request that arrives at `now`, as far as that goes without the store of its fleet.
    ///
    /// [`check`](Self::check) does not ask a store: limits of a fleet do there what they do when it fails, unless
    /// a lease answers.
    ///
    /// # Example: who asks the store is up to the caller
    /// ```
    /// use portcullis::{Gate, LimitRule, Quota, Request, Timestamp};
    /// use portcullis::{gate::GateStep, limit::remote::OnFailure};
    /// use std::net::IpAddr;
    ///
    /// let limit = LimitRule::new("per client", Quota::per_minute(2)).fleet(OnFailure::Local);
    /// let gate = Gate::builder().limit_rule(limit).build()?;
    /// let request = Request::new("203.0.113.9".parse::<IpAddr>()?);
    /// let now = Timestamp::from_secs(1);
    /// let GateStep::Ask(ask) = gate.start(&request, now) else { unreachable!() };
    /// // Here the calls are sent, and this is what comes back: one unit granted, one left, full in 30 s.
    /// let suspended = ask.finish(&[Ok(vec![1, 1, 0, 30_000_000])], now);
    /// let GateStep::Decided(verdict) = gate.resume(suspended, &request, now) else { unreachable!() };
    /// assert_eq!(verdict.into_result()?.standing().unwrap().remaining(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cost
    /// That of a check. Where the store is asked, some allocations.
    pub fn start(&self, request: &Request<'_>, now: Timestamp) -> GateStep {
        let gate = &*self.0;
        let mode = match self.mode() {
            Mode::Off => return GateStep::Decided(self.pass(request)),
            mode => mode,
        };
        let snapshot = gate.snapshot.load();
        let client = snapshot.setting.client.address_of(request);
        let held = snapshot.setting.limits.node().map(|node| node.begin(now));
        let mut doing = Doing::new(gate, mode, Glance::default(), held);
        let found = gate.judge(&snapshot, request, client, &mut doing, now);
        match doing.suspended() {
            None => GateStep::Decided(gate.conclude(&snapshot, client, found, doing, now)),
            Some(stopped) => {
                let snapshot = Snapshot::clone(&snapshot);
                suspend(snapshot, mode, client, doing.glance(), found.traces, *stopped)
            }
        }
    }

    /// Goes on with a check of this same request, by the rules and limits that it began with.
    ///
    /// `now` has to go on meanwhile: a check that is over by its [deadline](GateAsk::deadline) falls back.
    pub fn resume(&self, suspended: Suspended, request: &Request<'_>, now: Timestamp) -> GateStep {
        let gate = &*self.0;
        let Suspended { held, rest } = suspended;
        let Rest { snapshot, mode, client, glance, traces, state, marks, chance } = *rest;
        let setting = &*snapshot.setting;
        let mut doing = Doing::new(gate, mode, glance, Some(held));
        let counters = setting.limits.at(now);
        let found = Canonical::with_only(request, snapshot.needs(), |canonical| {
            let facts = Facts {
                client,
                group: setting.group,
                state,
                tag_names: snapshot.rules.tags(),
                marks: Marks::new(marks),
                chance,
                counters: &counters,
                ..Facts::of(request, canonical, snapshot.rules.lists())
            };
            setting.limit(&facts, traces, now, &mut doing)
        });
        match doing.suspended() {
            None => {
                let verdict = gate.conclude(&snapshot, client, found, doing, now);
                gate.tracer.fleet(snapshot.setting.limits.node(), now);
                GateStep::Decided(verdict)
            }
            Some(stopped) => {
                let traces = found.traces;
                suspend(snapshot, mode, client, glance, traces, *stopped)
            }
        }
    }

    /// What this node knows of the limits that it shares; `None` if there are none.
    #[must_use]
    pub fn fleet(&self) -> Option<Fleet> {
        self.0.snapshot.load().setting.limits.node().cloned()
    }

    /// A whole check, with a client of the store.
    ///
    /// The clock is read when it begins and after each wait.
    pub async fn check_with<S: Store>(
        &self,
        request: &Request<'_>,
        store: &S,
        clock: impl Fn() -> Timestamp + Clone + Send + 'static,
    ) -> Verdict {
        let mut step = self.start(request, clock());
        loop {
            let suspended = match step {
                GateStep::Decided(verdict) => return verdict,
                GateStep::Ask(ask) => ask.run(store, clock.clone()).await,
                GateStep::Wait(wait) => wait.run(store, &clock).await,
            };
            step = self.resume(suspended, request, clock());
        }
    }
}

#[cold]
fn suspend(
    snapshot: Snapshot,
    mode: Mode,
    client: Option<IpAddr>,
    glance: Glance,
    traces: Traces,
    stopped: Stopped,
) -> GateStep {
    let Stopped { pause, state, marks, chance } = stopped;
    let rest = Box::new(Rest { snapshot, mode, client, glance, traces, state, marks, chance });
    match pause {
        Pause::Ask(ask) => GateStep::Ask(GateAsk { ask, rest }),
        Pause::Wait(wait) => GateStep::Wait(GateWait { wait, rest }),
    }
}

impl GateAsk {
    /// What is to be sent; all of it at once, if that is possible.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        self.ask.calls()
    }

    /// When the check must be over.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.ask.deadline()
    }

    /// Goes on with what the store has answered to each of the [calls](Self::calls); a reply that is missing
    /// came too late.
    pub fn finish(self, replies: &[Result<Vec<i64>, StoreError>], now: Timestamp) -> Suspended {
        Suspended { held: self.ask.finish(replies, now), rest: self.rest }
    }

    /// Makes the calls, and waits for each of them until the check's deadline; as [`Ask::run`] does.
    pub async fn run<S: Store>(
        self,
        store: &S,
        clock: impl Fn() -> Timestamp + Send + 'static,
    ) -> Suspended {
        Suspended { held: self.ask.run(store, clock).await, rest: self.rest }
    }
}

impl GateWait {
    /// When the check must be over.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.wait.deadline()
    }

    /// Waits until the check's deadline.
    pub async fn run<S: Store>(self, store: &S, clock: impl Fn() -> Timestamp) -> Suspended {
        Suspended { held: self.wait.run(store, clock).await, rest: self.rest }
    }

    /// Whether there is nothing to wait for any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.wait.is_over()
    }

    /// Waits no longer than it has: limits that are not known by now do what they do when the store fails, unless
    /// the wait [is over](Self::is_over).
    pub fn finish(self) -> Suspended {
        Suspended { held: self.wait.give_up(), rest: self.rest }
    }
}

impl fmt::Debug for GateAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateAsk").field("ask", &self.ask).finish_non_exhaustive()
    }
}

impl fmt::Debug for GateWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateWait").field("wait", &self.wait).finish_non_exhaustive()
    }
}

impl fmt::Debug for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspended").field("held", &self.held).finish_non_exhaustive()
    }
}
