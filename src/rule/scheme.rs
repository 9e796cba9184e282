//! What names an expression can use.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    check,
    diagnostic::{Diagnostic, Diagnostics},
    expr::{Expr, Name, Term},
    field::{BUILTINS, Phase, SUPPLIED, Type},
};

/// The names that expressions can use: fields of the service's own, lists, limits.
///
/// Fields of requests are always there. The language is described [with its module](crate::rule#the-language).
///
/// # Example: a condition, and a value to count by
/// ```
/// use portcullis::rule::{Scheme, Type};
///
/// let scheme = Scheme::new().field("tenant", Type::Bytes).limit("logins");
/// let condition = scheme.parse(r#"tenant eq "free" and counter("logins") ge 3"#)?;
/// let by = scheme.parse_term("cidr(ip.src, 24, 64)")?;
/// assert_eq!(by.to_string(), "cidr(ip.src, 24, 64)");
/// # Ok::<(), portcullis::rule::Diagnostics>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Scheme {
    pub(crate) fields: BTreeMap<Name, Type>,
    pub(crate) lists: BTreeMap<Name, Type>,
    pub(crate) limits: Vec<Name>,
}

impl Scheme {
    /// The fields of requests, and nothing else.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a field of the service's own, whose value comes with each [request](crate::Request::field).
    ///
    /// A name is letters, digits, `_` and `.`, and begins with a letter or `_`: others cannot be written in a
    /// text. Names that fields of requests have, and their short forms, stay theirs: a gate is not built with
    /// them.
    #[must_use]
    pub fn field(mut self, name: &str, holds: Type) -> Self {
        self.fields.insert(Name::from(name), holds);
        self
    }

    /// The fields of requests and responses, each with its other names and what it is in a few words: for
    /// completion, and for help. Those of the service's own are not among them.
    ///
    /// # Example: looking a field up
    /// ```
    /// use portcullis::rule::Scheme;
    ///
    /// let found = Scheme::fields().find(|(_, aliases, _)| aliases.contains(&"path"));
    /// assert_eq!(found, Some(("http.request.uri.path", &["path"][..], "the canonical path")));
    /// ```
    pub fn fields() -> impl Iterator<Item = (&'static str, &'static [&'static str], &'static str)> {
        let builtins = BUILTINS.iter().map(|entry| (entry.name, entry.aliases, entry.about));
        builtins.chain(SUPPLIED.iter().map(|(name, aliases, _, about)| (*name, *aliases, *about)))
    }

    /// With a list, which expressions name with a `$`.
    #[must_use]
    pub fn list(mut self, name: &str, holds: Type) -> Self {
        self.lists.insert(Name::from(name), holds);
        self
    }

    /// With a limit, which expressions can ask with `counter("name")`.
    #[must_use]
    pub fn limit(mut self, name: &str) -> Self {
        self.limits.push(Name::from(name));
        self
    }

    /// The condition that a text says.
    ///
    /// # Errors
    /// All mistakes at once, in the order of the text: up to 100 of them. Texts of more than 16 KiB, 4,096
    /// comparisons or 64 levels are refused.
    ///
    /// # Cost
    /// Linear in the text, apart from regular expressions, which are compiled to be checked.
    pub fn parse(&self, text: &str) -> Result<Expr, Diagnostics> {
        self.parse_in(text, Phase::Request).map_err(|found| Diagnostics::new(text, found))
    }

    /// The value that a text says: a field, a header, a function of one.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse_term(&self, text: &str) -> Result<Term, Diagnostics> {
        self.parse_term_in(text, Phase::Request).map_err(|found| Diagnostics::new(text, found))
    }

    /// The condition that a text says about a request and its response, for
    /// [`count_if`](crate::gate::LimitRule::count_if).
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse_response(&self, text: &str) -> Result<Expr, Diagnostics> {
        self.parse_in(text, Phase::Response).map_err(|found| Diagnostics::new(text, found))
    }

    /// The value that a text says, of a request or its response, for
    /// [`cost_of`](crate::gate::LimitRule::cost_of).
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse_response_term(&self, text: &str) -> Result<Term, Diagnostics> {
        self.parse_term_in(text, Phase::Response).map_err(|found| Diagnostics::new(text, found))
    }

    /// The same, with the fields that this phase has.
    pub(crate) fn parse_in(&self, text: &str, phase: Phase) -> Result<Expr, Vec<Diagnostic>> {
        check::expr(self, text, phase)
    }

    /// The same, with the fields that this phase has.
    pub(crate) fn parse_term_in(&self, text: &str, phase: Phase) -> Result<Term, Vec<Diagnostic>> {
        check::term(self, text, phase)
    }
}
