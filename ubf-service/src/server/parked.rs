//! How long each session is kept without a connection (S6), and how many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use ubf_proto::endpoint::Origin;
use ubf_state::SessionKey;

/// All sessions of the shard, attached or not.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_key: HashMap<SessionKey, Entry>,
    /// The parked ones, by the end of their time.
    ends: BTreeSet<(Instant, SessionKey)>,
    /// Never 0. Those without an address, and those of an earlier process that nobody has gone on
    /// with, are not counted.
    by_origin: BTreeMap<Origin, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    keep: Duration,
    /// `None`: it has a connection.
    end: Option<Instant>,
    origin: Origin,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Sessions of a client's address.
    pub(super) fn of_origin(&self, origin: Origin) -> usize {
        self.by_origin.get(&origin).copied().unwrap_or_default()
    }

    /// Parked sessions of a client's address, the one that was parked first at the beginning.
    pub(super) fn parked_of(&self, origin: Origin) -> Vec<SessionKey> {
        let is_of =
            |key: &SessionKey| self.by_key.get(key).is_some_and(|entry| entry.origin == origin);
        self.ends.iter().map(|(_, key)| *key).filter(is_of).collect()
    }

    /// A session has a connection from here on; it may be a new one.
    pub(super) fn attach(&mut self, key: SessionKey, keep: Duration, origin: Origin) {
        self.remove(key);
        self.by_key.insert(key, Entry { keep, end: None, origin });
        if origin != Origin::Local {
            *self.by_origin.entry(origin).or_default() += 1;
        }
    }

    /// A session of an earlier process: its time runs anew.
    pub(super) fn found(&mut self, key: SessionKey, keep: Duration, now: Instant) {
        self.by_key.insert(key, Entry { keep, end: None, origin: Origin::Local });
        self.park(key, now);
    }

    /// S6: a session has no connection from here on.
    pub(super) fn park(&mut self, key: SessionKey, now: Instant) {
        let Some(entry) = self.by_key.get_mut(&key) else { return };
        // A time that cannot be expressed is as good as a year.
        let far = || now + Duration::from_secs(365 * 24 * 3600);
        let end = now.checked_add(entry.keep).unwrap_or_else(far);
        if let Some(before) = entry.end.replace(end) {
            self.ends.remove(&(before, key));
        }
        self.ends.insert((end, key));
    }

    /// S3: a session is over as soon as the store lets it.
    pub(super) fn end_now(&mut self, key: SessionKey, now: Instant) {
        if let Some(entry) = self.by_key.get_mut(&key) {
            entry.keep = Duration::ZERO;
            self.park(key, now);
        }
    }

    /// S6: whether nobody can go on with a session any more.
    pub(super) fn is_over(&self, key: SessionKey, now: Instant) -> bool {
        let end = self.by_key.get(&key).and_then(|entry| entry.end);
        end.is_some_and(|end| end <= now)
    }

    /// T4: all connections are cut.
    pub(super) fn park_all(&mut self, now: Instant) {
        let attached = self.by_key.iter().filter(|(_, entry)| entry.end.is_none());
        let attached: Vec<SessionKey> = attached.map(|(&key, _)| key).collect();
        for key in attached {
            self.park(key, now);
        }
    }

    pub(super) fn remove(&mut self, key: SessionKey) {
        let Some(entry) = self.by_key.remove(&key) else { return };
        if let Some(end) = entry.end {
            self.ends.remove(&(end, key));
        }
        if let Some(count) = self.by_origin.get_mut(&entry.origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&entry.origin);
            }
        }
    }

    /// The session whose time ends first, and when.
    pub(super) fn first_end(&self) -> Option<(Instant, SessionKey)> {
        self.ends.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [SessionKey; 2] =
        [SessionKey::from_bytes([1; 16]), SessionKey::from_bytes([2; 16])];

    #[test]
    fn s6_the_time_of_a_session_runs_from_the_end_of_its_connection() {
        let [one, two] = KEYS;
        let (start, keep) = (Instant::now(), Duration::from_secs(60));
        let origin = Origin::of([192, 0, 2, 7].into());
        let mut sessions = Sessions::default();
        sessions.attach(one, keep, origin);
        sessions.found(two, keep, start);
        assert_eq!(sessions.first_end(), Some((start + keep, two)), "an attached one has time");
        sessions.park(one, start + Duration::from_secs(1));
        sessions.attach(two, keep, origin);
        assert_eq!(sessions.first_end(), Some((start + Duration::from_secs(61), one)));
        assert_eq!((sessions.of_origin(origin), sessions.parked_of(origin)), (2, vec![one]));
        sessions.park_all(start + keep);
        assert_eq!((sessions.ends.len(), sessions.parked_of(origin)), (2, vec![one, two]));
        sessions.remove(one);
        sessions.remove(two);
        assert_eq!((sessions.len(), sessions.of_origin(origin)), (0, 0));
        assert_eq!(sessions.first_end(), None);
    }
}
