//! One connection of a client session: what was sent on it and is not answered.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::IpAddr;
use core::time::Duration;

use ubf_codec::{Address, Limits, NextIp, ServerHeader, Version};

use super::calls::OpenCall;
use super::config::Config;
use super::loss::LossReason;
use super::negotiation::Negotiation;
use super::output::{ConnectionId, NamedBy};
use super::route::Candidate;
use crate::control::DEFAULT_MAX_IDLE;
use crate::inbound::Inbound;
use crate::mutant::{Mutant, is_on};
use crate::packet::ClientHeads;
use crate::session::{Outgoing, Wish};
use crate::time::Time;
use crate::versions::Versions;

/// How long events wait for a later packet whose answer tells that they were taken. Chosen: few
/// pings, and no long wait.
const CONFIRM_EVENTS_AFTER: Duration = Duration::from_secs(1);
/// A server that tells of less patience is not pinged more often. Chosen: no server makes its
/// clients work without a pause, and none that means it has so little patience.
const LEAST_PING_AFTER: Duration = Duration::from_millis(100);

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) address: Address,
    pub(super) stage: Stage,
    pub(super) purpose: Purpose,
    /// What it has to do with a session.
    pub(super) attachment: Attachment,
    /// L2: how often, and when last, the server was asked on a second connection.
    asked: (u32, Time),
    pub(super) named_by: NamedBy,
    /// When the connection was made.
    pub(super) opened_at: Time,
    pub(super) peer: Option<IpAddr>,
    pub(super) inbound: Inbound<ServerHeader>,
    pub(super) heads: ClientHeads,
    /// P6: packets sent.
    pub(super) packets: u64,
    /// Bytes of these packets.
    sent_bytes: u64,
    /// The version of the last message.
    pub(super) sent_version: Option<Version>,
    /// Packets without an answer, by ascending numbers.
    pub(super) in_flight: VecDeque<Sent>,
    /// When the first answer that is due became the first one.
    pub(super) due_since: Time,
    /// When the server agreed for the first time.
    pub(super) agreed_at: Option<Time>,
    /// The version of the next message; `None` until one is agreed on.
    pub(super) in_force: Option<Version>,
    /// What the server said last that it speaks.
    pub(super) spoken: Versions,
    /// N12: what the server accepts, once it has told; or N3, what the last one did.
    pub(super) accepted: Option<Arc<Limits>>,
    /// N12: how long it waits without traffic.
    pub(super) max_idle: Duration,
    pub(super) negotiation: Negotiation,
    /// N7: the version to try although it is in quarantine.
    pub(super) tried_anyway: Option<Version>,
    /// Where the next message goes.
    pub(super) next_ip: Option<NextIp>,
    /// Calls wait until the program has opened the connection.
    pub(super) is_held: bool,
    /// N15: the server reads what is told of messages.
    pub(super) reads_context: bool,
    /// The link ends when no answer is due.
    pub(super) doomed: Option<Box<LossReason>>,
    pub(super) unsent: usize,
    pub(super) last_received: Time,
    /// When the last packet was sent that is in flight, or was.
    last_sent: Time,
    pub(super) last_written: Time,
}

/// What a connection is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To send messages.
    Use,
    /// L2: to see whether the server is alive.
    Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Dialing { deadline: Time },
    Open,
}

/// What a connection has to do with a session.
///
/// ```text
///       ┌── a wish ──> Wished ──granted──────────────────> Attached
///       │                 └─────not granted──> Plain         ^
/// Open ─┼── neither ──> Plain                                │
///       └── a resume ──> Resuming ──resumed──────────────────┤
///              Wished <── a wish ── Unknown <──unknown ──┘   │
/// ```
#[derive(Debug)]
pub(super) enum Attachment {
    /// Its first `negotiate` decides.
    Open,
    /// S1: a session was wished for. What was sent since then counts as sent in it.
    Wished { wish: Wish, outgoing: Outgoing },
    /// S4: the server was asked to go on with the session.
    Resuming,
    /// S1: the server does not know the session, and the next packet asks for a new one.
    Unknown,
    /// Its messages are those of the session.
    Attached,
    /// It has no session.
    Plain,
}

