#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds have a form of their own")]
//! What a type of a contract is in Rust: the form that serde writes as that type.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use ubf_codec::{Integer, Text};

use crate::model::{Contract, Type, TypeKind};
use crate::predefined::{Attributes, Predefined};

/// A type, seen through all names.
#[derive(Clone, Debug)]
pub(super) enum Shape<'c> {
    /// Whatever serde has no form for, and what may be anything.
    Term,
    Bool,
    Text,
    Binary,
    Float,
    /// From the lowest to the highest; `None` is no bound.
    Integer(Option<Integer>, Option<Integer>),
    /// One atom.
    Unit(Text),
    /// A tuple that begins with an atom, and the others of its elements.
    Tagged(Text, Vec<Element<'c>>),
    /// Some of these, each with a name of its own.
    Choice(Vec<Variant<'c>>),
    Tuple(Vec<Element<'c>>),
    List(Element<'c>),
    /// What is, or `undefined`.
    Optional(Box<Self>),
}

/// An element of a tuple or a list: the types that may stand there, and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Element<'c> {
    pub(super) types: Vec<&'c Type>,
    pub(super) name: String,
}

/// An alternative.
#[derive(Clone, Debug)]
pub(super) struct Variant<'c> {
    pub(super) tag: Text,
    /// `None`: only the atom.
    pub(super) elements: Option<Vec<Element<'c>>>,
}

/// What one type stands for, when it is one of several.
enum One<'c> {
    Undefined,
    Shape(Shape<'c>),
}

/// The shape of what is of any of these types.
pub(super) fn shape<'c>(contract: &'c Contract, types: &[&'c Type]) -> Shape<'c> {
    let mut ones = Vec::new();
    let mut seen = BTreeSet::new();
    for one in types {
        flatten(contract, one, &mut seen, &mut ones);
    }
    let count = ones.len();
    let mut shapes: Vec<Shape<'c>> = ones
        .into_iter()
        .filter_map(|one| match one {
            One::Undefined => None,
            One::Shape(shape) => Some(shape),
        })
        .collect();
    let is_optional = shapes.len() < count;
    let shape = if shapes.len() == 1 { shapes.remove(0) } else { together(shapes) };
    match shape {
        Shape::Term | Shape::Optional(_) => shape,
        _ if is_optional => Shape::Optional(Box::new(shape)),
        _ => shape,
    }
}

/// Adds what a type stands for, alternatives and names resolved.
fn flatten<'c>(
    contract: &'c Contract,
    one: &'c Type,
    seen: &mut BTreeSet<&'c Text>,
    ones: &mut Vec<One<'c>>,
) {
    match &one.kind {
        TypeKind::Alternatives(types) => {
            for one in types {
                flatten(contract, one, seen, ones);
            }
        }
        TypeKind::Reference { name, optional } => {
            if *optional {
                ones.push(One::Undefined);
            }
            match name.as_bytes() {
                b"ubfstring" => ones.push(One::Shape(Shape::Text)),
                b"boolean" => ones.push(One::Shape(Shape::Bool)),
                // A type that is only defined as itself: no term is of it.
                _ if !seen.insert(name) => {}
                _ => {
                    if let Some(definition) = contract.type_def(name.as_bytes()) {
                        flatten(contract, &definition.definition, seen, ones);
                    }
                    seen.remove(name);
                }
            }
        }
        TypeKind::Predefined { optional: true, predefined, attributes } => {
            ones.push(One::Undefined);
            ones.push(One::Shape(predefined_shape(*predefined, *attributes)));
        }
        TypeKind::Predefined { predefined, attributes, .. } => {
            ones.push(One::Shape(predefined_shape(*predefined, *attributes)));
        }
        TypeKind::Atom(name) if *name == "undefined" => ones.push(One::Undefined),
        TypeKind::Atom(name) => {
            ones.push(One::Shape(if is_utf8(name) {
                Shape::Unit(name.clone())
            } else {
                Shape::Term
            }));
        }
        TypeKind::Tuple(types) => ones.push(One::Shape(tuple(types))),
        TypeKind::Record(record) => {
            let fields = record.fields.iter().map(|field| Element {
                types: vec![&field.definition],
                name: field.name.to_latin1(),
            });
            let tagged = Shape::Tagged(record.name.clone(), fields.collect());
            let is_plain = !record.extended && !record.fields.is_empty() && is_utf8(&record.name);
            ones.push(One::Shape(if is_plain { tagged } else { Shape::Term }));
        }
        TypeKind::List { item, .. } => {
            let item = Element { types: vec![item], name: "item".to_string() };
            ones.push(One::Shape(Shape::List(item)));
        }
        TypeKind::Range { min, max } => {
            let [min, max] = [min, max].map(|end| end.as_ref().map(|end| end.value.clone()));
            ones.push(One::Shape(Shape::Integer(min, max)));
        }
        TypeKind::Integer(literal) => {
            let value = Some(literal.value.clone());
            ones.push(One::Shape(Shape::Integer(value.clone(), value)));
        }
        TypeKind::Float(_) => ones.push(One::Shape(Shape::Float)),
        TypeKind::Binary(_) => ones.push(One::Shape(Shape::Binary)),
        TypeKind::String(_) => ones.push(One::Shape(Shape::Text)),
        TypeKind::EmptyList => ones.push(One::Shape(Shape::Term)),
    }
}

fn predefined_shape<'c>(predefined: Predefined, _: Attributes) -> Shape<'c> {
    match predefined {
        Predefined::Binary => Shape::Binary,
        Predefined::Float => Shape::Float,
        Predefined::Integer => Shape::Integer(None, None),
        Predefined::String => Shape::Text,
        Predefined::Any
        | Predefined::Atom
        | Predefined::List
        | Predefined::None
        | Predefined::Proplist
        | Predefined::Tuple => Shape::Term,
    }
}

fn tuple(types: &[Type]) -> Shape<'_> {
    let element = |one| Element { types: vec![one], name: name_of(one) };
    match types {
        [first, others @ ..] if !others.is_empty() => match &first.kind {
            TypeKind::Atom(tag) if *tag != "undefined" && is_utf8(tag) => {
                Shape::Tagged(tag.clone(), others.iter().map(element).collect())
            }
            _ => Shape::Tuple(types.iter().map(element).collect()),
        },
        // Serde writes neither `{}` nor `{a}`.
        [one] if !matches!(one.kind, TypeKind::Atom(_)) => Shape::Tuple(vec![element(one)]),
        _ => Shape::Term,
    }
}

