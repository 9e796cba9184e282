//! What speaks for an attack, from what one tick counted.
//!
//! Volume alone is a suspicion, never a conviction: see the table of [`detect`](crate::detect). So that no
//! threshold makes the difference between nothing and everything, each of four signs is mapped smoothly to
//! 0..1, and
//!
//! ```text
//! attack = 30 volume + 25 mix + known * (25 concentration + 20 new)
//! ```
//!
//! | sign | 0 | one half | about 1 |
//! |---|---|---|---|
//! | volume: `w^4 / (1 + w^4)`, `w` the way to an alarm by z and by the gate, whichever is shorter | usual | alarm (z 4, 2 x) | 4 x, never 1: alone it does not reach 30 |
//! | mix: smooth from half of `mix_distance` to twice it | 2 | 5 | 8 |
//! | concentration: of sources, or of pages and agents as far as sources are new or the mix is another one | usual and two deviations | 0.3 beyond | 0.6 beyond |
//! | new: unknown networks | usual and two deviations | 0.35 beyond | 0.7 beyond |
//!
//! In the crowds of the paper that [`detect`](crate::detect) names, 43 to 83 % of the networks were known; a crowd
//! of which 40 % is new, all of it for one page, stays below 60.
//!
//! *Corroboration* (`known` above) is the highest of: twice the sign of volume, load (0 at two thirds of
//! `elevated_load`, 1 at it), and a mix that is shifted in 3 of 5 ticks. Concentration and new clients are
//! everyday matters while volume, load and mix are usual: a crawler comes, a page is linked to, an office
//! moves. They count as far as something of these is corroborated, and so a slow flood of other requests that
//! is no volume to speak of still is an attack.
//!
//! # What is learned, and how fast an attacker can teach
//! Everything usual is learned after the comparison, clipped, at the pace that the posture allows
//! ([`Learning`]). Volume without an alarm raises what is usual by at most `gate` at once, and then doubles it
//! no faster than once in `slow_half_life / ln(gate)` seconds: 35 minutes; see [`baseline`] for why. A share of
//! the mix moves by at most `clip` deviations with a half-life of `slow_half_life`, 24 minutes. Both hold from the first
//! second that is clipped; a share that began to be seen only then is the plain average of its first ten minutes.
//!
//! Until it [is warm](Judge::is_warm), a judge learns at the usual pace, unclipped, whatever it is told: what
//! comes in the first ten minutes is what is usual. Otherwise a service that is put into rotation a minute
//! after its start would be under attack for six hours.
//!
//! # Invariants
//! - **I1** evidence is finite and within its ranges, whatever is counted;
//! - **I2** comparing comes before learning;
//! - **I3** work is bounded by the number of hot keys; memory is fixed; a gap is one step;
//! - **I4** volume alone stays below 30, volume on one hot page from known networks below 40.

mod baseline;
mod concentration;
mod load;
mod mix;
#[cfg(test)]
mod site;
#[cfg(test)]
mod tests;
mod usual;

pub(super) use self::usual::sane;
use self::{
    baseline::Baseline,
    concentration::Concentration,
    load::Load,
    mix::Mix,
    usual::{Pace, smooth},
};
use super::{Counted, Evidence, Heat, Parameters};

/// What the posture allows to learn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Learning {
    #[default]
    Usual,
    /// So many times as fast as usual.
    Slower(f64),
    Frozen,
}

/// What is usual, of all that is compared. Memory: about 1.5 KiB.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Judge {
    baseline: Baseline,
    mix: Mix,
    concentration: Concentration,
    load: Load,
}

/// The shortest tick that is believed in, and the longest, in seconds.
const TICKS: (f64, f64) = (0.01, 1e6);

/// All may be new if so much of what usually is known is not.
const STRANGE: f64 = 0.7;

impl Judge {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Compares what was counted with what is usual, and learns it as far as allowed.
    ///
    /// Work: some 40 numbers, and one look at each hot key.
    pub(crate) fn judge(
        &mut self,
        counted: &Counted,
        heat: &Heat,
        learning: Learning,
        parameters: &Parameters,
    ) -> Evidence {
        let seconds = match sane(counted.seconds) {
            0.0 => 1.0,
            seconds => seconds.clamp(TICKS.0, TICKS.1),
        };
        let offered = counted.offered as f64;
        let rate = offered / seconds;
        let each = (offered / (counted.sampled as f64).max(1.0)).max(1.0);

        let usual = self.baseline.rate();
        let volume = self.baseline.compare(rate, seconds, parameters);
        let mix = self.mix.compare(counted, seconds, parameters);
        let concentrated = self.concentration.compare(heat, each, parameters);
        let load = self.load.of(counted, seconds, parameters);

        let loud = volume.way.min(1e3).powi(4);
        let loud = loud / (1.0 + loud);
        let shift = |distance: f64| {
            let unit = sane(parameters.mix_distance).max(0.1);
            smooth((distance - unit / 2.0) / (unit * 1.5))
        };
        let shifted = shift(mix.distance);
        let strange = smooth(mix.surplus / STRANGE);
        let busy = sane(parameters.elevated_load).max(1.0);
        let corroborated = (2.0 * loud)
            .max(smooth((load - busy * 2.0 / 3.0) / (busy / 3.0)))
            .max(shift(mix.lasting))
            .min(1.0);
        let concentration = concentrated.weight(shifted.max(strange * strange));
        let attack =
            30.0 * loud + 25.0 * shifted + corroborated * (25.0 * concentration + 20.0 * strange);
        // Less than usual is asked for: what has changed is the service, and its visitors with it.
        let attack = if usual > 0.0 { attack * (rate / usual).min(1.0) } else { attack };

        self.learn(rate, offered, seconds, load, learning, parameters);
        Evidence {
            offered: rate,
            usual,
            z: volume.z,
            volume: volume.is_alarm,
            concentration: concentrated.share,
            mix: mix.distance,
            new: mix.new,
            usual_new: mix.usual_new,
            attack: attack.clamp(0.0, 100.0),
            load,
            clients: sane(counted.clients),
        }
    }

    /// Enough was learned to accuse anybody.
    pub(crate) fn is_warm(&self, parameters: &Parameters) -> bool {
        self.baseline.is_warm(parameters)
    }

    #[cfg(test)]
    /// Requests a second that are usual.
    pub(crate) fn usual(&self) -> f64 {
        self.baseline.rate()
    }

    /// Everything is finite and in its range: what was read from elsewhere may be believed.
    pub(crate) fn is_sane(&self) -> bool {
        self.baseline.is_sane()
            && self.mix.is_sane()
            && self.concentration.is_sane()
            && self.load.is_sane()
    }

    fn learn(
        &mut self,
        rate: f64,
        offered: f64,
        seconds: f64,
        load: f64,
        learning: Learning,
        parameters: &Parameters,
    ) {
        let is_warm = self.is_warm(parameters);
        let share = match learning {
            _ if !is_warm => 1.0,
            Learning::Usual => 1.0,
            Learning::Slower(share) => share,
            Learning::Frozen => 0.0,
        };
        let pace = Pace::of(seconds, share, is_warm, parameters);
        self.baseline.learn(rate, offered, &pace, parameters);
        self.mix.learn(&pace);
        self.concentration.learn(&pace);
        self.load.learn(load, &pace);
    }
}
