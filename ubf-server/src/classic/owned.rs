//! The owner of a stock client's service (T3): it is told what comes, and answers by mail. The
//! client has no session, so nothing is kept for it beside the rows.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;
use ubf_codec::Term;
use ubf_proto::server::{Input, Message};

use crate::erased::Outcome;
use crate::failure::Failure;
use crate::owner::{OwnerInput, OwnerLink, SessionOwner};
use crate::reply::Reply;

pub(super) struct Owned {
    owner: Arc<dyn SessionOwner>,
    link: Arc<OwnerLink>,
    /// The packet of the request that is not answered, and who waits for it.
    asked: Option<(u64, oneshot::Sender<Outcome>)>,
    pending_events: usize,
}

impl Owned {
    pub(super) fn new(owner: Arc<dyn SessionOwner>, link: Arc<OwnerLink>) -> Self {
        Self { owner, link, asked: None, pending_events: 0 }
    }

    pub(super) const fn pending_events(&self) -> usize {
        self.pending_events
    }

    /// Hands over a request, and gives what waits for its answer.
    pub(super) fn ask(&mut self, message: Message) -> impl Future<Output = Outcome> + Send + use<> {
        let (sender, answer) = oneshot::channel();
        self.asked = Some((message.packet, sender));
        self.owner.take(&self.link, OwnerInput::Message { message, is_event: false });
        async move {
            answer.await.unwrap_or_else(|_| Outcome::Failed(Failure::failed(Term::atom("gone"))))
        }
    }

    pub(super) fn event(&mut self, message: Message) {
        self.pending_events += 1;
        self.owner.take(&self.link, OwnerInput::Message { message, is_event: true });
    }

    /// An answer of the owner.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is of sessions")]
    pub(super) fn hear(&mut self, input: Input) {
        let (packet, outcome) = match input {
            Input::Reply { packet, body } => (packet, Outcome::Done(Reply::encoded(body))),
            Input::Failed { packet, why } => (packet, Outcome::Failed(Failure::failed(why))),
            Input::Refused { packet, why } => (packet, Outcome::Failed(Failure::refused(why))),
            Input::Taken { .. } => {
                self.pending_events = self.pending_events.saturating_sub(1);
                return;
            }
            // What else owners say is of sessions, which a stock client has none of.
            _ => return,
        };
        match self.asked.take_if(|(asked, _)| *asked == packet) {
            // A call that took too long is not waited for.
            Some((_, waiting)) => drop(waiting.send(outcome)),
            None => self.pending_events = self.pending_events.saturating_sub(1),
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.owner.take(&self.link, OwnerInput::Closed);
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned").field("link", &self.link).finish_non_exhaustive()
    }
}
