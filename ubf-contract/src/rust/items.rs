//! The types of a contract as items of Rust.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::Write as _;

use ubf_codec::{Integer, Text};

use super::names::{Names, camel, snake};
use super::shape::{Element, Shape, Variant, shape};
use crate::model::{Contract, Origin, Type, TypeDef, TypeKind};

const DERIVES: &str = "#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]\n";

/// The items that were written, and those that are to be.
pub(super) struct Items<'c> {
    contract: &'c Contract,
    pub(super) code: String,
    pub(super) names: Names,
    /// What each type of the contract is called in Rust.
    types: BTreeMap<&'c Text, String>,
    /// Types within types, which have no name in the contract.
    pending: Vec<(String, Shape<'c>, String)>,
    /// The definition that is being written.
    current: Option<&'c Text>,
    pub(super) has_binaries: bool,
}

impl<'c> Items<'c> {
    /// All types of the contract that are not built in.
    pub(super) fn new(contract: &'c Contract) -> Self {
        let mut names = Names::of_types();
        let mut types = BTreeMap::new();
        let built_in: BTreeSet<&Text> = contract
            .foreign_types()
            .iter()
            .filter(|(origin, _)| *origin == Origin::BuiltIn)
            .map(|(_, definition)| &definition.name)
            .collect();
        let own: BTreeSet<&Text> = contract.types().iter().map(|one| &one.name).collect();
        let mut definitions: Vec<&TypeDef> = contract.types().iter().collect();
        for definition in contract.all_types() {
            if !built_in.contains(&definition.name) && !own.contains(&definition.name) {
                definitions.push(definition);
            }
        }
        for definition in &definitions {
            let name = names.type_name(&camel(&definition.name.to_latin1()));
            types.insert(&definition.name, name);
        }
        let mut items = Self {
            contract,
            code: String::new(),
            names,
            types,
            pending: Vec::new(),
            current: None,
            has_binaries: false,
        };
        for definition in definitions {
            items.definition(definition);
        }
        items
    }

    /// The Rust type of a type in a rule, which is a name.
    pub(super) fn of_rule(&mut self, named: &'c Type) -> String {
        self.current = None;
        let element = Element { types: [named].into(), name: String::new() };
        self.element(&element, "Term", false)
    }

    fn definition(&mut self, definition: &'c TypeDef) {
        let Some(name) = self.types.get(&definition.name).cloned() else { return };
        self.current = Some(&definition.name);
        let written = definition.definition.display(self.contract.dialect()).to_string();
        let mut doc = String::new();
        if let Some(annotation) = &definition.annotation {
            doc.push_str(&documented(&annotation.text.to_latin1()));
            doc.push_str("///\n");
        }
        doc.push_str(&documented(&format!("`{written}`")));
        let shape = shape(self.contract, &[&definition.definition]);
        self.item(&name, &shape, &doc, self.reaches(&definition.name, &definition.name));
        while let Some((name, shape, doc)) = self.pending.pop() {
            self.item(&name, &shape, &doc, false);
        }
    }

    fn item(&mut self, name: &str, shape: &Shape<'c>, doc: &str, is_recursive: bool) {
        let code = match shape {
            Shape::Unit(tag) => format!("{DERIVES}{}pub struct {name};\n", renamed(tag, "")),
            Shape::Tagged(tag, elements) => {
                let fields = self.fields(elements, name, "    pub ");
                format!("{DERIVES}{}pub struct {name} {{\n{fields}}}\n", renamed(tag, ""))
            }
            Shape::Choice(variants) => {
                let variants = self.variants(variants, name);
                format!("{DERIVES}pub enum {name} {{\n{variants}}}\n")
            }
            Shape::Term
            | Shape::Bool
            | Shape::Text
            | Shape::Binary
            | Shape::Float
            | Shape::Integer(..)
            | Shape::Tuple(_)
            | Shape::List(_)
            | Shape::Optional(_) => {
                let expression = self.expression(shape, &format!("{name}Value"), is_recursive);
                // An alias cannot name itself.
                if is_recursive {
                    format!("{DERIVES}pub struct {name}(pub {expression});\n")
                } else {
                    format!("pub type {name} = {expression};\n")
                }
            }
        };
        let _written = write!(self.code, "\n{doc}{code}");
    }

