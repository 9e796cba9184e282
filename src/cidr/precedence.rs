//! [`AccessList`]: what is allowed and what is denied, in one list, and which entry counts.
//!
//! Two sets are not a policy. With 10.0.0.0/8 allowed and 10.1.0.0/16 denied, 10.1.2.3 is in both, and
//! "allowed", "denied" and "depends on the order" are all in use. So the rule is named where the list is
//! made, and so is what holds for addresses in no entry.
//!
//! # How
//! Whatever the rule, the outcome of an address is fixed once the entries are. Prefixes nest: of two that
//! share an address, one holds the other. So they are gone through from the outside to the inside, and
//! one that loses against what holds it is dropped. Among those that are left, the longest prefix wins in
//! every case, and that is what a table answers in one look-up.
//!
//! Invariant, with a test that cites it:
//! - **P1** for each address the outcome, and the prefix that it is due to, are those of going through
//!   all entries by the rule, one by one.

use alloc::vec::Vec;
use core::{fmt, net::IpAddr};

use ipnet::IpNet;

use super::{
    addr::{Bits, Number, Prefix, v4_net, v6_net},
    runs::{Mark, of_prefixes},
    table::Table,
    v4::Map4,
    v6::Map6,
};

/// Whether an address may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

/// Which entry counts for an address that several hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precedence {
    /// The longest prefix. Where one prefix is both allowed and denied, it is denied.
    MostSpecific,
    /// Any entry that denies, else any that allows.
    DenyWins,
    /// The first in the order in which the entries are given.
    FirstMatch,
}

/// Allowed and denied prefixes with a rule for where they meet.
///
/// Addresses and prefixes are taken as in [`CidrSet`](super::CidrSet#what-prefixes-mean):
/// IPv4-mapped ones are IPv4, and the host bits of a prefix are cut off. In a list of who is let in that
/// may let in more than was meant: read texts with [`lines`](fn@super::lines), which refuses them.
///
/// # Memory
/// At most two runs for each entry. Entries that change nothing take none, and entries that touch, and
/// agree in length and access, share theirs.
///
/// # Cost
/// `O(n log n)` to build from `n` entries; one look-up in a table for each address, whatever the rule.
///
/// # Example: an exception from an exception
/// ```
/// use portcullis::{cidr::{Access, AccessList, Precedence}, ipnet::IpNet};
///
/// let entries: [(IpNet, Access); 3] = [
///     ("10.0.0.0/8".parse()?, Access::Allow),
///     ("10.1.0.0/16".parse()?, Access::Deny),
///     ("10.1.2.0/24".parse()?, Access::Allow),
/// ];
/// let list = |rule| AccessList::new(rule, Access::Deny, entries);
///
/// let staff = list(Precedence::MostSpecific);
/// assert_eq!(staff.decide("10.9.9.9".parse()?), Access::Allow);
/// assert_eq!(staff.decide("10.1.9.9".parse()?), Access::Deny);
/// assert_eq!(staff.decide("10.1.2.9".parse()?), Access::Allow);
/// assert_eq!(staff.decide("192.0.2.1".parse()?), Access::Deny);
/// assert_eq!(staff.explain("10.1.9.9".parse()?).prefix, Some("10.1.0.0/16".parse()?));
///
/// assert_eq!(list(Precedence::DenyWins).decide("10.1.2.9".parse()?), Access::Deny);
/// assert_eq!(list(Precedence::FirstMatch).decide("10.1.9.9".parse()?), Access::Allow);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AccessList {
    v4: Map4,
    v6: Map6,
    precedence: Precedence,
    otherwise: Access,
}

/// An outcome and what it is due to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ruling {
    /// The outcome.
    pub access: Access,
    /// The prefix of the entry that counts, in its one form and without host bits: the longest one, or
    /// the longest one that denies, or the first one, as the rule says. `None` if no entry holds the
    /// address.
    pub prefix: Option<IpNet>,
}

