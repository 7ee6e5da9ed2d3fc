//! From the model to the graph.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use ubf_codec::{Integer, Text};

use super::{Meaning, NodeId, Source, Strings, TypeGraph, unions};
use crate::dialect::ContractDialect;
use crate::model::{IntegerLiteral, Length, Parts, Record, Type, TypeKind};
use crate::predefined::{Attributes, Predefined};
use crate::span::Span;

/// All predefined types may stand in rules.
const IN_RULES: [Predefined; 10] = [
    Predefined::Any,
    Predefined::Atom,
    Predefined::Binary,
    Predefined::Float,
    Predefined::Integer,
    Predefined::List,
    Predefined::None,
    Predefined::Proplist,
    Predefined::String,
    Predefined::Tuple,
];

pub(super) fn graph(parts: &Parts, strings: Strings) -> TypeGraph {
    let mut definitions: BTreeMap<&Text, &Type> = BTreeMap::new();
    for (_, definition) in &parts.foreign {
        definitions.entry(&definition.name).or_insert(&definition.definition);
    }
    for definition in &parts.types {
        definitions.insert(&definition.name, &definition.definition);
    }
    let slots = definitions.keys().enumerate().map(|(at, name)| (*name, NodeId::at(at))).collect();
    let nowhere = Source { definition: None, types_before: 0, span: Span::default() };
    let mut builder = Builder {
        dialect: parts.dialect,
        strings,
        slots,
        aliases: vec![None; definitions.len()],
        nodes: vec![Meaning::Nothing; definitions.len()],
        sources: vec![nowhere; definitions.len()],
        here: nowhere,
    };
    for (at, definition) in definitions.values().enumerate() {
        builder.define(at, definition);
    }
    builder.here = nowhere;
    let predefined = IN_RULES
        .into_iter()
        .map(|predefined| (predefined, builder.predefined(predefined, Attributes::default())))
        .collect();
    builder.finish(&definitions, predefined)
}

struct Builder<'p> {
    dialect: ContractDialect,
    strings: Strings,
    /// The first nodes are those of the definitions.
    slots: BTreeMap<&'p Text, NodeId>,
    /// For a definition that is only a name: the node of what it names.
    aliases: Vec<Option<NodeId>>,
    nodes: Vec<Meaning>,
    sources: Vec<Source>,
    /// The place of the type that is looked at.
    here: Source,
}

impl<'p> Builder<'p> {
    fn define(&mut self, at: usize, definition: &'p Type) {
        let index = u32::try_from(at).ok();
        self.here = Source { definition: index, types_before: 0, span: definition.span };
        if let TypeKind::Reference { name, optional: false } = &definition.kind {
            let target = self.slots.get(name).copied();
            if let Some(alias) = self.aliases.get_mut(at) {
                *alias = target;
            }
            return;
        }
        let source = self.here;
        let meaning = self.meaning(definition);
        if let (Some(node), Some(place)) = (self.nodes.get_mut(at), self.sources.get_mut(at)) {
            *node = meaning;
            *place = source;
        }
    }

    fn add(&mut self, meaning: Meaning, source: Source) -> NodeId {
        self.nodes.push(meaning);
        self.sources.push(source);
        NodeId::at(self.nodes.len() - 1)
    }

    fn add_here(&mut self, meaning: Meaning) -> NodeId {
        self.add(meaning, self.here)
    }

    /// The node of a part of the type that is looked at.
    fn part(&mut self, part: &'p Type) -> NodeId {
        self.here.types_before += 1;
        self.here.span = part.span;
        if let TypeKind::Reference { name, optional: false } = &part.kind
            && let Some(slot) = self.slots.get(name)
        {
            return *slot;
        }
        let source = self.here;
        let meaning = self.meaning(part);
        self.add(meaning, source)
    }

    fn parts(&mut self, parts: impl IntoIterator<Item = &'p Type>) -> Vec<NodeId> {
        parts.into_iter().map(|part| self.part(part)).collect()
    }

