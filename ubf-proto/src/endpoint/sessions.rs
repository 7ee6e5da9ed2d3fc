//! The sessions of a server: who owns which, and whether there is room for more (S1, S5, S6).

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;
use core::time::Duration;

use super::{ConnectionKey, Origin, Start};
use crate::mutant::{Mutant, is_on};
use crate::service::Service;
use crate::session::{Grant, Level, NoSession, Resume, SessionId, Wish};
use crate::time::Time;

/// The name of a session within its server, which no other one has or will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(u64);

impl SessionKey {
    const FIRST: Self = Self(0);
    const LAST: Self = Self(u64::MAX);

    /// A number for people, counted from 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 + 1
    }
}

/// What sessions an endpoint grants (S1, S6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// Sessions at a time, attached or parked. 0: none are granted. Default 20,000.
    pub max_sessions: usize,
    /// Sessions at a time that were opened from one IPv4 address, or one /64 of IPv6. Beyond it the
    /// parked one of that address that rests longest makes room. Default 2,000.
    pub max_sessions_per_address: usize,
    /// Messages without an answer in one session. Default 4,096.
    pub max_window: u64,
    /// Bytes of these messages. Default 16 MiB.
    pub max_bytes: u64,
    /// Bytes of answers that are kept in one session. A client that accepts larger packets gets no
    /// session. Default 16 MiB.
    pub max_kept: u64,
    /// Bytes of answers and events that are kept in all sessions. Beyond it no session keeps more
    /// than 64 KiB of answers before it begins other handlers, and none are granted. Default 1 GiB.
    pub max_kept_in_all: u64,
    /// How long a session is kept without a connection. Default 10 min.
    pub max_keep: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_sessions: 20_000,
            max_sessions_per_address: 2_000,
            max_window: 4_096,
            max_bytes: 16 << 20,
            max_kept: 16 << 20,
            max_kept_in_all: 1 << 30,
            max_keep: Duration::from_secs(600),
        }
    }
}

impl SessionLimits {
    /// S1: what is granted to a client that accepts packets of so many bytes. `None`: no sessions
    /// are granted, or what the client accepts could not be kept (S1.6).
    #[must_use]
    pub fn grant(&self, wish: &Wish, max_packet: u64, level: Level) -> Option<Grant> {
        (self.max_sessions > 0 && max_packet <= self.max_kept).then(|| Grant {
            window: wish.window.min(self.max_window),
            bytes: wish.bytes.min(self.max_bytes),
            kept: self.max_kept,
            keep: wish.keep.min(self.max_keep),
            level,
        })
    }
}

/// Whether a client that wishes for a session gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It does.
    Granted {
        /// Its name within the server.
        session: SessionKey,
        /// What it is told.
        grant: Grant,
    },
    /// It does not: there is no room, or none is wanted.
    NotGranted,
    /// There is one of this name (S1).
    Exists,
}

/// Whether a client can go on with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// It can: the connection is to be handed over to this session.
    HandOver(SessionKey),
    /// S5: a later attempt has come before.
    Overtaken,
    /// It cannot.
    NoSession(NoSession),
}

/// U2: what an endpoint knows of a session that goes to another process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPlace {
    /// Its name.
    pub id: SessionId,
    /// Where the client is that has opened it.
    pub origin: Origin,
    /// The service that it is for.
    pub service: Service,
    /// S5: the highest attempt.
    pub turn: u64,
}

/// U2: a session that another process has given.
#[derive(Debug)]
pub struct Adopted {
    /// Its name within this server.
    pub session: SessionKey,
    /// The connection that counts as its last.
    pub connection: ConnectionKey,
    /// With what it begins.
    pub start: Start,
}

impl SessionPlace {
    /// That of a session whose client was last at this address; `None`: on this machine.
    #[must_use]
    pub fn new(
        id: SessionId,
        peer: Option<core::net::SocketAddr>,
        service: Service,
        turn: u64,
    ) -> Self {
        let origin = peer.map_or(Origin::Local, |peer| Origin::of(peer.ip()));
        Self { id, origin, service, turn }
    }
}