impl AccessList {
    /// Compiles entries under a rule. `otherwise` is for addresses that no entry holds.
    #[must_use]
    pub fn new(
        precedence: Precedence,
        otherwise: Access,
        entries: impl IntoIterator<Item = (IpNet, Access)>,
    ) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (place, (net, access)) in entries.into_iter().enumerate() {
            match Prefix::from(net) {
                Prefix::V4(first, len) => v4.push(Entry { first, len, access, place }),
                Prefix::V6(first, len) => v6.push(Entry { first, len, access, place }),
            }
        }
        Self { v4: compiled(precedence, v4), v6: compiled(precedence, v6), precedence, otherwise }
    }

    /// Compiles a list of allowed prefixes and one of denied prefixes under a rule.
    ///
    /// Under [`FirstMatch`](Precedence::FirstMatch) all of `allow` comes before all of `deny`; use
    /// [`new`](Self::new) for another order.
    #[must_use]
    pub fn of_lists(
        precedence: Precedence,
        otherwise: Access,
        allow: impl IntoIterator<Item = IpNet>,
        deny: impl IntoIterator<Item = IpNet>,
    ) -> Self {
        let allow = allow.into_iter().map(|net| (net, Access::Allow));
        let deny = deny.into_iter().map(|net| (net, Access::Deny));
        Self::new(precedence, otherwise, allow.chain(deny))
    }

    /// Whether `addr` may pass.
    #[must_use]
    pub fn decide(&self, addr: IpAddr) -> Access {
        self.access(self.mark(Number::from(addr)))
    }

    /// Whether `addr` may pass, and because of which entry.
    #[must_use]
    pub fn explain(&self, addr: IpAddr) -> Ruling {
        let number = Number::from(addr);
        let mark = self.mark(number);
        let prefix = (mark.tag != 0).then(|| match number {
            Number::V4(addr) => v4_net(addr, mark.len),
            Number::V6(addr) => v6_net(addr, mark.len),
        });
        Ruling { access: self.access(mark), prefix }
    }

    /// The rule for where entries meet.
    #[must_use]
    pub fn precedence(&self) -> Precedence {
        self.precedence
    }

    /// The outcome for addresses that no entry holds.
    #[must_use]
    pub fn otherwise(&self) -> Access {
        self.otherwise
    }

    /// The bytes that the list occupies, itself included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.v4.heap_bytes()).saturating_add(self.v6.heap_bytes())
    }

    fn mark(&self, number: Number) -> Mark {
        match number {
            Number::V4(addr) => self.v4.mark(addr),
            Number::V6(addr) => self.v6.mark(addr),
        }
    }

    fn access(&self, mark: Mark) -> Access {
        match mark.tag {
            0 => self.otherwise,
            ALLOWED => Access::Allow,
            _ => Access::Deny,
        }
    }
}

/// Without the entries, which are compiled: what was given is no longer there.
impl fmt::Debug for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessList")
            .field("precedence", &self.precedence)
            .field("otherwise", &self.otherwise)
            .finish_non_exhaustive()
    }
}

const ALLOWED: u32 = 1;
const DENIED: u32 = 2;

#[derive(Clone, Copy, Debug)]
struct Entry<B> {
    first: B,
    len: u8,
    access: Access,
    /// Where in the order it was given.
    place: usize,
}

impl<B: Bits> Entry<B> {
    /// Whether this one counts for the addresses that it shares with `outer`, which holds it.
    fn wins_over(&self, outer: &Self, precedence: Precedence) -> bool {
        match precedence {
            Precedence::MostSpecific => true,
            Precedence::DenyWins => self.access == Access::Deny || outer.access == Access::Allow,
            Precedence::FirstMatch => self.place < outer.place,
        }
    }

    fn mark(&self) -> Mark {
        let tag = match self.access {
            Access::Allow => ALLOWED,
            Access::Deny => DENIED,
        };
        Mark { tag, len: self.len }
    }
}

