//! How many requests a second the service has been seen to serve.
//!
//! The most that it served without being loaded; less, if it is overloaded and serves less. What was served
//! long ago counts for less and less, with a half-life of [`MEMORY`] seconds.
//!
//! # Invariants
//! - **I1** it is finite and not negative, whatever is measured;
//! - **I2** it rises only by what was served below [`LOADED`].

use super::{sane, weight};

/// Beyond this load it says nothing that the service stood more.
const LOADED: f64 = 70.0;
/// From this load on, what it serves is all that it can.
const FULL: f64 = 90.0;
const MEMORY: f64 = 6.0 * 3_600.0;
/// Half-life of learning that it can do less, in seconds.
const LESS: f64 = 20.0;

/// What the service has been seen to serve.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Capacity {
    rate: f64,
}

impl Capacity {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// In so many seconds it served so many requests a second, under this load.
    pub(crate) fn see(&mut self, served: f64, load: f64, seconds: f64) {
        let (served, load, seconds) = (sane(served), sane(load), sane(seconds));
        if load < LOADED {
            self.rate -= self.rate * weight(seconds, MEMORY);
            self.rate = self.rate.max(served);
        } else if load >= FULL && served < self.rate {
            self.rate += (served - self.rate) * weight(seconds.min(10.0), LESS);
        }
    }

    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    pub(crate) fn is_sane(&self) -> bool {
        self.rate.is_finite() && self.rate >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::Capacity;

    #[test]
    fn it_is_the_most_that_was_stood() {
        let mut capacity = Capacity::new();
        for (served, load) in [(100.0, 10.0), (300.0, 50.0), (900.0, 80.0), (200.0, 20.0)] {
            capacity.see(served, load, 1.0);
        }
        assert!((299.0..=300.0).contains(&capacity.rate()), "{capacity:?}");
        capacity.see(200.0, 20.0, 6.0 * 3_600.0);
        assert_eq!(capacity.rate(), 200.0);
    }

    #[test]
    fn who_is_full_can_do_no_more() {
        let mut capacity = Capacity::new();
        capacity.see(300.0, 50.0, 1.0);
        for _ in 0..100 {
            capacity.see(120.0, 95.0, 1.0);
        }
        assert!((119.0..130.0).contains(&capacity.rate()), "{capacity:?}");
        capacity.see(f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
        assert!(capacity.is_sane());
    }
}
