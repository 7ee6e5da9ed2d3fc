//! From contract to term.

use alloc::vec::Vec;

use ubf_codec::{Integer, Term, Text, ubf};

use crate::dialect::ContractDialect;
use crate::model::{
    Annotation, AnnotationForm, Contract, Count, Length, Record, Rule, RuleKind, Type, TypeDef,
    TypeKind,
};
use crate::predefined::{Attributes, Predefined};

fn word(name: &'static str) -> Term {
    Term::Atom(Text::from_static(name))
}

/// A tuple that begins with a word.
fn tuple<const N: usize>(name: &'static str, others: [Term; N]) -> Term {
    Term::tuple([word(name)].into_iter().chain(others))
}

/// The bytes as a list of integers.
fn codes(text: &[u8]) -> Term {
    Term::list(text.iter().map(|byte| Term::from(*byte)))
}

pub(super) fn contract(contract: &Contract) -> Term {
    let dialect = contract.dialect();
    let mut states: Vec<Term> = contract
        .states()
        .iter()
        .map(|state| Term::tuple([Term::Atom(state.name.clone()), rules(&state.rules, dialect)]))
        .collect();
    let mut any_state: Vec<Term> =
        contract.any_state().iter().map(|rule| any_rule(rule, dialect)).collect();
    if dialect == ContractDialect::V2 {
        // In the order of Erlang's terms, which for these is that of ours. The others as written.
        states.sort();
        any_state.sort();
    }
    let types: Vec<Term> = if dialect == ContractDialect::V1_12 {
        contract.types().iter().map(|definition| type_def(definition, dialect)).collect()
    } else {
        contract.all_types().map(|definition| type_def(definition, dialect)).collect()
    };
    let parts = [
        tuple("name", [Term::String(contract.name().text.clone())]),
        tuple("states", [Term::list(states)]),
        tuple("anystate", [Term::list(any_state)]),
        tuple("types", [Term::list(types)]),
    ];
    tuple("contract", [Term::tuple(parts)])
}

fn type_def(definition: &TypeDef, dialect: ContractDialect) -> Term {
    let annotation = match &definition.annotation {
        None => codes(b""),
        Some(Annotation { text, form: AnnotationForm::Binary }) => {
            Term::binary(text.clone().into_bytes())
        }
        Some(Annotation { text, form: AnnotationForm::String | AnnotationForm::Tag }) => {
            codes(text.as_bytes())
        }
    };
    let pair = Term::tuple([one_type(&definition.definition, dialect), annotation]);
    Term::tuple([Term::Atom(definition.name.clone()), pair])
}

pub(super) fn rules(rules: &[Rule], dialect: ContractDialect) -> Term {
    Term::list(rules.iter().map(|rule| match &rule.kind {
        RuleKind::Call { request, outcomes } => {
            let outputs = outcomes.iter().map(|outcome| {
                let next = outcome.next.clone().unwrap_or_default();
                tuple("output", [one_type(&outcome.response, dialect), Term::Atom(next)])
            });
            tuple("input", [one_type(request, dialect), Term::list(outputs)])
        }
        RuleKind::EventOut(event) => event_out(event, dialect),
        RuleKind::EventIn(event) => tuple("event_in", [one_type(event, dialect)]),
    }))
}

fn any_rule(rule: &Rule, dialect: ContractDialect) -> Term {
    match &rule.kind {
        RuleKind::Call { request, outcomes } => {
            let response = outcomes.first().map(|outcome| one_type(&outcome.response, dialect));
            Term::tuple([one_type(request, dialect), response.unwrap_or_default()])
        }
        RuleKind::EventOut(event) => event_out(event, dialect),
        RuleKind::EventIn(event) => tuple("event_in", [one_type(event, dialect)]),
    }
}

fn event_out(event: &Type, dialect: ContractDialect) -> Term {
    let word = if dialect == ContractDialect::V1_12 { "event" } else { "event_out" };
    tuple(word, [one_type(event, dialect)])
}

