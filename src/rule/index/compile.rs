//! From expressions to an [`Index`].
//!
//! Equal sources, questions, keys and code are kept once. First all expressions are read, so that it is
//! known how many rules ask for each key; then each gets its cover, and code for what is left to ask.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::hash::Hash;

use ahash::{HashMap, HashMapExt};

use super::{
    Index, Names, TooLarge,
    check::Check,
    code::{Coder, Label, NO, Tree, YES},
    cover::{Chooser, Cover, Key},
    literals::TooManyLiterals,
    lookup::Field,
    source::{Base, NO_SLOT, Pick, Source},
    spec::{Asked, Spec},
    test::{NO_MEMO, Quantity, Test},
};
use crate::{
    request::canonical::Needs,
    rule::{
        expr::{Atom, DEEPEST, Expr, MOST_TESTS, Node},
        pattern::{Regex, Wildcard},
    },
};

/// Rules are numbered by 16 bits.
const MOST_RULES: usize = 1 << 16;

/// All regular expressions together, compiled.
const MOST_REGEX_BYTES: usize = 16 << 20;

/// A key costs this if it always holds, divided by two for each step of its rarity.
const CERTAIN: u64 = 1 << 40;

/// What so many tests said is kept for the other rules that ask.
const MEMOS: u8 = 255;

/// Values that are kept once, by their numbers.
struct Pool<T> {
    all: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Pool<T> {
    fn new() -> Self {
        Self { all: Vec::new(), numbers: HashMap::new() }
    }

    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

/// What is asked of a source, of one of its values or of all.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    source: u32,
    spec: Spec,
    quantity: Quantity,
}

pub(super) struct Compiler<'n> {
    names: &'n Names<'n>,
    sources: Pool<Source>,
    slots: Pool<(crate::rule::field::Builtin, Option<Box<str>>)>,
    questions: Pool<Question>,
    /// Of each question.
    covers: Vec<Option<Cover<u32>>>,
    keys: Pool<(u32, Key)>,
    /// How many tests ask for each key.
    asked: Vec<u32>,
    regexes: HashMap<Box<str>, Arc<Regex>>,
    regex_bytes: usize,
}

impl<'n> Compiler<'n> {
    pub(super) fn new(names: &'n Names<'n>) -> Self {
        Self {
            names,
            sources: Pool::new(),
            slots: Pool::new(),
            questions: Pool::new(),
            covers: Vec::new(),
            keys: Pool::new(),
            asked: Vec::new(),
            regexes: HashMap::new(),
            regex_bytes: 0,
        }
    }

    pub(super) fn compile(mut self, exprs: &[Expr]) -> Result<Index, (usize, TooLarge)> {
        if exprs.len() > MOST_RULES {
            return Err((MOST_RULES, TooLarge::Rules));
        }
        let mut trees = Vec::with_capacity(exprs.len());
        for (at, expr) in exprs.iter().enumerate() {
            // A text is not as large; what is built may be, and all that follows goes down into it.
            if expr.0.levels() > DEEPEST {
                return Err((at, TooLarge::Levels));
            }
            if expr.0.tests() > MOST_TESTS {
                return Err((at, TooLarge::Tests));
            }
            trees.push(self.tree(&expr.0).map_err(|error| (at, error))?);
        }
        let costs: Vec<u64> = self
            .keys
            .all
            .iter()
            .zip(&self.asked)
            .map(|((_, key), asked)| {
                (CERTAIN >> key.rarity().min(39)).saturating_mul(u64::from(*asked))
            })
            .collect();
        let chooser = Chooser { covers: &self.covers, costs: &costs };
        let mut coder = Coder::default();
        let mut starts: Vec<Label> = Vec::with_capacity(trees.len());
        let mut always = Vec::new();
        // Pairs of a key and a rule.
        let mut found: Vec<(u32, u16)> = Vec::new();
        let mut tests = Tests::default();
        for (rule, tree) in (0_u16..=u16::MAX).zip(trees) {
            let (cover, mut rest) = chooser.choose(tree);
            self.order(&mut rest);
            tests.number(&mut rest);
            starts.push(coder.write(&rest, YES, NO));
            match cover {
                Some(keys) => found.extend(keys.into_iter().map(|key| (key, rule))),
                None => always.push(rule),
            }
        }
        found.sort_unstable();
        let tests = tests.compile(&self).ok_or((0, TooLarge::Stars))?;
        let lists = PostingLists::of(&found, &always);
        let fields = self
            .fields(&lists)
            .map_err(|TooManyLiterals| (self.first_too_many(found), TooLarge::Literals))?;
        let (spans, postings, always) = lists.finish();
        let finds_without_target = fields.iter().all(|field| field.needs() == Needs::NOTHING);
        let needs = self.sources.all.iter().map(Source::needs);
        let needs = needs.fold(Needs::NOTHING, Needs::union);
        let regexes = self.regex_bytes;
        Ok(Index {
            fields,
            spans,
            postings,
            always,
            starts: starts.into(),
            code: coder.finish(),
            tests,
            needs,
            finds_without_target,
            regexes,
        })
    }

