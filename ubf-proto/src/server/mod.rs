//! The server's side: one [`ServerSession`] for each connection.
//!
//! ```text
//! bytes ─> packets ─┬─ version 0 ──────────────> answered here ─────────┐
//!                   ├─ a version not spoken ───> refused ───────────────┤
//!                   └─ a version ──> Request ──> the handler ──> Reply ─┴─> in order (P5) ─> Transmit
//! ```

mod config;
mod input;
mod output;
mod pending;
mod receive;
mod reply;
mod scratch;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;

use bytes::Bytes;
use ubf_codec::{ClientHeader, Limits, Mode, NextIp, Term, Text, Version};

pub use self::config::Config;
pub use self::input::Input;
pub use self::output::{CloseReason, Message, Notice, Output, PacketKind};
pub use self::scratch::Scratch;

use self::pending::{Answer, Pending};
use crate::control::ServerControl;
use crate::drain::Phase;
use crate::inbound::Inbound;
use crate::offer::Offer;
use crate::packet::{self, Packet, ServerHeads};
use crate::rate::RateWindow;
use crate::service::Service;
use crate::time::Time;
use crate::within;

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
    phase: Phase,
    outputs: VecDeque<Output>,
    inbound: Inbound<ClientHeader>,
    /// The client will send no more.
    has_ended: bool,
    /// P6: packets of the client so far.
    packets: u64,
    service: Service,
    agreed: Option<Version>,
    /// R4: by which peers are shuffled.
    seed: Option<u64>,
    /// A version that the offer speaks for this service: what it speaks it goes on to speak, until
    /// there is another offer.
    spoken: Option<Version>,
    /// N12: what the client accepts of a body, and of a packet. None is known before it has
    /// negotiated.
    accepted: Option<Box<Limits>>,
    negotiations: RateWindow,
    /// N4: versions that stay refused until the client has negotiated again.
    refused: BTreeSet<Version>,
    pending: Pending,
    /// T11: of a service that is pinned.
    pinned: Option<Box<Pinned>>,
    heads: ServerHeads,
    drain: Option<DrainNotice>,
    /// Apart, since a session that ends needs it and an idle one does not.
    ending: Option<Box<Ending>>,
    unsent: usize,
    started: Time,
    last_traffic: Time,
    last_written: Time,
    /// Time is judged when all that came in has been taken out.
    is_time_checked: bool,
    /// There is nothing to do before something comes in.
    is_settled: bool,
}

/// A drain, as far as one session has to do with it.
#[derive(Clone, Copy, Debug)]
struct DrainNotice {
    until: Time,
    /// `None` once the client has been told.
    notice_at: Option<Time>,
}

/// T11: a service whose state here would be lost by a move.
#[derive(Debug)]
struct Pinned {
    /// The state of UBF(C) in which there is nothing to lose.
    first: Text,
    /// The last reply told of another state.
    is_away: bool,
}

fn pinned(offer: &Offer, service: &Service) -> Option<Box<Pinned>> {
    let first = offer.first_state(service)?.clone();
    Some(Box::new(Pinned { first, is_away: false }))
}