/// A packet without an answer.
#[derive(Debug)]
pub(super) struct Sent {
    /// P6: its number on this connection. 0: it is a message of an earlier connection that the
    /// server has taken (S4).
    pub(super) packet: u64,
    /// S2: its number in the session. 0: it has none.
    pub(super) number: u64,
    /// The offset in the stream at which it ends. 0: it is in another stream.
    pub(super) end: u64,
    pub(super) len: u64,
    /// S3: of a message of a session, the bytes of its body.
    pub(super) body_len: u64,
    pub(super) awaited: Awaited,
}

impl Sent {
    /// Whether it came to the server on an earlier connection (S4).
    pub(super) const fn is_kept(&self) -> bool {
        self.packet == 0
    }

    /// Lets its caller go, if it is this one: the message keeps its place in the order.
    pub(super) fn abandon(&mut self, is_it: impl Fn(&OpenCall) -> bool) -> Option<OpenCall> {
        let (is_event, version) = match &self.awaited {
            Awaited::Reply { call, version } if is_it(call) => (call.is_event, *version),
            Awaited::Reply { .. }
            | Awaited::Abandoned { .. }
            | Awaited::Agreement { .. }
            | Awaited::Pong => return None,
        };
        let abandoned = Awaited::Abandoned { is_event, version };
        match core::mem::replace(&mut self.awaited, abandoned) {
            Awaited::Reply { call, .. } => Some(call),
            Awaited::Abandoned { .. } | Awaited::Agreement { .. } | Awaited::Pong => None,
        }
    }

    /// Whether the byte at this offset of the stream is one of its own.
    pub(super) const fn has_byte(&self, offset: u64) -> bool {
        offset < self.end && self.end - offset <= self.len
    }
}

/// What is awaited for it.
#[derive(Debug)]
pub(super) enum Awaited {
    /// `agreed` or `no_common_version`.
    Agreement {
        versions: Versions,
        grease: Option<Version>,
    },
    Pong,
    /// A reply; of an event, that a later packet is answered and this one was not refused.
    Reply {
        call: OpenCall,
        version: Version,
    },
    /// As before, but nobody waits for it.
    Abandoned {
        is_event: bool,
        version: Version,
    },
}

impl Awaited {
    pub(super) const fn is_event(&self) -> bool {
        match self {
            Self::Agreement { .. } | Self::Pong => false,
            Self::Reply { call, .. } => call.is_event,
            Self::Abandoned { is_event, .. } => *is_event,
        }
    }

    pub(super) const fn version(&self) -> Option<Version> {
        match self {
            Self::Agreement { .. } | Self::Pong => None,
            Self::Reply { version, .. } | Self::Abandoned { version, .. } => Some(*version),
        }
    }
}

impl Connection {
    pub(super) fn new(
        id: ConnectionId,
        address: Address,
        named_by: NamedBy,
        deadline: Time,
        config: &Config,
        now: Time,
    ) -> Self {
        Self {
            id,
            address,
            stage: Stage::Dialing { deadline },
            purpose: Purpose::Use,
            attachment: Attachment::Open,
            asked: (0, Time::ZERO),
            named_by,
            opened_at: now,
            peer: None,
            inbound: Inbound::new(of_replies(config.limits)),
            heads: ClientHeads::default(),
            packets: 0,
            sent_bytes: 0,
            sent_version: None,
            in_flight: VecDeque::new(),
            due_since: now,
            agreed_at: None,
            in_force: None,
            spoken: Versions::new(),
            accepted: None,
            max_idle: DEFAULT_MAX_IDLE,
            negotiation: Negotiation::new(),
            tried_anyway: None,
            next_ip: None,
            is_held: config.opens_connections,
            reads_context: false,
            doomed: None,
            unsent: 0,
            last_received: now,
            last_sent: now,
            last_written: now,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// P6: counts a packet of so many bytes that is sent.
    pub(super) fn push(&mut self, awaited: Awaited, bytes: usize, now: Time) {
        self.push_message(awaited, (0, 0), bytes, now);
    }

    /// S2: the same for a message of a session: its number there, and the bytes of its body.
    pub(super) fn push_message(
        &mut self,
        awaited: Awaited,
        (number, body_len): (u64, u64),
        bytes: usize,
        now: Time,
    ) {
        self.sent_version = awaited.version().or(self.sent_version);
        if self.first_due().is_none() {
            self.due_since = now;
        }
        self.count(bytes);
        self.last_sent = now;
        let (packet, end) = (self.packets, self.sent_bytes);
        self.in_flight.push_back(Sent {
            packet,
            number,
            end,
            len: bytes as u64,
            body_len,
            awaited,
        });
    }

    /// P6: counts a packet, which may be one without an answer.
    pub(super) const fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.sent_bytes += bytes as u64;
    }

    /// S4: takes over messages that the server has taken on an earlier connection.
    pub(super) fn take_over(&mut self, messages: impl Iterator<Item = Sent>) {
        debug_assert!(
            self.in_flight.is_empty() || is_on(Mutant::OptimisticResume),
            "S4: nothing is sent along with a resume"
        );
        self.in_flight.extend(messages.map(|sent| Sent { packet: 0, end: 0, ..sent }));
    }

    /// S4: whether messages of an earlier connection are not answered: nothing overtakes them.
    pub(super) fn is_catching_up(&self) -> bool {
        !is_on(Mutant::NoBarrier) && self.in_flight.front().is_some_and(Sent::is_kept)
    }

    /// Whether it has negotiated, and is in no session.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.attachment, Attachment::Plain)
    }

