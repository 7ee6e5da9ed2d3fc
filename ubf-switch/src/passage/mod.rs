//! One connection of a client and the one of a node that it is joined to: what passes, what is
//! said in other words, and when the two are parted (F5). Bytes in, bytes out: it reads headers and
//! version 0, and no other body.

mod client;
mod node;
pub(crate) mod rewrite;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{ClientHeader, Encoder, Mode, NextIp, ServerHeader, Term, Version};
use ubf_proto::control::{Negotiate, ServerControl};
use ubf_proto::session::{Grant, SessionId, SessionOption};
use ubf_proto::{Service, Versions};

use crate::cut::Cutter;
use crate::fleet::NodeId;

/// Negotiations without an answer whose lists are remembered. A node answers 8 a minute (N10).
const MAX_PENDING: usize = 16;

/// What the switch asks a node behind a client's last packet. No node knows it, so each refuses it,
/// in its place in the order and by its number (P4.4): then all before it is answered.
const BARRIER: &[u8] = b"0 {'switch'}$";

/// What is known of the other nodes.
pub(crate) trait Directory {
    /// What all nodes offer together.
    fn offered(&self, service: &Service) -> Versions;
    /// Whether another node would take the client of this one.
    fn takes_instead(&self, node: NodeId, service: &Service, versions: &Versions) -> bool;
    /// Whether another node has a higher version for such a client.
    fn is_better_elsewhere(&self, node: NodeId, service: &Service, versions: &Versions) -> bool;
}

/// What clients are told instead of what nodes say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// The address of the switch, as this client knows it.
    pub(crate) own: Option<NextIp>,
    /// Other switches: where to go when this one is lost (R4).
    pub(crate) peers: Option<NextIp>,
    /// Whether NextIP and peers of nodes are passed on as they are.
    pub(crate) passes_next_ip: bool,
}

/// What its shell has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The node has granted a session.
    Opened(SessionId, Grant),
    /// A session goes on at the node.
    Resumed(SessionId),
    /// The client has ended its session.
    Ended(SessionId),
    /// The node names another server.
    NodeSendsAway,
    /// The client of this session was told to come again, for another node.
    SentAway(SessionId),
    /// The client is parted from this node, since another one has its version.
    LedElsewhere,
    /// The session was handed on to the owner that is named (S2.7).
    Moved(SessionId, Option<NextIp>),
    /// What the node speaks of a service.
    Speaks(Service, Versions),
}