    fn tree(&mut self, node: &Node) -> Result<Tree, TooLarge> {
        let mut each = |nodes: &[Node]| -> Result<Vec<Tree>, TooLarge> {
            nodes.iter().map(|node| self.tree(node)).collect()
        };
        Ok(match node {
            Node::Const(value) => Tree::Const(*value),
            Node::Not(inner) => Tree::Not(Box::new(self.tree(inner)?)),
            Node::And(nodes) => Tree::And(each(nodes)?),
            Node::Or(nodes) => Tree::Or(each(nodes)?),
            Node::Xor(nodes) => Tree::Xor(each(nodes)?),
            Node::Atom(atom) | Node::Any(atom) => self.question(atom, Quantity::Any)?,
            Node::All(atom) => self.question(atom, Quantity::All)?,
        })
    }

    fn question(&mut self, atom: &Atom, quantity: Quantity) -> Result<Tree, TooLarge> {
        let Asked { mut source, spec } = Asked::of(atom, self.names.tags, self.names.lists);
        if spec == Spec::Never && quantity == Quantity::Any {
            return Ok(Tree::Const(false));
        }
        if let Base::Elements(elements, Pick::First(slot)) = &mut source.base {
            let number = self.slots.number((elements.field, elements.key.clone()));
            *slot = u8::try_from(number).unwrap_or(NO_SLOT);
        }
        let regex = match &spec {
            Spec::Matches(pattern) => Some(self.regex(pattern)?),
            Spec::Wildcard(pattern, _) if Wildcard::new(pattern, true).is_err() => {
                return Err(TooLarge::Stars);
            }
            _ => None,
        };
        let of = self.sources.number(source.clone());
        let known = self.questions.all.len();
        let question = Question { source: of, spec, quantity };
        let number = self.questions.number(question.clone());
        if self.questions.all.len() > known {
            let cover = match quantity {
                Quantity::Any => Cover::of(&source, &question.spec, regex.as_deref()),
                Quantity::All => None,
            };
            self.covers.push(cover.map(|cover| Cover {
                keys: cover.keys.into_iter().map(|key| self.keys.number((of, key))).collect(),
                exact: cover.exact,
            }));
            self.asked.resize(self.keys.all.len(), 0);
        }
        if let Some(Some(cover)) = self.covers.get(number as usize) {
            for key in &cover.keys {
                if let Some(asked) = self.asked.get_mut(*key as usize) {
                    *asked = asked.saturating_add(1);
                }
            }
        }
        Ok(Tree::Test(number))
    }

    fn regex(&mut self, pattern: &str) -> Result<Arc<Regex>, TooLarge> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(Arc::clone(regex));
        }
        let regex = Arc::new(Regex::new(pattern).map_err(|_| TooLarge::Regexes)?);
        self.regex_bytes = self.regex_bytes.saturating_add(regex.memory_bytes());
        if self.regex_bytes > MOST_REGEX_BYTES {
            return Err(TooLarge::Regexes);
        }
        self.regexes.insert(pattern.into(), Arc::clone(&regex));
        Ok(regex)
    }

    /// Puts what costs least first: no order can be told from another (law S3).
    fn order(&self, tree: &mut Tree) -> u32 {
        match tree {
            Tree::Const(_) => 0,
            Tree::Test(number) => {
                let question = self.questions.all.get(*number as usize);
                question.map_or(0, |question| self.expense(question))
            }
            Tree::Not(inner) => self.order(inner),
            Tree::And(trees) | Tree::Or(trees) | Tree::Xor(trees) => {
                let mut priced: Vec<(u32, Tree)> = core::mem::take(trees)
                    .into_iter()
                    .map(|mut tree| (self.order(&mut tree), tree))
                    .collect();
                priced.sort_by_key(|(expense, _)| *expense);
                let sum =
                    priced.iter().fold(0_u32, |sum, (expense, _)| sum.saturating_add(*expense));
                *trees = priced.into_iter().map(|(_, tree)| tree).collect();
                sum
            }
        }
    }

    fn expense(&self, question: &Question) -> u32 {
        let source = self.sources.all.get(question.source as usize);
        let value = source.map_or(0, Source::expense);
        value.saturating_add(question.spec.expense())
    }

    /// The first rule with which too many literals are looked for.
    #[cold]
    fn first_too_many(&self, mut found: Vec<(u32, u16)>) -> usize {
        found.retain(|(key, _)| {
            matches!(self.keys.all.get(*key as usize), Some((_, Key::Contains(..))))
        });
        let mut rules: Vec<u16> = found.iter().map(|(_, rule)| *rule).collect();
        rules.sort_unstable();
        rules.dedup();
        // With a rule more there are never fewer literals.
        let first = rules.partition_point(|last| {
            let some: Vec<_> = found.iter().copied().filter(|(_, rule)| rule <= last).collect();
            self.fields(&PostingLists::of(&some, &[])).is_ok()
        });
        rules.get(first).map_or(0, |rule| usize::from(*rule))
    }

    fn fields(&self, lists: &PostingLists) -> Result<Box<[Field]>, TooManyLiterals> {
        let mut keys: Vec<Vec<(Key, u32)>> = Vec::new();
        keys.resize_with(self.sources.all.len(), Vec::new);
        for (list, key) in (0_u32..).zip(&lists.keys) {
            if let Some((source, key)) = self.keys.all.get(*key as usize) {
                if let Some(keys) = keys.get_mut(*source as usize) {
                    keys.push((key.clone(), list));
                }
            }
        }
        let fields = self.sources.all.iter().zip(keys).filter(|(_, keys)| !keys.is_empty());
        fields.map(|(source, keys)| Field::build(source.clone(), keys)).collect()
    }
}

