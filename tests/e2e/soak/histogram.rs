//! How long answers took, in buckets of about six percent.

const PARTS: u64 = 16;
const BUCKETS: usize = 40 * PARTS as usize;

#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    most: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], most: 0 }
    }
}

/// Where so many microseconds are counted.
fn bucket(micros: u64) -> usize {
    let micros = micros + PARTS;
    let power = u64::from(micros.ilog2() - PARTS.ilog2());
    let part = (micros >> power) - PARTS;
    usize::try_from(power * PARTS + part).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The microseconds that no count of this bucket is above.
fn upper(bucket: usize) -> u64 {
    let (power, part) = (bucket as u64 / PARTS, bucket as u64 % PARTS);
    ((PARTS + part + 1) << power) - 1 - PARTS
}

impl Histogram {
    pub(crate) fn note(&mut self, micros: u64) {
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
        }
        self.most = self.most.max(micros);
    }

    pub(crate) fn len(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// The microseconds that this share, in ten thousandths, is not above.
    pub(crate) fn quantile(&self, share: u64) -> u64 {
        let wanted = (self.len() * share).div_ceil(10_000);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper(at).min(self.most);
            }
        }
        0
    }

    /// As one line: the longest, then buckets and their counts.
    pub(crate) fn to_line(&self) -> String {
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let counted: Vec<_> = counted.map(|(at, count)| format!("{at}:{count}")).collect();
        format!("{} {}", self.most, counted.join(" "))
    }

    pub(crate) fn from_words<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut read = Self { most: words.next()?.parse().ok()?, ..Self::default() };
        for word in words {
            let (at, count) = word.split_once(':')?;
            *read.counts.get_mut(at.parse::<usize>().ok()?)? = count.parse().ok()?;
        }
        Some(read)
    }
}

/// A count comes back about as large as it was, and not smaller.
pub(crate) fn examine() {
    for micros in [0, 1, 15, 16, 17, 100, 999, 12_345, 10_000_000] {
        let top = upper(bucket(micros));
        assert!(top >= micros && top <= micros + micros / 10 + 1, "{micros}: {top}");
    }
    let mut all = Histogram::default();
    (1..=1_000).for_each(|micros| all.note(micros));
    let same = Histogram::from_words(all.to_line().split_whitespace()).expect("what was written");
    assert_eq!((same.len(), same.most(), same.quantile(10_000)), (1_000, 1_000, 1_000));
    assert!((500..540).contains(&same.quantile(5_000)), "{}", same.quantile(5_000));
}