/// What an endpoint knows of a session.
#[derive(Clone, Debug)]
struct Entry {
    id: SessionId,
    origin: Origin,
    service: Service,
    /// S5: the highest attempt.
    turn: u64,
    /// The connection that it has, or had last.
    connection: ConnectionKey,
    /// Since when it has none.
    parked: Option<Time>,
}

/// The sessions that are not over. They are looked up while all connections of the server wait, so
/// nothing that depends on one of them looks at the others.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) limits: SessionLimits,
    next: u64,
    /// Of the numbers by which names are looked up, so that nobody can choose names that collide.
    seed: u64,
    entries: BTreeMap<SessionKey, Entry>,
    by_hash: BTreeSet<(u64, SessionKey)>,
    /// By the connection that each has, or had last.
    by_connection: BTreeSet<(ConnectionKey, SessionKey)>,
    /// S6: those without a connection: of each origin, the one that rests longest is the first.
    parked: BTreeSet<(Origin, Time, SessionKey)>,
    /// Never 0.
    by_origin: BTreeMap<Origin, usize>,
    /// U2: numbers of names: these sessions are still with the predecessor.
    awaited: BTreeSet<u64>,
}

impl Sessions {
    pub(super) const fn new(limits: SessionLimits, seed: u64) -> Self {
        Self {
            limits,
            next: 0,
            seed,
            entries: BTreeMap::new(),
            by_hash: BTreeSet::new(),
            by_connection: BTreeSet::new(),
            parked: BTreeSet::new(),
            by_origin: BTreeMap::new(),
            awaited: BTreeSet::new(),
        }
    }

    /// U2: a session that another process has.
    pub(super) fn expect(&mut self, id: &SessionId) {
        self.awaited.insert(id.hash_with(self.seed));
    }

    /// U2: what has not come will not.
    pub(super) fn expect_no_more(&mut self) {
        self.awaited.clear();
    }

    /// U2: what another process needs to know of a session.
    pub(super) fn place(&self, key: SessionKey) -> Option<SessionPlace> {
        let Entry { id, origin, service, turn, .. } = self.entries.get(&key)?;
        Some(SessionPlace { id: *id, origin: *origin, service: service.clone(), turn: *turn })
    }

