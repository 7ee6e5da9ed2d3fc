//! How a session finds its next connection (S1, S4, S5).
//!
//! ```text
//! connection ── negotiate with 'session' ──> the endpoint ──> granted, not granted, exists
//!            ── negotiate with 'resume' ───> the endpoint ──> no session, overtaken,
//!                                                          or found: the connection is handed over
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::granted::Life;
use super::output::{CloseReason, Notice, Output, PacketKind};
use super::owned::Restored;
use super::wire::{Asked, Opening, Wire};
use super::{Config, Phase, ServerSession};
use crate::control::{Negotiate, ServerControl};
use crate::mutant::{Mutant, is_on};
use crate::offer::Offer;
use crate::packet;
use crate::service::Service;
use crate::session::{Grant, NoSession, Resume, Resumed, SessionOption, Wish};
use crate::time::Time;
use ubf_codec::{NextIp, Term};

/// What a client wants of the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionRequest {
    /// S1: to open a session:
    /// [`Endpoint::open_session`](crate::Endpoint::open_session).
    Open {
        /// For this service.
        service: Service,
        /// What it wishes for.
        wish: Wish,
        /// N12: the most bytes of a packet that it accepts.
        max_packet: u64,
    },
    /// S4: to go on with one:
    /// [`Endpoint::resume_session`](crate::Endpoint::resume_session).
    Resume {
        /// For this service.
        service: Service,
        /// With which, and how far it got.
        resume: Resume,
    },
}

impl SessionRequest {
    /// Whether it is to go on with a session.
    pub(super) const fn is_resume(&self) -> bool {
        matches!(self, Self::Resume { .. })
    }

    /// What a `negotiate` wants of the endpoint, if it does.
    pub(super) fn of(negotiate: &Negotiate) -> Option<Self> {
        let service = negotiate.service.clone();
        match negotiate.options.session? {
            SessionOption::Open(wish) => {
                let max_packet = negotiate.options.limits().max_packet_bytes.into();
                Some(Self::Open { service, wish, max_packet })
            }
            SessionOption::Resume(resume) => Some(Self::Resume { service, resume }),
            SessionOption::Granted(_) | SessionOption::Resumed(_) | SessionOption::NoSession(_) => {
                None
            }
        }
    }
}

/// What the endpoint says to that, if no session is to take the connection over; or the owner of an
/// owned service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionAnswer {
    /// S1: a session is granted. Those of owned services are of the level
    /// [`Durable`](crate::session::Level::Durable).
    Granted(Grant),
    /// S1: none is.
    NotGranted,
    /// S1: there was one of this name already.
    Exists,
    /// S4: there is none to go on with.
    NoSession(NoSession),
    /// S5: a later attempt has come before.
    Overtaken,
    /// S4: the connection goes on with what the owner has stored.
    Restored(Box<Restored>),
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEnd {
    /// S3: the client says so.
    ByClient,
    /// S6: it had no connection for too long.
    Expired,
    /// S6: the server has given it up.
    GivenUp,
}

/// A connection whose client wants to go on with a session that was found.
#[derive(Debug)]
pub struct Resuming {
    config: Arc<Config>,
    offer: Arc<Offer>,
    wire: Wire,
    negotiate: Negotiate,
    resume: Resume,
}

impl Resuming {
    /// S5: a later attempt came before. All outputs are there: last words, and the end.
    #[must_use]
    pub fn overtaken(self, now: Time) -> ServerSession {
        let Self { config, offer, wire, .. } = self;
        let mut session = ServerSession::new(config, offer, now);
        session.wire = wire;
        session.close_with("overtaken", CloseReason::Overtaken);
        session
    }
}

impl ServerSession {
    /// The connection, to be handed over to the session that was found. `None` if its client does
    /// not wait for that.
    #[must_use]
    pub fn into_resuming(self) -> Option<Resuming> {
        let mut wire = self.wire;
        match core::mem::replace(&mut wire.opening, Opening::Over) {
            Opening::Asked(asked) => match asked.negotiate.options.session {
                Some(SessionOption::Resume(resume)) => Some(Resuming {
                    config: self.config,
                    offer: self.offer,
                    wire,
                    negotiate: asked.negotiate,
                    resume,
                }),
                Some(_) | None => None,
            },
            Opening::Possible | Opening::Cordoned(_) | Opening::Over => None,
        }
    }

    /// Whether the session goes on without a connection: after [`Output::Close`], and until one is
    /// handed over.
    #[must_use]
    pub const fn is_parked(&self) -> bool {
        matches!(self.wire.phase, Phase::Stopped) && self.calls.session.is_some()
    }