    fn meaning(&mut self, one: &'p Type) -> Meaning {
        match &one.kind {
            TypeKind::Reference { name, optional } => {
                let named = self.slots.get(name).copied();
                let named = named.unwrap_or_else(|| self.add_here(Meaning::Nothing));
                self.optional(named, *optional)
            }
            TypeKind::Predefined { predefined, attributes, optional: false } => {
                self.meaning_of_predefined(*predefined, *attributes)
            }
            TypeKind::Predefined { predefined, attributes, optional: true } => {
                let node = self.predefined(*predefined, *attributes);
                self.optional(node, true)
            }
            TypeKind::Alternatives(types) => Meaning::Alternatives(self.parts(types).into()),
            TypeKind::Tuple(types) => {
                let parts = self.parts(types);
                match (types.as_slice(), parts.as_slice()) {
                    ([Type { kind: TypeKind::Atom(name), .. }, _], [_, list]) if name == "#S" => {
                        Meaning::String(*list)
                    }
                    _ => Meaning::Tuple(parts.into()),
                }
            }
            TypeKind::Record(record) => self.record(record),
            TypeKind::EmptyList => {
                let item = self.add_here(Meaning::Anything);
                Meaning::List { item, min: 0, max: Some(0) }
            }
            TypeKind::List { item, length } => {
                let item = self.part(item);
                self.list(item, length)
            }
            TypeKind::Range { min, max } => range(min.as_ref(), max.as_ref()),
            TypeKind::Atom(name) => Meaning::AtomLiteral(name.clone()),
            TypeKind::Integer(value) => range(Some(value), Some(value)),
            TypeKind::Float(value) => Meaning::FloatLiteral(*value),
            TypeKind::Binary(bytes) => Meaning::BinaryLiteral(bytes.clone()),
            TypeKind::String(text) => match (self.dialect, self.strings) {
                (ContractDialect::V1_12, _) => Meaning::Codes(text.clone()),
                (_, Strings::Apart) => Meaning::StringLiteral(text.clone()),
                (_, Strings::AsTuples) => Meaning::Nothing,
            },
        }
    }

    fn optional(&mut self, node: NodeId, optional: bool) -> Meaning {
        let undefined =
            optional.then(|| self.add_here(Meaning::AtomLiteral(Text::from_static("undefined"))));
        Meaning::Alternatives(undefined.into_iter().chain([node]).collect())
    }

    fn record(&mut self, record: &'p Record) -> Meaning {
        let name = self.add_here(Meaning::AtomLiteral(record.name.clone()));
        let mut parts = vec![name];
        if record.extended {
            let undefined = Meaning::AtomLiteral(Text::from_static("undefined"));
            parts.push(self.add_here(undefined));
            parts.push(self.add_here(Meaning::Anything));
        }
        parts.extend(self.parts(record.fields.iter().map(|field| &field.definition)));
        Meaning::Tuple(parts.into())
    }

    fn list(&self, item: NodeId, length: &Length) -> Meaning {
        if length.is_counted() && self.dialect == ContractDialect::V1_16 {
            return Meaning::Nothing;
        }
        let (min, max) = length.bounds();
        let min = if min.is_negative() { Some(0) } else { min.to_u64() };
        // No list is as long as what does not fit.
        let Some(min) = min else { return Meaning::Nothing };
        match max {
            Some(max) if max < Integer::from(min) => Meaning::Nothing,
            max => Meaning::List { item, min, max: max.and_then(|max| max.to_u64()) },
        }
    }

    fn predefined(&mut self, predefined: Predefined, attributes: Attributes) -> NodeId {
        let meaning = self.meaning_of_predefined(predefined, attributes);
        self.add_here(meaning)
    }