    /// The address, and who named it.
    pub(super) fn candidate(&self) -> Candidate {
        Candidate { address: self.address.clone(), named_by: self.named_by }
    }

    /// The first packet that an answer is due for. Events have none.
    pub(super) fn first_due(&self) -> Option<&Sent> {
        self.in_flight.iter().find(|sent| !sent.awaited.is_event())
    }

    /// L2: an answer has come, and the time of the next one begins.
    pub(super) const fn has_answered(&mut self, now: Time) {
        self.due_since = now;
    }

    /// Whether a message of the application is not answered.
    pub(super) fn has_messages_in_flight(&self) -> bool {
        self.in_flight.iter().any(|sent| sent.awaited.version().is_some())
    }

    /// Whether a message may be sent: there is a version, and the connection is not about to end.
    ///
    /// N4: a later `negotiate` may cross refusals that are on their way here, and it lifts the bar
    /// behind them. So only those messages overtake an `agreed` that follow the first packet.
    pub(super) fn is_usable(&self) -> bool {
        let is_held_back = self.negotiation.is_awaited() && !self.negotiation.is_awaited_for(1);
        let is_up_to_date =
            !self.is_catching_up() && !matches!(self.attachment, Attachment::Unknown);
        let is_free = self.is_open() && self.doomed.is_none() && is_up_to_date;
        is_free && self.in_force.is_some() && !is_held_back
    }

    /// Whether messages of another version than this are not answered. To overtake them could break
    /// the order, since they may yet be refused.
    pub(super) fn has_other_version_in_flight(&self, version: Version) -> bool {
        // All messages in flight are of one version, just because of this.
        self.sent_version != Some(version)
            && self
                .in_flight
                .iter()
                .any(|sent| sent.awaited.version().is_some_and(|other| other != version))
    }

    /// Whether nothing but the answer to a later packet can tell that the last event was taken.
    pub(super) fn ends_with_event(&self) -> bool {
        self.in_flight.back().is_some_and(|sent| sent.awaited.is_event())
    }

    /// Whether an answer is due to the last packet.
    pub(super) fn ends_with_question(&self) -> bool {
        self.in_flight.back().is_some_and(|sent| !sent.awaited.is_event())
    }

    /// L1, L2: what has taken too long.
    pub(super) fn overdue(
        &self,
        config: &Config,
        is_reading: bool,
        now: Time,
    ) -> Option<LossReason> {
        let Deadlines { connect, answer, packet, write } = self.deadlines(config, is_reading);
        if now >= connect {
            let max = connect.since(self.opened_at);
            // R6: only a move divides its time among its addresses.
            let is_share = max < config.max_connect_time;
            Some(if is_share {
                LossReason::MoveTime { max }
            } else {
                LossReason::ConnectTime { max }
            })
        } else if now >= answer {
            self.first_due().map(|sent| match sent.awaited {
                Awaited::Agreement { .. } => {
                    LossReason::NegotiationTime { max: config.max_negotiation_time }
                }
                Awaited::Pong => LossReason::PongTime { max: config.max_pong_time },
                Awaited::Reply { .. } | Awaited::Abandoned { .. } => {
                    LossReason::Silence { max: config.max_silence }
                }
            })
        } else if now >= packet {
            Some(LossReason::PacketTime { max: config.max_packet_time })
        } else {
            (now >= write).then_some(LossReason::WriteTime { max: config.max_write_time })
        }
    }

