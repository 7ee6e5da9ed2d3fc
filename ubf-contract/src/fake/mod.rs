//! Random terms of a type.

mod leaf;
mod random;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ubf_codec::{Term, Text};

use self::random::Random;
use crate::check::Checker;
use crate::graph::{Meaning, NodeId};
use crate::predefined::Attributes;

/// Makes random terms of the types of a contract: for load tests, for fuzzing, for examples.
///
/// The same seed makes the same terms, on every machine.
///
/// ```
/// use ubf_contract::{Checker, Faker, Reader};
///
/// let contract = Reader::new().read(
///     "+NAME(\"m\"). +VSN(\"1\"). +TYPES tree() :: {tree(), 0..9, tree()} | leaf; no() :: {no()}.",
/// )?;
/// let checker = Checker::new(contract);
/// let tree = checker.graph().named(b"tree").unwrap();
/// let mut faker = Faker::new(&checker, 7);
/// for _ in 0..100 {
///     let term = faker.term(tree).expect("there are trees");
///     assert_eq!(checker.fits(tree, &term), Ok(true));
/// }
/// assert!(faker.term(checker.graph().named(b"no").unwrap()).is_none(), "no term is of that type");
/// # Ok::<(), ubf_contract::ReadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Faker<'c> {
    checker: &'c Checker,
    random: Random,
    /// How deep the least deep term of each node is.
    heights: Vec<Option<u32>>,
    /// For nodes that were needed: which bytes may stand in their lists.
    codes: BTreeMap<NodeId, Vec<u8>>,
    max_terms: usize,
}

/// From this depth on the shortest way out is taken.
const MAX_LEVEL: u32 = 12;

/// What is to be done to make a term.
enum Task {
    /// A term of that node, so deep in the whole one.
    Make(NodeId, u32),
    /// A tuple, or a list, of the last terms that were made.
    Tuple(usize),
    List(usize),
}

/// No term is of the type after all, since the bytes of a string cannot be what its list wants; or
/// none that is not huge.
struct Impossible;

impl<'c> Faker<'c> {
    /// Makes terms of that checker's types.
    #[must_use]
    pub fn new(checker: &'c Checker, seed: u64) -> Self {
        Self {
            checker,
            random: Random::new(seed),
            heights: checker.graph().heights(),
            codes: BTreeMap::new(),
            max_terms: 1_000,
        }
    }

    /// The same with another size from which on terms are made as small as can be, in terms and
    /// parts of terms. Default 1,000. A type whose least term is larger makes larger terms.
    #[must_use]
    pub const fn with_max_terms(mut self, max_terms: usize) -> Self {
        self.max_terms = max_terms;
        self
    }

    /// A term of a type; `None` if there is none, or none with less than 64 times the parts of
    /// [`with_max_terms`](Self::with_max_terms).
    pub fn term(&mut self, node: NodeId) -> Option<Term> {
        // A string whose bytes cannot be may stand in one alternative and not in another.
        const ATTEMPTS: usize = 20;
        self.height(node)?;
        (0..ATTEMPTS).find_map(|_| self.attempt(node).ok())
    }

    fn height(&self, node: NodeId) -> Option<u32> {
        self.heights.get(node.index()).copied().flatten()
    }

    fn attempt(&mut self, node: NodeId) -> Result<Term, Impossible> {
        let mut tasks = alloc::vec![Task::Make(node, 0)];
        let mut made: Vec<Term> = Vec::new();
        let mut count = 0_usize;
        while let Some(task) = tasks.pop() {
            match task {
                Task::Make(node, level) => {
                    count += 1;
                    if count > self.max_terms.saturating_mul(MOST_TIMES) {
                        return Err(Impossible);
                    }
                    let tired = level >= MAX_LEVEL || count + tasks.len() > self.max_terms;
                    if let Some(term) = self.make(node, level, tired, &mut tasks)? {
                        made.push(term);
                    }
                }
                Task::Tuple(len) => {
                    let parts = made.split_off(made.len().saturating_sub(len));
                    made.push(Term::tuple(parts));
                }
                Task::List(len) => {
                    let parts = made.split_off(made.len().saturating_sub(len));
                    made.push(Term::list(parts));
                }
            }
        }
        made.pop().ok_or(Impossible)
    }

