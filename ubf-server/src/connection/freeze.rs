//! How sessions leave for the successor of this process, and how they come from the predecessor
//! (U2).
//!
//! ```text
//!            Freeze            nothing runs: the socket is given        Leave
//!  in use ──────────> Settling ─┬───────────────────────────> Passed ─────────> gone
//!     │                  │      └─ or a copy of the session ─> Given ──────────> gone, with a word
//!     │                  │ Leave                                                   ^
//!     │                  └──────> Leaving ── either of these is given ─────────────┘
//!     │ what cannot go along                          Leave
//!     └────────────────> Stays ──────────────────────────────> answered, and closed with a word
//! ```
//! From `Passed` on nothing is read, nothing is written, and no time counts: two processes have the
//! socket. `Thaw` brings all back that is not gone, as if nothing had been.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;
use ubf_codec::Term;
use ubf_net::Identity;
use ubf_proto::ServerSession;
use ubf_proto::export::SessionExport;
use ubf_proto::server::Input;
use ubf_proto::session::SessionId;

use super::{Connection, Opened, Turn};
use crate::contain::{Contained, contained};
use crate::endpoint::SharedEndpoint;
use crate::entry::ConnectionEntry;
use crate::erased::AnyService;
use crate::handler::Client;
use crate::log::debug;
use crate::mailbox::{Command, OpenMailbox};
use crate::session::SessionGuard;

/// What comes of a session that was asked to leave.
#[derive(Debug)]
pub(crate) enum Gift {
    /// It can go on from this.
    Session(Box<SessionExport>),
    /// What it has here cannot be written down.
    Unmovable(SessionId),
    /// A connection, with the session that it has.
    #[cfg(unix)]
    Live(Box<super::PassedLive>),
    /// A stock client's connection.
    #[cfg(all(unix, feature = "classic"))]
    Connection(Box<crate::classic::PassedConnection>),
}

/// Where copies are gathered. Who drops it has nothing to give, or has given it.
pub(crate) type Giving = UnboundedSender<Gift>;

/// How far a connection, or a session without one, is on its way to another process.
#[derive(Debug)]
pub(super) enum Freeze {
    /// What runs is awaited.
    Settling(Giving),
    /// The same, and the other process serves already.
    Leaving(Giving),
    /// The other process has the socket, and may begin to use it. What others want meanwhile waits:
    /// of each kind one thing, as in the [mailbox](crate::mailbox::Mailbox::command).
    Passed(Vec<Command>),
    /// The other process has a copy of the session.
    Given,
    /// There is nothing to be given, or it cannot be.
    Stays,
    /// The session goes on elsewhere.
    Gone,
}

/// What a predecessor has given, in use.
pub(crate) struct Adopted {
    pub(crate) own: SessionGuard,
    pub(crate) entry: Arc<ConnectionEntry>,
    pub(crate) session: ServerSession,
    pub(crate) service: Option<Arc<dyn AnyService>>,
    pub(crate) state: Option<Bytes>,
}

impl Connection {
    /// U2: nothing more is begun for a session that may go.
    pub(super) fn freeze(&mut self, giving: Giving) -> Option<Input> {
        if self.frozen.is_some() {
            return None;
        }
        let may_go = self.own.is_some() || self.has_owned_session() || self.has_socket();
        let freeze = if may_go { Freeze::Settling(giving) } else { Freeze::Stays };
        self.frozen = Some(Box::new(freeze));
        may_go.then_some(Input::Freeze)
    }

    /// U2: nobody goes.
    pub(super) fn thaw(&mut self) -> Option<Input> {
        if let Freeze::Passed(held) = *self.frozen.take()? {
            self.adopt_by_owners();
            for command in held {
                match command {
                    // T3: of a store that was closed meanwhile. All that was taken is answered.
                    Command::Owned(input) if matches!(*input, Input::Lost) => {}
                    Command::Owned(input) => self.mailbox.owned(*input),
                    other @ (Command::Tell(..)
                    | Command::Send(_)
                    | Command::Cut(_)
                    | Command::Attach(_)
                    | Command::EndSession
                    | Command::Freeze(_)
                    | Command::Thaw
                    | Command::Leave(_)) => self.mailbox.command(other),
                }
            }
        }
        Some(Input::Thaw)
    }

    /// U2: whether the socket may be another process's.
    pub(super) fn is_passed(&self) -> bool {
        matches!(self.frozen.as_deref(), Some(Freeze::Passed(_)))
    }

    /// U2: what others want, unless it has to wait until it is known whose the socket is.
    pub(super) fn hold_back(&mut self, command: Command) -> Option<Command> {
        match (self.frozen.as_deref_mut(), command) {
            (_, command @ (Command::Freeze(_) | Command::Thaw | Command::Leave(_))) => {
                Some(command)
            }
            (Some(Freeze::Passed(held)), command) => {
                held.retain(|known| !known.is_replaced_by(&command));
                held.push(command);
                None
            }
            (_, command) => Some(command),
        }
    }

