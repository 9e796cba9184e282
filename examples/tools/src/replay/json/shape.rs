//! An object of JSON, flattened as it is read: no tree of it is made.
//!
//! # Bounds
//! Objects within objects are followed to a depth of [`DEEPEST`]; what is deeper is passed over. Nothing is allocated
//! but texts that hold escapes, and the name of where the reader is.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// As deep as the names that are known go, and one more.
const DEEPEST: usize = 5;

/// A value that is no object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf<'a> {
    Number(f64),
    Text(Cow<'a, str>),
}

impl Leaf<'_> {
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => (&**text).into(),
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
        .filter(|number: &f64| number.is_finite())
    }

    /// A length of time in seconds: a text that says its unit, or a number of these.
    pub(super) fn seconds(&self, unit: f64) -> Option<f64> {
        let number = match self {
            Self::Number(number) => number * unit,
            Self::Text(text) => {
                let units = [
                    ("ms", 1e-3),
                    ("µs", 1e-6),
                    ("us", 1e-6),
                    ("ns", 1e-9),
                    ("s", 1.0),
                    ("", unit),
                ];
                let (number, unit) =
                    units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
                number.trim().parse::<f64>().ok()? * unit
            }
        };
        Some(number).filter(|number| number.is_finite() && *number >= 0.0)
    }
}

/// Reads an object, and tells of each value in it under its whole name.
pub(super) struct Object<T> {
    tell: T,
    name: String,
}

impl<'a, T: FnMut(&str, Leaf<'a>)> Object<T> {
    pub(super) fn new(tell: T) -> Self {
        Self { tell, name: String::new() }
    }

    /// # Errors
    /// When it is no object, or there is something behind it.
    pub(super) fn read(&mut self, line: &'a [u8]) -> serde_json::Result<()> {
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err(serde::de::Error::custom("no object"));
        }
        let mut json = serde_json::Deserializer::from_slice(line);
        Value { object: self, depth: 0 }.deserialize(&mut json)?;
        json.end()
    }
}

/// The value at the name where the reader is.
struct Value<'o, T> {
    object: &'o mut Object<T>,
    depth: usize,
}

impl<'a, T: FnMut(&str, Leaf<'a>)> Value<'_, T> {
    fn tell(self, leaf: Leaf<'a>) {
        (self.object.tell)(&self.object.name, leaf);
    }
}

impl<'a, T: FnMut(&str, Leaf<'a>)> DeserializeSeed<'a> for Value<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a, T: FnMut(&str, Leaf<'a>)> Visitor<'a> for Value<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.tell(Leaf::Number(number as f64));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.tell(Leaf::Number(number as f64));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.tell(Leaf::Number(number));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.tell(Leaf::Text(text.into()));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.tell(Leaf::Text(text.to_string().into()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut values: A) -> Result<(), A::Error> {
        let Self { object, depth } = self;
        if depth < DEEPEST {
            values.next_element_seed(Value { object, depth: depth + 1 })?;
        }
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { object, depth } = self;
        let before = object.name.len();
        while let Some(name) = entries.next_key_seed(Key)? {
            if depth >= DEEPEST {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            if before > 0 {
                object.name.push('.');
            }
            object.name.push_str(&name);
            entries.next_value_seed(Value { object, depth: depth + 1 })?;
            object.name.truncate(before);
        }
        Ok(())
    }
}

/// A name, borrowed where it holds no escape.
struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_string().into())
    }
}
