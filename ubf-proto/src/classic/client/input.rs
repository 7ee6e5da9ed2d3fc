//! What a classic client session is told.

use alloc::sync::Arc;

use bytes::BytesMut;
use ubf_codec::{Term, Text};
use ubf_contract::SessionChecker;

use crate::time::Time;

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// Bytes came in. They are not copied if they continue the last ones in memory.
    Received(BytesMut),
    /// So many bytes of what was handed out were written.
    Written(usize),
    /// The server will send no more.
    EndOfStream,
    /// The connection is gone.
    Lost,
    /// A call, a start, or an event.
    Call(Call),
    /// Q13: the contract of the service, learned meanwhile.
    Contract(Option<Arc<SessionChecker>>),
    /// The program closes: what is not answered is told to be so.
    Close,
    /// Time has passed.
    Tick,
}

/// A name that the caller gives a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Something to say to the server. It ends once, with
/// [`Output::Ended`](super::Output::Ended).
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name.
    pub id: CallId,
    /// What it is.
    pub kind: CallKind,
    /// Q14: when it has to be answered. Replies have no numbers, so a call that is not closes the
    /// connection.
    pub deadline: Option<Time>,
}

/// What a call is.
#[derive(Clone, Debug)]
pub enum CallKind {
    /// A request: any term but an event.
    Request(Term),
    /// Q6: the start of a service.
    Start {
        /// Its name.
        service: Text,
        /// The argument: any term, mostly the empty list.
        argument: Term,
    },
    /// An event, without its wrapping. It has no answer: it ends when it is handed out.
    Event(Term),
}

impl Call {
    /// A request.
    #[must_use]
    pub const fn request(id: CallId, request: Term) -> Self {
        Self { id, kind: CallKind::Request(request), deadline: None }
    }

    /// The start of a service.
    #[must_use]
    pub fn start(id: CallId, service: impl Into<Text>, argument: Term) -> Self {
        Self { id, kind: CallKind::Start { service: service.into(), argument }, deadline: None }
    }

    /// An event.
    #[must_use]
    pub const fn event(id: CallId, event: Term) -> Self {
        Self { id, kind: CallKind::Event(event), deadline: None }
    }

    /// The same with a moment at which it has to be answered.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Time) -> Self {
        self.deadline = Some(deadline);
        self
    }
}
