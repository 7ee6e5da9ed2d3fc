//! The server's side: one [`ServerSession`] for each connection.
//!
//! ```text
//! bytes ─> packets ─┬─ version 0 ──────────────> answered here ─────────┐
//!                   ├─ a version not spoken ───> refused ───────────────┤
//!                   └─ a version ──> Request ──> the handler ──> Reply ─┴─> in order (P5) ─> Transmit
//! ```
//!
//! It has two halves: the wire, which is one connection, and the calls, which are what was asked and
//! is not answered.

mod calls;
mod config;
mod input;
mod output;
mod pending;
mod receive;
mod reply;
mod scratch;
mod wire;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use ubf_codec::{Mode, Term, Version};

pub use self::config::Config;
pub use self::input::Input;
pub use self::output::{CloseReason, Message, Notice, Output, PacketKind};
pub use self::scratch::Scratch;

use self::calls::Calls;
use self::pending::Answer;
use self::wire::Wire;
use crate::control::ServerControl;
use crate::drain::Phase;
use crate::offer::Offer;
use crate::packet;
use crate::service::Service;
use crate::time::Time;

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
    outputs: VecDeque<Output>,
    /// Time is judged when all that came in has been taken out.
    is_time_checked: bool,
    /// There is nothing to do before something comes in.
    is_settled: bool,
}

