//! The server's side: one [`ServerSession`] for each connection of a stock client.
//!
//! ```text
//!            startSession                    a request, its reply
//!   Meta ─────────────────> Service(state) <─────────────────────> Service(next)
//!     │                        │
//!     │ half-close, fault      │ stop, crash, half-close, fault
//!     └───────────> Ending <───┘ ───> Stopped
//! ```
//!
//! One request is worked on at a time; what comes meanwhile waits in the bytes that came in (Q4).
//! `level.rs` reads the packets of both levels, `finish.rs` takes what services answer.

mod carried;
mod config;
mod events;
mod finish;
mod house;
mod input;
mod level;
mod output;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Decoder, StreamDecoder, Term, TermRef, Text};
use ubf_contract::{Accepted, SessionState};

pub use self::carried::Carried;
pub use self::config::{AfterStop, BrokenReply, Config, EventTiming};
pub use self::house::{House, HouseService};
pub use self::input::Input;
pub use self::output::{CloseReason, EventFault, Notice, Output, Request};

use self::events::{Events, Held};
use super::wire::Wire;
use crate::time::Time;

/// The server's end of one connection of a stock client.
///
/// Tell it what happens with [`handle`](Self::handle), do what [`poll_output`](Self::poll_output)
/// says until that is nothing, read from the socket only while [`is_reading`](Self::is_reading),
/// and wake it at [`poll_timeout`](Self::poll_timeout) with [`Input::Tick`].
///
/// ```
/// use std::sync::Arc;
/// use ubf_codec::ubf;
/// use ubf_proto::Time;
/// use ubf_proto::classic::server::{Config, House, HouseService, Input, Output, ServerSession};
///
/// let mut config = Config::default();
/// config.hello = None;
/// let house = House::of_one(HouseService::new("door").with_first_state("shut"));
/// let mut session = ServerSession::new(Arc::new(config), Arc::new(house), Time::ZERO);
///
/// session.handle(Input::Received((&b"'open'$\n"[..]).into()), Time::ZERO);
/// let Some(Output::Request(request)) = session.poll_output() else { panic!() };
/// let (number, state) = (request.number, "opened".into());
/// session.handle(Input::Reply { number, reply: ubf!(creak), state }, Time::ZERO);
/// let Some(Output::Transmit { bytes, .. }) = session.poll_output() else { panic!() };
/// assert_eq!(bytes, &b"{'creak''opened'}$\n"[..]);
/// ```
///
/// # Limits
/// One request runs at a time. No more is read while [`Config::max_waiting_bytes`] wait behind it,
/// or [`Config::max_unread_bytes`] are not written.
#[derive(Debug)]
pub struct ServerSession {
    config: Arc<Config>,
    house: Arc<House>,
    now: Time,
    wire: Wire,
    level: Level,
    work: Work,
    phase: Phase,
    events: Events,
    /// When the last packet came.
    last_packet: Time,
    /// When the last answer was handed out.
    last_answer: Time,
    /// Requests so far.
    requests: u64,
    /// U2: nothing is begun, since the session may go to another process.
    is_frozen: bool,
    /// Reads what services answer.
    replies: Option<Box<Decoder>>,
    outputs: VecDeque<Output>,
}

/// Memory that a session needs while it is at work, and not while it is idle: its decoders.
///
/// A shell with many sessions keeps one for each thread: [`attach`](ServerSession::attach) gives it
/// to the session that is at work, and [`release`](ServerSession::release) takes it back.
#[derive(Debug)]
pub struct Scratch {
    decoder: Box<StreamDecoder>,
    replies: Option<Box<Decoder>>,
}

/// Whose requests are understood (Q6).
#[derive(Debug)]
enum Level {
    /// Those of the server itself.
    Meta,
    /// Those of a service. There is no way back.
    Service(InService),
}

/// A session of a service.
#[derive(Debug)]
struct InService {
    /// Its place in the house.
    service: usize,
    /// The state's name, as the client was told.
    state: Text,
    /// The state in the contract; `None` if the contract has none of this name, or if there is no
    /// contract.
    place: Option<SessionState>,
}

/// What runs on behalf of the client.
#[derive(Debug)]
enum Work {
    Idle,
    /// A service decides whether it takes the session.
    Starting {
        service: usize,
    },
    /// A service is restarted.
    Restarting,
    /// A handler works on a request.
    Calling(Calling),
}

#[derive(Debug)]
struct Calling {
    number: u64,
    /// Where there is a contract: what it allows, and the request itself for the case that the
    /// service breaks it.
    checked: Option<(Accepted, Bytes)>,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// Q10: the state is `stop`, and the client has not sent anything since.
    AtStop,
    /// It closes when nothing runs any more, or then.
    Ending {
        reason: CloseReason,
        by: Time,
    },
    Stopped,
}