/// The connection closes when no answer is due. At `deadline` all that runs is given up.
#[derive(Debug)]
struct Ending {
    last_words: Option<ServerControl>,
    reason: CloseReason,
    deadline: Time,
    /// Handlers that were given up at the deadline.
    calls_cut: usize,
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
        let limits = config.limits;
        let pinned = pinned(&offer, &Service::DEFAULT);
        Self {
            config,
            offer,
            pinned,
            now,
            phase: Phase::Serving,
            outputs: VecDeque::new(),
            inbound: Inbound::new(limits),
            has_ended: false,
            packets: 0,
            service: Service::DEFAULT,
            agreed: None,
            seed: None,
            spoken: None,
            accepted: None,
            negotiations: RateWindow::default(),
            refused: BTreeSet::new(),
            pending: Pending::default(),
            heads: ServerHeads::default(),
            drain: None,
            ending: None,
            unsent: 0,
            started: now,
            last_traffic: now,
            last_written: now,
            is_time_checked: false,
            is_settled: false,
        }
    }

    /// R4: tells its client the peers in an order of its own, so that clients of a server that is
    /// lost do not all go to the same one. Without a seed they are told as they are set.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Takes in what happened. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = self.now.max(now);
        if self.phase == Phase::Stopped {
            return;
        }
        match input {
            Input::Received(bytes) => {
                self.last_traffic = self.now;
                if self.ending.is_none() {
                    self.inbound.push(bytes, self.now);
                }
            }
            Input::Written(count) => {
                let was_full = self.unsent >= self.config.max_unread_bytes;
                self.unsent = self.unsent.saturating_sub(count);
                self.last_written = self.now;
                self.last_traffic = self.now;
                if !was_full {
                    // Nothing waits for room: there is nothing to do that there was not before, but
                    // for what has its time.
                    return;
                }
            }
            Input::EndOfStream => self.has_ended = true,
            Input::Lost => self.stop(CloseReason::Lost),
            Input::Reply { packet, body } => self.reply(packet, body),
            Input::Failed { packet, why } => self.fail(packet, why),
            Input::Refused { packet, why } => {
                let versions = self.offer.spoken(&self.service, self.now);
                self.complete(
                    packet,
                    &ServerControl::Refused { why, versions, packet, number: None },
                );
            }
            Input::EventOut { version, body } => self.send_event(version, body),
            Input::Offer(offer) => {
                self.offer = offer;
                self.spoken = None;
            }
            Input::Config(config) => self.config = config,
            Input::NextIp(next_ip) => {
                // A drain has the last word.
                if self.drain.is_none() {
                    self.heads.set_next_ip(next_ip);
                }
            }
            Input::Drain { next_ip, until, notice_at } => {
                self.begin_drain(next_ip, until, notice_at);
            }
            Input::Undrain => {
                if self.drain.take().is_some() && self.phase == Phase::Draining {
                    self.phase = Phase::Serving;
                    self.heads.set_next_ip(None);
                }
            }
            Input::Close { why, within } => {
                let last_words = ServerControl::Closing { why, packet: self.packets };
                self.end(Some(last_words), CloseReason::Shutdown, within);
            }
            Input::Tick => {}
        }
        if !self.is_decoding() {
            // Time during which nothing is read is not the client's fault.
            self.inbound.restart_clock(self.now);
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
            if self.is_settled || self.phase == Phase::Stopped {
                return None;
            }
            // Outputs are large: those that are made for each call are given out from where they
            // are made.
            if let Some(answer) = self.pending.pop_ready() {
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
        self.inbound.attach(decoder);
        self.pending.use_scratch(pending);
    }

    /// Lets go of all memory that it does not need before more comes in, and gives what another
    /// session can use. To be called before it is left alone: an idle session takes little
    /// memory then.
    pub fn release(&mut self) -> Option<Scratch> {
        if self.outputs.is_empty() {
            self.outputs = VecDeque::new();
        }
        let pending = self.pending.take_scratch();
        Some(Scratch { decoder: self.inbound.take_decoder()?, pending })
    }

    /// When to give [`Input::Tick`] if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.phase == Phase::Stopped {
            return None;
        }
        let write = if self.unsent > 0 {
            self.last_written + self.config.max_write_time
        } else {
            Time::NEVER
        };
        let ending = match (&self.ending, self.phase) {
            (Some(ending), _) if ending.calls_cut == 0 => ending.deadline,
            (Some(_), _) => Time::NEVER,
            (None, _) => self.moved_at().unwrap_or(Time::NEVER),
        };
        let others = [self.packet_deadline(), self.negotiation_deadline(), self.idle_deadline()];
        others.into_iter().fold(write.min(ending), Time::min).if_ever()
    }

    /// Whether bytes are wanted. While they are not, leave them in the socket: this is the
    /// back-pressure.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        !self.has_ended && self.is_decoding()
    }

    fn is_decoding(&self) -> bool {
        self.ending.is_none()
            && self.phase != Phase::Stopped
            && self.pending.len() < self.config.max_pending
            && self.pending.bytes() < self.config.max_pending_bytes
            && self.unsent < self.config.max_unread_bytes
    }

    /// The phase of this session.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The version agreed on last.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.agreed
    }

    /// The service negotiated last.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.service
    }

    /// Requests whose handlers run.
    #[must_use]
    pub const fn running(&self) -> usize {
        self.pending.running()
    }

    /// Client packets so far (P6).
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// One piece of work when all packets that are whole were taken in. `false` if there is none.
    fn see_to_the_rest(&mut self) -> bool {
        if !self.is_time_checked {
            self.is_time_checked = true;
            if self.check_time() {
                return true;
            }
        }
        if self.ending.is_some() {
            return self.try_to_end();
        }
        if self.moved_at().is_some_and(|at| self.now >= at) {
            return self.send_moved();
        }
        // What came before the end was executed.
        let is_over = self.has_ended && !self.inbound.is_fresh() && self.ending.is_none();
        if is_over {
            self.end(None, CloseReason::ByClient, self.config.max_close_time);
        }
        is_over
    }

    fn reply(&mut self, packet: u64, body: Bytes) {
        if reply::is_event_out(&body) {
            // P3
            if let Some(version) = self.pending.version_of_running(packet) {
                self.outputs.push_back(Output::Notice(Notice::ReplyIsAnEvent { version, packet }));
            }
            return self.fail(packet, Term::atom("reply_is_an_event"));
        }
        self.pending.complete(packet, None, body);
    }

    fn fail(&mut self, packet: u64, why: Term) {
        let versions = self.offer.spoken(&self.service, self.now);
        self.complete(packet, &ServerControl::Failed { why, versions, packet, number: None });
    }

    fn complete(&mut self, packet: u64, answer: &ServerControl) {
        let body = packet::body(&answer.to_term());
        self.pending.complete(packet, Some(Mode::Negotiation), body);
    }

    fn answer_in_turn(&mut self, answer: Answer) -> Output {
        let Answer { packet: number, mode, body, kind } = answer;
        if self.pinned.is_some() {
            self.follow_state(mode, &body);
        }
        let packet = self.heads.packet(mode, body);
        if kind == PacketKind::Reply && !self.is_accepted(&packet) {
            // N12: a reply that the client would not accept would end its connection.
            let versions = self.offer.spoken(&self.service, self.now);
            let why = Term::atom("reply_too_large");
            let failed = ServerControl::Failed { why, versions, packet: number, number: None };
            let packet = self.heads.packet(Mode::Negotiation, packet::body(&failed.to_term()));
            return self.transmission(kind, packet);
        }
        self.transmission(kind, packet)
    }

    /// T11: holds the client here while it has a state to lose, or may have one after what is still
    /// to be answered.
    fn follow_state(&mut self, mode: Mode, body: &Bytes) {
        let Some(pinned) = &mut self.pinned else { return };
        if mode != Mode::Negotiation
            && let Some(is_first) = reply::is_state(body, &pinned.first)
        {
            pinned.is_away = !is_first;
        }
        self.heads.hold(pinned.is_away || self.pending.len() > 0);
    }

    fn notify(&mut self, notice: &ServerControl) {
        let body = packet::body(&notice.to_term());
        let packet = self.heads.packet(Mode::Negotiation, body);
        let output = self.transmission(PacketKind::Notice, packet);
        self.outputs.push_back(output);
    }

    /// A packet on its way out.
    fn transmission(&mut self, kind: PacketKind, packet: Packet) -> Output {
        if self.heads.next_ip().is_some()
            && let Some(drain) = &mut self.drain
        {
            // R3: a reply has told the client; it needs no notice.
            drain.notice_at = None;
        }
        if self.unsent == 0 {
            self.last_written = self.now;
        }
        self.unsent += packet.len();
        self.last_traffic = self.now;
        Output::Transmit { kind, packet }
    }

    fn send_event(&mut self, version: Version, body: Bytes) {
        if self.ending.is_some() {
            return;
        }
        // L1: events are not asked for, so they cannot be held back by not reading.
        if self.unsent >= self.config.max_unread_bytes {
            return self.stop(CloseReason::SlowReader);
        }
        let packet = self.heads.packet(version.into(), body);
        if self.is_accepted(&packet) {
            let output = self.transmission(PacketKind::Event, packet);
            self.outputs.push_back(output);
        } else {
            // N12: it would end the connection, and has no answer in whose place something else
            // could be said.
            let bytes = packet.len() as u64;
            let max_packet =
                self.accepted.as_ref().map_or(u64::MAX, |it| it.max_packet_bytes.into());
            let notice = Notice::EventTooLarge { version, bytes, max_packet };
            self.outputs.push_back(Output::Notice(notice));
        }
    }

    /// N12: whether a packet of the application is within the client's limits. What is no packet at
    /// all, its client finds out.
    fn is_accepted(&self, packet: &Packet) -> bool {
        let Some(limits) = &self.accepted else { return true };
        packet.len() as u64 <= u64::from(limits.max_packet_bytes)
            && !within::check(&packet.body, limits).is_err_and(|error| error.is_limit())
    }

    fn begin_drain(&mut self, next_ip: Option<NextIp>, until: Time, notice_at: Time) {
        if self.phase > Phase::Draining {
            return;
        }
        self.phase = Phase::Draining;
        let notice_at = next_ip.is_some().then_some(notice_at);
        self.heads.set_next_ip(next_ip);
        self.drain = Some(DrainNotice { until, notice_at });
    }

    /// R3: when the client is to be told by a notice. T11: not while it is held here.
    fn moved_at(&self) -> Option<Time> {
        let is_held = self.pinned.as_ref().is_some_and(|pinned| pinned.is_away)
            || (self.pinned.is_some() && self.pending.len() > 0);
        if is_held { None } else { self.drain?.notice_at }
    }

    fn send_moved(&mut self) -> bool {
        let Some(drain) = &mut self.drain else { return false };
        drain.notice_at = None;
        let grace = drain.until.since(self.now);
        self.notify(&ServerControl::Moved { grace });
        self.outputs.push_back(Output::Notice(Notice::MovedSent));
        true
    }

    /// Executes no further packet, and closes when the answers that are due are out.
    fn end(
        &mut self,
        last_words: Option<ServerControl>,
        reason: CloseReason,
        within: core::time::Duration,
    ) {
        let deadline = self.now + within;
        match &mut self.ending {
            // What was first wrong is said; a stricter time counts.
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => {
                let ending = Ending { last_words, reason, deadline, calls_cut: 0 };
                self.ending = Some(Box::new(ending));
            }
        }
        self.phase = Phase::Closing;
    }

    fn try_to_end(&mut self) -> bool {
        if self.pending.len() > 0 {
            return self.try_to_cut();
        }
        let Some(ending) = self.ending.take() else { return false };
        // Whatever state the client has here ends now.
        self.heads.hold(false);
        if let Some(last_words) = &ending.last_words {
            self.notify(last_words);
        }
        self.close(ending.reason, ending.calls_cut);
        true
    }

    /// R8: at the hard stop what still runs is answered, so that all that is ready behind it can
    /// leave in its order.
    fn try_to_cut(&mut self) -> bool {
        let Some(ending) = self.ending.as_mut().filter(|ending| self.now >= ending.deadline) else {
            return false;
        };
        let spoken = self.offer.spoken(&self.service, self.now);
        let cut = self.pending.cut(|packet| {
            let (why, versions) = (Term::atom("cut"), spoken.clone());
            packet::body(&ServerControl::Failed { why, versions, packet, number: None }.to_term())
        });
        debug_assert!(cut > 0, "the first answer that is due was not ready");
        ending.calls_cut += cut;
        cut > 0
    }

    /// Ends the connection at once, with all that is not out.
    fn stop(&mut self, reason: CloseReason) {
        let cut_before = self.ending.take().map_or(0, |ending| ending.calls_cut);
        self.close(reason, cut_before + self.pending.begun());
    }

    fn close(&mut self, reason: CloseReason, calls_cut: usize) {
        self.phase = Phase::Stopped;
        self.outputs.push_back(Output::Close { reason, calls_cut });
        self.pending.clear();
    }

    /// Ends a connection whose client takes too long. `false` if it does not.
    fn check_time(&mut self) -> bool {
        if self.unsent > 0 && self.now >= self.last_written + self.config.max_write_time {
            self.stop(CloseReason::SlowReader);
            return true;
        }
        let (reason, why) = if self.now >= self.negotiation_deadline() {
            (CloseReason::NegotiationTime, "negotiation_time")
        } else if self.now >= self.packet_deadline() {
            (CloseReason::PacketTime, "packet_time")
        } else if self.now >= self.idle_deadline() {
            (CloseReason::IdleTime, "idle_time")
        } else {
            return false;
        };
        let last_words = ServerControl::Closing { why: Term::atom(why), packet: self.packets };
        self.end(Some(last_words), reason, self.config.max_close_time);
        true
    }

    /// L1: the first packet must have come.
    fn negotiation_deadline(&self) -> Time {
        let is_waiting = self.packets == 0 && self.ending.is_none() && !self.inbound.is_fresh();
        if is_waiting { self.started + self.config.max_negotiation_time } else { Time::NEVER }
    }

    fn packet_deadline(&self) -> Time {
        let is_waiting = self.is_decoding() && !self.inbound.is_fresh();
        let deadline =
            if is_waiting { self.inbound.deadline(self.config.max_packet_time) } else { None };
        deadline.unwrap_or(Time::NEVER)
    }

    fn idle_deadline(&self) -> Time {
        let is_waiting =
            self.pending.len() == 0 && self.ending.is_none() && !self.inbound.is_fresh();
        if is_waiting { self.last_traffic + self.config.max_idle_time } else { Time::NEVER }
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
