//! What people want to see.

use core::time::Duration;

use ubf_codec::{Address, NextIp, Term, Text, Version};

use super::input::CallId;
use super::loss::LossReason;
use super::output::{ConnectionId, InSession};
use crate::redirect::RedirectRefusal;
use crate::session::{Level, SessionId};
use crate::time::Time;
use crate::versions::Versions;

/// What people want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A version was agreed on.
    Agreed {
        /// On which connection.
        connection: ConnectionId,
        /// Whether it is the first agreement on this connection after which messages may follow.
        is_first: bool,
        /// The session that these messages are in, if they are in one.
        session: Option<InSession>,
        /// Where.
        address: Address,
        /// The version.
        version: Version,
        /// All that the server speaks.
        spoken: Versions,
        /// The server's software.
        agent: Option<Text>,
    },
    /// S1: a server has granted a session.
    NewSession {
        /// On which connection.
        connection: ConnectionId,
        /// The sessions of this client are counted from 1.
        ordinal: u64,
        /// Its name, which is shown as a short hash.
        id: SessionId,
        /// What it survives.
        level: Level,
        /// Where.
        address: Address,
    },
    /// S4: the session goes on on another connection.
    Resumed {
        /// On which connection.
        connection: ConnectionId,
        /// Which session.
        ordinal: u64,
        /// Where.
        address: Address,
        /// Messages without an answer that had reached the server.
        kept: usize,
        /// Calls and events that had not, and are sent again.
        repeats: usize,
        /// How long the session had no connection.
        parked: Duration,
    },
    /// S7: the session is gone: calls without an answer have ended, or are sent again if they are
    /// idempotent.
    SessionLost {
        /// Which session.
        ordinal: u64,
        /// The address that owned it last.
        address: Address,
    },
    /// S4: events of the server are gone.
    EventsMissed {
        /// Of which session.
        ordinal: u64,
        /// How many; `None` if the server does not know.
        count: Option<u64>,
    },
    /// N6: the next message goes out in another version.
    FellBack {
        /// The version that crashed.
        from: Version,
        /// The next lower one; `None` if there is none and the two must negotiate.
        to: Option<Version>,
        /// The reason.
        why: Term,
    },
    /// N7: a version will not be used.
    QuarantineOpened {
        /// Which.
        version: Version,
        /// Until when.
        until: Time,
    },
    /// N7: a quarantine has ended.
    QuarantineClosed {
        /// Which version.
        version: Version,
    },
    /// N7: a version is used although it is in quarantine, since no other is left.
    QuarantineForced {
        /// Which.
        version: Version,
    },
    /// N4: a call was refused, and is sent again.
    Refused {
        /// Which call.
        call: CallId,
        /// What the server says.
        why: Term,
    },
    /// R1: the server names another address for the next message.
    RedirectAnnounced {
        /// The addresses, best first.
        next_ip: NextIp,
    },
    /// R5, R7: an address that the server named is not gone to.
    RedirectRefused {
        /// Which.
        address: Address,
        /// Why.
        refusal: RedirectRefusal,
    },
    /// R6: none of the addresses that the server named works.
    RedirectFailed {
        /// When it is tried again.
        retry_at: Time,
    },
    /// R2: the session goes on at another address.
    Moved {
        /// From here.
        from: Address,
        /// To there.
        to: Address,
        /// R5: moves since the last executed call.
        hops: u32,
    },
    /// A connection, or an attempt at one, has ended, and not because of a move.
    Lost {
        /// Where it was made to.
        address: Address,
        /// Why.
        reason: LossReason,
        /// Whether the session went on there, or was about to.
        was_in_use: bool,
    },
    /// N13: a server offers only less than before.
    Downgraded {
        /// Which server.
        address: Address,
        /// The highest version it offered.
        before: Version,
        /// The highest version it offers.
        after: Version,
    },
}