fn compiled<B: Bits, T: Table<B, Mark>>(precedence: Precedence, mut entries: Vec<Entry<B>>) -> T {
    // From the outside to the inside; of equal prefixes the one that counts first.
    entries.sort_unstable_by_key(|entry| {
        let allows = entry.access == Access::Allow;
        let denies_first = precedence != Precedence::FirstMatch && allows;
        (entry.first, entry.len, denies_first, entry.place)
    });
    entries.dedup_by_key(|entry| (entry.first, entry.len));
    // The entries around the one at hand that count for it. One that does not count is not among
    // them: what it holds is in the hands of what won over it.
    let mut around: Vec<Entry<B>> = Vec::new();
    entries.retain(|entry| {
        while around.last().is_some_and(|outer| outer.first.last_of(outer.len) < entry.first) {
            around.pop();
        }
        let counts = around.last().is_none_or(|outer| entry.wins_over(outer, precedence));
        if counts {
            around.push(*entry);
        }
        counts
    });
    let prefixes = entries.iter().map(|entry| (entry.first, entry.mark()));
    T::build(of_prefixes(prefixes, Mark::default(), B::MIN, B::MAX).as_slice())
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        cidr::tests_model::{any_addr, any_net},
        test_support::cases,
    };

    const RULES: [Precedence; 3] =
        [Precedence::MostSpecific, Precedence::DenyWins, Precedence::FirstMatch];

    /// The rule, read out: all entries that hold the address, and which of them counts.
    fn ruling(
        rule: Precedence,
        otherwise: Access,
        entries: &[(IpNet, Access)],
        addr: IpAddr,
    ) -> Ruling {
        let addr = addr.to_canonical();
        let holding: Vec<(IpNet, Access)> = entries
            .iter()
            .map(|&(net, access)| (crate::cidr::addr::fold(net.trunc()), access))
            .filter(|(net, _)| net.contains(&addr))
            .collect();
        let longest = |among: &[(IpNet, Access)]| {
            let most = among.iter().map(|(net, _)| net.prefix_len()).max()?;
            let of_that = among.iter().filter(|(net, _)| net.prefix_len() == most);
            of_that.copied().max_by_key(|(_, access)| *access == Access::Deny)
        };
        let counts = match rule {
            Precedence::MostSpecific => longest(&holding),
            Precedence::DenyWins => {
                let denying: Vec<_> =
                    holding.iter().copied().filter(|(_, access)| *access == Access::Deny).collect();
                longest(&denying).or_else(|| longest(&holding))
            }
            Precedence::FirstMatch => holding.first().copied(),
        };
        Ruling {
            access: counts.map_or(otherwise, |(_, access)| access),
            prefix: counts.map(|(net, _)| net),
        }
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Pitfall 12: what each rule makes of an address in both lists.
    #[test]
    fn two_sets_are_not_a_policy_and_the_rule_has_a_name() {
        let (allow, deny) = ([net("10.0.0.0/8"), net("10.1.2.0/24")], [net("10.1.0.0/16")]);
        for (rule, inside, around, within) in [
            (Precedence::MostSpecific, Access::Allow, Access::Deny, Access::Allow),
            (Precedence::DenyWins, Access::Deny, Access::Deny, Access::Allow),
            (Precedence::FirstMatch, Access::Allow, Access::Allow, Access::Allow),
        ] {
            let list = AccessList::of_lists(rule, Access::Deny, allow, deny);
            assert_eq!(list.decide(ip("10.1.2.3")), inside, "{rule:?}");
            assert_eq!(list.decide(ip("::ffff:10.1.2.3")), inside, "{rule:?}");
            assert_eq!(list.decide(ip("10.1.3.3")), around, "{rule:?}");
            assert_eq!(list.decide(ip("10.2.3.3")), within, "{rule:?}");
            assert_eq!(list.decide(ip("::10.2.3.3")), Access::Deny, "{rule:?}");
            assert_eq!((list.precedence(), list.otherwise()), (rule, Access::Deny));
        }
    }

    #[test]
    fn one_prefix_in_both_lists_is_denied_unless_the_order_counts() {
        let both = [net("192.0.2.0/24")];
        for (rule, access) in [
            (Precedence::MostSpecific, Access::Deny),
            (Precedence::DenyWins, Access::Deny),
            (Precedence::FirstMatch, Access::Allow),
        ] {
            let list = AccessList::of_lists(rule, Access::Allow, both, both);
            assert_eq!(
                list.explain(ip("192.0.2.9")),
                Ruling { access, prefix: Some(both[0]) },
                "{rule:?}"
            );
        }
        let other_way = [(both[0], Access::Deny), (both[0], Access::Allow)];
        let list = AccessList::new(Precedence::FirstMatch, Access::Allow, other_way);
        assert_eq!(list.decide(ip("192.0.2.9")), Access::Deny);
    }

    #[test]
    fn an_empty_list_says_what_it_was_told_to_say() {
        for (rule, otherwise) in RULES.into_iter().zip([Access::Deny, Access::Allow, Access::Deny])
        {
            let list = AccessList::new(rule, otherwise, []);
            for addr in ["0.0.0.0", "255.255.255.255", "::", "::ffff:1.2.3.4"] {
                assert_eq!(list.explain(ip(addr)), Ruling { access: otherwise, prefix: None });
            }
        }
    }

    /// Entries that change nothing leave nothing: a million exceptions that lose are no memory.
    #[test]
    fn entries_that_never_count_take_no_memory() {
        let all = (net("0.0.0.0/0"), Access::Deny);
        let lost = (0..10_000_u32).map(|n| (v4_net(n << 8, 24), Access::Allow));
        let entries = || vec![all].into_iter().chain(lost.clone());
        let few = AccessList::new(Precedence::DenyWins, Access::Allow, [all]);
        // One mark for each family, and no boundary.
        assert_eq!(few.memory_bytes(), size_of::<AccessList>() + 6);
        for rule in [Precedence::DenyWins, Precedence::FirstMatch] {
            let list = AccessList::new(rule, Access::Allow, entries());
            assert_eq!(list.memory_bytes(), few.memory_bytes(), "{rule:?}");
        }
        let list = AccessList::new(Precedence::MostSpecific, Access::Allow, entries());
        let touching = list.memory_bytes();
        // All of them touch and agree, and so are one run.
        assert!(
            (few.memory_bytes() + 1..few.memory_bytes() + 100).contains(&touching),
            "{touching}"
        );
        assert_eq!(
            std::format!("{list:?}"),
            "AccessList { precedence: MostSpecific, otherwise: Allow, .. }"
        );
    }

    fn entries() -> impl Strategy<Value = Vec<(IpNet, Access)>> {
        let access = prop_oneof![Just(Access::Allow), Just(Access::Deny)];
        prop::collection::vec((any_net(), access), 0..12).prop_map(|mut entries| {
            // Chains, so that prefixes hold each other more often than by chance.
            for at in 1..entries.len() {
                let (outer, access) = entries[at - 1];
                if at % 2 == 1 && outer.prefix_len() > 3 {
                    let shorter = IpNet::new(outer.addr(), outer.prefix_len() - 3).unwrap();
                    entries[at] = (shorter, entries[at].1);
                } else if at % 5 == 2 {
                    entries[at] = (outer, access);
                }
            }
            entries
        })
    }

    proptest! {
        #![proptest_config(cases(400))]

        /// P1.
        #[test]
        fn a_compiled_list_decides_as_its_entries_one_by_one(
            entries in entries(), addrs in prop::collection::vec(any_addr(), 0..8), denies in any::<bool>(),
        ) {
            let otherwise = if denies { Access::Deny } else { Access::Allow };
            let ends = entries.iter().flat_map(|(net, _)| {
                let next = |addr: IpAddr, by: i8| match addr {
                    IpAddr::V4(v4) => IpAddr::V4(v4.to_bits().wrapping_add_signed(by.into()).into()),
                    IpAddr::V6(v6) => IpAddr::V6(v6.to_bits().wrapping_add_signed(by.into()).into()),
                };
                [net.addr(), net.network(), net.broadcast(),
                    next(net.network(), -1), next(net.broadcast(), 1)]
            });
            let addrs: Vec<IpAddr> = addrs.into_iter().chain(ends).collect();
            for rule in RULES {
                let list = AccessList::new(rule, otherwise, entries.iter().copied());
                for &addr in &addrs {
                    let expected = ruling(rule, otherwise, &entries, addr);
                    prop_assert_eq!(list.explain(addr), expected, "{:?}: {}", rule, addr);
                    prop_assert_eq!(list.decide(addr), expected.access);
                }
            }
        }
    }
}
