//! Services that own their sessions: what a connection tells an owner, and how an owner answers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ubf_codec::{NextIp, Term, Version};
use ubf_net::Peer;
use ubf_proto::endpoint::{self, ConnectionKey, Origin};
use ubf_proto::server::{Input, Message, SessionAnswer};
use ubf_proto::session::{Resume, SessionId, Wish};
use ubf_proto::{Service, Versions};

use crate::endpoint::SharedEndpoint;
use crate::mailbox::Mailbox;
use crate::origin::origin;

/// A service that keeps its sessions itself, at level `'durable'`: their messages, numbers and
/// answers are in a store, so that they outlive this process (T3).
///
/// The server keeps nothing of such a session beside the connection that it is on. It tells the
/// owner what comes, in order, and the owner answers by the connection's [`OwnerLink`] when what it
/// says is durable. `ubf-service` has an owner for services with state.
pub trait SessionOwner: Send + Sync + 'static {
    /// The versions of the contract that the service has.
    fn versions(&self) -> Versions;

    /// Where clients find the owner of the sessions and rows, if this is not it: a client that has no
    /// version in common with what is spoken here is sent there (R4.3), where more may be spoken.
    /// Default: `None`, it is this one or nobody knows.
    fn elsewhere(&self) -> Option<NextIp> {
        None
    }

    /// Takes what a connection has to say. It must not wait: connections are served meanwhile.
    ///
    /// Each [`Message`](OwnerInput::Message) is counted as pending by its connection until it is
    /// answered, so what an owner has not answered is bounded by what connections may have pending.
    fn take(&self, from: &Arc<OwnerLink>, input: OwnerInput);
}

/// What a connection tells the owner of its service.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnerInput {
    /// S1: the client wants to open a session. Answered by [`OwnerLink::session`].
    Open {
        /// What it wishes for.
        wish: Wish,
        /// N12: the most bytes of a packet that it accepts.
        max_packet: u64,
    },
    /// S4: the client wants to go on with a session. Answered by [`OwnerLink::session`]; what comes
    /// of the connection that had the session before is not to be taken any more (S5.6).
    Resume(Resume),
    /// U2: the session has been on this connection in another process, or at another keeper of it,
    /// and goes on as if nothing had been: the client is told nothing. An owner that does not have
    /// it so, in this attempt and with this number of the last message, cuts the connection.
    Adopt {
        /// The session.
        id: SessionId,
        /// S5: the attempt by which the connection has it.
        turn: u64,
        /// S2: the number of the last message that was taken. All of them are answered.
        received: u64,
    },
    /// A message: of the session that this connection has, if it has a number, and otherwise of a
    /// client without one. A request is answered by [`reply`](OwnerLink::reply),
    /// [`refused`](OwnerLink::refused) or [`failed`](OwnerLink::failed), an event by
    /// [`taken`](OwnerLink::taken); answers come in the order of the messages.
    Message {
        /// The message. One that is [refused](Message::refused) takes its number and is answered
        /// so.
        message: Message,
        /// It is an event.
        is_event: bool,
    },
    /// S3: the client has these answers and events.
    Seen {
        /// Answers up to this number.
        done: u64,
        /// So many events.
        events: u64,
    },
    /// S3: the client has ended its session. What was taken is still answered.
    End,
    /// The connection is gone; its session is without one. This is its last word.
    Closed,
}

/// The way from an owner back to a connection. What is told to one that is gone is dropped.
pub struct OwnerLink {
    connection: ConnectionKey,
    peer: Peer,
    service: Service,
    mailbox: Arc<Mailbox>,
    endpoint: Arc<SharedEndpoint>,
}

impl OwnerLink {
    pub(crate) fn new(
        connection: ConnectionKey,
        peer: Peer,
        service: Service,
        mailbox: Arc<Mailbox>,
        endpoint: Arc<SharedEndpoint>,
    ) -> Self {
        Self { connection, peer, service, mailbox, endpoint }
    }

    /// Who is at the other end.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The number of the connection, as in
    /// [`ServerHandle::connections`](crate::ServerHandle::connections).
    #[must_use]
    pub const fn connection(&self) -> u64 {
        self.connection.number()
    }

    /// By which its sessions are counted (S6).
    #[must_use]
    pub fn origin(&self) -> Origin {
        origin(&self.peer)
    }

    /// The name under which the client uses the service.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.service
    }

    /// S1, S4: what becomes of the session that the client asked for.
    pub fn session(&self, answer: SessionAnswer) {
        self.tell(Input::Session(answer));
    }

    /// A request was executed: `{Response,State}`, encoded up to and with its `$`.
    pub fn reply(&self, packet: u64, body: Bytes) {
        self.tell(Input::Reply { packet, body });
    }

    /// A request was not executed, and will not be.
    pub fn refused(&self, packet: u64, why: Term) {
        self.tell(Input::Refused { packet, why });
    }

    /// A request may have been executed.
    pub fn failed(&self, packet: u64, why: Term) {
        self.tell(Input::Failed { packet, why });
    }

    /// T3: an event was taken, and that is durable.
    pub fn taken(&self, packet: u64) {
        self.tell(Input::Taken { packet });
    }

    /// An event for the client: `{'event_out',Event}`, encoded up to and with its `$`.
    pub fn event(&self, version: Version, body: Bytes) {
        self.tell(Input::EventOut { version, body });
    }

    /// S6.9: the owner keeps as many bytes of answers as it may, or does so no longer.
    pub fn crowded(&self, is_crowded: bool) {
        self.tell(Input::Crowded(is_crowded));
    }

    /// S5: another connection goes on with the session. This one ends, with a word.
    pub fn overtaken(&self) {
        self.tell(Input::Overtaken);
    }

    /// S2: another server owns the service, at these addresses, if that is known. A connection with
    /// a session, or that waits for one, ends with that word; the client of any other is told with
    /// the next answer. What it waits for is still to be answered.
    pub fn moved(&self, next_ip: Option<NextIp>) {
        self.tell(Input::Moved { next_ip });
    }

    /// T4: the connection ends at once, without a word: what it was not told yet, it never will be.
    pub fn cut(&self) {
        self.tell(Input::Lost);
    }

    /// N6: code of this version has crashed.
    pub fn crashed(&self, version: Version) {
        let (connection, service) = (self.connection, self.service.clone());
        self.endpoint.totals.failed.add(1);
        self.endpoint.handle(endpoint::Input::Crashed { connection, service, version });
    }

    fn tell(&self, input: Input) {
        self.mailbox.owned(input);
    }
}

impl fmt::Debug for OwnerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerLink")
            .field("connection", &self.connection)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
