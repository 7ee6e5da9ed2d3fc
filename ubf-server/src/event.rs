//! Events for clients.

use std::fmt;
use std::sync::Arc;

use ubf_codec::{Encoder, Term, Text, Version};

use crate::mailbox::{Event, Mailbox};

/// Sends events to the client of one connection. Cheap to clone, and may outlive the connection.
#[derive(Clone, Debug)]
pub struct EventSender(Arc<Mailbox>);

impl EventSender {
    pub(crate) const fn new(mailbox: Arc<Mailbox>) -> Self {
        Self(mailbox)
    }

    /// Sends `{'event_out',Event}` in this version. Waits while the client does not read.
    ///
    /// # Errors
    /// [`EventError::Closed`] if the connection is gone.
    pub async fn send(&self, version: Version, event: impl Into<Term>) -> Result<(), EventError> {
        let is_sent = self.0.send(encoded(version, event.into())).await;
        if is_sent { Ok(()) } else { Err(EventError::Closed) }
    }

    /// Sends an event without waiting.
    ///
    /// # Errors
    /// [`EventError::Full`] if the client does not read what it was sent, [`EventError::Closed`] if
    /// the connection is gone.
    pub fn try_send(&self, version: Version, event: impl Into<Term>) -> Result<(), EventError> {
        match self.0.try_send(encoded(version, event.into())) {
            Some(true) => Ok(()),
            Some(false) => Err(EventError::Full),
            None => Err(EventError::Closed),
        }
    }
}

fn encoded(version: Version, event: Term) -> Event {
    let body = Term::tuple([Term::Atom(Text::from_static("event_out")), event]);
    Event { version, body: Encoder::new().encode(&body).into() }
}

/// Why an event was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// The connection is gone.
    Closed,
    /// The client does not read what it was sent.
    Full,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection is gone",
            Self::Full => "the client does not read its events",
        })
    }
}

impl std::error::Error for EventError {}