/// Names in Rust are UTF-8, and so are those that serde writes.
fn is_utf8(name: &Text) -> bool {
    core::str::from_utf8(name.as_bytes()).is_ok()
}

/// What the value of a type may be called.
fn name_of(one: &Type) -> String {
    let name = match &one.kind {
        TypeKind::Reference { name, .. } => match name.as_bytes() {
            b"ubfstring" | b"string" | b"nonempty_string" => "text",
            b"byte" | b"char" | b"non_neg_integer" | b"pos_integer" | b"neg_integer"
            | b"number" => "number",
            b"boolean" => "flag",
            b"term" => "term",
            _ => return name.to_latin1(),
        },
        TypeKind::Predefined { predefined: Predefined::Integer | Predefined::Float, .. }
        | TypeKind::Range { .. }
        | TypeKind::Integer(_)
        | TypeKind::Float(_) => "number",
        TypeKind::Predefined { predefined: Predefined::Binary, .. } | TypeKind::Binary(_) => {
            "bytes"
        }
        TypeKind::Predefined { .. } => "term",
        TypeKind::String(_) => "text",
        TypeKind::List { .. } | TypeKind::EmptyList => "items",
        TypeKind::Atom(name) => return name.to_latin1(),
        TypeKind::Alternatives(_) | TypeKind::Tuple(_) | TypeKind::Record(_) => "value",
    };
    name.to_string()
}

/// One form for several types, none of which is undefined.
fn together(shapes: Vec<Shape<'_>>) -> Shape<'_> {
    let is = |test: fn(&Shape<'_>) -> bool| !shapes.is_empty() && shapes.iter().all(test);
    if is(|shape| matches!(shape, Shape::Text)) {
        return Shape::Text;
    }
    if is(|shape| matches!(shape, Shape::Binary)) {
        return Shape::Binary;
    }
    if is(|shape| matches!(shape, Shape::Integer(..))) {
        return integers(&shapes);
    }
    // A float is also read from an integer.
    if is(|shape| matches!(shape, Shape::Integer(..) | Shape::Float)) {
        return Shape::Float;
    }
    let booleans: BTreeSet<&[u8]> = shapes
        .iter()
        .filter_map(|shape| match shape {
            Shape::Unit(name) => Some(name.as_bytes()),
            _ => None,
        })
        .collect();
    let is_bool = shapes.iter().all(|shape| matches!(shape, Shape::Bool | Shape::Unit(_)))
        && booleans.iter().all(|name| [&b"true"[..], b"false"].contains(name))
        && (booleans.len() == 2 || shapes.iter().any(|shape| matches!(shape, Shape::Bool)));
    if is_bool {
        return Shape::Bool;
    }
    choice(shapes).unwrap_or(Shape::Term)
}

fn integers<'c>(shapes: &[Shape<'c>]) -> Shape<'c> {
    let (mut lowest, mut highest) = (Vec::new(), Vec::new());
    for shape in shapes {
        if let Shape::Integer(min, max) = shape {
            lowest.push(min.clone());
            highest.push(max.clone());
        }
    }
    let lowest: Option<Vec<Integer>> = lowest.into_iter().collect();
    let highest: Option<Vec<Integer>> = highest.into_iter().collect();
    Shape::Integer(
        lowest.and_then(|all| all.into_iter().min()),
        highest.and_then(|all| all.into_iter().max()),
    )
}

/// Alternatives that are told apart by their first atom. Those with the same atom and as many
/// elements are one, which allows more than they do; all else has no form.
fn choice(shapes: Vec<Shape<'_>>) -> Option<Shape<'_>> {
    let mut variants: Vec<Variant<'_>> = Vec::new();
    for shape in shapes {
        let (tag, elements) = match shape {
            Shape::Unit(tag) => (tag, None),
            Shape::Tagged(tag, elements) => (tag, Some(elements)),
            Shape::Choice(inner) => {
                variants.extend(inner);
                continue;
            }
            _ => return None,
        };
        match variants.iter_mut().find(|variant| variant.tag == tag) {
            None => variants.push(Variant { tag, elements }),
            Some(same) => match (&mut same.elements, elements) {
                (None, None) => {}
                (Some(ones), Some(others)) if ones.len() == others.len() => {
                    for (one, other) in ones.iter_mut().zip(others) {
                        one.types.extend(other.types);
                    }
                }
                (_, _) => return None,
            },
        }
    }
    match variants.as_slice() {
        [] => None,
        [Variant { tag, elements: None }] => Some(Shape::Unit(tag.clone())),
        [Variant { tag, elements: Some(elements) }] => {
            Some(Shape::Tagged(tag.clone(), elements.clone()))
        }
        _ => Some(Shape::Choice(variants)),
    }
}