    /// U2: a session of another process, whose client is not here. `None`: there is one of its
    /// name, or no room.
    pub(super) fn adopt(
        &mut self,
        place: SessionPlace,
        connection: ConnectionKey,
        now: Time,
    ) -> Option<SessionKey> {
        if self.find(&place.id).is_some() || self.entries.len() >= self.limits.max_sessions {
            return None;
        }
        self.awaited.remove(&place.id.hash_with(self.seed));
        let SessionPlace { id, origin, service, turn } = place;
        let key = self.add(id, origin, service, connection);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.turn = turn;
        }
        self.park(key, connection, now);
        Some(key)
    }

    fn find(&self, id: &SessionId) -> Option<SessionKey> {
        let hash = id.hash_with(self.seed);
        let alike = self.by_hash.range((hash, SessionKey::FIRST)..=(hash, SessionKey::LAST));
        let is_it = |key: &SessionKey| self.entries.get(key).is_some_and(|known| known.id == *id);
        alike.map(|&(_, key)| key).find(is_it)
    }

    /// Whether there was a session of this name and it is not over.
    pub(super) fn is_known(&self, id: &SessionId) -> bool {
        self.find(id).is_some() || self.is_awaited(id)
    }

    fn is_awaited(&self, id: &SessionId) -> bool {
        self.awaits_any() && self.awaited.contains(&id.hash_with(self.seed))
    }

    /// S6: whether there is no room for another one of this origin; and which one may make room.
    pub(super) fn makes_room(&self, origin: Origin) -> Room {
        let count = self.by_origin.get(&origin).copied().unwrap_or_default();
        // Those without an address have no limit of their own.
        let has_room = origin == Origin::Local || count < self.limits.max_sessions_per_address;
        if has_room && self.entries.len() < self.limits.max_sessions {
            return Room::There;
        }
        // S6: only for sessions of the same address.
        self.longest_parked(origin).map_or(Room::None, Room::Instead)
    }

    fn longest_parked(&self, origin: Origin) -> Option<SessionKey> {
        let first = (origin, Time::ZERO, SessionKey::FIRST);
        let last = (origin, Time::NEVER, SessionKey::LAST);
        self.parked.range(first..=last).next().map(|&(_, _, key)| key)
    }

    /// S10.4: whether a client of this origin may want to go on with a session. One that seems to
    /// have its connection may have lost it, unseen.
    pub(super) fn has_any(&self, origin: Origin) -> bool {
        self.by_origin.contains_key(&origin)
    }

    /// U2: whether the predecessor still has sessions.
    pub(super) fn awaits_any(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// S1: what is granted. `None`: the client accepts packets that could not be kept.
    pub(super) fn grant(&self, wish: &Wish, max_packet: u64) -> Option<Grant> {
        self.limits.grant(wish, max_packet, Level::Memory)
    }

    pub(super) fn add(
        &mut self,
        id: SessionId,
        origin: Origin,
        service: Service,
        connection: ConnectionKey,
    ) -> SessionKey {
        let key = SessionKey(self.next);
        self.next += 1;
        // S5: the opening is the first attempt.
        let entry = Entry { id, origin, service, turn: 1, connection, parked: None };
        self.by_hash.insert((id.hash_with(self.seed), key));
        self.by_connection.insert((connection, key));
        self.entries.insert(key, entry);
        *self.by_origin.entry(origin).or_default() += 1;
        key
    }

    /// S4, S5: a connection of a client that wants to go on.
    pub(super) fn resume(
        &mut self,
        service: &Service,
        resume: &Resume,
        connection: ConnectionKey,
    ) -> Resumption {
        let known = self.find(&resume.id).and_then(|key| Some((key, self.entries.get_mut(&key)?)));
        let Some((key, entry)) = known.filter(|(_, entry)| entry.service == *service) else {
            let is_awaited = self.is_awaited(&resume.id);
            let why = if is_awaited { NoSession::NotNow } else { NoSession::Unknown };
            return Resumption::NoSession(why);
        };
        if resume.turn <= entry.turn && !is_on(Mutant::NoTurn) {
            return Resumption::Overtaken;
        }
        entry.turn = resume.turn;
        let before = core::mem::replace(&mut entry.connection, connection);
        self.by_connection.remove(&(before, key));
        self.by_connection.insert((connection, key));
        if let Some(since) = entry.parked.take() {
            self.parked.remove(&(entry.origin, since, key));
        }
        Resumption::HandOver(key)
    }

    /// S6: the connection of a session is gone. `false` if it has another one by now.
    pub(super) fn park(&mut self, key: SessionKey, connection: ConnectionKey, now: Time) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let is_its_own = entry.connection == connection;
        if is_its_own {
            if let Some(since) = entry.parked.replace(now) {
                self.parked.remove(&(entry.origin, since, key));
            }
            self.parked.insert((entry.origin, now, key));
        }
        is_its_own
    }

    /// `false` if it is over already.
    pub(super) fn remove(&mut self, key: SessionKey) -> bool {
        let Some(entry) = self.entries.remove(&key) else { return false };
        self.by_hash.remove(&(entry.id.hash_with(self.seed), key));
        self.by_connection.remove(&(entry.connection, key));
        if let Some(since) = entry.parked {
            self.parked.remove(&(entry.origin, since, key));
        }
        if let Some(count) = self.by_origin.get_mut(&entry.origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&entry.origin);
            }
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Where the client of a session is whose connection this is, or was.
    pub(super) fn origin(&self, connection: ConnectionKey) -> Option<Origin> {
        let first = (connection, SessionKey::FIRST);
        let last = (connection, SessionKey::LAST);
        let &(_, key) = self.by_connection.range(first..=last).next()?;
        self.entries.get(&key).map(|entry| entry.origin)
    }

    /// The session after this one; without one, the first of all.
    pub(super) fn after(&self, key: Option<SessionKey>) -> Option<SessionKey> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((start, Bound::Unbounded)).next().map(|(&key, _)| key)
    }
}

