//! Numbers in decimal digits, written without the machinery of formatting.

/// The largest integer that a structured field can have (RFC 9651, section 3.3.1).
pub(super) const MOST: u64 = 999_999_999_999_999;

/// A number, written.
pub(super) struct Digits {
    room: [u8; LENGTH],
    start: usize,
}

/// The digits of the largest number.
const LENGTH: usize = 20;

impl Digits {
    pub(super) fn of(number: u64) -> Self {
        let (mut room, mut start, mut rest) = ([b'0'; LENGTH], LENGTH, number);
        for place in room.iter_mut().rev() {
            *place = digit(rest % 10);
            start = start.saturating_sub(1);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        Self { room, start }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.room.get(self.start..).unwrap_or_default()
    }
}

fn digit(value: u64) -> u8 {
    let at = usize::try_from(value).unwrap_or(usize::MAX);
    b"0123456789".get(at).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::Digits;

    #[test]
    fn the_ends_are_written_in_full() {
        for number in [0, 1, 9, 10, 99, 100, 999_999_999_999_999, u64::MAX] {
            assert_eq!(Digits::of(number).as_bytes(), number.to_string().as_bytes());
        }
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(256))]

        #[test]
        fn digits_are_what_formatting_writes(number in any::<u64>(), fewer in 0..64_u32) {
            let number = number >> fewer;
            let (ours, theirs) = (Digits::of(number), number.to_string());
            prop_assert_eq!(ours.as_bytes(), theirs.as_bytes());
        }
    }
}
