//! What a fleet is: how many nodes, how its keys are called, how long leases are.

use alloc::{string::String, sync::Arc};
use core::{fmt, hash::Hasher, ops::RangeInclusive, time::Duration};

use siphasher::sip128::{Hasher128, SipHasher24};

use super::error::FleetError;

/// What all limits of a fleet have in common. All nodes of it should say the same.
///
/// # Example: eight instances of a shop
/// ```
/// use portcullis::limit::remote::{Fleet, FleetSettings};
///
/// let settings = FleetSettings::new().prefix("shop").nodes(8).secret(b"as long as you like");
/// let fleet = Fleet::new(settings)?;
/// # Ok::<(), portcullis::limit::remote::FleetError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "settings do nothing until a fleet is made of them"]
pub struct FleetSettings {
    pub(crate) prefix: Arc<str>,
    pub(super) secret: [u64; 2],
    pub(crate) nodes: u32,
    pub(crate) lease: Duration,
    pub(crate) timeout: Duration,
    pub(crate) keys: usize,
}

/// What a limit of a fleet does while its store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum OnFailure {
    /// Each node limits by itself, to its part of the quota: all of them together to about the quota.
    #[default]
    Local,
    /// Everything passes.
    Open,
    /// Nothing passes; it is refused with status 503.
    Closed,
}

/// How many nodes there can be.
pub(crate) const NODES: RangeInclusive<u64> = 1..=1_000_000;
/// How long a lease can be, in milliseconds.
pub(crate) const LEASE_MS: RangeInclusive<u64> = 1..=10_000;
/// How long the store can be waited for, in milliseconds.
pub(crate) const TIMEOUT_MS: RangeInclusive<u64> = 1..=10_000;
/// How many keys a node can remember.
pub(crate) const KEYS: RangeInclusive<u64> = 1..=(1 << 24);
const LONGEST_PREFIX: usize = 64;

impl FleetSettings {
    /// One node, no prefix, leases of 100 ms, 20 ms for an answer, 65,536 keys.
    pub fn new() -> Self {
        Self {
            prefix: Arc::from(""),
            secret: [0x706f_7274_6375_6c6c, 0x6973_2f66_6c65_6574],
            nodes: 1,
            lease: Duration::from_millis(100),
            timeout: Duration::from_millis(20),
            keys: 1 << 16,
        }
    }

    /// What the names of all keys begin with, so that several services can use one store: up to 64
    /// visible ASCII characters without braces.
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: Arc::from(prefix), ..self }
    }

    /// What subjects are hashed with before they are sent.
    ///
    /// The store then has no address and no name of anybody's, and nobody can choose a subject that is
    /// taken for another one. Without a secret, whoever sees the keys can try out whose they are. All nodes need
    /// the same one; another one starts all buckets anew.
    pub fn secret(self, secret: &[u8]) -> Self {
        let mut hasher = SipHasher24::new_with_keys(0, 0);
        hasher.write(secret);
        let hash = hasher.finish128();
        Self { secret: [hash.h1, hash.h2], ..self }
    }

    /// How many nodes take part.
    ///
    /// Leases and what each node lets pass by itself ([`OnFailure::Local`]) are divided by it. It need not be
    /// exact: with more nodes than it says, leases and local parts add up to more.
    pub fn nodes(self, nodes: u32) -> Self {
        Self { nodes, ..self }
    }

    /// For how long a node provides itself with units, and how long it remembers a denial at least: 1 ms
    /// to 10 s. The longer, the fewer calls, and the longer a client that was denied by one node can be denied
    /// there when others have units again. It is no longer than half the time in which an empty bucket is full: otherwise
    /// units would be lost meanwhile.
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// How long a check waits for the store: 1 ms to 10 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How many keys a node remembers at a time; rounded up to a power of two, and at least 64.
    ///
    /// # Memory
    /// About 100 bytes each, at once.
    pub fn keys(self, keys: usize) -> Self {
        Self { keys, ..self }
    }

    /// What is wrong with them, all of it.
    pub(crate) fn problems(&self) -> impl Iterator<Item = FleetError> {
        let prefix = (!is_a_prefix(&self.prefix)).then(|| FleetError::Prefix {
            prefix: self.prefix.chars().take(LONGEST_PREFIX).collect::<String>(),
        });
        let number = |what, given, range: RangeInclusive<u64>| {
            let (least, most) = (*range.start(), *range.end());
            (!range.contains(&given)).then_some(FleetError::OutOfRange { what, given, least, most })
        };
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let keys = u64::try_from(self.keys).unwrap_or(u64::MAX);
        let numbers = [
            number("the number of nodes", self.nodes.into(), NODES),
            number("a lease, in milliseconds,", ms(self.lease), LEASE_MS),
            number("the timeout, in milliseconds,", ms(self.timeout), TIMEOUT_MS),
            number("the number of keys", keys, KEYS),
        ];
        prefix.into_iter().chain(numbers.into_iter().flatten())
    }
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self::new()
    }
}

/// All but the secret.
impl fmt::Debug for FleetSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetSettings")
            .field("prefix", &self.prefix)
            .field("nodes", &self.nodes)
            .field("lease", &self.lease)
            .field("timeout", &self.timeout)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// Braces tell a cluster what of a key decides where it is kept.
fn is_a_prefix(prefix: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}';
    prefix.len() <= LONGEST_PREFIX && prefix.bytes().all(fits)
}
