//! Why a gate says what it says to a request: every stage, rule and limit, without charging anything.
//!
//! The stages are those of a check, walked through by the same code with another witness.
//!
//! # Invariants
//! - **I1** the next check says what an explanation says, if nothing happens in between; but for limits of a
//!   fleet whose store would be asked, which are taken to admit;
//! - **I2** nothing is charged, counted, banned or marked;
//! - **I3** what is printed tells nothing that the request has sent, except the client's address.

mod display;
mod report;

use alloc::{boxed::Box, vec::Vec};
use core::{net::IpAddr, time::Duration};

pub use self::report::{LimitFate, LimitReport, RuleFate, RuleReport, Stage, StageOutcome};
use super::{
    Gate, Mode,
    bans::Bans,
    effects::{Effect, End, Fared},
    limits::{Pause, Ruling, Sentence, Stand},
    pipeline::{Found, Refusal, Witness},
    snapshot::{Setting, Snapshot},
};
use crate::{
    detect::{Applied, Glance},
    request::{Client, Request, Resolved, canonical::Needs},
    rule::{Facts, Name},
    time::Timestamp,
    verdict::Denial,
};

/// What a gate would say to a request, and why; made by [`Gate::explain`].
#[derive(Clone, Debug)]
pub struct Explanation {
    mode: Mode,
    client: Option<Resolved>,
    /// Where it ends, and whether it passes there.
    end: Stage,
    rules: Vec<RuleReport>,
    limits: Vec<LimitReport>,
    denial: Option<Denial>,
}

impl Gate {
    /// What a [`check`](Self::check) of this request would say now, and why. Nothing is charged or
    /// counted.
    ///
    /// # Example: why is this request refused?
    /// ```
    /// use portcullis::{Gate, Request, Timestamp, rule::{Action, Rule, Scheme}};
    ///
    /// let condition = Scheme::new().parse(r#"method eq "GET" and path eq "/.env""#)?;
    /// let gate = Gate::builder()
    ///     .rule(Rule::new("scanners", condition).then(Action::Deny { status: 404 }))
    ///     .build()?;
    /// let explain = |target| {
    ///     gate.explain(&Request::new(None).method("GET").target(target), Timestamp::ZERO)
    /// };
    ///
    /// assert_eq!(explain("/.env").denial().map(|denial| denial.name()), Some("scanners"));
    /// let index = explain("/");
    /// assert!(index.is_admitted());
    /// let failing = index.rules()[0].failing().unwrap().to_string();
    /// assert!(failing.contains("/.env"), "{failing}");
    /// println!("{index}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cost
    /// Much more than a check, and it allocates: conditions that do not hold are taken apart.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>, now: Timestamp) -> Explanation {
        let gate = &*self.0;
        let snapshot = gate.snapshot.load();
        let mut asking = Asking {
            snapshot: &snapshot,
            now,
            is_exempt: false,
            asks_limits: false,
            rules: Vec::new(),
            stands: None,
            mitigation: None,
        };
        let chance = |client: &Client| gate.seed.hash_one(client);
        let client = snapshot.setting.client.resolve(request);
        let address = client.map(|client| client.ip);
        let Found { result, traces } = snapshot.decide(request, address, chance, now, &mut asking);
        let Asking { is_exempt, asks_limits, mut rules, stands, mitigation, .. } = asking;
        let end = match &result {
            Err(refusal) => refusal.stage(),
            Ok(_) if is_exempt => Stage::Exempt,
            Ok(_) if asks_limits => Stage::Limits,
            Ok(_) => Stage::Rules,
        };
        let unread = snapshot.rules.rules().iter().skip(rules.len());
        rules.extend(unread.map(|rule| RuleReport {
            name: Name::clone(&rule.name),
            fate: RuleFate::NotReached,
            failing: None,
        }));
        let names = snapshot.setting.names.limits.iter();
        let mut stands = stands.into_iter().flatten();
        let limits = names.map(|name| LimitReport::new(name, stands.next())).collect();
        let denial = result.err().map(|refusal| {
            let tally = gate.tally_of(&snapshot, refusal);
            let denial = refusal.denial(&snapshot, tally, address, traces);
            match mitigation {
                Some(name) if refusal.stage() == Stage::Mitigations => denial.named(name),
                _ => denial,
            }
        });
        Explanation { mode: self.mode(), client, end, rules, limits, denial }
    }
}

/// Takes notes, and nothing else.
struct Asking<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
    is_exempt: bool,
    asks_limits: bool,
    /// Those that it is known of, in their order.
    rules: Vec<RuleReport>,
    stands: Option<Vec<Stand>>,
    mitigation: Option<Name>,
}

