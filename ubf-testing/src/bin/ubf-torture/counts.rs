//! How often each thing was done, and survived.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(BTreeMap<String, u64>);

/// Processes that were killed.
pub(crate) const KILLS: &str = "kills";
/// Planned changes: upgrades in place, hand-offs, and the next or the last state version.
pub(crate) const CHANGES: &str = "changes";

impl Counts {
    pub(crate) fn add(&mut self, what: &str) {
        self.add_many(what, 1);
    }

    pub(crate) fn add_many(&mut self, what: &str, count: u64) {
        *self.0.entry(what.to_owned()).or_default() += count;
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(what, count)| (what.as_str(), *count))
    }
}
