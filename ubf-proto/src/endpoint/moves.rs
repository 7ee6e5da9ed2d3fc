//! Connections whose clients the operator sends elsewhere, one by one, and when those end that
//! stay.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use ubf_codec::NextIp;

use super::ConnectionKey;
use crate::time::Time;

/// The move of one connection.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) next_ip: NextIp,
    /// When the connection is closed if it is still there.
    pub(super) until: Time,
    /// How long calls in progress may take then.
    pub(super) hard_stop: Duration,
}

/// What a connection is to be told.
#[derive(Debug)]
pub(super) enum Step {
    Go(Move),
    Close { hard_stop: Duration },
}

/// The moves under way, at most one for each connection (L1).
#[derive(Debug, Default)]
pub(super) struct Moves {
    moves: BTreeMap<ConnectionKey, Move>,
    /// Those whose clients have not been told to go.
    untold: BTreeSet<ConnectionKey>,
    /// The moves in the order in which they end.
    ends: BTreeSet<(Time, ConnectionKey)>,
}

impl Moves {
    /// Begins a move, instead of the one that is under way.
    pub(super) fn begin(&mut self, connection: ConnectionKey, moved: Move) {
        self.forget(connection);
        self.untold.insert(connection);
        self.ends.insert((moved.until, connection));
        self.moves.insert(connection, moved);
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, connection: ConnectionKey) {
        if let Some(moved) = self.moves.remove(&connection) {
            self.untold.remove(&connection);
            self.ends.remove(&(moved.until, connection));
        }
    }

    /// No connection is on its way any longer.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is to be told to whom, once.
    pub(super) fn next(&mut self, now: Time) -> Option<(ConnectionKey, Step)> {
        if let Some(connection) = self.untold.pop_first() {
            let moved = self.moves.get(&connection).cloned();
            debug_assert!(moved.is_some(), "a client is told of a move that there is");
            return moved.map(|moved| (connection, Step::Go(moved)));
        }
        let (_, connection) = *self.ends.first().filter(|(until, _)| now >= *until)?;
        let moved = self.moves.get(&connection).cloned()?;
        self.forget(connection);
        Some((connection, Step::Close { hard_stop: moved.hard_stop }))
    }

    /// When the next move ends.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.ends.first().map(|&(until, _)| until)
    }
}
