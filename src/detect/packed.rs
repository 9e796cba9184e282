//! Any value as whole numbers: a part of a snapshot that every format keeps exactly.
//!
//! Not every format reads back the fraction that was written (JSON is often off in the last digit), and a
//! checksum would then refuse what is not damaged. So fractions are packed as their bits.
//!
//! | value | numbers |
//! |---|---|
//! | a whole number, a fraction, a character, a truth | one |
//! | a text, bytes | its length, then eight bytes each, the first one lowest |
//! | an option | 0, or 1 and the value |
//! | a list, a map | how many, then each |
//! | a struct, a tuple | its fields in their order, without names |
//! | an enum | the number of the variant, then what it holds |
//!
//! What is read must be of the type that was written: there is a version in the snapshot for that. Attributes
//! of serde that need names or types in the format (`flatten`, `untagged`, `skip_serializing_if`) do not work.
//!
//! # Invariants
//! - **I1** what was packed is unpacked exactly;
//! - **I2** any numbers are a value or none: no panic, and memory in proportion to the numbers.

mod reader;
mod writer;

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A value, packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Packed(Vec<u64>);

impl Packed {
    /// `None` if it holds what can not be packed: 128 bits, or a list that does not say how long it is.
    pub(crate) fn of(value: &(impl Serialize + ?Sized)) -> Option<Self> {
        let mut words = Vec::new();
        value.serialize(&mut writer::Writer(&mut words)).ok()?;
        Some(Self(words))
    }

    /// `None` if it is no such value.
    pub(crate) fn unpack<T: DeserializeOwned>(&self) -> Option<T> {
        let mut reader = reader::Reader(&self.0);
        let value = T::deserialize(&mut reader).ok()?;
        reader.0.is_empty().then_some(value)
    }
}

/// Why something is not packed or unpacked; whoever asks needs to know no more.
#[derive(Debug)]
struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("can not be packed")
    }
}

impl core::error::Error for Unfit {}

impl serde::ser::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl serde::de::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use core::{net::IpAddr, time::Duration};
    use std::{
        collections::BTreeMap,
        string::{String, ToString as _},
        vec,
        vec::Vec,
    };

    use ipnet::IpNet;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::Packed;
    use crate::{
        Timestamp,
        detect::{Evidence, Parameters, Posture},
    };

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        One(f32),
        Two(i8, char),
        Named { net: IpNet, of: Option<IpAddr> },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Whole {
        fractions: [f64; 3],
        list: Vec<Kind>,
        text: String,
        bytes: Vec<u8>,
        map: BTreeMap<u16, String>,
        time: Duration,
        at: Timestamp,
        posture: Posture,
        pair: (bool, i64),
        nothing: (),
        some: Option<Option<u32>>,
    }

    fn whole(number: f64, text: &str, count: usize) -> Whole {
        let net = "2001:db8::/32".parse().unwrap();
        let kinds = [
            Kind::Unit,
            Kind::One(1.5),
            Kind::Two(-3, 'ä'),
            Kind::Named { net, of: Some([192, 0, 2, 1].into()) },
        ];
        Whole {
            fractions: [number, -number, number / 3.0],
            list: kinds.iter().cycle().take(count).cloned().collect(),
            text: text.to_string(),
            bytes: text.bytes().collect(),
            map: [(1, text.to_string()), (7, String::new())].into(),
            time: Duration::new(3, 999_999_999),
            at: Timestamp::MAX,
            posture: Posture::Lockdown,
            pair: (true, i64::MIN),
            nothing: (),
            some: Some(None),
        }
    }

    #[test]
    fn numbers_are_as_documented() {
        let packed = |value: &dyn Fn() -> Option<Packed>| value().unwrap().0;
        assert_eq!(packed(&|| Packed::of(&(-1_i8, true, 'a'))), [u64::MAX, 1, 97]);
        assert_eq!(packed(&|| Packed::of(&1.0)), [0x3ff0_0000_0000_0000]);
        assert_eq!(packed(&|| Packed::of("abcdefghi")), [9, 0x6867_6665_6463_6261, 0x69]);
        assert_eq!(packed(&|| Packed::of(&[Some(5), None][..])), [2, 1, 5, 0]);
        assert_eq!(packed(&|| Packed::of(&Kind::Two(2, 'b'))), [2, 2, 98]);
        assert_eq!(Packed::of(&1_u128), None);
    }

    #[test]
    fn what_is_of_another_type_or_too_long_is_none() {
        let packed = Packed::of(&(1_u8, 2_u8)).unwrap();
        assert_eq!(packed.unpack::<(u8, u8)>(), Some((1, 2)));
        assert_eq!(packed.unpack::<u8>(), None, "more than that");
        assert_eq!(packed.unpack::<(u8, u8, u8)>(), None, "less");
        assert_eq!(Packed(vec![256]).unpack::<u8>(), None);
        assert_eq!(Packed(vec![2]).unpack::<bool>(), None);
        assert_eq!(Packed(vec![9]).unpack::<Kind>(), None);
        assert_eq!(Packed(vec![0xd800]).unpack::<char>(), None);
        assert_eq!(Packed(vec![1, 0xff]).unpack::<String>(), None, "not UTF-8");
        assert_eq!(Packed(vec![u64::MAX]).unpack::<Vec<()>>(), None);
        assert_eq!(Packed(vec![u64::MAX, 1]).unpack::<Vec<u64>>(), None);
        assert_eq!(Packed(vec![u64::MAX, 1]).unpack::<String>(), None);
    }

    #[test]
    fn what_detection_has_goes_through() {
        let evidence = Evidence { offered: 0.1 + 0.2, z: -0.0, ..Evidence::default() };
        assert_eq!(Packed::of(&evidence).unwrap().unpack(), Some(evidence));
        let parameters = Parameters::default();
        assert_eq!(Packed::of(&parameters).unwrap().unpack(), Some(parameters));
        let json = serde_json::to_string(&Packed::of(&evidence)).unwrap();
        let read: Packed = serde_json::from_str(&json).unwrap();
        assert_eq!(read.unpack(), Some(evidence));
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(300))]

        /// I1.
        #[test]
        fn what_was_packed_is_unpacked(number in any::<f64>(), text in any::<String>(), count in 0..9_usize) {
            let whole = whole(number, &text, count);
            let packed = Packed::of(&whole).unwrap();
            let read: Whole = packed.unpack().unwrap();
            let bits = |whole: &Whole| whole.fractions.map(f64::to_bits);
            prop_assert_eq!(bits(&read), bits(&whole));
            prop_assert_eq!(Packed::of(&read), Some(packed));
        }

        /// I2.
        #[test]
        fn any_numbers_are_a_value_or_none(
            at in any::<prop::sample::Index>(), number in any::<u64>(), small in 0..20_u64,
            cut in any::<prop::sample::Index>(),
        ) {
            let Packed(words) = Packed::of(&whole(1.0, "a text of some length", 6)).unwrap();
            for number in [number, small] {
                let mut changed = words.clone();
                changed[at.index(words.len())] = number;
                if let Some(read) = Packed(changed).unpack::<Whole>() {
                    prop_assert!(read.list.len() <= words.len());
                }
            }
            let short = words[..cut.index(words.len())].to_vec();
            prop_assert_eq!(Packed(short).unpack::<Whole>(), None);
        }
    }
}