    /// Whether a session was granted, and is not over.
    #[must_use]
    pub const fn has_session(&self) -> bool {
        self.calls.session.is_some()
    }

    /// Bytes of answers and events that are kept for the client (S3).
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.calls.session.as_ref().map_or(0, |session| session.kept.bytes())
    }

    /// S5: another connection goes on with the session, and is handed to it next.
    pub(super) fn overtaken(&mut self) {
        self.close_with("overtaken", CloseReason::Overtaken);
        if let Some(session) = &mut self.calls.session
            && !is_on(Mutant::EndsBetweenConnections)
        {
            session.life = Life::BetweenConnections;
        }
    }

    /// S4: goes on with a connection that was handed over. It is to be parked: a connection that it
    /// has is told [`Input::Overtaken`](super::Input::Overtaken) before.
    pub fn resume(&mut self, resuming: Resuming, now: Time) {
        self.now = self.now.max(now);
        let Resuming { config, offer, wire, negotiate, resume } = resuming;
        self.config = config;
        self.offer = offer;
        self.calls.offer_changed();
        debug_assert!(self.is_parked(), "a session has one connection at a time");
        let old = core::mem::replace(&mut self.wire, wire);
        if is_on(Mutant::KeptNextIp) {
            self.wire.set_next_ip(old.heads.next_ip().cloned());
        }
        self.calls.base = self.calls.base.saturating_add(old.packets);
        self.calls.pending.retain_messages();
        let Some(session) = &mut self.calls.session else { return };
        session.life = Life::Alive;
        session.kept.acknowledge_answers(resume.done);
        session.kept.acknowledge_events(resume.events);
        if !is_on(Mutant::ReceivedIgnoresDone) {
            session.received = session.received.max(resume.done);
        }
        let events_lost = session.kept.send_again(resume.events);
        let resumed = Resumed { received: session.received, events_lost: Some(events_lost) };
        self.say_resumed(negotiate, &resume, resumed);
    }

    /// S4: answers at once; what is kept follows.
    pub(super) fn say_resumed(&mut self, negotiate: Negotiate, resume: &Resume, resumed: Resumed) {
        let again = self.calls.session.as_ref().map_or(0, |session| session.kept.answers());
        self.outputs.push_back(Output::Notice(Notice::SessionResumed {
            id: resume.id,
            turn: resume.turn,
            again,
            events_lost: resumed.events_lost.unwrap_or(0),
        }));
        let (mode, body) =
            self.answer_to_negotiate(negotiate, Some(SessionOption::Resumed(resumed)));
        // It precedes all that is still to be answered.
        self.wire.heads.hold(self.calls.is_held());
        let packet = self.wire.heads.packet(mode, body);
        let output = self.wire.transmit(PacketKind::Control, packet, self.now);
        self.outputs.push_back(output);
        self.is_time_checked = false;
        self.is_settled = false;
    }

    /// S1, S4: the endpoint has answered.
    pub(super) fn session_answered(&mut self, answer: SessionAnswer) {
        let Asked { negotiate, cordon } =
            match core::mem::replace(&mut self.wire.opening, Opening::Over) {
                Opening::Asked(asked) => *asked,
                // Nothing was asked.
                opening @ (Opening::Possible | Opening::Cordoned(_) | Opening::Over) => {
                    self.wire.opening = opening;
                    return;
                }
            };
        let option = match answer {
            SessionAnswer::Granted(grant) => {
                if let Some(SessionOption::Open(wish)) = negotiate.options.session {
                    let opened = Notice::SessionOpened { id: wish.id, grant };
                    self.outputs.push_back(Output::Notice(opened));
                    self.calls.open_session(grant, self.now);
                }
                Some(SessionOption::Granted(grant))
            }
            SessionAnswer::NotGranted => None,
            SessionAnswer::NoSession(why) => {
                self.wire.opening = match cordon {
                    Some(cordon) => Opening::Cordoned(cordon),
                    // S1: the next `negotiate` may open another one.
                    None if why == NoSession::Unknown => Opening::Possible,
                    None => Opening::Over,
                };
                Some(SessionOption::NoSession(why))
            }
            SessionAnswer::Exists => {
                return self.close_with("session_exists", CloseReason::SessionExists);
            }
            SessionAnswer::Overtaken => {
                return self.close_with("overtaken", CloseReason::Overtaken);
            }
            SessionAnswer::Restored(restored) => return self.restore(negotiate, *restored),
        };
        let (mode, body) = self.answer_to_negotiate(negotiate, option);
        self.answer_body(mode, body);
    }

    /// S2: somebody else owns the sessions of this service.
    pub(super) fn moved(&mut self, next_ip: Option<NextIp>) {
        let is_known = next_ip.is_some();
        self.wire.set_next_ip(next_ip);
        if let Opening::Asked(asked) = &self.wire.opening
            && matches!(asked.negotiate.options.session, Some(SessionOption::Resume(_)))
        {
            let why = if is_known { NoSession::Elsewhere } else { NoSession::NotNow };
            return self.session_answered(SessionAnswer::NoSession(why));
        }
        if self.calls.session.is_some() || matches!(self.wire.opening, Opening::Asked(_)) {
            self.close_with("moved", CloseReason::Shutdown);
        }
    }

    /// Ends the connection at once, with a word.
    pub(super) fn close_with(&mut self, why: &str, reason: CloseReason) {
        let why = Term::atom(why);
        self.notify(&ServerControl::Closing { why, packet: self.wire.packets });
        self.stop(reason);
    }

    /// S3: what the client has of the session. The field that cannot be true, if there is one: a
    /// client that is one number off would lose an answer at its next resume.
    pub(super) fn seen(&mut self, done: u64, events: u64, is_end: bool) -> Option<&'static str> {
        // Outside of a session it says nothing.
        let session = self.calls.session.as_mut()?;
        let first_due = self.calls.pending.first_message();
        let answered = first_due.map_or(session.received, |number| number.saturating_sub(1));
        if done > answered {
            return Some("Done");
        }
        if events > session.kept.events_made() {
            return Some("Events");
        }
        session.kept.acknowledge_answers(done);
        session.kept.acknowledge_events(events);
        if session.is_owned() && !is_end {
            self.outputs.push_back(Output::Seen { done, events });
        }
        if is_end {
            self.end_session(SessionEnd::ByClient);
        }
        None
    }

    pub(super) fn end_session(&mut self, end: SessionEnd) {
        let unread = self.unread();
        if self.calls.close_session() {
            // S3: what waits has nothing more to wait for.
            let spoken = self.offer.spoken(&self.calls.service, self.now);
            self.calls.pending.refuse_taken("session_over", &spoken);
            self.outputs.push_back(Output::SessionOver { end, unread });
        }
    }

    /// S6: nobody has gone on with the session for too long. `false` if it is not so.
    pub(super) fn check_expiry(&mut self) -> bool {
        let unread = self.unread();
        if self.now < self.expires_at() {
            return false;
        }
        let Some(session) = &mut self.calls.session else { return false };
        session.life = Life::Expired;
        self.outputs.push_back(Output::SessionOver { end: SessionEnd::Expired, unread });
        true
    }

    /// S6: when the session is over if nobody goes on with it.
    pub(super) fn expires_at(&self) -> Time {
        let Some(session) = &self.calls.session else { return Time::NEVER };
        let is_waiting =
            self.is_parked() && session.life == Life::Alive && self.calls.pending.running() == 0;
        if is_waiting { session.expires_at() } else { Time::NEVER }
    }

    fn unread(&self) -> usize {
        let kept = self.calls.session.as_ref().map_or(0, |session| session.kept.answers());
        kept + self.calls.pending.begun()
    }

    /// What is sent again after a resume, in the order in which it was made.
    pub(super) fn send_again(&mut self) -> Option<Output> {
        use crate::session::kept::Again;

        if self.wire.phase == Phase::Stopped {
            return None;
        }
        loop {
            let session = self.calls.session.as_mut()?;
            let (number, leaving) = match session.kept.next_again()? {
                Again::Answer(number, leaving) => (Some(number), leaving.clone()),
                Again::Event(leaving) => (None, leaving.clone()),
            };
            let body = leaving.content.into_body(0, number);
            let packet = self.wire.heads.packet(leaving.mode, body);
            let kind = if number.is_some() { PacketKind::Reply } else { PacketKind::Event };
            if leaving.mode == ubf_codec::Mode::Negotiation || self.calls.is_accepted(&packet) {
                return Some(self.wire.transmit(kind, packet, self.now));
            }
            // N12: the client may accept less than on its last connection.
            if number.is_some() {
                let versions = self.offer.spoken(&self.calls.service, self.now);
                let why = Term::atom("reply_too_large");
                let failed = ServerControl::Failed { why, versions, packet: 0, number };
                let body = packet::body(&failed.to_term());
                let packet = self.wire.heads.packet(ubf_codec::Mode::Negotiation, body);
                return Some(self.wire.transmit(kind, packet, self.now));
            }
        }
    }
}
