//! The client's side: one [`ClientSession`] for each connection to a stock server.
//!
//! ```text
//!   ExpectHello ──hello──> Open ──stop, fault, close──> Ended
//!   MayHello ──hello, time──^
//! ```
//!
//! `receive.rs` reads what the server sends, `send.rs` decides what may be sent.

mod config;
mod error;
mod input;
mod output;
mod receive;
mod send;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use ubf_codec::Term;
use ubf_contract::{Accepted, SessionChecker, SessionState};

pub use self::config::{Config, HelloMode, Level};
pub use self::error::CallError;
pub use self::input::{Call, CallId, CallKind, Input};
pub use self::output::{Done, EndReason, Notice, Output};

use super::wire::Wire;
use crate::time::Time;

/// The client's end of one connection to a stock server.
///
/// Tell it what happens with [`handle`](Self::handle), do what [`poll_output`](Self::poll_output)
/// says until that is nothing, and wake it at [`poll_timeout`](Self::poll_timeout) with
/// [`Input::Tick`]. It does not reconnect: nothing is ever sent twice (Q14).
///
/// ```
/// use std::sync::Arc;
/// use ubf_codec::ubf;
/// use ubf_proto::Time;
/// use ubf_proto::classic::client::{Call, CallId, ClientSession, Config, Done, Input, Output};
///
/// let now = Time::ZERO;
/// let mut session = ClientSession::new(Arc::new(Config::default()), now);
/// session.handle(Input::Call(Call::request(CallId(1), ubf!(services))), now);
/// // Nothing is said before the server has spoken.
/// assert!(session.poll_output().is_none());
/// session.handle(Input::Received((&b"{'ubf1.0',\"shop\",\"help\"}$\n"[..]).into()), now);
/// assert!(matches!(session.poll_output(), Some(Output::Ready(Some(_)))));
/// assert!(matches!(session.poll_output(), Some(Output::Transmit(bytes)) if bytes == "'services'$\n"));
/// session.handle(Input::Received((&b"{#\"till\"&,'start'}$\n"[..]).into()), now);
/// let Some(Output::Ended { outcome: Ok(Done::Reply { reply, state }), .. }) = session.poll_output()
///     else { panic!() };
/// assert_eq!((reply, state), (ubf!(["till"]), Some(ubf!(start))));
/// ```
///
/// # Limits
/// [`Config::max_calls`], [`Config::max_in_flight`], those of one packet, and the times of
/// [`Config`]. Events are decoded one at a time, when they are asked for.
#[derive(Debug)]
pub struct ClientSession {
    config: Arc<Config>,
    now: Time,
    wire: Wire,
    phase: Phase,
    level: Level,
    /// The state of the session, as the server named it last.
    state: Option<Term>,
    /// Whether a hello may still come that nobody waits for.
    may_greet: bool,
    contract: Option<Arc<SessionChecker>>,
    /// Calls that are not sent, in their order.
    waiting: VecDeque<Call>,
    /// Calls that are sent and not answered, in their order.
    in_flight: VecDeque<InFlight>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Phase {
    /// Q2: nothing is sent before the hello, which has to come until then.
    ExpectHello {
        until: Time,
    },
    /// Q2: nothing is sent before the hello, or that moment.
    MayHello {
        until: Time,
    },
    Open,
    Ended,
}

#[derive(Debug)]
struct InFlight {
    id: CallId,
    asked: Asked,
    deadline: Time,
}

/// What was asked, so that the answer can be understood.
#[derive(Debug)]
enum Asked {
    /// Q12: its answer has no state.
    Contract,
    Start,
    /// Q6: asked by the session itself, after a start of a service that does not exist.
    Services,
    /// A request; with a contract, what it allows.
    Request {
        allowed: Option<Accepted>,
        request: Option<Term>,
    },
}

impl ClientSession {
    /// The session of a connection that was just made.
    #[must_use]
    pub fn new(config: Arc<Config>, now: Time) -> Self {
        let phase = match config.hello {
            HelloMode::Expected { within } => Phase::ExpectHello { until: now + within },
            HelloMode::Either { within } => Phase::MayHello { until: now + within },
            HelloMode::None => Phase::Open,
        };
        let mut outputs = VecDeque::new();
        if matches!(phase, Phase::Open) {
            outputs.push_back(Output::Ready(None));
        }
        Self {
            wire: Wire::new(config.limits, config.writing, now),
            level: config.level,
            contract: config.contract.clone(),
            phase,
            state: None,
            may_greet: true,
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            outputs,
            now,
            config,
        }
    }

