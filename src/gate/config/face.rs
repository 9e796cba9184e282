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
    gate::{Gate, GateBuilder, lists::declared, plan::Plan, problems::problems_of},
    limit::remote::FleetError,
    rule::{Code, Diagnostic, Diagnostics, RuleSet},
    sync::Mutex,
    time::Timestamp,
};

/// All that is wrong with a configuration: each mistake with its line and column, the line itself, carets
/// under what is wrong, and what helps.
pub type ConfigError = Diagnostics;

/// What the program has described of a gate, which texts come on top of.
///
/// Whoever changes what is described holds it until the gate has changed, too: else the text of one change could come on top of
/// what another has just replaced.
pub(in crate::gate) struct Base(Mutex<Plan>);

impl Base {
    pub(in crate::gate) fn new(plan: &Plan) -> Self {
        Self(Mutex::new(plan.clone()))
    }

    /// Makes it another one, if the gate changes as well.
    pub(in crate::gate) fn change<E>(
        &self,
        plan: Plan,
        gate: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut base = self.0.lock();
        gate()?;
        *base = plan;
        Ok(())
    }

    fn set(&self, plan: Plan) {
        *self.0.lock() = plan;
    }
}

impl Gate {
    /// The gate that a text describes; [the format](crate::gate::config) is TOML.
    ///
    /// # Errors
    /// All mistakes of the text at once; its [`Display`](core::fmt::Display) shows each with its line.
    ///
    /// # Example: a name for the text, as errors show it
    /// ```
    /// use portcullis::Gate;
    ///
    /// let text = "[[limit]]\nname = \"per client\"\nquota = \"100/mni\"\n";
    /// let error = Gate::from_toml(text).map_err(|error| error.with_origin("gate.toml")).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "error[P0505]: unknown unit of time; use ns, us, ms, s, min, hour or day\n \
    ///      --> gate.toml:3:14  (limit \"per client\", quota)\n  \
    ///       |\n3 | quota = \"100/mni\"\n  \
    ///       |              ^\n  \
    ///       = help: as in \"100/min burst 20\"\n",
    /// );
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::builder().build_toml(text)
    }

    /// Makes the gate what a text describes, from the next check on.
    ///
    /// What the program has described when the gate was built stays below the text, as in
    /// [`build_toml`](GateBuilder::build_toml). What the text does not change goes on, as in
    /// [`reload_with`](Self::reload_with): counters of limits whose definition is the same, bans, the
    /// content of lists that were filled live.
    ///
    /// # Errors
    /// All mistakes of the text at once. The gate goes on unchanged then.
    ///
    /// # Example: a text with a mistake changes nothing
    /// ```
    /// use portcullis::{Gate, Timestamp};
    ///
    /// let gate = Gate::from_toml("[[rule]]\nname = \"x\"\nwhen = 'path eq \"/x\"'\nthen = \"deny\"\n")?;
    /// let now = Timestamp::from_secs(1);
    /// assert!(gate.reload("[[rule]]\nname = \"x\"\nwhen = 'pth eq \"/x\"'\nthen = \"deny\"\n", now).is_err());
    /// gate.reload("", now)?;
    /// # Ok::<(), portcullis::gate::config::ConfigError>(())
    /// ```
    pub fn reload(&self, text: &str, now: Timestamp) -> Result<(), ConfigError> {
        self.reload_text(text, now)
            .inspect(|()| self.reloaded())
            .inspect_err(|error| self.refused_reload(error.len(), now))
    }

    /// Has the rules of a text judged beside the live ones, as [`set_candidate`](Self::set_candidate) does; what else the
    /// text says is looked at for mistakes, and no more.
    ///
    /// They see the gate's own lists, limits and groups: a rule that names what only the text has is refused.
    ///
    /// # Errors
    /// All mistakes of the text at once; another candidate goes on then.
    ///
    /// # Example: tomorrow's file, tried on today's traffic
    /// ```
    /// use portcullis::{Gate, Request, Timestamp};
    ///
    /// let gate = Gate::from_toml("")?;
    /// gate.set_candidate_toml("[[rule]]\nname = \"x\"\nwhen = 'path eq \"/x\"'\nthen = \"deny\"\n")?;
    /// assert!(gate.check(&Request::new(None).target("/x"), Timestamp::ZERO).is_admitted());
    /// assert_eq!(gate.candidate_report().unwrap().would_deny(), 1);
    /// # Ok::<(), portcullis::gate::config::ConfigError>(())
    /// ```
    pub fn set_candidate_toml(&self, text: &str) -> Result<(), ConfigError> {
        // Until there is a candidate: see `Base`.
        let base = self.0.base.0.lock();
        let Read { mut plan, places } = Read::new(text, base.clone())?;
        plan.lists = declared(&plan);
        let problems = problems_of(&plan);
        if !problems.is_empty() {
            return Err(places.place_all(text, base.clone(), &BuildError::new(problems)));
        }
        let rules = plan.rules;
        self.set_candidate(rules).map_err(|error| places.place_all(text, base.clone(), &error))
    }

    fn reload_text(&self, text: &str, now: Timestamp) -> Result<(), ConfigError> {
        let base = self.0.base.0.lock();
        let Read { plan, places } = Read::new(text, base.clone())?;
        self.reload_plan(plan, now).map_err(|error| places.place_all(text, base.clone(), &error))
    }
}

