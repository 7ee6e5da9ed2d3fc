//! Which node has which session, as far as the switch has seen (F5.9 to F5.12).
//!
//! It is a hint and no more: what it does not know is found by asking, so that a switch may be
//! started again, and there may be two of them.

use std::collections::HashMap;
use std::time::Duration;

use ubf_proto::Time;
use ubf_proto::session::{Level, SessionId};

use crate::fleet::NodeId;

/// How often sessions that have ended are looked for when there is no room.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A connection of a client, as the switch numbers them.
pub(crate) type ConnectionId = u64;

/// Sessions and their nodes.
#[derive(Debug)]
pub(crate) struct Homes {
    max: usize,
    homes: HashMap<SessionId, Home>,
    swept_at: Time,
}

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) node: NodeId,
    pub(crate) level: Level,
    keep: Duration,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On this connection. `is_sent_away`: the client was told of another server on it, and comes
    /// with nothing due (S11).
    Attached { connection: ConnectionId, is_sent_away: bool },
    /// The connection has ended at this time. `is_settled`: by a `closing` that said what was
    /// executed, behind all answers (S7.6).
    Parked { since: Time, is_settled: bool },
}

/// Whom to ask for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Nobody has seen it: all are asked.
    Unknown,
    /// This node has it, and nobody else can say that it is gone.
    At(Home),
    /// Nothing of it is in doubt: the client may as well open another one, anywhere.
    Free(Home),
}

impl Homes {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, homes: HashMap::new(), swept_at: Time::ZERO }
    }

    pub(crate) fn len(&self) -> usize {
        self.homes.len()
    }

    /// A node has granted a session, for so long without a connection.
    pub(crate) fn opened(
        &mut self,
        id: SessionId,
        node: NodeId,
        connection: ConnectionId,
        (level, keep): (Level, Duration),
        now: Time,
    ) {
        let place = Place::Attached { connection, is_sent_away: false };
        self.insert(id, Home { node, level, keep, place }, now);
    }

    /// A session goes on at a node. What it was granted is not told again.
    pub(crate) fn resumed(
        &mut self,
        id: SessionId,
        node: NodeId,
        connection: ConnectionId,
        now: Time,
    ) {
        /// As long as a server keeps one at most, by default.
        const LONGEST: Duration = Duration::from_secs(600);

        let known = self.homes.get(&id);
        let (level, keep) = known.map_or((Level::Durable, LONGEST), |home| (home.level, home.keep));
        let place = Place::Attached { connection, is_sent_away: false };
        self.insert(id, Home { node, level, keep, place }, now);
    }

    fn insert(&mut self, id: SessionId, home: Home, now: Time) {
        if self.homes.len() >= self.max
            && !self.homes.contains_key(&id)
            && now.since(self.swept_at) >= SWEEP_EVERY
        {
            self.swept_at = now;
            self.homes.retain(|_, home| !home.is_over(now));
        }
        if self.homes.len() < self.max || self.homes.contains_key(&id) {
            self.homes.insert(id, home);
        }
    }

    /// A client was told of another server on its connection.
    pub(crate) fn sent_away(&mut self, id: &SessionId, from: ConnectionId) {
        if let Some(home) = self.homes.get_mut(id)
            && let Place::Attached { connection, is_sent_away } = &mut home.place
            && *connection == from
        {
            *is_sent_away = true;
        }
    }

    /// Its connection has ended.
    pub(crate) fn parked(
        &mut self,
        id: &SessionId,
        from: ConnectionId,
        is_settled: bool,
        now: Time,
    ) {
        if let Some(home) = self.homes.get_mut(id)
            && matches!(home.place, Place::Attached { connection, .. } if connection == from)
        {
            home.place = Place::Parked { since: now, is_settled };
        }
    }

    /// Another node has it (S2.7).
    pub(crate) fn moved(&mut self, id: &SessionId, to: NodeId) {
        if let Some(home) = self.homes.get_mut(id) {
            home.node = to;
        }
    }

    /// Its client has ended it.
    pub(crate) fn ended(&mut self, id: &SessionId) {
        self.homes.remove(id);
    }

    /// Whom to ask for it.
    pub(crate) fn find(&self, id: &SessionId, now: Time) -> Whereabouts {
        let Some(home) = self.homes.get(id).filter(|home| !home.is_over(now)) else {
            return Whereabouts::Unknown;
        };
        match home.place {
            Place::Attached { is_sent_away: true, .. } | Place::Parked { is_settled: true, .. } => {
                Whereabouts::Free(*home)
            }
            Place::Attached { .. } | Place::Parked { .. } => Whereabouts::At(*home),
        }
    }
}

