//! What has to hold in a contract whose forms are right, and what is odd though it may be so.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use ubf_codec::Text;

use crate::diagnostic::Problem;
use crate::dialect::ContractDialect;
use crate::graph::{Strings, TypeGraph};
use crate::model::{Origin, Parts, Record, RuleKind, Type, TypeDef, TypeKind};
use crate::predefined::Predefined;
use crate::span::Span;

/// What is known of the parts that could not be read, so that no error is told that is only the
/// consequence of another one.
#[derive(Debug)]
pub(crate) struct Known {
    /// Types that are defined, but not readably.
    pub(crate) types: BTreeSet<Text>,
    pub(crate) types_lost: bool,
    pub(crate) states: BTreeSet<Text>,
    pub(crate) states_lost: bool,
    /// Everything was read.
    pub(crate) is_readable: bool,
}

/// A problem, its place, and the place of what it collides with.
type Found = (Problem, Span, Option<Span>);

/// What existing implementations reject, in their order.
pub(crate) fn errors(parts: &Parts, known: &Known) -> Vec<Found> {
    let mut found = duplicated_types(parts);
    found.extend(differing_types(parts));
    if !known.types_lost {
        found.extend(missing_types(parts, known));
    }
    found.extend(duplicated_states(parts));
    if !known.states_lost {
        found.extend(missing_states(parts, known));
    }
    if known.is_readable && parts.dialect != ContractDialect::V1_12 {
        found.extend(unused_types(parts));
    }
    found
}

fn duplicated_types(parts: &Parts) -> Vec<Found> {
    let mut seen: BTreeMap<&Text, Span> = BTreeMap::new();
    let mut found = Vec::new();
    for definition in &parts.types {
        // In 1.12 the predefined types count as defined.
        let is_predefined = parts.dialect == ContractDialect::V1_12
            && Predefined::named(parts.dialect, definition.name.as_bytes()).is_some();
        let first = seen.get(&definition.name).copied();
        if first.is_some() || is_predefined {
            found.push((Problem::TypeTwice(definition.name.clone()), definition.name_span, first));
        }
        seen.entry(&definition.name).or_insert(definition.name_span);
    }
    found
}

/// Own types and imported ones, held against all that came before under the same name.
fn differing_types(parts: &Parts) -> Vec<Found> {
    let mut first: BTreeMap<&Text, (&Origin, &TypeDef)> = BTreeMap::new();
    let mut found = Vec::new();
    for (origin, definition) in &parts.foreign {
        let (_, other) = *first.entry(&definition.name).or_insert((origin, definition));
        if other != definition {
            found.push((differs(origin, definition), Span::default(), None));
        }
    }
    for definition in &parts.types {
        if let Some((origin, other)) = first.get(&definition.name)
            && *other != definition
        {
            found.push((differs(origin, definition), definition.name_span, None));
        }
    }
    found
}

fn differs(origin: &Origin, definition: &TypeDef) -> Problem {
    let library = match origin {
        Origin::BuiltIn => None,
        Origin::Imported(library) => Some(library.clone()),
    };
    Problem::TypeDiffers { name: definition.name.clone(), library }
}

fn missing_types(parts: &Parts, known: &Known) -> Vec<Found> {
    let mut defined: BTreeSet<&Text> = known.types.iter().collect();
    defined.extend(parts.types.iter().map(|definition| &definition.name));
    defined.extend(parts.foreign.iter().map(|(_, definition)| &definition.name));
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    let mut look = |at: Option<Span>, one: &Type| {
        if let TypeKind::Reference { name, .. } = &one.kind
            && !defined.contains(name)
            && told.insert(name.clone())
        {
            found.push((Problem::TypeMissing(name.clone()), at.unwrap_or(one.span), None));
        }
    };
    for definition in &parts.types {
        definition.definition.walk(true, &mut |one| look(None, one));
    }
    for rule in parts.rules() {
        rule.kind.types().for_each(|one| look(None, one));
    }
    // The spans of a library are not those of this text.
    for (_, definition) in &parts.foreign {
        definition.definition.walk(true, &mut |one| look(Some(Span::default()), one));
    }
    found.sort_by_key(|(_, span, _)| *span);
    found
}

fn duplicated_states(parts: &Parts) -> Vec<Found> {
    let mut seen: BTreeMap<&Text, Span> = BTreeMap::new();
    let mut found = Vec::new();
    for state in &parts.states {
        if state.name == "stop" {
            found.push((Problem::StateStop, state.name_span, None));
        } else if let Some(first) = seen.get(&state.name) {
            found.push((Problem::StateTwice(state.name.clone()), state.name_span, Some(*first)));
        }
        seen.entry(&state.name).or_insert(state.name_span);
    }
    found
}

