//! Errors exist only where something is built or parsed; traffic never meets one.
//!
//! Each says what was wrong, where, and what would be right.

use alloc::string::String;
#[cfg(feature = "std")]
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "std")]
use core::time::Duration;

/// Why a quota cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// The period is zero.
    #[error("the period of a quota is zero; it must be at least 1 ns")]
    ZeroPeriod,
    /// The period is longer than [`Quota::LONGEST_PERIOD`](crate::Quota::LONGEST_PERIOD).
    #[error(
        "the period of a quota is longer than 100 years; use a shorter one, or a count of 0 to let nothing pass"
    )]
    PeriodTooLong,
    /// The rate is higher than [`Quota::HIGHEST_RATE`](crate::Quota::HIGHEST_RATE) a second.
    #[error(
        "{count} per {period_nanos} ns is more than {max} a second, the highest rate of a quota; use a lower count or a longer period",
        max = u32::MAX
    )]
    TooFast {
        /// The count that was asked for.
        count: u32,
        /// The period that was asked for, in nanoseconds.
        period_nanos: u64,
    },
}

/// Why a window cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The window is empty.
    #[error("the window is zero; it must be at least 1 ns")]
    ZeroWindow,
    /// The window is longer than [`Quota::LONGEST_PERIOD`](crate::Quota::LONGEST_PERIOD).
    #[error("the window is longer than 100 years; use a shorter one, or a limit of 0")]
    WindowTooLong,
    /// The window is divided into too few or too many sub-windows.
    #[error("a window of {parts} sub-windows; use 1 to {most}")]
    Parts {
        /// The number that was asked for.
        parts: u32,
        /// The most that there can be.
        most: u32,
    },
    /// More units in one sub-window than it can count.
    #[error(
        "{limit} units in a sub-window of {part_nanos} ns are too many to count; use a lower limit, or \
         sub-windows of at least {least_nanos} ns: a longer window or fewer of them"
    )]
    PartTooShort {
        /// The limit that was asked for.
        limit: u32,
        /// The length of a sub-window, in nanoseconds.
        part_nanos: u64,
        /// The least that it must be for this limit, in nanoseconds.
        least_nanos: u64,
    },
    /// More units than a log remembers one by one.
    #[error("a log of {limit} units; it remembers up to {most}, beyond that use sub-windows")]
    LogTooLong {
        /// The limit that was asked for.
        limit: u32,
        /// The most that there can be.
        most: u32,
    },
}

/// Why a text is not a quota: what was wrong, where, and what would be right.
///
/// # Example: what a user sees
/// ```
/// use portcullis::Quota;
///
/// let error = "100/fortnight".parse::<Quota>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "quota \"100/fortnight\", column 5: unknown unit of time; \
///      use ns, us, ms, s, min, hour or day, as in \"100/min burst 20\""
/// );
/// assert_eq!(error.column(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("quota {snippet:?}, column {column}: {problem}, as in \"100/min burst 20\"")]
pub struct QuotaParseError {
    snippet: String,
    column: usize,
    problem: QuotaTextProblem,
}

impl QuotaParseError {
    pub(crate) fn new(text: &str, at: usize, problem: QuotaTextProblem) -> Self {
        let column = text.get(..at).unwrap_or_default().chars().count().saturating_add(1);
        Self { snippet: snippet(text), column, problem }
    }

    /// Where the problem is: a column, counted in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// What the problem is, without the text.
    #[cfg(feature = "config")]
    pub(crate) fn problem(&self) -> &QuotaTextProblem {
        &self.problem
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QuotaTextProblem {
    ExpectedCount,
    ExpectedSlash,
    ExpectedPeriod,
    ExpectedBurst,
    UnknownUnit,
    NumberTooLarge,
    TrailingText,
    Unrepresentable(QuotaError),
}

impl fmt::Display for QuotaTextProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExpectedCount => "expected a count, a whole number from 0 to 4294967295",
            Self::ExpectedSlash => "expected \"/\" between the count and the period",
            Self::ExpectedPeriod => "expected a period, a unit of time with or without a number",
            Self::ExpectedBurst => "expected a number from 0 to 4294967295 after \"burst\"",
            Self::UnknownUnit => "unknown unit of time; use ns, us, ms, s, min, hour or day",
            Self::NumberTooLarge => {
                "the number is too large; counts and bursts go up to 4294967295, periods to 100 years"
            }
            Self::TrailingText => "unexpected text; after the period only \"burst\" and a number may follow",
            Self::Unrepresentable(error) => return error.fmt(f),
        })
    }
}

