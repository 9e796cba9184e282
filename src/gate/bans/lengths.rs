//! Which lengths of networks are banned at all, so that no others are looked up.
//!
//! # Invariants
//! - **I1** the bit of a length is set as long as there is a ban of it, in force or remembered.

use core::net::IpAddr;

use ipnet::IpNet;

use super::Subject;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// Which lengths of networks are banned, a bit each.
pub(super) struct Lengths {
    pub(super) v4: AtomicU64,
    pub(super) v6: [AtomicU64; 3],
    /// How many bans there are of each: 33 of IPv4, then 129 of IPv6.
    counts: Mutex<[u32; 33 + 129]>,
}

impl Lengths {
    pub(super) fn new() -> Self {
        Self {
            v4: AtomicU64::new(0),
            v6: core::array::from_fn(|_| AtomicU64::new(0)),
            counts: Mutex::new([0; 33 + 129]),
        }
    }

    /// Whether nobody of this address's family is banned.
    #[inline]
    pub(super) fn has_none(&self, address: IpAddr) -> bool {
        // Relaxed: a ban acts on the next check that sees it.
        match address {
            IpAddr::V4(_) => self.v4.load(Ordering::Relaxed) == 0,
            IpAddr::V6(_) => self.v6.iter().all(|word| word.load(Ordering::Relaxed) == 0),
        }
    }

    /// The lengths that are banned, of this address's family.
    pub(super) fn of(&self, address: IpAddr) -> impl Iterator<Item = u8> {
        let words = match address {
            IpAddr::V4(_) => [self.v4.load(Ordering::Relaxed), 0, 0],
            IpAddr::V6(_) => self.v6.each_ref().map(|word| word.load(Ordering::Relaxed)),
        };
        let bits = |word: u64| {
            let mut left = word;
            core::iter::from_fn(move || {
                let bit = u8::try_from(left.trailing_zeros()).ok().filter(|_| left != 0)?;
                left &= left.wrapping_sub(1);
                Some(bit)
            })
        };
        let words = (0_u8..).step_by(64).zip(words);
        words.flat_map(move |(start, word)| bits(word).map(move |bit| start.saturating_add(bit)))
    }

    pub(super) fn add_one(&self, subject: &Subject) {
        self.change(subject, |count| count.saturating_add(1));
    }

    pub(super) fn drop_one(&self, subject: &Subject) {
        self.change(subject, |count| count.saturating_sub(1));
    }

    fn change(&self, subject: &Subject, to: impl Fn(u32) -> u32) {
        let Subject::Net(net) = subject else { return };
        let length = usize::from(net.prefix_len());
        let (place, word) = match net {
            IpNet::V4(_) => (length, Some(&self.v4)),
            IpNet::V6(_) => (length.saturating_add(33), self.v6.get(length / 64)),
        };
        let mut counts = self.counts.lock();
        let (Some(count), Some(word)) = (counts.get_mut(place), word) else { return };
        *count = to(*count);
        let bit = 1_u64.rotate_left(u32::from(net.prefix_len()));
        // Relaxed, and nobody else writes it meanwhile: the counts are locked.
        let before = word.load(Ordering::Relaxed);
        word.store(if *count == 0 { before & !bit } else { before | bit }, Ordering::Relaxed);
    }
}
