//! The words of a text: names, literals, operators, each with its place.
//!
//! It never stops: what is no word is reported, and the rest is read on. Blanks and comments, from `#`
//! to the end of the line, separate words and are nothing else.
//!
//! # Invariants
//! - **I1** the spans of tokens and mistakes lie in the text, on borders of characters, and those of
//!   tokens ascend;
//! - **I2** every step takes at least one byte of the text, so reading is linear in its length.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{net::IpAddr, ops::Range};

use ipnet::IpNet;

use super::diagnostic::{Code, Diagnostic};
use crate::{
    cidr::{CidrProblem, parse_prefix},
    error::snippet,
};

/// Bytes of the text.
pub(super) type Span = Range<usize>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) is: Is<'t>,
    pub(super) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Is<'t> {
    /// A name, or an operator that is written in letters.
    Word(&'t str),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The name of a list, without its `$`.
    List(String),
    Literal(Plain<'t>),
    End,
}

/// What a literal says by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain<'t> {
    Int(i64),
    /// Digits with a point, for `sample` only.
    Decimal(&'t str),
    Text(Vec<u8>),
    Address(IpAddr),
    Network(IpNet),
    /// It is reported already.
    Broken,
}

/// The longest first, where one starts like another.
const SIGNS: &[&str] = &[
    "&&", "||", "^^", "==", "!=", "<=", ">=", "..", "(", ")", "[", "]", "{", "}", ",", "!", "<",
    ">", "~", "&", "*",
];

/// Signs of other languages, what they are likely to mean, and what to write instead. The longest first.
const OTHER_SIGNS: &[(&str, &str, &str)] = &[
    ("===", "==", "write `==` or `eq`"),
    ("!==", "!=", "write `!=` or `ne`"),
    ("&&&", "&&", "write `&&` or `and`"),
    ("|||", "||", "write `||` or `or`"),
    ("=>", ">=", "write `>=` or `ge`"),
    ("=<", "<=", "write `<=` or `le`"),
    ("<>", "!=", "write `!=` or `ne`"),
    ("=~", "~", "write `~` or `matches`"),
    ("!~", "~", "write `not` before the comparison: not path matches r\"…\""),
    (":=", "==", "write `==` or `eq`"),
];

/// The words of the text, with an [`Is::End`] after them, and what is not a word.
pub(super) fn tokens(text: &str) -> (Vec<Token<'_>>, Vec<Diagnostic>) {
    let mut lexer = Lexer { text, at: 0, pattern: false, found: Vec::new() };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        match lexer.next() {
            Some(Is::End) => {
                tokens.push(Token { is: Is::End, span: start..start });
                return (tokens, lexer.found);
            }
            Some(is) => {
                lexer.pattern = matches!(is, Is::Word("matches") | Is::Sign("~"));
                tokens.push(Token { is, span: start..lexer.at });
            }
            None => {}
        }
    }
}

/// Whether the name of a list can be written without quotes.
pub(super) fn is_list_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(in_list_name)
}

fn in_list_name(c: char) -> bool {
    in_word(c) || c == '-'
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.')
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// A text here is a regular expression, whose escapes are its own.
    pattern: bool,
    found: Vec<Diagnostic>,
}