/// The start of a text, short enough to quote and free of control characters.
pub(crate) fn snippet(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut snippet: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        snippet.push('…');
    }
    snippet
}

/// Why a key of a limiter cannot have a quota of its own.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyQuotaError {
    /// All places are held by keys with a quota of their own, or by keys that owe something.
    #[error(
        "no place for a key with a quota of its own: all {capacity} are held by such keys or by keys \
         in debt; make the limiter for more keys, or forget some, or try again after {free_after:?}"
    )]
    NoPlace {
        /// The places that there are.
        capacity: usize,
        /// There will be none before; very long if all places are held for good.
        free_after: Duration,
    },
    /// Keys have as many different quotas as the limiter has room for.
    #[error(
        "{most} different quotas of single keys are there already, and the limiter was made for no \
         more; use one of them, or make it with more own_quotas"
    )]
    TooManyQuotas {
        /// The different quotas that there is room for.
        most: usize,
    },
}

/// Why a snapshot is not restored. A store that was there before it is empty then, and works.
#[cfg(all(feature = "std", feature = "serde"))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It was written by another version of this crate.
    #[error(
        "the snapshot is of version {found}, and this is a program for version {known}; start without \
         it, or restore it with the version that wrote it"
    )]
    Version {
        /// The snapshot's version.
        found: u32,
        /// The version that can be read.
        known: u32,
    },
    /// Its content is not what was written.
    #[error(
        "the snapshot's checksum does not fit its content: it was damaged or edited; use an older one, \
         or start without"
    )]
    Damaged,
    /// A key is there twice.
    #[error(
        "entry {entry} of the snapshot has a key that an earlier one has; if keys compare as they did \
         when it was written, it was not written by this crate: start without it"
    )]
    DuplicateKey {
        /// Which entry, counted from 0.
        entry: usize,
    },
    /// A key owes more than its quota allows.
    #[error(
        "entry {entry} of the snapshot owes more than its quota allows; it was not written by this \
         crate: start without it"
    )]
    TooMuchDebt {
        /// Which entry, counted from 0.
        entry: usize,
    },
    /// A key refers to a quota that the snapshot does not have.
    #[error(
        "entry {entry} of the snapshot refers to quota {quota}, which is not there; it was not written \
         by this crate: start without it"
    )]
    UnknownQuota {
        /// Which entry, counted from 0.
        entry: usize,
        /// Which quota, counted from 0.
        quota: usize,
    },
    /// The store is too small for it.
    #[error(
        "the snapshot has {keys} keys, and the store that it is restored to takes {most}; make that at \
         least as large as the one it was taken of"
    )]
    TooManyKeys {
        /// The keys in the snapshot.
        keys: usize,
        /// The most that the store takes.
        most: usize,
    },
    /// Its keys have more different quotas of their own than the store has room for.
    #[error(
        "the snapshot's keys have more than {most} different quotas of their own; make the store with \
         more own_quotas"
    )]
    TooManyQuotas {
        /// The different quotas that there is room for.
        most: usize,
    },
    /// Keys are hashed differently here, so none of them would be found again.
    #[error(
        "keys are hashed differently here than where the snapshot was written, by another version of \
         the hash function or another processor: start without it"
    )]
    ForeignHash,
    /// It is for a quota that a keyed limiter does not hold.
    #[error(
        "the snapshot's quota, {quota}, is out of the range of a keyed limiter with its room for debt; \
         it was not written by this crate: start without it"
    )]
    QuotaOutOfRange {
        /// The quota.
        quota: crate::quota::Quota,
    },
    /// There is no place for a key where it says that one is.
    #[error(
        "entry {entry} of the snapshot is in a place that there is not; it was not written by this \
         crate: start without it"
    )]
    NoPlace {
        /// Which entry, counted from 0.
        entry: usize,
    },
    /// Its parts are not of one limiter.
    #[error(
        "what the snapshot says of its quotas or its clock contradicts itself; it was not written by \
         this crate: start without it"
    )]
    Contradiction,
    /// The memory for the store cannot be had.
    #[error("{bytes} bytes for the snapshot's places cannot be had; start with a smaller store")]
    NoMemory {
        /// How many were asked for.
        bytes: usize,
    },
}

