//! Values: the names of fields, and what stands in brackets after them.

use alloc::{borrow::ToOwned, boxed::Box, format};

use super::{Checker, Meant};
use crate::{
    error::snippet,
    rule::{
        diagnostic::Code,
        expr::{Name, Operand},
        field::{BUILTINS, Builtin, FIRST_OF, HEADER_NAMES, Kind, Phase, SUPPLIED, Supplied},
        hint,
        lexer::{Plain, Span},
        parser::{Head, Index, Value},
    },
};

/// What a name is, before what stands in brackets after it.
enum Named {
    Operand(Operand),
    Map(Builtin),
    FirstOf(Builtin),
}

impl Checker<'_> {
    pub(super) fn term(&mut self, value: &Value<'_>) -> Option<Operand> {
        match self.meant(value)? {
            Meant::Test(_) => {
                let message = "a condition where a value should be";
                self.report(Code::Type, value.span.clone(), message);
                None
            }
            Meant::Operand(operand) => {
                self.place_of_each(&operand, &value.span)?;
                if matches!(operand.kind(), Kind::Array | Kind::Map | Kind::Flags) {
                    let message = format!("`{}` is not one value", self.quoted(&value.span));
                    let help = "take one element, as in header[\"x\"], or len(…)";
                    self.report_help(Code::Type, value.span.clone(), message, help);
                    return None;
                }
                Some(operand)
            }
        }
    }

    pub(super) fn meant(&mut self, value: &Value<'_>) -> Option<Meant> {
        let named = match &value.head {
            Head::Broken | Head::Literal(Plain::Broken) => return None,
            Head::Literal(_) => {
                let message = "a literal where a field should be";
                let help = "the field stands on the left: path eq \"/x\"";
                self.report_help(Code::Type, value.span.clone(), message, help);
                return None;
            }
            Head::Name(name) => self.named(name, &value.named)?,
            Head::Call(name, arguments) => match self.call(name, &value.named, arguments)? {
                Meant::Operand(operand) => Named::Operand(operand),
                test @ Meant::Test(_) => {
                    let Some((_, span)) = value.indices.first() else { return Some(test) };
                    self.report(Code::Type, span.clone(), "a condition has no elements");
                    return None;
                }
            },
        };
        self.indexed(named, value).map(Meant::Operand)
    }

    fn named(&mut self, name: &str, span: &Span) -> Option<Named> {
        let is = |known: &str, aliases: &[&str]| known == name || aliases.contains(&name);
        if let Some(entry) = BUILTINS.iter().find(|entry| is(entry.name, entry.aliases)) {
            if entry.phase == Phase::Response && self.phase == Phase::Request {
                self.report_help(
                    Code::Phase,
                    span.clone(),
                    format!("`{name}` is not known before the response"),
                    "what depends on the response belongs into `count_if` or `cost` of a limit",
                );
            }
            return Some(match entry.kind {
                Kind::Map | Kind::Flags => Named::Map(entry.field),
                _ => Named::Operand(Operand::Builtin(entry.field)),
            });
        }
        if let Some((_, map)) = FIRST_OF.iter().find(|(known, _)| *known == name) {
            return Some(Named::FirstOf(*map));
        }
        if let Some((.., header)) =
            HEADER_NAMES.iter().find(|(known, aliases, _)| is(known, aliases))
        {
            return Some(Named::Operand(Operand::header(header)));
        }
        let supplied = SUPPLIED.iter().find(|(known, aliases, ..)| is(known, aliases));
        if let Some((name, _, kind, _)) = supplied {
            let field = Supplied { name: Name::from(*name), kind: *kind };
            return Some(Named::Operand(Operand::Supplied(field)));
        }
        if let Some((name, holds)) = self.scheme.fields.get_key_value(name) {
            let field = Supplied { name: Name::clone(name), kind: (*holds).into() };
            return Some(Named::Operand(Operand::Supplied(field)));
        }
        let message = format!("unknown field `{}`", snippet(name));
        self.report_help(Code::UnknownField, span.clone(), message, hint::field(name, self.scheme));
        None
    }

    /// With what stands in brackets after it.
    fn indexed(&mut self, mut named: Named, value: &Value<'_>) -> Option<Operand> {
        let mut repeated = !matches!(value.head, Head::Call(..));
        for (index, span) in &value.indices {
            let problem = match (named, index) {
                (_, Index::Broken) => return None,
                (Named::Map(map), Index::Key(key)) => {
                    named = Named::Operand(self.get(map, key, span)?);
                    continue;
                }
                (Named::FirstOf(map), Index::Key(key)) => {
                    let array = self.get(map, key, span)?;
                    named = Named::Operand(Operand::At(Box::new(array), 0));
                    continue;
                }
                (Named::Operand(operand), index) => match (operand.kind(), index) {
                    (Kind::Array, Index::Each) => {
                        named = Named::Operand(Operand::Each(Box::new(operand)));
                        repeated = true;
                        continue;
                    }
                    (Kind::Array, Index::At(at)) => match u32::try_from(*at) {
                        Ok(at) => {
                            named = Named::Operand(Operand::At(Box::new(operand), at));
                            continue;
                        }
                        Err(_) => "elements are counted from 0, to 4294967295",
                    },
                    (Kind::Array, _) => "an array has elements by number, not by name",
                    // A function of each element is written like an array of results, too.
                    (_, Index::Each) if operand.is_each() && !repeated => {
                        repeated = true;
                        named = Named::Operand(operand);
                        continue;
                    }
                    _ => "one value has no elements",
                },
                (Named::Map(_) | Named::FirstOf(_), _) => "a name in quotes comes first",
            };
            self.report(Code::Type, span.clone(), problem);
            return None;
        }
        match named {
            Named::Operand(operand) => Some(operand),
            Named::Map(_) | Named::FirstOf(_) => {
                let name = self.quoted(&value.span);
                let message = format!("`{name}` is many values, by name");
                let help = format!("say which one: {name}[\"…\"]");
                self.report_help(Code::Type, value.span.clone(), message, help);
                None
            }
        }
    }

    fn get(&mut self, map: Builtin, key: &[u8], span: &Span) -> Option<Operand> {
        let Ok(key) = core::str::from_utf8(key) else {
            self.report(Code::Literal, span.clone(), "names are UTF-8");
            return None;
        };
        let key = if map == Builtin::Headers { key.to_ascii_lowercase() } else { key.to_owned() };
        Some(Operand::Get(map, key.into()))
    }
}
