//! Answers of handlers that do not wait: they leave as they are, without a place in the queue.

use alloc::boxed::Box;

use bytes::Bytes;
use ubf_codec::{Limits, Version};

use super::answer::Content;
use super::granted::Leaving;
use super::{Message, ServerSession, reply};
use crate::drain::Phase;
use crate::outbound::MAX_COPIED_BYTES;
use crate::within;

/// Memory of a message that took more is not kept. Chosen: most take far less.
const MAX_RECYCLED_BYTES: usize = 16 * 1024;

impl ServerSession {
    /// Answers the request that was given out last, before anything else is asked for: what
    /// [`Input::Reply`](super::Input::Reply) and the
    /// [`Output::Transmit`](super::Output::Transmit) that comes of it do together. Returns the
    /// header: write it, and `body` behind it, as a [`PacketKind::Reply`](super::PacketKind).
    ///
    /// `None`: nothing has happened, and the session is to be told of an `Input::Reply`. So it is
    /// if other answers are due before this one, or if it has to be looked at more closely. A
    /// large body never leaves this way, since it is shared and not copied.
    ///
    /// ```
    /// use ubf_proto::server::{Config, Input, Output};
    /// use ubf_proto::{Offer, ServerSession, Time, Versions};
    ///
    /// let offer = Offer::from(Versions::of([1]));
    /// let mut session = ServerSession::new(Config::default().into(), offer.into(), Time::ZERO);
    /// session.handle(Input::Received(b"1 'ping'$"[..].into()), Time::ZERO);
    /// let Some(Output::Request(request)) = session.poll_output() else { panic!() };
    /// let head = session.answer_at_once(request.packet, b"{'pong''start'}$");
    /// assert_eq!(head.as_deref(), Some(&b"1 ? "[..]));
    /// session.recycle(request);
    /// ```
    pub fn answer_at_once(&mut self, packet: u64, body: &[u8]) -> Option<Bytes> {
        let (number, version) = self.calls.pending.only_running(packet)?;
        let head = self.wire.heads.head(version.into());
        if !self.may_leave_at_once(&head, body) {
            return None;
        }
        self.calls.pending.answer_only();
        if number > 0 {
            self.keep_sent(number, version, body);
        }
        self.wire.sends(head.len() + body.len(), self.now);
        if self.wire.unsent >= self.config.max_unread_bytes {
            self.wire.inbound.restart_clock(self.now);
        }
        self.is_time_checked = false;
        self.is_settled = false;
        Some(head)
    }

    /// Gives back the memory of a message that nobody needs any longer, for the next one.
    pub fn recycle(&mut self, message: Box<Message>) {
        if message.body.memory_bytes() <= MAX_RECYCLED_BYTES {
            self.spare = Some(message);
        }
    }

    /// Whether nothing is to be sent before this body, and nothing is to be done about it.
    fn may_leave_at_once(&self, head: &[u8], body: &[u8]) -> bool {
        body.len() <= MAX_COPIED_BYTES
            && self.wire.phase != Phase::Stopped
            && self.outputs.is_empty()
            // T11: its state would have to be looked at.
            && !self.calls.is_pinned()
            && self.calls.session.as_ref().is_none_or(|session| {
                session.kept.is_sent() && body.len() as u64 <= session.grant.kept
            })
            && self.is_harmless(head, body)
    }

    /// P3, N12: whether a body is no event, and within the client's limits. A quick look at its
    /// bytes shows that of most.
    fn is_harmless(&self, head: &[u8], body: &[u8]) -> bool {
        let (event, register) = (reply::RAREST_OF_EVENT, within::REGISTER);
        let is_suspect = memchr::memchr2(event, register, body).is_some();
        let has_register = is_suspect && memchr::memchr(register, body).is_some();
        let is_event = is_suspect && reply::is_event_out(body);
        let is_within = |limits: &Limits| {
            (head.len() + body.len()) as u64 <= u64::from(limits.max_packet_bytes)
                && within::is_small(body, limits, has_register)
        };
        !is_event && self.calls.accepted.as_deref().is_none_or(is_within)
    }

    /// S3: keeps an answer that is on its way.
    fn keep_sent(&mut self, number: u64, version: Version, body: &[u8]) {
        let Some(session) = &mut self.calls.session else { return };
        let content = Content::Body(session.copy_of(body));
        session.kept.keep_answer(number, body.len(), Leaving { mode: version.into(), content });
        session.kept.sent();
    }
}
