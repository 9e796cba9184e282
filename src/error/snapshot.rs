//! Snapshots that are not restored.

/// Why a snapshot is not restored. A store that was there before it is empty then, and works.
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
