//! What is wrong with a text, and how to mend it.
//!
//! Whoever finds a mistake knows the bytes of the text that it read. If that text lies in a file, its
//! bytes are made those of the file, and what the file says there is added as a
//! [place](Diagnostic::at_place); so all mistakes of a file end up in one [`Diagnostics`], in the order
//! of the file, however many texts it is made of.
//!
//! # Invariants
//! - **I1** a diagnostic in a [`Diagnostics`] has a span that lies within the text and on boundaries of
//!   characters, with its line and column, or none;
//! - **I2** what concerns the whole text comes first, the rest by where it begins.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, ops::Range};

pub use super::code::Code;
use super::render;

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// It works, and is probably not what was meant, or slower than need be.
    Warning,
    /// It can not be used.
    Error,
}

/// One mistake, or one doubt, in a text.
///
/// It prints as a few lines without the text; [`Diagnostics`] prints it with the text and carets.
///
/// # Example: pointing an editor at it
/// ```
/// use portcullis::rule::Scheme;
///
/// let mistakes = Scheme::new().parse("path eq \"/\" and\n  hots eq \"a\"").unwrap_err();
/// let mistake = mistakes.iter().next().unwrap();
/// assert_eq!((mistake.line(), mistake.column()), (Some(2), Some(3)));
/// assert_eq!(mistake.span(), Some(18..22));
/// assert_eq!(mistake.code().as_str(), "P0102");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Bytes of the text; `None` if it concerns the whole.
    pub(crate) span: Option<Range<usize>>,
    /// Where that is for a reader: `rule "block-login-floods", when`.
    pub(crate) place: Option<String>,
    pub(crate) help: Option<String>,
    /// Where the span begins; known once the text is.
    pub(crate) position: Option<Position>,
}

/// A place in a text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    /// In characters.
    pub(crate) column: usize,
}

/// All that is wrong with a text.
///
/// It prints each mistake with its line, with carets under exactly what is wrong, and with what helps.
///
/// # Example: three mistakes at once
/// ```
/// use portcullis::rule::Scheme;
///
/// let text = r#"pth eq "/login" and host = "a" or ip.src in 10.0.0.1/8"#;
/// let mistakes = Scheme::new().parse(text).unwrap_err();
/// assert_eq!(mistakes.len(), 3);
/// let shown = mistakes.to_string();
/// assert!(shown.starts_with("error[P0102]: unknown field `pth`\n"));
/// assert!(shown.contains("did you mean `path`"));
/// ```
#[derive(Clone)]
pub struct Diagnostics {
    /// The name of the text: a file's, say.
    pub(crate) origin: Option<Arc<str>>,
    pub(crate) text: Arc<str>,
    pub(crate) found: Vec<Diagnostic>,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::of_whole(code, message) }
    }

    /// One that concerns a text as a whole, or no text at all.
    pub(crate) fn of_whole(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span: None, place: None, help: None, position: None }
    }

    /// With what helps.
    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// With where that is for a reader.
    pub(crate) fn at_place(self, place: impl Into<String>) -> Self {
        Self { place: Some(place.into()), ..self }
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// How grave it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What helps, if somebody knows.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// What part of a configuration it is in, for a reader: `rule "block-login-floods", when`.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// The bytes of the text that are wrong; `None` if it concerns the whole.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// The line where that begins, from 1; `None` if it concerns the whole.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.position.map(|position| position.line)
    }

    /// The character of the line where that begins, from 1; `None` if it concerns the whole.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.position.map(|position| position.column)
    }
}

impl Diagnostics {
    /// What was found in a text, in any order.
    pub(crate) fn new(text: &str, mut found: Vec<Diagnostic>) -> Self {
        found.iter_mut().for_each(|diagnostic| diagnostic.clamp_to(text));
        found.sort_by_key(|diagnostic| diagnostic.span.as_ref().map(|span| (span.start, span.end)));
        // One sweep places them all, however many there are and however long the lines.
        let mut sweep = Sweep { rest: text, at: 0, position: Position { line: 1, column: 1 } };
        for diagnostic in &mut found {
            if let Some(span) = &diagnostic.span {
                diagnostic.position = Some(sweep.to(span.start));
            }
        }
        Self { origin: None, text: Arc::from(text), found }
    }

    /// What was found in what has no text.
    pub(crate) fn without_text(found: Vec<Diagnostic>) -> Self {
        let whole = |diagnostic| Diagnostic { span: None, position: None, ..diagnostic };
        Self::new("", found.into_iter().map(whole).collect())
    }

    /// With a name for the text: a file's, say, which is shown before line and column.
    #[must_use]
    pub fn with_origin(self, name: &str) -> Self {
        Self { origin: Some(Arc::from(name)), ..self }
    }

    /// The mistakes, in the order of the text.
    pub fn iter(&self) -> core::slice::Iter<'_, Diagnostic> {
        self.found.iter()
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are none; never so in an error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl Diagnostic {
    /// I1: a span that does not fit is made to fit.
    fn clamp_to(&mut self, text: &str) {
        if let Some(span) = &mut self.span {
            let mut start = span.start.min(text.len());
            while !text.is_char_boundary(start) {
                start = start.saturating_sub(1);
            }
            let mut end = span.end.clamp(start, text.len());
            while !text.is_char_boundary(end) {
                end = end.saturating_add(1);
            }
            *span = start..end;
        }
    }
}

/// Goes through a text once and counts lines and characters.
struct Sweep<'t> {
    rest: &'t str,
    at: usize,
    position: Position,
}

impl Sweep<'_> {
    /// Goes on to this byte, which is not before the last one.
    fn to(&mut self, byte: usize) -> Position {
        let ahead = byte.saturating_sub(self.at);
        let Some((passed, rest)) = self.rest.split_at_checked(ahead) else {
            return self.position;
        };
        for character in passed.chars() {
            let Position { line, column } = &mut self.position;
            if character == '\n' {
                *line = line.saturating_add(1);
                *column = 1;
            } else {
                *column = column.saturating_add(1);
            }
        }
        self.rest = rest;
        self.at = byte;
        self.position
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        render::diagnostic(f, self, None, None)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, diagnostic) in self.found.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            render::diagnostic(f, diagnostic, self.origin.as_deref(), Some(&self.text))?;
        }
        Ok(())
    }
}

/// As it prints: whoever unwraps an error sees what is wrong.
impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl core::error::Error for Diagnostics {}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = core::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