impl Asking<'_> {
    /// The rules before this one, of which it has not been told, do not hold.
    fn catch_up(&mut self, next: usize, facts: &Facts<'_>) {
        let set = &self.snapshot.rules;
        let missed = set.rules().iter().enumerate().take(next).skip(self.rules.len());
        let missed = missed.map(|(at, rule)| RuleReport {
            name: Name::clone(&rule.name),
            fate: RuleFate::DoesNotHold,
            failing: set.failing_part(at, facts),
        });
        self.rules.extend(missed);
    }
}

impl Witness for Asking<'_> {
    const CHARGES: bool = false;

    fn offered(
        &mut self,
        setting: &Setting,
        _: &Request<'_>,
        client: Option<IpAddr>,
        _: Timestamp,
    ) -> Glance {
        setting.detector.as_ref().map_or_else(Glance::default, |detector| detector.glance(client))
    }

    fn mitigated(&mut self, _: &Setting, by: &Applied) {
        self.mitigation = Some(Name::clone(&by.name));
    }

    fn exempted(&mut self) {
        self.is_exempt = true;
    }

    fn allowed(&mut self) {}

    fn without_client(&mut self) {}

    /// Conditions are judged once more as they were written, which may read what is not read of them compiled.
    fn needs(&self, _: Needs) -> Needs {
        Needs::ALL
    }

    fn rule(&mut self, at: usize, effect: &Effect, fared: Fared, facts: &Facts<'_>) {
        self.catch_up(at, facts);
        let fate = match fared {
            Fared::Enforced => RuleFate::Enforced,
            Fared::InShadow => RuleFate::InShadow,
            Fared::Skipped => RuleFate::Skipped,
        };
        let name = Name::clone(&effect.tally.name);
        self.rules.push(RuleReport { name, fate, failing: None });
    }

    fn judged(&mut self, snapshot: &Snapshot, facts: &Facts<'_>, _: End, by: Option<usize>) {
        if by.is_none() {
            self.catch_up(usize::MAX, facts);
        }
        let Setting { limits, bans, .. } = &*snapshot.setting;
        self.stands = Some(limits.explain(facts, bans, self.now));
    }

    fn limits(&mut self, setting: &Setting, facts: &Facts<'_>, now: Timestamp) -> Ruling {
        self.asks_limits = true;
        self.stands = Some(setting.limits.explain(facts, &setting.bans, now));
        setting.limits.foresee(facts, &setting.bans, now)
    }

    /// Nobody is asked to explain anything.
    fn suspend(&mut self, _: Box<Pause>, _: &Facts<'_>) {}

    fn shadow_limit(&mut self, _: &Setting, _: usize) {}

    fn ban(&mut self, bans: &Bans, sentence: Sentence, _: &Name, now: Timestamp) -> Duration {
        bans.foresee(&sentence.subject, sentence.ban, now)
    }
}

impl Refusal {
    /// Where it comes from.
    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::MissingPeer => Stage::Client,
            Self::Banned { limit: None, .. } => Stage::Bans,
            Self::DenyList => Stage::Lists,
            Self::Rule { .. } | Self::RuleBans { .. } => Stage::Rules,
            Self::Limit { .. }
            | Self::Concurrency { .. }
            | Self::MissingKey { .. }
            | Self::Unavailable { .. }
            | Self::Saturated { .. }
            | Self::Banned { limit: Some(_), .. } => Stage::Limits,
            Self::Mitigated { .. } => Stage::Mitigations,
            Self::Shed { .. } => Stage::Shedding,
        }
    }
}

impl Explanation {
    /// Whether the request would pass: always, unless the gate enforces what it decides.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.denial.is_none() || self.mode != Mode::Enforce
    }

    /// The denial that the gate would answer with, or would if it did not only observe, or were not off.
    ///
    /// A ban that it would bring is told with the time that it has the first time.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        self.denial.as_ref()
    }

    /// The client's address, and why it is that; `None` if it is not known.
    #[must_use]
    pub fn client(&self) -> Option<Resolved> {
        self.client
    }

    /// What a stage says.
    #[must_use]
    pub fn outcome(&self, stage: Stage) -> StageOutcome {
        if stage < self.end {
            StageOutcome::Passed
        } else if stage > self.end {
            StageOutcome::NotReached
        } else if self.denial.is_some() {
            StageOutcome::Denied
        } else if stage == Stage::Limits {
            StageOutcome::Passed
        } else {
            StageOutcome::Admitted
        }
    }

    /// The stages, in their order, and what each says.
    pub fn stages(&self) -> impl Iterator<Item = (Stage, StageOutcome)> {
        Stage::ALL.iter().copied().map(|stage| (stage, self.outcome(stage)))
    }

    /// The rules, in the order in which they are asked.
    #[must_use]
    pub fn rules(&self) -> &[RuleReport] {
        &self.rules
    }

    /// The limits, in their order. They are told of wherever the request came as far as the rules.
    #[must_use]
    pub fn limits(&self) -> &[LimitReport] {
        &self.limits
    }
}
