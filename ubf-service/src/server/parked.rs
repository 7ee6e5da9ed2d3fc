//! How long each session is kept without a connection (S6), and how many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::{Duration, Instant};

use ubf_proto::Service;
use ubf_proto::endpoint::Origin;
use ubf_server::Peer;
use ubf_state::SessionKey;

use super::orders::OwnedSession;

/// All sessions of the shard, attached or not.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// For lists: the numbers of the sessions, in the order in which they were met here.
    by_number: BTreeMap<u64, SessionKey>,
    last_number: u64,
    by_key: HashMap<SessionKey, Entry>,
    /// The parked ones, by the end of their time.
    ends: BTreeSet<(Instant, SessionKey)>,
    /// Never 0. Those without an address, and those of an earlier process that nobody has gone on
    /// with, are not counted.
    by_origin: BTreeMap<Origin, usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    /// When it was met here.
    since: Instant,
    resumes: u64,
    /// Who has gone on with it last. `None`: it is of an earlier process.
    client: Option<Client>,
    keep: Duration,
    /// `None`: it has a connection.
    end: Option<Instant>,
    origin: Origin,
}

/// Whom a session is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// A short hash of the session's Id.
    pub(super) name: String,
    pub(super) service: Service,
    pub(super) peer: Peer,
    pub(super) connection: u64,
}

impl Sessions {
    /// How many have no connection.
    pub(super) fn parked(&self) -> usize {
        self.ends.len()
    }

    /// The sessions after this number, at most so many.
    pub(super) fn list(&self, after: u64, at_most: usize, now: Instant) -> Vec<OwnedSession> {
        let above = (Bound::Excluded(after), Bound::Unbounded);
        let status = |(&number, key): (&u64, &SessionKey)| {
            let entry = self.by_key.get(key)?;
            Some(OwnedSession {
                number,
                key: *key,
                name: entry.client.as_ref().map(|client| client.name.clone()),
                service: entry.client.as_ref().map(|client| client.service.clone()),
                peer: entry.client.as_ref().map(|client| client.peer.clone()),
                connection: entry.client.as_ref().map(|client| client.connection),
                age: now.saturating_duration_since(entry.since),
                is_parked: entry.end.is_some(),
                resumes: entry.resumes,
                kept_bytes: 0,
            })
        };
        self.by_number.range(above).filter_map(status).take(at_most).collect()
    }

    fn insert(&mut self, key: SessionKey, keep: Duration, origin: Origin, client: Option<Client>) {
        self.last_number += 1;
        let (number, since) = (self.last_number, Instant::now());
        self.by_number.insert(number, key);
        let entry = Entry { number, since, resumes: 0, client, keep, end: None, origin };
        self.by_key.insert(key, entry);
    }

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
    pub(super) fn attach(
        &mut self,
        key: SessionKey,
        keep: Duration,
        origin: Origin,
        client: Client,
    ) {
        if self.by_key.contains_key(&key) {
            self.uncount(key);
            if let Some(entry) = self.by_key.get_mut(&key) {
                entry.resumes += 1;
                (entry.keep, entry.end, entry.origin) = (keep, None, origin);
                entry.client = Some(client);
            }
        } else {
            self.insert(key, keep, origin, Some(client));
        }
        if origin != Origin::Local {
            *self.by_origin.entry(origin).or_default() += 1;
        }
    }

    /// A session of an earlier process: its time runs anew.
    pub(super) fn found(&mut self, key: SessionKey, keep: Duration, now: Instant) {
        self.insert(key, keep, Origin::Local, None);
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
        self.uncount(key);
        if let Some(entry) = self.by_key.remove(&key) {
            self.by_number.remove(&entry.number);
        }
    }

    /// Takes a session out of what is known of its end and its address.
    fn uncount(&mut self, key: SessionKey) {
        let Some(entry) = self.by_key.get(&key) else { return };
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

    fn client(connection: u64) -> Client {
        let (name, service) = ("00c0ffee".to_owned(), Service::DEFAULT);
        Client { name, service, peer: Peer::Own, connection }
    }

    #[test]
    fn a_session_keeps_its_number_for_as_long_as_it_is_there() {
        let [one, two] = KEYS;
        let (now, keep) = (Instant::now(), Duration::from_secs(60));
        let mut sessions = Sessions::default();
        sessions.found(one, keep, now);
        sessions.attach(two, keep, Origin::Local, client(1));
        sessions.park(two, now);
        sessions.attach(two, keep, Origin::Local, client(2));
        let [first, second] = &sessions.list(0, 9, now)[..] else { panic!("there are two") };
        assert_eq!((first.number, first.key, first.is_parked), (1, one, true));
        assert_eq!((second.number, second.key, second.is_parked), (2, two, false));
        assert_eq!((second.resumes, second.connection), (1, Some(2)));
        assert_eq!(sessions.list(1, 9, now).len(), 1);
        sessions.remove(two);
        sessions.attach(two, keep, Origin::Local, client(3));
        assert_eq!(sessions.list(0, 9, now).last().map(|session| session.number), Some(3));
        assert_eq!((sessions.list(0, 1, now).len(), sessions.parked()), (1, 1));
    }

    #[test]
    fn s6_the_time_of_a_session_runs_from_the_end_of_its_connection() {
        let [one, two] = KEYS;
        let (start, keep) = (Instant::now(), Duration::from_secs(60));
        let origin = Origin::of([192, 0, 2, 7].into());
        let mut sessions = Sessions::default();
        sessions.attach(one, keep, origin, client(1));
        sessions.found(two, keep, start);
        assert_eq!(sessions.first_end(), Some((start + keep, two)), "an attached one has time");
        sessions.park(one, start + Duration::from_secs(1));
        sessions.attach(two, keep, origin, client(2));
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
