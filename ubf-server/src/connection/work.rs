//! The handlers of a connection: how they begin, and what becomes of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, timeout};
use ubf_codec::{Term, Version};
use ubf_proto::server::{Input, Message, PacketKind};
use ubf_proto::{Service, Truncated, endpoint};

use super::{Connection, Opened};
use crate::call_times::{self, ServiceTimes};
use crate::contain::{Contained, contained};
use crate::erased::{Begun, Ended, Outcome, Running};
use crate::failure::{Chain, Ending, Failure};
use crate::handler::Client;
use crate::log::{debug, millis, warn};
use crate::owner::OwnerInput;
use crate::reply::Reply;

/// A request or an event whose handler was begun.
#[derive(Clone, Copy, Debug)]
struct Begin {
    packet: u64,
    /// Of its service.
    place: usize,
    version: Version,
    is_event: bool,
    /// Of the packet.
    bytes: usize,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Finished {
    begun: Begin,
    /// When the turn began in which its handler did, if it waited and times are counted.
    began: Option<Instant>,
    outcome: Outcome,
}

/// Handlers that wait.
#[derive(Default)]
pub(super) struct Waiting {
    handlers: FuturesUnordered<Pin<Box<dyn Future<Output = Finished> + Send>>>,
    /// How many of them are of events, and the bytes of these.
    events: (usize, usize),
}

impl Waiting {
    /// `event_bytes`: of an event, its bytes.
    fn push(
        &mut self,
        event_bytes: Option<usize>,
        handler: impl Future<Output = Finished> + Send + 'static,
    ) {
        if let Some(bytes) = event_bytes {
            self.events.0 += 1;
            self.events.1 += bytes;
        }
        self.handlers.push(Box::pin(handler));
    }

    /// The next one that has ended.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        let Poll::Ready(Some(finished)) = self.handlers.poll_next_unpin(cx) else {
            return Poll::Pending;
        };
        if finished.begun.is_event {
            self.events.0 -= 1;
            self.events.1 -= finished.begun.bytes;
        }
        Poll::Ready(finished)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }

    /// How many are of events, and the bytes of these.
    pub(super) const fn events(&self) -> (usize, usize) {
        self.events
    }
}

impl Connection {
    /// Runs a handler as far as it goes. Most are done at once, and are never put aside.
    pub(super) fn begin(&mut self, message: Box<Message>, is_event: bool, cx: &mut Context<'_>) {
        if is_event {
            self.count(|messages| &messages.events_in, |totals| &totals.events_in);
        } else {
            self.count(|messages| &messages.requests, |totals| &totals.requests);
        }
        let (packet, version, bytes) =
            (message.packet, message.version, message.body.source().len());
        self.spend(bytes);
        let mut place = self.place(&message.service);
        if place.is_none() {
            if let Some(owned) = self.owner(&message.service) {
                if !is_event {
                    owned.begin(packet, version);
                }
                return owned.tell(OwnerInput::Message { message: *message, is_event });
            }
            place = self.open(&message.service);
        }
        let opened = place.and_then(|place| Some((place, self.services.get(place)?.code.get()?)));
        let Some((place, code)) = opened else {
            let failed = self.failed(packet, &message.service, version, is_event, Outcome::Crashed);
            return self.tell(failed);
        };
        self.mailbox.set_spoken(Some(place), version);
        let begun = Begin { packet, place, version, is_event, bytes };
        if is_event {
            let running = code.event(message);
            return self.run_handler(begun, running, cx);
        }
        match code.request(message) {
            Begun::Ended(ended, message) => {
                self.ended_at_once(begun, ended);
                if let Some(message) = message {
                    self.session.recycle(message);
                }
            }
            Begun::Runs(running) => self.run_handler(begun, running, cx),
        }
    }

    fn run_handler(&mut self, begun: Begin, mut running: Running, cx: &mut Context<'_>) {
        if let Poll::Ready(ended) = Pin::new(&mut running).poll(cx) {
            running.recycle();
            return self.ended_at_once(begun, ended);
        }
        let max_time = self.endpoint.limits.max_call_time;
        let event_bytes = begun.is_event.then_some(begun.bytes);
        let began = self.times(begun.place).and_then(|_| call_times::turn_began());
        self.waiting.get_or_insert_default().push(event_bytes, async move {
            let outcome = timeout(max_time, running).await.map_or(Outcome::TimedOut, Outcome::from);
            Finished { begun, began, outcome }
        });
    }

    /// A handler has not waited.
    fn ended_at_once(&mut self, begun: Begin, ended: Ended) {
        let Begin { packet, place, version, is_event, .. } = begun;
        if !is_event {
            if let Some(times) = self.times(place) {
                call_times::ended_at_once(times, version);
            }
            if let Ok(Ok(reply)) = ended {
                return self.reply(packet, reply);
            }
        }
        let input = self.outcome(Finished { begun, began: None, outcome: ended.into() });
        self.tell(input);
    }

