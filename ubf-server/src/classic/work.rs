//! The work of a stock peer's connection: what starts sessions of services, handlers, and owners.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::timeout;
use ubf_codec::{Document, Term, Text};
#[cfg(unix)]
use ubf_proto::Service;
use ubf_proto::classic::server::{Input, Request};
#[cfg(unix)]
use ubf_proto::export::ClassicKept;
use ubf_proto::server::Message;
use ubf_proto::{endpoint, server};

use super::connection::Connection;
use super::owned::Owned;
use super::{ClassicService, Started, answer};
use crate::contain::{Contained, contained};
use crate::endpoint::Code;
use crate::erased::{AnyConnection, Begun, Outcome};
use crate::failure::Ending;
use crate::handler::Client;
use crate::log::warn;
use crate::owner::OwnerLink;
#[cfg(unix)]
use crate::takeover::NotAdopted;

/// A handler, or an owner, at work. It ends in time (L2).
pub(super) type Calling = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The service of a session.
pub(super) struct Serving {
    service: ClassicService,
    /// How its session began.
    started: Arc<Started>,
    code: Working,
}

/// What does its work on this connection.
enum Working {
    Handler(Contained<Box<dyn AnyConnection>>),
    /// T3: it keeps rows, and answers when they are durable. A stock client has no session: its
    /// calls are those of a client of level none.
    Owner(Owned),
}

impl Serving {
    /// Events that an owner has not taken yet.
    pub(super) fn pending_events(&self) -> usize {
        match &self.code {
            Working::Handler(_) => 0,
            Working::Owner(owned) => owned.pending_events(),
        }
    }
}

impl Connection {
    /// Q6: whether a session of a service begins.
    pub(super) fn start(&mut self, name: &Text, argument: Term) -> Input {
        let Some(service) = self.settled.services.get(name).cloned() else {
            return Input::Failed;
        };
        let decided = match &service.start {
            None => Some(Ok((Term::atom("ok"), service.first_state()))),
            Some(start) => contained(|| start(&argument)),
        };
        match decided {
            Some(Ok((reply, state))) => {
                let started = service.started(argument, state.clone());
                match self.open(service, started) {
                    Opened::Serves => Input::Started { reply, state },
                    Opened::NotOffered => Input::Rejected { why: Term::atom("notOffered") },
                    Opened::Crashed => Input::Failed,
                }
            }
            Some(Err(why)) => Input::Rejected { why },
            None => Input::Failed,
        }
    }

    /// Q6: whether a service is restarted.
    pub(super) fn restart(&self, name: &Text, argument: &Term) -> Input {
        let service = self.settled.services.get(name);
        let Some(restart) = service.and_then(|service| service.restart.as_ref()) else {
            // The services of a server live as long as it does.
            return Input::Rejected { why: Term::atom("notRestartable") };
        };
        match contained(|| restart(argument)) {
            Some(Ok(())) => Input::Restarted,
            Some(Err(why)) => Input::Rejected { why },
            None => Input::Failed,
        }
    }

    /// The code of the service on this connection.
    fn open(&mut self, service: ClassicService, started: Started) -> Opened {
        self.open_with(service, started, None)
    }

    /// The same with what the service of another process has kept for the client (U2).
    fn open_with(
        &mut self,
        service: ClassicService,
        started: Started,
        kept: Option<Bytes>,
    ) -> Opened {
        let started = Arc::new(started);
        let endpoint = &self.guard.endpoint;
        if !endpoint.speaks(&service.service, service.version) {
            return Opened::NotOffered;
        }
        let mailbox = Arc::clone(self.mailbox.shared());
        let code = match endpoint.services.get(&service.service) {
            Some(Code::Handler(code)) => {
                let peer = self.guard.entry.peer.clone();
                let told = Some(Arc::clone(&started));
                let client = Client { peer, mailbox, place: 0, gate: None, started: told };
                let code = Arc::clone(code);
                let opened = match kept {
                    None => contained(|| code.open(client)),
                    Some(kept) => contained(|| code.import(client, kept)).flatten(),
                };
                let Some(connection) = opened else { return Opened::Crashed };
                Working::Handler(Contained::new(connection))
            }
            Some(Code::Owner(owner)) => {
                let (key, peer) = (self.guard.entry.key, self.guard.entry.peer.clone());
                let name = service.service.clone();
                let link = OwnerLink::new(key, peer, name, mailbox, Arc::clone(endpoint));
                Working::Owner(Owned::new(Arc::clone(owner), Arc::new(link)))
            }
            None => return Opened::NotOffered,
        };
        self.mailbox.set_spoken(Some(0), service.version);
        self.guard.entry.agree(service.service.clone(), service.version, None);
        self.serving = Some(Serving { service, started, code });
        Opened::Serves
    }

