//! Regular expressions over bytes.
//!
//! Compiled as far as their size allows: to a table of all states, a packed table of all states, or
//! else to what the library of regular expressions does best, which makes states as it meets them.
//!
//! # Invariants
//! - **I1** judging takes time linear in the text: there is no backtracking, and what would need it is
//!   refused by the syntax;
//! - **I2** it allocates nothing, apart from an expression too large for a table: that takes memory for its
//!   states when a thread judges by it for the first time, of [`LAZY`] bytes at most, and keeps it;
//! - **I3** what [`required`](Regex::required) says is so in every text that matches. A missed optimisation
//!   is free, a missed attack is a hole.
//!
//! # Bounds
//! [`LARGEST`] bytes compiled, and groups in groups no deeper than [`DEEPEST`].

use alloc::{borrow::ToOwned, boxed::Box, string::String, vec::Vec};
use core::{fmt, ops::Range};

use regex_automata::{
    Input, MatchKind,
    dfa::{Automaton, StartKind, dense, sparse},
    meta,
    nfa::thompson,
    util::prefilter::Prefilter,
};
use regex_syntax::{
    ast,
    hir::{Hir, translate::TranslatorBuilder},
};

use super::required::{Place, Required};

/// The most bytes of one compiled expression.
pub(crate) const LARGEST: usize = 256 * 1024;
/// The most groups in groups.
pub(crate) const DEEPEST: u32 = 64;
/// A table of all states that is kept as it is.
const DENSE: usize = 64 * 1024;
/// A table of all states that is at least tried, and packed.
const TRIED: usize = 512 * 1024;
/// States that are made as they are met.
const LAZY: usize = 128 * 1024;

/// A regular expression, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Regex {
    engine: Engine,
    required: Option<Required>,
}

#[derive(Clone, Debug)]
enum Engine {
    Dense(Box<dense::DFA<Vec<u32>>>),
    Packed(Box<sparse::DFA<Vec<u8>>>),
    Lazy(Box<meta::Regex>),
}

/// What is wrong with a regular expression, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegexError {
    at: Range<usize>,
    what: Box<str>,
    too_large: bool,
}

impl RegexError {
    /// The bytes of the pattern that are wrong.
    pub(crate) fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// Whether it is an expression, but compiled would be larger than [`LARGEST`].
    pub(crate) fn is_too_large(&self) -> bool {
        self.too_large
    }
}

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl core::error::Error for RegexError {}

impl Regex {
    /// Compiles a pattern, in which `\w`, `\d`, `.` and the like mean ASCII and single bytes.
    ///
    /// # Errors
    /// What is no pattern, and what would be larger than [`LARGEST`].
    pub(crate) fn new(pattern: &str) -> Result<Self, RegexError> {
        let hir = parsed(pattern)?;
        let engine = Engine::new(&hir).map_err(|TooLarge| RegexError {
            at: 0..pattern.len(),
            what: alloc::format!("it takes more than {} KiB when compiled", LARGEST / 1024).into(),
            too_large: true,
        })?;
        Ok(Self { engine, required: Required::of(&hir) })
    }

    /// Whether the pattern is found anywhere in the text.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        let input = Input::new(text).earliest(true);
        match &self.engine {
            // Both only fail for bytes at which they were told to give up, and were told of none.
            Engine::Dense(dfa) => matches!(dfa.try_search_fwd(&input), Ok(Some(_))),
            Engine::Packed(dfa) => matches!(dfa.try_search_fwd(&input), Ok(Some(_))),
            Engine::Lazy(regex) => regex.is_match(input),
        }
    }

    /// What every text contains that matches; `None` if nothing is known.
    pub(crate) fn required(&self) -> Option<&Required> {
        self.required.as_ref()
    }

    /// The memory of what is compiled, in bytes, without the struct itself.
    pub(crate) fn memory_bytes(&self) -> usize {
        let engine = match &self.engine {
            Engine::Dense(dfa) => size_of_val(&**dfa).saturating_add(dfa.memory_usage()),
            Engine::Packed(dfa) => size_of_val(&**dfa).saturating_add(dfa.memory_usage()),
            Engine::Lazy(regex) => regex.memory_usage().saturating_add(LAZY),
        };
        let required = self.required.as_ref().map_or(0, Required::memory_bytes);
        engine.saturating_add(required)
    }
}

/// What a pattern says, if it is a plain text in disguise, and where that has to be. Nothing is compiled.
pub(crate) fn literal(pattern: &str) -> Option<(Place, Box<[u8]>)> {
    super::required::literal(&parsed(pattern).ok()?)
}

struct TooLarge;

