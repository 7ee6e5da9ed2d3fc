//! The versions to speak, and those of rows: of all services, and of one.

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum as _;
use ubf_server::Versions;

use super::ServiceName;
use super::problem::Wrong;
use super::value::{Raw, word};

/// Which versions each service is to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceVersions {
    /// Of services that are not named.
    others: Versions,
    named: BTreeMap<&'static str, Versions>,
}

impl Default for ServiceVersions {
    fn default() -> Self {
        Self { others: Versions::of([1, 2, 3]), named: BTreeMap::new() }
    }
}

impl ServiceVersions {
    pub(crate) fn of(&self, service: ServiceName) -> &Versions {
        self.named.get(service.as_str()).unwrap_or(&self.others)
    }

    /// Of services that are named nowhere: those of scripts.
    pub(crate) const fn others(&self) -> &Versions {
        &self.others
    }

    /// The services that are named.
    pub(super) fn named(&self) -> impl Iterator<Item = ServiceName> {
        ServiceName::value_variants()
            .iter()
            .copied()
            .filter(|service| self.named.contains_key(service.as_str()))
    }

    /// Reads `1-3`, `kv=1-3,5,echo=1`, `1-3,kv=1`, and tables of a file: what follows a name
    /// is of that service.
    pub(super) fn read(raw: &Raw) -> Result<Self, Wrong> {
        let mut versions = Self::default();
        if let Raw::Table(table) = raw {
            for (name, raw) in table {
                versions.name(name, &raw.texts()?.join(","))?;
            }
            return Ok(versions);
        }
        // The first part has no name.
        let mut parts = vec![(None, Vec::new())];
        for text in raw.texts()? {
            let (name, list) =
                text.split_once('=').map_or((None, text), |(name, list)| (Some(name.trim()), list));
            if name.is_some() {
                parts.push((name, Vec::new()));
            }
            if let Some((_, lists)) = parts.last_mut() {
                lists.push(list);
            }
        }
        for (name, lists) in parts {
            match name {
                Some(name) => versions.name(name, &lists.join(","))?,
                None if lists.is_empty() => {}
                None => versions.others = list(&lists.join(","))?,
            }
        }
        Ok(versions)
    }

    fn name(&mut self, name: &str, text: &str) -> Result<(), Wrong> {
        let service: ServiceName = word(name)?;
        if self.named.insert(service.as_str(), list(text)?).is_some() {
            return Err(Wrong::new(format!("{name} is named twice")));
        }
        Ok(())
    }
}

fn list(text: &str) -> Result<Versions, Wrong> {
    let hint = "--versions 1-5,9,10,14 is for all services, --versions kv=1-3,echo=1 for each";
    let versions: Versions =
        text.parse().map_err(|error| Wrong::new(format!("{error}")).hint(hint))?;
    if versions.is_empty() {
        return Err(Wrong::new("no version is left to speak").hint(hint));
    }
    Ok(versions)
}

/// What is read again.
impl fmt::Display for ServiceVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.others)?;
        self.named.iter().try_for_each(|(name, versions)| write!(f, ",{name}={versions}"))
    }
}

/// A value for each service: `34`, or `ledger=34,kv=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PerService<T> {
    /// Of services that are not named.
    others: Option<T>,
    named: BTreeMap<&'static str, T>,
}

impl<T> Default for PerService<T> {
    fn default() -> Self {
        Self { others: None, named: BTreeMap::new() }
    }
}

impl<T: Copy> PerService<T> {
    pub(crate) fn of(&self, service: ServiceName) -> Option<T> {
        self.named.get(service.as_str()).copied().or(self.others)
    }

    /// The services that are named.
    pub(super) fn named(&self) -> impl Iterator<Item = ServiceName> {
        let all = ServiceName::value_variants().iter().copied();
        all.filter(|service| self.named.contains_key(service.as_str()))
    }

    pub(super) fn read(raw: &Raw, value: impl Fn(&str) -> Result<T, Wrong>) -> Result<Self, Wrong> {
        let mut all = Self::default();
        if let Raw::Table(table) = raw {
            for (name, raw) in table {
                all.name(name, value(raw.text()?)?)?;
            }
            return Ok(all);
        }
        for text in raw.texts()? {
            match text.split_once('=') {
                Some((name, text)) => all.name(name.trim(), value(text.trim())?)?,
                None if all.others.replace(value(text)?).is_some() => {
                    return Err(Wrong::new("one value is wanted for services that are not named"));
                }
                None => {}
            }
        }
        Ok(all)
    }

    fn name(&mut self, name: &str, value: T) -> Result<(), Wrong> {
        let service: ServiceName = word(name)?;
        if self.named.insert(service.as_str(), value).is_some() {
            return Err(Wrong::new(format!("{name} is named twice")));
        }
        Ok(())
    }

    /// What is read again.
    pub(super) fn in_words(&self, value: impl Fn(T) -> String) -> String {
        let others = self.others.map(&value);
        let named = self.named.iter().map(|(name, one)| format!("{name}={}", value(*one)));
        others.into_iter().chain(named).collect::<Vec<_>>().join(",")
    }
}

impl<T: Copy + fmt::Display> fmt::Display for PerService<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words(|value| value.to_string()))
    }
}
