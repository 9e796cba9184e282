//! Calls of functions, and their arguments.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{Checker, Meant, words::told};
use crate::{
    error::snippet,
    limit::Share,
    rule::{
        diagnostic::{Code, Diagnostic},
        expr::{Atom, Operand, Test, UrlDecode},
        field::Kind,
        hint,
        lexer::{Plain, Span},
        parser::{Head, Value},
    },
};

/// Functions, and how many arguments each takes: at least, and at most.
pub(in crate::rule) const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("cidr", 2, 3),
    ("cidr6", 2, 2),
    ("lower", 1, 1),
    ("upper", 1, 1),
    ("len", 1, 1),
    ("starts_with", 2, 2),
    ("ends_with", 2, 2),
    ("url_decode", 1, 2),
    ("substring", 2, 3),
    ("exists", 1, 1),
    ("sample", 1, 1),
    ("counter", 1, 1),
];

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        name: &str,
        named: &Span,
        arguments: &[Value<'_>],
    ) -> Option<Meant> {
        let Some((_, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let message = format!("unknown function `{}`", snippet(name));
            let help = hint::function(name);
            self.report_help(Code::UnknownFunction, named.clone(), message, help);
            for argument in arguments {
                if matches!(argument.head, Head::Name(_) | Head::Call(..)) {
                    self.meant(argument);
                }
            }
            return None;
        };
        let extra = arguments.get(*most).map(|extra| &extra.span);
        if let Some(at) = extra.or((arguments.len() < *least).then_some(named)) {
            let message = format!("`{name}` takes {}", counted(*least, *most));
            let mistake = Diagnostic::new(Code::Arguments, at.clone(), message);
            self.found.push(Diagnostic { help: hint::call(name).map(Into::into), ..mistake });
            return None;
        }
        let [first, rest @ ..] = arguments else { return None };
        match name {
            "sample" => return self.sample(first).map(|it| Meant::Operand(Operand::Sample(it))),
            "counter" => return self.counter(first).map(Meant::Operand),
            _ => {}
        }
        let of = match self.meant(first) {
            Some(Meant::Operand(operand)) => Some(operand),
            Some(Meant::Test(_)) => {
                let message = format!("`{name}` takes a value, not a condition");
                self.report(Code::Type, first.span.clone(), message);
                None
            }
            None => None,
        };
        let wanted: &[Kind] = match name {
            "len" => &[Kind::Bytes, Kind::Array],
            "cidr" | "cidr6" => &[Kind::Ip],
            "exists" => &[Kind::Bool, Kind::Int, Kind::Bytes, Kind::Ip, Kind::Array],
            _ => &[Kind::Bytes],
        };
        let of = of.filter(|operand| {
            let kind = operand.kind();
            let fits = wanted.contains(&kind);
            if !fits {
                let wanted: Vec<_> = wanted.iter().map(|kind| told(*kind)).collect();
                let message = format!(
                    "`{name}` takes {}, and `{}` is {}",
                    wanted.join(" or "),
                    self.quoted(&first.span),
                    told(kind)
                );
                self.report(Code::Type, first.span.clone(), message);
            }
            fits
        });
        let boxed = |of: Option<Operand>| of.map(Box::new);
        let operand = match name {
            "lower" => Operand::Lower(boxed(of)?),
            "upper" => Operand::Upper(boxed(of)?),
            "len" => Operand::Len(boxed(of)?),
            "exists" => return Some(Meant::Test(Atom::new(of?, Test::Exists))),
            "starts_with" | "ends_with" => {
                let part = rest.first().and_then(|part| self.text_argument(name, part));
                let (operand, part) = (of?, part?);
                let test = if name == "starts_with" {
                    Test::StartsWith(part.into())
                } else {
                    Test::EndsWith(part.into())
                };
                return Some(Meant::Test(Atom::new(operand, test)));
            }
            "url_decode" => {
                let options = match rest.first() {
                    None => Some(UrlDecode::default()),
                    Some(options) => self.decode_options(options),
                };
                Operand::UrlDecode { of: boxed(of)?, options: options? }
            }
            "substring" => {
                let start = rest.first().and_then(|start| self.int_argument(name, start));
                let end = rest.get(1).map(|end| self.int_argument(name, end));
                let end = match end {
                    None => None,
                    Some(end) => Some(end?),
                };
                Operand::Substring { of: boxed(of)?, start: start?, end }
            }
            "cidr" => {
                let v4 = rest.first().and_then(|bits| self.bits(name, bits, 32));
                let v6 = rest.get(1).map_or(Some(128), |bits| self.bits(name, bits, 128));
                Operand::Cidr { of: boxed(of)?, v4: v4?, v6: v6? }
            }
            "cidr6" => {
                let v6 = rest.first().and_then(|bits| self.bits(name, bits, 128));
                Operand::Cidr { of: boxed(of)?, v4: 32, v6: v6? }
            }
            _ => return None,
        };
        Some(Meant::Operand(operand))
    }

    fn text_argument(&mut self, name: &str, value: &Value<'_>) -> Option<Vec<u8>> {
        match &value.head {
            Head::Literal(Plain::Text(text)) if value.indices.is_empty() => Some(text.clone()),
            Head::Broken | Head::Literal(Plain::Broken) => None,
            _ => {
                let message = format!("`{name}` takes a text in quotes here");
                self.report(Code::Arguments, value.span.clone(), message);
                None
            }
        }
    }

    fn int_argument(&mut self, name: &str, value: &Value<'_>) -> Option<i64> {
        match &value.head {
            Head::Literal(Plain::Int(number)) if value.indices.is_empty() => Some(*number),
            Head::Broken | Head::Literal(Plain::Broken) => None,
            _ => {
                let message = format!("`{name}` takes a number here");
                self.report(Code::Arguments, value.span.clone(), message);
                None
            }
        }
    }

    fn bits(&mut self, name: &str, value: &Value<'_>, most: u8) -> Option<u8> {
        let bits = self.int_argument(name, value)?;
        let bits = u8::try_from(bits).ok().filter(|bits| *bits <= most);
        if bits.is_none() {
            let message = format!("a prefix length here is from 0 to {most}");
            self.report(Code::Arguments, value.span.clone(), message);
        }
        bits
    }

    fn decode_options(&mut self, value: &Value<'_>) -> Option<UrlDecode> {
        let text = self.text_argument("url_decode", value)?;
        let options = UrlDecode { recursive: text.contains(&b'r'), unicode: text.contains(&b'u') };
        if text.iter().any(|option| !matches!(option, b'r' | b'u')) {
            let message = "options of `url_decode` are \"r\", recursive, and \"u\", with %uXXXX";
            self.report(Code::Arguments, value.span.clone(), message);
            return None;
        }
        Some(options)
    }

    fn sample(&mut self, value: &Value<'_>) -> Option<Share> {
        let share = match &value.head {
            Head::Literal(Plain::Int(0)) => Some(Share::NONE),
            Head::Literal(Plain::Int(1)) => Some(Share::ALL),
            Head::Literal(Plain::Decimal(digits)) => millionths(digits).map(Share::per_million),
            Head::Broken | Head::Literal(Plain::Broken) => return None,
            _ => None,
        };
        if share.is_none() || !value.indices.is_empty() {
            let message = "`sample` takes a number from 0 to 1, with up to six decimals";
            let help = "as in sample(0.05) for 5 of 100 clients";
            self.report_help(Code::Arguments, value.span.clone(), message, help);
            return None;
        }
        share
    }

    fn counter(&mut self, value: &Value<'_>) -> Option<Operand> {
        let name = self.text_argument("counter", value)?;
        let known = self.scheme.limits.iter().find(|limit| limit.as_bytes() == name.as_slice());
        if let Some(known) = known {
            return Some(Operand::Counter((**known).into()));
        }
        let name = String::from_utf8_lossy(&name);
        let message = format!("limit \"{}\" is not defined", snippet(&name));
        let help = hint::limit(&name, self.scheme);
        self.report_help(Code::UnknownLimit, value.span.clone(), message, help);
        None
    }
}

