#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a term of any kind that is not named is the same error"
)]
//! From term to contract.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use ubf_codec::{Integer, TermRef, Text, View};

use super::AnswerError;
use crate::builtin;
use crate::dialect::ContractDialect;
use crate::limits::ContractLimits;
use crate::model::{
    Annotation, AnnotationForm, Contract, Count, Field, IntegerLiteral, Length, Name, Notes,
    Outcome, Parts, Record, Rule, RuleKind, State, Type, TypeDef, TypeKind,
};
use crate::predefined::{Attributes, Predefined};
use crate::span::Span;
use crate::wellformed::{self, Known};

type Read<T> = Result<T, AnswerError>;

fn wrong<T>(term: TermRef<'_>, expected: &str) -> Read<T> {
    let mut found = format!("{term}");
    if found.len() > 120 {
        let end = (0..=120).rev().find(|end| found.is_char_boundary(*end)).unwrap_or(0);
        found.truncate(end);
        found.push('…');
    }
    Err(AnswerError::new(format!("expected {expected}, found {found}")))
}

fn tuple<'t, const N: usize>(term: TermRef<'t>, expected: &str) -> Read<[TermRef<'t>; N]> {
    let View::Tuple(tuple) = term.view() else { return wrong(term, expected) };
    tuple.to_array().map_or_else(|| wrong(term, expected), Ok)
}

/// The second element of a pair that begins with this word.
fn pair<'t>(term: TermRef<'t>, word: &str) -> Read<TermRef<'t>> {
    let expected = format!("{{{word},…}}");
    let [first, second] = tuple(term, &expected)?;
    if first.is_atom(word) { Ok(second) } else { wrong(term, &expected) }
}

fn list<'t>(term: TermRef<'t>, expected: &str) -> Read<Vec<TermRef<'t>>> {
    let View::List(list) = term.view() else { return wrong(term, expected) };
    Ok(list.iter().collect())
}

/// An atom that a contract can write.
fn name(term: TermRef<'_>) -> Read<Text> {
    match term.view() {
        View::Atom(text) => {
            let text = text.to_text();
            if text.as_bytes().contains(&b'\'') {
                return wrong(term, "a name without a quote in it");
            }
            Ok(text)
        }
        View::Undefined => Ok(Text::from_static("undefined")),
        View::Integer(_)
        | View::String(_)
        | View::Binary(_)
        | View::Tuple(_)
        | View::List(_)
        | View::Tagged(..) => wrong(term, "an atom"),
    }
}

/// A text without that quote, since a contract could not write it.
fn quotable(term: TermRef<'_>, text: Text, quote: u8) -> Read<Text> {
    if text.as_bytes().contains(&quote) {
        return wrong(term, "a text without a quote in it");
    }
    Ok(text)
}

/// The parts of an answer.
fn parts(term: TermRef<'_>) -> Read<[TermRef<'_>; 4]> {
    let expected = "{contract,{Name,States,AnyState,Types}}";
    let inner = pair(term, "contract").unwrap_or(term);
    tuple(inner, expected)
}

/// Which dialect a server speaks that answers so: only 2.x tells its built-in types, and only 1.12
/// tells types by their names alone.
pub(super) fn dialect_of(term: TermRef<'_>) -> ContractDialect {
    let Ok([_, states, any_state, types]) = parts(term) else { return ContractDialect::V2 };
    let names = || {
        let types = pair(types, "types").and_then(|types| list(types, "types"))?;
        types.into_iter().map(|one| tuple::<2>(one, "a type")).collect::<Read<Vec<_>>>()
    };
    let tells_built_in =
        names().is_ok_and(|all| all.iter().any(|[name, _]| name.is_atom("nonempty_string")));
    if tells_built_in {
        return ContractDialect::V2;
    }
    let has_short_prim = [states, any_state].into_iter().any(|part| {
        let mut open = alloc::vec![part];
        while let Some(one) = open.pop() {
            match one.view() {
                View::Tuple(tuple) => {
                    let is_prim = tuple.get(0).is_some_and(|first| first.is_atom("prim"));
                    if is_prim && tuple.len() == 2 {
                        return true;
                    }
                    open.extend(tuple.iter());
                }
                View::List(list) => open.extend(list.iter()),
                View::Undefined
                | View::Integer(_)
                | View::Atom(_)
                | View::String(_)
                | View::Binary(_)
                | View::Tagged(..) => {}
            }
        }
        false
    });
    if has_short_prim { ContractDialect::V1_12 } else { ContractDialect::V1_16 }
}

