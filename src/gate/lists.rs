//! The lists that rules name: looked at, replaced and edited while the gate is at work.
//!
//! # Invariants
//! - **I1** a list keeps its name and its type for as long as the plan does;
//! - **I2** a change is seen by every check that starts after it, as a whole;
//! - **I3** nothing is compiled again: another content is another snapshot with the same rules.
//!
//! # Cost
//! A replacement costs as much as there are lists, whatever they hold. The first edit of a list copies it;
//! later ones change the copy that was replaced before, see [`Live`].

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::fmt;

use super::{Gate, Inner, plan::Plan, reload::Writer};
use crate::{
    cidr::{CidrEdit, CidrSet, Live},
    error::snippet,
    rule::{List, Lists, Name, NumberSet, TextSet, Type, closest},
    sync::{Ordering, shared},
};

/// The lists of a gate, by their names; made by [`Gate::lists`].
#[derive(Clone)]
pub struct GateLists(Gate);

/// Why a list is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The gate has no list of this name.
    #[error("there is no list {name:?}; {known}")]
    Unknown {
        /// The start of the name that was asked for.
        name: String,
        /// Which one was probably meant, or which lists there are.
        known: String,
    },
    /// The list holds values of another type.
    #[error("the list {name:?} holds {holds}, not {given}; rules that name it rely on that")]
    Type {
        /// The name.
        name: String,
        /// What it holds.
        holds: &'static str,
        /// What it was given.
        given: &'static str,
    },
}

/// The tables that edits are made on, of lists that were edited.
#[derive(Default)]
pub(super) struct Holdings(BTreeMap<Name, Live<CidrSet>>);

impl Gate {
    /// The lists that rules name, to be looked at and changed while the gate is at work.
    ///
    /// # Example: a block list that is filled live
    /// ```
    /// use portcullis::{CidrSet, Gate, cidr::CidrEdit};
    ///
    /// let gate = Gate::builder().list("blocked", CidrSet::new()).build()?;
    /// let lists = gate.lists();
    /// lists.replace("blocked", "192.0.2.0/24".parse::<CidrSet>()?)?;
    /// lists.edit("blocked", [CidrEdit::Insert("203.0.113.9/32".parse()?, ())])?;
    /// assert!(lists.replace("blokced", CidrSet::new()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn lists(&self) -> GateLists {
        GateLists(self.clone())
    }
}

impl GateLists {
    /// The names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let snapshot = self.0.0.snapshot.load();
        snapshot.rules.lists().iter().map(|(name, _)| String::from(name)).collect()
    }

    /// What the list of this name holds now; it shares that, and does not change any more.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<List> {
        self.0.0.snapshot.load().rules.lists().get(name).cloned()
    }

    /// Puts another content in the place of a list's, and hands back what it held.
    ///
    /// # Errors
    /// When there is no list of this name, or it holds values of another type.
    pub fn replace(&self, name: &str, list: impl Into<List>) -> Result<List, ListError> {
        let list = list.into();
        let gate = &*self.0.0;
        let mut writer = gate.writer.lock();
        let old = self.expect(name, list.holds())?;
        writer.holdings.0.remove(name);
        gate.edited(&writer.holdings);
        self.publish(&writer, name, list);
        Ok(old)
    }

    /// Edits a list of addresses: these edits in order, and all of them at once.
    ///
    /// # Errors
    /// When there is no list of this name, or it holds no addresses.
    ///
    /// # Cost
    /// The first edit copies the list; later ones take some tens of microseconds for a few prefixes,
    /// whatever the list holds, unless somebody keeps what [`get`](Self::get) hands out. The iterator is
    /// collected first.
    pub fn edit(
        &self,
        name: &str,
        edits: impl IntoIterator<Item = CidrEdit<()>>,
    ) -> Result<(), ListError> {
        let edits: Vec<_> = edits.into_iter().collect();
        let gate = &*self.0.0;
        let mut writer = gate.writer.lock();
        let List::Addresses(set) = self.expect(name, Type::Ip)? else { return Ok(()) };
        let start = || Live::new(CidrSet::clone(&set));
        let live = writer.holdings.0.entry(Name::from(name)).or_insert_with(start).clone();
        drop(set);
        live.edit(edits);
        gate.edited(&writer.holdings);
        self.publish(&writer, name, List::Addresses(shared(live.load())));
        Ok(())
    }

    /// The list of this name, if it holds values of this type.
    fn expect(&self, name: &str, given: Type) -> Result<List, ListError> {
        let snapshot = self.0.0.snapshot.load();
        let lists = snapshot.rules.lists();
        match lists.get(name) {
            Some(list) if list.holds() == given => Ok(list.clone()),
            Some(list) => Err(ListError::Type {
                name: String::from(name),
                holds: values_of(list.holds()),
                given: values_of(given),
            }),
            None => Err(unknown(name, lists)),
        }
    }

    /// The writer is who may do this: one at a time.
    fn publish(&self, _: &Writer, name: &str, list: List) {
        let gate = &*self.0.0;
        let before = gate.snapshot.load();
        let mut lists = Lists::clone(before.rules.lists());
        lists.set(name, list);
        gate.snapshot.store(before.with_lists(lists));
    }
}