impl Engine {
    fn new(hir: &Hir) -> Result<Self, TooLarge> {
        let nfa = thompson::Config::new()
            .utf8(false)
            .which_captures(thompson::WhichCaptures::None)
            .nfa_size_limit(Some(LARGEST));
        let nfa =
            thompson::Compiler::new().configure(nfa).build_from_hir(hir).map_err(|_| TooLarge)?;
        // A byte or two are met too often for skipping to be faster than the table.
        let prefilter = Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, hir)
            .filter(|prefilter| prefilter.is_fast() && prefilter.max_needle_len() > 2);
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .prefilter(prefilter)
            .dfa_size_limit(Some(TRIED))
            .determinize_size_limit(Some(TRIED));
        if let Ok(dfa) = dense::Builder::new().configure(config).build_from_nfa(&nfa) {
            if dfa.memory_usage() <= DENSE {
                return Ok(Self::Dense(Box::new(dfa)));
            }
            if let Ok(packed) = dfa.to_sparse() {
                if packed.memory_usage() <= LARGEST {
                    return Ok(Self::Packed(Box::new(packed)));
                }
            }
        }
        let config = meta::Config::new()
            .utf8_empty(false)
            .which_captures(thompson::WhichCaptures::None)
            .nfa_size_limit(Some(LARGEST))
            .onepass(false)
            .dfa(false)
            .backtrack(false)
            .hybrid_cache_capacity(LAZY);
        let regex =
            meta::Builder::new().configure(config).build_from_hir(hir).map_err(|_| TooLarge)?;
        if regex.memory_usage() > LARGEST {
            return Err(TooLarge);
        }
        Ok(Self::Lazy(Box::new(regex)))
    }
}

fn parsed(pattern: &str) -> Result<Hir, RegexError> {
    let mut parser = ast::parse::ParserBuilder::new().nest_limit(DEEPEST).build();
    let tree = parser.parse(pattern).map_err(|error| refusal(&error.into()))?;
    if let Err(at) = ast::visit(&tree, BytesOnly) {
        return Err(RegexError { at, what: NO_UNICODE.into(), too_large: false });
    }
    let mut translator = TranslatorBuilder::new().unicode(false).utf8(false).build();
    translator.translate(pattern, &tree).map_err(|error| refusal(&error.into()))
}

const NO_UNICODE: &str = "classes of Unicode are not available: patterns are over bytes";

/// Finds the flag `u`. What it does depends on what else a service is built of: tables of Unicode may
/// or may not be there, and a rule must mean the same everywhere.
struct BytesOnly;

impl ast::Visitor for BytesOnly {
    type Output = ();
    type Err = Range<usize>;

    fn finish(self) -> Result<(), Range<usize>> {
        Ok(())
    }

    fn visit_pre(&mut self, part: &ast::Ast) -> Result<(), Range<usize>> {
        let flags = match part {
            ast::Ast::Flags(set) => Some(&set.flags),
            ast::Ast::Group(group) => group.flags(),
            _ => None,
        };
        match flags {
            Some(flags) if flags.flag_state(ast::Flag::Unicode) == Some(true) => {
                Err(bytes_of(&flags.span))
            }
            _ => Ok(()),
        }
    }
}

fn bytes_of(span: &ast::Span) -> Range<usize> {
    span.start.offset..span.end.offset
}

/// What the parser says, in words for those who write rules.
fn refusal(error: &regex_syntax::Error) -> RegexError {
    use ast::ErrorKind as Kind;
    let (at, what): (_, String) = match error {
        regex_syntax::Error::Parse(error) => {
            let what = match error.kind() {
                Kind::UnsupportedLookAround => {
                    "look-around is not available: it can not be judged in one pass over the text; \
                     write a second condition, with `not` if need be"
                        .to_owned()
                }
                Kind::UnsupportedBackreference => {
                    "back-references are not available: they can not be judged in one pass over the \
                     text"
                        .to_owned()
                }
                Kind::NestLimitExceeded(limit) => {
                    alloc::format!("groups in groups are deeper than {limit}")
                }
                kind => alloc::format!("{kind}"),
            };
            (bytes_of(error.span()), what)
        }
        regex_syntax::Error::Translate(error) => {
            use regex_syntax::hir::ErrorKind as Kind;
            let what = match error.kind() {
                Kind::UnicodePropertyNotFound
                | Kind::UnicodePropertyValueNotFound
                | Kind::UnicodePerlClassNotFound
                | Kind::UnicodeCaseUnavailable
                | Kind::UnicodeNotAllowed => NO_UNICODE.to_owned(),
                kind => alloc::format!("{kind}"),
            };
            (bytes_of(error.span()), what)
        }
        error => (0..0, alloc::format!("{error}")),
    };
    RegexError { at, what: what.into(), too_large: false }
}

#[cfg(test)]
mod tests;
