//! Whether there is a term of some types and of none of others (K2).
//!
//! Everything that comparing contracts has to know about types is such a question. *T is included
//! in U*: no term is of T and not of U. *T and U overlap*: some term is of both. Types are regular
//! tree languages, so each question has an answer; since some answers take very long to find, the
//! search has a budget, and says so when it gives up.
//!
//! A search asks the same question about parts of terms. A question that is asked again while it
//! is being answered is taken to have no term: the smallest term of a type is not a part of itself.
//! What was found to have none on the strength of that is not remembered, since it may have one.

mod kinds;
mod lists;
mod numbers;
mod same;
mod texts;
mod tuples;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use ubf_codec::{Integer, Term, Text};

use self::kinds::{Kinds, StringsOf};
use crate::graph::{NodeId, TypeGraph};

/// How many questions may stand one in another. Chosen: each takes some kilobytes of the stack, of
/// which threads have at least two megabytes.
const MAX_OPEN: usize = 160;

/// One of the two contracts that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Old,
    New,
}

/// A set of terms that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    /// A type of one of the contracts.
    Node(Side, NodeId),
    /// The integers of bytes.
    Byte,
    /// The integers of small letters.
    Letter,
    /// This one of the bytes.
    Value(u8),
    /// Lists of bytes: what strings hold.
    Bytes,
    /// Lists of small letters: strings that people like to read.
    Letters,
    /// The atom `'#S'`, the first element of strings where they are tuples.
    StringMark,
}

impl Language {
    /// A number that few others have.
    const fn mark(self) -> u64 {
        match self {
            Self::Node(Side::Old, node) => (node.index() as u64) << 2,
            Self::Node(Side::New, node) => (node.index() as u64) << 2 | 1,
            Self::Value(byte) => (byte as u64) << 2 | 2,
            Self::Byte => 3,
            Self::Letter => 7,
            Self::Bytes => 11,
            Self::Letters => 15,
            Self::StringMark => 19,
        }
    }
}

/// Which terms are looked for: those of all languages of `within` and of none of `without`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    /// Follows from the two others. It comes first, so that two questions are told apart by one
    /// comparison of numbers nearly always.
    mark: u64,
    within: Box<[Language]>,
    without: Box<[Language]>,
}

impl Question {
    fn new(
        within: impl Iterator<Item = Language>,
        without: impl Iterator<Item = Language>,
    ) -> Self {
        let (within, without) = (sorted(within), sorted(without));
        let all = within.iter().chain(&without).map(|language| language.mark());
        // An odd number whose bits are as good as random (of the golden ratio): all of them matter.
        let mark = all.fold(within.len() as u64, |mark, one| {
            (mark.rotate_left(23) ^ one).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        });
        Self { mark, within, without }
    }
}

/// Each once, in order.
fn sorted(languages: impl Iterator<Item = Language>) -> Box<[Language]> {
    let mut languages: Vec<Language> = languages.collect();
    languages.sort_unstable();
    languages.dedup();
    languages.into_boxed_slice()
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// There is no such term.
    Nothing,
    /// There is one: this one, unless it is too large to be written down.
    Term(Option<Term>),
    /// The search took too long.
    GaveUp,
}

impl Found {
    /// What to go on with after this was found, if there is anything to go on with.
    fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Term(_) => self,
            Self::Nothing => next(),
            Self::GaveUp => match next() {
                Self::Nothing | Self::GaveUp => Self::GaveUp,
                found @ Self::Term(_) => found,
            },
        }
    }
}

/// Answers questions about the types of two contracts.
pub(crate) struct Search<'g> {
    graphs: [&'g TypeGraph; 2],
    /// Of the nodes of both graphs, by their number.
    kinds: [Vec<Option<Rc<Kinds>>>; 2],
    /// Of languages that are no nodes.
    other_kinds: BTreeMap<Language, Rc<Kinds>>,
    anything: Rc<Kinds>,
    known: BTreeMap<Question, Found>,
    /// Questions that are being answered, each for the sake of the one before it.
    open: Vec<Question>,
    /// The first of `open` that an answer has taken to have no term.
    assumed: Option<usize>,
    /// Nodes of the new graph that are written as those of the old one, which then stand for both.
    /// By the number of the new one.
    same: Vec<Option<NodeId>>,
    steps_left: u64,
    max_steps: u64,
    /// Of all questions together.
    all_steps_left: u64,
}

/// How many questions may take all of their steps. Chosen: one hard type is asked about in several
/// states and ways, and a comparison ends within seconds whatever is compared.
const MAX_HARD_QUESTIONS: u64 = 10;

impl<'g> Search<'g> {
    /// A search that takes at most so many steps for each question that is asked from outside, and
    /// ten times as many for all of them.
    pub(crate) fn new(old: &'g TypeGraph, new: &'g TypeGraph, max_steps: u64) -> Self {
        let pairs = same::same_nodes(old, new);
        Self {
            graphs: [old, new],
            same: new.nodes().map(|node| pairs.get(&node).copied()).collect(),
            all_steps_left: max_steps.saturating_mul(MAX_HARD_QUESTIONS),
            kinds: [old, new].map(|graph| graph.nodes().map(|_| None).collect()),
            other_kinds: BTreeMap::new(),
            anything: Rc::new(Kinds::anything(old.strings())),
            known: BTreeMap::new(),
            open: Vec::new(),
            assumed: None,
            steps_left: max_steps,
            max_steps,
        }
    }

