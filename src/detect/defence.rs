//! How far a gate may go by itself, and the numbers that it goes by.

use alloc::vec::Vec;

use super::Posture;
use crate::rule::Term;

/// How far a gate may go by itself: for [`GateBuilder::defence`](crate::GateBuilder::defence).
///
/// # Example: up to throttling and denying attackers
/// ```
/// use portcullis::{Defence, Gate, Posture};
///
/// let gate = Gate::builder().defence(Defence::up_to(Posture::Defend)).build()?;
/// assert_eq!(gate.posture(), Posture::Normal);
/// # Ok::<(), portcullis::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it says how far a gate may go; give it to a builder"]
pub struct Defence {
    pub(crate) up_to: Posture,
    pub(crate) parameters: Parameters,
    pub(crate) dimensions: Vec<Term>,
}

impl Defence {
    /// By itself, the gate takes no higher posture than this one. With
    /// [`Normal`](Posture::Normal) it watches nothing, which is what a gate does without a defence.
    ///
    /// [`Elevated`](Posture::Elevated) watches and tells, and refuses nothing; [`Defend`](Posture::Defend) is
    /// what most services want.
    pub fn up_to(posture: Posture) -> Self {
        Self { up_to: posture, parameters: Parameters::default(), dimensions: Vec::new() }
    }

    /// With these numbers instead of the usual ones.
    pub fn parameters(self, parameters: Parameters) -> Self {
        Self { parameters, ..self }
    }

    /// Also looks for this value of requests when it searches for what an attack has in common: a tenant,
    /// a route, a fingerprint. There can be two; further ones are refused when the gate is built.
    pub fn dimension(mut self, value: Term) -> Self {
        self.dimensions.push(value);
        self
    }
}

/// The dimensions of a service's own.
pub(crate) const MOST_DIMENSIONS: usize = 2;

/// Every number that detection goes by, with its usual value.
///
/// Times are of the caller's clock; a tick is one second. Shares are between 0 and 1; attack and load are
/// between 0 and 100. Values beyond what is possible are refused when the gate is built.
///
/// # Example: a service that is content with fewer requests to learn from
/// ```
/// use portcullis::detect::Parameters;
///
/// let mut parameters = Parameters::default();
/// parameters.cold_requests = 200;
/// assert_eq!(parameters.alarm_z, 4.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Parameters {
    /// Half-life of what is usual, in ticks: 60.
    pub half_life: u32,
    /// Half-life of the slow mean that the gate of volume compares with, in ticks: 1,440.
    pub slow_half_life: u32,
    /// The least deviation of the logarithm of volume that is believed in: 0.1.
    pub deviation_floor: f64,
    /// So many deviations above the usual are an alarm: 4.
    pub alarm_z: f64,
    /// What is learned from an unusual tick is clipped at so many deviations: 2.
    pub clip: f64,
    /// And it is no alarm unless volume is so many times the slow mean: 2.
    pub gate: f64,
    /// Nothing above [`Elevated`](Posture::Elevated) in the first so many seconds, apart from load: 600.
    pub cold_seconds: u32,
    /// Nor in the first so many requests: 1,000.
    pub cold_requests: u64,
    /// A mean square distance of the mix above this is a shift: 4.
    pub mix_distance: f64,
    /// Attack at which the posture becomes [`Elevated`](Posture::Elevated): 30.
    pub elevated_attack: f64,
    /// Load at which the posture becomes [`Elevated`](Posture::Elevated): 60.
    pub elevated_load: f64,
    /// Load at which it becomes [`Overload`](Posture::Overload): 80.
    pub overload_load: f64,
    /// If the attack is below this: 40.
    pub overload_attack: f64,
    /// Attack at which it becomes [`Defend`](Posture::Defend), in 3 of 5 ticks: 60.
    pub defend_attack: f64,
    /// Attack at which it does so under [`overload_load`](Self::overload_load): 40.
    pub defend_attack_loaded: f64,
    /// Load at which it becomes [`Lockdown`](Posture::Lockdown): 90.
    pub lockdown_load: f64,
    /// After so many seconds of it: 10.
    pub lockdown_seconds: u32,
    /// No posture is left in the direction of normal before so many seconds: 15.
    pub dwell_seconds: u32,
    /// So many quiet seconds lead from elevated to normal, and from defend down: 60.
    pub calm_seconds: u32,
    /// So many seconds without load lead out of overload and lockdown: 30.
    pub unloaded_seconds: u32,
    /// What comes back within so many seconds is left twice as slowly: 600.
    pub again_seconds: u32,
    /// But never more slowly than this, in seconds: 1,800.
    pub slowest_seconds: u32,
    /// More changes of posture than this in ten minutes keep the higher one: 6.
    pub most_changes: u32,
    /// Nothing is learned while the posture is not normal, for at most so many seconds: 21,600.
    pub frozen_seconds: u32,
    /// After that it is learned so many times as fast as usual: 0.1.
    pub relearn: f64,
    /// A mitigation covers at least this share of the excess: 0.2.
    pub covers: f64,
    /// And at most this share of the usual traffic: 0.01.
    pub harms: f64,
    /// So many mitigations at a time: 64, which is also the most that there can be.
    pub mitigations: u32,
    /// A mitigation ends after so many seconds without matches: 60.
    pub mitigation_seconds: u32,
    /// It is renewed by matches at this share of the rate that made it: 0.1.
    pub renewed_at: f64,
    /// A throttled client gets so many times what the busiest of a hundred usual clients asks for: 2.
    pub throttle: f64,
    /// A mitigation that goes on matching denies after so many seconds of throttling: 10.
    pub deny_after_seconds: u32,
    /// Unknown clients get back this share of the service's capacity a second: 0.1.
    pub readmission: f64,
    /// Unless load is above this: 70.
    pub readmission_load: f64,
    /// A network counts as known for at least so many seconds after it was served: 86,400. An hour, if that is
    /// less, while more than some 120,000 networks come in that time: there is room for no more.
    pub known_seconds: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            half_life: 60,
            slow_half_life: 1_440,
            deviation_floor: 0.1,
            alarm_z: 4.0,
            clip: 2.0,
            gate: 2.0,
            cold_seconds: 600,
            cold_requests: 1_000,
            mix_distance: 4.0,
            elevated_attack: 30.0,
            elevated_load: 60.0,
            overload_load: 80.0,
            overload_attack: 40.0,
            defend_attack: 60.0,
            defend_attack_loaded: 40.0,
            lockdown_load: 90.0,
            lockdown_seconds: 10,
            dwell_seconds: 15,
            calm_seconds: 60,
            unloaded_seconds: 30,
            again_seconds: 600,
            slowest_seconds: 1_800,
            most_changes: 6,
            frozen_seconds: 21_600,
            relearn: 0.1,
            covers: 0.2,
            harms: 0.01,
            mitigations: 64,
            mitigation_seconds: 60,
            renewed_at: 0.1,
            throttle: 2.0,
            deny_after_seconds: 10,
            readmission: 0.1,
            readmission_load: 70.0,
            known_seconds: 86_400,
        }
    }
}