    fn meaning_of_predefined(&mut self, predefined: Predefined, attributes: Attributes) -> Meaning {
        let nonempty = attributes.has(Attributes::NONEMPTY);
        match predefined {
            Predefined::Any if attributes.is_empty() => Meaning::Anything,
            Predefined::Any => Meaning::AnyBut(attributes),
            Predefined::None => Meaning::Anything,
            Predefined::Atom => Meaning::Atom(attributes),
            Predefined::Binary => Meaning::Binary(attributes),
            Predefined::Float => Meaning::Float,
            Predefined::Integer => range(None, None),
            Predefined::List => {
                let item = self.add_here(Meaning::Anything);
                Meaning::List { item, min: u64::from(nonempty), max: None }
            }
            Predefined::Tuple => Meaning::AnyTuple { nonempty },
            Predefined::String => {
                let (min, max) = if attributes.has(Attributes::ASCIIPRINTABLE) {
                    (32, 126)
                } else if attributes.has(Attributes::ASCII) {
                    (0, 127)
                } else {
                    (0, 255)
                };
                let item = self.add_here(Meaning::Integer {
                    min: Some(Integer::from(min)),
                    max: Some(Integer::from(max)),
                });
                let list = Meaning::List { item, min: u64::from(nonempty), max: None };
                Meaning::String(self.add_here(list))
            }
            Predefined::Proplist => {
                let any = self.add_here(Meaning::Anything);
                let item = self.add_here(Meaning::Tuple(Box::new([any, any])));
                let list = Meaning::List { item, min: u64::from(nonempty), max: None };
                let name = self.add_here(Meaning::AtomLiteral(Text::from_static("#P")));
                let list = self.add_here(list);
                Meaning::Tuple(Box::new([name, list]))
            }
        }
    }

    fn finish(
        mut self,
        definitions: &BTreeMap<&'p Text, &Type>,
        predefined: BTreeMap<Predefined, NodeId>,
    ) -> TypeGraph {
        let (targets, alias_cycles) = resolve(&self.aliases);
        let resolved = |node: NodeId| targets.get(node.index()).copied().unwrap_or(node);
        for meaning in &mut self.nodes {
            for part in meaning.parts_mut() {
                *part = resolved(*part);
            }
        }
        unions::settle(&mut self.nodes);
        let names = definitions
            .keys()
            .enumerate()
            .map(|(at, name)| ((*name).clone(), resolved(NodeId::at(at))))
            .collect();
        let Self { nodes, sources, strings, .. } = self;
        TypeGraph { nodes, sources, strings, names, predefined, alias_cycles }
    }
}

fn range(min: Option<&IntegerLiteral>, max: Option<&IntegerLiteral>) -> Meaning {
    let (min, max) = (min.map(|min| &min.value), max.map(|max| &max.value));
    match (min, max) {
        (Some(min), Some(max)) if min > max => Meaning::Nothing,
        _ => Meaning::Integer { min: min.cloned(), max: max.cloned() },
    }
}

/// For each definition the node that it names in the end; and those that name each other in a
/// circle, whose nodes mean nothing.
fn resolve(aliases: &[Option<NodeId>]) -> (Vec<NodeId>, Vec<NodeId>) {
    let mut targets: Vec<Option<NodeId>> = vec![None; aliases.len()];
    let mut cycles = Vec::new();
    for start in 0..aliases.len() {
        let mut chain = Vec::new();
        let mut at = NodeId::at(start);
        // `chain` marks its nodes as on the way by pointing them at themselves.
        let target = loop {
            if let Some(Some(known)) = targets.get(at.index()) {
                if chain.contains(&at) {
                    cycles.push(*known);
                }
                break *known;
            }
            let Some(Some(next)) = aliases.get(at.index()) else { break at };
            if let Some(target) = targets.get_mut(at.index()) {
                *target = Some(at);
            }
            chain.push(at);
            at = *next;
        };
        for node in chain {
            if let Some(place) = targets.get_mut(node.index()) {
                *place = Some(target);
            }
        }
    }
    let targets = targets
        .into_iter()
        .enumerate()
        .map(|(at, target)| target.unwrap_or_else(|| NodeId::at(at)))
        .collect();
    (targets, cycles)
}
