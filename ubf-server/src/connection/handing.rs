//! How a connection is handed over to the session that its client goes on with (S4, S5).

use std::sync::Arc;

use tokio::sync::oneshot;
use ubf_proto::Service;
use ubf_proto::Time;
use ubf_proto::server::{Input, Output, Resuming};
use ubf_proto::session::Resume;

use super::link::Link;
use super::{Connection, End, Resting};
use crate::endpoint::HandOver;
use crate::mailbox::Command;
use crate::session::SessionEntry;

/// A connection on its way to a session.
#[derive(Debug)]
pub(crate) struct Attach {
    pub(super) link: Link,
    pub(super) resuming: Resuming,
    /// What the endpoint had to say to the connection meanwhile.
    pub(super) told: Vec<Command>,
}

impl Attach {
    /// S5: a later attempt came before this one did.
    pub(super) async fn turn_away(self, now: Time) {
        let Self { mut link, resuming, .. } = self;
        let mut machine = resuming.overtaken(now);
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Transmit { kind, packet } => link.outbox.push(kind, packet),
                Output::Close { reason, calls_cut } => {
                    let end = End { reason, calls_cut, is_session_kept: true };
                    return link.close(end).await;
                }
                // There are only last words.
                Output::Request(_)
                | Output::Event(_)
                | Output::Session(_)
                | Output::Seen { .. }
                | Output::SessionOver { .. }
                | Output::Notice(_)
                | _ => {}
            }
        }
    }
}

/// What became of a connection whose client wants to go on with a session.
pub(super) enum Handed {
    /// Another task has it. This one waits for its end.
    Over(oneshot::Receiver<()>),
    /// This task goes on.
    Stays(Box<Connection>),
}

impl Connection {
    /// Hands the connection over to the session that it wants to go on with. Who accepted it waits
    /// for its end. If there is no such session, it goes on as it is.
    pub(super) fn hand_over(self: Box<Self>, service: &Service, resume: &Resume) -> Handed {
        let endpoint = Arc::clone(&self.endpoint);
        let key = self.entry.key;
        let mut ended = None;
        let mut connection = Some(self);
        // Under the endpoint's lock, so that sessions take connections in the order of their turns.
        let answer = endpoint.resume_session(key, service, resume, || {
            let connection = *connection.take()?;
            let mut link = connection.link?;
            ended = Some(link.end());
            let told = std::iter::from_fn(|| connection.mailbox.take(false)).collect();
            let resuming = connection.session.into_resuming()?;
            Some(Box::new(Attach { link, resuming, told }))
        });
        match (answer, connection) {
            (HandOver::Answer(answer), Some(mut connection)) => {
                let now = connection.now;
                connection.session.handle(Input::Session(answer), now);
                Handed::Stays(connection)
            }
            (HandOver::Rested(entry, resting), Some(connection)) => {
                Handed::Stays(connection.go_on_with(entry, *resting))
            }
            (HandOver::Done | HandOver::Answer(_) | HandOver::Rested(..), _) => {
                Handed::Over(ended.unwrap_or_else(|| oneshot::channel().1))
            }
        }
    }

    /// S6: this task goes on with a session that has rested, and gives it its connection.
    fn go_on_with(self: Box<Self>, entry: Arc<SessionEntry>, resting: Resting) -> Box<Self> {
        let Self { endpoint, mailbox, link, session, .. } = *self;
        let mut woken = Self::woken(endpoint, entry, resting);
        let told = std::iter::from_fn(|| mailbox.take(false)).collect();
        match (link, session.into_resuming()) {
            (Some(link), Some(resuming)) => woken.attach(Attach { link, resuming, told }),
            (_, None) | (None, _) => debug_assert!(false, "its client waits for that"),
        }
        woken
    }
}
