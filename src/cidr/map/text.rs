//! From a text to a map: a prefix a line, and its value behind it.
//!
//! Reading holds a bounded number of bytes for each line. So a range is refused unless it is one prefix:
//! forty characters can be a range of 254 prefixes.

use alloc::{collections::BTreeMap, string::ToString, vec::Vec};
use core::{fmt, hash::Hash, str::FromStr};

use ipnet::IpNet;

use super::{
    super::{CidrLine, CidrLineError, CidrParseError, CidrProblem, lines},
    CidrMap,
};

impl<V> FromStr for CidrMap<V>
where
    V: FromStr + Eq + Hash,
    V::Err: fmt::Display,
{
    type Err = CidrParseError;

    fn from_str(text: &str) -> Result<Self, CidrParseError> {
        let mut errors = CidrParseError::default();
        let mut pairs = Vec::new();
        for line in lines(text) {
            match line.and_then(|line| Ok((only_prefix(&line)?, value_of(&line)?))) {
                Ok(pair) if errors.total() == 0 => pairs.push(pair),
                Ok(_) => {}
                Err(refused) => {
                    pairs = Vec::new();
                    errors.push(refused);
                }
            }
        }
        if errors.total() > 0 {
            return Err(errors);
        }
        let count = pairs.len();
        let map: Self = pairs.into_iter().collect();
        if map.len() == count { Ok(map) } else { Err(what_comes_twice(text)) }
    }
}

fn only_prefix(line: &CidrLine<'_>) -> Result<IpNet, CidrLineError> {
    let mut prefixes = line.prefixes();
    match (prefixes.next(), prefixes.next()) {
        (Some(net), None) => Ok(net),
        _ => Err(line.refuse_entry(CidrProblem::Range)),
    }
}

fn value_of<V: FromStr<Err: fmt::Display>>(line: &CidrLine<'_>) -> Result<V, CidrLineError> {
    let value = line.columns().parse::<V>();
    value.map_err(|error| line.refuse_columns(CidrProblem::Value { reason: error.to_string() }))
}

/// Which of two values was meant is not for us to say.
fn what_comes_twice(text: &str) -> CidrParseError {
    let mut errors = CidrParseError::default();
    let mut read = BTreeMap::new();
    for line in lines(text).flatten() {
        let Some(net) = line.prefixes().next() else { continue };
        let first = *read.entry(net).or_insert(line.number());
        if first != line.number() {
            errors.push(line.refuse_entry(CidrProblem::Twice { line: first }));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use std::{
        string::{String, ToString},
        vec::Vec,
    };

    use proptest::prelude::*;

    use super::*;
    use crate::{cidr::tests_model::any_net, test_support::cases};

    #[test]
    fn a_table_is_read_with_its_values() {
        let map: CidrMap<String> =
            "\u{feff}# networks\r\n10.0.0.0/8\tnet of ours # since May\r\n\r\n\
                                    192.0.2.0-192.0.2.127, lab\n::ffff:10.1.0.0/112 v4"
                .parse()
                .unwrap();
        assert_eq!(map.to_string(), "10.0.0.0/8\tnet of ours\n10.1.0.0/16\tv4\n192.0.2.0/25\tlab");
        assert_eq!("".parse::<CidrMap<u8>>(), Ok(CidrMap::new()));
    }

    #[test]
    fn all_mistakes_are_told_where_they_are() {
        let error =
            "10.0.0.0/8  x\n192.0.2.1-192.0.2.2 1\n10.1.2.3/8 1\n198.51.100.0/24\n::1 , 300"
                .parse::<CidrMap<u8>>()
                .unwrap_err();
        let told: Vec<_> =
            error.errors().iter().map(|error| (error.line(), error.column())).collect();
        assert_eq!(told, [(1, 13), (2, 1), (3, 1), (4, 16), (5, 7)], "{error}");
        assert_eq!(
            error.to_string().lines().next(),
            Some("line 1, column 13: \"x\": not a value: invalid digit found in string")
        );

        let error = "10.0.0.0/8 1\n::1 1\n ::ffff:10.0.0.0/104 1\n10.0.0.0/8 2"
            .parse::<CidrMap<u8>>()
            .unwrap_err();
        let twice: Vec<_> = error
            .errors()
            .iter()
            .map(|error| (error.line(), error.column(), error.kind()))
            .collect();
        let first = CidrProblem::Twice { line: 1 };
        assert_eq!(twice, [(3, 2, &first), (4, 1, &first)]);
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn what_is_written_is_read_back(
            pairs in prop::collection::vec((any_net(), any::<u8>()), 0..12),
        ) {
            let map: CidrMap<u8> = pairs.into_iter().collect();
            prop_assert_eq!(map.to_string().parse(), Ok(map));
        }
    }
}