    /// U2: the other process serves from here on.
    pub(super) fn leave(&mut self, within: Duration) -> Option<Input> {
        match self.frozen.take().map(|freeze| *freeze) {
            Some(Freeze::Given) => self.go(),
            Some(Freeze::Passed(_)) => {
                self.let_go();
                None
            }
            Some(Freeze::Settling(giving)) => {
                self.frozen = Some(Box::new(Freeze::Leaving(giving)));
                None
            }
            Some(freeze @ (Freeze::Leaving(_) | Freeze::Gone)) => {
                self.frozen = Some(Box::new(freeze));
                None
            }
            // What came after the question has nothing to give either.
            Some(Freeze::Stays) | None => {
                let why = Term::atom("takeover");
                self.link.is_some().then_some(Input::Close { why, within })
            }
        }
    }

    fn go(&mut self) -> Option<Input> {
        self.frozen = Some(Box::new(Freeze::Gone));
        if self.link.is_some() {
            return Some(Input::Leave);
        }
        self.end = Some(Box::new(Turn::Over));
        None
    }

    /// U2: the socket is another process's, and is not shut down.
    fn let_go(&mut self) {
        self.frozen = Some(Box::new(Freeze::Gone));
        self.end = Some(Box::new(Turn::Over));
    }

    /// U2: whether the session goes on in another process.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.frozen.as_deref(), Some(Freeze::Gone))
    }

    /// U2: gives the socket, or the copy, as soon as nothing runs. What the session is to be told
    /// then, if anything.
    pub(super) fn settle(&mut self) -> Option<Input> {
        let is_waiting = self.waiting.as_ref().is_some_and(|waiting| !waiting.is_empty());
        let is_answered =
            if self.has_socket() { self.is_settled() } else { self.session.running() == 0 };
        let is_at_rest = !is_waiting && is_answered;
        let (giving, leaves) = match self.frozen.as_deref()? {
            Freeze::Settling(giving) if is_at_rest => (giving.clone(), false),
            Freeze::Leaving(giving) if is_at_rest => (giving.clone(), true),
            Freeze::Settling(_)
            | Freeze::Leaving(_)
            | Freeze::Passed(_)
            | Freeze::Given
            | Freeze::Stays
            | Freeze::Gone => return None,
        };
        #[cfg(unix)]
        if let Some(passed) = self.passed()
            // Whoever does not listen any more has taken its decision.
            && giving.send(Gift::Live(Box::new(passed))).is_ok()
        {
            if leaves {
                self.let_go();
            } else {
                self.frozen = Some(Box::new(Freeze::Passed(Vec::new())));
            }
            return None;
        }
        self.give_copy(&giving, leaves)
    }

    /// U2: gives a copy of the session, and keeps the connection.
    fn give_copy(&mut self, giving: &Giving, leaves: bool) -> Option<Input> {
        let Some(own) = &self.own else {
            self.frozen = Some(Box::new(Freeze::Stays));
            if self.has_owned_session() {
                // T3: its owner has it. It is told nothing more.
                return None;
            }
            debug!(peer = %self.entry.peer, "the connection cannot go to another process");
            return Some(self.stay(leaves));
        };
        let id = own.entry.id;
        match self.export() {
            Some(export) => {
                // Whoever does not listen any more has taken its decision.
                giving.send(Gift::Session(Box::new(export))).ok();
                if leaves {
                    return self.go();
                }
                self.frozen = Some(Box::new(Freeze::Given));
                None
            }
            None => {
                debug!(session = %id, "the session cannot go to another process");
                giving.send(Gift::Unmovable(id)).ok();
                self.frozen = Some(Box::new(Freeze::Stays));
                Some(self.stay(leaves))
            }
        }
    }

    /// What cannot go along is served as before, until the other process serves.
    fn stay(&self, leaves: bool) -> Input {
        if leaves {
            return Input::Close { why: Term::atom("takeover"), within: Duration::ZERO };
        }
        Input::Thaw
    }

    fn export(&self) -> Option<SessionExport> {
        let own = self.own.as_ref()?;
        let state = match self.services.first() {
            None => None,
            Some(opened) => {
                let code = opened.code.get()?;
                Some(contained(|| code.export()).flatten()?)
            }
        };
        let place = self.endpoint.session_place(own.entry.key)?;
        let session = self.session.export()?;
        let (peer, identity) = (self.entry.peer.address(), self.entry.peer.identity());
        let identity = identity.into_iter().flat_map(Identity::names).map(Into::into).collect();
        Some(SessionExport { place, peer, identity, session, state })
    }
}

/// U2: a session of the predecessor goes on here, without a connection. `false` if its service
/// cannot read what it has kept for the client.
pub(crate) fn adopt(endpoint: Arc<SharedEndpoint>, adopted: Adopted) -> bool {
    let Adopted { own, entry, session, service, state } = adopted;
    let mailbox = OpenMailbox::new(Arc::clone(&own.entry.mailbox));
    let mut services = Vec::new();
    if let (Some(service), Some(state)) = (service, state) {
        let client = Client {
            peer: entry.peer.clone(),
            mailbox: Arc::clone(mailbox.shared()),
            place: 0,
            gate: None,
            #[cfg(feature = "classic")]
            started: None,
        };
        let Some(imported) = contained(|| service.import(client, state)).flatten() else {
            return false;
        };
        let name = session.service().clone();
        let times = endpoint.call_times.as_ref().and_then(|times| times.of(&name));
        services.push(Opened { name, code: Contained::new(imported), times });
    }
    own.entry.is_parked.store(true, std::sync::atomic::Ordering::Relaxed);
    let connection = Connection::without_link(endpoint, entry, mailbox, own, session, services);
    tokio::spawn(connection.run_session());
    true
}
