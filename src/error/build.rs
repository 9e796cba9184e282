//! Gates that cannot be built.

use alloc::{string::String, vec::Vec};
use core::fmt;

/// Why a gate cannot be built: every mistake at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    problems: Vec<BuildProblem>,
}

impl BuildError {
    pub(crate) fn new(problems: Vec<BuildProblem>) -> Self {
        Self { problems }
    }

    /// The mistakes, in the order of the fields; at least one.
    #[must_use]
    pub fn problems(&self) -> &[BuildProblem] {
        &self.problems
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the gate cannot be built:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

impl core::error::Error for BuildError {}

/// One mistake in the description of a gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildProblem {
    /// A limit's name is not fit to be shown.
    #[error(
        "limit {number}: the name {name:?} must be 1 to 64 visible ASCII characters or blanks inside, \
         without '\"' and '\\', as in \"per client\""
    )]
    LimitName {
        /// Which limit, counted from 1.
        number: usize,
        /// The start of the name.
        name: String,
    },
    /// Two limits have the same name, or one has the name of a rule of the gate's own.
    #[error("limit {number}: the name {name:?} is taken; give every limit a name of its own")]
    DuplicateLimit {
        /// Which limit, counted from 1.
        number: usize,
        /// The name.
        name: String,
    },
    /// A rule's name is not fit to be shown.
    #[error(
        "rule {number}: the name {name:?} must be 1 to 64 visible ASCII characters or blanks inside, \
         without '\"' and '\\', as in \"scanner paths\""
    )]
    RuleName {
        /// Which rule, counted from 1.
        number: usize,
        /// The start of the name.
        name: String,
    },
    /// Two rules have the same name, or one has the name of a rule of the gate's own.
    #[error("rule {number}: the name {name:?} is taken; give every rule a name of its own")]
    DuplicateRule {
        /// Which rule, counted from 1.
        number: usize,
        /// The name.
        name: String,
    },
    /// A rule allows, denies or bans, and more than one of these.
    #[error(
        "rule {number}, {name:?}: a rule can allow, deny or ban, but not several of these; make a rule \
         of each"
    )]
    RuleEnds {
        /// Which rule, counted from 1.
        number: usize,
        /// The start of its name.
        name: String,
    },
    /// A rule denies with what is no status of a refusal.
    #[error("rule {number}, {name:?}: {status} is no status to refuse with; use 400 to 599")]
    RuleStatus {
        /// Which rule, counted from 1.
        number: usize,
        /// The start of its name.
        name: String,
        /// The status that was asked for.
        status: u16,
    },
    /// A rule skips a group that nothing belongs to.
    #[error(
        "rule {number}, {name:?}: it skips the group {group:?}, which no rule belongs to; name a group \
         that a rule has"
    )]
    UnknownGroup {
        /// Which rule, counted from 1.
        number: usize,
        /// The start of its name.
        name: String,
        /// The start of the group's name.
        group: String,
    },
    /// Rules set more tags, or skip more groups, than a request can carry.
    #[error("{found} {what} are too many for one gate; use at most {most}")]
    TooManyNames {
        /// Tags, or groups to skip.
        what: &'static str,
        /// The number that there is.
        found: usize,
        /// The most that there can be.
        most: usize,
    },
    /// A condition names a list that there is not.
    #[error("{place}: there is no list ${list}; give the gate one, which may be empty")]
    UnknownList {
        /// Which rule or limit.
        place: String,
        /// The start of the list's name.
        list: String,
    },
    /// A condition asks a list for values of another type than it holds.
    #[error("{place}: the list ${list} does not hold values of the type that it is asked for")]
    ListType {
        /// Which rule or limit.
        place: String,
        /// The start of the list's name.
        list: String,
    },
    /// A field of the service's own has a name that means something else in every condition.
    #[error("field {field:?}: every request has a field of this name; use another one")]
    TakenField {
        /// The start of the field's name.
        field: String,
    },
    /// A condition names a limit that there is not.
    #[error("{place}: there is no limit {limit:?} to count by; name one of this gate's")]
    UnknownLimit {
        /// Which rule or limit.
        place: String,
        /// The start of the limit's name.
        limit: String,
    },
    /// The rules cannot be compiled together.
    #[error("rules: {message}")]
    Rules {
        /// Why, and which.
        message: String,
    },
    /// A limit's quota is beyond what can be kept for each client.
    #[error(
        "limit {number}, {name:?}: {quota} cannot be kept for each client: a unit must take at least \
         64 ns to come back, and the burst can be at most 134217728; use a lower rate or a smaller burst"
    )]
    LimitQuota {
        /// Which limit, counted from 1.
        number: usize,
        /// The start of its name.
        name: String,
        /// The quota that was asked for.
        quota: crate::Quota,
    },
    /// More limits than are decided together.
    #[error("{limits} limits are too many for one request; use at most {most}")]
    TooManyLimits {
        /// The number that was asked for.
        limits: usize,
        /// The most that there can be.
        most: usize,
    },
    /// The memory for a limit's clients cannot be had.
    #[error(
        "limit {number}, {name:?}: the memory to remember {clients} clients cannot be had; use fewer \
         clients, or fewer limits"
    )]
    NoMemory {
        /// Which limit, counted from 1.
        number: usize,
        /// The start of its name.
        name: String,
        /// The clients that were asked for.
        clients: usize,
    },
    /// A part of a limit is not what it can be.
    #[error("limit {number}, {name:?}: {part} {why}")]
    LimitPart {
        /// Which limit, counted from 1.
        number: usize,
        /// The start of its name.
        name: String,
        /// Which part: `by`, `when`, `count_if`, `cost`, `distinct` or `then`; of a limit of a fleet also
        /// `quota` or `in_flight`.
        part: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// More limits ask for the response, or for its end, than can be settled.
    #[error(
        "{limits} limits are of requests in flight, or have a count_if or a cost that asks for the response; \
         use at most {most} of these together"
    )]
    TooManySettled {
        /// The number of such limits.
        limits: usize,
        /// The most that there can be.
        most: usize,
    },
    /// The conditions about responses ask too much about requests.
    #[error(
        "the count_if of all limits ask {parts} different things about the request; use at most {most}, \
         or ask for them in when"
    )]
    TooManyParts {
        /// The number of such conditions.
        parts: usize,
        /// The most that there can be.
        most: usize,
    },
    /// More limits of a fleet than its store is asked about together.
    #[error(
        "{limits} limits of a fleet are too many for one request; use at most {most}, and let each gate \
         count the others by itself"
    )]
    TooManyFleetLimits {
        /// The number of such limits.
        limits: usize,
        /// The most that there can be.
        most: usize,
    },
    /// What limits of a fleet have in common is not what it can be, or there is no memory for it.
    #[error("fleet: {error}")]
    FleetSettings {
        /// What is wrong, and what would be right.
        error: crate::limit::remote::FleetError,
    },
    /// Something that a defence goes by is not what it can be.
    #[error("defence: `{part}` {why}")]
    Defence {
        /// Which parameter, or `dimensions`.
        part: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// A client group has more bits than the address.
    #[error(
        "client group: {family} = {bits} is more than the {most} bits of such an address; use 0 to {most}"
    )]
    GroupTooLong {
        /// `v4` or `v6`.
        family: &'static str,
        /// The bits that were asked for.
        bits: u8,
        /// The most that there are.
        most: u8,
    },
    /// No client can be remembered.
    #[error("clients: 0 clients cannot be limited; use at least 1, or leave the limits out")]
    NoClients,
    /// More clients than a gate can hold.
    #[error("clients: {clients} is more than the {most} that a gate can remember")]
    TooManyClients {
        /// The number that was asked for.
        clients: usize,
        /// The most that there can be.
        most: usize,
    },
    /// There is no memory for what watches the traffic.
    #[error("there is no memory for the defence: it takes about two megabytes")]
    NoRoomToWatch,
}
