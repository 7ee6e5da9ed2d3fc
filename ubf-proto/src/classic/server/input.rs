//! What a classic server session is told.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Text};

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// Bytes came in. They are not copied if they continue the last ones in memory.
    Received(BytesMut),
    /// So many bytes of what was handed out were written.
    Written(usize),
    /// The client will send no more. It may still read: what is pending is answered (Q11).
    EndOfStream,
    /// The connection is gone.
    Lost,
    /// Q6: the service takes the session.
    Started {
        /// What the client gets in `{'ok', Reply}`.
        reply: Term,
        /// The state in which the session begins.
        state: Text,
    },
    /// Q6: the service does not take the session; or a restart was refused.
    Rejected {
        /// The reason: any term.
        why: Term,
    },
    /// Q6: the service was restarted.
    Restarted,
    /// A handler answers a request.
    Reply {
        /// The number of the [`Request`](super::Request).
        number: u64,
        /// The reply, without the state.
        reply: Term,
        /// The next state. Stateless services, and services that let the state be, name the one
        /// that they were given.
        state: Text,
    },
    /// The same as a packet, up to and with its `$`: `{Reply,State}`. It is read once and no term is
    /// made of it. What is no such packet ends the session, as a crash does.
    EncodedReply {
        /// The number of the [`Request`](super::Request).
        number: u64,
        /// The packet, in the extended dialect.
        body: Bytes,
    },
    /// A handler or a start crashed: the session ends without a word (Q11).
    Failed,
    /// An event for the client, without its wrapping.
    EventOut(Term),
    /// The server closes: the call in progress may take so long.
    Close {
        /// For the call in progress.
        within: Duration,
    },
    /// U2: the session may go to another process: nothing more is begun, read or sent, but what
    /// runs ends, and its answer is sent.
    Freeze,
    /// U2: it stays. The time between counts for nothing.
    Thaw,
    /// Time has passed.
    Tick,
}
