//! What is wrong with a text, and how to mend it.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, ops::Range};

/// One mistake, or one doubt, in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Bytes of the text; `None` if it concerns the whole.
    pub(crate) span: Option<Range<usize>>,
    /// Where that is for a reader: `rule "block-login-floods", when`.
    pub(crate) place: Option<String>,
    pub(crate) help: Option<String>,
}

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// The text does not follow the grammar.
    Syntax,
    /// A text, a number or an address is not written as it should be.
    Literal,
    /// There is no field of this name.
    UnknownField,
    /// There is no function of this name.
    UnknownFunction,
    /// There is no such operator.
    UnknownOperator,
    /// There is no list of this name.
    UnknownList,
    /// There is no limit of this name.
    UnknownLimit,
    /// A value is of another type than its place needs.
    Type,
    /// A function is given too few, too many or unfit arguments.
    Arguments,
    /// `[*]`, `any` and `all` do not belong together here.
    Each,
    /// The field has no value in this phase.
    Phase,
    /// A regular expression is not one, or is too large.
    Regex,
    /// A wildcard pattern has `**`, or too many stars.
    Wildcard,
    /// The text is longer than texts may be.
    TooLong,
    /// Parentheses, `not` and functions are nested too deeply.
    TooDeep,
    /// There are more tests in the expression than there may be.
    TooManyTests,
}

/// All that is wrong with a text.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// The name of the text: a file's, say.
    pub(crate) origin: Option<Arc<str>>,
    pub(crate) text: Arc<str>,
    pub(crate) found: Vec<Diagnostic>,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span: Some(span), place: None, help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }
}

impl Diagnostics {
    pub(crate) fn new(text: &str, found: Vec<Diagnostic>) -> Self {
        Self { origin: None, text: Arc::from(text), found }
    }

    /// The mistakes, in the order of the text.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Diagnostic> {
        self.found.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.found {
            writeln!(f, "error: {}", diagnostic.message)?;
        }
        Ok(())
    }
}

impl core::error::Error for Diagnostics {}
