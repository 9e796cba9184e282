//! A whole set of rules judged beside the live one, without any effect.
//!
//! # Invariants
//! - **I1** a candidate changes no verdict, sets no mark, and counts in no statistics but its report;
//! - **I2** a request is compared if it comes as far as the rules; each is counted once;
//! - **I3** without a candidate, a check does no more than see that there is none.
//!
//! # Bounds
//! The first [`SAMPLES`] requests that differ are kept, each in a fixed number of bytes; memory for them is
//! there from the start. Only those take a lock.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::net::IpAddr;

use super::{
    Gate,
    effects::{Effects, End},
    problems::problems_of,
    snapshot::{Snapshot, compile, tallies_of},
    stats::Counter,
};
use crate::{
    error::BuildError,
    request::canonical::Needs,
    rule::{Facts, Lists, Name, Rule, RuleSet},
    sync::Mutex,
};

/// How a candidate has fared beside the live rules; made by [`Gate::candidate_report`].
#[derive(Clone, Debug)]
pub struct CandidateReport {
    agree: u64,
    would_deny: u64,
    would_allow: u64,
    samples: Vec<CandidateSample>,
}

/// A request about which the candidate and the live rules differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateSample {
    live: Option<String>,
    candidate: Option<String>,
    client: Option<IpAddr>,
    path: String,
}

/// A candidate, with the content of the lists.
#[derive(Clone)]
pub(super) struct Candidate {
    rules: RuleSet,
    judged: Arc<Judged>,
}

/// What all contents of the lists have in common.
struct Judged {
    effects: Effects,
    /// The live rules that it is compared with.
    live: Arc<crate::verdict::Names>,
    agree: Counter,
    would_deny: Counter,
    would_allow: Counter,
    samples: Mutex<Vec<Sample>>,
}

/// One sample, as it is noted: rules are numbers.
struct Sample {
    live: Option<usize>,
    candidate: Option<usize>,
    client: Option<IpAddr>,
    path: [u8; PATH],
    length: usize,
}

/// The samples that are kept.
const SAMPLES: usize = 100;
/// So many differing requests have been counted when there are surely that many samples.
const LIKELY_FULL: u64 = 1_000;
/// The bytes of a path that are kept.
const PATH: usize = 64;

impl Gate {
    /// Has these rules judged beside the live ones, in place of another candidate, and compares what the
    /// two say. They may name the gate's lists and groups, as they are now and will be.
    ///
    /// A [reload](Self::reload_with) ends the comparison: it is with other rules then.
    ///
    /// # Errors
    /// All mistakes, as those of [`GateBuilder::build`](crate::GateBuilder::build).
    ///
    /// # Example: what would the stricter rule do?
    /// ```
    /// use portcullis::{Gate, Request, Timestamp, rule::{Action, Rule, Scheme}};
    ///
    /// let scheme = Scheme::new();
    /// let deny = |when| {
    ///     let condition = scheme.parse(when)?;
    ///     Ok::<_, Box<dyn std::error::Error>>(
    ///         Rule::new("scanners", condition).then(Action::Deny { status: 403 }),
    ///     )
    /// };
    /// let gate = Gate::builder().rule(deny(r#"path eq "/.env""#)?).build()?;
    /// gate.set_candidate([deny(r#"path contains "/.""#)?])?;
    ///
    /// for target in ["/", "/.env", "/.well-known/security.txt"] {
    ///     drop(gate.check(&Request::new(None).target(target), Timestamp::ZERO));
    /// }
    /// let report = gate.candidate_report().unwrap();
    /// assert_eq!((report.agree(), report.would_deny(), report.would_allow()), (2, 1, 0));
    /// assert_eq!(report.samples()[0].path(), "/.well-known/security.txt");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_candidate(&self, rules: impl IntoIterator<Item = Rule>) -> Result<(), BuildError> {
        let rules: Vec<Rule> = rules.into_iter().collect();
        let gate = &*self.0;
        let _writer = gate.writer.lock();
        let snapshot = gate.snapshot.load();
        let lists = Lists::clone(snapshot.rules.lists());
        let plan = snapshot.setting.frame.with_rules(rules, lists.clone());
        let problems = problems_of(&plan);
        if !problems.is_empty() {
            return Err(BuildError::new(problems));
        }
        let rules = compile(plan.rules.iter().cloned(), &plan, lists)?;
        let effects = Effects::new(&rules, &tallies_of(&plan, None));
        let judged = Judged {
            effects,
            live: Arc::clone(&snapshot.setting.names),
            agree: Counter::new(),
            would_deny: Counter::new(),
            would_allow: Counter::new(),
            samples: Mutex::new(Vec::with_capacity(SAMPLES)),
        };
        let candidate = Some(Candidate { rules, judged: Arc::new(judged) });
        gate.snapshot.store(Snapshot { candidate, ..Snapshot::clone(&snapshot) });
        Ok(())
    }

    /// Judges no candidate any more.
    pub fn clear_candidate(&self) {
        let gate = &*self.0;
        let _writer = gate.writer.lock();
        let snapshot = gate.snapshot.load();
        gate.snapshot.store(Snapshot { candidate: None, ..Snapshot::clone(&snapshot) });
    }

    /// How the candidate has fared so far; `None` if there is none.
    #[must_use]
    pub fn candidate_report(&self) -> Option<CandidateReport> {
        self.0.snapshot.load().candidate.as_ref().map(Candidate::report)
    }
}

