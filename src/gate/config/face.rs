//! Gates from texts, and texts for gates that are at work.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::ops::Range;

use toml::de::DeTable;

use super::read::{Place, Places, read};
use crate::{
    error::{BuildError, BuildProblem},
    gate::{Gate, GateBuilder, plan::Plan, problems::problems_of},
    rule::{Code, Diagnostic, Diagnostics},
    sync::Mutex,
    time::Timestamp,
};

/// All that is wrong with a configuration: each mistake with its line and column, the line itself, carets
/// under what is wrong, and what helps.
pub type ConfigError = Diagnostics;

/// What the program has described of a gate, which texts come on top of.
pub(in crate::gate) struct Base(Mutex<Plan>);

impl Base {
    pub(in crate::gate) fn new(plan: &Plan) -> Self {
        Self(Mutex::new(plan.clone()))
    }

    pub(in crate::gate) fn set(&self, plan: Plan) {
        *self.0.lock() = plan;
    }

    fn get(&self) -> Plan {
        self.0.lock().clone()
    }
}

impl Gate {
    /// The gate that a text describes, see [the format](super::config).
    ///
    /// # Errors
    /// All mistakes of the text at once.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::builder().build_toml(text)
    }

    /// Makes the gate what a text describes, from the next check on.
    ///
    /// # Errors
    /// All mistakes of the text at once. The gate goes on unchanged then.
    pub fn reload(&self, text: &str, now: Timestamp) -> Result<(), ConfigError> {
        let read = Read::new(text, self.0.base.get())?;
        let Read { plan, places } = read;
        self.reload_plan(plan, now).map_err(|error| places.place_all(text, error))
    }
}

impl GateBuilder {
    /// The gate that a text describes, on top of what was described here.
    ///
    /// # Errors
    /// All mistakes of the text at once.
    pub fn build_toml(self, text: &str) -> Result<Gate, ConfigError> {
        let Read { plan, places } = Read::new(text, self.plan.clone())?;
        let gate = Gate::from_plan(plan).map_err(|error| places.place_all(text, error))?;
        gate.0.base.set(self.plan);
        Ok(gate)
    }

    /// Whether a text describes a gate, on top of what was described here. Nothing is built.
    ///
    /// # Errors
    /// All mistakes of the text at once.
    pub fn check_toml(self, text: &str) -> Result<(), ConfigError> {
        let Read { plan, places } = Read::new(text, self.plan)?;
        let problems = problems_of(&plan);
        if problems.is_empty() {
            return Ok(());
        }
        Err(places.place_all(text, BuildError::new(problems)))
    }
}

/// A text that was read without mistakes.
struct Read {
    plan: Plan,
    places: Whereabouts,
}

impl Read {
    fn new(text: &str, base: Plan) -> Result<Self, ConfigError> {
        let before = (base.rules.len(), base.limits.len());
        let (root, errors) = DeTable::parse_recoverable(text);
        let reader = read(text, &root, base);
        let places = Whereabouts::new(&reader.places, before);
        let mut found = reader.report.found;
        if !errors.is_empty() {
            let syntax: Vec<Diagnostic> = errors.iter().map(malformed).collect();
            let spans = syntax.iter().filter_map(Diagnostic::span);
            let lines: Vec<_> = spans.map(|span| lines_of(text, &span)).collect();
            found.retain(|it| !follows(text, it, &lines));
            found.extend(syntax);
        }
        if found.is_empty() {
            return Ok(Self { plan: reader.plan, places });
        }
        let whole = problems_of(&reader.plan);
        found.extend(whole.iter().filter(|it| is_local(it)).map(|it| places.place(it)));
        Err(Diagnostics::new(text, found))
    }
}

fn malformed(error: &toml::de::Error) -> Diagnostic {
    let message = error.message().to_string();
    match error.span() {
        Some(span) => Diagnostic::new(Code::Format, span, message),
        None => Diagnostic::of_whole(Code::Format, message),
    }
}

/// Whether a mistake may only be there because the text could not be read as TOML.
fn follows(text: &str, found: &Diagnostic, lines: &[Range<usize>]) -> bool {
    let absent = matches!(
        found.code,
        Code::MissingKey | Code::UnknownGroup | Code::UnknownList | Code::UnknownLimit
    );
    let Some(span) = &found.span else { return true };
    let span = lines_of(text, span);
    absent || lines.iter().any(|line| line.start < span.end && span.start < line.end)
}

/// The whole lines that a span touches.
fn lines_of(text: &str, span: &Range<usize>) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or_default();
    let behind = text.get(span.end..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let end = behind.find('\n').map_or(behind.len(), |at| at.saturating_add(1));
    start..span.end.saturating_add(end)
}

/// Whether a problem of a plan is one even if parts of the plan could not be read.
fn is_local(problem: &BuildProblem) -> bool {
    use BuildProblem as P;
    matches!(problem, P::LimitQuota { .. } | P::TooManyLimits { .. } | P::NoClients)
        || matches!(problem, P::TooManyClients { .. } | P::TooManyNames { .. })
}

/// Where the parts of a plan stand in the text.
struct Whereabouts {
    /// The rules and limits that the program has described; those of the text follow.
    before: (usize, usize),
    rules: Vec<(String, Range<usize>)>,
    limits: Vec<(String, Range<usize>)>,
    clients: Option<Range<usize>>,
}

impl Whereabouts {
    fn new(places: &Places, before: (usize, usize)) -> Self {
        let of = |all: &[Place]| {
            all.iter().map(|place| (place.name.clone(), place.span.clone())).collect()
        };
        let clients = places.clients.clone();
        Self { before, rules: of(&places.rules), limits: of(&places.limits), clients }
    }

    fn place_all(&self, text: &str, error: BuildError) -> ConfigError {
        let found = error.problems().iter().map(|problem| self.place(problem));
        Diagnostics::new(text, found.collect())
    }

    /// A problem of the plan where it stands in the text.
    fn place(&self, problem: &BuildProblem) -> Diagnostic {
        use BuildProblem as P;
        let (rules, limits) = self.before;
        let of = |all: &[(String, Range<usize>)], number: usize, before: usize| {
            all.get(number.checked_sub(before)?.checked_sub(1)?).cloned()
        };
        let place = match problem {
            P::RuleName { number, .. }
            | P::DuplicateRule { number, .. }
            | P::RuleEnds { number, .. }
            | P::RuleStatus { number, .. }
            | P::UnknownGroup { number, .. } => of(&self.rules, *number, rules),
            P::LimitName { number, .. }
            | P::DuplicateLimit { number, .. }
            | P::LimitQuota { number, .. }
            | P::NoMemory { number, .. } => of(&self.limits, *number, limits),
            P::NoClients | P::TooManyClients { .. } => {
                self.clients.clone().map(|span| ("clients".to_string(), span))
            }
            _ => None,
        };
        let message = problem.to_string();
        match place {
            Some((place, span)) => Diagnostic::new(Code::BadValue, span, message).at_place(place),
            None => Diagnostic::of_whole(Code::BadValue, message),
        }
    }
}
