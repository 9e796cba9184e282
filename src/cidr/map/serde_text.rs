//! The serde form of a map: a map from prefix texts to values.

use alloc::string::String;
use core::{fmt, hash::Hash, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap,
};

use super::{
    super::{parse_prefix, serde_text::Text},
    CidrMap,
    gather::Gathered,
};

impl<V: Serialize> Serialize for CidrMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (net, value) in self {
            map.serialize_entry(&Text(net), value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de> + Eq + Hash> Deserialize<'de> for CidrMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

struct Pairs<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de> + Eq + Hash> Visitor<'de> for Pairs<V> {
    type Value = CidrMap<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from prefixes such as \"192.0.2.0/24\" to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<CidrMap<V>, A::Error> {
        let mut map = CidrMap::new();
        let mut gathered = Gathered::new();
        let (mut index, mut guess) = (0_usize, 0);
        while let Some((text, value)) = pairs.next_entry::<String, V>()? {
            let net = parse_prefix(&text)
                .map_err(|error| A::Error::custom(format_args!("entry {index}: {error}")))?;
            let tag = map.values.intern_like(value, guess);
            guess = tag.ok_or_else(|| A::Error::custom("too many different values"))?;
            gathered.push(net.into(), guess);
            index = index.saturating_add(1);
        }
        // Which of the two was meant is not for us to say.
        if let Some(net) = gathered.twice() {
            return Err(A::Error::custom(format_args!("{net} comes twice")));
        }
        map.set_all(gathered);
        Ok(map)
    }
}
