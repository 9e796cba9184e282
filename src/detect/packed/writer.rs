//! Values into numbers.

use alloc::vec::Vec;

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::Unfit;

/// Appends to what it has.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u64>);

type Written = Result<(), Unfit>;

impl Writer<'_> {
    fn word(&mut self, word: u64) -> Written {
        self.0.push(word);
        Ok(())
    }

    fn length(&mut self, length: Option<usize>) -> Written {
        let length = length.and_then(|length| u64::try_from(length).ok()).ok_or(Unfit)?;
        self.word(length)
    }
}

macro_rules! words {
    ($($method:ident: $kind:ty => $word:expr),* $(,)?) => {
        $(fn $method(self, value: $kind) -> Written {
            let word: fn($kind) -> u64 = $word;
            self.word(word(value))
        })*
    };
}

/// The bits of a signed number.
const fn bits(number: i64) -> u64 {
    u64::from_ne_bytes(number.to_ne_bytes())
}

impl Serializer for &mut Writer<'_> {
    type Ok = ();
    type Error = Unfit;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    words! {
        serialize_bool: bool => u64::from,
        serialize_char: char => u64::from,
        serialize_u8: u8 => u64::from,
        serialize_u16: u16 => u64::from,
        serialize_u32: u32 => u64::from,
        serialize_u64: u64 => |word| word,
        serialize_i8: i8 => |number| bits(i64::from(number)),
        serialize_i16: i16 => |number| bits(i64::from(number)),
        serialize_i32: i32 => |number| bits(i64::from(number)),
        serialize_i64: i64 => bits,
        serialize_f32: f32 => |number| u64::from(number.to_bits()),
        serialize_f64: f64 => f64::to_bits,
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_str(self, value: &str) -> Written {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        self.length(Some(value.len()))?;
        for chunk in value.chunks(8) {
            let mut bytes = [0; 8];
            for (to, from) in bytes.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.word(u64::from_le_bytes(bytes))?;
        }
        Ok(())
    }

    fn serialize_none(self) -> Written {
        self.word(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        self.word(1)?;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &str, number: u32, _: &str) -> Written {
        self.word(u64::from(number))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &str, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &str,
        number: u32,
        _: &str,
        value: &T,
    ) -> Written {
        self.word(u64::from(number))?;
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Unfit> {
        self.length(length)?;
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Unfit> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &str, _: usize) -> Result<Self, Unfit> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &str,
        number: u32,
        _: &str,
        _: usize,
    ) -> Result<Self, Unfit> {
        self.word(u64::from(number))?;
        Ok(self)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, Unfit> {
        self.serialize_seq(length)
    }

    fn serialize_struct(self, _: &str, _: usize) -> Result<Self, Unfit> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &str,
        number: u32,
        _: &str,
        _: usize,
    ) -> Result<Self, Unfit> {
        self.word(u64::from(number))?;
        Ok(self)
    }
}

macro_rules! parts {
    ($($kind:ident: $($method:ident($($name:ty)?)),*;)*) => {
        $(impl $kind for &mut Writer<'_> {
            type Ok = ();
            type Error = Unfit;

            $(fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Written {
                value.serialize(&mut **self)
            })*

            fn end(self) -> Written {
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}