impl<'t> Lexer<'t> {
    /// A word; `None` where there was none, and it is reported.
    fn next(&mut self) -> Option<Is<'t>> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Some(Is::End) };
        if first == '"' {
            return Some(self.quoted());
        }
        if let Some(hashes) = raw_start(rest) {
            return Some(self.raw(hashes));
        }
        if first == '$' {
            return self.list();
        }
        if first.is_ascii_digit()
            || starts_address(rest)
            || first == '-' && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
        {
            return Some(Is::Literal(self.number()));
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Some(Is::Word(self.take(word_length(rest))));
        }
        if let Some((sign, meant, help)) =
            OTHER_SIGNS.iter().find(|(sign, ..)| rest.starts_with(*sign))
        {
            let start = self.at;
            self.take(sign.len());
            let diagnostic =
                Diagnostic::new(Code::Syntax, start..self.at, format!("`{sign}` is no operator"));
            self.found.push(diagnostic.with_help(*help));
            return Some(Is::Sign(meant));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.take(sign.len());
            return Some(Is::Sign(sign));
        }
        self.stray(first)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes on by so many bytes, which end a character.
    fn take(&mut self, length: usize) -> &'t str {
        let taken = self.rest().get(..length).unwrap_or_else(|| self.rest());
        self.at = self.at.saturating_add(taken.len());
        taken
    }

    /// Reports what is no word, and, if it is not empty, what helps.
    fn report(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let help = Some(help.into()).filter(|help| !help.is_empty());
        self.found.push(Diagnostic { help, ..Diagnostic::new(Code::Literal, span, message) });
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks =
                rest.len().saturating_sub(rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
            self.take(blanks);
            if !self.rest().starts_with('#') {
                return;
            }
            let line = self.rest().find('\n').unwrap_or(self.rest().len());
            self.take(line);
        }
    }

    /// Something that begins no word. What it is likely to mean is read in its place.
    fn stray(&mut self, first: char) -> Option<Is<'t>> {
        let start = self.at;
        self.take(first.len_utf8());
        let (meant, help) = match first {
            '=' => (Some(Is::Sign("==")), "write `==` or `eq`"),
            '|' => (Some(Is::Sign("||")), "write `||` or `or`"),
            '^' => (Some(Is::Sign("^^")), "write `^^` or `xor`"),
            '\'' | '\u{201c}' | '\u{201d}' => {
                // The text up to its other end, on this line, is one mistake.
                let ends = |c: char| matches!(c, '\'' | '\u{201c}' | '\u{201d}' | '\n');
                let end = self.rest().char_indices().find(|(_, c)| ends(*c));
                if let Some((at, quote)) = end.filter(|(_, c)| *c != '\n') {
                    self.take(at.saturating_add(quote.len_utf8()));
                }
                (Some(Is::Literal(Plain::Broken)), "write texts as \"…\", patterns as r\"…\"")
            }
            _ => (None, ""),
        };
        let message = match first {
            '=' | '|' | '^' => format!("`{first}` is no operator"),
            _ if meant.is_some() => String::from("texts are in double quotes"),
            other => format!("unexpected character {other:?}"),
        };
        let help = Some(help.into()).filter(|help: &String| !help.is_empty());
        let span = start..self.at;
        self.found.push(Diagnostic { help, ..Diagnostic::new(Code::Syntax, span, message) });
        meant
    }

    fn quoted(&mut self) -> Is<'t> {
        let start = self.at;
        self.take(1);
        let mut bytes = Vec::new();
        loop {
            let rest = self.rest();
            let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
            bytes.extend_from_slice(self.take(plain).as_bytes());
            let at = self.at;
            match self.take(1) {
                "\"" => return Is::Literal(Plain::Text(bytes)),
                "\\" if self.pattern => {
                    let next = self.rest().chars().next();
                    if next != Some('"') {
                        bytes.push(b'\\');
                    }
                    bytes.extend_from_slice(self.take(next.map_or(0, char::len_utf8)).as_bytes());
                }
                "\\" => match self.escape() {
                    Some(byte) => bytes.push(byte),
                    None => self.bad_escape(at),
                },
                _ => {
                    let quote = start..start.saturating_add(1);
                    self.report(quote, "this text has no end", "close it with \"");
                    return Is::Literal(Plain::Broken);
                }
            }
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self) -> Option<u8> {
        let rest = self.rest().as_bytes();
        let (byte, length) = match rest {
            [b'"', ..] => (b'"', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [b'x', high, low, ..] => {
                let digit =
                    |c: &u8| char::from(*c).to_digit(16).and_then(|it| u8::try_from(it).ok());
                (digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?, 3)
            }
            _ => return None,
        };
        self.take(length);
        Some(byte)
    }

    /// Reports the backslash at `at`, and what follows.
    fn bad_escape(&mut self, at: usize) {
        let next = self.rest().chars().next();
        // A quote or the end is for the loop to see.
        let length = next.filter(|c| *c != '"').map_or(0, char::len_utf8);
        self.take(length);
        let span = at..self.at;
        if next == Some('x') {
            self.report(span, "`\\x` needs two hexadecimal digits", "as in `\\x0a`");
            return;
        }
        let what = self.text.get(span.clone()).unwrap_or_default().to_string();
        let help = "escapes are \\\" \\\\ \\xHH \\n \\t \\r; in r\"…\" a backslash is just itself";
        self.report(span, format!("`{what}` is no escape"), help);
    }

    fn raw(&mut self, hashes: usize) -> Is<'t> {
        let start = self.at;
        self.take(hashes.saturating_add(2));
        let head = start..self.at;
        let rest = self.rest();
        let mut quotes = rest.match_indices('"').map(|(at, _)| at);
        let end = quotes.find(|at| {
            let after = rest.as_bytes().iter().skip(at.saturating_add(1));
            after.take(hashes).take_while(|byte| **byte == b'#').count() == hashes
        });
        match end {
            Some(end) => {
                let text = self.take(end).as_bytes().to_vec();
                self.take(hashes.saturating_add(1));
                Is::Literal(Plain::Text(text))
            }
            None => {
                self.take(rest.len());
                let close = format!("close it with \"{}", "#".repeat(hashes));
                self.report(head, "this raw text has no end", close);
                Is::Literal(Plain::Broken)
            }
        }
    }

    fn list(&mut self) -> Option<Is<'t>> {
        let start = self.at;
        self.take(1);
        if self.rest().starts_with('"') {
            return match self.quoted() {
                Is::Literal(Plain::Text(name)) => match String::from_utf8(name) {
                    Ok(name) => Some(Is::List(name)),
                    Err(_) => {
                        let span = start..self.at;
                        self.report(span, "the name of a list is not UTF-8", "");
                        Some(Is::Literal(Plain::Broken))
                    }
                },
                broken => Some(broken),
            };
        }
        let length = self.rest().find(|c| !in_list_name(c)).unwrap_or(self.rest().len());
        if length == 0 {
            let span = start..self.at;
            self.report(span, "the name of a list follows `$`", "as in `ip.src in $office`");
            return Some(Is::Literal(Plain::Broken));
        }
        Some(Is::List(self.take(length).into()))
    }

    /// A number, an address or a prefix.
    fn number(&mut self) -> Plain<'t> {
        let start = self.at;
        let lump = self.take(number_length(self.rest()));
        let span = start..self.at;
        let digits = lump.strip_prefix('-').unwrap_or(lump);
        let all =
            |text: &str, fits: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|c| fits(&c));
        if let Some(hex) = digits.strip_prefix("0x").filter(|hex| all(hex, u8::is_ascii_hexdigit)) {
            return self.int(i128::from_str_radix(hex, 16).ok(), lump, span);
        }
        if all(digits, u8::is_ascii_digit) {
            if digits.len() > 1 && digits.starts_with('0') {
                let help = "write it without them; hexadecimal numbers start with 0x";
                self.report(span, "a number with leading zeros", help);
                return Plain::Broken;
            }
            return self.int(digits.parse().ok(), lump, span);
        }
        let halves = digits.split_once('.');
        if halves.is_some_and(|(a, b)| all(a, u8::is_ascii_digit) && all(b, u8::is_ascii_digit)) {
            return Plain::Decimal(lump);
        }
        self.address(lump, span)
    }

    fn int(&mut self, size: Option<i128>, lump: &str, span: Span) -> Plain<'t> {
        let signed = size
            .and_then(|size| if lump.starts_with('-') { size.checked_neg() } else { Some(size) });
        match signed.and_then(|number| i64::try_from(number).ok()) {
            Some(number) => Plain::Int(number),
            None => {
                let help = format!("numbers are from {} to {}", i64::MIN, i64::MAX);
                self.report(span, "a number beyond 64 bits", help);
                Plain::Broken
            }
        }
    }

    fn address(&mut self, lump: &str, span: Span) -> Plain<'t> {
        match parse_prefix(lump) {
            Ok(net) if lump.contains('/') => Plain::Network(net),
            Ok(net) => Plain::Address(net.addr()),
            Err(error) => {
                if matches!(error.kind(), CidrProblem::NotAnAddress) {
                    let number = !lump.contains([':', '/']) && lump.matches('.').count() < 3;
                    let lump = snippet(lump);
                    let message =
                        format!("`{lump}` is no {}", if number { "number" } else { "address" });
                    let help = if number {
                        "numbers are whole, as in 250; hexadecimal ones start with 0x"
                    } else {
                        "addresses are written as in 192.0.2.1 or 2001:db8::1, without quotes"
                    };
                    self.report(span, message, help);
                } else {
                    // What is wrong comes first, and what to write after the semicolon.
                    let told = error.kind().to_string();
                    let (message, help) = told.split_once("; ").unwrap_or((&told, ""));
                    self.report(span, message, help);
                }
                Plain::Broken
            }
        }
    }
}