pub(super) fn contract(term: TermRef<'_>, dialect: ContractDialect) -> Read<Contract> {
    let reader = AnswerReader { dialect };
    let [told_name, states, any_state, types] = parts(term)?;
    let told_name = pair(told_name, "name")?;
    let View::String(text) = told_name.view() else { return wrong(told_name, "a string") };
    let text = quotable(told_name, text.to_text(), b'"')?;
    let mut parts = Parts {
        dialect,
        name: Some(Name { text, ..Name::default() }),
        foreign: builtin::types(dialect),
        ..Parts::default()
    };
    for state in list(pair(states, "states")?, "a list of states")? {
        let [state, rules] = tuple(state, "a state and its rules")?;
        let rules = list(rules, "a list of rules")?;
        parts.states.push(State {
            name: name(state)?,
            name_span: Span::default(),
            rules: rules.into_iter().map(|rule| reader.rule(rule)).collect::<Read<_>>()?,
            notes: Notes::default(),
        });
    }
    for rule in list(pair(any_state, "anystate")?, "a list of rules")? {
        parts.any_state.push(reader.any_rule(rule)?);
    }
    for definition in list(pair(types, "types")?, "a list of types")? {
        let definition = reader.type_def(definition)?;
        if !parts.foreign.iter().any(|(_, other)| *other == definition) {
            parts.types.push(definition);
        }
    }
    check(&parts)?;
    let warnings = Vec::new();
    Ok(Contract::new(parts, warnings))
}

/// A server may tell types that none of its rules needs: those of its libraries.
fn check(parts: &Parts) -> Read<()> {
    let known = Known {
        types: BTreeSet::new(),
        types_lost: false,
        states: parts.states.iter().map(|state| state.name.clone()).collect(),
        states_lost: false,
        is_readable: false,
    };
    match wellformed::errors(parts, &known).into_iter().next() {
        None => Ok(()),
        Some((problem, _, _)) => Err(AnswerError::new(format!("{problem}"))),
    }
}

#[derive(Clone, Copy)]
struct AnswerReader {
    dialect: ContractDialect,
}

impl AnswerReader {
    const fn rule_of(kind: RuleKind) -> Rule {
        let notes = Notes { leading: Vec::new(), blank_before: false, trailing: None };
        Rule { kind, span: Span::new(0, 0), notes }
    }

    fn rule(self, term: TermRef<'_>) -> Read<Rule> {
        if let Some(event) = self.event(term)? {
            return Ok(Self::rule_of(event));
        }
        let [word, request, outputs] = tuple(term, "a rule")?;
        if !word.is_atom("input") {
            return wrong(term, "a rule");
        }
        let outputs = list(outputs, "a list of outputs")?;
        if outputs.is_empty() {
            return wrong(term, "a rule with an output");
        }
        let outcomes = outputs.into_iter().map(|output| {
            let [word, response, next] = tuple(output, "an output")?;
            if !word.is_atom("output") {
                return wrong(output, "an output");
            }
            let response = self.reference(response)?;
            Ok(Outcome { response, next: Some(name(next)?), next_span: Span::default() })
        });
        let request = self.reference(request)?;
        Ok(Self::rule_of(RuleKind::Call { request, outcomes: outcomes.collect::<Read<_>>()? }))
    }

    fn any_rule(self, term: TermRef<'_>) -> Read<Rule> {
        if let Some(event) = self.event(term)? {
            return Ok(Self::rule_of(event));
        }
        let [request, response] = tuple(term, "a rule of any state")?;
        let (request, response) = (self.reference(request)?, self.reference(response)?);
        let outcome = Outcome { response, next: None, next_span: Span::default() };
        Ok(Self::rule_of(RuleKind::Call { request, outcomes: alloc::vec![outcome] }))
    }

