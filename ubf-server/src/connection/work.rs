//! The handlers of a connection: how they begin, and what becomes of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, timeout};
use ubf_codec::{Term, Version};
use ubf_proto::server::{Input, Message};
use ubf_proto::{Service, Truncated, endpoint};

use super::{Connection, Opened};
use crate::call_times::{self, ServiceTimes};
use crate::contain::{Contained, contained};
use crate::erased::Outcome;
use crate::failure::{Chain, Ending, Failure};
use crate::handler::Client;
use crate::log::{debug, millis, warn};
use crate::owner::OwnerInput;

/// What became of a request or an event.
#[derive(Debug)]
pub(super) struct Finished {
    packet: u64,
    /// Of its service.
    place: usize,
    version: Version,
    is_event: bool,
    /// Of the packet.
    bytes: usize,
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
        if finished.is_event {
            self.events.0 -= 1;
            self.events.1 -= finished.bytes;
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
    pub(super) fn begin(&mut self, message: Message, is_event: bool, cx: &mut Context<'_>) {
        if is_event {
            self.count(|messages| &messages.events_in, |totals| &totals.events_in);
        } else {
            self.count(|messages| &messages.requests, |totals| &totals.requests);
        }
        let (packet, version, bytes) =
            (message.packet, message.version, message.body.source().len());
        self.spend(bytes);
        if let Some(owned) = self.owner(&message.service) {
            if !is_event {
                owned.begin(packet, version);
            }
            return owned.tell(OwnerInput::Message { message, is_event });
        }
        let begun = self
            .service(&message.service)
            .and_then(|place| Some((place, self.services.get(place)?.code.get()?)));
        let Some((place, connection)) = begun else {
            let failed = self.failed(packet, &message.service, version, is_event, Outcome::Crashed);
            return self.tell(failed);
        };
        self.mailbox.set_spoken(Some(place), version);
        let mut running = connection.begin(message, is_event);
        match Pin::new(&mut running).poll(cx) {
            Poll::Ready(ended) => {
                running.recycle();
                if !is_event {
                    self.time_at_once(place, version);
                }
                let outcome = ended.into();
                let finished =
                    Finished { packet, place, version, is_event, bytes, began: None, outcome };
                let input = self.outcome(finished);
                self.tell(input);
            }
            Poll::Pending => {
                let max_time = self.endpoint.limits.max_call_time;
                let event_bytes = is_event.then_some(bytes);
                let began = self.times(place).and_then(|_| call_times::turn_began());
                self.waiting.get_or_insert_default().push(event_bytes, async move {
                    let outcome =
                        timeout(max_time, running).await.map_or(Outcome::TimedOut, Outcome::from);
                    Finished { packet, place, version, is_event, bytes, began, outcome }
                });
            }
        }
    }

    fn times(&self, place: usize) -> Option<&Arc<ServiceTimes>> {
        self.services.get(place)?.times.as_ref()
    }

    /// Counts the time of a call whose handler did not wait.
    fn time_at_once(&self, place: usize, version: Version) {
        if let Some(times) = self.times(place) {
            call_times::ended_at_once(times, version);
        }
    }

    /// The place of the code of a service on this connection; `None` if it panicked as it was told
    /// of the client.
    fn service(&mut self, name: &Service) -> Option<usize> {
        if let Some(place) = self.services.iter().position(|opened| opened.name == *name) {
            return Some(place);
        }
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
        let Finished { packet, place, version, is_event, bytes: _, began, outcome } = finished;
        if let (Some(began), Some(times), false) = (began, self.times(place), is_event) {
            times.add(version, 1, began.elapsed());
        }
        if let Outcome::Done(body) = outcome {
            return (!is_event).then_some(Input::Reply { packet, body });
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
