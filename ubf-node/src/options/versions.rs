//! The versions to speak, and those of rows: of all services, and of one.

use std::collections::BTreeMap;
use std::fmt;

use ubf_server::Versions;

use super::problem::Wrong;
use super::value::Raw;
use crate::catalogue::Catalogue;

/// The versions of services that are played by rules, if nobody says it.
const OF_SCRIPTS: [u32; 3] = [1, 2, 3];

/// Which versions each service is to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceVersions {
    /// Of services that are not named. `None`: all that they have.
    others: Option<Versions>,
    named: BTreeMap<&'static str, Versions>,
}

impl ServiceVersions {
    /// All services speak what they have, or these versions.
    pub(super) const fn for_all(others: Option<Versions>) -> Self {
        Self { others, named: BTreeMap::new() }
    }

    /// `None`: all that it has.
    pub(crate) fn of(&self, service: &str) -> Option<&Versions> {
        self.named.get(service).or(self.others.as_ref())
    }

    /// Of services that are named nowhere, and that have no versions of their own: those of
    /// scripts.
    pub(crate) fn others(&self) -> Versions {
        self.others.clone().unwrap_or_else(|| Versions::of(OF_SCRIPTS))
    }

    /// The services that are named.
    pub(super) fn named(&self) -> impl Iterator<Item = &'static str> {
        self.named.keys().copied()
    }

    /// Reads `1-3`, `kv=1-3,5,echo=1`, `1-3,kv=1`, and tables of a file: what follows a name
    /// is of that service.
    pub(super) fn read(raw: &Raw, catalogue: &Catalogue) -> Result<Self, Wrong> {
        let mut versions = Self::for_all(catalogue.unasked().versions.clone());
        if let Raw::Table(table) = raw {
            for (name, raw) in table {
                versions.name(catalogue, name, &raw.texts()?.join(","))?;
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
                Some(name) => versions.name(catalogue, name, &lists.join(","))?,
                None if lists.is_empty() => {}
                None => versions.others = Some(list(&lists.join(","))?),
            }
        }
        Ok(versions)
    }

    fn name(&mut self, catalogue: &Catalogue, name: &str, text: &str) -> Result<(), Wrong> {
        let service = catalogue.named(name)?.name;
        if self.named.insert(service, list(text)?).is_some() {
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
        let others = self.others.iter().map(ToString::to_string);
        let named = self.named.iter().map(|(name, versions)| format!("{name}={versions}"));
        f.write_str(&others.chain(named).collect::<Vec<_>>().join(","))
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
    pub(crate) fn of(&self, service: &str) -> Option<T> {
        self.named.get(service).copied().or(self.others)
    }

    /// The services that are named.
    pub(super) fn named(&self) -> impl Iterator<Item = &'static str> {
        self.named.keys().copied()
    }

    pub(super) fn read(
        raw: &Raw,
        catalogue: &Catalogue,
        value: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<Self, Wrong> {
        let mut all = Self::default();
        if let Raw::Table(table) = raw {
            for (name, raw) in table {
                all.name(catalogue, name, value(raw.text()?)?)?;
            }
            return Ok(all);
        }
        for text in raw.texts()? {
            match text.split_once('=') {
                Some((name, text)) => all.name(catalogue, name.trim(), value(text.trim())?)?,
                None if all.others.replace(value(text)?).is_some() => {
                    return Err(Wrong::new("one value is wanted for services that are not named"));
                }
                None => {}
            }
        }
        Ok(all)
    }

    fn name(&mut self, catalogue: &Catalogue, name: &str, value: T) -> Result<(), Wrong> {
        let service = catalogue.named(name)?.name;
        if self.named.insert(service, value).is_some() {
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
