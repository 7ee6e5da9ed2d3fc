//! The server's side: one [`ServerSession`] for each connection.
//!
//! ```text
//! bytes ─> packets ─┬─ version 0 ──────────────> answered here ─────────┐
//!                   ├─ a version not spoken ───> refused ───────────────┤
//!                   └─ a version ──> Request ──> the handler ──> Reply ─┴─> in order (P5) ─> Transmit
//! ```
//!
//! It has two halves: the wire, which is one connection, and the calls, which are what was asked
//! and is not answered.

mod answer;
mod at_once;
mod calls;
mod config;
mod export;
mod granted;
mod input;
mod live;
mod output;
mod outputs;
mod owned;
mod pending;
mod receive;
mod reply;
mod resting;
mod resuming;
mod scratch;
mod wire;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::num::NonZeroU64;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Mode, Term, Version};

pub use self::config::Config;
pub use self::input::Input;
pub use self::live::{LiveConnection, LiveContext};
pub use self::output::{CloseReason, Message, Notice, Output, PacketKind};
pub use self::owned::{Restored, RestoredItem, StoredAnswer};
pub use self::resting::Resting;
pub use self::resuming::{Resuming, SessionAnswer, SessionEnd, SessionRequest};
pub use self::scratch::Scratch;

use self::answer::{Answer, Content};
use self::calls::Calls;
use self::granted::Leaving;
use self::outputs::Outputs;
use self::wire::{Opening, Wire};
use crate::control::ServerControl;
use crate::drain::Phase;
use crate::offer::Offer;
use crate::packet::{self, Packet};
use crate::service::Service;
use crate::time::Time;
use crate::versions::Versions;

/// The server's end of one connection.
///
/// Tell it what happens with [`handle`](Self::handle), do what [`poll_output`](Self::poll_output)
/// says until that is nothing, read from the socket only while [`is_reading`](Self::is_reading),
/// and wake it at [`poll_timeout`](Self::poll_timeout) with [`Input::Tick`].
///
/// # Limits
/// Outputs are made one at a time, when they are asked for: a flood of packets waits in the bytes
/// that came in, and no more are read while [`Config::max_pending`], [`Config::max_pending_bytes`]
/// or [`Config::max_unread_bytes`] is reached.
#[derive(Debug)]
pub struct ServerSession {
    config: Arc<Config>,
    offer: Arc<Offer>,
    now: Time,
    wire: Wire,
    calls: Calls,
    outputs: Outputs,
    /// A message that was given back: the next one has its memory.
    spare: Option<Box<Message>>,
    /// Time is judged when all that came in has been taken out.
    is_time_checked: bool,
    /// There is nothing to do before something comes in.
    is_settled: bool,
    /// U2: nothing more is taken in: the connection, or its session, is being given to another
    /// process. Without a connection nothing is begun either.
    is_frozen: bool,
}

impl ServerSession {
    /// The session of a connection that was just made.
    #[must_use]
    pub fn new(config: Arc<Config>, offer: Arc<Offer>, now: Time) -> Self {
        Self {
            now,
            wire: Wire::new(config.limits, now),
            calls: Calls::new(&offer),
            config,
            offer,
            outputs: Outputs::default(),
            spare: None,
            is_frozen: false,
            is_time_checked: false,
            is_settled: false,
        }
    }