/// Recurses as deep as the type is, which the reader limits.
pub(super) fn one_type(one: &Type, dialect: ContractDialect) -> Term {
    let old = dialect == ContractDialect::V1_12;
    match &one.kind {
        TypeKind::Reference { name, optional } => {
            prim(Term::Atom(name.clone()), *optional, dialect)
        }
        TypeKind::Predefined { predefined, attributes, optional } => {
            if old {
                return prim(word(predefined.name(dialect)), *optional, dialect);
            }
            prim(predef(*predefined, *attributes, dialect), *optional, dialect)
        }
        TypeKind::Alternatives(types) => {
            let mut alternatives = types.iter().rev().map(|one| one_type(one, dialect));
            let last = alternatives.next().unwrap_or_default();
            alternatives.fold(last, |after, one| tuple("alt", [one, after]))
        }
        TypeKind::Tuple(types) => {
            let parts = types.iter().map(|one| one_type(one, dialect));
            let parts =
                if dialect == ContractDialect::V2 { Term::tuple(parts) } else { Term::list(parts) };
            tuple("tuple", [parts])
        }
        TypeKind::Record(record) if dialect == ContractDialect::V2 => self::record(record, dialect),
        TypeKind::Record(record) => record_of_1_16(record, dialect),
        TypeKind::EmptyList => ubf!({list, 0, 0, undefined}),
        TypeKind::List { item, .. } if old => tuple("list", [one_type(item, dialect)]),
        TypeKind::List { item, length } => {
            let (min, max) = bounds(length, dialect);
            tuple("list", [min, max, one_type(item, dialect)])
        }
        TypeKind::Range { min, max } => {
            let bound = |bound: &Option<crate::model::IntegerLiteral>| {
                let literal = bound.as_ref();
                literal.map_or_else(|| word("infinity"), |one| Term::from(one.value.clone()))
            };
            tuple("range", [bound(min), bound(max)])
        }
        TypeKind::Atom(name) => {
            tuple(if old { "constant" } else { "atom" }, [Term::Atom(name.clone())])
        }
        TypeKind::Integer(literal) => tuple("integer", [Term::from(literal.value.clone())]),
        TypeKind::Float(value) => tuple("float", [Term::float(*value).unwrap_or_default()]),
        TypeKind::Binary(bytes) => tuple("binary", [Term::binary(bytes.clone())]),
        TypeKind::String(text) => tuple("string", [codes(text.as_bytes())]),
    }
}

fn prim(name: Term, optional: bool, dialect: ContractDialect) -> Term {
    if dialect == ContractDialect::V1_12 {
        return tuple("prim", [name]);
    }
    tuple("prim", [Term::from(if optional { 0 } else { 1 }), Term::from(1), name])
}

fn predef(predefined: Predefined, attributes: Attributes, dialect: ContractDialect) -> Term {
    let name = word(predefined.name(dialect));
    if attributes.is_empty() {
        return tuple("predef", [name]);
    }
    let attributes = Term::list(attributes.names().map(word));
    tuple("predef", [Term::tuple([name, attributes])])
}

/// Servers of 1.16 tell counts as the tokens that they are, with their lines, and the comma for the
/// highest.
fn bounds(length: &Length, dialect: ContractDialect) -> (Term, Term) {
    if dialect == ContractDialect::V1_16 && length.is_counted() {
        let token = |count: &Count| {
            tuple("integer", [Term::from(count.line), Term::from(count.value.clone())])
        };
        return match length {
            Length::Exactly(count) => (token(count), token(count)),
            Length::AtLeast(min) => (token(min), word("infinity")),
            Length::Between(min, _) => (token(min), tuple(",", [Term::from(min.line)])),
            // There is no such form in 1.16.
            Length::AtMost(max) => (Term::from(0), token(max)),
            Length::Any | Length::AtMostOne | Length::AtLeastOne => {
                (Term::from(0), word("infinity"))
            }
        };
    }
    let (min, max) = length.bounds();
    let bound = |bound: Integer| Term::from(bound);
    (bound(min), max.map_or_else(|| word("infinity"), bound))
}

fn record(record: &Record, dialect: ContractDialect) -> Term {
    let names = || record.fields.iter().map(|field| Term::Atom(field.name.clone()));
    let mut fields: Vec<Term> = Vec::new();
    let mut defaults: Vec<Term> = Vec::new();
    let mut types = alloc::vec![tuple("atom", [Term::Atom(record.name.clone())])];
    if record.extended {
        fields.extend([word("$fields"), word("$extra")]);
        let all: Vec<Term> = fields.iter().cloned().chain(names()).collect();
        types.push(undefined_or_names(if record.fields.is_empty() { &[] } else { &all }));
        types.push(tuple("predef", [word("any")]));
        defaults.extend([Term::list([Term::list(all)]), Term::list([])]);
    }
    fields.extend(names());
    for field in &record.fields {
        defaults.push(Term::list(field.default.iter().map(|default| one_type(default, dialect))));
        types.push(one_type(&field.definition, dialect));
    }
    let word = if record.extended { "record_ext" } else { "record" };
    let name = Term::Atom(record.name.clone());
    tuple(word, [name, Term::list(fields), Term::list(defaults), Term::tuple(types)])
}

/// In 1.16 every record is told as if it were an extended one.
fn record_of_1_16(record: &Record, dialect: ContractDialect) -> Term {
    let names: Vec<Term> =
        record.fields.iter().map(|field| Term::Atom(field.name.clone())).collect();
    let start = [undefined_or_names(&names), tuple("predef", [word("term")])];
    let types = record.fields.iter().map(|field| one_type(&field.definition, dialect));
    let word = if record.extended { "record_ext" } else { "record" };
    tuple(word, [Term::Atom(record.name.clone()), Term::list(start.into_iter().chain(types))])
}

/// The type of the second element of an extended record.
fn undefined_or_names(names: &[Term]) -> Term {
    let undefined = ubf!({atom, undefined});
    if names.is_empty() {
        return undefined;
    }
    let atoms = names.iter().map(|name| tuple("atom", [name.clone()]));
    let names = tuple("tuple", [Term::list(atoms)]);
    tuple("alt", [undefined, names])
}
