//! What the gate does by itself, between the rules and the limits: mitigations, and shedding.
//!
//! # Invariants
//! - **I1** a client that the allow list or a rule allows, a proxy that is trusted and the machine itself are never
//!   mitigated, nor held back for being unknown;
//! - **I2** proxies that are trusted and the machine itself are not shed either, nor is what a rule says so of;
//! - **I3** what is refused here has taken nothing from any limit.

use alloc::sync::Arc;
use core::net::IpAddr;

use ipnet::IpNet;

use super::{
    effects::End,
    pipeline::{Refusal, Witness},
    snapshot::Setting,
};
use crate::{
    detect::{Applied, Deed, Detector, Glance, Shed, Who, Word},
    request::canonical::Needs,
    rule::{Class, Facts, State},
    time::Timestamp,
};

impl Setting {
    /// What mitigations and shedding say of a request that rules let pass; `None` if it goes on.
    #[inline(never)]
    pub(super) fn guard<W: Witness>(
        &self,
        facts: &Facts<'_>,
        glance: &Glance,
        end: End,
        class: Class,
        now: Timestamp,
        witness: &mut W,
    ) -> Option<Refusal> {
        let detector = self.detector.as_ref()?;
        let client = facts.client;
        if client.is_some_and(|client| self.is_ours(&IpNet::from(client))) {
            return None;
        }
        let is_allowed = matches!(end, End::Allowed { .. })
            || client.is_some_and(|client| self.allow.contains(client));
        let mut is_suspect = false;
        if glance.word.has(Word::MITIGATES) && !is_allowed && client.is_some() {
            if let Some(applied) = detector.mitigates(facts, W::CHARGES, now) {
                witness.mitigated(self, &applied);
                is_suspect = applied.is_suspect;
                if let Applied { deed: Deed::Throttle { wait } | Deed::Deny { wait }, .. } = applied
                {
                    return Some(Refusal::Mitigated { wait });
                }
            }
        }
        if matches!(end, End::Allowed { bypasses_shedding: true, .. }) {
            return None;
        }
        // Who looks like an attacker, and asks for too little to be refused for that, has no more than unknown
        // clients have, and gives way first.
        let who = match is_suspect {
            true => Who::Suspect,
            false if facts.state.client_known || is_allowed => Who::Known,
            false => Who::Unknown,
        };

        let class = if is_suspect && class < Class::Critical { Class::Sheddable } else { class };

        match detector.shed(glance, who, class, W::CHARGES, now)? {
            Shed::Unknown { wait } => Some(Refusal::Shed { for_being_unknown: true, wait }),
            Shed::Full { wait } => Some(Refusal::Shed { for_being_unknown: false, wait }),
        }
    }

    /// What mitigations read of a request's canonical form.
    #[inline]
    pub(super) fn needs_of_guard(&self, glance: &Glance) -> Needs {
        match &self.detector {
            Some(detector) if glance.word.has(Word::MITIGATES) => detector.needs(),
            _ => Needs::NOTHING,
        }
    }

    /// What rules see of the whole.
    #[inline]
    pub(super) fn state_of(&self, glance: &Glance) -> State {
        let Some(detector) = &self.detector else { return State::default() };
        State {
            posture: glance.word.posture().number().into(),
            load: glance.word.load().into(),
            client_known: detector.knows(glance.network),
        }
    }

    /// Whether what a client sends is no part of what attacks are recognised by (I1).
    pub(super) fn spares(&self, client: IpAddr) -> bool {
        self.allow.contains(client) || self.is_ours(&IpNet::from(client))
    }

    /// Runs what is due of a tick.
    #[cold]
    #[inline(never)]
    pub(super) fn step(&self, detector: &Arc<Detector>, now: Timestamp) {
        detector.step(&|net| self.spares_any_of(net), now);
    }

    /// Runs all of a tick, if one is due.
    pub(super) fn tick(&self, detector: &Arc<Detector>, now: Timestamp) {
        detector.tick(&|net| self.spares_any_of(net), now);
    }

    /// Whether a network has clients that are spared, or exempt.
    fn spares_any_of(&self, net: &IpNet) -> bool {
        self.is_ours(net) || self.allow.overlaps(net) || self.exempt.overlaps(net)
    }
}
