//! Who asks a server's control for something, and how much of it that one may have.

use std::fmt;

use ubf_server::Peer;

use super::Request;
use crate::handoff::is_elsewhere;

/// What an operator may ask for: each may ask for what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Role {
    /// How the server is.
    See,
    /// What changes it.
    Steer,
    /// What names files and sockets of its machine: a backup, a take-over. Who can open the control
    /// socket has this role, and nobody who comes by a network.
    Host,
}

impl Role {
    /// What one needs to be to ask for this.
    #[must_use]
    pub fn needed(request: &Request) -> Self {
        match request {
            Request::Status
            | Request::Connections
            | Request::ListConnections { .. }
            | Request::ListSessions { .. }
            | Request::Rows(_)
            | Request::LastHandOffs
            | Request::LastTakeover => Self::See,
            Request::Kick { .. }
            | Request::Move { .. }
            | Request::Drain { .. }
            | Request::Undrain
            | Request::Cordon { .. }
            | Request::Uncordon
            | Request::Withdraw(..)
            | Request::Restore(..)
            | Request::SetLoadMarks { .. }
            | Request::ClearLoadMarks
            | Request::SetPeers(_)
            | Request::SetLogFilter(_)
            | Request::Migrate(_)
            | Request::Finalize(_)
            | Request::Lower(_)
            | Request::ShutDown { .. } => Self::Steer,
            // U5: which nodes of other machines may have rows says the policy.
            Request::HandOff { to, .. } if is_elsewhere(to) => Self::Steer,
            // Settings may name a database with its password.
            Request::BackUp { .. }
            | Request::HandOff { .. }
            | Request::TakeOver { .. }
            | Request::Settings => Self::Host,
        }
    }

    /// Its word in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Steer => "steer",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    /// By what it is known: the name of a certificate, or the user and the process.
    pub(crate) who: String,
    /// Where it comes from: an address, or the way.
    pub(crate) from: String,
    pub(crate) role: Role,
}

impl Asker {
    /// Whoever looks by HTTP.
    pub(crate) fn who_looks() -> Self {
        Self { who: String::new(), from: String::new(), role: Role::See }
    }

    /// Whoever has shown the token by HTTP: by TLS it may have a name, too.
    pub(crate) fn with_token(peer: &Peer) -> Self {
        let from = peer.address().map_or_else(|| peer.to_string(), |from| from.to_string());
        let who = peer.identity().map_or("token", |who| who.name()).to_owned();
        Self { who, from: format!("http {from}"), role: Role::Steer }
    }

    /// Another node, which gives rows or takes them.
    pub(crate) fn node(peer: &Peer) -> Self {
        Self::of(peer, Role::Host)
    }

    /// Whoever is at the other end of a connection.
    pub(crate) fn of(peer: &Peer, role: Role) -> Self {
        let from =
            peer.address().map_or_else(|| "control socket".to_owned(), |from| from.to_string());
        let who = peer.identity().map_or_else(|| peer.to_string(), |who| who.name().to_owned());
        Self { who, from, role }
    }
}