impl ServerSession {
    /// The session of a connection that was just made.
    #[must_use]
    pub fn new(config: Arc<Config>, house: Arc<House>, now: Time) -> Self {
        let level = match house.entry().and_then(|place| Some((place, house.service(place)?))) {
            Some((place, service)) => {
                let state = service.first_state();
                let place_of_state = service.place(&state);
                Level::Service(InService { service: place, state, place: place_of_state })
            }
            None => Level::Meta,
        };
        let mut session = Self::at(level, config, house, now);
        // Q2: the server speaks first.
        if let Some(hello) = session.config.hello.as_ref().map(super::Hello::to_term) {
            session.transmit(&hello);
        }
        session
    }

    /// One that has said nothing.
    fn at(level: Level, config: Arc<Config>, house: Arc<House>, now: Time) -> Self {
        Self {
            wire: Wire::new(config.limits, config.writing, now),
            level,
            work: Work::Idle,
            phase: Phase::Open,
            events: Events::default(),
            last_packet: now,
            last_answer: now,
            requests: 0,
            is_frozen: false,
            replies: None,
            outputs: VecDeque::new(),
            now,
            config,
            house,
        }
    }

    /// Gives it memory to work with, if it has none.
    pub fn attach(&mut self, scratch: Scratch) {
        let Scratch { decoder, replies } = scratch;
        self.wire.attach(decoder);
        if self.replies.is_none() {
            self.replies = replies;
        }
    }

    /// Takes that memory, if no packet has begun.
    pub fn release(&mut self) -> Option<Scratch> {
        let decoder = self.wire.take_decoder()?;
        Some(Scratch { decoder, replies: self.replies.take() })
    }