    /// A term that is of all of `within` and of none of `without`.
    pub(crate) fn find(&mut self, within: &[Language], without: &[Language]) -> Found {
        debug_assert!(self.open.is_empty(), "parts of terms are asked for by `part`");
        self.steps_left = self.max_steps;
        self.part(within, without)
    }

    /// Whether all questions are given up from here on.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.all_steps_left == 0
    }

    /// The language that stands for it.
    fn standing_for(&self, language: Language) -> Language {
        match language {
            Language::Node(Side::New, node) => {
                let same = self.same.get(node.index()).copied().flatten();
                same.map_or(language, |same| Language::Node(Side::Old, same))
            }
            Language::Node(Side::Old, _)
            | Language::Byte
            | Language::Letter
            | Language::Value(_)
            | Language::Bytes
            | Language::Letters
            | Language::StringMark => language,
        }
    }

    /// The same, for a part of a term.
    fn part(&mut self, within: &[Language], without: &[Language]) -> Found {
        let standing_for = |language: &Language| self.standing_for(*language);
        let question =
            Question::new(within.iter().map(standing_for), without.iter().map(standing_for));
        if question.within.iter().any(|one| question.without.binary_search(one).is_ok()) {
            return Found::Nothing;
        }
        if let Some(known) = self.known.get(&question) {
            return known.clone();
        }
        if let Some(at) = self.open.iter().position(|open| *open == question) {
            self.assumed = Some(self.assumed.map_or(at, |assumed| assumed.min(at)));
            return Found::Nothing;
        }
        if !self.step() || self.open.len() == MAX_OPEN {
            return Found::GaveUp;
        }
        let depth = self.open.len();
        let before = self.assumed.take();
        self.open.push(question.clone());
        let found = self.search(&question);
        self.open.pop();
        // A term stays one, whatever was assumed on the way to it.
        let own = self.assumed.filter(|at| *at < depth && found == Found::Nothing);
        self.assumed = match (before, own) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        if own.is_none() && found != Found::GaveUp {
            self.known.insert(question, found.clone());
        }
        found
    }

    /// Whether there is a step left; it is taken.
    fn step(&mut self) -> bool {
        let is_left = self.steps_left > 0 && self.all_steps_left > 0;
        self.steps_left = self.steps_left.saturating_sub(1);
        self.all_steps_left = self.all_steps_left.saturating_sub(1);
        is_left
    }

    fn kinds_of(&mut self, languages: &[Language]) -> Vec<Rc<Kinds>> {
        languages.iter().map(|language| self.kinds_of_one(*language)).collect()
    }

    fn kinds_of_one(&mut self, language: Language) -> Rc<Kinds> {
        let make = || Rc::new(Kinds::of(language, &self.graphs));
        if let Language::Node(side, node) = language {
            let [old, new] = &mut self.kinds;
            let of_side = if side == Side::Old { old } else { new };
            if let Some(kinds) = of_side.get_mut(node.index()) {
                return Rc::clone(kinds.get_or_insert_with(make));
            }
        }
        Rc::clone(self.other_kinds.entry(language).or_insert_with(make))
    }

    fn search(&mut self, question: &Question) -> Found {
        let mut within = self.kinds_of(&question.within);
        if within.is_empty() {
            within.push(Rc::clone(&self.anything));
        }
        let without = self.kinds_of(&question.without);
        if let Some(found) = leaf(&within, &without) {
            return Found::Term(Some(found));
        }
        self.strings(&within, &without)
            .or_else(|| self.tuples(&within, &without))
            .or_else(|| self.lists(&within, &without))
    }

    /// Where strings are no tuples: a string is looked for by its list of bytes.
    fn strings(&mut self, within: &[Rc<Kinds>], without: &[Rc<Kinds>]) -> Found {
        let mut excluded = Vec::new();
        let mut not_these = Vec::new();
        for strings in without.iter().flat_map(|kinds| &kinds.strings) {
            match strings {
                StringsOf::All => return Found::Nothing,
                StringsOf::One(text) => not_these.push(text.clone()),
                StringsOf::Bytes(language) => excluded.push(*language),
            }
        }
        let mut answer = Found::Nothing;
        for choice in choices(within, |kinds| &kinds.strings) {
            if !self.step() {
                return Found::GaveUp;
            }
            let mut lists = Vec::from([Language::Bytes]);
            let mut exactly: Option<&Text> = None;
            let mut is_possible = true;
            for strings in choice {
                match strings {
                    StringsOf::All => {}
                    StringsOf::Bytes(language) => lists.push(*language),
                    StringsOf::One(text) => {
                        is_possible &= exactly.is_none_or(|other| other == text);
                        exactly = Some(text);
                    }
                }
            }
            if !is_possible {
                continue;
            }
            let found = match exactly {
                Some(text) => self.one_string(text, &lists, &excluded, &not_these),
                None => {
                    let readable = [lists.as_slice(), &[Language::Letters]].concat();
                    match self.string_of_bytes(&readable, &excluded, &not_these) {
                        found @ Found::Term(Some(_)) => found,
                        Found::Term(None) | Found::Nothing | Found::GaveUp => {
                            self.string_of_bytes(&lists, &excluded, &not_these)
                        }
                    }
                }
            };
            answer = answer.or_else(|| found);
            if matches!(answer, Found::Term(_)) {
                break;
            }
        }
        answer
    }

    fn one_string(
        &mut self,
        text: &Text,
        lists: &[Language],
        excluded: &[Language],
        not_these: &[Text],
    ) -> Found {
        let is_in = |search: &mut Self, one: &Language| search.has_codes(*one, text);
        let is_found = lists.iter().all(|one| is_in(self, one))
            && !excluded.iter().any(|one| is_in(self, one))
            && !not_these.contains(text);
        if is_found { Found::Term(Some(Term::String(text.clone()))) } else { Found::Nothing }
    }

    fn string_of_bytes(
        &mut self,
        lists: &[Language],
        excluded: &[Language],
        not_these: &[Text],
    ) -> Found {
        let (within, without) = (self.kinds_of(lists), self.kinds_of(excluded));
        let found = self.list_of(&within, &without, not_these);
        let Found::Term(Some(Term::List(bytes))) = &found else { return found };
        let bytes = bytes.iter().map(|byte| {
            let Term::Integer(byte) = byte else { return None };
            u8::try_from(byte.to_u64()?).ok()
        });
        let bytes: Option<Vec<u8>> = bytes.collect();
        Found::Term(bytes.map(|bytes| Term::String(Text::from(bytes))))
    }

    /// Whether the list of these bytes is of the language.
    fn has_codes(&mut self, language: Language, text: &Text) -> bool {
        let kinds = self.kinds_of(&[language]);
        let length = text.as_bytes().len() as u64;
        kinds.iter().flat_map(|kinds| &kinds.lists).any(|lists| match lists {
            kinds::Lists::Codes(own) => own == text,
            kinds::Lists::Of { item, min, max } => {
                let fits = *min <= length && max.is_none_or(|max| length <= max);
                let items = item.map(|item| self.kinds_of(&[item]));
                let items = items.as_ref().and_then(|items| items.first());
                let is_item = |byte: &u8| {
                    items.is_none_or(|kinds| kinds.integers.has(&Integer::from(i64::from(*byte))))
                };
                fits && text.as_bytes().iter().all(is_item)
            }
        })
    }
}