/// How far the two connections are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Course {
    /// Bytes pass both ways.
    Passing,
    /// They are parted when the client's present packet has passed.
    LeavingAtEnd { why: &'static str },
    /// No further packet of the client passes. The node was asked behind its last one.
    Leaving { why: &'static str },
    /// The client was told `closing`, or the node has said it. `is_settled`: it says what was
    /// executed, and all of that is answered.
    Ended { is_settled: bool },
}

/// What stands at the beginning of an input buffer, is not whole, and does not pass before it is.
#[derive(Debug)]
struct Held<H> {
    header: H,
    header_len: usize,
    /// Bytes that were looked at, those of the header included.
    seen: usize,
}

/// A `negotiate` without an answer.
#[derive(Debug)]
struct Pending {
    /// P6: its number.
    packet: u64,
    service: Service,
    versions: Versions,
    session: Option<SessionOption>,
}

/// Whether a direction is still understood.
#[derive(Debug)]
enum Reading<H> {
    /// It is cut into packets. At most one is held.
    Cut(Box<Cutter<H>>, Option<Held<H>>),
    /// Its bytes are no packets, or none that can be followed: they pass as they are, and the other
    /// end says what is wrong with them.
    Blind,
}

/// The two connections. See the module.
#[derive(Debug)]
pub(crate) struct Passage {
    node: NodeId,
    words: Arc<Words>,
    up: Reading<ClientHeader>,
    down: Reading<ServerHeader>,
    course: Course,
    /// P6: the client's packets that have passed, or begun to.
    packets: u64,
    /// Answers to pings that the switch has given itself.
    pongs_given: u64,
    pending: VecDeque<Pending>,
    /// What was agreed about.
    service: Service,
    asked: Versions,
    /// What the node speaks of it, if it has said so.
    spoken: Option<Versions>,
    /// The version of the last message: it need not be looked for again.
    checked: Option<Version>,
    session: Option<SessionId>,
    /// Whether the session of the next answer may be at a node that was not reached.
    is_unsure: bool,
    /// Where the switch sends all its clients, since it drains.
    drain: Option<NextIp>,
    /// The notice of it, if a packet was under way when it was to leave.
    notice: Option<Bytes>,
    effects: Vec<Effect>,
}

impl Passage {
    /// A client that has sent so many pings, which were answered, and nothing else that has passed.
    pub(crate) fn new(node: NodeId, words: Arc<Words>, pings: u64) -> Self {
        Self {
            node,
            words,
            up: Reading::Cut(Box::new(Cutter::new()), None),
            down: Reading::Cut(Box::new(Cutter::new()), None),
            course: Course::Passing,
            packets: 0,
            pongs_given: pings,
            pending: VecDeque::new(),
            service: Service::DEFAULT,
            asked: Versions::new(),
            spoken: None,
            checked: None,
            session: None,
            is_unsure: false,
            drain: None,
            notice: None,
            effects: Vec::new(),
        }
    }

    /// Bytes that are not looked at: stock peers, and TLS that the nodes end.
    pub(crate) fn blind(node: NodeId) -> Self {
        let (up, down) = (Reading::Blind, Reading::Blind);
        Self { up, down, ..Self::new(node, Arc::default(), 0) }
    }

    /// A client whose pings and `negotiate` have been sent to the node, and whose pongs have come.
    /// The answer to the `negotiate` is the first that comes from the node.
    pub(crate) fn negotiating(
        node: NodeId,
        words: Arc<Words>,
        pings: u64,
        negotiate: &Negotiate,
        is_unsure: bool,
    ) -> Self {
        let mut passage = Self { is_unsure, packets: pings + 1, ..Self::new(node, words, 0) };
        passage.asked_for(negotiate);
        passage
    }

    fn asked_for(&mut self, negotiate: &Negotiate) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(Pending {
                packet: self.packets,
                service: negotiate.service.clone(),
                versions: negotiate.versions.clone(),
                session: negotiate.options.session,
            });
        }
    }

    /// Whether there is something that its shell has to know.
    pub(crate) const fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Takes what its shell has to know.
    pub(crate) fn effects(&mut self) -> std::vec::Drain<'_, Effect> {
        self.effects.drain(..)
    }

    /// Whether bytes of the client are taken.
    pub(crate) const fn takes_from_client(&self) -> bool {
        matches!(self.course, Course::Passing | Course::LeavingAtEnd { .. })
    }

    /// Whether nothing more passes to the client: its connection is to be closed when all is out.
    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.course, Course::Ended { .. })
    }

    /// S7.6: whether the client was told by a `closing` what was executed.
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self.course, Course::Ended { is_settled: true })
    }

    /// Whether the client has begun a packet that does not pass before it is whole.
    pub(crate) const fn holds_a_packet(&self) -> bool {
        matches!(self.up, Reading::Cut(_, Some(_)))
    }

    pub(crate) const fn session(&self) -> Option<SessionId> {
        self.session
    }

    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    /// F5.6: parts the two behind the client's last packet: it is told `closing` when all before it
    /// is answered.
    pub(crate) fn leave(&mut self, why: &'static str, out: &mut VecDeque<Bytes>) {
        if self.course != Course::Passing {
            return;
        }
        match &mut self.up {
            Reading::Cut(_, held @ Some(_)) => {
                // Nothing of it has passed.
                *held = None;
                self.packets -= 1;
                self.ask_behind(why, out);
            }
            Reading::Cut(cutter, None) if cutter.is_in_body() => {
                self.course = Course::LeavingAtEnd { why };
            }
            Reading::Cut(_, None) => self.ask_behind(why, out),
            // Where a packet ends is not known: the node is told that no more come.
            Reading::Blind => {}
        }
    }

    fn ask_behind(&mut self, why: &'static str, out: &mut VecDeque<Bytes>) {
        out.push_back(Bytes::from_static(BARRIER));
        self.course = Course::Leaving { why };
    }

    /// R8: from here on every packet of the node names this place, and a client that is silent is
    /// told, at once if no packet is under way. Tells whether it was.
    pub(crate) fn drain(
        &mut self,
        next_ip: &NextIp,
        out: &mut VecDeque<Bytes>,
        grace_ms: u64,
    ) -> bool {
        self.drain = Some(next_ip.clone());
        if let Some(id) = self.session {
            self.effects.push(Effect::SentAway(id));
        }
        let moved = ServerControl::Moved { grace: Duration::from_millis(grace_ms) };
        let notice = packet(Mode::Negotiation, Some(next_ip.clone()), &moved.to_term());
        match &self.down {
            Reading::Cut(cutter, None) if !cutter.is_in_body() => {
                if !self.has_ended() {
                    out.push_back(notice);
                }
                true
            }
            Reading::Cut(..) => {
                self.notice = Some(notice);
                false
            }
            // Whoever knows no headers cannot be told.
            Reading::Blind => false,
        }
    }
}

/// A packet of the switch's own, or one of a node in other words.
pub(crate) fn packet(mode: Mode, next_ip: Option<NextIp>, body: &Term) -> Bytes {
    let mut bytes = Vec::with_capacity(160);
    Encoder::new().encode_versioned(&ServerHeader { mode, next_ip }, body, &mut bytes);
    bytes.into()
}

/// `closing`, from the switch itself.
pub(crate) fn closing(why: &str, next_ip: Option<NextIp>, packet_number: u64) -> Bytes {
    let closing = ServerControl::Closing { why: Term::atom(why), packet: packet_number };
    packet(Mode::Negotiation, next_ip, &closing.to_term())
}

/// Lets so many bytes at the front of the buffer pass, without a copy.
fn pass(input: &mut BytesMut, len: usize, out: &mut VecDeque<Bytes>) {
    if len > 0 {
        out.push_back(input.split_to(len).freeze());
    }
}
