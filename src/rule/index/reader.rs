//! One value of a request, compiled to be read by itself: what keys and costs of limits are made of.
//!
//! Invariant: **I1** it shows what `reference::value` gives, and nothing if that is missing.

use core::ops::ControlFlow;

pub(crate) use super::source::Value;
use super::source::{Meaning, Seen, Source};
use crate::{
    request::canonical::Needs,
    rule::{
        expr::{Name, Operand},
        facts::Facts,
    },
};

/// A value of requests.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    source: Source,
    is_plain: bool,
}

impl Reader {
    /// Reads this operand, where tags have these bits. One that is not a single value is always missing.
    pub(crate) fn of(operand: &Operand, tags: &[Name]) -> Self {
        let source = match Source::of(operand, tags) {
            Some(Meaning::Values(source)) if !operand.is_each() => source,
            _ => Source::missing(),
        };
        Self { is_plain: source.is_plain(), source }
    }

    /// Shows the value, if there is one; says whether.
    #[inline]
    pub(crate) fn read(&self, facts: &Facts<'_>, visit: &mut dyn FnMut(Value<'_>)) -> bool {
        let seen = Seen::nothing_of(facts);
        if self.is_plain {
            return match self.source.plain(&seen) {
                Some(value) => {
                    visit(value);
                    true
                }
                None => false,
            };
        }
        let mut found = false;
        self.source.each(&seen, &mut |value| {
            found = true;
            visit(value);
            ControlFlow::Break(())
        });
        found
    }

    /// What it reads of a request's canonical form.
    pub(crate) fn needs(&self) -> Needs {
        self.source.needs()
    }

    /// The number; `None` if it is missing, or no number.
    pub(crate) fn int(&self, facts: &Facts<'_>) -> Option<i64> {
        let mut found = None;
        self.read(facts, &mut |value| {
            if let Value::Int(value) = value {
                found = Some(value);
            }
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Reader, Value};
    use crate::{
        request::{Request, canonical::Canonical},
        rule::{Facts, Lists, Scheme, expr::Operand, field::Builtin, reference},
        test_support::cases,
    };

    proptest! {
        #![proptest_config(cases(300))]

        /// I1, of all functions and kinds of values.
        #[test]
        fn it_shows_what_the_reference_gives(
            path in "(/|%2[0-9a-f]|%u00e9|%25|\\+|[a-zA-Z]){0,20}",
            query in prop::option::of("(x=[a-z%+0-9]{0,6}&?){0,3}"),
            header in prop::option::of("[a-zA-Z%0-9 ]{0,9}"),
            size in prop::option::of(any::<i64>()),
            peer in prop::option::of(any::<std::net::IpAddr>()),
        ) {
            let target = match &query {
                Some(query) => std::format!("/{path}?{query}"),
                None => std::format!("/{path}"),
            };
            let mut request = Request::new(peer).target(&target).host("Example.org");
            if let Some(header) = &header {
                request = request.header("X-Key", header.as_str());
            }
            if let Some(size) = size {
                request = request.field("http.request.body.size", size);
            }
            let lists = Lists::new();
            for text in [
                "path", "raw.path", "uri", "query", "host", "ip.src", "client", "cidr(ip.src, 9, 33)", "body.size",
                "header[\"x-key\"]", "headers[\"x-key\"][1]", "arg[\"x\"]", "args[\"x\"][1]", "len(uri)",
                "len(headers[\"x-key\"])", "lower(header[\"x-key\"])", "upper(uri)", "url_decode(path)",
                "url_decode(arg[\"x\"], \"r\")", "url_decode(uri, \"ru\")", "substring(uri, 1, -1)",
                "lower(substring(url_decode(uri), -4))", "uri.flags.bad_percent", "score", "posture", "tag[\"a\"]",
                "ssl", "tls.ja4",
            ] {
                let term = Scheme::new().parse_term(text).unwrap_or_else(|error| panic!("{error}"));
                let reader = Reader::of(&term.0, &[]);
                Canonical::with(&request, |canonical| {
                    let facts = Facts::of(&request, canonical, &lists);
                    let expected = reference::value(&term.0, &facts);
                    let mut found = None;
                    let is_there = reader.read(&facts, &mut |value| {
                        found = Some(match value {
                            Value::Bool(value) => reference::Datum::Bool(value),
                            Value::Int(value) => reference::Datum::Int(value),
                            Value::Bytes(value) => reference::Datum::Bytes(value.to_vec().into()),
                            Value::Ip(value) => reference::Datum::Ip(value),
                        });
                    });
                    assert_eq!(is_there, expected.is_some(), "{text}");
                    assert_eq!(found, expected, "{text}");
                });
            }
        }
    }

    /// What is many values, or no value at all, has none to count by.
    #[test]
    fn what_is_no_single_value_is_missing() {
        let request = Request::new(None).target("/?x=1&x=2").header("a", "b");
        let lists = Lists::new();
        let names = Operand::Builtin(Builtin::HeaderNames);
        let values = Operand::Get(Builtin::Args, "x".into());
        for operand in [
            names.clone(),
            values.clone(),
            Operand::Each(names.clone().into()),
            Operand::Lower(Operand::Each(values.into()).into()),
            Operand::Lower(names.into()),
        ] {
            let reader = Reader::of(&operand, &[]);
            Canonical::with(&request, |canonical| {
                let facts = Facts::of(&request, canonical, &lists);
                assert!(!reader.read(&facts, &mut |value| panic!("{value:?}")), "{operand:?}");
                assert_eq!(reader.int(&facts), None);
            });
        }
    }

    /// Texts of every length are copied where there is room for all of them.
    #[test]
    fn long_texts_are_rewritten_to_their_end() {
        let lists = Lists::new();
        let reader = Reader::of(&Scheme::new().parse_term("upper(uri)").unwrap().0, &[]);
        for (path, query) in [
            (1, 0),
            (511, 0),
            (512, 0),
            (513, 0),
            (500, 11),
            (500, 12),
            (8_192, 0),
            (8_000, 191),
            (8_000, 192),
            (8_192, 1),
            (8_192, 8_192),
        ] {
            let mut target = std::format!("/{}", "a".repeat(path - 1));
            if query > 0 {
                target.push('?');
                target.push_str(&"b".repeat(query));
            }
            let request = Request::new(None).target(&target);
            Canonical::with(&request, |canonical| {
                let facts = Facts::of(&request, canonical, &lists);
                let is_there = reader.read(&facts, &mut |value| {
                    let expected = target.to_ascii_uppercase();
                    assert!(value == Value::Bytes(expected.as_bytes()), "{path} {query}");
                });
                assert!(is_there);
            });
        }
    }
}