    /// When something will have taken too long, or a ping is due.
    pub(super) fn timeout(&self, config: &Config, is_reading: bool) -> Time {
        let Deadlines { connect, answer, packet, write } = self.deadlines(config, is_reading);
        let asks = is_reading && answer == Time::NEVER;
        let ping = if asks { self.ping_at(config) } else { Time::NEVER };
        connect.min(answer).min(packet).min(write).min(ping)
    }

    /// When to ask for a sign of life.
    pub(super) fn ping_at(&self, config: &Config) -> Time {
        // An answer that is due is a sign of life of its own. A connection begins otherwise.
        let is_silent = self.packets == 0;
        if !self.is_open() || is_silent || self.first_due().is_some() {
            return Time::NEVER;
        }
        // N12: half of the server's patience leaves time for the ping to arrive.
        let patience = (self.max_idle / 2).max(LEAST_PING_AFTER);
        let alive = self.last_received + config.ping_after.min(patience);
        // Whoever sent an event waits to hear that it was taken.
        if self.ends_with_event() {
            alive.min(self.last_sent + CONFIRM_EVENTS_AFTER)
        } else {
            alive
        }
    }

    /// Whether the first answer that is due is that of a call.
    fn owes_a_reply(&self) -> bool {
        self.first_due().is_some_and(|sent| sent.awaited.version().is_some())
    }

    /// L2: since when nothing has come that may be part of an answer. Events are none.
    fn quiet_since(&self) -> Time {
        if self.inbound.is_partial() {
            self.due_since.max(self.last_received)
        } else {
            self.due_since
        }
    }

    /// L1: what the server says is heard from here on.
    pub(super) fn is_read_again(&mut self, now: Time) {
        self.due_since = self.due_since.max(now);
        self.last_received = now;
        self.inbound.restart_clock(now);
    }

    /// L2: when the server is to be asked on a second connection whether it is alive: twice as long
    /// after each time that it was.
    pub(super) fn ask_at(&self, after: Duration) -> Option<Time> {
        let is_in_use = self.is_open() && self.agreed_at.is_some() && self.owes_a_reply();
        let (count, last) = self.asked;
        let quiet_since = self.quiet_since();
        let at = if last > quiet_since {
            last + after.saturating_mul(1_u32.checked_shl(count).unwrap_or(u32::MAX))
        } else {
            quiet_since + after
        };
        is_in_use.then_some(at)
    }

    /// L2: the server was asked on a second connection.
    pub(super) fn was_asked(&mut self, now: Time) {
        let (count, last) = self.asked;
        let is_first = last <= self.quiet_since();
        self.asked = (if is_first { 1 } else { count.saturating_add(1) }, now);
    }

    /// `is_reading`: what the server says is read, and heard.
    fn deadlines(&self, config: &Config, is_reading: bool) -> Deadlines {
        let never = Deadlines {
            connect: Time::NEVER,
            answer: Time::NEVER,
            packet: Time::NEVER,
            write: Time::NEVER,
        };
        if let Stage::Dialing { deadline } = self.stage {
            return Deadlines { connect: deadline, ..never };
        }
        // Answers come in order (P5): the time of one begins when those before it have come.
        let answer = self.first_due().map_or(Time::NEVER, |sent| match sent.awaited {
            Awaited::Agreement { .. } => self.due_since + config.max_negotiation_time,
            Awaited::Pong => self.due_since + config.max_pong_time,
            Awaited::Reply { .. } | Awaited::Abandoned { .. } => {
                self.quiet_since() + config.max_silence
            }
        });
        let packet = self.inbound.deadline(config.max_packet_time).unwrap_or(Time::NEVER);
        // A server whose handlers are slow may read nothing: that is its silence, which has limits
        // of its own.
        let write = if self.unsent > 0 && !self.owes_a_reply() {
            self.last_written + config.max_write_time
        } else {
            Time::NEVER
        };
        if is_reading {
            Deadlines { answer, packet, write, ..never }
        } else {
            Deadlines { write, ..never }
        }
    }
}

/// N12: `max_depth` counts the response; the pair around it is one more.
const fn of_replies(limits: Limits) -> Limits {
    limits.with_max_depth(limits.max_depth.saturating_add(1))
}

/// When a connection will have taken too long for something (L1, L2).
#[derive(Clone, Copy, Debug)]
struct Deadlines {
    connect: Time,
    answer: Time,
    packet: Time,
    write: Time,
}
