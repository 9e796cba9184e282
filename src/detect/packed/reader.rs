//! Numbers into values.

use alloc::{string::String, vec::Vec};

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor, value::U32Deserializer,
    },
};

use super::Unfit;

/// What is not read yet.
pub(super) struct Reader<'a>(pub(super) &'a [u64]);

impl Reader<'_> {
    fn word(&mut self) -> Result<u64, Unfit> {
        let (first, rest) = self.0.split_first().ok_or(Unfit)?;
        self.0 = rest;
        Ok(*first)
    }

    fn signed(&mut self) -> Result<i64, Unfit> {
        Ok(i64::from_ne_bytes(self.word()?.to_ne_bytes()))
    }

    fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, Unfit> {
        T::try_from(self.word()?).map_err(|_| Unfit)
    }

    fn narrow_signed<T: TryFrom<i64>>(&mut self) -> Result<T, Unfit> {
        T::try_from(self.signed()?).map_err(|_| Unfit)
    }

    fn truth(&mut self) -> Result<bool, Unfit> {
        match self.word()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unfit),
        }
    }

    /// How many there are of what takes at least one number each (I2).
    fn length(&mut self) -> Result<usize, Unfit> {
        let length = self.narrow::<usize>()?;
        if length > self.0.len() { Err(Unfit) } else { Ok(length) }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Unfit> {
        let length = self.narrow::<usize>()?;
        let (words, rest) = self.0.split_at_checked(length.div_ceil(8)).ok_or(Unfit)?;
        self.0 = rest;
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        // What is behind the end is nothing, as it was written.
        let is_empty = bytes.get(length..).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
        bytes.truncate(length);
        if is_empty { Ok(bytes) } else { Err(Unfit) }
    }

    fn text(&mut self) -> Result<String, Unfit> {
        String::from_utf8(self.bytes()?).map_err(|_| Unfit)
    }

    fn character(&mut self) -> Result<char, Unfit> {
        char::from_u32(self.narrow()?).ok_or(Unfit)
    }

    fn fraction(&mut self) -> Result<f64, Unfit> {
        self.word().map(f64::from_bits)
    }

    fn short_fraction(&mut self) -> Result<f32, Unfit> {
        self.narrow().map(f32::from_bits)
    }
}

/// The parts of a list or a struct that are left.
struct Parts<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: usize,
}

macro_rules! one_word {
    ($($method:ident: $visit:ident($read:ident)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            let value = self.$read()?;
            visitor.$visit(value)
        })*
    };
}

/// What can only be read where the format says what comes.
macro_rules! unfit {
    ($($method:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unfit> {
            Err(Unfit)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'_> {
    type Error = Unfit;

    one_word! {
        deserialize_bool: visit_bool(truth),
        deserialize_u8: visit_u8(narrow),
        deserialize_u16: visit_u16(narrow),
        deserialize_u32: visit_u32(narrow),
        deserialize_u64: visit_u64(word),
        deserialize_i8: visit_i8(narrow_signed),
        deserialize_i16: visit_i16(narrow_signed),
        deserialize_i32: visit_i32(narrow_signed),
        deserialize_i64: visit_i64(signed),
        deserialize_byte_buf: visit_byte_buf(bytes),
        deserialize_bytes: visit_byte_buf(bytes),
        deserialize_string: visit_string(text),
        deserialize_str: visit_string(text),
        deserialize_char: visit_char(character),
        deserialize_f32: visit_f32(short_fraction),
        deserialize_f64: visit_f64(fraction),
    }

    unfit! { deserialize_any, deserialize_identifier, deserialize_ignored_any }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.truth()? { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let left = self.length()?;
        visitor.visit_seq(Parts { reader: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_seq(Parts { reader: self, left })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_seq(Parts { reader: self, left })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let left = self.length()?;
        visitor.visit_map(Parts { reader: self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_seq(Parts { reader: self, left: fields.len() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_enum(self)
    }
}

impl<'de> SeqAccess<'de> for Parts<'_, '_> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfit> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Parts<'_, '_> {
    type Error = Unfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unfit> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfit> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'_> {
    type Error = Unfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Unfit> {
        let number: U32Deserializer<Unfit> = self.narrow::<u32>()?.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'_> {
    type Error = Unfit;

    fn unit_variant(self) -> Result<(), Unfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unfit> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_seq(Parts { reader: self, left })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_seq(Parts { reader: self, left: fields.len() })
    }
}