    /// Runs the handler of a request. Mostly it is done at once, and there is an answer.
    pub(super) fn request(&mut self, request: Request, cx: &mut Context<'_>) -> Option<Input> {
        self.guard.entry.messages.requests.add(1);
        let number = request.number;
        let Some(message) = self.message(&request.service, request.body) else {
            return Some(Input::Failed);
        };
        let max_time = self.guard.endpoint.limits.max_call_time;
        let Some(Serving { code, .. }) = &mut self.serving else { return Some(Input::Failed) };
        match code {
            Working::Handler(connection) => {
                let Some(connection) = connection.get() else { return Some(Input::Failed) };
                let mut running = match connection.request(Box::new(message)) {
                    Begun::Ended(ended, _) => {
                        return Some(self.answered(number, Outcome::from(ended)));
                    }
                    Begun::Runs(running) => running,
                };
                if let Poll::Ready(ended) = pin!(&mut running).poll(cx) {
                    running.recycle();
                    return Some(self.answered(number, Outcome::from(ended)));
                }
                let waiting = async move {
                    timeout(max_time, running).await.map_or(Outcome::TimedOut, Outcome::from)
                };
                self.call = Some((number, Box::pin(waiting)));
            }
            Working::Owner(owned) => {
                let answer = owned.ask(message);
                let waiting =
                    async move { timeout(max_time, answer).await.unwrap_or(Outcome::TimedOut) };
                self.call = Some((number, Box::pin(waiting)));
            }
        }
        None
    }

    /// Runs the handler of an event.
    pub(super) fn event(&mut self, name: &Text, body: Document<Bytes>) {
        self.guard.entry.messages.events_in.add(1);
        let max_time = self.guard.endpoint.limits.max_call_time;
        let Some(message) = self.message(name, body) else { return };
        match self.serving.as_mut().map(|serving| &mut serving.code) {
            Some(Working::Handler(connection)) => {
                let Some(connection) = connection.get() else { return };
                let running = connection.event(Box::new(message));
                self.events.push(Box::pin(async move {
                    timeout(max_time, running).await.map_or(Outcome::TimedOut, Outcome::from)
                }));
            }
            Some(Working::Owner(owned)) => owned.event(message),
            None => {}
        }
    }

    /// The message for the code of the session's service. `None`: there is none.
    fn message(&mut self, name: &Text, body: Document<Bytes>) -> Option<Message> {
        if self.serving.is_none() {
            // Without a meta level nobody starts it.
            let service = self.settled.services.get(name).cloned()?;
            let started = service.started(Term::list([]), service.first_state());
            if !matches!(self.open(service, started), Opened::Serves) {
                return None;
            }
        }
        let Serving { service, .. } = self.serving.as_ref()?;
        self.packets += 1;
        Some(Message {
            packet: self.packets,
            number: None,
            service: service.service.clone(),
            version: service.version,
            body,
            refused: None,
            context: None,
        })
    }