/// A term without parts.
fn leaf(within: &[Rc<Kinds>], without: &[Rc<Kinds>]) -> Option<Term> {
    let (first, others) = within.split_first()?;
    let mut atoms = first.atoms.clone();
    let mut integers = first.integers.clone();
    let mut floats = first.floats.clone();
    let mut binaries = first.binaries.clone();
    let mut tagged = first.tagged;
    for kinds in others {
        atoms = atoms.and(&kinds.atoms);
        integers = integers.and(&kinds.integers);
        floats = floats.and(&kinds.floats);
        binaries = binaries.and(&kinds.binaries);
        tagged &= kinds.tagged;
    }
    for kinds in without {
        atoms = atoms.minus(&kinds.atoms);
        integers = integers.minus(&kinds.integers);
        floats = floats.minus(&kinds.floats);
        binaries = binaries.minus(&kinds.binaries);
        tagged &= !kinds.tagged;
    }
    let atom = atoms.any().map(Term::Atom);
    atom.or_else(|| integers.any().map(Term::Integer))
        .or_else(|| floats.any().and_then(Term::float))
        .or_else(|| binaries.any().map(|bytes| Term::binary(bytes.into_bytes())))
        .or_else(|| tagged.then(|| Term::atom("tagged").tagged("tag")))
}

/// Every way to take one of the parts of each: as many elements as there are kinds.
fn choices<'k, T: 'k>(
    all: &'k [Rc<Kinds>],
    parts: impl Fn(&'k Kinds) -> &'k Vec<T>,
) -> impl Iterator<Item = Vec<&'k T>> {
    let columns: Vec<&Vec<T>> = all.iter().map(|kinds| parts(kinds)).collect();
    let is_possible = columns.iter().all(|column| !column.is_empty());
    let mut next = is_possible.then(|| alloc::vec![0; columns.len()]);
    core::iter::from_fn(move || {
        let places: &mut Vec<usize> = next.as_mut()?;
        let choice: Vec<&T> =
            columns.iter().zip(places.iter()).filter_map(|(column, at)| column.get(*at)).collect();
        // Count up, the last place first.
        let mut has_more = false;
        for (place, column) in places.iter_mut().zip(&columns).rev() {
            *place += 1;
            if *place < column.len() {
                has_more = true;
                break;
            }
            *place = 0;
        }
        if !has_more {
            next = None;
        }
        Some(choice)
    })
}

#[cfg(test)]
mod tests;