/// The number of hashes, if a raw text starts here.
fn raw_start(rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix('r')?;
    let quote = rest.trim_start_matches('#');
    quote.starts_with('"').then(|| rest.len().saturating_sub(quote.len()))
}

fn word_length(rest: &str) -> usize {
    length_while(rest, in_word)
}

/// Whether an IPv6 address starts here, which no digit need begin.
fn starts_address(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    digits <= 4 && rest.as_bytes().get(digits) == Some(&b':')
}

/// The length of what begins like a number, or like an address.
fn number_length(rest: &str) -> usize {
    let (sign, rest) = match rest.strip_prefix('-') {
        Some(rest) => (1_usize, rest),
        None => (0, rest),
    };
    let mut colon = false;
    let length = length_while(rest, |c| {
        colon |= c == ':';
        // Zones of addresses are taken in to be refused as such.
        in_word(c) || matches!(c, ':' | '/') || colon && c == '%'
    });
    sign.saturating_add(length)
}

/// The length of a word whose characters all fit; a range ends it, too. No more of the text is looked at,
/// however many ranges follow.
fn length_while(rest: &str, mut fits: impl FnMut(char) -> bool) -> usize {
    let mut after_dot = false;
    for (at, c) in rest.char_indices() {
        if !fits(c) {
            return at;
        }
        if c == '.' && after_dot {
            return at.saturating_sub(1);
        }
        after_dot = c == '.';
    }
    rest.len()
}

#[cfg(test)]
mod tests;
