//! What kind of requests come: shares that do not depend on how many there are.
//!
//! A crowd brings more of the usual requests, a flood brings other ones: without cookies and referers, of one
//! method, for pages that do not exist. So the shares below are compared with what each of them usually is,
//! in deviations, clipped at [`CLIP`] so that a single odd share is no shift; the *distance* is the mean of
//! their squares, about 1 or less in usual traffic.
//!
//! | share | of |
//! |---|---|
//! | GET, POST, another method; no user agent; no referer; a cookie; a query; HTTP/1.0; verified | requests |
//! | 2xx, 3xx, 404, another 4xx | answers other than 5xx, which speak of load |
//! | entropy of the networks | 8 bits |
//!
//! Each sign counts once. Hot paths and hot user agents are what [`concentration`](super::concentration) looks
//! at, and requests of unknown networks have a weight of their own; the latter are learned here, but are no part
//! of the distance.
//!
//! # Few samples
//! A share of `n` requests deviates by `sqrt(p (1 - p) / n)` from chance alone, with `p` pulled to one half by
//! half a request, so that what has never been seen may be seen once. Quiet sites are compared when
//! [`ENOUGH`] requests have come, whatever time that takes: one visitor's ten requests are no mix. Between
//! two comparisons the last one fades, with a half-life of [`FADING`] seconds.
//!
//! # Invariants
//! - **I1** the distance lies between 0 and [`CLIP`] squared, shares between 0 and 1, whatever is counted;
//! - **I2** shares that usually do not vary are compared with chance and [`FLOOR`], never with nothing;
//! - **I3** a share that is about 0 (or 1) usually and now says nothing and does not dilute the others.
//!
//! Source: "Training a million models per day to save customers of all sizes from DDoS attacks", Cloudflare,
//! 2024: features of the mix that do not correlate with volume.

use super::{
    Counted, Parameters,
    usual::{Pace, Usual, is_within, sane},
};

const SHARES: usize = 14;
/// No share counts for more deviations.
pub(super) const CLIP: f64 = 6.0;
/// A smaller deviation of a share is not believed in.
const FLOOR: f64 = 0.02;
/// So many requests are a mix.
const ENOUGH: f64 = 50.0;
const FADING: f64 = 10.0;
/// Shares below it, and above one less it, are nothing and everything.
const NOTHING: f64 = 0.005;

/// What is usual, and what is being counted.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Mix {
    usual: [Usual; SHARES],
    new: Usual,
    /// How far the entropy usually is off, for want of clients.
    blur: f64,
    #[cfg_attr(feature = "serde", serde(skip))]
    pending: Pending,
    #[cfg_attr(feature = "serde", serde(skip))]
    fresh: Option<Fresh>,
    #[cfg_attr(feature = "serde", serde(skip))]
    last: Compared,
    #[cfg_attr(feature = "serde", serde(skip))]
    recent: [f64; 5],
}

/// How far the mix is from the usual one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Compared {
    pub(super) distance: f64,
    /// The distance that 3 of the last 5 ticks reached.
    pub(super) lasting: f64,
    /// The share of requests from unknown networks, what is usual of it, and how far it is beyond that and
    /// two deviations, as a share of what it could be beyond.
    pub(super) new: f64,
    pub(super) usual_new: f64,
    pub(super) surplus: f64,
}

/// Requests since the last comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pending {
    seconds: f64,
    sampled: f64,
    of_sampled: [f64; 9],
    unknown: f64,
    answered: [f64; 4],
    /// Times requests.
    entropy: f64,
    clients: f64,
}

/// Shares that have just been compared and may be learned.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fresh {
    seconds: f64,
    shares: [Option<Share>; SHARES],
    new: Share,
    blur: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Share {
    value: f64,
    /// Of how many.
    of: f64,
    /// The variance that it has besides chance.
    blur: f64,
}

impl Mix {
    /// Compares what has come with what is usual, and learns nothing.
    pub(super) fn compare(
        &mut self,
        counted: &Counted,
        seconds: f64,
        parameters: &Parameters,
    ) -> Compared {
        self.pending.add(counted, seconds);
        self.fresh = (self.pending.sampled >= ENOUGH).then(|| self.pending.shares());
        if let Some(fresh) = self.fresh {
            self.pending = Pending::default();
            self.last.distance = self.distance(&fresh, parameters);
            self.last.new = fresh.new.value;
            self.last.usual_new = self.new.mean;
            let deviation = self.new.deviation(fresh.new.chance(self.new.mean), FLOOR);
            let room = (1.0 - self.new.mean).max(0.1);
            let beyond = fresh.new.value - self.new.mean - 2.0 * deviation;
            let is_ripe = self.new.is_ripe(parameters);
            self.last.surplus = if is_ripe { (beyond / room).clamp(0.0, 1.0) } else { 0.0 };
        } else {
            let left = (-seconds / FADING).exp2();
            self.last.distance *= left;
            self.last.surplus *= left;
            self.last.usual_new = self.new.mean;
            self.last.new = self.new.mean + (self.last.new - self.new.mean) * left;
        }
        self.recent.rotate_right(1);
        if let Some(newest) = self.recent.first_mut() {
            *newest = self.last.distance;
        }
        let mut sorted = self.recent;
        sorted.sort_by(f64::total_cmp);
        self.last.lasting = sorted.get(2).copied().unwrap_or(0.0);
        self.last
    }

