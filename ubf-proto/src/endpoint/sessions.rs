//! The sessions of a server: who owns which, and whether there is room for more (S1, S5, S6).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::num::NonZeroU64;
use core::ops::Bound;
use core::time::Duration;

use super::{ConnectionKey, Origin, Start};
use crate::mutant::{Mutant, is_on};
use crate::service::Service;
use crate::session::{Grant, Level, NoSession, Resume, SessionId, Wish};
use crate::time::Time;

/// The name of a session within its server, which no other one has or will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(NonZeroU64);

impl SessionKey {
    const FIRST: Self = Self(NonZeroU64::MIN);
    const LAST: Self = Self(NonZeroU64::MAX);

    /// A number for people, counted from 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get()
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
#[derive(Debug)]
struct Entry {
    id: SessionId,
    origin: Origin,
    service: Arc<Service>,
    /// S5: the highest attempt.
    turn: u64,
    /// The connection that it has, or had last.
    connection: ConnectionKey,
    stay: Stay,
}

/// Whether a session has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    Attached,
    /// S6: it has none. It stands in a ring with the others of its origin, by the time since when
    /// they have none: before the one that has none for longest comes the last one.
    Parked {
        longer: SessionKey,
        shorter: SessionKey,
        /// When it is over, if it rests and nobody else looks to that.
        until: Time,
    },
}

/// The sessions of one origin.
#[derive(Clone, Copy, Debug, Default)]
struct OfOrigin {
    count: usize,
    /// S6: of those without a connection, the one that has none for longest.
    longest: Option<SessionKey>,
}

