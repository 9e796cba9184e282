//! A set of rules, compiled.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{fmt, ops::ControlFlow};

use super::{
    diagnostic::{Code, Diagnostic, Diagnostics},
    expr::{Expr, Name},
    facts::Facts,
    field::Kind,
    index::{Hits, Index, Names},
    lint::lint,
    list::Lists,
    mentions::Mention,
    rule::{Action, Rule, RuleMode},
};
use crate::{
    error::snippet,
    request::{Request, canonical::Canonical},
};

/// Rules in their order, compiled to be judged together. Clones share what is compiled.
#[derive(Clone)]
pub struct RuleSet {
    compiled: Arc<Compiled>,
    lists: Arc<Lists>,
}

/// Tags that rules can set: a bit each.
const MOST_TAGS: usize = 64;

pub(crate) struct Compiled {
    /// By priority, then as they were given; without those that are off.
    pub(crate) rules: Box<[Rule]>,
    pub(crate) tags: Box<[Name]>,
    index: Index,
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RuleSet").field(&self.compiled.rules).finish()
    }
}

impl RuleSet {
    /// Compiles rules that may name these lists.
    ///
    /// # Errors
    /// Every list that a condition names and that is not there, or holds values of another type; or the first
    /// limit that is exceeded: of one condition, or of all together.
    pub fn new(rules: impl IntoIterator<Item = Rule>, lists: Lists) -> Result<Self, Diagnostics> {
        let mut rules: Vec<Rule> =
            rules.into_iter().filter(|rule| rule.mode != RuleMode::Off).collect();
        rules.sort_by_key(|rule| rule.priority);
        let mut tags: Vec<Name> = Vec::new();
        for action in rules.iter().flat_map(|rule| &rule.actions) {
            if let Action::Tag(name) = action {
                if !tags.contains(name) {
                    tags.push(Name::clone(name));
                }
            }
        }
        if tags.len() > MOST_TAGS {
            let message = alloc::format!("{} tags are too many; at most {MOST_TAGS}", tags.len());
            let found = Diagnostic::of_whole(Code::TooManyTags, message);
            return Err(Diagnostics::without_text(alloc::vec![found]));
        }
        let unfit = unfit_lists(&rules, &lists);
        if !unfit.is_empty() {
            return Err(Diagnostics::without_text(unfit));
        }
        let exprs: Vec<Expr> = rules.iter().map(|rule| rule.when.clone()).collect();
        let names = Names { lists: &lists, tags: &tags };
        let index = Index::build(exprs, &names).map_err(|(at, what)| {
            let (code, message) = what.told();
            let found = Diagnostic::of_whole(code, message);
            let name = rules.get(at).map_or_else(String::new, |rule| rule.place());
            Diagnostics::without_text(alloc::vec![found.at_place(name)])
        })?;
        let compiled = Compiled { rules: rules.into(), tags: tags.into(), index };
        Ok(Self { compiled: Arc::new(compiled), lists: Arc::new(lists) })
    }

    /// The same rules with other content of their lists. Nothing is compiled again.
    #[must_use]
    pub(crate) fn with_lists(&self, lists: Lists) -> Self {
        Self { compiled: Arc::clone(&self.compiled), lists: Arc::new(lists) }
    }

    /// The first rule whose condition holds for a request that came straight from its peer.
    #[must_use]
    pub fn first_match(&self, request: &Request<'_>) -> Option<&Rule> {
        let Compiled { rules, index, .. } = &*self.compiled;
        let mut hits = Hits::new();
        if index.finds_without_target() {
            let facts = Facts::of(request, &Canonical::NOTHING, &self.lists);
            index.find(&facts, &mut hits);
            if hits.is_empty() {
                // Most requests end here, and their target is not looked at.
                return None;
            }
        }
        Canonical::with_only(request, index.needs(), |canonical| {
            let facts = Facts::of(request, canonical, &self.lists);
            let mut first = None;
            let visit = |at| {
                first = rules.get(at);
                ControlFlow::Break(())
            };
            if hits.is_empty() {
                index.walk(&facts, visit);
            } else {
                index.walk_found(&hits, &facts, visit);
            }
            first
        })
    }

