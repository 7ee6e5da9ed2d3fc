#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a node takes no term of the kinds that are not named"
)]
//! One step of checking: a term against a node, as far as its parts do not count.

use ubf_codec::{Integer, IntegerRef, TermRef, TextRef, TupleRef, View};

use super::subject::{Elements, Items, Subject, is_undefined};
use crate::graph::{Meaning, NodeId, Strings, TypeGraph};
use crate::predefined::Attributes;

/// What a look at a subject says.
pub(super) enum Look<'g, 't> {
    Yes,
    No,
    /// It is yes if the elements are of these nodes, one by one.
    Elements(&'g [NodeId], Elements<'t>),
    /// It is yes if all of the items are of the node.
    Items(NodeId, Items<'t>),
    /// It is yes if one of these nodes takes the subject.
    Choice(&'g [NodeId]),
    /// It is what this node says of that subject.
    Instead(NodeId, Subject<'t>),
}

impl From<bool> for Look<'_, '_> {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

#[inline]
pub(super) fn look<'g, 't>(
    graph: &'g TypeGraph,
    node: NodeId,
    subject: Subject<'t>,
) -> Look<'g, 't> {
    let meaning = graph.meaning(node);
    match meaning {
        Meaning::Anything => return Look::Yes,
        Meaning::Nothing => return Look::No,
        Meaning::Alternatives(nodes) => return Look::Choice(nodes),
        _ => {}
    }
    match subject {
        Subject::Term(term) => look_at_term(graph, meaning, term),
        Subject::Atom(name) => takes_atom(meaning, name.as_bytes()).into(),
        Subject::Codes(text) => look_at_codes(graph, meaning, text),
        Subject::Code(code) => {
            takes_integer(meaning, IntegerRef::from(&Integer::from(code))).into()
        }
    }
}

/// The answer where it takes one look and is asked for often; nothing where it may take more.
#[inline]
pub(super) fn quick_look(graph: &TypeGraph, node: NodeId, subject: Subject<'_>) -> Option<bool> {
    let Subject::Term(term) = subject else { return None };
    match graph.meaning(node) {
        Meaning::Anything => Some(true),
        Meaning::AtomLiteral(literal) => Some(match term.view() {
            View::Atom(name) => name == *literal.as_bytes(),
            View::Undefined => literal.as_bytes() == b"undefined",
            _ => false,
        }),
        meaning @ Meaning::Integer { .. } => Some(match term.view() {
            View::Integer(value) => takes_integer(meaning, value),
            _ => false,
        }),
        _ => None,
    }
}

#[inline]
fn look_at_term<'g, 't>(
    graph: &'g TypeGraph,
    meaning: &'g Meaning,
    term: TermRef<'t>,
) -> Look<'g, 't> {
    let view = term.view();
    if let Meaning::AnyBut(attributes) = meaning {
        return any_but(*attributes, &view).into();
    }
    match view {
        View::Undefined => takes_atom(meaning, b"undefined").into(),
        View::Integer(value) => takes_integer(meaning, value).into(),
        View::Atom(name) => takes_text_of_atom(meaning, name).into(),
        View::String(text) => look_at_string(graph, meaning, text),
        View::Binary(bytes) => takes_binary(meaning, bytes).into(),
        View::Tuple(tuple) => look_at_tuple(graph, meaning, tuple),
        View::List(list) => match meaning {
            Meaning::List { item, min, max } => {
                let len = list.len() as u64;
                if len < *min || max.is_some_and(|max| len > max) {
                    return Look::No;
                }
                if len == 0 || *graph.meaning(*item) == Meaning::Anything {
                    return Look::Yes;
                }
                Look::Items(*item, Items::List(list.iter()))
            }
            Meaning::Codes(text) => {
                let codes = text.as_bytes();
                let same = list.len() == codes.len()
                    && list
                        .iter()
                        .zip(codes)
                        .all(|(one, code)| one.as_i64() == Some((*code).into()));
                same.into()
            }
            _ => Look::No,
        },
        View::Tagged(tag, inner) => match (term.as_f64(), meaning) {
            (Some(_), Meaning::Float) => Look::Yes,
            (Some(value), Meaning::FloatLiteral(literal)) => (value == *literal).into(),
            (None, Meaning::AnyTuple { .. }) => (graph.strings() == Strings::AsTuples).into(),
            (None, Meaning::Tuple(nodes))
                if graph.strings() == Strings::AsTuples && nodes.len() == 3 =>
            {
                Look::Elements(nodes, Elements::Tagged(tag, inner, 0))
            }
            _ => Look::No,
        },
    }
}

fn any_but(attributes: Attributes, view: &View<'_>) -> bool {
    let is_empty = || match view {
        View::Atom(name) => *name == "",
        View::Binary(bytes) => bytes.is_empty(),
        View::Tuple(tuple) => tuple.is_empty(),
        View::List(list) => list.is_empty(),
        View::Undefined | View::Integer(_) | View::String(_) | View::Tagged(..) => false,
    };
    !(attributes.has(Attributes::NONEMPTY) && is_empty()
        || attributes.has(Attributes::NONUNDEFINED) && is_undefined(view))
}

#[inline]
fn takes_text_of_atom(meaning: &Meaning, name: TextRef<'_>) -> bool {
    match meaning {
        Meaning::AtomLiteral(literal) => name == *literal.as_bytes(),
        Meaning::Atom(attributes) if attributes.is_empty() => true,
        _ => takes_atom(meaning, &name.to_bytes()),
    }
}

fn takes_atom(meaning: &Meaning, name: &[u8]) -> bool {
    match meaning {
        Meaning::AtomLiteral(literal) => literal.as_bytes() == name,
        Meaning::Atom(attributes) => {
            attributes.allow_bytes(name)
                && !(attributes.has(Attributes::NONEMPTY) && name.is_empty())
                && !(attributes.has(Attributes::NONUNDEFINED) && name == b"undefined")
        }
        Meaning::AnyBut(attributes) => !(attributes.has(Attributes::NONEMPTY) && name.is_empty()),
        _ => false,
    }
}

#[inline]
fn takes_integer(meaning: &Meaning, value: IntegerRef<'_>) -> bool {
    match meaning {
        Meaning::Integer { min, max } => {
            // Mostly all three fit 64 bits.
            if let (Some(min), Some(max), Some(value)) = (min, max, value.to_i64())
                && let (Some(min), Some(max)) = (min.to_i64(), max.to_i64())
            {
                return (min..=max).contains(&value);
            }
            min.as_ref().is_none_or(|min| IntegerRef::from(min) <= value)
                && max.as_ref().is_none_or(|max| value <= IntegerRef::from(max))
        }
        Meaning::AnyBut(_) => true,
        _ => false,
    }
}

fn takes_binary(meaning: &Meaning, bytes: &[u8]) -> bool {
    match meaning {
        Meaning::Binary(attributes) => {
            attributes.allow_bytes(bytes)
                && !(attributes.has(Attributes::NONEMPTY) && bytes.is_empty())
        }
        Meaning::BinaryLiteral(literal) => literal == bytes,
        _ => false,
    }
}

#[inline]
fn look_at_tuple<'g, 't>(
    graph: &'g TypeGraph,
    meaning: &'g Meaning,
    tuple: TupleRef<'t>,
) -> Look<'g, 't> {
    match meaning {
        Meaning::Tuple(nodes) => {
            if nodes.len() != tuple.len() {
                return Look::No;
            }
            let mut elements = tuple.iter();
            // Most tuples begin with an atom that says which one it is.
            if let Some((first, others)) = nodes.split_first()
                && let Meaning::AtomLiteral(literal) = graph.meaning(*first)
            {
                let is_it = match elements.next().map(|element| element.view()) {
                    Some(View::Atom(name)) => name == *literal.as_bytes(),
                    Some(View::Undefined) => literal.as_bytes() == b"undefined",
                    _ => false,
                };
                return match (is_it, others) {
                    (false, _) => Look::No,
                    (true, []) => Look::Yes,
                    (true, others) => Look::Elements(others, Elements::Tuple(elements)),
                };
            }
            if nodes.is_empty() {
                Look::Yes
            } else {
                Look::Elements(nodes, Elements::Tuple(elements))
            }
        }
        Meaning::AnyTuple { nonempty } => (!nonempty || !tuple.is_empty()).into(),
        Meaning::String(list) if graph.strings() == Strings::AsTuples => match tuple.to_array() {
            Some([name, codes]) if name.is_atom("#S") => Look::Instead(*list, Subject::Term(codes)),
            _ => Look::No,
        },
        _ => Look::No,
    }
}

fn look_at_string<'g, 't>(
    graph: &'g TypeGraph,
    meaning: &'g Meaning,
    text: TextRef<'t>,
) -> Look<'g, 't> {
    match (meaning, graph.strings()) {
        (Meaning::String(list), _) => Look::Instead(*list, Subject::Codes(text)),
        (Meaning::StringLiteral(literal), _) => (text == *literal.as_bytes()).into(),
        (Meaning::AnyTuple { .. }, Strings::AsTuples) => Look::Yes,
        (Meaning::Tuple(nodes), Strings::AsTuples) if nodes.len() == 2 => {
            Look::Elements(nodes, Elements::Text(text, 0))
        }
        _ => Look::No,
    }
}

/// The bytes of a text as a list of integers.
fn look_at_codes<'g, 't>(
    graph: &'g TypeGraph,
    meaning: &'g Meaning,
    text: TextRef<'t>,
) -> Look<'g, 't> {
    match meaning {
        Meaning::List { item, min, max } => {
            let bytes = text.to_bytes();
            let len = bytes.len() as u64;
            if len < *min || max.is_some_and(|max| len > max) {
                return Look::No;
            }
            match graph.meaning(*item) {
                Meaning::Anything => Look::Yes,
                Meaning::Integer { min, max } => {
                    let min = min.as_ref().map_or(Some(i64::MIN), Integer::to_i64);
                    let max = max.as_ref().map_or(Some(i64::MAX), Integer::to_i64);
                    match (min, max) {
                        (Some(min), Some(max)) => {
                            let all = min <= 0 && max >= 255;
                            let fits = |byte: &u8| (min..=max).contains(&i64::from(*byte));
                            (all || bytes.iter().all(fits)).into()
                        }
                        // A bound beyond 64 bits: the general way finds out on which side.
                        (None, _) | (_, None) => Look::Items(*item, Items::Codes(bytes, 0)),
                    }
                }
                _ => Look::Items(*item, Items::Codes(bytes, 0)),
            }
        }
        Meaning::Codes(literal) => (text == *literal.as_bytes()).into(),
        Meaning::AnyBut(attributes) => {
            (!attributes.has(Attributes::NONEMPTY) || text != *"").into()
        }
        _ => Look::No,
    }
}
