//! Why a gate says what it says to a request: every stage, rule and limit, without charging anything.
//!
//! The stages are those of a check, walked through by the same code with another witness.
//!
//! # Invariants
//! - **I1** the next check says what an explanation says, if nothing happens in between; but for limits of a
//!   fleet whose store would be asked, which are taken to admit;
//! - **I2** nothing is charged, counted, banned or marked;
//! - **I3** what is printed tells nothing that the request has sent, except the client's address.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, net::IpAddr, time::Duration};

use super::{
    Gate, Mode,
    bans::Bans,
    effects::{Effect, End, Fared},
    limits::{Fits, InFlight, Pause, Ruling, Sentence, Stand},
    pipeline::{Found, Refusal, Witness},
    snapshot::{Setting, Snapshot},
};
use crate::{
    detect::{Applied, Glance},
    request::{Client, Reason, Request, Resolved, canonical::Needs},
    rule::{Expr, Facts, Name},
    time::Timestamp,
    verdict::{Denial, Standing},
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

/// A stage of a check, in the order in which they are passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Stage {
    /// The client's address is found.
    Client,
    /// Exempt addresses.
    Exempt,
    /// Banned clients.
    Bans,
    /// The deny list, and the allow list.
    Lists,
    /// Rules.
    Rules,
    /// Mitigations that the gate has found by itself.
    Mitigations,
    /// What is left for unknown clients, and for requests of this importance.
    Shedding,
    /// Limits.
    Limits,
}

/// What a stage has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StageOutcome {
    /// The request goes on to the next stage, or to the service after the last.
    Passed,
    /// The request passes without the stages after this one.
    Admitted,
    /// The request is refused here.
    Denied,
    /// An earlier stage has decided.
    NotReached,
}

/// How a rule fares with a request.
#[derive(Clone, Debug)]
pub struct RuleReport {
    name: Name,
    fate: RuleFate,
    failing: Option<Expr>,
}

/// How a rule fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleFate {
    /// It holds, and has its effect.
    Enforced,
    /// It holds, and is only counted.
    InShadow,
    /// It holds, and an earlier rule skips its group.
    Skipped,
    /// It does not hold.
    DoesNotHold,
    /// An earlier rule, or an earlier stage, has decided.
    NotReached,
}

/// How a limit fares with a request.
#[derive(Clone, Debug)]
pub struct LimitReport {
    name: Name,
    fate: LimitFate,
    standing: Option<Standing>,
    in_flight: Option<InFlight>,
}

/// How a limit fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitFate {
    /// It has what the request asks for.
    Admits,
    /// It has not.
    Denies,
    /// It has no place for the request's key, which something coarser judges.
    Saturated,
    /// The request lacks a part of its key, and is denied for that.
    MissingKey,
    /// The request's key is banned for so long.
    Banned(Duration),
    /// It is off, or its condition does not hold.
    DoesNotApply,
    /// The request has no key that it counts by.
    NoKey,
    /// It is one of a fleet, and its store would have to be asked.
    AsksStore,
    /// An earlier stage has decided before anything was known of the request.
    NotReached,
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

impl RuleReport {
    /// The rule's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it fares.
    #[must_use]
    pub fn fate(&self) -> RuleFate {
        self.fate
    }

    /// Why it does not hold: the first part of a conjunction that fails, or else the whole condition.
    #[must_use]
    pub fn failing(&self) -> Option<&Expr> {
        self.failing.as_ref()
    }
}

impl LimitReport {
    fn new(name: &Name, stand: Option<Stand>) -> Self {
        let mut in_flight = None;
        let (fate, standing) = match stand {
            Some(Stand::InFlight { now, fits }) => {
                in_flight = Some(now);
                let fate = match fits {
                    Fits::In => LimitFate::Admits,
                    Fits::Not => LimitFate::Denies,
                    Fits::Nowhere => LimitFate::Saturated,
                };
                (fate, None)
            }
            None => (LimitFate::NotReached, None),
            Some(Stand::DoesNotApply) => (LimitFate::DoesNotApply, None),
            Some(Stand::NoKey) => (LimitFate::NoKey, None),
            Some(Stand::MissingKey) => (LimitFate::MissingKey, None),
            Some(Stand::Banned { wait }) => (LimitFate::Banned(wait), None),
            Some(Stand::Elsewhere) => (LimitFate::AsksStore, None),
            Some(Stand::Asked(decision)) => {
                let fate = match (decision.is_saturated(), decision.is_admitted()) {
                    (true, _) => LimitFate::Saturated,
                    (_, true) => LimitFate::Admits,
                    _ => LimitFate::Denies,
                };
                (fate, Some(decision.standing()))
            }
        };
        Self { name: Name::clone(name), fate, standing, in_flight }
    }