    /// Learns what was just compared, if it was enough.
    pub(super) fn learn(&mut self, pace: &Pace) {
        let Some(fresh) = self.fresh.take() else { return };
        let seconds = fresh.seconds.min(pace.half_life);
        let pace = Pace { seconds, ..*pace };
        let was = self.blur;
        for (usual, share) in self.usual.iter_mut().zip(&fresh.shares) {
            let Some(share) = share else { continue };
            let deviation = usual.deviation(share.variance(usual.mean, was), FLOOR);
            usual.learn(share.value, deviation, &pace);
        }
        let age = self.new.seconds;
        self.blur += pace.weight(pace.slow_half_life, age) * (fresh.blur - self.blur);
        let deviation = self.new.deviation(fresh.new.chance(self.new.mean), FLOOR);
        self.new.learn(fresh.new.value, deviation, &pace);
    }

    pub(super) fn is_sane(&self) -> bool {
        self.usual.iter().chain([&self.new]).all(|usual| usual.is_sane(1.0))
            && is_within(self.blur, 0.0, 1.0)
    }

    fn distance(&self, fresh: &Fresh, parameters: &Parameters) -> f64 {
        let (mut sum, mut live) = (0.0, 0.0);
        for (usual, share) in self.usual.iter().zip(&fresh.shares) {
            let Some(share) = share else { continue };
            let (low, high) = (share.value.min(usual.mean), share.value.max(usual.mean));
            if !usual.is_ripe(parameters) || high < NOTHING || low > 1.0 - NOTHING {
                continue;
            }
            let deviation = usual.deviation(share.variance(usual.mean, self.blur), FLOOR);
            let z = ((share.value - usual.mean) / deviation).clamp(-CLIP, CLIP);
            sum += z * z;
            live += 1.0;
        }
        if live > 0.0 { sum / live } else { 0.0 }
    }
}

impl Share {
    fn new(count: f64, of: f64) -> Self {
        Self { value: (count / of.max(1.0)).clamp(0.0, 1.0), of, blur: 0.0 }
    }

    /// The variance that chance gives it, if usually it is `usual`.
    fn chance(&self, usual: f64) -> f64 {
        let p = (usual * self.of + 0.5) / (self.of + 1.0);
        p * (1.0 - p) / self.of.max(1.0)
    }

    fn variance(&self, usual: f64, usual_blur: f64) -> f64 {
        if self.blur > 0.0 { self.blur.max(usual_blur) } else { self.chance(usual) }
    }
}

impl Pending {
    fn add(&mut self, counted: &Counted, seconds: f64) {
        let [get, post, other] = counted.methods;
        let sampled = counted.sampled as f64;
        let of_sampled = [
            get,
            post,
            other,
            counted.without_agent,
            counted.without_referer,
            counted.with_cookie,
            counted.with_query,
            counted.http_1_0,
            counted.verified,
        ];
        self.seconds += seconds;
        self.sampled += sampled;
        for (sum, count) in self.of_sampled.iter_mut().zip(of_sampled) {
            *sum += count as f64;
        }
        self.unknown += counted.unknown as f64;
        for (sum, count) in self.answered.iter_mut().zip(counted.answered) {
            *sum += count as f64;
        }
        self.entropy += sane(counted.entropy).min(8.0) * sampled;
        self.clients += sane(counted.clients).min(sampled);
    }

