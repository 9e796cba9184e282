//! How a gate stands at one time, as far as it is not counted.

use alloc::vec::Vec;

use crate::{
    detect::{Evidence, Posture},
    gate::{Gate, Mode, limits::Room},
    limit::remote::FleetStats,
    rule::Name,
    time::Timestamp,
};

/// How a gate stands.
#[derive(Clone, Debug)]
pub(in crate::gate) struct Gauges {
    pub(in crate::gate) mode: Mode,
    pub(in crate::gate) limits: Vec<LimitGauges>,
    /// Entries of each list.
    pub(in crate::gate) lists: Vec<(Name, usize)>,
    pub(in crate::gate) bans: usize,
    pub(in crate::gate) bans_room: usize,
    pub(in crate::gate) bans_displaced: u64,
    /// Of a candidate: the same, would deny, would allow.
    pub(in crate::gate) candidate: Option<[u64; 3]>,
    pub(in crate::gate) defence: Option<DefenceGauges>,
    pub(in crate::gate) fleet: Option<FleetStats>,
    pub(in crate::gate) memory: usize,
}

/// How a limit stands.
#[derive(Clone, Debug)]
pub(in crate::gate) struct LimitGauges {
    pub(in crate::gate) name: Name,
    pub(in crate::gate) room: Room,
}

/// How detection stands.
#[derive(Clone, Debug)]
pub(in crate::gate) struct DefenceGauges {
    pub(in crate::gate) posture: Posture,
    pub(in crate::gate) evidence: Evidence,
    pub(in crate::gate) in_flight: u64,
    pub(in crate::gate) mitigations: usize,
    pub(in crate::gate) dropped_events: u64,
    pub(in crate::gate) dropped_samples: u64,
}

impl Gate {
    pub(in crate::gate) fn gauges(&self, now: Timestamp) -> Gauges {
        let memory = self.memory_bytes();
        let snapshot = self.0.snapshot.load();
        let setting = &*snapshot.setting;
        let names = setting.names.limits.iter();
        let limits = names.zip(setting.limits.rooms(now));
        let lists = snapshot.rules.lists().iter();
        let defence = setting.detector.as_ref().map(|detector| {
            let (evidence, mitigations, dropped_events) = detector.numbers();
            DefenceGauges {
                posture: detector.word().posture(),
                evidence,
                in_flight: detector.in_flight(),
                mitigations,
                dropped_events,
                dropped_samples: detector.dropped_samples(),
            }
        });
        Gauges {
            mode: self.mode(),
            limits: limits
                .map(|(name, room)| LimitGauges { name: Name::clone(name), room })
                .collect(),
            lists: lists.map(|(name, list)| (Name::from(name), list.len())).collect(),
            bans: setting.bans.count(now),
            bans_room: setting.most_bans,
            bans_displaced: setting.bans.times_displaced(),
            candidate: snapshot.candidate.as_ref().map(|candidate| candidate.counts()),
            defence,
            fleet: setting.limits.node().map(|fleet| fleet.stats()),
            memory,
        }
    }
}
