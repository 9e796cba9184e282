//! What the snapshots of all stores have in common: a version, and a checksum over the content.
//!
//! The checksum is computed over the values, not over a text: over what the content's `Serialize`
//! says of itself. It is the same in every format, on every machine and in every process.
//!
//! Invariants: **I1** the checksum of a value is fixed: the same in every build of one version;
//! **I2** changing a single byte of what is summed changes the sum.

use core::fmt;

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// The version of what this crate writes, and the only one that it reads.
pub(crate) const VERSION: u32 = 1;

/// A sum of 64 bits over the content of a snapshot: FNV-1a, a well-known one.
///
/// It tells damage (a lost line, a flipped bit, an edited number). It is no signature: whoever can
/// write a snapshot can write its sum.
///
/// Numbers are summed as their eight (sixteen) bytes, lowest first; texts and byte strings after their
/// length; lists, maps and structs before theirs; variants after their number; names not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checksum(u64);

impl Checksum {
    /// The sum of a value. What cannot be serialized has none.
    pub(crate) fn of(content: &(impl Serialize + ?Sized)) -> Result<u64, fmt::Error> {
        let mut sum = Self(OFFSET);
        content.serialize(&mut sum)?;
        Ok(sum.0)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    fn add_number(&mut self, number: u64) {
        self.add(&number.to_le_bytes());
    }

    fn add_length(&mut self, length: usize) {
        // A usize has at most 64 bits.
        self.add_number(u64::try_from(length).unwrap_or(u64::MAX));
    }
}

/// The offset basis and the prime that FNV-1a has for 64 bits.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

type Summed = Result<(), fmt::Error>;

/// One method of the serializer for each kind of number.
macro_rules! numbers {
    ($($method:ident: $kind:ty as $wide:ty),* $(,)?) => {
        $(fn $method(self, value: $kind) -> Summed {
            self.add(&<$wide>::from(value).to_le_bytes());
            Ok(())
        })*
    };
}

impl<'a> Serializer for &'a mut Checksum {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    numbers! {
        serialize_bool: bool as u64, serialize_char: char as u64,
        serialize_u8: u8 as u64, serialize_u16: u16 as u64, serialize_u32: u32 as u64,
        serialize_u64: u64 as u64, serialize_u128: u128 as u128,
        serialize_i8: i8 as i64, serialize_i16: i16 as i64, serialize_i32: i32 as i64,
        serialize_i64: i64 as i64, serialize_i128: i128 as i128,
    }

    fn serialize_f32(self, value: f32) -> Summed {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Summed {
        self.add_number(value.to_bits());
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Summed {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Summed {
        self.add_length(value.len());
        self.add(value);
        Ok(())
    }

    fn serialize_none(self) -> Summed {
        self.add_number(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Summed {
        self.add_number(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Summed {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Summed {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, number: u32, _: &'static str) -> Summed {
        self.serialize_u32(number)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Summed {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        value: &T,
    ) -> Summed {
        self.add_number(u64::from(number));
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, fmt::Error> {
        Ok(Parts { sum: self, length: 0 })
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, fmt::Error> {
        Ok(Parts { sum: self, length: 0 })
    }

    fn serialize_tuple_struct(self, _: &str, _: usize) -> Result<Parts<'a>, fmt::Error> {
        Ok(Parts { sum: self, length: 0 })
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, fmt::Error> {
        self.add_number(u64::from(number));
        Ok(Parts { sum: self, length: 0 })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, fmt::Error> {
        Ok(Parts { sum: self, length: 0 })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, fmt::Error> {
        Ok(Parts { sum: self, length: 0 })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, fmt::Error> {
        self.add_number(u64::from(number));
        Ok(Parts { sum: self, length: 0 })
    }
}

/// What has parts: their sums one after the other, and how many there were.
pub(crate) struct Parts<'a> {
    sum: &'a mut Checksum,
    length: usize,
}

impl Parts<'_> {
    fn part(&mut self, value: &(impl Serialize + ?Sized)) -> Summed {
        self.length = self.length.saturating_add(1);
        value.serialize(&mut *self.sum)
    }

    fn done(self) -> Summed {
        self.sum.add_length(self.length);
        Ok(())
    }
}

/// The kinds of parts that differ in nothing but their names.
macro_rules! parts {
    ($($kind:ident.$method:ident),* $(,)?) => {
        $(impl $kind for Parts<'_> {
            type Ok = ();
            type Error = fmt::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Summed {
                self.part(value)
            }

            fn end(self) -> Summed {
                self.done()
            }
        })*
    };
}

parts! {
    SerializeSeq.serialize_element, SerializeTuple.serialize_element,
    SerializeTupleStruct.serialize_field, SerializeTupleVariant.serialize_field,
}

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Summed {
        self.part(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Summed {
        self.part(value)
    }

    fn end(self) -> Summed {
        self.done()
    }
}

impl SerializeStruct for Parts<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Summed {
        self.part(value)
    }

    fn end(self) -> Summed {
        self.done()
    }
}

impl SerializeStructVariant for Parts<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Summed {
        self.part(value)
    }

    fn end(self) -> Summed {
        self.done()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, string::String, vec};

    use proptest::prelude::*;
    use serde::Serialize;

    use super::Checksum;

    fn sum(content: &impl Serialize) -> u64 {
        Checksum::of(content).unwrap()
    }

    /// I1: these are what version 1 writes. The first is FNV-1a of eight bytes, by anyone's program.
    #[test]
    fn sums_are_fixed() {
        assert_eq!(sum(&0x6261_u64), fnv(b"ab\0\0\0\0\0\0"));
        assert_eq!(sum(&"ab"), fnv(b"\x02\0\0\0\0\0\0\0ab"));
        assert_eq!(sum(&()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(sum(&(1_u8, [2_u8])), {
            fnv(b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0")
        });
        // From the specification's own list of test vectors.
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    fn fnv(bytes: &[u8]) -> u64 {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
    }

    #[test]
    fn every_kind_of_value_has_a_sum_of_its_own() {
        #[derive(Serialize)]
        enum Kind {
            Unit,
            One(u8),
            Two(u8, u8),
            Named { value: u8 },
        }
        #[derive(Serialize)]
        struct Wrapped(i8);
        #[derive(Serialize)]
        struct Pair(u8, u8);
        let sums = vec![
            sum(&Kind::Unit),
            sum(&Kind::One(0)),
            sum(&Kind::Two(0, 0)),
            sum(&Kind::Named { value: 0 }),
            sum(&Wrapped(-1)),
            sum(&Pair(1, 2)),
            sum(&Some(5_u8)),
            sum(&'x'),
            sum(&1.5_f32),
            sum(&(-7_i128)),
            sum(&7_u128),
            sum(&BTreeMap::from([("a", 1), ("b", 2)])),
            sum(&BTreeMap::from([("a", 1), ("b", 3)])),
            sum(&[true, false]),
            sum(&[false, true]),
            sum(&["ab", "c"]),
            sum(&["a", "bc"]),
        ];
        let different: std::collections::HashSet<u64> = sums.iter().copied().collect();
        assert_eq!(different.len(), sums.len());
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(256))]

        /// I2.
        #[test]
        fn a_changed_byte_changes_the_sum(
            text in "[a-z]{1,40}",
            at in any::<prop::sample::Index>(),
            flip in 1..128_u8,
        ) {
            let mut changed = text.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] ^= flip;
            let changed = String::from_utf8(changed).unwrap();
            prop_assert_ne!(sum(&text), sum(&changed));
        }
    }
}
