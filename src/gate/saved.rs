//! What a gate knows, over a restart.
//!
//! A restart in the middle of an attack must not be what the attacker was waiting for. So what the gate has
//! learned goes along: who is banned, and what detection knows. Counters of limits do not; the stores that a
//! service makes itself have snapshots of their own.
//!
//! All times are relative to the moment of the snapshot: the next process has another clock.
//!
//! # Invariants
//! - **I1** a snapshot with any changed byte is the same snapshot or an error;
//! - **I2** an error changes nothing;
//! - **I3** what was banned is banned, for as long as was left.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Gate, bans::SavedBan};
use crate::{
    detect::DetectSnapshot, error::RestoreError, limit::snapshot::Checksum, time::Timestamp,
};

/// What a [`Gate`] knows of clients and of its traffic, to be written down and read by a later process.
///
/// Made by [`Gate::snapshot`], used by [`Gate::restore`]; in between it goes through any format of serde.
///
/// # What is not in it
/// Bans by the key of a limit that is no network: keys are not kept, and their hashes are of one process. The
/// counters of limits.
///
/// # Keep it private
/// It says who is banned and by which numbers attacks are told from usual traffic, and has the key of the
/// estimates of detection: whoever reads it can look for requests that make them wrong. A checksum tells damage;
/// it is no signature, so it is also to be kept where nobody else can write.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSnapshot {
    version: u32,
    content: Content,
    checksum: u64,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    bans: Vec<SavedBan>,
    detect: Option<DetectSnapshot>,
}

/// The version of what is written here, and the only one that is read.
const VERSION: u32 = 1;

impl GateSnapshot {
    fn of(content: Content) -> Self {
        // What cannot be summed cannot be written either, so nobody will read it.
        let checksum = Checksum::of(&(VERSION, &content)).unwrap_or(0);
        Self { version: VERSION, content, checksum }
    }

    /// How many networks it bans.
    #[must_use]
    pub fn bans(&self) -> usize {
        self.content.bans.iter().filter(|ban| ban.is_in_force()).count()
    }

    /// Whether all of it can be restored.
    fn validate(&self) -> Result<(), RestoreError> {
        if self.version != VERSION {
            return Err(RestoreError::Version { found: self.version, known: VERSION });
        }
        if Checksum::of(&(VERSION, &self.content)) != Ok(self.checksum) {
            return Err(RestoreError::Damaged);
        }
        if let Some(entry) = self.content.bans.iter().position(|ban| !ban.is_sane()) {
            return Err(RestoreError::Ban { entry });
        }
        self.content.detect.as_ref().map_or(Ok(()), DetectSnapshot::validate)
    }
}

/// How many bans, and nobody's address.
impl fmt::Debug for GateSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateSnapshot")
            .field("version", &self.version)
            .field("bans", &self.bans())
            .field("detect", &self.content.detect.is_some())
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// What this gate knows at `now`, for the next process.
    ///
    /// # Concurrency
    /// Checks go on meanwhile; what they change may or may not be in it.
    ///
    /// # Cost
    /// Reads all bans, and takes memory for each: about 150 bytes.
    ///
    /// # Example: a ban survives a restart
    /// ```
    /// use portcullis::{Gate, GateSnapshot, Request, Timestamp};
    /// use std::{net::IpAddr, time::Duration};
    ///
    /// let (gate, now) = (Gate::builder().build()?, Timestamp::from_secs(5_000));
    /// gate.bans().add("192.0.2.0/24".parse()?, Duration::from_secs(3_600), "abuse report 17", now);
    /// let text = serde_json::to_string(&gate.snapshot(now))?;
    /// drop(gate);
    ///
    /// // In another process, whose clock starts at zero.
    /// let (gate, now) = (Gate::builder().build()?, Timestamp::ZERO);
    /// let snapshot: GateSnapshot = serde_json::from_str(&text)?;
    /// gate.restore(&snapshot, now)?;
    /// let peer: IpAddr = "192.0.2.9".parse()?;
    /// assert!(!gate.check(&Request::new(peer), now).is_admitted());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> GateSnapshot {
        let snapshot = self.0.snapshot.load();
        let bans = snapshot.setting.bans.save(now);
        let detect = snapshot.setting.detector.as_ref().and_then(|detector| detector.save(now));
        GateSnapshot::of(Content { bans, detect })
    }

    /// Adds what an earlier process knew, at `now`.
    ///
    /// What is there already stays: of two bans of a network, the one that ends later counts. Bans for which
    /// there is [no room](crate::GateBuilder::bans) are left out, those that end first. The time in which
    /// nothing ran does not count. What detection has learned takes the place of what it has learned since, as
    /// far as the gate has a [defence](crate::GateBuilder::defence): the posture, what is usual, known networks,
    /// mitigations. What is [forced](crate::gate::GateDefence::force) is not kept.
    ///
    /// # Errors
    /// If it is damaged, of another version, or not what this crate wrote. The gate goes on unchanged then.
    pub fn restore(&self, snapshot: &GateSnapshot, now: Timestamp) -> Result<(), RestoreError> {
        snapshot.validate()?;
        // So that no reload takes the bans along before they are there.
        let _writer = self.0.writer.lock();
        let present = self.0.snapshot.load();
        if let (Some(detector), Some(saved)) = (&present.setting.detector, &snapshot.content.detect)
        {
            detector.restore(saved, &present.setting.frame.scheme, now)?;
        }
        present.setting.bans.restore(&snapshot.content.bans, now);
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
impl GateSnapshot {
    /// With another network in its first ban, and the sum that fits.
    pub(super) fn with_net(mut self, net: &str) -> Self {
        if let Some(ban) = self.content.bans.first_mut() {
            *ban = ban.clone().with_net(net);
        }
        Self::of(self.content)
    }
}
