//! The serde form of a set: a sequence of prefix texts.

use alloc::string::String;
use core::fmt;

use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
    ser::SerializeSeq,
};

use super::{CidrSet, parse_prefix, set::Builder};

impl Serialize for CidrSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Some binary formats must know the length first.
        let mut seq = serializer.serialize_seq(Some(self.len()))?;
        for net in self.iter() {
            seq.serialize_element(&Text(net))?;
        }
        seq.end()
    }
}

/// A prefix that is text in binary formats, too: then reading is checked in all of them.
pub(super) struct Text(pub(super) IpNet);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CidrSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Prefixes)
    }
}

struct Prefixes;

impl<'de> Visitor<'de> for Prefixes {
    type Value = CidrSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of prefixes such as \"192.0.2.0/24\"")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<CidrSet, A::Error> {
        let mut builder = Builder::frugal();
        let mut index = 0_usize;
        while let Some(text) = seq.next_element::<String>()? {
            let net = parse_prefix(&text)
                .map_err(|error| A::Error::custom(format_args!("entry {index}: {error}")))?;
            builder.push(net.into());
            index = index.saturating_add(1);
        }
        Ok(builder.build())
    }
}