    /// U2: what its service has, for another process. `None`: it cannot go there.
    #[cfg(unix)]
    pub(super) fn kept(&self) -> Option<Option<ClassicKept>> {
        let Some(Serving { started, code, .. }) = &self.serving else { return Some(None) };
        let state = match code {
            Working::Handler(code) => {
                let code = code.get()?;
                let state = contained(|| code.export())?;
                // What is not missed is made anew.
                if state.is_none() && contained(|| code.is_missed())? {
                    return None;
                }
                state
            }
            // T3: what it keeps are rows.
            Working::Owner(_) => None,
        };
        let Started { argument, state: first_state, .. } = &**started;
        let (argument, first_state) = (argument.clone(), first_state.clone());
        Some(Some(ClassicKept { argument, first_state, state }))
    }

    /// U2: goes on with what the service of the predecessor had.
    #[cfg(unix)]
    pub(super) fn import(&mut self, name: &Text, kept: ClassicKept) -> Result<(), NotAdopted> {
        let ClassicKept { argument, first_state, state } = kept;
        let no_service = || NotAdopted::NoStockService(name.clone());
        let service = self.settled.services.get(name).cloned().ok_or_else(no_service)?;
        let started = service.started(argument, first_state);
        match self.open_with(service, started, state) {
            Opened::Serves => Ok(()),
            Opened::NotOffered => Err(no_service()),
            Opened::Crashed => Err(NotAdopted::State(Service::named(name.clone()))),
        }
    }

    /// A handler has answered.
    pub(super) fn answered(&self, number: u64, outcome: Outcome) -> Input {
        let body = match outcome {
            Outcome::Done(reply) => Some(reply.into_body()),
            Outcome::Failed(failure) => match failure.into_parts() {
                (Ending::Replied(reply), _) => Some(reply.into_body()),
                // UBF(C) has no answer for it.
                (Ending::Failed(why), _) => {
                    self.guard.endpoint.totals.failed_by_handler.add(1);
                    self.gave_up("the handler failed", &why)
                }
                (Ending::Refused(why), _) => {
                    self.guard.endpoint.totals.refused_by_handler.add(1);
                    self.gave_up("the handler refused", &why)
                }
            },
            Outcome::Crashed => self.crashed(),
            Outcome::TimedOut => {
                self.guard.endpoint.totals.timed_out.add(1);
                self.gave_up("the handler took too long", &Term::atom("timeout"))
            }
        };
        body.map_or(Input::Failed, |body| Input::EncodedReply { number, body })
    }

    pub(super) fn event_ended(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Done(_) | Outcome::Failed(_) => {}
            Outcome::Crashed => {
                self.crashed();
            }
            Outcome::TimedOut => self.guard.endpoint.totals.timed_out.add(1),
        }
    }

    /// What the owner of the service says.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is answers, or of sessions")]
    pub(super) fn hear_owner(&mut self, input: server::Input) -> Option<Input> {
        let Some(Serving { code: Working::Owner(owned), .. }) = &mut self.serving else {
            return None;
        };
        match input {
            server::Input::EventOut { body, .. } => {
                self.guard.entry.messages.events_out.add(1);
                answer::event(&body).map(Input::EventOut)
            }
            // T4: what it was not told yet, it never will be.
            server::Input::Lost => Some(Input::Lost),
            other => {
                owned.hear(other);
                None
            }
        }
    }

    fn gave_up(&self, what: &'static str, why: &Term) -> Option<Bytes> {
        warn!(peer = %self.guard.entry.peer, what, %why, "a stock peer is left");
        None
    }

    /// N6: the version is withdrawn as for others.
    fn crashed(&self) -> Option<Bytes> {
        let Serving { service, .. } = self.serving.as_ref()?;
        let (peer, version) = (&self.guard.entry.peer, service.version);
        warn!(%peer, service = %service.service, %version, "the handler panicked");
        self.guard.endpoint.totals.failed.add(1);
        let (connection, service) = (self.guard.entry.key, service.service.clone());
        self.guard.endpoint.handle(endpoint::Input::Crashed { connection, service, version });
        None
    }
}

/// What became of the service's part of a connection.
enum Opened {
    Serves,
    /// The version is not spoken, for a while or at all.
    NotOffered,
    /// The code panicked as it was told of the client, or could not read what was kept for it.
    Crashed,
}
