//! Events that clients may not have seen go from one owner of a shard to the next (U5): they are in
//! memory alone, so that the store does not carry them.

use alloc::vec::Vec;

use super::Shard;
use crate::session::{KeptEvent, SessionKey};

/// The events of a session that its client may not have seen, as one owner tells them to the next.
///
/// They are of use only to whoever finds as many events counted in the store as these numbers say:
/// others are let go, and the client is told how many it has lost (S6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnseenEvents {
    /// The session.
    pub session: SessionKey,
    /// Its events, in the order of their numbers.
    pub events: Vec<KeptEvent>,
}

impl UnseenEvents {
    /// The events of a session.
    #[must_use]
    pub const fn new(session: SessionKey, events: Vec<KeptEvent>) -> Self {
        Self { session, events }
    }

    /// What they take: their bytes, and 64 for each of them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.events.iter().map(KeptEvent::cost).sum()
    }
}

impl Shard {
    /// The events that are kept for clients: of each session the last ones, and of all of them at
    /// most so many bytes (see [`UnseenEvents::bytes`]). A suspended shard makes no more of them.
    #[must_use]
    pub fn unseen_events(&self, max_bytes: usize) -> Vec<UnseenEvents> {
        let mut left = max_bytes;
        let mut unseen = Vec::new();
        for (session, events) in self.sessions.events() {
            let mut last: Vec<KeptEvent> = events
                .rev()
                .take_while(|event| {
                    let rest = left.checked_sub(event.cost());
                    left = rest.unwrap_or(left);
                    rest.is_some()
                })
                .cloned()
                .collect();
            last.reverse();
            if !last.is_empty() {
                unseen.push(UnseenEvents::new(session, last));
            }
        }
        unseen
    }

    /// What the owner before had kept for clients. It is to be told before the shard is claimed. Of
    /// a session no more is kept than of events that are made here.
    pub fn expect_events(&mut self, unseen: impl IntoIterator<Item = UnseenEvents>) {
        let max_bytes = self.config.max_kept_event_bytes;
        for UnseenEvents { session, events } in unseen {
            self.sessions.expect_events(session, events, max_bytes);
        }
    }
}
