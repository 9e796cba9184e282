//! Why a condition does not hold: which part of it fails.
//!
//! A conjunction fails by its first part that does; every other condition fails as a whole.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::{
    expr::{Expr, Node},
    facts::Facts,
    index::{Index, Names},
    set::RuleSet,
};

impl RuleSet {
    /// The part of a rule's condition that does not hold for these facts; `None` if all parts of it do.
    ///
    /// # Cost
    /// The parts are compiled each time.
    pub(crate) fn failing_part(&self, rule: usize, facts: &Facts<'_>) -> Option<Expr> {
        let Expr(when) = self.rules().get(rule)?.when();
        let parts: Vec<Expr> = match when {
            Node::And(parts) => parts.iter().cloned().map(Expr).collect(),
            other => alloc::vec![Expr(other.clone())],
        };
        let names = Names { lists: self.lists(), tags: self.tags() };
        // A part of what could be compiled can be.
        let index = Index::build(parts.clone(), &names).ok()?;
        let mut first_failing = 0;
        index.walk(facts, |part| {
            if part == first_failing {
                first_failing = part.saturating_add(1);
                return ControlFlow::Continue(());
            }
            ControlFlow::Break(())
        });
        parts.into_iter().nth(first_failing)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        request::{Request, canonical::Canonical},
        rule::{Facts, Lists, Rule, RuleSet, Scheme},
    };

    #[test]
    fn the_first_part_that_fails_is_named() {
        let scheme = Scheme::new();
        for (when, failing) in [
            (r#"method eq "GET" and path eq "/a" and host eq "h""#, Some(r#"path eq "/a""#)),
            (r#"method eq "PUT" and path eq "/a""#, Some(r#"method eq "PUT""#)),
            (r#"method eq "GET" and host eq "x""#, Some(r#"host eq "x""#)),
            (r#"method eq "PUT" or path eq "/a""#, Some(r#"method eq "PUT" or path eq "/a""#)),
            (r#"not method eq "GET""#, Some(r#"method ne "GET""#)),
            (r#"method eq "GET" and host eq "h""#, None),
        ] {
            let rule = Rule::new("r", scheme.parse(when).unwrap());
            let set = RuleSet::new([rule], Lists::new()).unwrap();
            let request = Request::new(None).method("GET").host("h").target("/b");
            let found = Canonical::with(&request, |canonical| {
                set.failing_part(0, &Facts::of(&request, canonical, set.lists()))
            });
            assert_eq!(found, failing.map(|part| scheme.parse(part).unwrap()), "{when}");
        }
    }
}