fn missing_states(parts: &Parts, known: &Known) -> Vec<Found> {
    let mut told = BTreeSet::new();
    let mut is_new =
        |name: &Text| name != "stop" && !known.states.contains(name) && told.insert(name.clone());
    parts
        .next_states()
        .filter(|(name, _)| is_new(name))
        .map(|(name, span)| (Problem::StateMissing(name.clone()), span, None))
        .collect()
}

/// Types that no rule needs. A contract without rules is a library: all of its types are for
/// others.
fn unused_types(parts: &Parts) -> Vec<Found> {
    let mut open: Vec<&Text> = Vec::new();
    for rule in parts.rules() {
        open.extend(rule.kind.types().filter_map(Type::referred));
    }
    if parts.rules().next().is_none() {
        return Vec::new();
    }
    let definitions: BTreeMap<&Text, &TypeDef> = parts
        .foreign
        .iter()
        .map(|(_, definition)| definition)
        .chain(&parts.types)
        .map(|definition| (&definition.name, definition))
        .collect();
    let foreign: BTreeSet<&Text> =
        parts.foreign.iter().map(|(_, definition)| &definition.name).collect();
    let mut used: BTreeSet<&Text> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if used.insert(name)
            && let Some(definition) = definitions.get(name)
        {
            definition.definition.walk(true, &mut |one| open.extend(one.referred()));
        }
    }
    let unused = parts.types.iter().filter(|definition| {
        !used.contains(&definition.name) && !foreign.contains(&definition.name)
    });
    unused
        .map(|definition| {
            (Problem::TypeUnused(definition.name.clone()), definition.name_span, None)
        })
        .collect()
}

/// What is odd about a contract that is right.
pub(crate) fn warnings(parts: &Parts) -> Vec<(Problem, Span)> {
    let mut found = unreachable_states(parts);
    found.extend(empty_types(parts));
    found.extend(record_shapes(parts));
    found.extend(odd_definitions(parts));
    found.sort_by_key(|(_, span)| *span);
    found
}

fn unreachable_states(parts: &Parts) -> Vec<(Problem, Span)> {
    let Some(start) = parts.states.iter().find(|state| state.name == "start") else {
        // A session may begin in any state.
        return Vec::new();
    };
    let states: BTreeMap<&Text, _> =
        parts.states.iter().map(|state| (&state.name, state)).collect();
    let mut reached: BTreeSet<&Text> = BTreeSet::new();
    let mut open = alloc::vec![&start.name];
    while let Some(name) = open.pop() {
        let (true, Some(state)) = (reached.insert(name), states.get(name)) else { continue };
        for rule in &state.rules {
            if let RuleKind::Call { outcomes, .. } = &rule.kind {
                open.extend(outcomes.iter().filter_map(|outcome| outcome.next.as_ref()));
            }
        }
    }
    let unreachable = parts.states.iter().filter(|state| !reached.contains(&state.name));
    unreachable
        .map(|state| (Problem::StateUnreachable(state.name.clone()), state.name_span))
        .collect()
}

fn empty_types(parts: &Parts) -> Vec<(Problem, Span)> {
    let graph = TypeGraph::of_parts(parts, Strings::Apart);
    let inhabited = graph.inhabited();
    let empty = parts.types.iter().filter_map(|definition| {
        let node = graph.named(definition.name.as_bytes())?;
        let problem = if graph.is_alias_cycle(node) {
            Problem::AliasCycle(definition.name.clone())
        } else if inhabited.get(node.index()).is_some_and(|inhabited| !inhabited) {
            Problem::TypeEmpty(definition.name.clone())
        } else {
            return None;
        };
        Some((problem, definition.name_span))
    });
    empty.collect()
}

fn record_shapes(parts: &Parts) -> Vec<(Problem, Span)> {
    let mut first: BTreeMap<&Text, &Record> = BTreeMap::new();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for definition in &parts.types {
        definition.definition.walk(false, &mut |one| {
            let TypeKind::Record(record) = &one.kind else { return };
            let other = *first.entry(&record.name).or_insert(record);
            if other != record && told.insert(&record.name) {
                found.push((Problem::RecordShapes(record.name.clone()), one.span));
            }
        });
    }
    found
}

/// Definitions that are never used, and types that existing servers get wrong.
fn odd_definitions(parts: &Parts) -> Vec<(Problem, Span)> {
    let mut found = Vec::new();
    for definition in &parts.types {
        if Predefined::named(parts.dialect, definition.name.as_bytes()).is_some() {
            let name = definition.name.clone();
            found.push((Problem::PredefinedName(name), definition.name_span));
        }
        definition.definition.walk(true, &mut |one| {
            if let TypeKind::Float(_) = &one.kind {
                found.push((Problem::FloatLiteral, one.span));
            }
            if let TypeKind::List { length, .. } = &one.kind
                && parts.dialect == ContractDialect::V1_16
                && length.is_counted()
            {
                found.push((Problem::CountMatchesNothing, one.span));
            }
        });
    }
    found
}
