//! What a server session is told.

use alloc::sync::Arc;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{NextIp, Term, Version};

use super::Config;
use super::resuming::SessionAnswer;
use crate::offer::Offer;
use crate::time::Time;

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// Bytes came in. They are not copied if they continue the last ones in memory.
    Received(BytesMut),
    /// So many bytes of what was handed out were written.
    Written(usize),
    /// The client will send no more. It may still read.
    EndOfStream,
    /// The connection is gone. A session that was granted goes on without one (S6).
    Lost,
    /// A handler answers a request.
    Reply {
        /// The number in its [`Message`](super::Message).
        packet: u64,
        /// `{Response,State}`, encoded up to and with its `$`.
        body: Bytes,
    },
    /// A handler failed, and may have done some of its work. If it crashed (N6), the shell counts
    /// it in its [`Offer`] too.
    Failed {
        /// The number in its [`Message`](super::Message).
        packet: u64,
        /// The reason, for the client.
        why: Term,
    },
    /// A handler says that the request was not executed, and will not be.
    Refused {
        /// The number in its [`Message`](super::Message).
        packet: u64,
        /// The reason, for the client. One of N4 or N10 makes the client send its request again.
        why: Term,
    },
    /// T3: the owner of an owned service has stored that it took this event.
    Taken {
        /// The number in its [`Message`](super::Message).
        packet: u64,
    },
    /// An event for the client. One that is larger than the client accepts is not sent (N12): see
    /// [`Notice::EventTooLarge`](super::Notice::EventTooLarge).
    EventOut {
        /// The version of the contract that it belongs to.
        version: Version,
        /// `{'event_out',Event}`, encoded up to and with its `$`.
        body: Bytes,
    },
    /// What the server speaks has changed.
    Offer(Arc<Offer>),
    /// The settings have changed: peers, for example, which the next `agreed` tells. The limits of
    /// packets stay as they were.
    Config(Arc<Config>),
    /// R9: where replies send the client from here on; `None` is "stay here". During a drain it is
    /// ignored, and after an `Undrain` to be said again.
    NextIp(Option<NextIp>),
    /// R8: this server goes away.
    Drain {
        /// Where the client shall go.
        next_ip: Option<NextIp>,
        /// When the grace ends.
        until: Time,
        /// R3: when a client that has not been told by a reply is told by a notice.
        notice_at: Time,
    },
    /// R8: this server stays after all.
    Undrain,
    /// S10.4, to a connection that was just made: the operator admits no other client. This one may
    /// go on with a session; when it asks for anything else it is told `closing 'cordoned'`.
    Cordon {
        /// Where it is sent then, if nothing else sends it somewhere.
        next_ip: Option<NextIp>,
    },
    /// S10.7: the operator admits clients again.
    Uncordon,
    /// R8: no further packet is executed; calls in progress may take so long.
    Close {
        /// The reason, for the client.
        why: Term,
        /// How long calls in progress may take.
        within: Duration,
    },
    /// What the endpoint says to [`Output::Session`](super::Output::Session).
    Session(SessionAnswer),
    /// S5, on the connection that a session has: another one goes on with it. This one ends, at
    /// once and with a word. Hand the other one over next: the session waits for it, however short
    /// the time is for which it is kept.
    Overtaken,
    /// S6: the server keeps as many bytes of answers as it may, or does so no longer.
    Crowded(bool),
    /// S6: the session is given up. Its connection, if it has one, goes on without.
    EndSession,
    /// S2: the service of this connection has another owner, at these addresses; `None`: who that
    /// is, is not known. A connection with a session ends at once, with a word; so does one that
    /// waits to open a session, and one that waits to go on with a session hears that it is not
    /// here. Any other is told with its next packet.
    Moved {
        /// Where the owner is.
        next_ip: Option<NextIp>,
    },
    /// U2: nothing more is taken in. On a connection what was taken is executed and answered;
    /// without one no handler begins. Then the [connection](super::ServerSession::export_live), or
    /// the [session](super::ServerSession::export), can be given to another process.
    Freeze,
    /// U2: what was frozen goes on.
    Thaw,
    /// U2: another process goes on with the session. The connection ends at once and with a word.
    Leave,
    /// Time has passed.
    Tick,
}