/// What came of the attempt to take in a packet.
enum Received {
    /// None is whole.
    Nothing,
    /// What it made, if anything, is queued.
    Packet,
    /// Mostly, it is a message, which needs no queue.
    Message(Output),
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
            outputs: VecDeque::new(),
            is_time_checked: false,
            is_settled: false,
        }
    }

    /// R4: tells its client the peers in an order of its own, so that clients of a server that is
    /// lost do not all go to the same one. Without a seed they are told as they are set.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.wire.seed = Some(seed);
        self
    }

    /// Takes in what happened. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = self.now.max(now);
        if self.wire.phase == Phase::Stopped {
            return;
        }
        match input {
            Input::Received(bytes) => self.wire.received(bytes, self.now),
            Input::Written(count) => {
                let was_full = self.wire.unsent >= self.config.max_unread_bytes;
                self.wire.written(count, self.now);
                if !was_full {
                    // Nothing waits for room: there is nothing to do that there was not before, but
                    // for what has its time.
                    return;
                }
            }
            Input::EndOfStream => self.wire.has_ended = true,
            Input::Lost => self.stop(CloseReason::Lost),
            Input::Reply { packet, body } => self.reply(packet, body),
            Input::Failed { packet, why } => self.fail(packet, why),
            Input::Refused { packet, why } => {
                let versions = self.offer.spoken(&self.calls.service, self.now);
                self.complete(
                    packet,
                    &ServerControl::Refused { why, versions, packet, number: None },
                );
            }
            Input::EventOut { version, body } => self.send_event(version, body),
            Input::Offer(offer) => {
                self.offer = offer;
                self.calls.offer_changed();
            }
            Input::Config(config) => self.config = config,
            Input::NextIp(next_ip) => self.wire.set_next_ip(next_ip),
            Input::Drain { next_ip, until, notice_at } => {
                self.wire.begin_drain(next_ip, until, notice_at);
            }
            Input::Undrain => self.wire.undrain(),
            Input::Close { why, within } => {
                let last_words = ServerControl::Closing { why, packet: self.wire.packets };
                self.end(Some(last_words), CloseReason::Shutdown, within);
            }
            Input::Tick => {}
        }
        if !self.is_decoding() {
            // Time during which nothing is read is not the client's fault.
            self.wire.inbound.restart_clock(self.now);
        }
        self.is_time_checked = false;
        self.is_settled = false;
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if self.is_settled || self.wire.phase == Phase::Stopped {
                return None;
            }
            // Outputs are large: those that are made for each call are given out from where they
            // are made.
            if let Some(answer) = self.calls.pending.pop_ready() {
                return Some(self.answer_in_turn(answer));
            }
            if self.is_decoding() {
                match self.receive() {
                    Received::Message(output) => return Some(output),
                    Received::Packet => continue,
                    Received::Nothing => {}
                }
            }
            self.is_settled = !self.see_to_the_rest();
        }
    }

    /// Gives it memory to work with: it takes its own otherwise.
    pub fn attach(&mut self, room: Scratch) {
        let Scratch { decoder, pending } = room;
        self.wire.inbound.attach(decoder);
        self.calls.pending.use_scratch(pending);
    }

    /// Lets go of all memory that it does not need before more comes in, and gives what another
    /// session can use. To be called before it is left alone: an idle session takes little
    /// memory then.
    pub fn release(&mut self) -> Option<Scratch> {
        if self.outputs.is_empty() {
            self.outputs = VecDeque::new();
        }
        let pending = self.calls.pending.take_scratch();
        Some(Scratch { decoder: self.wire.inbound.take_decoder()?, pending })
    }

    /// When to give [`Input::Tick`] if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.wire.phase == Phase::Stopped {
            return None;
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

    fn is_decoding(&self) -> bool {
        self.wire.ending.is_none()
            && self.wire.phase != Phase::Stopped
            && self.calls.pending.len() < self.config.max_pending
            && self.calls.pending.bytes() < self.config.max_pending_bytes
            && self.wire.unsent < self.config.max_unread_bytes
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
    pub const fn running(&self) -> usize {
        self.calls.pending.running()
    }

    /// Client packets so far (P6).
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.wire.packets
    }

    /// One piece of work when all packets that are whole were taken in. `false` if there is none.
    fn see_to_the_rest(&mut self) -> bool {
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
            self.end(None, CloseReason::ByClient, self.config.max_close_time);
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
        self.calls.pending.complete(packet, None, body);
    }

    fn fail(&mut self, packet: u64, why: Term) {
        let versions = self.offer.spoken(&self.calls.service, self.now);
        self.complete(packet, &ServerControl::Failed { why, versions, packet, number: None });
    }

    fn complete(&mut self, packet: u64, answer: &ServerControl) {
        let body = packet::body(&answer.to_term());
        self.calls.pending.complete(packet, Some(Mode::Negotiation), body);
    }

    fn answer_in_turn(&mut self, answer: Answer) -> Output {
        let Answer { packet: number, mode, body, kind } = answer;
        if self.calls.is_pinned() {
            self.calls.follow_state(mode, &body);
            self.wire.heads.hold(self.calls.is_held());
        }
        let packet = self.wire.heads.packet(mode, body);
        if kind == PacketKind::Reply && !self.calls.is_accepted(&packet) {
            // N12: a reply that the client would not accept would end its connection.
            let versions = self.offer.spoken(&self.calls.service, self.now);
            let why = Term::atom("reply_too_large");
            let failed = ServerControl::Failed { why, versions, packet: number, number: None };
            let body = packet::body(&failed.to_term());
            let packet = self.wire.heads.packet(Mode::Negotiation, body);
            return self.wire.transmit(kind, packet, self.now);
        }
        self.wire.transmit(kind, packet, self.now)
    }

    fn notify(&mut self, notice: &ServerControl) {
        let body = packet::body(&notice.to_term());
        let packet = self.wire.heads.packet(Mode::Negotiation, body);
        let output = self.wire.transmit(PacketKind::Notice, packet, self.now);
        self.outputs.push_back(output);
    }

    fn send_event(&mut self, version: Version, body: Bytes) {
        if self.wire.ending.is_some() {
            return;
        }
        // L1: events are not asked for, so they cannot be held back by not reading.
        if self.wire.unsent >= self.config.max_unread_bytes {
            return self.stop(CloseReason::SlowReader);
        }
        let packet = self.wire.heads.packet(version.into(), body);
        if self.calls.is_accepted(&packet) {
            let output = self.wire.transmit(PacketKind::Event, packet, self.now);
            self.outputs.push_back(output);
        } else {
            // N12: it would end the connection, and has no answer in whose place something else
            // could be said.
            let (bytes, max_packet) = (packet.len() as u64, self.calls.max_packet());
            let notice = Notice::EventTooLarge { version, bytes, max_packet };
            self.outputs.push_back(Output::Notice(notice));
        }
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
        let Some(ending) = self.wire.ending.as_mut().filter(|ending| self.now >= ending.deadline)
        else {
            return false;
        };
        let spoken = self.offer.spoken(&self.calls.service, self.now);
        let cut = self.calls.pending.cut(|packet| {
            let (why, versions) = (Term::atom("cut"), spoken.clone());
            packet::body(&ServerControl::Failed { why, versions, packet, number: None }.to_term())
        });
        debug_assert!(cut > 0, "the first answer that is due was not ready");
        ending.calls_cut += cut;
        cut > 0
    }

    /// Ends the connection at once, with all that is not out.
    fn stop(&mut self, reason: CloseReason) {
        let cut_before = self.wire.ending.take().map_or(0, |ending| ending.calls_cut);
        self.close(reason, cut_before + self.calls.pending.begun());
    }

    fn close(&mut self, reason: CloseReason, calls_cut: usize) {
        self.wire.phase = Phase::Stopped;
        self.outputs.push_back(Output::Close { reason, calls_cut });
        self.calls.pending.clear();
    }

    /// Ends a connection whose client takes too long. `false` if it does not.
    fn check_time(&mut self) -> bool {
        if self.now >= self.wire.write_deadline(&self.config) {
            self.stop(CloseReason::SlowReader);
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

    fn idle_deadline(&self) -> Time {
        let is_due = self.calls.pending.len() > 0;
        if is_due { Time::NEVER } else { self.wire.idle_deadline(&self.config) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_takes_a_quarter_of_two_kilobytes() {
        // The goal is 2 KiB for an idle connection, socket and all. What it has besides is let go:
        // buffers, the decoder.
        assert!(size_of::<ServerSession>() <= 512, "{} bytes", size_of::<ServerSession>());
    }
}
