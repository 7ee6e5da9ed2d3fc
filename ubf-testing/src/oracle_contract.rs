//! The slow, obvious way to see whether a term is of a type: the definition of the types, read
//! aloud. What it must agree with is the fast checker.

#![allow(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "the definition is read aloud: what it does not name is not of the type"
)]

use ubf_codec::Term;
use ubf_contract::{Attributes, Contract, ContractDialect, Predefined, Type, TypeKind};

/// More steps into types and terms are not made: the question is left open.
const MAX_STEPS: u32 = 20_000;
const MAX_LEVEL: u32 = 100;

/// Whether a term is of a type, strings being terms of their own kind; `None` if that takes too
/// long to find out.
pub fn is_of(contract: &Contract, one: &Type, term: &Term) -> Option<bool> {
    Question { contract, steps: MAX_STEPS }.is_of(one, term, 0)
}

struct Question<'c> {
    contract: &'c Contract,
    steps: u32,
}

impl Question<'_> {
    fn is_of(&mut self, one: &Type, term: &Term, level: u32) -> Option<bool> {
        self.steps = self.steps.checked_sub(1)?;
        if level > MAX_LEVEL {
            return None;
        }
        let level = level + 1;
        let contract = self.contract;
        match &one.kind {
            TypeKind::Reference { optional: true, .. }
            | TypeKind::Predefined { optional: true, .. }
                if is_undefined(term) =>
            {
                Some(true)
            }
            TypeKind::Reference { name, .. } => {
                let definition = &contract.type_def(name.as_bytes())?.definition;
                self.is_of(definition, term, level)
            }
            TypeKind::Predefined { predefined, attributes, .. } => {
                Some(is_predefined(*predefined, *attributes, term))
            }
            TypeKind::Alternatives(types) => {
                let mut is_open = false;
                for one in types {
                    match self.is_of(one, term, level) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => is_open = true,
                    }
                }
                (!is_open).then_some(false)
            }
            TypeKind::Tuple(types) => {
                if let ([first, list], Term::String(text)) = (types.as_slice(), term)
                    && first.kind == TypeKind::Atom("#S".into())
                {
                    let codes = text.as_bytes().iter().map(|byte| Term::from(*byte));
                    return self.is_of(list, &Term::list(codes), level);
                }
                let is_string = matches!(types.as_slice(), [first, _] if first.kind == TypeKind::Atom("#S".into()));
                let Term::Tuple(terms) = term else { return Some(false) };
                if is_string || terms.len() != types.len() {
                    return Some(false);
                }
                self.all(types.iter().zip(terms.iter()), level)
            }
            TypeKind::Record(record) => {
                let Term::Tuple(terms) = term else { return Some(false) };
                let before = if record.extended { 3 } else { 1 };
                if terms.len() != record.fields.len() + before
                    || !is_atom(&terms[0], record.name.as_bytes())
                    || record.extended && !is_undefined(&terms[1])
                {
                    return Some(false);
                }
                let types = record.fields.iter().map(|field| &field.definition);
                self.all(types.zip(&terms[before..]), level)
            }
            TypeKind::EmptyList => Some(matches!(term, Term::List(terms) if terms.is_empty())),
            TypeKind::List { item, length } => {
                let Term::List(terms) = term else { return Some(false) };
                if length.is_counted() && contract.dialect() == ContractDialect::V1_16 {
                    return Some(false);
                }
                let (min, max) = length.bounds();
                let len = ubf_codec::Integer::from(terms.len());
                if len < min || max.is_some_and(|max| len > max) {
                    return Some(false);
                }
                self.all(terms.iter().map(|term| (&**item, term)), level)
            }
            TypeKind::Range { min, max } => {
                let Term::Integer(value) = term else { return Some(false) };
                let above = min.as_ref().is_none_or(|min| min.value <= *value);
                Some(above && max.as_ref().is_none_or(|max| *value <= max.value))
            }
            TypeKind::Atom(name) => Some(is_atom(term, name.as_bytes())),
            TypeKind::Integer(literal) => {
                Some(matches!(term, Term::Integer(value) if *value == literal.value))
            }
            TypeKind::Float(literal) => Some(term.as_ref().as_f64() == Some(*literal)),
            TypeKind::Binary(literal) => {
                Some(matches!(term, Term::Binary(bytes) if bytes == literal))
            }
            TypeKind::String(literal) if contract.dialect() == ContractDialect::V1_12 => {
                let codes = literal.as_bytes().iter().map(|byte| Term::from(*byte));
                Some(*term == Term::list(codes))
            }
            TypeKind::String(literal) => {
                Some(matches!(term, Term::String(text) if text == literal))
            }
        }
    }

    /// Whether each term is of its type. One that is not decides, though others may be open.
    fn all<'t>(
        &mut self,
        pairs: impl Iterator<Item = (&'t Type, &'t Term)>,
        level: u32,
    ) -> Option<bool> {
        let mut is_open = false;
        for (one, term) in pairs {
            match self.is_of(one, term, level) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => is_open = true,
            }
        }
        (!is_open).then_some(true)
    }
}

fn is_atom(term: &Term, name: &[u8]) -> bool {
    match term {
        Term::Undefined => name == b"undefined",
        Term::Atom(text) => text.as_bytes() == name,
        _ => false,
    }
}

fn is_undefined(term: &Term) -> bool {
    is_atom(term, b"undefined")
}

fn is_predefined(predefined: Predefined, attributes: Attributes, term: &Term) -> bool {
    let is_float = term.as_ref().as_f64().is_some();
    let is_kind = match (predefined, term) {
        (Predefined::Any | Predefined::None, _)
        | (Predefined::Atom, Term::Atom(_) | Term::Undefined)
        | (Predefined::Binary, Term::Binary(_))
        | (Predefined::Integer, Term::Integer(_))
        | (Predefined::List, Term::List(_))
        | (Predefined::String, Term::String(_))
        | (Predefined::Tuple, Term::Tuple(_)) => true,
        (Predefined::Float, _) => is_float,
        (Predefined::Proplist, Term::Tuple(pair)) => {
            let [name, Term::List(pairs)] = &**pair else { return false };
            let are_pairs =
                pairs.iter().all(|pair| matches!(pair, Term::Tuple(two) if two.len() == 2));
            return is_atom(name, b"#P")
                && are_pairs
                && !(attributes.has(Attributes::NONEMPTY) && pairs.is_empty());
        }
        _ => false,
    };
    let bytes: &[u8] = match term {
        Term::Atom(text) | Term::String(text) => text.as_bytes(),
        Term::Binary(bytes) => bytes,
        _ => b"x",
    };
    // A string is not empty where anything may stand, but where only strings may.
    let is_empty = match term {
        Term::Atom(_) | Term::Binary(_) => bytes.is_empty(),
        Term::String(_) => predefined == Predefined::String && bytes.is_empty(),
        Term::Tuple(terms) | Term::List(terms) => terms.is_empty(),
        _ => false,
    };
    is_kind
        && !(attributes.has(Attributes::NONEMPTY) && is_empty)
        && !(attributes.has(Attributes::NONUNDEFINED) && is_undefined(term))
        && attributes.allow_bytes(bytes)
}
