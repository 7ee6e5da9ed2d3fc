//! Values from three layers: a file, the variables of the environment, the command line. The later
//! one wins.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::file::SECTIONS;
use super::problem::{Origin, Problems, Wrong, did_you_mean};
use super::value::Raw;

/// What the names of variables begin with.
pub(super) const PREFIX: &str = "UBF_SERVE_";

/// A value, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// A value in force, as the file would have it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) key: &'static str,
    /// `None`: there is none.
    pub(super) value: Option<toml::Value>,
    pub(super) origin: Origin,
}

/// Reads values by their keys, and keeps what is wrong with them. What nobody has asked for in the
/// end is unknown.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// By layer, the one that wins last.
    given: BTreeMap<String, Vec<Given>>,
    variables: BTreeMap<String, OsString>,
    known: Vec<&'static str>,
    pub(super) problems: Problems,
    pub(super) warnings: Problems,
    pub(super) shown: Vec<Shown>,
}

/// The variable of a key: `UBF_SERVE_DRAIN_GRACE`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace(['.', '-'], "_"))
}

impl Reader {
    pub(super) fn add(&mut self, values: impl IntoIterator<Item = (String, Given)>) {
        for (key, given) in values {
            self.given.entry(key).or_default().push(given);
        }
    }

    /// Variables of the environment: those that begin as ours do. An empty one is none.
    pub(super) fn add_variables(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) {
        let ours = variables.into_iter().filter(|(_, value)| !value.is_empty());
        let ours = ours.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        self.variables.extend(ours.filter(|(name, _)| name.starts_with(PREFIX)));
    }

    /// The value of a variable, which is no longer unknown.
    pub(super) fn take_variable(&mut self, key: &'static str) -> Option<Given> {
        let name = variable(key);
        let value = self.variables.remove(&name)?;
        Some(Given { raw: value.into(), origin: Origin::Variable(name) })
    }

    /// A value, or its default. What is wrong in any layer is kept, whether it is in force or not.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl Fn(&Raw) -> Result<T, Wrong>,
        show: impl Fn(&T) -> toml::Value,
    ) -> T {
        let (value, origin) = self.read(key, read).unwrap_or((default, Origin::Default));
        self.shown.push(Shown { key, value: Some(show(&value)), origin });
        value
    }

    /// A value that may not be there.
    pub(super) fn take_if_any<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Raw) -> Result<T, Wrong>,
        show: impl Fn(&T) -> toml::Value,
    ) -> Option<T> {
        let (value, origin) = self.read(key, read).unzip();
        let origin = origin.unwrap_or(Origin::Default);
        self.shown.push(Shown { key, value: value.as_ref().map(show), origin });
        value
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Raw) -> Result<T, Wrong>,
    ) -> Option<(T, Origin)> {
        self.known.push(key);
        let mut layers = self.given.remove(key).unwrap_or_default();
        // Flags were added last.
        let place = layers.iter().position(|given| matches!(given.origin, Origin::Flag(_)));
        if let Some(variable) = self.take_variable(key) {
            layers.insert(place.unwrap_or(layers.len()), variable);
        }
        let mut in_force = None;
        for Given { raw, origin } in layers {
            match read(&raw) {
                Ok(value) => in_force = Some((value, origin)),
                Err(wrong) => self.problems.add(in_words(key, &origin), wrong),
            }
        }
        in_force
    }

    /// Where the value of this key comes from, once it was read.
    pub(super) fn place(&self, key: &'static str) -> String {
        let shown = self.shown.iter().find(|shown| shown.key == key);
        shown.map_or_else(|| key.to_owned(), |shown| in_words(key, &shown.origin))
    }

    /// A value that can be read, and does not fit to others.
    pub(super) fn wrong(&mut self, key: &'static str, text: &str, hint: &'static str) {
        let place = self.place(key);
        self.problems.add(place, Wrong::new(text).hint(hint));
    }

    /// What is left is unknown.
    pub(super) fn finish(&mut self) {
        for (key, layers) in std::mem::take(&mut self.given) {
            let is_table = layers.iter().any(|given| matches!(given.raw, Raw::Table(_)));
            let meant = self.meant(&key, is_table);
            let meant = meant.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
            for given in layers {
                let wrong = Wrong::new(format!("{key}: there is no such setting{meant}"));
                self.problems.add(given.origin, wrong);
            }
        }
        let known: Vec<String> = self.known.iter().map(|key| variable(key)).collect();
        for (name, _) in std::mem::take(&mut self.variables) {
            let meant = did_you_mean(&name, known.iter().map(String::as_str));
            let meant = meant.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
            self.problems.add(name, Wrong::new(format!("there is no such variable{meant}")));
        }
    }

    /// The key that was meant, or the table.
    fn meant(&self, key: &str, is_table: bool) -> Option<&str> {
        if is_table && let Some(section) = did_you_mean(key, SECTIONS.into_iter()) {
            return Some(section);
        }
        // Who forgets the table, or takes another one, has the last part right.
        let name = self.known.iter().copied().map(last);
        let same_name = did_you_mean(last(key), name);
        let named = self.known.iter().copied().filter(|known| Some(last(known)) == same_name);
        // Several tables may have one of that name: the one that was written is meant.
        let by_name = named.min_by_key(|known| table(known) != table(key));
        by_name.or_else(|| did_you_mean(key, self.known.iter().copied()))
    }
}

/// The last part of a key.
fn last(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, name)| name)
}

/// What stands before it.
fn table(key: &str) -> Option<&str> {
    key.rsplit_once('.').map(|(table, _)| table)
}

/// A place in a file needs the key besides.
fn in_words(key: &str, origin: &Origin) -> String {
    match origin {
        Origin::File(..) | Origin::Default => format!("{origin}: {key}"),
        Origin::Variable(_) | Origin::Flag(_) => origin.to_string(),
    }
}
