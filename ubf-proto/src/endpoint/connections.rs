//! The connections of a server, and how many there are from each peer.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;

use super::Origin;

/// The name of a connection, which no other one of the endpoint has or will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey(u64);

impl ConnectionKey {
    /// A number for people, counted from 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 + 1
    }
}

/// The connections that were admitted and are not gone.
#[derive(Debug, Default)]
pub(super) struct Connections {
    next: u64,
    origins: BTreeMap<ConnectionKey, Origin>,
    /// Never 0. Those without an address are not counted.
    by_origin: BTreeMap<Origin, usize>,
    /// S10.4: those that came while a cordon was in force, and have not gone on with a session.
    cordoned: BTreeSet<ConnectionKey>,
}

impl Connections {
    pub(super) fn add(&mut self, origin: Origin) -> ConnectionKey {
        let key = ConnectionKey(self.next);
        self.next += 1;
        self.origins.insert(key, origin);
        if origin != Origin::Local {
            *self.by_origin.entry(origin).or_default() += 1;
        }
        key
    }

    /// A name for a connection that was another process's.
    pub(super) const fn skip(&mut self) -> ConnectionKey {
        let key = ConnectionKey(self.next);
        self.next += 1;
        key
    }

    /// `false` if it is gone already.
    pub(super) fn remove(&mut self, key: ConnectionKey) -> bool {
        self.cordoned.remove(&key);
        let Some(origin) = self.origins.remove(&key) else { return false };
        if let Some(count) = self.by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&origin);
            }
        }
        true
    }

    /// S10.4: its client may only go on with a session.
    pub(super) fn cordon(&mut self, key: ConnectionKey) {
        self.cordoned.insert(key);
    }

    /// S10.5: it is one like any other.
    pub(super) fn uncordon(&mut self, key: ConnectionKey) {
        self.cordoned.remove(&key);
    }

    /// S10.7: one that is to hear that there is no cordon any longer.
    pub(super) fn next_uncordoned(&mut self) -> Option<ConnectionKey> {
        self.cordoned.pop_first()
    }

    pub(super) fn len(&self) -> usize {
        self.origins.len()
    }

    pub(super) fn from(&self, origin: Origin) -> usize {
        self.by_origin.get(&origin).copied().unwrap_or_default()
    }

    pub(super) fn origin(&self, key: ConnectionKey) -> Option<Origin> {
        self.origins.get(&key).copied()
    }

    /// The oldest connection that is younger than this one; without one, the oldest of all.
    pub(super) fn after(&self, key: Option<ConnectionKey>) -> Option<(ConnectionKey, Origin)> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.origins.range((start, Bound::Unbounded)).next().map(|(&key, &origin)| (key, origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l1_connections_are_counted_by_origin_and_forgotten() {
        let mut connections = Connections::default();
        let origin = Origin::of("192.0.2.7".parse().unwrap());
        let keys = [(); 3].map(|()| connections.add(origin));
        let local = connections.add(Origin::Local);
        assert_eq!((connections.len(), connections.from(origin)), (4, 3));
        assert_eq!(connections.from(Origin::Local), 0);
        assert!(connections.remove(keys[1]) && !connections.remove(keys[1]));
        assert_eq!(connections.after(Some(keys[0])), Some((keys[2], origin)));
        for key in [keys[0], keys[2], local] {
            assert!(connections.remove(key));
        }
        assert_eq!((connections.len(), connections.from(origin)), (0, 0));
        assert!(connections.by_origin.is_empty() && connections.after(None).is_none());
    }
}
