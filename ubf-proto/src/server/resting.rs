//! A session that nobody is connected to and in which nothing goes on, as data (S6).
//!
//! ```text
//! ServerSession ── rest: it is parked, and nothing runs or waits ──> Resting
//! Resting ── wake: a connection, an event, its time ──> ServerSession
//! ```
//!
//! Most parked sessions are so, and there may be many: they are not to take what a connection takes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use ubf_codec::Limits;

use super::ServerSession;
use super::calls::Calls;
use super::config::Config;
use super::granted::{Granted, Leaving, Life};
use super::outputs::Outputs;
use super::wire::Wire;
use crate::offer::Offer;
use crate::service::Service;
use crate::session::kept::KeptAtRest;
use crate::session::{Grant, Level};
use crate::time::{Time, millis};

/// What is left of a session that rests: what its client has not seen, and what it takes to go on.
///
/// Of the service it has only to be told again: whoever keeps many of these knows it anyhow.
#[derive(Debug)]
pub struct Resting {
    grant: PackedGrant,
    /// S2: the number of the last message that was taken.
    received: u64,
    kept: KeptAtRest<Leaving>,
    /// P6: packets of the client on all its connections.
    packets: u64,
    /// S6: the time that it is kept runs from here.
    since: Time,
    /// N12: what the client accepts, if that is not what most do.
    accepted: Option<Box<Limits>>,
    accepts: Accepts,
    /// T11: its service is pinned, and the client has a state to lose.
    is_away: bool,
    /// S6: the server kept as much as it may when that was told last.
    is_crowded: bool,
}

/// N12: what is known of what a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepts {
    Unknown,
    /// The limits of this library, which most clients have.
    Usual,
    /// Others, which are kept apart.
    Other,
}

/// N12: what a client accepts that says nothing of it, with the pair around the response.
const USUAL: Limits = Limits::new().with_max_depth(Limits::new().max_depth + 1);

/// What was granted, in as many bytes as it takes.
#[derive(Debug, PartialEq, Eq)]
enum PackedGrant {
    Small { window: u32, bytes: u32, kept: u32, keep_ms: u32 },
    Large(Box<Grant>),
}

impl PackedGrant {
    fn pack(grant: Grant) -> Self {
        let small = || {
            let Grant { window, bytes, kept, keep, level } = grant;
            let keep_ms = u32::try_from(millis(keep)).ok()?;
            let is_whole = keep == Duration::from_millis(keep_ms.into()) && level == Level::Memory;
            let [window, bytes, kept] =
                [window, bytes, kept].map(|value| u32::try_from(value).ok());
            is_whole.then_some(Self::Small { window: window?, bytes: bytes?, kept: kept?, keep_ms })
        };
        small().unwrap_or_else(|| Self::Large(Box::new(grant)))
    }

    fn unpack(&self) -> Grant {
        match *self {
            Self::Small { window, bytes, kept, keep_ms } => Grant {
                window: window.into(),
                bytes: bytes.into(),
                kept: kept.into(),
                keep: Duration::from_millis(keep_ms.into()),
                level: Level::Memory,
            },
            Self::Large(ref grant) => **grant,
        }
    }
}

impl ServerSession {
    /// Whether the session is [parked](Self::is_parked), no handler runs, and nothing waits.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        let is_idle = |session: &Granted| !session.has_waiting() && session.life == Life::Alive;
        self.is_parked()
            && !self.is_frozen
            && self.outputs.is_empty()
            && self.calls.pending.len() == 0
            && self.calls.session.as_deref().is_some_and(is_idle)
    }

    /// S6: takes the session out as data, if it [rests](Self::is_resting). What is left is over.
    pub fn rest(&mut self) -> Option<Resting> {
        if !self.is_resting() {
            return None;
        }
        let Granted { grant, received, kept, rests_since, is_crowded, .. } =
            *self.calls.session.take()?;
        let (accepts, accepted) = match self.calls.accepted.take() {
            None => (Accepts::Unknown, None),
            Some(limits) if *limits == USUAL => (Accepts::Usual, None),
            Some(limits) => (Accepts::Other, Some(limits)),
        };
        Some(Resting {
            grant: PackedGrant::pack(grant),
            received,
            kept: kept.at_rest(),
            packets: self.calls.base.saturating_add(self.wire.packets),
            since: rests_since,
            accepted,
            accepts,
            is_away: self.calls.is_away(),
            is_crowded,
        })
    }
}

impl Resting {
    /// The session, parked as it was, of this service: what is told of server and offer holds until
    /// a connection is [handed over](ServerSession::resume).
    #[must_use]
    pub fn wake(
        self,
        config: Arc<Config>,
        offer: Arc<Offer>,
        service: Service,
        now: Time,
    ) -> ServerSession {
        let accepted = match self.accepts {
            Accepts::Unknown => None,
            Accepts::Usual => Some(Box::new(USUAL)),
            Accepts::Other => self.accepted,
        };
        let mut session = Granted::new(self.grant.unpack(), self.since);
        session.received = self.received;
        session.kept = self.kept.wake();
        session.is_crowded = self.is_crowded;
        let mut calls = Calls::of(service, &offer);
        calls.accepted = accepted;
        calls.base = self.packets;
        calls.session = Some(Box::new(session));
        calls.set_away(self.is_away);
        ServerSession {
            wire: Wire::stopped(config.limits, now),
            calls,
            config,
            offer,
            now,
            outputs: Outputs::default(),
            is_frozen: false,
            is_time_checked: false,
            is_settled: false,
        }
    }

    /// S6: when the session is over if nobody goes on with it.
    #[must_use]
    pub fn expires_at(&self) -> Time {
        self.since + self.grant.unpack().keep
    }

    /// Bytes of answers and events that are kept for the client (S3).
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.kept.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rests_is_small() {
        assert!(size_of::<Resting>() <= 88, "{} bytes", size_of::<Resting>());
    }

    #[test]
    fn s1_every_grant_is_unpacked_as_it_was_packed() {
        let small = Grant {
            window: 1_024,
            bytes: 4 << 20,
            kept: 16 << 20,
            keep: Duration::from_mins(1),
            level: Level::Memory,
        };
        assert!(matches!(PackedGrant::pack(small), PackedGrant::Small { .. }));
        let max = u64::from(u32::MAX);
        for (grant, is_small) in [
            (small, true),
            (Grant { window: max, bytes: max, kept: max, ..small }, true),
            (Grant { window: max + 1, ..small }, false),
            (Grant { bytes: u64::MAX, ..small }, false),
            (Grant { kept: max + 1, ..small }, false),
            (Grant { keep: Duration::from_millis(max), ..small }, true),
            (Grant { keep: Duration::from_millis(max + 1), ..small }, false),
            (Grant { keep: Duration::from_nanos(1), ..small }, false),
            (Grant { keep: Duration::MAX, ..small }, false),
            (Grant { level: Level::Durable, ..small }, false),
        ] {
            let packed = PackedGrant::pack(grant);
            assert_eq!(matches!(packed, PackedGrant::Small { .. }), is_small, "{grant:?}");
            assert_eq!(packed.unpack(), grant);
        }
    }
}