    /// What is probably not meant, or slower than need be: rules that are never reached, conditions that
    /// are always the same, regular expressions that are only words, and [more](Code).
    ///
    /// Each is a warning with the name of its rule. The list is in the order of the rules; it says what is
    /// true of the rules as they are, and of the lists as they are now.
    ///
    /// # Example: a rule that is never asked
    /// ```
    /// use portcullis::rule::{Action, Code, Lists, Rule, RuleSet, Scheme};
    ///
    /// let scheme = Scheme::new();
    /// let rules = [
    ///     Rule::new("static files", scheme.parse(r#"path starts_with "/static/""#)?)
    ///         .then(Action::Allow { bypass_limits: false, bypass_shedding: false }),
    ///     Rule::new("no uploads", scheme.parse(r#"method eq "PUT" and path starts_with "/static/""#)?)
    ///         .then(Action::Deny { status: 403 }),
    /// ];
    /// let lints = RuleSet::new(rules, Lists::new())?.lints();
    /// assert_eq!(lints.len(), 1);
    /// assert_eq!(lints[0].code(), Code::Unreachable);
    /// assert_eq!(
    ///     lints[0].to_string(),
    ///     "warning[P0601]: no request comes as far as this rule: rule \"static files\" ends them all\n \
    ///      --> rule \"no uploads\"\n  \
    ///      = help: move it before that rule, by a lower priority, or remove it\n"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cost
    /// In proportion to the rules, but for a part that does not grow. It is for when rules are loaded, not for
    /// each request.
    #[must_use]
    pub fn lints(&self) -> Vec<Diagnostic> {
        lint(&self.compiled.rules, &self.lists, &self.compiled.index)
    }

    /// The rules, in the order in which they are judged.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.compiled.rules
    }

    pub(crate) fn lists(&self) -> &Arc<Lists> {
        &self.lists
    }

    pub(crate) fn index(&self) -> &Index {
        &self.compiled.index
    }

    pub(crate) fn tags(&self) -> &[Name] {
        &self.compiled.tags
    }

    /// The memory of the compiled rules, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.compiled.index.memory_bytes()
    }
}