impl Inner {
    /// Notes what edited lists take, for those who ask without waiting for a change that is being made.
    pub(super) fn edited(&self, holdings: &Holdings) {
        let bytes = u64::try_from(holdings.memory_bytes()).unwrap_or(u64::MAX);
        self.edited_bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Holdings {
    /// Forgets the tables of the other lists.
    pub(super) fn keep(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.0.values().fold(0, |sum, live| sum.saturating_add(live.memory_bytes()))
    }
}

/// The lists of a plan; those that are only declared are empty.
pub(super) fn declared(plan: &Plan) -> Lists {
    let mut lists = plan.lists.clone();
    for (name, holds) in &plan.scheme.lists {
        if lists.get(name).is_none() {
            match holds {
                Type::Ip => lists.set(name, CidrSet::new()),
                Type::Bytes => lists.set(name, TextSet::default()),
                Type::Int => lists.set(name, NumberSet::default()),
                // There are no lists of these.
                Type::Bool => {}
            }
        }
    }
    lists
}

/// Whether two definitions of a list say the same.
pub(super) fn is_same(one: Option<&List>, other: Option<&List>) -> bool {
    use alloc::sync::Arc;
    match (one, other) {
        (Some(List::Addresses(one)), Some(List::Addresses(other))) => {
            Arc::ptr_eq(one, other) || one == other
        }
        (Some(List::Texts(one)), Some(List::Texts(other))) => {
            Arc::ptr_eq(one, other) || one == other
        }
        (Some(List::Numbers(one)), Some(List::Numbers(other))) => {
            Arc::ptr_eq(one, other) || one == other
        }
        _ => false,
    }
}

fn unknown(name: &str, lists: &Lists) -> ListError {
    const SHOWN: usize = 8;
    let like = closest(name, lists.iter().map(|(name, _)| name));
    if let Some(like) = like {
        return ListError::Unknown {
            name: snippet(name),
            known: format!("did you mean {like:?}?"),
        };
    }
    let mut known = String::from("the gate has ");
    for (at, (name, _)) in lists.iter().take(SHOWN).enumerate() {
        known.push_str(if at == 0 { "" } else { ", " });
        known.push_str(name);
    }
    match lists.iter().len() {
        0 => known.push_str("no lists"),
        all if all > SHOWN => known.push_str(" and more"),
        _ => {}
    }
    ListError::Unknown { name: snippet(name), known }
}

fn values_of(holds: Type) -> &'static str {
    match holds {
        Type::Bool => "yes and no",
        Type::Int => "numbers",
        Type::Bytes => "texts",
        Type::Ip => "addresses",
    }
}

impl fmt::Debug for GateLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GateLists").field(&self.names()).finish()
    }
}