/// Why a snapshot of a gate is not restored. The gate goes on as before.
#[cfg(all(feature = "std", feature = "serde"))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// It, or a part of it, was written by another version of this crate.
    #[error(
        "the snapshot is of version {found}, and this is a program for version {known}; start without \
         it, or restore it with the version that wrote it"
    )]
    Version {
        /// The snapshot's version.
        found: u32,
        /// The version that can be read.
        known: u32,
    },
    /// Its content is not what was written.
    #[error(
        "the snapshot's checksum does not fit its content: it was damaged or edited; use an older one, \
         or start without"
    )]
    Damaged,
    /// A ban is none that a gate can have.
    #[error(
        "ban {entry} of the snapshot is none that a gate can have; it was not written by this crate: \
         start without it"
    )]
    Ban {
        /// Which one, counted from 0.
        entry: usize,
    },
    /// What it says of detection contradicts itself.
    #[error(
        "what the snapshot says of {part} contradicts itself; it was not written by this crate: start \
         without it"
    )]
    Detection {
        /// Which part of detection.
        part: &'static str,
    },
}

/// Why a gate cannot be built: every mistake at once.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    problems: Vec<BuildProblem>,
}

#[cfg(feature = "std")]
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

#[cfg(feature = "std")]
impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the gate cannot be built:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

#[cfg(feature = "std")]
impl core::error::Error for BuildError {}

/// One mistake in the description of a gate.
#[cfg(feature = "std")]
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

/// Why a [`KeyedLimiter`](crate::KeyedLimiter) cannot be built.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyedLimiterError {
    /// The quota does not fit one word beside a fingerprint.
    #[error(
        "a keyed limiter cannot hold {quota}: one unit must take at least 64 ns to come back, and the \
         burst (with room for debt) can be at most 134217728; use a coarser quota, or a TokenBucket"
    )]
    OutOfRange {
        /// The quota that was asked for.
        quota: crate::Quota,
    },
    /// Room for no key at all.
    #[error("a keyed limiter for 0 keys limits nobody; use at least 1")]
    NoKeys,
    /// Not even one set fits.
    #[error("{bytes} bytes do not hold a keyed limiter; use at least {least}")]
    TooFewBytes {
        /// The bytes that were asked for.
        bytes: usize,
        /// The fewest that would do.
        least: usize,
    },
    /// More than can be addressed.
    #[error(
        "the capacity of a keyed limiter is more than this machine can address; use a smaller one"
    )]
    TooLarge,
    /// The allocator refused.
    #[error("{bytes} bytes for a keyed limiter cannot be had; use a smaller capacity")]
    NoMemory {
        /// The bytes of the table.
        bytes: usize,
    },
}

/// Why an [`AddressLimiter`](crate::limit::AddressLimiter) cannot be built.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressLimiterError {
    /// A network has more bits than an address.
    #[error("tier {number}: {bits} bits are more than such an address has; use at most {most}")]
    TooManyBits {
        /// Which tier, counted from 1.
        number: usize,
        /// The bits that were asked for.
        bits: u8,
        /// The most that there are.
        most: u8,
    },
    /// More tiers than are judged together.
    #[error("{tiers} tiers are too many; use at most {most}")]
    TooManyTiers {
        /// The number of tiers.
        tiers: usize,
        /// The most that there can be.
        most: usize,
    },
    /// A tier's limiter cannot be built.
    #[error("tier {number}: {error}")]
    Tier {
        /// Which tier, counted from 1.
        number: usize,
        /// What is wrong with it.
        error: KeyedLimiterError,
    },
}

/// Why a limiter's quota or seed cannot be changed now; it goes on as before.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The new quota does not fit the ticks that the limiter was built with.
    #[error("{quota} is too far from the quota that the limiter was built with; build another one")]
    OutOfRange {
        /// The quota that was asked for.
        quota: crate::Quota,
    },
    /// Keys are still moving from the change before the last.
    #[error("two changes are still in progress; try again at {until:?}")]
    TooSoon {
        /// When it can be tried again.
        until: crate::Timestamp,
    },
}
