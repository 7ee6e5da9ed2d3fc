//! A session that goes to the successor of this process (U2, U7): it is frozen, copied, and goes on
//! there as one without a connection.
//!
//! ```text
//! predecessor:  Freeze ─> what runs ends ─> export ─┬─> Leave: the connection is closed, with a word
//!                                                   └─> Thaw: it goes on as if nothing had been
//! successor:    SessionExport ─> ServerSession::parked ─> resume
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::{Mode, Term, Version};

use super::answer::Content;
use super::calls::Calls;
use super::granted::{Granted, Leaving};
use super::outputs::Outputs;
use super::owned::{Restored, RestoredItem, StoredAnswer};
use super::wire::Wire;
use super::{CloseReason, Config, ServerSession};
use crate::drain::Phase;
use crate::offer::Offer;
use crate::service::Service;
use crate::session::kept::Again;
use crate::time::Time;

impl ServerSession {
    /// U2: a session that another process has given away, without a connection. The time for which
    /// it is kept begins anew.
    #[must_use]
    pub fn parked(
        config: Arc<Config>,
        offer: Arc<Offer>,
        service: &Service,
        restored: Restored,
        now: Time,
    ) -> Self {
        let spoken = offer.spoken(service, now);
        let session = Granted::restored(restored, config.max_kept_event_bytes, &spoken, now);
        let mut calls = Calls::of(service.clone(), &offer);
        calls.session = Some(Box::new(session));
        let mut wire = Wire::new(config.limits, now);
        wire.phase = Phase::Stopped;
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

    /// U2: what another process needs to go on with the session. `None` while a handler runs; and
    /// for good, if there is no session of level `'memory'`, or if what its client has here would
    /// be lost elsewhere (T11).
    ///
    /// What was taken and not begun counts as never sent: the client sends it again.
    #[must_use]
    pub fn export(&self) -> Option<Restored> {
        let session = self.calls.session.as_ref()?;
        let is_at_rest = self.calls.pending.running() == 0 && self.outputs.is_empty();
        if session.is_owned() || !is_at_rest || self.calls.is_away() {
            return None;
        }
        let mut kept: Vec<_> = session.kept.in_order().map(|again| item(&again)).collect();
        // Answers that wait for their turn have it now, but for those behind what is not begun.
        let ready = self.calls.pending.ready_messages();
        kept.extend(ready.map(|(number, mode, content)| {
            item(&Again::Answer(number, &Leaving { mode, content: content.clone() }))
        }));
        Some(Restored {
            grant: session.grant,
            received: session.begun(),
            events_made: Some(session.kept.events_made()),
            kept,
        })
    }

    /// U2: the session goes on elsewhere, and the connection is closed with a word.
    pub(super) fn leave(&mut self) {
        self.close_with("takeover", CloseReason::Shutdown);
    }
}

const fn version_of(mode: Mode) -> Option<Version> {
    match mode {
        Mode::Version(version) => Some(version),
        Mode::Negotiation => None,
    }
}

/// S8: as it was made.
pub(super) fn item(again: &Again<'_, Leaving>) -> RestoredItem {
    match *again {
        Again::Answer(number, leaving) => {
            let answer = match (&leaving.content, version_of(leaving.mode)) {
                (Content::Body(body), Some(version)) => {
                    StoredAnswer::Reply { version, body: body.clone() }
                }
                (Content::NotDone(not_done), _) if not_done.is_refused => {
                    StoredAnswer::Refused(not_done.why.clone())
                }
                (Content::NotDone(not_done), _) => StoredAnswer::Failed(not_done.why.clone()),
                (Content::Body(_), None) => {
                    debug_assert!(false, "the answer to a message has its version");
                    StoredAnswer::Failed(Term::atom("takeover"))
                }
            };
            RestoredItem::Answer(number, answer)
        }
        Again::Event(leaving) => {
            let version = version_of(leaving.mode).unwrap_or(Version::MIN);
            let body = match &leaving.content {
                Content::Body(body) => body.clone(),
                Content::NotDone(_) => Bytes::new(),
            };
            RestoredItem::Event { version, body }
        }
    }
}