impl CandidateReport {
    /// Requests about which both said the same.
    #[must_use]
    pub fn agree(&self) -> u64 {
        self.agree
    }

    /// Requests that the candidate would have denied, and the live rules did not.
    #[must_use]
    pub fn would_deny(&self) -> u64 {
        self.would_deny
    }

    /// Requests that the candidate would have let on to the limits, and the live rules denied.
    #[must_use]
    pub fn would_allow(&self) -> u64 {
        self.would_allow
    }

    /// The first 100 requests about which they differed.
    #[must_use]
    pub fn samples(&self) -> &[CandidateSample] {
        &self.samples
    }
}

impl CandidateSample {
    /// The live rule that ended the rules; `None` if none did.
    #[must_use]
    pub fn live(&self) -> Option<&str> {
        self.live.as_deref()
    }

    /// The candidate's rule that would have; `None` if none would.
    #[must_use]
    pub fn candidate(&self) -> Option<&str> {
        self.candidate.as_deref()
    }

    /// The network of the client, with the bits cleared that do not tell clients apart.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// The start of the path, 64 bytes at most; what is no UTF-8 is replaced.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Candidate {
    /// The same with other content of the lists.
    pub(super) fn with_lists(&self, lists: &Lists) -> Self {
        Self { rules: self.rules.with_lists(lists.clone()), judged: Arc::clone(&self.judged) }
    }

    /// Requests on which it agrees with the live rules, that it would deny, and that it would allow.
    pub(super) fn counts(&self) -> [u64; 3] {
        let Judged { agree, would_deny, would_allow, .. } = &*self.judged;
        [agree, would_deny, would_allow].map(Counter::get)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let samples = SAMPLES.saturating_mul(size_of::<Sample>());
        let Judged { effects, .. } = &*self.judged;
        samples.saturating_add(self.rules.memory_bytes()).saturating_add(effects.memory_bytes())
    }

    /// What is read of a request's canonical form; samples keep paths.
    pub(super) fn needs(&self) -> Needs {
        self.rules.index().needs().union(Needs::PATH)
    }

    /// Judges a request about which the live rules have said this.
    #[inline(never)]
    pub(super) fn compare(&self, facts: &Facts<'_>, live: End, by: Option<usize>) {
        let Judged { effects, agree, would_deny, would_allow, samples, .. } = &*self.judged;
        let facts = facts.anew(self.rules.lists(), self.rules.tags());
        let own = effects.judge(&self.rules, &facts, |_, _, _| {});
        match (live.denies(), own.end.denies()) {
            (false, true) => would_deny.add(),
            (true, false) => would_allow.add(),
            _ => return agree.add(),
        }
        // Nobody waits: who finds another one at it is no sample. Once all are there, nobody comes here.
        let differing = would_deny.get().saturating_add(would_allow.get());
        if differing <= LIKELY_FULL {
            let sample = Sample::new(&facts, by, own.by);
            match samples.try_lock() {
                Some(mut samples) if samples.len() < SAMPLES => samples.push(sample),
                _ => {}
            }
        }
    }

    fn report(&self) -> CandidateReport {
        let Judged { live, agree, would_deny, would_allow, samples, .. } = &*self.judged;
        let own = self.rules.rules();
        let named = |sample: &Sample| CandidateSample {
            live: sample.live.and_then(|at| live.rules.get(at)).map(text_of),
            candidate: sample.candidate.and_then(|at| own.get(at)).map(|rule| text_of(&rule.name)),
            client: sample.client,
            path: String::from_utf8_lossy(sample.path.get(..sample.length).unwrap_or_default())
                .into_owned(),
        };
        CandidateReport {
            agree: agree.get(),
            would_deny: would_deny.get(),
            would_allow: would_allow.get(),
            samples: samples.lock().iter().map(named).collect(),
        }
    }
}

impl Sample {
    fn new(facts: &Facts<'_>, live: Option<usize>, candidate: Option<usize>) -> Self {
        let mut path = [0; PATH];
        let mut length = 0_usize;
        for (place, byte) in path.iter_mut().zip(facts.path()) {
            *place = *byte;
            length = length.saturating_add(1);
        }
        let client = facts.client.map(|client| facts.group.network_of(client));
        Self { live, candidate, client, path, length }
    }
}

fn text_of(name: &Name) -> String {
    String::from(&**name)
}