/// Lists that are not there, or that hold something else than what is looked for: no value would ever be in one.
fn unfit_lists(rules: &[Rule], lists: &Lists) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in rules {
        rule.when.each_mention(&mut |mention| {
            let Mention::List(name, kind) = mention else { return };
            let shown = snippet(name);
            let unfit = match lists.get(name) {
                None => (Code::UnknownList, alloc::format!("list `${shown}` is not defined")),
                Some(list) if Kind::from(list.holds()) != kind => {
                    (Code::Type, alloc::format!("list `${shown}` holds values of another type"))
                }
                Some(_) => return,
            };
            let unfit = Diagnostic::of_whole(unfit.0, unfit.1).at_place(rule.place());
            // It may be named often.
            if found.last() != Some(&unfit) {
                found.push(unfit);
            }
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use std::{format, string::ToString, vec::Vec};

    use super::{
        super::{Code, Scheme},
        *,
    };

    /// What is found before the target is looked at is judged with it.
    #[test]
    fn rules_that_are_found_by_addresses_read_all_of_a_request() {
        let found = |when: &str, target: &str| {
            let when = Scheme::new().parse(when).unwrap();
            let set = RuleSet::new([Rule::new("rule", when)], Lists::new()).unwrap();
            let request = Request::new(core::net::IpAddr::from([10, 0, 0, 1])).target(target);
            set.first_match(&request.host("H.example")).is_some()
        };
        let longer = format!("/{}", "a".repeat(8 * 1024));
        for (when, target, holds) in [
            ("ip.src in {10.0.0.0/8} and path eq \"/a\"", "/b/../a", true),
            ("ip.src in {10.0.0.0/8} and path eq \"/a\"", "/b", false),
            ("ip.src in {11.0.0.0/8} and path eq \"/a\"", "/a", false),
            ("ip.src in {10.0.0.0/8} and host eq \"h.example\"", "", true),
            ("request.oversize", &longer, true),
            ("request.oversize", "/a", false),
            ("not path eq \"/a\"", "/b", true),
            ("not path eq \"/a\"", "/a", false),
        ] {
            assert_eq!(found(when, target), holds, "{when} {target}");
        }
    }

    /// Cookies as they are written, in one line or in many; what the reference reads is read by the same code.
    #[test]
    fn cookies_are_read_by_their_names() {
        let found = |when: &str, lines: &[&str]| {
            let set =
                RuleSet::new([Rule::new("r", Scheme::new().parse(when).unwrap())], Lists::new());
            let request = lines
                .iter()
                .fold(Request::new(None), |request, line| request.header("Cookie", *line));
            set.unwrap().first_match(&request).is_some()
        };
        for (when, lines, holds) in [
            ("cookie[\"b\"] eq \"2\"", &["a=1; b=2;c=3"][..], true),
            ("cookie[\"c\"] eq \"3\"", &["a=1; b=2;c=3"], true),
            ("cookie[\"a\"] eq \"1; b=2\"", &["a=1; b=2"], false),
            ("cookie[\"b\"] eq \"2\"", &["a=1", " b = 2 "], true),
            ("cookie[\"b\"] eq \"x=y\"", &["b=x=y"], true),
            ("cookie[\"B\"] eq \"2\"", &["b=2"], false),
            ("cookie[\"b\"] eq \"2\"", &["b=1; b=2"], false),
            ("any(cookies[\"b\"][*] eq \"2\")", &["b=1; b=2"], true),
            ("exists(cookie[\"b\"])", &["b"], false),
            ("exists(cookie[\"b\"])", &["b="], true),
        ] {
            assert_eq!(found(when, lines), holds, "{when} {lines:?}");
        }
    }

    /// What is in a list and what is not, of every type of list.
    #[test]
    fn lists_hold_for_what_is_in_them() {
        let scheme = Scheme::new()
            .list("paths", crate::rule::Type::Bytes)
            .list("lengths", crate::rule::Type::Int)
            .list("office", crate::rule::Type::Ip);
        let mut lists = Lists::new();
        lists.set("paths", ["/a", "/b"].into_iter().collect::<crate::rule::TextSet>());
        lists.set("lengths", [2, 5].into_iter().collect::<crate::rule::NumberSet>());
        lists.set("office", "10.0.0.0/8".parse::<crate::CidrSet>().unwrap());
        for (when, target, holds) in [
            ("path in $paths", "/a", true),
            ("path in $paths", "/c", false),
            ("not path in $paths", "/b", false),
            ("len(path) in $lengths", "/b", true),
            ("len(path) in $lengths", "/bb", false),
            ("ip.src in $office", "/", true),
        ] {
            let rule = Rule::new("rule", scheme.parse(when).unwrap());
            let set = RuleSet::new([rule], lists.clone()).unwrap();
            let request = Request::new(core::net::IpAddr::from([10, 0, 0, 1])).target(target);
            assert_eq!(set.first_match(&request).is_some(), holds, "{when} {target}");
        }
        assert!(set_bytes(1) > 0 && set_bytes(100) > set_bytes(1) + 99 * 10);
    }

    fn set_bytes(rules: usize) -> usize {
        let path = |at: usize| crate::rule::build::field::path().eq(format!("/a/path/{at}"));
        let rule = |at: usize| Rule::new(&format!("{at}"), path(at));
        RuleSet::new((0..rules).map(rule), Lists::new()).unwrap().memory_bytes()
    }

    /// Each flag of a target is read by its own field, and by no other.
    #[test]
    fn flags_of_a_target_are_those_that_rules_ask_for() {
        let targets = [
            ("dot_segments", "/a/../b"),
            ("encoded_slash", "/a%2fb"),
            ("double_encoded", "/%2561"),
            ("bad_percent", "/a%"),
            ("nul", "/%00"),
            ("backslash", "/a\\b"),
            ("double_slash", "/a//b"),
            ("non_utf8", "/%ff"),
        ];
        let rule = |(flag, _): &(&str, &str)| {
            let when = Scheme::new().parse(&format!("uri.flags.{flag}")).unwrap();
            Rule::new(flag, when)
        };
        let set = RuleSet::new(targets.iter().map(rule), Lists::new()).unwrap();
        for (flag, target) in targets {
            let request = Request::new(None).target(target);
            assert_eq!(set.first_match(&request).map(Rule::name), Some(flag));
        }
        assert_eq!(set.first_match(&Request::new(None).target("/a/%e2%82%ac?b=%25")), None);
    }

    /// The first in the order of priorities, of those that are not off.
    #[test]
    fn the_first_rule_that_holds_is_found() {
        let rule = |name: &str, when: &str| Rule::new(name, Scheme::new().parse(when).unwrap());
        let rules = [
            rule("late", "path starts_with \"/\"").priority(2),
            rule("off", "path starts_with \"/a\"").mode(RuleMode::Off),
            rule("first", "path eq \"/a\""),
            rule("second", "path starts_with \"/a\" or path eq \"/b\""),
            rule("early", "path eq \"/c\"").priority(-1),
            rule("hidden", "path eq \"/c\"").mode(RuleMode::Shadow),
        ];
        let set = RuleSet::new(rules, Lists::new()).unwrap();
        let names: Vec<_> = set.rules().iter().map(Rule::name).collect();
        assert_eq!(names, ["early", "first", "second", "hidden", "late"]);
        for (target, name) in
            [("/a", "first"), ("/ab", "second"), ("/b", "second"), ("/c", "early"), ("/d", "late")]
        {
            let found = set.first_match(&Request::new(None).target(target));
            assert_eq!(found.map(Rule::name), Some(name), "{target}");
        }
        assert!(set.memory_bytes() > 5 * 20);
        let more = set.rules().iter().cloned().chain([rule("more", "query contains \"a\"")]);
        let more = RuleSet::new(more, Lists::new()).unwrap();
        assert!(more.memory_bytes() > set.memory_bytes());
    }

    /// Else a slip of the pen would be a rule that never holds.
    #[test]
    fn lists_that_are_not_there_or_of_another_type_are_refused() {
        let path = || crate::rule::build::field::path();
        let rules = [
            Rule::new("typo", path().in_list("pahts").or(path().in_list("pahts"))),
            Rule::new("type", path().lower().in_list("office").not()),
            Rule::new("fine", path().in_list("paths")),
        ];
        let mut lists = Lists::new();
        lists.set("office", crate::cidr::CidrSet::new());
        lists.set("paths", crate::rule::TextSet::default());
        let refused = RuleSet::new(rules.clone(), lists.clone()).err().unwrap();
        let refused: Vec<_> = refused.iter().map(|found| (found.code(), found.place())).collect();
        let typo = (Code::UnknownList, Some("rule \"typo\""));
        assert_eq!(refused, [typo, (Code::Type, Some("rule \"type\""))]);
        let [.., fine] = rules;
        assert!(RuleSet::new([fine], lists).is_ok());
    }

    /// A tag without a bit would never be seen by later rules.
    #[test]
    fn more_tags_than_bits_are_refused() {
        let rules = |tags: usize| -> Vec<Rule> {
            let when = Scheme::new().parse("ssl").unwrap();
            let tag = |at| Action::Tag(format!("tag {at}").as_str().into());
            (0..tags).map(|at| Rule::new(&at.to_string(), when.clone()).then(tag(at))).collect()
        };
        assert!(RuleSet::new(rules(64), Lists::new()).is_ok());
        let refused = RuleSet::new(rules(65), Lists::new()).err().unwrap();
        assert_eq!(refused.iter().map(Diagnostic::code).collect::<Vec<_>>(), [Code::TooManyTags]);
    }
}