    fn event(self, term: TermRef<'_>) -> Read<Option<RuleKind>> {
        let Ok([word, event]) = tuple(term, "an event") else { return Ok(None) };
        let View::Atom(word) = word.view() else { return Ok(None) };
        if word == "event_in" {
            return Ok(Some(RuleKind::EventIn(self.reference(event)?)));
        }
        if word == "event_out" || word == "event" {
            return Ok(Some(RuleKind::EventOut(self.reference(event)?)));
        }
        Ok(None)
    }

    /// A type in a rule: a bare name.
    fn reference(self, term: TermRef<'_>) -> Read<Type> {
        let one = self.one_type(term, 0)?;
        match &one.kind {
            TypeKind::Reference { optional: false, .. } => Ok(one),
            TypeKind::Predefined { attributes, optional: false, .. } if attributes.is_empty() => {
                Ok(one)
            }
            _ => wrong(term, "the name of a type"),
        }
    }

    fn type_def(self, term: TermRef<'_>) -> Read<TypeDef> {
        let [type_name, pair] = tuple(term, "a type's name and definition")?;
        let [definition, annotation] = tuple(pair, "a type and its annotation")?;
        Ok(TypeDef {
            name: name(type_name)?,
            name_span: Span::default(),
            definition: self.one_type(definition, 0)?,
            annotation: self.annotation(annotation)?,
            notes: Notes::default(),
        })
    }

    fn annotation(self, term: TermRef<'_>) -> Read<Option<Annotation>> {
        let (text, form) = match term.view() {
            View::Binary(bytes) => (Text::from(bytes), AnnotationForm::Binary),
            View::List(list) if list.is_empty() => return Ok(None),
            View::List(_) => (codes(term)?, AnnotationForm::String),
            View::Undefined
            | View::Integer(_)
            | View::Atom(_)
            | View::String(_)
            | View::Tuple(_)
            | View::Tagged(..) => return wrong(term, "an annotation"),
        };
        Ok(Some(Annotation { text: quotable(term, text, b'"')?, form }))
    }

    /// Recurses as deep as the type is, up to a limit.
    fn one_type(self, term: TermRef<'_>, depth: u32) -> Read<Type> {
        if depth > ContractLimits::new().depth() {
            return wrong(term, "types that stand less deep in one another");
        }
        let View::Tuple(parts) = term.view() else { return wrong(term, "a type") };
        let Some(View::Atom(word)) = parts.get(0).map(|first| first.view()) else {
            return wrong(term, "a type");
        };
        let word = word.to_text();
        let kind = match (word.as_str().unwrap_or_default(), parts.len()) {
            ("alt", 3) => self.alternatives(term, depth)?,
            ("prim", 2 | 4) => self.prim(term)?,
            ("predef", 2) => self.predef(term, false)?,
            ("tuple", 2) => {
                let [_, elements] = tuple(term, "a tuple")?;
                let elements = match elements.view() {
                    View::Tuple(elements) => elements.iter().collect(),
                    _ => list(elements, "a list of types")?,
                };
                TypeKind::Tuple(self.types(elements, depth)?)
            }
            ("record" | "record_ext", 5 | 3) => TypeKind::Record(self.record(term, depth)?),
            ("list", 2) => {
                let [_, item] = tuple(term, "a list")?;
                let item = Box::new(self.one_type(item, depth + 1)?);
                TypeKind::List { item, length: Length::Any }
            }
            ("list", 4) => self.list(term, depth)?,
            ("range", 3) => {
                let [_, min, max] = tuple(term, "a range")?;
                let (min, max) = (bound(min)?, bound(max)?);
                if min.is_none() && max.is_none() {
                    return wrong(term, "a range with a bound");
                }
                let literal = |bound: Option<Integer>| bound.map(IntegerLiteral::from);
                TypeKind::Range { min: literal(min), max: literal(max) }
            }
            ("atom" | "constant", 2) => TypeKind::Atom(name(second(term)?)?),
            ("integer", 2) => match second(term)?.view() {
                View::Integer(value) => TypeKind::Integer(value.to_integer().into()),
                _ => return wrong(term, "an integer"),
            },
            ("float", 2) => match second(term)?.as_f64() {
                Some(value) => TypeKind::Float(value),
                None => return wrong(term, "a float"),
            },
            ("binary", 2) => match second(term)?.view() {
                View::Binary(bytes) => {
                    let text = quotable(term, Text::from(bytes), b'"')?;
                    TypeKind::Binary(text.into_bytes())
                }
                _ => return wrong(term, "a binary"),
            },
            ("string", 2) => TypeKind::String(quotable(term, codes(second(term)?)?, b'"')?),
            _ => return wrong(term, "a type"),
        };
        Ok(Type::unplaced(kind))
    }