    /// Takes in what happened. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = self.now.max(now);
        match input {
            Input::Received(bytes) => {
                if !self.is_ended() {
                    self.wire.received(bytes, self.now);
                }
            }
            Input::Written(count) => self.wire.written(count, self.now),
            Input::EndOfStream => self.wire.end(),
            Input::Lost => self.end(&EndReason::Lost),
            Input::Call(call) => self.call(call),
            Input::Contract(contract) => self.contract = contract,
            Input::Close => self.end(&EndReason::Closed),
            Input::Tick => {}
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if self.is_ended() || !self.step() {
                return None;
            }
        }
    }

    /// When to give [`Input::Tick`] if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let hello = match self.phase {
            Phase::Ended => return None,
            Phase::ExpectHello { until } | Phase::MayHello { until } => until,
            Phase::Open => Time::NEVER,
        };
        let others = [self.wire.packet_deadline(self.config.max_packet_time), self.deadline()];
        let write = self.wire.write_deadline(self.config.max_write_time);
        others.into_iter().fold(write.min(hello), Time::min).if_ever()
    }

    /// The state of the session, as the server named it last: mostly an atom.
    #[must_use]
    pub const fn state(&self) -> Option<&Term> {
        self.state.as_ref()
    }

    /// Whether a service has begun, or the server has no meta level.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Whether the session is over.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Calls that are not answered.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// One piece of work. `false` if there is none.
    fn step(&mut self) -> bool {
        match self.wire.next(self.now) {
            Ok(Some(packet)) => {
                self.receive(packet);
                return true;
            }
            Ok(None) => {}
            Err(error) => {
                self.end(&EndReason::BadSyntax(error));
                return true;
            }
        }
        if self.wire.has_ended() {
            self.end(&EndReason::ByServer);
            return true;
        }
        self.check_time() || self.send_next()
    }

    fn check_time(&mut self) -> bool {
        match self.phase {
            Phase::ExpectHello { until } if self.now >= until => {
                self.end(&EndReason::NoHello);
                return true;
            }
            Phase::MayHello { until } if self.now >= until => {
                self.phase = Phase::Open;
                self.outputs.push_back(Output::Ready(None));
                return true;
            }
            Phase::ExpectHello { .. } | Phase::MayHello { .. } | Phase::Open | Phase::Ended => {}
        }
        let reason = if self.now >= self.deadline() {
            EndReason::Deadline
        } else if self.now >= self.wire.packet_deadline(self.config.max_packet_time) {
            EndReason::PacketTime
        } else if self.now >= self.wire.write_deadline(self.config.max_write_time) {
            EndReason::SlowReader
        } else {
            return false;
        };
        self.end(&reason);
        true
    }

    /// Q14: when the first call has to be answered, sent or not.
    fn deadline(&self) -> Time {
        let in_flight = self.in_flight.iter().map(|call| call.deadline);
        let waiting = self.waiting.iter().filter_map(|call| call.deadline);
        in_flight.chain(waiting).fold(Time::NEVER, Time::min)
    }

    /// The contract that the session is held to, and where in it the session is. Not on the meta
    /// level, and not where the server does not name states, or names one that the contract lacks.
    fn held_to(&self) -> Option<(Arc<SessionChecker>, SessionState)> {
        let contract = self.contract.as_ref().filter(|_| self.level == Level::Service)?;
        let place = match &self.state {
            None => contract.entry(),
            Some(Term::Atom(name)) => match contract.state(name.as_bytes()) {
                Some(place) => place,
                None if contract.entry() == SessionState::Stateless => SessionState::Stateless,
                None => return None,
            },
            Some(_) => return None,
        };
        let is_named = !self.config.simple_rpc || !contract.has_several_states();
        is_named.then(|| (Arc::clone(contract), place))
    }

    /// Ends the session, and each call with it, once.
    fn end(&mut self, reason: &EndReason) {
        if self.is_ended() {
            return;
        }
        self.phase = Phase::Ended;
        for call in self.in_flight.drain(..) {
            let outcome = Err(CallError::Indeterminate(reason.clone()));
            self.outputs.push_back(Output::Ended { id: call.id, outcome });
        }
        for call in self.waiting.drain(..) {
            let outcome = Err(CallError::NotSent(reason.clone()));
            self.outputs.push_back(Output::Ended { id: call.id, outcome });
        }
        self.outputs.push_back(Output::Close(reason.clone()));
    }
}