    /// Takes in what happened. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = self.now.max(now);
        if matches!(self.phase, Phase::Stopped) {
            return;
        }
        let was_decoding = self.is_decoding();
        match input {
            Input::Received(bytes) => self.wire.received(bytes, self.now),
            Input::Written(count) => self.wire.written(count, self.now),
            Input::EndOfStream => self.wire.end(),
            Input::Lost => self.stop(CloseReason::Lost),
            Input::Started { reply, state } => self.started(reply, state),
            Input::Rejected { why } => self.rejected(why),
            Input::Restarted => self.restarted(),
            Input::Reply { number, reply, state } => self.reply(number, reply.as_ref(), state),
            Input::EncodedReply { number, body } => self.encoded_reply(number, &body),
            Input::Freeze => self.is_frozen = true,
            Input::Thaw => {
                self.is_frozen = false;
                self.wire.restart_clocks(self.now);
            }
            Input::Failed => {
                if !matches!(self.work, Work::Idle) {
                    self.stop(CloseReason::Crashed);
                }
            }
            Input::EventOut(event) => self.hold_event(event),
            Input::Close { within } => {
                if !matches!(self.phase, Phase::Ending { .. }) {
                    self.end(CloseReason::Shutdown, self.now + within);
                }
            }
            Input::Tick => {}
        }
        if !was_decoding {
            // Time during which nothing is read is not the client's fault.
            self.wire.restart_clock(self.now);
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if !self.step() {
                return None;
            }
        }
    }

    /// When to give [`Input::Tick`] if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let ending = match self.phase {
            Phase::Stopped => return None,
            Phase::Ending { by, .. } => by,
            Phase::Open | Phase::AtStop => Time::NEVER,
        };
        let others = [self.packet_deadline(), self.idle_deadline(), self.event_due(), ending];
        others.into_iter().fold(self.write_deadline(), Time::min).if_ever()
    }

    /// Whether bytes are wanted. While they are not, leave them in the socket: this is the
    /// back-pressure.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.is_open()
            && !self.is_frozen
            && !self.wire.has_ended()
            && self.wire.unsent() < self.config.max_unread_bytes
            && (matches!(self.work, Work::Idle)
                || self.wire.waiting() < self.config.max_waiting_bytes)
    }

    /// The service of the session and its state, once one has begun.
    #[must_use]
    pub fn service(&self) -> Option<(&Text, &Text)> {
        match &self.level {
            Level::Meta => None,
            Level::Service(session) => {
                Some((self.house.service(session.service)?.name(), &session.state))
            }
        }
    }

    /// Whether a handler, a start or a restart runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        !matches!(self.work, Work::Idle)
    }

    const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::AtStop)
    }

    /// Q4: a packet is taken in when nothing runs.
    fn is_decoding(&self) -> bool {
        self.is_open()
            && !self.is_frozen
            && matches!(self.work, Work::Idle)
            && self.wire.unsent() < self.config.max_unread_bytes
    }

    /// One piece of work. `false` if there is none.
    fn step(&mut self) -> bool {
        match self.phase {
            Phase::Stopped => return false,
            Phase::Ending { reason, by } => {
                let is_over = matches!(self.work, Work::Idle) || self.now >= by;
                if is_over {
                    self.stop(reason);
                }
                return is_over;
            }
            Phase::Open | Phase::AtStop => {}
        }
        self.take_in() || self.check_time() || self.release_event() || self.see_end()
    }

    fn take_in(&mut self) -> bool {
        if !self.is_decoding() {
            return false;
        }
        match self.wire.next(self.now) {
            Ok(Some(packet)) => {
                self.last_packet = self.now;
                self.receive(packet);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.stop(CloseReason::BadSyntax(error));
                true
            }
        }
    }

    fn check_time(&mut self) -> bool {
        let reason = if self.now >= self.write_deadline() {
            CloseReason::SlowReader
        } else if self.now >= self.packet_deadline() {
            CloseReason::PacketTime
        } else if self.now >= self.idle_deadline() {
            CloseReason::IdleTime
        } else {
            return false;
        };
        self.stop(reason);
        true
    }

    /// Q11: the client's half-close ends the session when all is answered.
    fn see_end(&mut self) -> bool {
        let is_over = self.wire.has_ended()
            && !self.is_frozen
            && matches!(self.work, Work::Idle)
            && !self.wire.is_fresh();
        if is_over {
            self.stop(CloseReason::ByClient);
        }
        is_over
    }

    fn packet_deadline(&self) -> Time {
        if self.is_decoding() {
            self.wire.packet_deadline(self.config.max_packet_time)
        } else {
            Time::NEVER
        }
    }

    /// U2: what a session does not write while it is frozen is not its client's fault.
    fn write_deadline(&self) -> Time {
        if self.is_frozen {
            Time::NEVER
        } else {
            self.wire.write_deadline(self.config.max_write_time)
        }
    }

    fn idle_deadline(&self) -> Time {
        if self.is_open() && !self.is_frozen && matches!(self.work, Work::Idle) {
            self.wire.last_byte().max(self.last_answer) + self.config.max_idle_time
        } else {
            Time::NEVER
        }
    }

    /// Q8: when the next event may leave. Not while a call is in progress.
    fn event_due(&self) -> Time {
        if !self.is_decoding() {
            return Time::NEVER;
        }
        self.events.due(self.last_packet.max(self.last_answer), self.config.events)
    }

    fn hold_event(&mut self, event: Term) {
        let held = if self.is_open() && matches!(self.level, Level::Service(_)) {
            let word = Term::atom(self.config.flavour.event_word());
            let packet = self.wire.encode(Term::tuple([word, event.clone()]).as_ref());
            self.events.hold(event, packet, &self.config)
        } else {
            Err(EventFault::NoService)
        };
        if let Err(fault) = held {
            self.notice(Notice::EventDropped(fault));
        }
    }

    /// Q8: an event leaves in a write of its own, if the state after the last call allows it.
    fn release_event(&mut self) -> bool {
        if self.now < self.event_due() {
            return false;
        }
        let Some(Held { event, packet }) = self.events.pop() else { return false };
        if let Level::Service(session) = &self.level
            && let Some(place) = session.place
            && let Some(contract) =
                self.house.service(session.service).and_then(HouseService::contract)
            && let Err(broken) = contract.event_out(place, &event)
        {
            self.notice(Notice::EventDropped(EventFault::Contract(broken)));
            return true;
        }
        self.wire.hand_out(packet.len(), self.now);
        self.outputs.push_back(Output::Transmit { bytes: packet, is_apart: true });
        true
    }

    /// Q5: the answer to the request that came last, with the state after it.
    fn answer(&mut self, reply: Term, state: Text) {
        self.last_answer = self.now;
        if self.config.simple_rpc {
            self.transmit(&reply);
        } else {
            self.transmit(&Term::tuple([reply, Term::Atom(state)]));
        }
    }

    fn transmit<'t>(&mut self, term: impl Into<TermRef<'t>>) {
        let bytes = self.wire.packet(term.into(), self.now);
        self.outputs.push_back(Output::Transmit { bytes, is_apart: false });
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    /// Closes when nothing runs any more, or by then.
    fn end(&mut self, reason: CloseReason, by: Time) {
        self.phase = Phase::Ending { reason, by };
    }

    fn stop(&mut self, reason: CloseReason) {
        let is_call_cut = !matches!(self.work, Work::Idle);
        self.phase = Phase::Stopped;
        self.work = Work::Idle;
        self.outputs.push_back(Output::Close { reason, is_call_cut });
    }
}