/// Whether there is room for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    There,
    /// If this one is given up.
    Instead(SessionKey),
    None,
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::super::connections::Connections;
    use super::*;
    use crate::random::Random;

    const ORIGINS: [&str; 3] = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];

    fn origins() -> impl Iterator<Item = Origin> {
        ORIGINS.iter().map(|ip| Origin::of(ip.parse().unwrap())).chain([Origin::Local])
    }

    fn id(number: u64) -> SessionId {
        SessionId::from_bytes(u128::from(number).to_be_bytes())
    }

    fn resume(number: u64, turn: u64) -> Resume {
        Resume { id: id(number), turn, done: 0, events: 0 }
    }

    /// What is looked up, found by looking at every session.
    fn check(sessions: &Sessions, connections: &[ConnectionKey]) {
        let entries = &sessions.entries;
        let parked = |origin| {
            let of_origin = entries.iter().filter(move |(_, known)| known.origin == origin);
            of_origin.filter_map(|(&key, known)| Some((known.parked?, key)))
        };
        for origin in origins() {
            let has_any = entries.values().any(|known| known.origin == origin);
            assert_eq!(sessions.has_any(origin), has_any);
            let longest = parked(origin).min();
            assert_eq!(sessions.longest_parked(origin), longest.map(|(_, key)| key));
        }
        let all: usize = origins().map(|origin| parked(origin).count()).sum();
        assert_eq!((sessions.parked(), sessions.len()), (all, entries.len()));
        for (&key, known) in entries {
            assert_eq!(sessions.find(&known.id), Some(key));
        }
        for &connection in connections {
            let owned = entries.values().find(|known| known.connection == connection);
            assert_eq!(sessions.origin(connection), owned.map(|known| known.origin));
        }
        let indexed = [sessions.by_hash.len(), sessions.by_connection.len()];
        assert_eq!(indexed, [entries.len(); 2], "nothing is left behind");
    }

    #[test]
    fn s6_what_is_looked_up_is_what_a_look_at_every_session_finds() {
        let mut random = Random::new(7);
        let mut sessions = Sessions::new(SessionLimits::default(), 7);
        let (mut admitted, mut connections) = (Connections::default(), Vec::new());
        let mut made = Vec::new();
        for step in 0..400_u64 {
            let now = Time::from_millis(step / 3);
            let origin = origins().nth(usize::try_from(random.below(4)).unwrap()).unwrap();
            let connection = admitted.add(origin);
            let any = usize::try_from(random.below(made.len() as u64 + 1)).unwrap();
            match (random.below(8), made.get(any).copied()) {
                (0..3, _) | (_, None) => {
                    let (number, service) = (made.len() as u64, Service::DEFAULT);
                    made.push((number, sessions.add(id(number), origin, service, connection)));
                    connections.push(connection);
                }
                (3..5, Some((_, key))) => {
                    let owner = sessions.entries.get(&key).map(|known| known.connection);
                    let is_parked = owner.is_some_and(|owner| sessions.park(key, owner, now));
                    assert_eq!(is_parked, owner.is_some());
                }
                (5..7, Some((number, _))) => {
                    sessions.resume(&Service::DEFAULT, &resume(number, 2 + step), connection);
                    connections.push(connection);
                }
                (_, Some((_, key))) => {
                    sessions.remove(key);
                }
            }
            check(&sessions, &connections);
        }
        assert!(sessions.len() > 10 && sessions.parked() > 10, "{}", sessions.len());
        for (_, key) in made {
            sessions.remove(key);
        }
        check(&sessions, &connections);
        assert!(sessions.parked.is_empty() && sessions.by_origin.is_empty());
    }
}
