//! A connection on its way from one process to the next, with the session that it has (U2): its
//! client notices nothing.
//!
//! ```text
//! predecessor:  Freeze ─> what was taken is answered ─> export_live ─┬─> the socket is another's
//!                                                                    └─> Thaw: as if nothing had been
//! successor:    LiveConnection ─> endpoint::Start::live ─> goes on with the socket
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::{Limits, Version};

use super::calls::Calls;
use super::config::Config;
use super::granted::{Granted, Life};
use super::outputs::Outputs;
use super::owned::Restored;
use super::wire::{Opening, Wire};
use super::{Phase, ServerSession};
use crate::control::Context;
use crate::offer::Offer;
use crate::service::Service;
use crate::time::Time;

/// What goes on in another process of a connection on which no answer is due, beside what was
/// handed out and not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConnection {
    /// The service that was negotiated last.
    pub service: Service,
    /// The version that was agreed on last.
    pub agreed: Option<Version>,
    /// P6: packets of the client so far.
    pub packets: u64,
    /// The offset in the client's stream at which the last of these packets ends.
    pub offset: u64,
    /// S1: whether the next `negotiate` may be about a session.
    pub may_open: bool,
    /// N4: versions that stay refused until the client has negotiated again.
    pub refused: Vec<Version>,
    /// N12: what the client accepts of a packet, with the pair around a response. `None`: it has
    /// not negotiated.
    pub accepted: Option<Limits>,
    /// N15: what was agreed on about contexts.
    pub context: LiveContext,
    /// What came behind the last packet.
    pub unread: Bytes,
    /// The session. Of one that its owner keeps (T3) there are the numbers alone.
    pub session: Option<Restored>,
}

/// N15: what a connection has to do with contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LiveContext {
    /// They were not agreed on.
    #[default]
    None,
    /// They were.
    Agreed,
    /// They were, and the one of the next message has come.
    Told(Context),
}

impl ServerSession {
    /// S2: the number of the last message of the session that was taken. 0 without a session.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.calls.session.as_ref().map_or(0, |session| session.received)
    }

    /// U2: whether no answer is due that comes without the client's doing, and all outputs were
    /// asked for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let is_answered = self.calls.pending.len() == 0
            // S3: what waits for the client's word does so for ever while nothing is read.
            || self.calls.pending.running() == 0
                && self.calls.session.as_ref().is_some_and(|session| session.has_waiting());
        is_answered && self.outputs.is_empty() && !matches!(self.wire.opening, Opening::Asked(_))
    }

    /// U2: what another process needs to go on with the connection, and with its session.
    ///
    /// `None` while an answer is due, and when the connection is about to end; and for good, if
    /// what its client has here would be lost elsewhere (T11).
    #[must_use]
    pub fn export_live(&self) -> Option<LiveConnection> {
        let may_open = match &self.wire.opening {
            Opening::Possible | Opening::Cordoned(_) => true,
            Opening::Over => false,
            Opening::Asked(_) => return None,
        };
        let goes_on = self.wire.phase < Phase::Closing
            && self.wire.ending.is_none()
            && !self.wire.has_ended
            && self.calls.pending.len() == 0
            && self.outputs.is_empty()
            && !self.calls.is_away();
        if !goes_on {
            return None;
        }
        let session = match &self.calls.session {
            None => None,
            Some(session) => Some(self.live_session(session)?),
        };
        Some(LiveConnection {
            service: self.calls.service.clone(),
            agreed: self.wire.agreed,
            packets: self.wire.packets,
            offset: self.wire.inbound.end(),
            may_open,
            refused: self.wire.refused.iter().flat_map(|refused| refused.iter()).copied().collect(),
            accepted: self.calls.accepted.as_deref().copied(),
            context: self.wire.live_context(),
            unread: self.wire.inbound.unread(),
            session,
        })
    }

    fn live_session(&self, session: &Granted) -> Option<Restored> {
        let is_at_rest =
            !session.has_waiting() && session.kept.is_sent() && session.life == Life::Alive;
        if !is_at_rest {
            return None;
        }
        let kept = session.kept.in_order().map(|again| super::export::item(&again));
        Some(Restored {
            grant: session.grant,
            received: session.received,
            events_made: Some(session.kept.events_made()),
            kept: if session.is_owned() { Vec::new() } else { kept.collect() },
        })
    }

    /// U2: a connection of another process, where so many bytes were handed out and not written.
    /// All its times begin anew.
    pub(crate) fn live(
        config: Arc<Config>,
        offer: Arc<Offer>,
        live: LiveConnection,
        unwritten: usize,
        now: Time,
    ) -> Self {
        let mut calls = Calls::of(live.service, &offer);
        calls.accepted = live.accepted.map(Box::new);
        calls.session = live.session.map(|restored| {
            let spoken = offer.spoken(&calls.service, now);
            let max_event_bytes = config.max_kept_event_bytes;
            let mut session = Granted::restored(restored, max_event_bytes, &spoken, now);
            session.kept.sent();
            Box::new(session)
        });
        let mut wire = Wire::new(config.limits, now);
        wire.inbound.go_on_at(live.offset, live.unread, now);
        wire.packets = live.packets;
        wire.agreed = live.agreed;
        wire.opening = if live.may_open { Opening::Possible } else { Opening::Over };
        live.refused.into_iter().for_each(|version| wire.refuse(version));
        wire.go_on_with_context(live.context);
        wire.unsent = unwritten;
        Self {
            now,
            wire,
            calls,
            config,
            offer,
            outputs: Outputs::default(),
            spare: None,
            is_frozen: false,
            is_time_checked: false,
            is_settled: false,
        }
    }
}
