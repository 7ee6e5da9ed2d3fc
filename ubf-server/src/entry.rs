//! A connection, as others see it.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use ubf_codec::Version;
use ubf_net::Peer;
use ubf_proto::endpoint::ConnectionKey;
use ubf_proto::{Service, Time};

use crate::counters::Messages;
use crate::mailbox::{Command, Mailbox};

/// Bytes of what a client says of itself that are kept. Chosen: a name and a version.
const MAX_AGENT_BYTES: usize = 64;

/// What is known of a connection, and a way to reach it.
#[derive(Debug)]
pub(crate) struct ConnectionEntry {
    pub(crate) key: ConnectionKey,
    pub(crate) peer: Peer,
    /// When it was admitted.
    pub(crate) since: Time,
    /// That of the task that it belongs to.
    mailbox: Mutex<Arc<Mailbox>>,
    /// Requests whose handlers run.
    pub(crate) running: AtomicUsize,
    pub(crate) messages: Messages,
    agreed: Mutex<Option<Agreed>>,
    /// N14: services that it may not use. Apart, since mostly there are none.
    barred: Option<Box<Barred>>,
}

/// Services that a peer may not use (N14).
#[derive(Debug)]
struct Barred(BTreeSet<Service>);

/// What was agreed on last, and with whom.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) service: Service,
    pub(crate) version: Version,
    /// What the client says that it is.
    pub(crate) agent: Option<Arc<str>>,
}

impl ConnectionEntry {
    pub(crate) fn new(key: ConnectionKey, peer: Peer, since: Time, max_events: usize) -> Self {
        Self::gone(key, peer, since, Arc::new(Mailbox::new(max_events)))
    }

    /// One that is gone, as a session remembers it.
    pub(crate) fn gone(key: ConnectionKey, peer: Peer, since: Time, nobody: Arc<Mailbox>) -> Self {
        Self {
            key,
            peer,
            since,
            mailbox: Mutex::new(nobody),
            running: AtomicUsize::new(0),
            messages: Messages::default(),
            agreed: Mutex::new(None),
            barred: None,
        }
    }

    /// N14: it may not use these services.
    pub(crate) fn barring(mut self, services: &BTreeSet<Service>) -> Self {
        self.barred = (!services.is_empty()).then(|| Box::new(Barred(services.clone())));
        self
    }

    /// N14: the services that it may not use.
    pub(crate) fn barred(&self) -> impl Iterator<Item = &Service> {
        self.barred.iter().flat_map(|barred| barred.0.iter())
    }

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// S4, S6: the connection belongs to another task from here on.
    pub(crate) fn set_mailbox(&self, mailbox: Arc<Mailbox>) {
        *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner) = mailbox;
    }

    /// Waits until the server stops now.
    pub(crate) async fn cut(&self) {
        let mailbox = self.mailbox();
        poll_fn(|cx| {
            mailbox.register(cx.waker());
            while let Some(command) = mailbox.take(true) {
                if matches!(command, Command::Cut(_)) {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn agree(&self, service: Service, version: Version, agent: Option<&str>) {
        let agreed = Agreed { service, version, agent: agent.map(shortened) };
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = Some(agreed);
    }

    pub(crate) fn agreed(&self) -> Option<Agreed> {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A copy of what a client says of itself: no more than that is kept, and nothing that could forge
/// a line on a terminal.
fn shortened(agent: &str) -> Arc<str> {
    let mut text = String::new();
    for letter in agent
        .chars()
        .map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter })
    {
        if text.len() + letter.len_utf8() > MAX_AGENT_BYTES {
            break;
        }
        text.push(letter);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_kept_in_64_bytes_on_one_line() {
        assert_eq!(&*shortened("ubf/1\nforged"), "ubf/1\u{fffd}forged");
        assert_eq!(shortened(&"a".repeat(64)).len(), 64);
        assert_eq!(shortened(&"a".repeat(65)).len(), 64);
        assert_eq!(shortened(&"é".repeat(40)).len(), 64);
    }
}
