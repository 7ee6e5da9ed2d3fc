//! The types of a contract that is being written.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::any;

use super::DescribedEnum;
use crate::builtin;
use crate::dialect::ContractDialect;
use crate::predefined::Predefined;
use crate::read::is_bare_atom;

/// The types that have got a name in a contract so far.
#[derive(Debug)]
pub struct Definitions {
    all: Vec<Definition>,
    /// Where each type of Rust is in `all`.
    places: BTreeMap<Key, usize>,
    /// The names that are taken.
    names: BTreeSet<String>,
    /// What cannot be written.
    problems: Vec<String>,
}

/// A type of Rust, or a variant of one, or a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Type(&'static str),
    Variant(&'static str, usize),
    Text(String),
}

#[derive(Debug)]
struct Definition {
    name: String,
    text: String,
    annotation: String,
}

impl Definitions {
    pub(super) fn new() -> Self {
        let builtin = builtin::types(ContractDialect::V2).into_iter();
        let names = builtin.map(|(_, definition)| definition.name.to_latin1()).collect();
        Self { all: Vec::new(), places: BTreeMap::new(), names, problems: Vec::new() }
    }

    /// Gives `T` a name, and returns how the contract refers to it. Another name is taken if that
    /// one is not free. `describe` is called once for `T`, however often it is used, also if it is
    /// made of itself. No annotation is `""`.
    pub fn define<T: ?Sized>(
        &mut self,
        name: &str,
        annotation: &str,
        describe: impl FnOnce(&mut Self) -> String,
    ) -> String {
        self.define_as(Key::Type(any::type_name::<T>()), name, annotation, describe)
    }

    fn define_as(
        &mut self,
        key: Key,
        name: &str,
        annotation: &str,
        describe: impl FnOnce(&mut Self) -> String,
    ) -> String {
        let known = self.places.get(&key).and_then(|place| self.all.get(*place));
        let name = match known {
            Some(known) => known.name.clone(),
            None => self.add(key, name, annotation, describe),
        };
        let name = self.atom(&name);
        format!("{name}()")
    }

    fn add(
        &mut self,
        key: Key,
        name: &str,
        annotation: &str,
        describe: impl FnOnce(&mut Self) -> String,
    ) -> String {
        let name = self.free_name(name);
        if annotation.contains('"') {
            self.problems
                .push(format!("the annotation of {name} has a \", which cannot be written"));
        }
        let place = self.all.len();
        let annotation = annotation.to_owned();
        self.all.push(Definition { name: name.clone(), text: String::new(), annotation });
        self.places.insert(key, place);
        let text = describe(self);
        if let Some(definition) = self.all.get_mut(place) {
            definition.text = text;
        }
        name
    }

    fn free_name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2_u32;
        let is_predefined =
            |name: &str| Predefined::named(ContractDialect::V2, name.as_bytes()).is_some();
        while is_predefined(&name) || self.names.contains(&name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        self.names.insert(name.clone());
        name
    }

    /// An atom, in quotes if it needs them.
    pub fn atom(&mut self, name: &str) -> String {
        if is_bare_atom(name.as_bytes()) {
            return name.to_owned();
        }
        if name.contains('\'') {
            self.problems.push(format!("the name {name} has a quote, which cannot be written"));
        }
        format!("'{name}'")
    }

    /// `{a, b}`
    #[must_use]
    pub fn tuple(parts: &[String]) -> String {
        format!("{{{}}}", parts.join(", "))
    }

    /// `#name{field :: type}`
    pub fn record(&mut self, name: &str, fields: &[(&str, String)]) -> String {
        let name = self.atom(name);
        let fields: Vec<String> =
            fields.iter().map(|(field, one)| format!("{} :: {one}", self.atom(field))).collect();
        format!("#{name}{{{}}}", fields.join(", "))
    }

    /// The type or `undefined`.
    ///
    /// ```
    /// use ubf_contract::Definitions;
    ///
    /// assert_eq!(Definitions::optional("byte()".into()), "byte()?");
    /// assert_eq!(Definitions::optional("1..9".into()), "1..9 | undefined");
    /// ```
    #[must_use]
    pub fn optional(one: String) -> String {
        if one == "undefined" || one.ends_with("()?") || one.ends_with(" | undefined") {
            one
        } else if is_name(&one) {
            one + "?"
        } else {
            one + " | undefined"
        }
    }

    /// The variants of an enum: `a | b`.
    pub fn variants<T: DescribedEnum>(&mut self) -> String {
        let indices = 0..T::VARIANTS.len();
        let texts: Vec<String> =
            indices.filter_map(|index| T::describe_variant(index, self)).collect();
        texts.join(" | ")
    }

    /// A name for a type, as rules need one.
    pub(super) fn named(&mut self, one: String) -> String {
        if is_name(&one) {
            return one;
        }
        self.define_as(Key::Text(one.clone()), "message", "", |_| one)
    }

    /// A name for one variant of an enum, as rules need one.
    pub(super) fn named_variant(
        &mut self,
        owner: &'static str,
        index: usize,
        name: &str,
        describe: impl FnOnce(&mut Self) -> Option<String>,
    ) -> String {
        let key = Key::Variant(owner, index);
        self.define_as(key, name, "", |definitions| describe(definitions).unwrap_or_default())
    }

    pub(super) fn report(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }

    /// The form TYPES, or nothing.
    pub(super) fn form(&mut self) -> String {
        let mut lines = Vec::new();
        for Definition { name, text, annotation } in core::mem::take(&mut self.all) {
            let name = self.atom(&name);
            let annotation =
                if annotation.is_empty() { annotation } else { format!(" \"{annotation}\"") };
            lines.push(format!("  {name}() :: {text}{annotation}"));
        }
        if lines.is_empty() { String::new() } else { format!("+TYPES\n{}.\n", lines.join(";\n")) }
    }
}

/// Whether the text is `name()`, of which `name()?` and rules may be made.
fn is_name(text: &str) -> bool {
    let Some(name) = text.strip_suffix("()") else { return false };
    let inner = name.strip_prefix('\'').and_then(|name| name.strip_suffix('\''));
    is_bare_atom(name.as_bytes()) || inner.is_some_and(|inner| !inner.contains('\''))
}
