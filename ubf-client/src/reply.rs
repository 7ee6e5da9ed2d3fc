//! What the server says: replies and events.

use std::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Address, Document, TermRef, Version, View};
use ubf_proto::MAX_SHARED_BYTES;
use ubf_proto::client::InSession;

/// A connection to a server that has agreed on a version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// A number that the client does not use again: that of [`Traffic`](crate::Traffic).
    pub number: u64,
    /// The server's address, as the program or another server has named it.
    pub address: Address,
}

/// The reply to a request.
///
/// It shares memory with other packets that came in together with it. What is kept for long is
/// better copied with [`TermRef::to_term`] of the part that is wanted.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) version: Version,
    pub(crate) body: Document<Bytes>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) session: Option<InSession>,
}

impl Reply {
    /// See [`compact`].
    pub(crate) fn compact(&mut self) {
        compact(&mut self.body);
    }

    /// The version that request and reply are written in.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// All that the server sent, as it stood on the wire: mostly `{Response,State}`.
    #[must_use]
    pub const fn body(&self) -> &Document<Bytes> {
        &self.body
    }

    /// As [`body`](Self::body), in its own form.
    #[must_use]
    pub fn into_body(self) -> Document<Bytes> {
        self.body
    }

    /// The connection that it came on, and so the server that answered.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The session that it came in, if it came in one, and whether by resuming: the request was
    /// sent on an earlier connection, and its answer was kept.
    #[must_use]
    pub const fn session(&self) -> Option<InSession> {
        self.session
    }

    /// UBF(C): the response and the state that the server is in after it. `None` if the server did
    /// not send a pair.
    #[must_use]
    pub fn split(&self) -> Option<(TermRef<'_>, TermRef<'_>)> {
        let View::Tuple(pair) = self.body.root().view() else { return None };
        pair.to_array().map(|[response, state]| (response, state))
    }

    /// The response: the first of the pair, or everything if the server did not send a pair.
    #[must_use]
    pub fn response(&self) -> TermRef<'_> {
        self.split().map_or_else(|| self.body.root(), |(response, _)| response)
    }

    /// The state that the server is in: the second of the pair.
    #[must_use]
    pub fn state(&self) -> Option<TermRef<'_>> {
        self.split().map(|(_, state)| state)
    }
}

/// An event from the server.
#[derive(Clone, Debug)]
pub struct Event {
    pub(crate) version: Version,
    pub(crate) body: Document<Bytes>,
    pub(crate) connection: Arc<Connection>,
}

impl Event {
    /// The version that it is written in. It may be another one than that of the last reply.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// All that the server sent: `{'event_out',Event}`.
    #[must_use]
    pub const fn body(&self) -> &Document<Bytes> {
        &self.body
    }

    /// The connection that it came on.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The event itself.
    #[must_use]
    pub fn event(&self) -> TermRef<'_> {
        let root = self.body.root();
        let View::Tuple(pair) = root.view() else { return root };
        pair.to_array().map_or(root, |[_event_out, event]| event)
    }

    /// See [`compact`].
    pub(crate) fn compact(&mut self) {
        compact(&mut self.body);
    }
}

/// Gives a body memory of its own, if it may hold on to much more than it needs. A larger one has
/// few others beside it.
fn compact(body: &mut Document<Bytes>) {
    if body.source().len() < MAX_SHARED_BYTES {
        body.compact();
    }
}
