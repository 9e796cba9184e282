//! Whose bucket it is: a name that is hashed alike on all nodes.

use core::{fmt, hash::Hasher};

use siphasher::sip128::{Hasher128, SipHasher24};

/// Who is limited: a client, an account, an API key; hashed to 128 bits with the fleet's
/// [secret](super::FleetSettings::secret) (SipHash-2-4, Aumasson and Bernstein 2012).
///
/// Limits of the same subject are asked in one call. Made by [`Fleet::subject`](super::Fleet::subject).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject(pub(super) u128);

/// Makes a [`Subject`] of several values; made by [`Fleet::hasher`](super::Fleet::hasher).
///
/// As a [`Hasher`] it reads numbers alike on all machines. What is fed should not be ambiguous: say
/// how long a text is before it.
#[derive(Clone, Debug)]
pub struct SubjectHasher(SipHasher24);

impl Subject {
    /// What stands where there is no subject yet.
    pub(crate) const NOBODY: Self = Self(0);
}

impl SubjectHasher {
    pub(super) fn new([first, second]: [u64; 2]) -> Self {
        Self(SipHasher24::new_with_keys(first, second))
    }

    /// The subject of everything that was fed.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject(self.0.finish128().as_u128())
    }
}

/// Numbers are fed as if the machine were little-endian, and as if it had 64 bits.
impl Hasher for SubjectHasher {
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn write_u8(&mut self, number: u8) {
        self.0.write(&[number]);
    }

    fn write_u16(&mut self, number: u16) {
        self.0.write(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.0.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.0.write(&number.to_le_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.0.write(&number.to_le_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(u64::try_from(number).unwrap_or(u64::MAX));
    }

    fn write_i64(&mut self, number: i64) {
        self.0.write(&number.to_le_bytes());
    }

    fn write_isize(&mut self, number: isize) {
        // Its sign goes on for as many bits as there are.
        self.write_i64(i64::try_from(number).unwrap_or(i64::MIN));
    }
}

/// In hexadecimal, as in the names of keys.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}