    fn types(self, terms: Vec<TermRef<'_>>, depth: u32) -> Read<Vec<Type>> {
        terms.into_iter().map(|one| self.one_type(one, depth + 1)).collect()
    }

    /// Alternatives stand one in another, to the right.
    fn alternatives(self, term: TermRef<'_>, depth: u32) -> Read<TypeKind> {
        let mut alternatives = Vec::new();
        let mut open = alloc::vec![term];
        while let Some(one) = open.pop() {
            match tuple(one, "alternatives") {
                Ok([word, first, second]) if word.is_atom("alt") => open.extend([second, first]),
                _ => alternatives.push(self.one_type(one, depth)?),
            }
        }
        Ok(TypeKind::Alternatives(alternatives))
    }

    fn prim(self, term: TermRef<'_>) -> Read<TypeKind> {
        let (named, optional) = match tuple(term, "a name") {
            Ok([_, min, _, named]) => (named, min.as_i64() == Some(0)),
            Err(_) => {
                let [_, named] = tuple(term, "a name")?;
                (named, false)
            }
        };
        if let View::Tuple(_) = named.view() {
            return self.predef(named, optional);
        }
        let name = name(named)?;
        let predefined = (self.dialect == ContractDialect::V1_12)
            .then(|| Predefined::named(self.dialect, name.as_bytes()))
            .flatten();
        Ok(match predefined {
            Some(predefined) => {
                TypeKind::Predefined { predefined, attributes: Attributes::default(), optional }
            }
            None => TypeKind::Reference { name, optional },
        })
    }

    /// `{'predef', Name}` or `{'predef', {Name, [Attribute]}}`
    fn predef(self, term: TermRef<'_>, optional: bool) -> Read<TypeKind> {
        let inner = pair(term, "predef")?;
        let (named, given) = match tuple(inner, "a predefined type") {
            Ok([named, attributes]) => (named, list(attributes, "a list of attributes")?),
            Err(_) => (inner, Vec::new()),
        };
        let named = name(named)?;
        let Some(predefined) = Predefined::named(self.dialect, named.as_bytes()) else {
            return wrong(term, "a predefined type of this dialect");
        };
        let mut attributes = Attributes::default();
        for attribute in given {
            match Attributes::named(name(attribute)?.as_bytes()) {
                Some(one) if predefined.allowed().has(one) => attributes = attributes.with(one),
                _ => return wrong(attribute, "an attribute of this type"),
            }
        }
        Ok(TypeKind::Predefined { predefined, attributes, optional })
    }

    fn list(self, term: TermRef<'_>, depth: u32) -> Read<TypeKind> {
        let [_, min, max, item] = tuple(term, "a list")?;
        let is_empty = min.as_i64() == Some(0) && max.as_i64() == Some(0);
        if is_empty && matches!(item.view(), View::Atom(_) | View::Undefined) {
            return Ok(TypeKind::EmptyList);
        }
        let item = Box::new(self.one_type(item, depth + 1)?);
        let length = match (count(min)?, max.is_atom("infinity")) {
            // Of 1.16, and counted: the highest is a token as well.
            (Told::Token(min), true) => Length::AtLeast(min),
            (Told::Token(min), false) => match count(max) {
                Ok(Told::Token(_)) => Length::Exactly(min),
                // What the highest was is not told.
                Ok(Told::Number(_)) | Err(_) => Length::Between(min.clone(), min),
            },
            (Told::Number(min), true) => match min.to_i64() {
                Some(0) => Length::Any,
                Some(1) => Length::AtLeastOne,
                _ => Length::AtLeast(Count { value: min, line: 0 }),
            },
            (Told::Number(min), false) => {
                let Told::Number(max) = count(max)? else { return wrong(term, "a list") };
                let of = |value| Count { value, line: 0 };
                match (min.to_i64(), max.to_i64()) {
                    (Some(0), Some(1)) => Length::AtMostOne,
                    (Some(0), Some(_)) if max != min => Length::AtMost(of(max)),
                    _ if min == max => Length::Exactly(of(min)),
                    _ => Length::Between(of(min), of(max)),
                }
            }
        };
        Ok(TypeKind::List { item, length })
    }