    /// The limit's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it fares.
    #[must_use]
    pub fn fate(&self) -> LimitFate {
        self.fate
    }

    /// Where the request's key stands with it now; `None` for a limit of requests in flight.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// What the request's key has in flight, for a limit of requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> Option<InFlight> {
        self.in_flight
    }
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: &'static [Self] = &[
        Self::Client,
        Self::Exempt,
        Self::Bans,
        Self::Lists,
        Self::Rules,
        Self::Mitigations,
        Self::Shedding,
        Self::Limits,
    ];

    /// In a word, as in explanations and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Exempt => "exempt",
            Self::Bans => "bans",
            Self::Lists => "lists",
            Self::Rules => "rules",
            Self::Mitigations => "mitigations",
            Self::Shedding => "shedding",
            Self::Limits => "limits",
        }
    }
}

/// A report of several lines.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (stage, outcome) in self.stages() {
            write!(f, "{:<12}{}", stage.name(), outcome.text())?;
            match (stage, self.client) {
                (Stage::Client, Some(Resolved { ip, reason })) => {
                    write!(f, ": {ip}, {}", text_of(reason))?;
                }
                (Stage::Client, None) => f.write_str(": not known")?,
                _ => {}
            }
            f.write_str("\n")?;
            match stage {
                Stage::Rules => self.rules.iter().try_for_each(|rule| writeln!(f, "  {rule}"))?,
                Stage::Limits => {
                    self.limits.iter().try_for_each(|limit| writeln!(f, "  {limit}"))?
                }
                _ => {}
            }
        }
        let verdict = match (&self.denial, self.mode) {
            (None, _) => String::from("admitted"),
            (Some(denial), Mode::Enforce) => alloc::format!("{denial}, status {}", denial.status()),
            (Some(denial), Mode::Observe) => {
                alloc::format!("admitted, as the gate only observes; else {denial}")
            }
            (Some(denial), Mode::Off) => {
                alloc::format!("admitted, as the gate is off; else {denial}")
            }
        };
        write!(f, "verdict     {verdict}")
    }
}

impl fmt::Display for RuleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, fate, failing } = self;
        match (fate, failing) {
            (RuleFate::Enforced, _) => write!(f, "{name:?} holds"),
            (RuleFate::InShadow, _) => write!(f, "{name:?} holds, in shadow"),
            (RuleFate::Skipped, _) => write!(f, "{name:?} holds, but its group is skipped"),
            (RuleFate::DoesNotHold, Some(part)) => write!(f, "{name:?} does not hold: not {part}"),
            (RuleFate::DoesNotHold, None) => write!(f, "{name:?} does not hold"),
            (RuleFate::NotReached, _) => write!(f, "{name:?} is not asked"),
        }
    }
}

impl fmt::Display for LimitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, fate, standing, in_flight } = self;
        write!(f, "{name:?} ")?;
        match fate {
            LimitFate::Admits => f.write_str("admits")?,
            LimitFate::Denies => f.write_str("denies")?,
            LimitFate::Saturated => return f.write_str("has no place for the key"),
            LimitFate::MissingKey => return f.write_str("denies: a part of the key is missing"),
            LimitFate::Banned(wait) => return write!(f, "has banned the key, for {wait:?}"),
            LimitFate::DoesNotApply => return f.write_str("does not apply"),
            LimitFate::AsksStore => return f.write_str("is for the store to say"),
            LimitFate::NoKey => return f.write_str("does not apply: there is no key"),
            LimitFate::NotReached => return f.write_str("is not asked"),
        }
        if let Some(now) = in_flight {
            write!(f, ", {} of {} in flight", now.in_use(), now.limit())?;
        }
        match standing {
            Some(standing) => {
                write!(f, ", {} of {} left", standing.remaining(), standing.limit())?;
                match standing.retry_after() {
                    Duration::ZERO => Ok(()),
                    Duration::MAX => f.write_str(", and waiting does not help"),
                    wait => write!(f, ", again in {wait:?}"),
                }
            }
            None => Ok(()),
        }
    }
}

impl StageOutcome {
    fn text(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Admitted => "admitted here",
            Self::Denied => "denied here",
            Self::NotReached => "not reached",
        }
    }
}

fn text_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Peer => "the peer, as no proxy is trusted",
        Reason::Header => "the first in the header that is no trusted proxy",
        Reason::AllHopsTrusted => "the first in the header, where all are trusted proxies",
        Reason::PeerUntrusted => "the peer, which is no trusted proxy",
        Reason::NoHeader => "the peer, a trusted proxy that has sent no header",
        Reason::TooFewHops => "the peer, as the header is too short",
        Reason::Malformed => "the last in the header before what is no address",
        Reason::TooManyHops => "the last in the header that was followed to",
    }
}
