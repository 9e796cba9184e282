//! CRC-32C, Castagnoli's: the checksum of headers, which are short and come once a connection.

/// The polynomial, its lowest bit first.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A checksum of bytes that come in pieces.
pub(super) struct Crc32c(u32);

impl Crc32c {
    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    /// A bit at a time: a table would be larger than most headers.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
                // All ones if the lowest bit is one.
                let mask = (sum & 1).wrapping_neg();
                (sum >> 1) ^ (POLYNOMIAL & mask)
            })
        }))
    }

    pub(super) const fn sum(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Crc32c;

    /// The check value of the catalogue of CRCs, and the examples of RFC 3720, B.4.
    #[test]
    fn sums_are_as_published() {
        let up: [u8; 32] = core::array::from_fn(|at| u8::try_from(at).unwrap());
        let down: [u8; 32] = core::array::from_fn(|at| u8::try_from(31 - at).unwrap());
        for (bytes, expected) in [
            (&b""[..], 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&up, 0x46dd_794e),
            (&down, 0x113f_db5c),
        ] {
            assert_eq!(Crc32c::new().add(bytes).sum(), expected, "{bytes:?}");
            let (one, other) = bytes.split_at(bytes.len() / 3);
            assert_eq!(
                Crc32c::new().add(one).add(other).sum(),
                expected,
                "in two pieces: {bytes:?}"
            );
        }
    }
}