    fn shares(&self) -> Fresh {
        let mut shares = [None; SHARES];
        let mut places = shares.iter_mut();
        let mut put = |share: Option<Share>| {
            if let Some(place) = places.next() {
                *place = share;
            }
        };
        for count in self.of_sampled {
            put(Some(Share::new(count, self.sampled)));
        }
        let answered: f64 = self.answered.iter().sum();
        for count in self.answered {
            put((answered >= ENOUGH / 2.0).then(|| Share::new(count, answered)));
        }
        // Of `n` clients, the entropy over 256 cells is about 255 / (2 n ln 2) bits too low.
        let off = (255.0 / (16.0 * core::f64::consts::LN_2) / self.clients.max(1.0)).min(1.0);
        let blur = (off * off).max(1e-9);
        let entropy = self.entropy / self.sampled.max(1.0) / 8.0;
        put(Some(Share { value: entropy.clamp(0.0, 1.0), of: self.sampled, blur }));
        Fresh { seconds: self.seconds, shares, new: Share::new(self.unknown, self.sampled), blur }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{CLIP, Compared, Counted, FLOOR, Mix, Pace, Parameters, Share};

    /// So many requests as browsers send them.
    pub(in crate::detect::judge) fn browsers(n: u64) -> Counted {
        let part = |share: f64| (n as f64 * share).round() as u64;
        Counted {
            seconds: 1.0,
            offered: n,
            sampled: n,
            methods: [n - part(0.06), part(0.05), part(0.01)],
            without_agent: 0,
            without_referer: part(0.15),
            with_cookie: part(0.8),
            with_query: part(0.2),
            unknown: part(0.1),
            entropy: 7.0,
            clients: n as f64 / 5.0,
            answered: [part(0.85), part(0.1), part(0.03), part(0.02), 0],
            admitted: n,
            ..Counted::default()
        }
    }

    fn learned(counted: &Counted, ticks: u32) -> Mix {
        let (mut mix, parameters) = (Mix::default(), Parameters::default());
        for tick in 0..ticks {
            mix.compare(counted, 1.0, &parameters);
            mix.learn(&Pace::of(1.0, 1.0, tick >= 600, &parameters));
        }
        mix
    }

    fn compared(mix: &mut Mix, counted: &Counted) -> Compared {
        mix.compare(counted, 1.0, &Parameters::default())
    }

    #[test]
    fn more_of_the_same_is_no_shift() {
        let mut mix = learned(&browsers(200), 700);
        let crowd = compared(&mut mix, &browsers(2_000));
        assert!(crowd.distance < 1.0 && crowd.surplus == 0.0, "{crowd:?}");
    }

    #[test]
    fn robots_are_a_shift_that_lasts_after_three_ticks() {
        let mut mix = learned(&browsers(200), 700);
        let mut flood = browsers(1_000);
        flood.with_cookie = 160;
        flood.without_referer = 830;
        flood.with_query = 840;
        flood.unknown = 820;
        let distances: Vec<Compared> = (0..3).map(|_| compared(&mut mix, &flood)).collect();
        assert!(distances[0].distance > 8.0 && distances[0].lasting < 1.0, "{distances:?}");
        assert!(distances[2].lasting > 8.0 && distances[2].surplus > 0.7, "{distances:?}");
    }

    /// I2: what never was is an event; I3: but not if it still is not.
    #[test]
    fn what_never_varies_is_compared_too() {
        let mut mix = learned(&browsers(200), 700);
        let mut old = browsers(200);
        old.http_1_0 = 40;
        let (usual, odd) = (compared(&mut mix, &browsers(200)), compared(&mut mix, &old));
        assert!(odd.distance > usual.distance + 2.0, "{odd:?}");
        old.http_1_0 = 1;
        assert!(compared(&mut mix, &old).distance < 0.5);
    }

    /// A handful of requests is no mix, whatever they are; later it fades.
    #[test]
    fn few_requests_wait_for_others() {
        let mut mix = learned(&browsers(200), 700);
        let mut odd = browsers(10);
        odd.with_cookie = 0;
        odd.without_referer = 10;
        for _ in 0..4 {
            assert!(compared(&mut mix, &odd).distance < 0.5);
        }
        assert!(compared(&mut mix, &odd).distance > 4.0);
        for _ in 0..60 {
            compared(&mut mix, &Counted::default());
        }
        let rested = compared(&mut mix, &Counted::default());
        assert!(rested.distance < 0.5 && rested.lasting < 0.5 && rested.distance <= CLIP * CLIP);
        assert!((rested.new - rested.usual_new).abs() < 0.05, "{rested:?}");
    }

    /// What is always twice as far off as it is learned moves no share by more than its bound, from the first second
    /// that is clipped.
    #[test]
    fn a_mix_that_creeps_is_learned_with_the_slow_half_life() {
        let (parameters, mut mix) = (Parameters::default(), learned(&browsers(200), 600));
        let start = mix.usual[4];
        let (mut most, mut odd) = (start.mean, browsers(200));
        odd.without_referer = 200;
        for _ in 0..600 {
            let fresh = Share::new(200.0, 200.0);
            let deviation = mix.usual[4].deviation(fresh.variance(mix.usual[4].mean, 0.0), FLOOR);
            most += 2.0 * deviation * (1.0 - (-1.0 / 1_440.0_f64).exp2());
            mix.compare(&odd, 1.0, &parameters);
            mix.learn(&Pace::of(1.0, 1.0, true, &parameters));
            assert!(mix.usual[4].mean <= most + 1e-9, "{:?}, {most}", mix.usual[4]);
        }
        assert!(mix.usual[4].mean > start.mean + 0.01, "{:?}", mix.usual[4]);
    }

    use std::vec::Vec;
}