    /// R4: tells its client the peers in an order of its own, so that clients of a server that is
    /// lost do not all go to the same one. Without a seed they are told as they are set.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.wire.seed = match NonZeroU64::new(seed) {
            None => Some(NonZeroU64::MIN),
            seed => seed,
        };
        self
    }

    /// N14: does not let its client use these services: to negotiate about one is refused, and so
    /// is each message for it, with `'not_allowed'`.
    #[must_use]
    pub fn with_barred(mut self, services: impl IntoIterator<Item = Service>) -> Self {
        self.wire.bar(services.into_iter().collect());
        self
    }

    /// Takes in what happened. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = self.now.max(now);
        let is_stopped = self.wire.phase == Phase::Stopped;
        if is_stopped && !self.is_parked() {
            return;
        }
        match input {
            Input::Reply { packet, body } => self.reply(packet, body),
            Input::Failed { packet, why } => self.fail(packet, why),
            Input::Refused { packet, why } => {
                let versions = self.spoken();
                self.complete(packet, Content::refused(why, versions));
            }
            Input::Taken { packet } => self.event_taken(packet),
            Input::EventOut { version, body } => self.send_event(version, body),
            Input::Offer(offer) => {
                self.offer = offer;
                self.calls.offer_changed();
            }
            Input::Config(config) => self.config = config,
            Input::Crowded(is_crowded) => {
                if let Some(session) = &mut self.calls.session {
                    session.is_crowded = is_crowded;
                }
            }
            Input::EndSession => self.end_session(SessionEnd::GivenUp),
            Input::Freeze => self.is_frozen = true,
            Input::Thaw => self.is_frozen = false,
            Input::Tick => {}
            of_connection @ (Input::Received(_)
            | Input::Written(_)
            | Input::EndOfStream
            | Input::Lost
            | Input::Session(_)
            | Input::Overtaken
            | Input::NextIp(_)
            | Input::Drain { .. }
            | Input::Undrain
            | Input::Leave
            | Input::Moved { .. }
            | Input::Cordon { .. }
            | Input::Uncordon
            | Input::Close { .. }) => {
                if is_stopped || !self.handle_connection(of_connection) {
                    return;
                }
            }
        }
        if !self.is_decoding() {
            // Time during which nothing is read is not the client's fault.
            self.wire.inbound.restart_clock(self.now);
        }
        self.is_time_checked = false;
        self.is_settled = false;
    }

    /// What happened to the connection. `false` if there is nothing to do that there was not
    /// before.
    fn handle_connection(&mut self, input: Input) -> bool {
        match input {
            Input::Received(bytes) => self.wire.received(bytes, self.now),
            Input::Written(count) => {
                let was_full = self.wire.unsent >= self.config.max_unread_bytes;
                self.wire.written(count, self.now);
                // If nothing waited for room, only the time has changed.
                return was_full;
            }
            Input::EndOfStream => self.wire.has_ended = true,
            Input::Lost => self.stop(CloseReason::Lost),
            Input::Overtaken => self.overtaken(),
            Input::Leave => self.leave(),
            Input::Moved { next_ip } => self.moved(next_ip),
            Input::Session(answer) => self.session_answered(answer),
            Input::NextIp(next_ip) => self.wire.set_next_ip(next_ip),
            Input::Drain { next_ip, until, notice_at } => {
                self.wire.begin_drain(next_ip, until, notice_at);
            }
            Input::Undrain => self.wire.undrain(),
            Input::Cordon { next_ip } => self.wire.opening.cordon(next_ip),
            Input::Uncordon => self.wire.opening.uncordon(),
            Input::Close { why, within } => {
                let last_words = ServerControl::Closing { why, packet: self.wire.packets };
                self.end(Some(last_words), CloseReason::Shutdown, within);
            }
            Input::Reply { .. }
            | Input::Failed { .. }
            | Input::Refused { .. }
            | Input::Taken { .. }
            | Input::EventOut { .. }
            | Input::Offer(_)
            | Input::Config(_)
            | Input::Crowded(_)
            | Input::EndSession
            | Input::Freeze
            | Input::Thaw
            | Input::Tick => debug_assert!(false, "it does not concern the connection"),
        }
        true
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if self.is_settled || (self.wire.phase == Phase::Stopped && !self.is_parked()) {
                return None;
            }
            // Outputs are large: those that are made for each call are given out from where they
            // are made.
            if self.calls.session.is_some()
                && let Some(output) = self.send_again().or_else(|| self.begin_waiting())
            {
                return Some(output);
            }
            if let Some(answer) = self.calls.pending.pop_ready() {
                match self.answer_in_turn(answer) {
                    Some(output) => return Some(output),
                    None => continue,
                }
            }
            if self.is_decoding()
                && let Some((packet, end)) = self.next_packet()
            {
                let output = self.receive(packet, end);
                if output.is_some() {
                    return output;
                }
                continue;
            }
            self.is_settled = !self.see_to_the_rest();
        }
    }

    /// Gives it memory to work with: it takes its own otherwise.
    pub fn attach(&mut self, room: Scratch) {
        let Scratch { decoder, pending, spare } = room;
        self.wire.inbound.attach(decoder);
        self.calls.pending.attach(pending);
        self.spare = spare;
    }

    /// Lets go of all memory that it does not need before more comes in, and gives what another
    /// session can use. To be called before it is left alone: an idle session takes little
    /// memory then.
    pub fn release(&mut self) -> Option<Scratch> {
        self.outputs.release();
        if let Some(session) = &mut self.calls.session {
            session.release();
        }
        let (pending, spare) = (self.calls.pending.release(), self.spare.take());
        Some(Scratch { decoder: self.wire.inbound.take_decoder()?, pending, spare })
    }

    /// When to give [`Input::Tick`] if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.wire.phase == Phase::Stopped {
            return self.expires_at().if_ever();
        }
        let write = self.wire.write_deadline(&self.config);
        let ending = match (&self.wire.ending, self.wire.phase) {
            (Some(ending), _) if ending.calls_cut == 0 => ending.deadline,
            (Some(_), _) => Time::NEVER,
            (None, _) => self.moved_at().unwrap_or(Time::NEVER),
        };
        let negotiation = self.wire.negotiation_deadline(&self.config);
        let others = [self.packet_deadline(), negotiation, self.idle_deadline()];
        others.into_iter().fold(write.min(ending), Time::min).if_ever()
    }

    /// Whether bytes are wanted. While they are not, leave them in the socket: this is the
    /// back-pressure.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        !self.wire.has_ended && self.is_decoding()
    }

    #[inline]
    fn is_decoding(&self) -> bool {
        self.wire.ending.is_none()
            && !self.is_frozen
            && self.wire.phase != Phase::Stopped
            && !matches!(self.wire.opening, Opening::Asked(_))
            && self.wire.unsent < self.config.max_unread_bytes
            && self.calls.have_room(&self.config)
    }

    /// A place for the bytes that come next, if a large packet is on its way: what is read there,
    /// and given as [`Input::Received`], is not copied. To be asked when there is something to
    /// read. It does no harm to drop it, nor to read somewhere else.
    ///
    /// L1: there is room for what the packet has announced, but for no more than seven times what
    /// has come.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_proto::server::{Config, Input};
    /// use ubf_proto::{Offer, ServerSession, Time, Versions};
    ///
    /// let offer = Offer::from(Versions::of([1]));
    /// let mut session = ServerSession::new(Config::default().into(), offer.into(), Time::ZERO);
    /// let mut begin = BytesMut::from(&b"1 100000~"[..]);
    /// begin.resize(16_384, b'a');
    /// session.handle(Input::Received(begin), Time::ZERO);
    /// assert!(session.poll_output().is_none());
    /// let mut room = session.room().unwrap();
    /// assert!(room.capacity() > 80_000);
    /// room.extend_from_slice(b"read from a socket");
    /// session.handle(Input::Received(room), Time::ZERO);
    /// ```
    pub fn room(&mut self) -> Option<BytesMut> {
        self.wire.inbound.room()
    }

    /// The phase of this session.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.wire.phase
    }

    /// The version agreed on last.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.wire.agreed
    }

    /// The service negotiated last.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.calls.service
    }

    /// Requests whose handlers run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.calls.pending.running()
    }

    /// Client packets so far (P6).
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.wire.packets
    }

    /// One piece of work when all packets that are whole were taken in. `false` if there is none.
    fn see_to_the_rest(&mut self) -> bool {
        if self.wire.phase == Phase::Stopped {
            return self.check_expiry();
        }
        if !self.is_time_checked {
            self.is_time_checked = true;
            if self.check_time() {
                return true;
            }
        }
        if self.wire.ending.is_some() {
            return self.try_to_end();
        }
        if self.moved_at().is_some_and(|at| self.now >= at) {
            return self.send_moved();
        }
        // What came before the end was executed.
        let is_over =
            self.wire.has_ended && !self.wire.inbound.is_fresh() && self.wire.ending.is_none();
        if is_over {
            // S6: what runs belongs to the session, which does not need this connection for it.
            let is_session = self.calls.session.is_some();
            let within = if is_session { Duration::ZERO } else { self.config.max_close_time };
            self.end(None, CloseReason::ByClient, within);
        }
        is_over
    }

    fn reply(&mut self, packet: u64, body: Bytes) {
        if reply::is_event_out(&body) {
            // P3
            if let Some(version) = self.calls.pending.version_of_running(packet) {
                self.outputs.push_back(Output::Notice(Notice::ReplyIsAnEvent { version, packet }));
            }
            return self.fail(packet, Term::atom("reply_is_an_event"));
        }
        self.complete(packet, Content::Body(body));
    }

    fn fail(&mut self, packet: u64, why: Term) {
        let versions = self.spoken();
        self.complete(packet, Content::failed(why, versions));
    }

    fn complete(&mut self, packet: u64, content: Content) {
        self.calls.pending.complete(packet, content);
        if let Some(session) = &mut self.calls.session
            && self.wire.phase == Phase::Stopped
        {
            session.rests(self.now);
        }
    }

    fn spoken(&self) -> Versions {
        self.offer.spoken(&self.calls.service, self.now)
    }

    /// S3: the next message of the session that was taken, and whose handler may begin now.
    fn begin_waiting(&mut self) -> Option<Output> {
        // U2: what is sent again to another process need not begin here.
        if self.is_frozen && self.is_parked() {
            return None;
        }
        let is_owned = self.calls.is_owned();
        let Calls { session, pending, .. } = &mut self.calls;
        let session = session.as_mut()?;
        let (message, is_event) =
            session.begin_waiting(pending.running(), pending.answer_bytes())?;
        if is_event {
            pending.begin_event(message.packet, is_owned);
            return Some(Output::Event(message));
        }
        pending.begin(message.packet);
        Some(Output::Request(message))
    }

    /// The answer whose turn it is. `None` if it is only kept, since nobody is connected.
    #[inline(never)]
    fn answer_in_turn(&mut self, answer: Answer) -> Option<Output> {
        let Answer { packet: about, number, mut mode, content, kind } = answer;
        if self.calls.is_pinned() {
            self.calls.follow_state(mode, &content);
            self.wire.heads.hold(self.calls.is_held());
        }
        // S3: outside of a session, and for what is no message, nothing is kept.
        let (max_kept, mut kept) = match &mut self.calls.session {
            Some(session) if number > 0 => (Some(session.grant.kept), Some(session.copy(&content))),
            Some(_) | None => (None, None),
        };
        let number_here = self.calls.number_here(about);
        let number = max_kept.map(|_| number);
        let mut packet = self.wire.heads.packet(mode, content.into_body(number_here, number));
        if let Some(why) = self.unanswerable(kind, &packet, max_kept) {
            let failed = Content::failed(Term::atom(why), self.spoken());
            kept = kept.map(|_| failed.clone());
            mode = Mode::Negotiation;
            packet = self.wire.heads.packet(mode, failed.into_body(number_here, number));
        }
        let is_parked = self.wire.phase == Phase::Stopped;
        if let (Some(session), Some(content), Some(number)) =
            (&mut self.calls.session, kept, number)
        {
            session.kept.keep_answer(number, content.bytes(), Leaving { mode, content });
            if !is_parked {
                session.kept.sent();
            }
        }
        if is_parked { None } else { Some(self.wire.transmit(kind, packet, self.now)) }
    }

    /// Why a reply cannot be sent, if it cannot.
    fn unanswerable(
        &self,
        kind: PacketKind,
        packet: &Packet,
        max_kept: Option<u64>,
    ) -> Option<&'static str> {
        if kind != PacketKind::Reply {
            return None;
        }
        // N12: a reply that the client would not accept would end its connection.
        if !self.calls.is_accepted(packet) {
            return Some("reply_too_large");
        }
        // S3: a reply that is not kept could not be sent again.
        let is_kept = max_kept.is_none_or(|max| packet.body.len() as u64 <= max);
        (!is_kept).then_some("reply_not_kept")
    }

    fn notify(&mut self, notice: &ServerControl) {
        let body = packet::body(&notice.to_term());
        let packet = self.wire.heads.packet(Mode::Negotiation, body);
        let output = self.wire.transmit(PacketKind::Notice, packet, self.now);
        self.outputs.push_back(output);
    }

    fn send_event(&mut self, version: Version, body: Bytes) {
        let is_leaving = self.wire.ending.is_none() && self.wire.phase != Phase::Stopped;
        if !is_leaving && self.calls.session.is_none() {
            return;
        }
        let packet = self.wire.heads.packet(version.into(), body);
        if !self.calls.is_accepted(&packet) {
            // N12: it would end the connection, and has no answer in whose place something else
            // could be said.
            let (bytes, max_packet) = (packet.len() as u64, self.calls.max_packet());
            let notice = Notice::EventTooLarge { version, bytes, max_packet };
            return self.outputs.push_back(Output::Notice(notice));
        }
        // L1: events are not asked for, so they cannot be held back by not reading.
        let is_unread = self.wire.unsent >= self.config.max_unread_bytes;
        if let Some(session) = &mut self.calls.session {
            let is_next = session.kept.is_sent();
            let content = Content::Body(packet.body.clone());
            let leaving = Leaving { mode: version.into(), content };
            let max = self.config.max_kept_event_bytes;
            let is_gap =
                !session.kept.keep_event(packet.body.len(), max, is_leaving && !is_unread, leaving);
            if !is_leaving {
                return;
            }
            if is_gap || is_unread {
                return self.stop(CloseReason::SlowReader);
            }
            if !is_next {
                // It is sent behind what is sent again.
                return;
            }
        } else if is_unread {
            return self.stop(CloseReason::SlowReader);
        }
        let output = self.wire.transmit(PacketKind::Event, packet, self.now);
        self.outputs.push_back(output);
    }

    /// R3: when the client is to be told by a notice. T11: not while it is held here.
    fn moved_at(&self) -> Option<Time> {
        if self.calls.is_held() { None } else { self.wire.notice_at() }
    }

    fn send_moved(&mut self) -> bool {
        let Some(grace) = self.wire.take_notice(self.now) else { return false };
        self.notify(&ServerControl::Moved { grace });
        self.outputs.push_back(Output::Notice(Notice::MovedSent));
        true
    }

    fn end(&mut self, last_words: Option<ServerControl>, reason: CloseReason, within: Duration) {
        self.wire.end(last_words, reason, self.now + within);
    }

    fn try_to_end(&mut self) -> bool {
        if self.calls.pending.len() > 0 {
            return self.try_to_cut();
        }
        self.close_now()
    }

    /// Says the last words, and closes.
    fn close_now(&mut self) -> bool {
        let Some(ending) = self.wire.ending.take() else { return false };
        // Whatever state the client has here ends now.
        self.wire.heads.hold(false);
        if let Some(last_words) = &ending.last_words {
            self.notify(last_words);
        }
        self.close(ending.reason, ending.calls_cut);
        true
    }

    /// R8: at the hard stop what still runs is answered, so that all that is ready behind it can
    /// leave in its order.
    fn try_to_cut(&mut self) -> bool {
        let Some(ending) = self.wire.ending.as_ref().filter(|ending| self.now >= ending.deadline)
        else {
            return false;
        };
        let goes_on =
            self.calls.session.as_ref().is_some_and(|session| {
                session.is_owned() || ending.reason != CloseReason::Shutdown
            });
        if goes_on {
            // S6: what runs belongs to the session, which goes on.
            return self.close_now();
        }
        let spoken = self.spoken();
        if let Some(session) = &mut self.calls.session {
            session.give_up_waiting();
        }
        let cut = self.calls.pending.cut(&spoken);
        if let Some(ending) = &mut self.wire.ending {
            ending.calls_cut += cut;
        }
        true
    }

    /// Ends the connection at once, with all that is not out.
    fn stop(&mut self, reason: CloseReason) {
        let cut_before = self.wire.ending.take().map_or(0, |ending| ending.calls_cut);
        let cut = if self.calls.session.is_some() { 0 } else { self.calls.pending.begun() };
        self.close(reason, cut_before + cut);
    }

    fn close(&mut self, reason: CloseReason, calls_cut: usize) {
        self.wire.phase = Phase::Stopped;
        self.outputs.push_back(Output::Close { reason, calls_cut });
        match &mut self.calls.session {
            // Its owner has it, and a client that goes on with it gets it from there.
            Some(session) if session.is_owned() => {
                self.calls.close_session();
                self.calls.pending.clear();
            }
            // S6: it goes on without a connection.
            Some(session) => {
                session.rests(self.now);
                self.calls.pending.retain_messages();
            }
            None => self.calls.pending.clear(),
        }
    }

    /// Ends a connection whose client takes too long. `false` if it does not.
    fn check_time(&mut self) -> bool {
        if self.now >= self.wire.write_deadline(&self.config) {
            self.stop(CloseReason::SlowReader);
            return true;
        }
        if self.waits_for_seen() && self.now >= self.idle_deadline() {
            // S3: its last words would stand behind answers that wait, too.
            self.stop(CloseReason::IdleTime);
            return true;
        }
        let (reason, why) = if self.now >= self.wire.negotiation_deadline(&self.config) {
            (CloseReason::NegotiationTime, "negotiation_time")
        } else if self.now >= self.packet_deadline() {
            (CloseReason::PacketTime, "packet_time")
        } else if self.now >= self.idle_deadline() {
            (CloseReason::IdleTime, "idle_time")
        } else {
            return false;
        };
        let last_words = ServerControl::Closing { why: Term::atom(why), packet: self.wire.packets };
        self.end(Some(last_words), reason, self.config.max_close_time);
        true
    }

    fn packet_deadline(&self) -> Time {
        if self.is_decoding() { self.wire.packet_deadline(&self.config) } else { Time::NEVER }
    }

    /// S3: messages wait for room that nobody but the client makes. What it sends is perhaps not
    /// even read, so that its end would not be noticed.
    fn waits_for_seen(&self) -> bool {
        let waits = self.calls.session.as_ref().is_some_and(|session| session.has_waiting());
        waits && self.calls.pending.running() == 0
    }

    fn idle_deadline(&self) -> Time {
        let is_due = self.calls.pending.len() > 0 && !self.waits_for_seen();
        if is_due { Time::NEVER } else { self.wire.idle_deadline(&self.config) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_takes_little_of_two_kilobytes() {
        // The goal is 2 KiB for an idle connection, socket and all. What it has besides is let go:
        // buffers, the decoder.
        assert!(size_of::<ServerSession>() <= 392, "{} bytes", size_of::<ServerSession>());
    }
}