    fn record(self, term: TermRef<'_>, depth: u32) -> Read<Record> {
        if let Ok([word, named, types]) = tuple(term, "a record") {
            return self.record_of_1_16(word, named, &list(types, "a list of types")?, depth);
        }
        let [word, named, fields, defaults, types] = tuple(term, "a record")?;
        let extended = word.is_atom("record_ext");
        let skipped = if extended { 2 } else { 0 };
        let View::Tuple(types) = types.view() else { return wrong(types, "a tuple of types") };
        let fields = list(fields, "a list of names")?;
        let defaults = list(defaults, "a list of defaults")?;
        if fields.len() != defaults.len() || fields.len() + 1 != types.len() {
            return wrong(term, "a record with a default and a type for each field");
        }
        let parts = fields.into_iter().zip(defaults).zip(types.iter().skip(1)).skip(skipped);
        let fields = parts.map(|((field, default), definition)| {
            let default = list(default, "a list of one default")?.into_iter().next();
            Ok(Field {
                name: name(field)?,
                name_span: Span::default(),
                default: default.map(|one| self.one_type(one, depth + 1)).transpose()?,
                definition: self.one_type(definition, depth + 1)?,
            })
        });
        Ok(Record { name: name(named)?, fields: fields.collect::<Read<_>>()?, extended })
    }

    /// Names of fields are told as the type that the second element would have if it were extended.
    fn record_of_1_16(
        self,
        word: TermRef<'_>,
        named: TermRef<'_>,
        types: &[TermRef<'_>],
        depth: u32,
    ) -> Read<Record> {
        let [names, _, types @ ..] = types else {
            return wrong(named, "a record with the names of its fields");
        };
        let names = match tuple(*names, "the names of the fields") {
            Ok([_, _, names]) => list(second(names)?, "the names of the fields")?,
            Err(_) => Vec::new(),
        };
        if names.len() != types.len() {
            return wrong(named, "a record with a type for each of its fields");
        }
        let fields = names.into_iter().zip(types).map(|(field, definition)| {
            Ok(Field {
                name: name(second(field)?)?,
                name_span: Span::default(),
                default: None,
                definition: self.one_type(*definition, depth + 1)?,
            })
        });
        let extended = word.is_atom("record_ext");
        Ok(Record { name: name(named)?, fields: fields.collect::<Read<_>>()?, extended })
    }
}

fn second(term: TermRef<'_>) -> Read<TermRef<'_>> {
    let [_, second] = tuple(term, "a pair")?;
    Ok(second)
}

/// A bound of a range.
fn bound(term: TermRef<'_>) -> Read<Option<Integer>> {
    match term.view() {
        View::Integer(value) => Ok(Some(value.to_integer())),
        _ if term.is_atom("infinity") => Ok(None),
        _ => wrong(term, "an integer or infinity"),
    }
}

/// The lowest or highest length of a list.
enum Told {
    Number(Integer),
    /// A token of 1.16, `{'integer', Line, Value}`.
    Token(Count),
}

fn count(term: TermRef<'_>) -> Read<Told> {
    if let View::Integer(value) = term.view() {
        return Ok(Told::Number(value.to_integer()));
    }
    let [word, line, value] = tuple(term, "a length")?;
    let (View::Integer(value), Some(line)) = (value.view(), line.as_i64()) else {
        return wrong(term, "a length");
    };
    if !word.is_atom("integer") {
        return wrong(term, "a length");
    }
    let line = u32::try_from(line).unwrap_or_default();
    Ok(Told::Token(Count { value: value.to_integer(), line }))
}

/// A list of bytes.
fn codes(term: TermRef<'_>) -> Read<Text> {
    let bytes = list(term, "a list of bytes")?.into_iter().map(|code| {
        let byte = code.as_i64().and_then(|code| u8::try_from(code).ok());
        byte.map_or_else(|| wrong(code, "a byte"), Ok)
    });
    Ok(Text::from(bytes.collect::<Read<Vec<u8>>>()?))
}