/// The tests that code asks, in the order in which it first does, and how often it does.
#[derive(Default)]
struct Tests {
    numbers: HashMap<u32, u32>,
    /// Questions, and how many rules ask them.
    asked: Vec<(u32, u32)>,
}

impl Tests {
    /// Replaces the numbers of questions by those of tests.
    fn number(&mut self, tree: &mut Tree) {
        match tree {
            Tree::Const(_) => {}
            Tree::Not(inner) => self.number(inner),
            Tree::And(trees) | Tree::Or(trees) | Tree::Xor(trees) => {
                for tree in trees {
                    self.number(tree);
                }
            }
            Tree::Test(question) => {
                let new = u32::try_from(self.asked.len()).unwrap_or(u32::MAX);
                let number = *self.numbers.entry(*question).or_insert(new);
                match self.asked.get_mut(number as usize) {
                    Some((_, asked)) => *asked = asked.saturating_add(1),
                    None => self.asked.push((*question, 1)),
                }
                *question = number;
            }
        }
    }

    fn compile(&self, compiler: &Compiler<'_>) -> Option<Box<[Test]>> {
        let mut memos = 0..MEMOS;
        let tests = self.asked.iter().map(|(question, asked)| {
            let question = compiler.questions.all.get(*question as usize)?;
            let source = compiler.sources.all.get(question.source as usize)?;
            let regex = match &question.spec {
                Spec::Matches(pattern) => compiler.regexes.get(pattern),
                _ => None,
            };
            let check = Check::of(&question.spec, regex)?;
            // What costs little is asked again for less than it takes to look up what it said.
            let costs = u64::from(*asked).saturating_mul(compiler.expense(question).into());
            let is_worth_it = *asked > 1 && costs >= 24 && !source.is_volatile();
            let memo = if is_worth_it { memos.next() } else { None };
            Some(Test::new(source.clone(), check, question.quantity, memo.unwrap_or(NO_MEMO)))
        });
        tests.collect()
    }
}

/// The rules of each key that some cover has, the longest lists first; those that are tried always at the
/// end.
struct PostingLists {
    /// The key of each list.
    keys: Vec<u32>,
    spans: Vec<(u32, u32)>,
    postings: Vec<u16>,
    always: (u32, u32),
}

impl PostingLists {
    fn of(found: &[(u32, u16)], always: &[u16]) -> Self {
        let mut groups: Vec<&[(u32, u16)]> = found.chunk_by(|a, b| a.0 == b.0).collect();
        groups.sort_by_key(|group| core::cmp::Reverse(group.len()));
        let mut lists =
            Self { keys: Vec::new(), spans: Vec::new(), postings: Vec::new(), always: (0, 0) };
        for group in groups {
            lists.keys.extend(group.first().map(|(key, _)| *key));
            let span = lists.append(group.iter().map(|(_, rule)| *rule));
            lists.spans.push(span);
        }
        lists.always = lists.append(always.iter().copied());
        lists
    }

    fn append(&mut self, rules: impl Iterator<Item = u16>) -> (u32, u32) {
        let len = |postings: &[u16]| u32::try_from(postings.len()).unwrap_or(u32::MAX);
        let start = len(&self.postings);
        self.postings.extend(rules);
        (start, len(&self.postings))
    }

    #[allow(clippy::type_complexity, reason = "said once, for the one who takes it apart")]
    fn finish(self) -> (Box<[(u32, u32)]>, Box<[u16]>, (u32, u32)) {
        (self.spans.into(), self.postings.into(), self.always)
    }
}

#[cfg(test)]
mod tests;