    /// A reply is there: it leaves, if nothing is due before it.
    fn reply(&mut self, packet: u64, reply: Reply) {
        let body = reply.encode();
        if let Some(link) = &mut self.link
            && let Some(head) = self.session.answer_at_once(packet, &body)
        {
            link.outbox.push_copy(PacketKind::Reply, &head, &body);
            return self.spend(head.len() + body.len());
        }
        self.session.handle(Input::Reply { packet, body: body.into_bytes() }, self.now);
    }

    fn times(&self, place: usize) -> Option<&Arc<ServiceTimes>> {
        self.services.get(place)?.times.as_ref()
    }

    /// The place of the code of a service that this connection has used.
    fn place(&self, name: &Service) -> Option<usize> {
        self.services.iter().position(|opened| opened.name == *name)
    }

    /// Opens a service for this connection. Its place; `None` if it panicked as it was told of the
    /// client.
    fn open(&mut self, name: &Service) -> Option<usize> {
        let service = self.endpoint.handler(name)?;
        let mailbox = Arc::clone(self.mailbox.shared());
        let client = Client {
            peer: self.entry.peer.clone(),
            mailbox,
            place: self.services.len(),
            gate: None,
            #[cfg(feature = "classic")]
            started: None,
        };
        let code = Contained::new(contained(|| service.open(client))?);
        let times = self.endpoint.call_times.as_ref().and_then(|times| times.of(name));
        self.services.reserve_exact(1);
        self.services.push(Opened { name: name.clone(), code, times });
        Some(self.services.len() - 1)
    }

    fn tell(&mut self, input: Option<Input>) {
        if let Some(input) = input {
            self.session.handle(input, self.now);
        }
    }

    pub(super) fn outcome(&self, finished: Finished) -> Option<Input> {
        let Finished { begun, began, outcome } = finished;
        let Begin { packet, place, version, is_event, .. } = begun;
        if let (Some(began), Some(times), false) = (began, self.times(place), is_event) {
            times.add_one(version, began.elapsed());
        }
        if let Outcome::Done(reply) = outcome {
            return (!is_event).then(|| Input::Reply { packet, body: reply.into_body() });
        }
        let service = self.services.get(place).map_or(&Service::DEFAULT, |opened| &opened.name);
        self.failed(packet, service, version, is_event, outcome)
    }

    #[cold]
    fn failed(
        &self,
        packet: u64,
        service: &Service,
        version: Version,
        is_event: bool,
        outcome: Outcome,
    ) -> Option<Input> {
        let (peer, counters) = (&self.entry.peer, &self.endpoint.totals);
        let why = match outcome {
            Outcome::Done(_) => return None,
            Outcome::Failed(failure) => {
                return Some(self.handler_gave_up(packet, service, version, failure));
            }
            Outcome::Crashed => {
                // N6
                warn!(%peer, %service, %version, packet, is_event, "failed: the handler panicked");
                counters.failed.add(1);
                let connection = self.entry.key;
                let service = service.clone();
                self.endpoint.handle(endpoint::Input::Crashed { connection, service, version });
                "crash"
            }
            Outcome::TimedOut => {
                // L2: that says nothing about the version.
                let max_call_ms = millis(self.endpoint.limits.max_call_time);
                warn!(%peer, %service, %version, packet, is_event, max_call_ms, "failed: the handler took too long");
                counters.timed_out.add(1);
                "call_time"
            }
        };
        (!is_event).then(|| Input::Failed { packet, why: Term::atom(why) })
    }

    /// A handler that fails without a panic says nothing about its version (N6).
    fn handler_gave_up(
        &self,
        packet: u64,
        service: &Service,
        version: Version,
        failure: Failure,
    ) -> Input {
        let (peer, counters) = (&self.entry.peer, &self.endpoint.totals);
        let (ending, cause) = failure.into_parts();
        let cause = cause.as_deref().map(|cause| tracing::field::display(Chain(cause)));
        match ending {
            Ending::Replied(reply) => Input::Reply { packet, body: reply.into_body() },
            Ending::Failed(why) => {
                counters.failed_by_handler.add(1);
                warn!(%peer, %service, %version, packet, why = %Truncated(why.as_ref()), cause, "failed: the handler says so");
                Input::Failed { packet, why }
            }
            Ending::Refused(why) => {
                counters.refused_by_handler.add(1);
                debug!(%peer, %service, %version, packet, why = %Truncated(why.as_ref()), cause, "refused: the handler says so");
                Input::Refused { packet, why }
            }
        }
    }
}
