//! The fields of version-0 packets.

use alloc::vec::Vec;

use ubf_codec::{Address, Integer, NextIp, TermRef, Text, TupleRef, Version, View};

use super::ControlError;
use crate::service::Service;
use crate::versions::Versions;

/// The fields of one packet, with its name for errors.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) packet: &'static str,
    pub(super) tuple: TupleRef<'a>,
}

impl<'a> Fields<'a> {
    fn malformed(&self, field: &'static str) -> ControlError {
        ControlError::Malformed { packet: self.packet, field }
    }

    /// The field at `index`, read by `reader`.
    pub(super) fn read<T>(
        &self,
        index: usize,
        field: &'static str,
        reader: impl FnOnce(TermRef<'a>) -> Option<T>,
    ) -> Result<T, ControlError> {
        self.tuple.get(index).and_then(reader).ok_or_else(|| self.malformed(field))
    }
}

/// The name of a tuple: its first element, an atom.
pub(super) fn name_of<'a>(term: TermRef<'a>) -> Option<(ubf_codec::TextRef<'a>, TupleRef<'a>)> {
    let View::Tuple(tuple) = term.view() else { return None };
    match tuple.get(0)?.view() {
        View::Atom(name) => Some((name, tuple)),
        View::Undefined
        | View::Integer(_)
        | View::String(_)
        | View::Binary(_)
        | View::Tuple(_)
        | View::List(_)
        | View::Tagged(..) => None,
    }
}

pub(super) fn unsigned(term: TermRef<'_>) -> Option<u64> {
    if let View::Integer(value) = term.view() { value.to_u64() } else { None }
}

/// A version of UBF itself: 1 or more.
pub(super) fn ubf_version(term: TermRef<'_>) -> Option<Integer> {
    let View::Integer(value) = term.view() else { return None };
    let value = value.to_integer();
    (value >= Integer::from(1)).then_some(value)
}

pub(super) fn version(term: TermRef<'_>) -> Option<Version> {
    unsigned(term).and_then(|number| u32::try_from(number).ok()).and_then(Version::new)
}

pub(super) fn text(term: TermRef<'_>) -> Option<Text> {
    if let View::String(text) = term.view() { Some(text.to_text()) } else { None }
}

/// L1: a session keeps the name for as long as it lasts, and a log shows it.
pub(super) fn service(term: TermRef<'_>) -> Option<Service> {
    if matches!(term.view(), View::Undefined) {
        return Some(Service::DEFAULT);
    }
    text(term).filter(|name| name.as_bytes().len() <= Service::MAX_NAME_BYTES).map(Service::named)
}

/// N2: distinct versions, at most 1024.
pub(super) fn versions_or_none(term: TermRef<'_>) -> Option<Versions> {
    let View::List(list) = term.view() else { return None };
    if list.len() > Versions::MAX_LEN {
        return None;
    }
    let versions: Versions =
        list.iter().map(version).collect::<Option<Vec<_>>>()?.into_iter().collect();
    // A repeated version would have been lost.
    (versions.len() == list.len()).then_some(versions)
}

/// N2: as above, and at least one.
pub(super) fn versions(term: TermRef<'_>) -> Option<Versions> {
    versions_or_none(term).filter(|versions| !versions.is_empty())
}

pub(super) fn addresses(term: TermRef<'_>) -> Option<Vec<Address>> {
    let text = text(term).filter(|text| text.as_bytes().len() <= MAX_PEERS_BYTES)?;
    let list: NextIp = text.as_str()?.parse().ok()?;
    // As many as a NextIP may have: more are no error, and not kept.
    Some(list.addresses().iter().take(MAX_PEERS).cloned().collect())
}

/// L1: as many bytes as a NextIP may have.
const MAX_PEERS_BYTES: usize = 1024;

/// As many addresses as a NextIP may have.
const MAX_PEERS: usize = 16;