impl GateBuilder {
    /// The gate that a text describes, on top of what was described here.
    ///
    /// Rules and limits of the text come after those that were described here; settings that the text does
    /// not say stay as they are here. Fields of the program's own are known to the text from the
    /// [`scheme`](Self::scheme). A list that is given here can be named in the text, and can be there in
    /// `[lists]` as an empty one.
    ///
    /// # Errors
    /// All mistakes of the text at once.
    ///
    /// # Example: a field and a list that only the program knows
    /// ```
    /// use portcullis::{CidrSet, Gate, Given, Request, Timestamp};
    /// use portcullis::rule::{Scheme, Type};
    /// use std::net::IpAddr;
    ///
    /// let text = r#"
    ///     [[rule]]
    ///     name = "partners only"
    ///     when = 'tenant eq "acme" and not ip.src in $partners'
    ///     then = "deny"
    /// "#;
    /// let gate = Gate::builder()
    ///     .scheme(Scheme::new().field("tenant", Type::Bytes))
    ///     .list("partners", "192.0.2.0/24".parse::<CidrSet>()?)
    ///     .build_toml(text)?;
    ///
    /// let peer: IpAddr = "203.0.113.9".parse()?;
    /// let tenant = Given::Bytes(b"acme");
    /// let request = Request::new(peer).field("tenant", tenant);
    /// assert!(gate.check(&request, Timestamp::from_secs(1)).into_result().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build_toml(self, text: &str) -> Result<Gate, ConfigError> {
        let Read { plan, places } = Read::new(text, self.plan.clone())?;
        match Gate::from_plan(plan) {
            Ok(gate) => {
                gate.0.base.set(self.plan);
                Ok(gate)
            }
            Err(error) => Err(places.place_all(text, self.plan, &error)),
        }
    }

    /// What is odd in a text that describes a gate, on top of what was described here: warnings about rules
    /// that are never reached, conditions that are always the same, and others. No gate is built.
    ///
    /// # Errors
    /// All mistakes of the text at once.
    ///
    /// # Example: a rule that no request comes as far as
    /// ```
    /// use portcullis::Gate;
    ///
    /// let text = r#"
    ///     rule = [
    ///         { name = "closed", when = 'path starts_with "/old"', then = "deny" },
    ///         { name = "open", when = 'path starts_with "/old" and method eq "GET"', then = "allow" },
    ///     ]
    /// "#;
    /// let warnings = Gate::builder().check_toml(text)?;
    /// let warning = warnings.iter().next().expect("one");
    /// assert_eq!((warning.code().as_str(), warning.line()), ("P0601", Some(4)));
    /// # Ok::<(), portcullis::gate::config::ConfigError>(())
    /// ```
    pub fn check_toml(self, text: &str) -> Result<Diagnostics, ConfigError> {
        let Read { mut plan, places } = Read::new(text, self.plan.clone())?;
        plan.lists = declared(&plan);
        let problems = problems_of(&plan);
        if !problems.is_empty() {
            return Err(places.place_all(text, self.plan, &BuildError::new(problems)));
        }
        match RuleSet::new(plan.rules, plan.lists) {
            Ok(rules) => Ok(places.place_rules(text, rules.lints())),
            Err(found) => Err(places.place_rules(text, found.found)),
        }
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
            let mut syntax: Vec<Diagnostic> =
                errors.iter().map(|error| malformed(text, error)).collect();
            let lines = lines_of_all(text, &syntax);
            found.retain(|it| !follows(text, it, &lines));
            let runs_on = syntax.iter().any(|it| it.message().starts_with("unclosed"));
            thin_out(text, &mut syntax);
            if runs_on {
                syntax.truncate(2);
            }
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

fn malformed(text: &str, error: &toml::de::Error) -> Diagnostic {
    match error.span() {
        Some(span) => Diagnostic::new(Code::Format, span, error.message().to_string()),
        // All that is told without a place: a key of too many parts.
        None => Diagnostic::new(Code::Format, most_dotted(text), "a key has too many parts")
            .with_help("a key of this configuration has two at most, as in client.header"),
    }
}

/// The line with the most dots.
fn most_dotted(text: &str) -> Range<usize> {
    let mut end = 0_usize;
    let lines = text.split_inclusive('\n').map(|line| {
        let start = end;
        end = end.saturating_add(line.len());
        start..start.saturating_add(line.trim_end().len())
    });
    let dots = |line: &Range<usize>| {
        text.get(line.clone()).map_or(0, |line| line.bytes().filter(|byte| *byte == b'.').count())
    };
    lines.max_by_key(dots).unwrap_or(0..0)
}

fn lines_of_all(text: &str, found: &[Diagnostic]) -> Vec<Range<usize>> {
    let spans = found.iter().filter_map(Diagnostic::span);
    spans.map(|span| lines_of(text, &span)).collect()
}

/// Leaves the first mistake of each line, and of lines right below each other the first two: what follows
/// is mostly a consequence, as when an array is not closed.
fn thin_out(text: &str, syntax: &mut Vec<Diagnostic>) {
    syntax.sort_by_key(|it| it.span.as_ref().map(|span| span.start));
    let (mut run, mut last) = (0_usize, None);
    syntax.retain(|it| {
        let Some(line) = it.span.as_ref().map(|span| lines_of(text, &(span.start..span.start)))
        else {
            return true;
        };
        let same = last.as_ref().is_some_and(|last: &Range<usize>| last.start == line.start);
        let below = last.as_ref().is_some_and(|last| last.end == line.start);
        run = if below || same { run.saturating_add(usize::from(below)) } else { 0 };
        last = Some(line);
        !same && run < 2
    });
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
        || matches!(problem, P::TooManyFleetLimits { .. } | P::LimitPart { part: "quota", .. })
        || matches!(problem, P::Defence { .. } | P::FleetSettings { .. })
}

/// Where the parts of a plan stand in the text.
struct Whereabouts {
    /// The rules and limits that the program has described; those of the text follow.
    before: (usize, usize),
    rules: Vec<(String, Range<usize>)>,
    limits: Vec<(String, Range<usize>)>,
    clients: Option<Range<usize>>,
    fleet_keys: Option<Range<usize>>,
    defence: Vec<(&'static str, String, Range<usize>)>,
}

impl Whereabouts {
    fn new(places: &Places, before: (usize, usize)) -> Self {
        let of = |all: &[Place]| {
            all.iter().map(|place| (place.name.clone(), place.span.clone())).collect()
        };
        Self {
            before,
            rules: of(&places.rules),
            limits: of(&places.limits),
            clients: places.clients.clone(),
            fleet_keys: places.fleet_keys.clone(),
            defence: places.defence.clone(),
        }
    }

    /// All problems of the plan that this text makes on top of a base, where they stand in the text.
    fn place_all(&self, text: &str, base: Plan, error: &BuildError) -> ConfigError {
        let mut found = Vec::new();
        for problem in error.problems() {
            // Rules that do not fit together are asked once more, for which they are.
            let again = match problem {
                BuildProblem::Rules { .. } => Read::new(text, base.clone()).ok(),
                _ => None,
            };
            match again.map(|read| RuleSet::new(read.plan.rules, read.plan.lists)) {
                Some(Err(these)) => found.extend(self.place_rules(text, these.found).found),
                _ => found.push(self.place(problem)),
            }
        }
        Diagnostics::new(text, found)
    }

    /// What was found about rules, where their conditions stand.
    fn place_rules(&self, text: &str, found: Vec<Diagnostic>) -> Diagnostics {
        let placed = found.into_iter().map(|found| {
            let mut rules = self.rules.iter();
            let rule = rules.find(|(place, _)| Some(place.as_str()) == found.place());
            let span = rule.map(|(_, span)| span.clone());
            Diagnostic { span, ..found }
        });
        Diagnostics::new(text, placed.collect())
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
            | P::NoMemory { number, .. }
            | P::LimitPart { number, .. } => of(&self.limits, *number, limits),
            P::TooManyLimits { .. }
            | P::TooManySettled { .. }
            | P::TooManyParts { .. }
            | P::TooManyFleetLimits { .. } => self.limits.last().cloned(),
            // What is out of its range was refused where it was read, or is the program's.
            P::FleetSettings { error: FleetError::NoMemory { .. } } => {
                self.fleet_keys.clone().map(|span| ("fleet, keys".to_string(), span))
            }
            P::NoClients | P::TooManyClients { .. } => {
                self.clients.clone().map(|span| ("clients".to_string(), span))
            }
            P::Defence { part, .. } => {
                let named = self.defence.iter().find(|(key, ..)| key == part);
                let named = named.or(self.defence.first());
                named.map(|(_, place, span)| (place.clone(), span.clone()))
            }
            _ => None,
        };
        let message = problem.to_string();
        let code = match problem {
            // A value that is out of its range was refused where it was read.
            P::Defence { part, .. } if *part != "dimensions" => Code::Conflict,
            _ => Code::BadValue,
        };
        match place {
            Some((place, span)) => Diagnostic::new(code, span, message).at_place(place),
            None => Diagnostic::of_whole(Code::BadValue, message),
        }
    }
}

/// The plan of a text by itself.
#[cfg(test)]
pub(super) fn plan_of(text: &str) -> Result<Plan, ConfigError> {
    plan_on(Plan::default(), text)
}

/// The plan of a text on top of another one.
#[cfg(test)]
pub(super) fn plan_on(base: Plan, text: &str) -> Result<Plan, ConfigError> {
    Read::new(text, base).map(|read| read.plan)
}

/// A problem of the plan of a text, where it stands there.
#[cfg(test)]
pub(super) fn placed(text: &str, problem: BuildProblem) -> ConfigError {
    let Read { places, .. } = Read::new(text, Plan::default()).unwrap_or_else(|it| panic!("{it}"));
    places.place_all(text, Plan::default(), &BuildError::new(alloc::vec![problem]))
}
