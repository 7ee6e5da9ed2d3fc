//! A session on its way from one process to the next (U2).
//!
//! ```text
//! predecessor:  Freeze ─> what runs ends ─> export ─┬─> the socket is another's: nothing more is said
//!                                                   └─> Thaw: as if nothing had been
//! successor:    Carried ─> ServerSession::carried ─> goes on with the socket
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Text};

use super::config::{AfterStop, Config};
use super::house::House;
use super::{InService, Level, Phase, ServerSession, Work};
use crate::time::Time;

/// What goes on in another process of a session in which nothing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The name of its service, and the state that it is in. `None`: it is on the meta level.
    pub place: Option<(Text, Text)>,
    /// What came and is no whole packet, or was not worked on.
    pub unread: Bytes,
    /// Q8: events that wait for their moment, without their wrapping.
    pub events: Vec<Term>,
}

impl ServerSession {
    /// U2: what another process needs to go on with the session, beside what was handed out and not
    /// written. `None` while something runs, and when the session is about to end.
    #[must_use]
    pub fn export(&self) -> Option<Carried> {
        let is_at_rest = self.is_open()
            && matches!(self.work, Work::Idle)
            && !self.wire.has_ended()
            && self.outputs.is_empty();
        is_at_rest.then(|| Carried {
            place: self.service().map(|(name, state)| (name.clone(), state.clone())),
            unread: Bytes::copy_from_slice(self.wire.unread()),
            events: self.events.iter().map(|held| held.event.clone()).collect(),
        })
    }

    /// U2: a session of another process, where so many bytes were handed out and not written. All
    /// its times begin anew. `None`: it is of a service that the house does not have.
    #[must_use]
    pub fn carried(
        config: Arc<Config>,
        house: Arc<House>,
        carried: Carried,
        unwritten: usize,
        now: Time,
    ) -> Option<Self> {
        let Carried { place, unread, events } = carried;
        let (level, is_at_stop) = match place {
            // Without a meta level nobody is on it.
            None if house.entry().is_some() => return None,
            None => (Level::Meta, false),
            Some((name, state)) => {
                let service = house.find_named(&name)?;
                let place = house.service(service)?.place(&state);
                let is_at_stop = state == "stop" && config.after_stop == AfterStop::Wait;
                (Level::Service(InService { service, state, place }), is_at_stop)
            }
        };
        let mut session = Self::at(level, config, house, now);
        if is_at_stop {
            session.phase = Phase::AtStop;
        }
        session.wire.received(BytesMut::from(&unread[..]), now);
        session.wire.hand_out(unwritten, now);
        for event in events {
            session.hold_event(event);
        }
        Some(session)
    }
}
