//! Why a term is not of a type: where, what was found, what was expected.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use ubf_codec::{Text, View};

use super::limits::Exceeded;
use super::machine::{Frame, Stack, Watch};
use super::subject::Subject;
use crate::graph::{Meaning, NodeId, TypeGraph};
use crate::model::{Contract, Origin, TypeKind};
use crate::shown::Shown;

/// A term is not of a type, or it cost too much to find that out.
///
/// Of several alternatives the nearest one counts: the one that came furthest into the term.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The way from the term to the part that does not fit; empty if it is the term itself.
    pub path: Vec<Step>,
    /// The part that does not fit, shortened.
    pub found: String,
    /// The type that it should have, shortened.
    pub expected: String,
    /// The defined type in which the expected one stands.
    pub within: Option<Text>,
    /// Among alternatives, the one that is nearest, shortened.
    pub alternative: Option<String>,
    /// Set if a limit was exceeded: then nothing is known of the term.
    pub exceeded: Option<Exceeded>,
    /// The expected type is certainly the one that was meant.
    is_meant: bool,
}

/// A step into a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To an element of a tuple, counted from 1, as Erlang does.
    Element(u32),
    /// To a field of a record.
    Field(Text),
    /// To an element of a list, counted from 1.
    Item(u32),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(number) => write!(f, "element {number}"),
            Self::Field(name) => write!(f, "field {}", Shown::of(name)),
            Self::Item(number) => write!(f, "item {number}"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(exceeded) = self.exceeded {
            return exceeded.fmt(f);
        }
        for (index, step) in self.path.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            step.fmt(f)?;
        }
        f.write_str(if self.path.is_empty() { "" } else { ": " })?;
        write!(f, "expected {}, found {}", self.expected, self.found)?;
        match &self.alternative {
            Some(alternative) => write!(f, " (nearest is {alternative})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Mismatch {}

impl Mismatch {
    /// If the term itself does not fit, and no type is nearer than the others, names them all.
    pub(super) fn name_the_whole(&mut self, count: usize, names: Vec<&Text>) {
        if self.path.is_empty() && !self.is_meant && names.len() == count {
            let mut told = BTreeSet::new();
            let names = names.into_iter().filter(|name| told.insert(*name));
            let names: Vec<String> = names.map(|name| format!("{}()", Shown::of(name))).collect();
            let mut text = Short::default();
            let written = match names.as_slice() {
                [others @ .., last] if !others.is_empty() => {
                    write!(text, "{} or {last}", others.join(", "))
                }
                _ => write!(text, "{}", names.concat()),
            };
            self.expected = text.finish(written);
        }
    }

    pub(crate) const fn exceeded(exceeded: Exceeded) -> Self {
        Self {
            path: Vec::new(),
            found: String::new(),
            expected: String::new(),
            within: None,
            alternative: None,
            exceeded: Some(exceeded),
            is_meant: false,
        }
    }
}

/// Where a part of the term is: the tuples and lists around it, the outermost first.
type Place = Vec<(Option<NodeId>, u32)>;

/// Whether a term is a tuple that begins with the atom with which the node's tuples begin, and is
/// only of another size: then that node is meant.
fn is_meant(graph: &TypeGraph, node: NodeId, subject: Subject<'_>) -> bool {
    let (Meaning::Tuple(nodes), Subject::Term(term)) = (graph.meaning(node), subject) else {
        return false;
    };
    let (View::Tuple(tuple), Some(first)) = (term.view(), nodes.first()) else { return false };
    let (Some(element), Meaning::AtomLiteral(name)) = (tuple.get(0), graph.meaning(*first)) else {
        return false;
    };
    matches!(element.view(), View::Atom(found) if found == *name.as_bytes())
}

/// Remembers the failure that is furthest into the term.
pub(super) struct Furthest<'g, 't> {
    graph: &'g TypeGraph,
    /// Set while one of several types is tried: they are alternatives too.
    pub(super) one_of_several: Option<NodeId>,
    place: Place,
    /// The node that was expected is certainly the one that was meant.
    is_meant: bool,
    found: Option<(NodeId, Subject<'t>, Option<NodeId>)>,
}

impl<'g, 't> Furthest<'g, 't> {
    pub(super) const fn new(graph: &'g TypeGraph) -> Self {
        Self { graph, one_of_several: None, place: Vec::new(), is_meant: false, found: None }
    }

    /// What is to be said about it. `root` is said if nothing failed, which cannot be.
    pub(super) fn mismatch(self, root: (NodeId, Subject<'t>), contract: &Contract) -> Mismatch {
        let graph = self.graph;
        let (node, subject, alternative) = self.found.unwrap_or((root.0, root.1, None));
        let path = self.place.iter().map(|(tuple, index)| step(*tuple, *index, graph, contract));
        Mismatch {
            path: path.collect(),
            found: shown_subject(subject),
            expected: shown_node(node, graph, contract),
            within: graph.source(node).map(|(name, _)| name.clone()),
            alternative: alternative.map(|node| shown_node(node, graph, contract)),
            exceeded: None,
            is_meant: self.is_meant,
        }
    }
}

impl<'g, 't> Watch<'g, 't> for Furthest<'g, 't> {
    const KEEPS_CHOICES: bool = true;

    fn failed(&mut self, node: NodeId, subject: Subject<'t>, open: &Stack<'g, 't>) {
        let mut place = Place::new();
        let mut alternative = None;
        // The choices at this very place, the outermost of which says what is expected here; and
        // the alternative that was taken on the way to it.
        let mut choice_here = None;
        let mut chosen_before = self.one_of_several;
        for frame in open.iter() {
            match frame {
                Frame::Tuple { of, index, .. } => {
                    place.push((Some(*of), *index));
                    alternative = chosen_before;
                    choice_here = None;
                }
                Frame::List { index, .. } => {
                    place.push((None, *index));
                    alternative = chosen_before;
                    choice_here = None;
                }
                Frame::Choice { of, chosen, .. } => {
                    choice_here = choice_here.or(Some(*of));
                    chosen_before = Some(*chosen);
                }
            }
        }
        let is_meant = is_meant(self.graph, node, subject);
        let expected = choice_here.filter(|_| !is_meant).unwrap_or(node);
        let indexes = |place: &Place| place.iter().map(|(_, index)| *index).collect::<Vec<_>>();
        let further = (indexes(&place), is_meant) > (indexes(&self.place), self.is_meant);
        if self.found.is_none() || further {
            self.place = place;
            self.is_meant = is_meant;
            self.found = Some((expected, subject, alternative));
        }
    }
}

fn step(tuple: Option<NodeId>, index: u32, graph: &TypeGraph, contract: &Contract) -> Step {
    let Some(tuple) = tuple else { return Step::Item(index + 1) };
    if let Some(TypeKind::Record(record)) =
        graph.source_type(tuple, contract).map(|found| &found.kind)
    {
        // The name comes first, and in an extended record two more elements.
        let before = if record.extended { 3 } else { 1 };
        let field = (index as usize).checked_sub(before).and_then(|at| record.fields.get(at));
        if let Some(field) = field {
            return Step::Field(field.name.clone());
        }
    }
    Step::Element(index + 1)
}

/// What is longer is cut: a message stays one line.
const MAX_SHOWN: usize = 80;

fn shown_node(node: NodeId, graph: &TypeGraph, contract: &Contract) -> String {
    let mut text = Short::default();
    // A part that was made up, as the name of a record is, stands where its type does.
    let written = match (graph.source_type(node, contract), graph.meaning(node)) {
        (Some(one), Meaning::AtomLiteral(name)) if matches!(one.kind, TypeKind::Record(_)) => {
            write!(text, "'{}'", Shown::of(name))
        }
        // Of a string people know the name, and not the tuple that it is defined as.
        (Some(_), Meaning::String(_)) if is_built_in(node, graph, contract) => {
            let name = graph.name_of(node).map(Text::to_latin1).unwrap_or_default();
            write!(text, "{name}()")
        }
        (Some(one), _) => write!(text, "{}", one.display(contract.dialect())),
        (None, meaning) => write!(text, "{}", name_of(meaning)),
    };
    text.finish(written)
}

/// Whether a node is all of a built-in type.
fn is_built_in(node: NodeId, graph: &TypeGraph, contract: &Contract) -> bool {
    let Some(name) = graph.name_of(node) else { return false };
    let mut foreign = contract.foreign_types().iter();
    foreign.any(|(origin, definition)| *origin == Origin::BuiltIn && definition.name == *name)
}

/// A name for what no text says.
const fn name_of(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Anything | Meaning::AnyBut(_) => "any term",
        Meaning::Nothing => "nothing",
        Meaning::Atom(_) | Meaning::AtomLiteral(_) => "an atom",
        Meaning::Binary(_) | Meaning::BinaryLiteral(_) => "a binary",
        Meaning::Integer { .. } => "an integer",
        Meaning::Float | Meaning::FloatLiteral(_) => "a float",
        Meaning::List { .. } | Meaning::Codes(_) => "a list",
        Meaning::AnyTuple { .. } | Meaning::Tuple(_) => "a tuple",
        Meaning::String(_) | Meaning::StringLiteral(_) => "a string",
        Meaning::Alternatives(_) => "one of several types",
    }
}

fn shown_subject(subject: Subject<'_>) -> String {
    let mut text = Short::default();
    let written = match subject {
        Subject::Term(term) => write!(text, "{term}"),
        Subject::Atom(name) => write!(text, "'{name}'"),
        Subject::Codes(codes) => write!(text, "the bytes of {codes:?}"),
        Subject::Code(code) => write!(text, "{code}"),
    };
    text.finish(written)
}

/// A text that ends after some bytes.
#[derive(Default)]
struct Short(String);

impl Short {
    fn finish(mut self, written: fmt::Result) -> String {
        if written.is_err() {
            self.0.push('…');
        }
        self.0
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if self.0.len() >= MAX_SHOWN {
                return Err(fmt::Error);
            }
            match char {
                ' '.. => self.0.push(char),
                control => self.0.push_str(&control.escape_default().to_string()),
            }
        }
        Ok(())
    }
}