/// A number from 0 to 1 with up to six decimals, in millionths.
fn millionths(digits: &str) -> Option<u32> {
    let (whole, part) = digits.split_once('.')?;
    let part = part.trim_end_matches('0');
    if part.len() > 6 {
        return None;
    }
    let part: u32 = format!("{part:0<6}").parse().ok()?;
    // What is less than zero has a sign, and is no such number.
    match whole.parse::<u32>().ok()? {
        0 => Some(part),
        1 if part == 0 => Some(1_000_000),
        _ => None,
    }
}

fn counted(least: usize, most: usize) -> String {
    match (least, most) {
        (1, 1) => "one argument".into(),
        (least, most) if least == most => format!("{least} arguments"),
        (least, most) => format!("{least} or {most} arguments"),
    }
}

#[cfg(test)]
mod tests {
    use std::{format, vec::Vec};

    use crate::rule::Scheme;

    /// Both read lengths of prefixes in one way.
    #[test]
    fn a_mistake_names_the_function_that_was_called() {
        for name in ["cidr", "cidr6"] {
            let text = format!("{name}(ip.src, \"a\") eq ::1");
            let mistakes = Scheme::new().parse(&text).unwrap_err();
            let told = mistakes.iter().next().map(|mistake| mistake.message());
            assert_eq!(told, Some(&*format!("`{name}` takes a number here")));
        }
    }

    #[test]
    fn the_number_of_arguments_is_told_with_an_example() {
        for (text, message, help) in [
            ("lower() eq \"a\"", "`lower` takes one argument", None),
            ("lower(path, path) eq \"a\"", "`lower` takes one argument", None),
            (
                "starts_with(path)",
                "`starts_with` takes 2 arguments",
                Some("as in starts_with(path, \"/a\")"),
            ),
            (
                "ends_with()",
                "`ends_with` takes 2 arguments",
                Some("as in ends_with(path, \".php\")"),
            ),
            (
                "cidr6(ip.src, 1, 2) eq ::1",
                "`cidr6` takes 2 arguments",
                Some("as in cidr6(ip.src, 64)"),
            ),
            (
                "cidr(ip.src) eq ::1",
                "`cidr` takes 2 or 3 arguments",
                Some("as in cidr(ip.src, 24, 64)"),
            ),
            (
                "substring(path) eq \"\"",
                "`substring` takes 2 or 3 arguments",
                Some("as in substring(path, 0, 4)"),
            ),
            (
                "url_decode(path, \"\", 1) eq \"\"",
                "`url_decode` takes 1 or 2 arguments",
                Some("as in url_decode(query) or url_decode(query, \"r\")"),
            ),
            ("sample()", "`sample` takes one argument", Some("as in sample(0.1)")),
            ("counter() gt 1", "`counter` takes one argument", Some("as in counter(\"logins\")")),
        ] {
            let mistakes = Scheme::new().parse(text).unwrap_err();
            let told: Vec<_> = mistakes.iter().map(|it| (it.message(), it.help())).collect();
            assert_eq!(told, [(message, help)], "{text}");
        }
    }
}
