//! A session that nobody is connected to and in which nothing goes on, as data (S6).
//!
//! ```text
//! ServerSession ── rest: it is parked, and nothing runs or waits ──> Resting
//! Resting ── wake: a connection, an event, its time ──> ServerSession
//! ```
//!
//! Most parked sessions are so, and there may be many: they are not to take what a connection
//! takes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::num::NonZeroU32;
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
use crate::session::kept::{Kept, KeptAtRest};
use crate::session::{Grant, Level};
use crate::time::{Time, millis};

/// What is left of a session that rests: what its client has not seen, and what it takes to go on.
///
/// Of the service it has only to be told again: whoever keeps many of these knows it anyhow.
#[derive(Debug)]
pub struct Resting {
    numbers: PackedNumbers,
    /// S6: the time that it is kept runs from here.
    since: Time,
    accepts: Accepts,
    /// `None`: most sessions have nothing of it.
    rare: Option<Box<Rare>>,
    /// T11: its service is pinned, and the client has a state to lose.
    is_away: bool,
    /// S6: the server kept as much as it may when that was told last.
    is_crowded: bool,
}

/// What few sessions have.
#[derive(Debug)]
struct Rare {
    /// S3: what the client has not seen.
    kept: Option<Box<Kept<Leaving>>>,
    /// N12: what the client accepts, if that is not what most do.
    accepted: Option<Box<Limits>>,
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

/// What was granted and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbers {
    grant: Grant,
    /// S2: the number of the last message that was taken.
    received: u64,
    /// P6: packets of the client on all its connections.
    packets: u64,
    /// S3: answers up to this number need not be kept.
    done: u64,
    /// Events that were made.
    events_made: u64,
}

/// The same in as many bytes as it takes: in most sessions no number is large.
#[derive(Debug, PartialEq, Eq)]
enum PackedNumbers {
    Small {
        window: u32,
        bytes: u32,
        kept: u32,
        /// A time that is not zero leaves room to tell the two kinds apart.
        keep_ms: NonZeroU32,
        received: u32,
        packets: u32,
        done: u32,
        events_made: u32,
    },
    Large(Box<Numbers>),
}

impl PackedNumbers {
    fn pack(numbers: Numbers) -> Self {
        Self::small(&numbers).unwrap_or_else(|| Self::Large(Box::new(numbers)))
    }

    /// `None`: one of them is too large, or is no number of milliseconds.
    fn small(numbers: &Numbers) -> Option<Self> {
        let &Numbers { grant, received, packets, done, events_made } = numbers;
        let Grant { window, bytes, kept, keep, level } = grant;
        let small = |value: u64| u32::try_from(value).ok();
        let keep_ms = NonZeroU32::new(small(millis(keep))?)?;
        let is_whole = keep == whole(keep_ms) && level == Level::Memory;
        is_whole.then_some(Self::Small {
            window: small(window)?,
            bytes: small(bytes)?,
            kept: small(kept)?,
            keep_ms,
            received: small(received)?,
            packets: small(packets)?,
            done: small(done)?,
            events_made: small(events_made)?,
        })
    }

    fn unpack(&self) -> Numbers {
        match *self {
            Self::Small { window, bytes, kept, keep_ms, received, packets, done, events_made } => {
                Numbers {
                    grant: Grant {
                        window: window.into(),
                        bytes: bytes.into(),
                        kept: kept.into(),
                        keep: whole(keep_ms),
                        level: Level::Memory,
                    },
                    received: received.into(),
                    packets: packets.into(),
                    done: done.into(),
                    events_made: events_made.into(),
                }
            }
            Self::Large(ref numbers) => Numbers::clone(numbers),
        }
    }
}

fn whole(millis: NonZeroU32) -> Duration {
    Duration::from_millis(millis.get().into())
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
        let KeptAtRest { done, events_made, entries } = kept.at_rest();
        let has_rare = entries.is_some() || accepted.is_some();
        let packets = self.calls.base.saturating_add(self.wire.packets);
        let numbers = Numbers { grant, received, packets, done, events_made };
        Some(Resting {
            numbers: PackedNumbers::pack(numbers),
            since: rests_since,
            accepts,
            rare: has_rare.then(|| Box::new(Rare { kept: entries, accepted })),
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
        let (entries, accepted) = self.rare.map_or((None, None), |rare| (rare.kept, rare.accepted));
        let accepted = match self.accepts {
            Accepts::Unknown => None,
            Accepts::Usual => Some(Box::new(USUAL)),
            Accepts::Other => accepted,
        };
        let Numbers { grant, received, packets, done, events_made } = self.numbers.unpack();
        let mut session = Granted::new(grant, self.since);
        session.received = received;
        session.kept = KeptAtRest { done, events_made, entries }.wake();
        session.is_crowded = self.is_crowded;
        let mut calls = Calls::of(service, &offer);
        calls.accepted = accepted;
        calls.base = packets;
        calls.session = Some(Box::new(session));
        calls.set_away(self.is_away);
        ServerSession {
            wire: Wire::stopped(config.limits, now),
            calls,
            config,
            offer,
            now,
            outputs: Outputs::default(),
            spare: None,
            is_frozen: false,
            is_time_checked: false,
            is_settled: false,
        }
    }

    /// S6: when the session is over if nobody goes on with it.
    #[must_use]
    pub fn expires_at(&self) -> Time {
        self.since + self.numbers.unpack().grant.keep
    }

    /// Bytes of answers and events that are kept for the client (S3).
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        let kept = self.rare.as_ref().and_then(|rare| rare.kept.as_ref());
        kept.map_or(0, |kept| kept.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rests_is_small() {
        assert!(size_of::<Resting>() <= 56, "{} bytes", size_of::<Resting>());
    }

    #[test]
    fn s1_s2_s3_numbers_are_unpacked_as_they_were_packed() {
        let grant = Grant {
            window: 1_024,
            bytes: 4 << 20,
            kept: 16 << 20,
            keep: Duration::from_mins(1),
            level: Level::Memory,
        };
        let small = Numbers { grant, received: 5, packets: 6, done: 7, events_made: 8 };
        let of = |grant| Numbers { grant, ..small };
        let max = u64::from(u32::MAX);
        for (numbers, is_small) in [
            (small.clone(), true),
            (of(Grant { window: max, bytes: max, kept: max, ..grant }), true),
            (of(Grant { window: max + 1, ..grant }), false),
            (of(Grant { bytes: u64::MAX, ..grant }), false),
            (of(Grant { kept: max + 1, ..grant }), false),
            (of(Grant { keep: Duration::from_millis(max), ..grant }), true),
            (of(Grant { keep: Duration::from_millis(max + 1), ..grant }), false),
            (of(Grant { keep: Duration::ZERO, ..grant }), false),
            (of(Grant { keep: Duration::from_nanos(1), ..grant }), false),
            (of(Grant { keep: Duration::MAX, ..grant }), false),
            (of(Grant { level: Level::Durable, ..grant }), false),
            (Numbers { received: max, packets: max, done: max, events_made: max, grant }, true),
            (Numbers { received: max + 1, ..small }, false),
            (Numbers { packets: max + 1, ..small }, false),
            (Numbers { done: u64::MAX, ..small }, false),
            (Numbers { events_made: max + 1, ..small }, false),
        ] {
            let packed = PackedNumbers::pack(numbers.clone());
            assert_eq!(matches!(packed, PackedNumbers::Small { .. }), is_small, "{numbers:?}");
            assert_eq!(packed.unpack(), numbers);
        }
    }
}