    /// A term without parts, or nothing, and what has to be done instead.
    fn make(
        &mut self,
        node: NodeId,
        level: u32,
        tired: bool,
        tasks: &mut Vec<Task>,
    ) -> Result<Option<Term>, Impossible> {
        let checker = self.checker;
        let random = &mut self.random;
        Ok(Some(match checker.graph().meaning(node) {
            Meaning::Nothing => return Err(Impossible),
            Meaning::Anything => leaf::anything(random),
            Meaning::AnyBut(_) => loop {
                // Most terms fit; an integer always does.
                let term = leaf::anything(random);
                if checker.fits(node, &term) == Ok(true) {
                    break term;
                }
            },
            Meaning::Atom(attributes) => leaf::atom(*attributes, random),
            Meaning::AtomLiteral(name) => Term::Atom(name.clone()),
            Meaning::Binary(attributes) => Term::binary(leaf::bytes(*attributes, random)),
            Meaning::BinaryLiteral(bytes) => Term::binary(bytes.clone()),
            Meaning::Integer { min, max } => leaf::integer(min.as_ref(), max.as_ref(), random),
            Meaning::Float => leaf::float(random),
            Meaning::FloatLiteral(value) => Term::float(*value).unwrap_or_default(),
            Meaning::Codes(text) => {
                Term::list(text.as_bytes().iter().map(|byte| Term::from(*byte)))
            }
            Meaning::StringLiteral(text) => Term::String(text.clone()),
            Meaning::AnyTuple { nonempty } => {
                let len = random.below(3) + usize::from(*nonempty);
                Term::tuple((0..len).map(|_| leaf::anything(random)).collect::<Vec<_>>())
            }
            Meaning::String(list) => Term::String(self.text(*list)?),
            Meaning::Tuple(nodes) => {
                tasks.push(Task::Tuple(nodes.len()));
                tasks.extend(nodes.iter().rev().map(|node| Task::Make(*node, level + 1)));
                return Ok(None);
            }
            Meaning::List { item, min, max } => {
                let len = self.length(*item, *min, *max, tired)?;
                tasks.push(Task::List(len));
                tasks.extend((0..len).map(|_| Task::Make(*item, level + 1)));
                return Ok(None);
            }
            Meaning::Alternatives(nodes) => {
                let chosen = self.alternative(nodes, tired).ok_or(Impossible)?;
                tasks.push(Task::Make(chosen, level));
                return Ok(None);
            }
        }))
    }

    fn alternative(&mut self, nodes: &[NodeId], tired: bool) -> Option<NodeId> {
        let possible = nodes.iter().copied().filter(|node| self.height(*node).is_some());
        if tired {
            return possible.min_by_key(|node| self.height(*node));
        }
        let possible: Vec<NodeId> = possible.collect();
        self.random.choose(&possible).copied()
    }

    fn length(
        &mut self,
        item: NodeId,
        min: u64,
        max: Option<u64>,
        tired: bool,
    ) -> Result<usize, Impossible> {
        let least = usize::try_from(min).map_err(|_| Impossible)?;
        if least > MOST_ITEMS {
            return Err(Impossible);
        }
        if tired || self.height(item).is_none() {
            return Ok(least);
        }
        let more = match max {
            Some(max) => usize::try_from(max - min).unwrap_or(usize::MAX).min(5),
            None => 5,
        };
        Ok(least + self.random.below(more.saturating_add(1)))
    }

    /// A text whose bytes, as a list of integers, are of that node.
    fn text(&mut self, list: NodeId) -> Result<Text, Impossible> {
        match self.checker.graph().meaning(list) {
            Meaning::Anything => {
                Ok(Text::from(leaf::bytes(Attributes::default(), &mut self.random)))
            }
            Meaning::AnyBut(attributes) => {
                Ok(Text::from(leaf::bytes(*attributes, &mut self.random)))
            }
            Meaning::Codes(text) => Ok(text.clone()),
            Meaning::List { item, min, max } => {
                let (item, min, max) = (*item, *min, *max);
                let codes = self.codes(item);
                let mut len = self.length(item, min, max, false)?;
                if codes.is_empty() {
                    len = if min == 0 { 0 } else { return Err(Impossible) };
                }
                let letters: Vec<u8> =
                    codes.iter().copied().filter(u8::is_ascii_lowercase).collect();
                let text = (0..len).filter_map(|_| {
                    let any = letters.is_empty() || self.random.once_in(12);
                    self.random.choose(if any { &codes } else { &letters }).copied()
                });
                Ok(Text::from(text.collect::<Vec<u8>>()))
            }
            Meaning::Alternatives(nodes) => {
                // Each is tried, from a random one on.
                let start = self.random.below(nodes.len());
                let order = nodes.iter().cycle().skip(start).take(nodes.len());
                for node in order {
                    if !matches!(self.checker.graph().meaning(*node), Meaning::Alternatives(_))
                        && let Ok(text) = self.text(*node)
                    {
                        return Ok(text);
                    }
                }
                Err(Impossible)
            }
            Meaning::Nothing
            | Meaning::Atom(_)
            | Meaning::AtomLiteral(_)
            | Meaning::Binary(_)
            | Meaning::BinaryLiteral(_)
            | Meaning::Integer { .. }
            | Meaning::Float
            | Meaning::FloatLiteral(_)
            | Meaning::AnyTuple { .. }
            | Meaning::Tuple(_)
            | Meaning::String(_)
            | Meaning::StringLiteral(_) => Err(Impossible),
        }
    }

    /// The bytes that are of a node.
    fn codes(&mut self, node: NodeId) -> Vec<u8> {
        let checker = self.checker;
        let codes = self.codes.entry(node).or_insert_with(|| {
            let fits = |byte: &u8| checker.fits(node, &Term::from(*byte)) == Ok(true);
            (0..=u8::MAX).filter(fits).collect()
        });
        codes.clone()
    }
}

/// A term that has to have so many times as many parts as it should is not made.
const MOST_TIMES: usize = 64;

/// A list that has to be longer is not made.
const MOST_ITEMS: usize = 1 << 16;
