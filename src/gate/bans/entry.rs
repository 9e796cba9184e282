//! One ban, and how it changes: longer each time, for as long as its level is remembered.

use core::time::Duration;

use super::Subject;
use crate::{
    rule::{Ban, Name},
    time::Timestamp,
};

/// A ban, in force or remembered.
pub(super) struct Entry {
    pub(super) subject: Subject,
    pub(super) hash: u64,
    pub(super) until: Timestamp,
    /// When the level is forgotten.
    pub(super) forgotten: Timestamp,
    pub(super) level: u32,
    pub(super) reason: Name,
}

/// How a ban changes what there is.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Escalate(Ban),
    Set(Duration),
    /// As it is in another table.
    Copy {
        until: Timestamp,
        forgotten: Timestamp,
        level: u32,
    },
    /// As it was in another process; what is there already does not become less.
    #[cfg(feature = "serde")]
    Join {
        until: Timestamp,
        forgotten: Timestamp,
        level: u32,
    },
}

impl Change {
    /// Whether it is of a ban that was made before, which displaces none that ends later.
    pub(super) fn is_of_before(self) -> bool {
        !matches!(self, Self::Escalate(_) | Self::Set(_))
    }
}

impl Entry {
    pub(super) fn new(
        subject: Subject,
        hash: u64,
        change: Change,
        reason: &Name,
        now: Timestamp,
    ) -> Self {
        let reason_now = Name::clone(reason);
        let mut entry =
            Self { subject, hash, until: now, forgotten: now, level: 0, reason: reason_now };
        entry.change(change, reason, now);
        entry
    }

    pub(super) fn change(&mut self, change: Change, reason: &Name, now: Timestamp) {
        match change {
            // I3 of bans.
            Change::Escalate(_) if self.until > now => return,
            Change::Escalate(ban) => {
                let before = self.level_at(now);
                self.level = before.saturating_add(1);
                self.until = now.saturating_add(ban.time(before));
                self.forgotten = self.until.saturating_add(ban.most);
            }
            Change::Set(time) => {
                self.until = now.saturating_add(time);
                self.forgotten = self.forgotten.max(self.until);
            }
            Change::Copy { until, forgotten, level } => {
                (self.until, self.forgotten, self.level) = (until, forgotten, level);
            }
            #[cfg(feature = "serde")]
            Change::Join { until, forgotten, level } => {
                self.level = level.max(self.level_at(now));
                self.forgotten = self.forgotten.max(forgotten);
                if until < self.until {
                    return;
                }
                self.until = until;
            }
        }
        if self.reason != *reason {
            self.reason = Name::clone(reason);
        }
    }

    /// How often it was banned before, as far as that is remembered.
    pub(super) fn level_at(&self, now: Timestamp) -> u32 {
        if self.forgotten > now { self.level } else { 0 }
    }
}
