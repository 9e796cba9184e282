//! What speaks for an attack, in numbers.

use core::fmt;

/// What speaks for an attack, and how busy the service is: the numbers of one tick.
///
/// Shares are between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Evidence {
    /// Requests a second, before the gate has refused any.
    pub offered: f64,
    /// What is usual at the moment.
    pub usual: f64,
    /// How many deviations the logarithm of volume is above the usual.
    pub z: f64,
    /// Whether volume is an alarm.
    pub volume: bool,
    /// The share of the excess that the hottest networks, paths or agents have beyond their usual share.
    pub concentration: f64,
    /// How far the mix is from the usual one: the mean square of deviations.
    pub mix: f64,
    /// The share of requests from networks that were not known.
    pub new: f64,
    /// What of them is usual.
    pub usual_new: f64,
    /// How much all this speaks for an attack, 0 to 100.
    pub attack: f64,
    /// How busy the service is, 0 to 100.
    pub load: f64,
    /// Distinct clients.
    pub clients: f64,
}

impl Evidence {
    /// How many times the usual volume there is; 0 where nothing is usual yet.
    #[must_use]
    pub fn times_usual(&self) -> f64 {
        if self.usual > 0.0 { self.offered / self.usual } else { 0.0 }
    }

    /// Requests a second beyond what is usual.
    #[must_use]
    pub fn excess(&self) -> f64 {
        (self.offered - self.usual).max(0.0)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}x usual volume", self.times_usual())
    }
}