    fn fields(&mut self, elements: &[Element<'c>], owner: &str, before: &str) -> String {
        let mut names = Names::default();
        let mut fields = String::new();
        for element in elements {
            let name = names.take(&snake(&element.name), "_");
            let hint = camel(&name);
            let hint = if hint == owner { "Value".to_string() } else { hint };
            let ty = self.element(element, &format!("{owner}{hint}"), false);
            let written: Vec<String> = element
                .types
                .iter()
                .map(|one| one.display(self.contract.dialect()).to_string())
                .collect();
            let indent: String = before.chars().take_while(|char| *char == ' ').collect();
            let doc = documented(&format!("`{}`", written.join(" | ")));
            let _written = writeln!(fields, "{indent}{doc}{before}{name}: {ty},");
        }
        fields
    }

    fn variants(&mut self, variants: &[Variant<'c>], owner: &str) -> String {
        let mut names = Names::default();
        let mut code = String::new();
        for variant in variants {
            let name = names.take(&camel(&variant.tag.to_latin1()), "");
            code.push_str(&renamed(&variant.tag, "    "));
            let _written = match &variant.elements {
                None => writeln!(code, "    {name},"),
                Some(elements) => {
                    let fields = self.fields(elements, &format!("{owner}{name}"), "        ");
                    write!(code, "    {name} {{\n{fields}    }},\n")
                }
            };
        }
        code
    }

    /// What may stand in a place, as a type; `hint` names what has no name of its own.
    fn element(&mut self, element: &Element<'c>, hint: &str, is_in_list: bool) -> String {
        if let [one] = element.types.as_slice()
            && let TypeKind::Reference { name, optional } = &one.kind
            && let Some(rust) = self.types.get(name)
        {
            let is_endless = !is_in_list
                && self
                    .current
                    .is_some_and(|current| name == current || self.reaches(name, current));
            let rust = if is_endless { format!("Box<{rust}>") } else { rust.clone() };
            let is_itself_optional = || {
                let definition = self.contract.type_def(name.as_bytes());
                let shape = definition.map(|found| shape(self.contract, &[&found.definition]));
                matches!(shape, Some(Shape::Optional(_) | Shape::Term) | None)
            };
            return if *optional && !is_itself_optional() {
                format!("Option<{rust}>")
            } else {
                rust
            };
        }
        let shape = shape(self.contract, &element.types);
        self.expression(&shape, hint, is_in_list)
    }

    fn expression(&mut self, shape: &Shape<'c>, hint: &str, is_in_list: bool) -> String {
        match shape {
            Shape::Term => "Term".to_string(),
            Shape::Bool => "bool".to_string(),
            Shape::Text => "String".to_string(),
            Shape::Float => "f64".to_string(),
            Shape::Integer(min, max) => integer(min.as_ref(), max.as_ref()).to_string(),
            Shape::Binary => {
                self.has_binaries = true;
                "Binary".to_string()
            }
            Shape::Tuple(elements) => {
                let mut types = Vec::new();
                for (place, element) in (1..).zip(elements) {
                    let place: u32 = place;
                    types.push(self.element(element, &format!("{hint}{place}"), is_in_list));
                }
                match types.as_slice() {
                    [one] => format!("({one},)"),
                    types => format!("({})", types.join(", ")),
                }
            }
            Shape::List(item) => {
                format!("Vec<{}>", self.element(item, &format!("{hint}Item"), true))
            }
            Shape::Optional(inner) => {
                format!("Option<{}>", self.expression(inner, hint, is_in_list))
            }
            Shape::Unit(_) | Shape::Tagged(..) | Shape::Choice(_) => {
                let name = self.names.type_name(hint);
                let owner = self.current.map(Text::to_latin1).unwrap_or_default();
                let doc = documented(&format!("What stands in `{owner}()`."));
                self.pending.push((name.clone(), shape.clone(), doc));
                name
            }
        }
    }

    /// Whether terms of one type may hold terms of another one.
    fn reaches(&self, from: &'c Text, to: &Text) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = [from].to_vec();
        let mut found = false;
        while let Some(name) = open.pop() {
            let Some(definition) = self.contract.type_def(name.as_bytes()) else { continue };
            definition.definition.walk(false, &mut |one| {
                if let TypeKind::Reference { name, .. } = &one.kind {
                    found |= name == to;
                    if seen.insert(name) {
                        open.push(name);
                    }
                }
            });
        }
        found
    }
}

/// A line of documentation, or several. What stands in it cannot end it.
pub(super) fn documented(text: &str) -> String {
    let mut doc = String::new();
    for line in text.lines() {
        let line: String = line.chars().filter(|char| !char.is_control()).collect();
        let line = line.trim_end();
        doc.push_str(if line.is_empty() { "///" } else { "/// " });
        doc.push_str(line);
        doc.push('\n');
    }
    doc
}

/// A text as a literal of Rust.
pub(super) fn literal(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

fn renamed(tag: &Text, indent: &str) -> String {
    let tag = core::str::from_utf8(tag.as_bytes()).unwrap_or_default();
    format!("{indent}#[serde(rename = {})]\n", literal(tag))
}

/// The least type of Rust that has all of these integers; of those without bounds one of 64 bits.
fn integer(min: Option<&Integer>, max: Option<&Integer>) -> &'static str {
    const UNSIGNED: [(&str, u128); 5] = [
        ("u8", u8::MAX as u128),
        ("u16", u16::MAX as u128),
        ("u32", u32::MAX as u128),
        ("u64", u64::MAX as u128),
        ("u128", u128::MAX),
    ];
    const SIGNED: [(&str, i128, i128); 5] = [
        ("i8", i8::MIN as i128, i8::MAX as i128),
        ("i16", i16::MIN as i128, i16::MAX as i128),
        ("i32", i32::MIN as i128, i32::MAX as i128),
        ("i64", i64::MIN as i128, i64::MAX as i128),
        ("i128", i128::MIN, i128::MAX),
    ];
    let is_natural = min.is_some_and(|min| *min >= Integer::from(0));
    match (min, max) {
        (_, None) if is_natural => "u64",
        (None, _) | (_, None) => "i64",
        (Some(_), Some(max)) if is_natural => {
            let fits = UNSIGNED.iter().find(|(_, most)| *max <= Integer::from(*most));
            fits.map_or("Term", |(name, _)| name)
        }
        (Some(min), Some(max)) => {
            let fits = SIGNED.iter().find(|(_, least, most)| {
                *min >= Integer::from(*least) && *max <= Integer::from(*most)
            });
            fits.map_or("Term", |(name, ..)| name)
        }
    }
}