impl Home {
    fn is_over(&self, now: Time) -> bool {
        match self.place {
            Place::Attached { .. } => false,
            // A node's time begins when it notices the loss, or at its restart.
            Place::Parked { since, .. } => now.since(since) > self.keep * 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const GRANT: (Level, Duration) = (Level::Memory, Duration::from_secs(60));

    fn id(byte: u8) -> SessionId {
        SessionId::from_bytes([byte; 16])
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn s11_who_was_sent_away_and_has_its_connection_still_has_nothing_due() {
        let mut homes = Homes::new(8);
        assert_eq!(homes.find(&id(1), at(0)), Whereabouts::Unknown);
        homes.opened(id(1), A, 7, GRANT, at(0));
        assert!(matches!(homes.find(&id(1), at(0)), Whereabouts::At(home) if home.node == A));
        // Another connection has nothing to say about it.
        homes.sent_away(&id(1), 8);
        assert!(matches!(homes.find(&id(1), at(0)), Whereabouts::At(_)));
        homes.sent_away(&id(1), 7);
        assert!(matches!(homes.find(&id(1), at(0)), Whereabouts::Free(_)));
        // A connection that was lost may have had answers under way.
        homes.parked(&id(1), 7, false, at(0));
        assert!(matches!(homes.find(&id(1), at(0)), Whereabouts::At(_)));
        homes.resumed(id(1), A, 9, at(0));
        homes.parked(&id(1), 7, true, at(0));
        assert!(matches!(homes.find(&id(1), at(0)), Whereabouts::At(_)));
        homes.parked(&id(1), 9, true, at(0));
        assert!(matches!(homes.find(&id(1), at(0)), Whereabouts::Free(_)));
        homes.ended(&id(1));
        assert_eq!(homes.find(&id(1), at(0)), Whereabouts::Unknown);
    }

    #[test]
    fn l1_sessions_beyond_the_room_are_not_remembered_and_those_that_are_over_make_room() {
        let mut homes = Homes::new(2);
        for byte in 1..=3 {
            homes.opened(id(byte), A, byte.into(), GRANT, at(5_000));
        }
        assert_eq!((homes.len(), homes.find(&id(3), at(0))), (2, Whereabouts::Unknown));
        homes.parked(&id(1), 1, false, at(5_000));
        homes.opened(id(3), A, 3, GRANT, at(125_000));
        assert_eq!(homes.find(&id(3), at(125_000)), Whereabouts::Unknown);
        homes.opened(id(3), A, 3, GRANT, at(126_001));
        assert!(matches!(homes.find(&id(3), at(126_001)), Whereabouts::At(_)));
        assert_eq!(homes.find(&id(1), at(126_001)), Whereabouts::Unknown);
    }

    #[test]
    fn s2_a_session_that_was_handed_on_is_asked_for_at_its_owner() {
        let mut homes = Homes::new(2);
        homes.opened(id(1), A, 1, GRANT, at(0));
        homes.moved(&id(1), NodeId(4));
        assert!(matches!(homes.find(&id(1), at(0)), Whereabouts::At(home) if home.node.0 == 4));
    }
}
