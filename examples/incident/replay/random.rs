//! Chance that is the same in every run: a small generator, and the few shapes of chance that traffic has.

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another one, for a purpose of its own: what it draws changes nothing elsewhere.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, without 1.
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[inline]
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Below `end`.
    #[inline]
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Waiting for what comes at any moment with the same chance.
    #[inline]
    pub(crate) fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// How often it goes on, with this mean; at least once.
    pub(crate) fn times(&mut self, mean: f64) -> u32 {
        let mut times = 1;
        while times < 30 && self.chance(1.0 - 1.0 / mean) {
            times += 1;
        }
        times
    }
}

/// Few come often, many seldom: the n-th of them in proportion to n to the power of `-skew`.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    /// The share of the first so many.
    up_to: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(many: usize, skew: f64) -> Self {
        let mut sum = 0.0;
        let mut up_to: Vec<f64> = (1..=many)
            .map(|rank| {
                sum += (rank as f64).powf(-skew);
                sum
            })
            .collect();
        up_to.iter_mut().for_each(|share| *share /= sum);
        Self { up_to }
    }

    /// One of them, counted from 0.
    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit();
        self.up_to.partition_point(|share| *share <= at).min(self.up_to.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, Zipf};

    #[test]
    fn chance_has_the_means_that_it_says() {
        let mut random = Random::new(7);
        let mean = |draw: &mut dyn FnMut() -> f64| (0..20_000).map(|_| draw()).sum::<f64>() / 2e4;
        assert!((mean(&mut || random.wait(3.0)) - 3.0).abs() < 0.1);
        assert!((mean(&mut || random.times(3.5).into()) - 3.5).abs() < 0.1);
        assert!((mean(&mut || random.below(10) as f64) - 4.5).abs() < 0.1);
    }

    #[test]
    fn the_first_comes_twice_as_often_as_the_second() {
        let (zipf, mut random) = (Zipf::new(100, 1.0), Random::new(7));
        let mut drawn = [0_u32; 100];
        (0..50_000).for_each(|_| drawn[zipf.draw(&mut random)] += 1);
        let ratio = f64::from(drawn[0]) / f64::from(drawn[1]);
        assert!((ratio - 2.0).abs() < 0.15, "{ratio}");
        assert!(drawn.iter().all(|times| *times > 0));
    }

    #[test]
    fn a_seed_decides_everything() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (random.next(), random.fork().next(), random.next())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