/// The sessions that are not over. They are looked up while all connections of the server wait, so
/// nothing that depends on one of them looks at the others. Most of them may be parked, and take
/// little then.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) limits: SessionLimits,
    next: SessionKey,
    /// Of the numbers by which names are looked up, so that nobody can choose names that collide.
    seed: u64,
    /// Apart, since a table has room for half as many entries again.
    entries: BTreeMap<SessionKey, Box<Entry>>,
    by_hash: BTreeSet<(u64, SessionKey)>,
    /// By the connection that each has, or had last. Not those that rest: nothing comes of their
    /// connections any more.
    by_connection: BTreeSet<(ConnectionKey, SessionKey)>,
    by_origin: BTreeMap<Origin, OfOrigin>,
    parked: usize,
    /// Those that rest, by the time when they are over.
    resting: BTreeSet<(Time, SessionKey)>,
    /// The service of the session that was opened last: mostly, the next one has the same.
    service: Arc<Service>,
    /// U2: numbers of names: these sessions are still with the predecessor.
    awaited: BTreeSet<u64>,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits, seed: u64) -> Self {
        Self {
            limits,
            next: SessionKey::FIRST,
            seed,
            entries: BTreeMap::new(),
            by_hash: BTreeSet::new(),
            by_connection: BTreeSet::new(),
            by_origin: BTreeMap::new(),
            parked: 0,
            resting: BTreeSet::new(),
            service: Arc::default(),
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
        let Entry { id, origin, service, turn, .. } = &**self.entries.get(&key)?;
        Some(SessionPlace { id: *id, origin: *origin, service: (**service).clone(), turn: *turn })
    }

    /// U2: a session of another process, on this connection. `None`: there is one of its
    /// name, or no room.
    pub(super) fn adopt(
        &mut self,
        place: SessionPlace,
        connection: ConnectionKey,
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
        let count = self.of_origin(origin).count;
        // Those without an address have no limit of their own.
        let has_room = origin == Origin::Local || count < self.limits.max_sessions_per_address;
        if has_room && self.entries.len() < self.limits.max_sessions {
            return Room::There;
        }
        // S6: only for sessions of the same address.
        self.longest_parked(origin).map_or(Room::None, Room::Instead)
    }

    fn of_origin(&self, origin: Origin) -> OfOrigin {
        self.by_origin.get(&origin).copied().unwrap_or_default()
    }

    fn longest_parked(&self, origin: Origin) -> Option<SessionKey> {
        self.of_origin(origin).longest
    }

    /// S10.4: whether a client of this origin may want to go on with a session. One that seems to
    /// have its connection may have lost it, unseen.
    pub(super) fn has_any(&self, origin: Origin) -> bool {
        self.by_origin.contains_key(&origin)
    }

    /// Whether a session of a client of this origin has no connection.
    pub(super) fn has_parked(&self, origin: Origin) -> bool {
        self.longest_parked(origin).is_some()
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
        let key = self.next;
        self.next = SessionKey(key.0.saturating_add(1));
        if *self.service != service {
            self.service = Arc::new(service);
        }
        let service = Arc::clone(&self.service);
        // S5: the opening is the first attempt.
        let entry = Entry { id, origin, service, turn: 1, connection, stay: Stay::Attached };
        self.by_hash.insert((id.hash_with(self.seed), key));
        self.by_connection.insert((connection, key));
        self.entries.insert(key, Box::new(entry));
        self.by_origin.entry(origin).or_default().count += 1;
        key
    }

    /// S4, S5: a connection of a client that wants to go on.
    pub(super) fn resume(
        &mut self,
        service: &Service,
        resume: &Resume,
        connection: ConnectionKey,
        origin: Origin,
    ) -> Resumption {
        let known = self.find(&resume.id).and_then(|key| Some((key, self.entries.get_mut(&key)?)));
        // S9.4
        let is_its_own =
            |entry: &Entry| *entry.service == *service && origin.is_owner_of(entry.origin);
        let Some((key, entry)) = known.filter(|(_, entry)| is_its_own(entry)) else {
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
        self.leave_line(key);
        Resumption::HandOver(key)
    }

    /// S6: the connection of a session is gone. `false` if it has another one by now.
    pub(super) fn park(&mut self, key: SessionKey, connection: ConnectionKey) -> bool {
        let is_its_own = self.entries.get(&key).is_some_and(|entry| entry.connection == connection);
        if is_its_own {
            self.leave_line(key);
            self.stand_in_line(key);
            // It may have rested before.
            self.by_connection.insert((connection, key));
        }
        is_its_own
    }

    /// Puts a session behind all others of its origin that have no connection.
    fn stand_in_line(&mut self, key: SessionKey) {
        let Some(origin) = self.entries.get(&key).map(|entry| entry.origin) else { return };
        let longest = *self.by_origin.entry(origin).or_default().longest.get_or_insert(key);
        // One that is alone stands before and behind itself.
        let last = self.neighbours(longest).map_or(key, |(last, _)| last);
        let Some(stay) = self.stay(key) else { return };
        *stay = Stay::Parked { longer: last, shorter: longest, until: Time::NEVER };
        self.parked += 1;
        self.set_shorter(last, key);
        self.set_longer(longest, key);
    }

    /// Takes a session out of the line, if it stands there.
    fn leave_line(&mut self, key: SessionKey) {
        let Some((longer, shorter)) = self.neighbours(key) else { return };
        self.set_shorter(longer, shorter);
        self.set_longer(shorter, longer);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let stay = core::mem::replace(&mut entry.stay, Stay::Attached);
        self.parked -= 1;
        if let Stay::Parked { until, .. } = stay {
            self.resting.remove(&(until, key));
        }
        if let Some(line) = self.by_origin.get_mut(&entry.origin)
            && line.longest == Some(key)
        {
            line.longest = (shorter != key).then_some(shorter);
        }
    }

    /// Those before and behind a session that stands in line.
    fn neighbours(&self, key: SessionKey) -> Option<(SessionKey, SessionKey)> {
        match self.entries.get(&key)?.stay {
            Stay::Parked { longer, shorter, .. } => Some((longer, shorter)),
            Stay::Attached => None,
        }
    }

    /// This one is behind a session that stands in line.
    fn set_shorter(&mut self, key: SessionKey, behind: SessionKey) {
        if let Some(Stay::Parked { shorter, .. }) = self.stay(key) {
            *shorter = behind;
        }
    }

    /// This one is before a session that stands in line.
    fn set_longer(&mut self, key: SessionKey, before: SessionKey) {
        if let Some(Stay::Parked { longer, .. }) = self.stay(key) {
            *longer = before;
        }
    }

    fn stay(&mut self, key: SessionKey) -> Option<&mut Stay> {
        self.entries.get_mut(&key).map(|entry| &mut entry.stay)
    }

    /// S6: a session that is parked rests, and is over then if nothing happens. `false` if it is
    /// not parked.
    pub(super) fn rest(&mut self, key: SessionKey, over_at: Time) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let Stay::Parked { until, .. } = &mut entry.stay else { return false };
        let before = core::mem::replace(until, over_at);
        self.by_connection.remove(&(entry.connection, key));
        self.resting.remove(&(before, key));
        self.resting.insert((over_at, key));
        true
    }

    /// When the next one that rests is over.
    pub(super) fn next_over(&self) -> Option<Time> {
        self.resting.first().map(|&(at, _)| at)
    }

    /// The next one that rests and whose time is over. It is named once.
    pub(super) fn take_over(&mut self, now: Time) -> Option<SessionKey> {
        let &(at, key) = self.resting.first().filter(|&&(at, _)| at <= now)?;
        self.resting.remove(&(at, key));
        if let Some(Stay::Parked { until, .. }) = self.stay(key) {
            *until = Time::NEVER;
        }
        Some(key)
    }

    /// `false` if it is over already.
    pub(super) fn remove(&mut self, key: SessionKey) -> bool {
        self.leave_line(key);
        let Some(entry) = self.entries.remove(&key) else { return false };
        self.by_hash.remove(&(entry.id.hash_with(self.seed), key));
        self.by_connection.remove(&(entry.connection, key));
        if let Some(line) = self.by_origin.get_mut(&entry.origin) {
            line.count -= 1;
            if line.count == 0 {
                self.by_origin.remove(&entry.origin);
            }
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn parked(&self) -> usize {
        self.parked
    }

    /// Where the client of a session is whose connection this is, or was. Of one that rests nobody
    /// asks.
    pub(super) fn origin(&self, connection: ConnectionKey) -> Option<Origin> {
        let first = (connection, SessionKey::FIRST);
        let last = (connection, SessionKey::LAST);
        let &(_, key) = self.by_connection.range(first..=last).next()?;
        self.entries.get(&key).map(|entry| entry.origin)
    }

    /// The service of a session, and where its client is.
    pub(super) fn who(&self, key: SessionKey) -> Option<(&Service, Origin)> {
        self.entries.get(&key).map(|entry| (&*entry.service, entry.origin))
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

    /// What is looked up, found by looking at every session. `since` says when each was parked.
    fn check(
        sessions: &Sessions,
        connections: &[ConnectionKey],
        since: &BTreeMap<SessionKey, u64>,
    ) {
        let entries = &sessions.entries;
        let parked = |origin| {
            let of_origin = entries.iter().filter(move |(_, known)| known.origin == origin);
            of_origin.filter(|(_, known)| known.stay != Stay::Attached).map(|(&key, _)| key)
        };
        let mut all = 0;
        for origin in origins() {
            let mut in_line: Vec<_> = parked(origin).collect();
            in_line.sort_by_key(|key| since[key]);
            let has_any = entries.values().any(|known| known.origin == origin);
            assert_eq!(sessions.has_any(origin), has_any);
            for (index, key) in in_line.iter().enumerate() {
                let Stay::Parked { longer, shorter, .. } = entries[key].stay else { panic!() };
                let place = |index| in_line[index % in_line.len()];
                let before = place(index + in_line.len() - 1);
                assert_eq!((longer, shorter), (before, place(index + 1)));
            }
            let line = sessions.of_origin(origin);
            assert_eq!(line.longest, in_line.first().copied());
            let count = entries.values().filter(|known| known.origin == origin).count();
            assert_eq!(line.count, count);
            all += in_line.len();
        }
        assert_eq!((sessions.parked(), sessions.len()), (all, entries.len()));
        let is_resting = |known: &Entry| matches!(known.stay, Stay::Parked { until, .. } if until != Time::NEVER);
        for (&key, known) in entries {
            assert_eq!(sessions.find(&known.id), Some(key));
            if let Stay::Parked { until, .. } = known.stay {
                assert_eq!(sessions.resting.contains(&(until, key)), is_resting(known));
            }
        }
        for &connection in connections {
            let is_it = |known: &&Entry| known.connection == connection;
            let all = entries.values().map(|known| &**known);
            let owned = all.filter(is_it).find(|known| !is_resting(known));
            assert_eq!(sessions.origin(connection), owned.map(|known| known.origin));
        }
        let resting = entries.values().filter(|known| is_resting(known)).count();
        let indexed =
            [sessions.by_hash.len(), sessions.by_connection.len(), sessions.resting.len()];
        assert_eq!(
            indexed,
            [entries.len(), entries.len() - resting, resting],
            "nothing is left behind"
        );
    }

    #[test]
    fn what_is_known_of_each_is_small() {
        assert!(size_of::<Entry>() <= 88, "{} bytes", size_of::<Entry>());
    }

    #[test]
    fn s9_a_session_belongs_to_the_identity_that_has_opened_it() {
        let [till, other] = [[1; 16], [2; 16]].map(Origin::Identity);
        let address = Origin::of("192.0.2.7".parse().unwrap());
        let mut admitted = Connections::default();
        let mut sessions = Sessions::new(SessionLimits::default(), 7);
        let owned = sessions.add(id(1), till, Service::DEFAULT, admitted.add(till));
        let open = sessions.add(id(2), address, Service::DEFAULT, admitted.add(address));
        let mut resumed = |number, turn, origin| {
            let connection = admitted.add(origin);
            sessions.resume(&Service::DEFAULT, &resume(number, turn), connection, origin)
        };
        let unknown = Resumption::NoSession(NoSession::Unknown);
        for stranger in [other, address, Origin::Local] {
            assert_eq!(resumed(1, 9, stranger), unknown, "{stranger}");
        }
        // What strangers tried is forgotten.
        assert_eq!(resumed(1, 2, till), Resumption::HandOver(owned));
        // Whoever has no identity comes from anywhere; whoever has one opened it as such.
        assert_eq!(resumed(2, 2, till), unknown);
        assert_eq!(resumed(2, 2, Origin::Local), Resumption::HandOver(open));
    }

    #[test]
    fn s6_what_is_looked_up_is_what_a_look_at_every_session_finds() {
        let mut random = Random::new(7);
        let mut sessions = Sessions::new(SessionLimits::default(), 7);
        let (mut admitted, mut connections) = (Connections::default(), Vec::new());
        let (mut made, mut since) = (Vec::new(), BTreeMap::new());
        for step in 0..400_u64 {
            let origin = origins().nth(usize::try_from(random.below(4)).unwrap()).unwrap();
            let connection = admitted.add(origin);
            let any = usize::try_from(random.below(made.len() as u64 + 1)).unwrap();
            match (random.below(9), made.get(any).copied()) {
                (0..3, _) | (_, None) => {
                    let (number, service) = (made.len() as u64, Service::DEFAULT);
                    made.push((number, sessions.add(id(number), origin, service, connection)));
                    connections.push(connection);
                }
                (3..6, Some((_, key))) => {
                    let owner = sessions.entries.get(&key).map(|known| known.connection);
                    let is_parked = owner.is_some_and(|owner| sessions.park(key, owner));
                    assert_eq!(is_parked, owner.is_some());
                    since.insert(key, step);
                    let is_resting = random.below(2) == 0;
                    let over_at = Time::from_millis(random.below(5));
                    assert_eq!(is_resting && sessions.rest(key, over_at), is_resting && is_parked);
                }
                (6..8, Some((number, _))) => {
                    let resume = resume(number, 2 + step);
                    sessions.resume(&Service::DEFAULT, &resume, connection, origin);
                    connections.push(connection);
                }
                (_, Some((_, key))) => {
                    sessions.remove(key);
                }
            }
            check(&sessions, &connections, &since);
        }
        assert!(sessions.len() > 10 && sessions.parked() > 10, "{}", sessions.len());
        assert!(sessions.resting.len() > 5, "{}", sessions.resting.len());
        for (_, key) in made {
            sessions.remove(key);
        }
        check(&sessions, &connections, &since);
        assert!(sessions.by_origin.is_empty());
    }

    #[test]
    fn s6_of_those_that_rest_each_is_named_once_when_its_time_is_over() {
        let mut sessions = Sessions::new(SessionLimits::default(), 7);
        let connection = Connections::default().add(Origin::Local);
        let keys = [0, 1, 2]
            .map(|number| sessions.add(id(number), Origin::Local, Service::DEFAULT, connection));
        let at = Time::from_millis;
        assert!(!sessions.rest(keys[0], at(5)), "it has a connection");
        for (key, over_at) in keys.into_iter().zip([30, 20, 20]) {
            assert!(sessions.park(key, connection) && sessions.rest(key, at(over_at)));
        }
        assert_eq!((sessions.next_over(), sessions.take_over(at(19))), (Some(at(20)), None));
        let named = core::iter::from_fn(|| sessions.take_over(at(20))).collect::<Vec<_>>();
        assert_eq!((named, sessions.next_over()), ([keys[1], keys[2]].into(), Some(at(30))));
        assert_eq!(sessions.parked(), 3, "they are not over before their machines say so");
        assert!(sessions.rest(keys[1], at(25)));
        let resume = resume(1, 2);
        let resumed = sessions.resume(&Service::DEFAULT, &resume, connection, Origin::Local);
        assert_eq!((resumed, sessions.next_over()), (Resumption::HandOver(keys[1]), Some(at(30))));
        sessions.remove(keys[0]);
        assert_eq!((sessions.next_over(), sessions.take_over(Time::NEVER)), (None, None));
    }
}
