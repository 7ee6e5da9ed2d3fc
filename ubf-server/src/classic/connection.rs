//! The task of one connection of a stock peer: it moves bytes, runs handlers and keeps time for a
//! classic session.
//!
//! ```text
//! loop { do what the session says; wait for one of: mail, a handler, room to write, bytes, time; tell the session }
//! ```

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::{sleep_until, timeout};
use ubf_codec::{Document, Term, Text};
use ubf_net::{Peer, Stream};
use ubf_proto::classic::server::{CloseReason, Input, Output, ServerSession};
use ubf_proto::server::Message;
use ubf_proto::{endpoint, server};

use super::{ClassicService, Settled, answer};
use crate::contain::{Contained, contained};
use crate::endpoint::{ConnectionGuard, SharedEndpoint, Welcome};
use crate::erased::{AnyConnection, Outcome, Running};
use crate::failure::Ending;
use crate::handler::Client;
use crate::log::{debug, warn};
use crate::mailbox::{Command, Mailbox, OpenMailbox};

/// Room that is made for each read.
const READ_BYTES: usize = 4096;
/// The most bytes that are read and forgotten after the end: chosen, a client that floods is not
/// listened to.
const MAX_FORGOTTEN: usize = 1 << 20;

/// Serves a connection in a task of its own. It is admitted at once.
pub(crate) fn welcome(
    stream: Stream,
    peer: Peer,
    endpoint: &Arc<SharedEndpoint>,
    settled: &Arc<Settled>,
) {
    welcome_with(stream, BytesMut::new(), peer, endpoint, settled);
}

/// The same, of a stream whose first bytes were read already.
pub(super) fn welcome_with(
    stream: Stream,
    first: BytesMut,
    peer: Peer,
    endpoint: &Arc<SharedEndpoint>,
    settled: &Arc<Settled>,
) {
    match endpoint.admit(peer) {
        // Its own session is of no use here.
        Welcome::Served { guard, start: _ } => {
            let mut connection = Connection::new(guard, Arc::clone(settled));
            connection.tell(Input::Received(first));
            tokio::spawn(Box::new(connection).run(stream));
        }
        // Q11: a stock peer would take a last word for a reply.
        Welcome::TurnedAway { why, start: _ } => debug!(%peer, why, "turned away"),
    }
}

type Calling = Pin<Box<dyn Future<Output = Outcome> + Send>>;

struct Connection {
    guard: ConnectionGuard,
    mailbox: OpenMailbox,
    settled: Arc<Settled>,
    session: ServerSession,
    /// The service of the session, once it has begun.
    service: Option<(ClassicService, Contained<Box<dyn AnyConnection>>)>,
    /// The handler of the request that runs, and its number.
    call: Option<(u64, Calling)>,
    events: FuturesUnordered<Calling>,
    /// Packets that are to be written, each in a write of its own.
    out: VecDeque<Bytes>,
    out_bytes: usize,
    packets: u64,
    end: Option<CloseReason>,
    is_aborted: bool,
}

/// What a connection waits for.
enum Woken {
    Mail(Command),
    Called(Outcome),
    /// The handler of an event has ended.
    Event(Outcome),
    Wrote(usize),
    Read(BytesMut),
    Lost,
    Time,
}

impl Connection {
    fn new(guard: ConnectionGuard, settled: Arc<Settled>) -> Self {
        let now = guard.endpoint.clock.now();
        let config = Arc::clone(&settled.config);
        let session = ServerSession::new(config, Arc::clone(&settled.house), now);
        debug!(peer = %guard.entry.peer, "a stock peer has connected");
        Self {
            mailbox: OpenMailbox(guard.entry.mailbox()),
            guard,
            settled,
            session,
            service: None,
            call: None,
            events: FuturesUnordered::new(),
            out: VecDeque::new(),
            out_bytes: 0,
            packets: 0,
            end: None,
            is_aborted: false,
        }
    }

    async fn run(mut self: Box<Self>, stream: Stream) {
        let (mut reader, mut writer) = split(stream);
        let reason = loop {
            self.do_outputs();
            if let Some(reason) = self.end {
                break reason;
            }
            match self.woken(&mut reader, &mut writer).await {
                Woken::Mail(command) => self.obey(command),
                Woken::Called(outcome) => self.called(outcome),
                Woken::Event(outcome) => self.event_ended(&outcome),
                Woken::Wrote(count) => self.tell(Input::Written(count)),
                Woken::Read(bytes) if bytes.is_empty() => self.tell(Input::EndOfStream),
                Woken::Read(bytes) => self.tell(Input::Received(bytes)),
                Woken::Lost => self.tell(Input::Lost),
                Woken::Time => self.tell(Input::Tick),
            }
        };
        self.record_end(&reason);
        let is_heard = !self.is_aborted && reason != CloseReason::Lost;
        let Self { guard, out, service, call, events, .. } = *self;
        // Handlers are not kept waiting for a client that reads slowly.
        drop((service, call, events));
        if is_heard {
            close(&mut reader, &mut writer, out, guard.endpoint.limits.max_linger_time).await;
        }
        drop(guard);
    }

    async fn woken(
        &mut self,
        reader: &mut ReadHalf<Stream>,
        writer: &mut WriteHalf<Stream>,
    ) -> Woken {
        let limits = &self.guard.endpoint.limits;
        let is_reading = self.session.is_reading() && self.events.len() < limits.max_event_handlers;
        let has_room = self.out_bytes < self.settled.config.max_unread_bytes;
        let deadline = self.session.poll_timeout();
        let deadline = deadline.map(|at| self.guard.endpoint.clock.instant(at));
        let called = async {
            match &mut self.call {
                Some((_, call)) => call.await,
                None => pending().await,
            }
        };
        let written = async {
            match self.out.front_mut() {
                Some(packet) => {
                    let written = writer.write(packet).await;
                    if let Ok(count) = written {
                        packet.advance(count.min(packet.len()));
                    }
                    written
                }
                None => pending().await,
            }
        };
        let mut buffer = BytesMut::new();
        tokio::select! {
            biased;
            command = mail(&self.mailbox, has_room) => Woken::Mail(command),
            outcome = called => Woken::Called(outcome),
            Some(outcome) = self.events.next() => Woken::Event(outcome),
            written = written => match written {
                Ok(count) if count > 0 => {
                    if self.out.front().is_some_and(Bytes::is_empty) {
                        self.out.pop_front();
                    }
                    self.out_bytes = self.out_bytes.saturating_sub(count);
                    Woken::Wrote(count)
                }
                Ok(_) | Err(_) => Woken::Lost,
            },
            read = read(reader, &mut buffer), if is_reading => match read {
                Ok(_) => Woken::Read(buffer),
                Err(_) => Woken::Lost,
            },
            () = async { sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)).await }, if deadline.is_some() => Woken::Time,
        }
    }

    fn tell(&mut self, input: Input) {
        self.session.handle(input, self.guard.endpoint.clock.now());
    }

    /// Does what the session says until that is nothing.
    fn do_outputs(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => {
                    self.out_bytes += bytes.len();
                    self.out.push_back(bytes);
                }
                Output::Start { service, argument } => {
                    let input = self.start(&service, &argument);
                    self.tell(input);
                }
                // The services of a server live as long as it does.
                Output::Restart { .. } => {
                    let why = Term::atom("notRestartable");
                    self.tell(Input::Rejected { why });
                }
                Output::Request(request) => {
                    self.guard.entry.messages.requests.add(1);
                    let call = self.begin(&request.service, request.body, false);
                    match call {
                        Some(call) => self.call = Some((request.number, call)),
                        None => self.tell(Input::Failed),
                    }
                }
                Output::Event { service, body, .. } => {
                    self.guard.entry.messages.events_in.add(1);
                    let event = self.begin(&service, body, true);
                    self.events.extend(event);
                }
                Output::Notice(notice) => {
                    debug!(peer = %self.guard.entry.peer, ?notice, "classic session");
                }
                Output::Close { reason, is_call_cut } => {
                    if is_call_cut && matches!(reason, CloseReason::Shutdown) {
                        self.guard.endpoint.totals.calls_cut.add(1);
                    }
                    self.end = Some(reason);
                }
                _ => debug_assert!(false, "an output that this shell does not know"),
            }
        }
        let running = usize::from(self.call.is_some());
        self.guard.entry.running.store(running, Ordering::Relaxed);
    }

    /// Q6: whether a session of a service begins.
    fn start(&mut self, name: &Text, argument: &Term) -> Input {
        let Some(service) = self.settled.services.get(name).cloned() else {
            return Input::Failed;
        };
        let decided = match &service.start {
            None => Some(Ok((Term::atom("ok"), service.first_state()))),
            Some(start) => contained(|| start(argument)),
        };
        match decided {
            Some(Ok((reply, state))) if self.open(service) => Input::Started { reply, state },
            Some(Err(why)) => Input::Rejected { why },
            Some(Ok(_)) | None => Input::Failed,
        }
    }

    /// The code of the service on this connection. `false`: it panicked as it was told of it.
    fn open(&mut self, service: ClassicService) -> bool {
        let endpoint = &self.guard.endpoint;
        let Some(code) = endpoint.handler(&service.service) else { return false };
        let mailbox = Arc::clone(&self.mailbox.0);
        let client = Client { peer: self.guard.entry.peer, mailbox, place: 0, gate: None };
        let Some(connection) = contained(|| code.open(client)) else { return false };
        self.mailbox.set_spoken(Some(0), service.version);
        self.guard.entry.agree(service.service.clone(), service.version, None);
        self.service = Some((service, Contained::new(connection)));
        true
    }

    /// Runs the handler of a request or an event.
    fn begin(&mut self, name: &Text, body: Document<Bytes>, is_event: bool) -> Option<Calling> {
        if self.service.is_none() {
            // Without a meta level nobody starts it.
            let service = self.settled.services.get(name).cloned()?;
            if !self.open(service) {
                return None;
            }
        }
        let (service, connection) = self.service.as_ref()?;
        self.packets += 1;
        let message = Message {
            packet: self.packets,
            number: None,
            service: service.service.clone(),
            version: service.version,
            body,
            refused: None,
        };
        let running: Running = connection.get()?.begin(message, is_event);
        let max_time = self.guard.endpoint.limits.max_call_time;
        Some(Box::pin(async move {
            timeout(max_time, running).await.map_or(Outcome::TimedOut, Outcome::from)
        }))
    }

    /// A handler has answered.
    fn called(&mut self, outcome: Outcome) {
        let Some((number, _)) = self.call.take() else { return };
        let body = match outcome {
            Outcome::Done(body) => Some(body),
            Outcome::Failed(failure) => match failure.into_parts() {
                (Ending::Replied(reply), _) => Some(reply.into_body()),
                // UBF(C) has no answer for it.
                (Ending::Failed(why), _) => self.gave_up("the handler failed", &why),
                (Ending::Refused(why), _) => self.gave_up("the handler refused", &why),
            },
            Outcome::Crashed => self.crashed(),
            Outcome::TimedOut => {
                self.guard.endpoint.totals.timed_out.add(1);
                self.gave_up("the handler took too long", &Term::atom("timeout"))
            }
        };
        let input = match body.as_ref().and_then(answer::split) {
            Some((reply, state)) => {
                let is_stateless =
                    self.service.as_ref().is_some_and(|(service, _)| service.is_stateless());
                let state = if is_stateless { Text::from_static("none") } else { state };
                Input::Reply { number, reply, state }
            }
            None => Input::Failed,
        };
        self.tell(input);
    }

    fn event_ended(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Done(_) | Outcome::Failed(_) => {}
            Outcome::Crashed => {
                self.crashed();
            }
            Outcome::TimedOut => self.guard.endpoint.totals.timed_out.add(1),
        }
    }

    fn gave_up(&self, what: &'static str, why: &Term) -> Option<Bytes> {
        warn!(peer = %self.guard.entry.peer, what, %why, "a stock peer is left");
        None
    }

    /// N6: the version is withdrawn as for others.
    fn crashed(&self) -> Option<Bytes> {
        let (service, _) = self.service.as_ref()?;
        let (peer, version) = (self.guard.entry.peer, service.version);
        warn!(%peer, service = %service.service, %version, "the handler panicked");
        self.guard.endpoint.totals.failed.add(1);
        let (connection, service) = (self.guard.entry.key, service.service.clone());
        self.guard.endpoint.handle(endpoint::Input::Crashed { connection, service, version });
        None
    }

    /// Does what others want of the connection.
    fn obey(&mut self, command: Command) {
        match command {
            // Of all else nothing concerns a stock peer: it cannot be told to go elsewhere, and is
            // waited for.
            Command::Tell(to, input) if to == self.guard.entry.key => {
                if let server::Input::Close { within, .. } = *input {
                    self.tell(Input::Close { within });
                }
            }
            Command::Cut(to) if to == self.guard.entry.key => {
                self.is_aborted = true;
                self.tell(Input::Lost);
            }
            Command::Send(event) => {
                self.guard.entry.messages.events_out.add(1);
                if let Some(event) = answer::event(&event.body) {
                    self.tell(Input::EventOut(event));
                }
            }
            Command::Tell(..)
            | Command::Cut(_)
            | Command::Attach(_)
            | Command::EndSession
            | Command::Owned(_) => {}
        }
    }

    fn record_end(&self, reason: &CloseReason) {
        let totals = &self.guard.endpoint.totals;
        if matches!(reason, CloseReason::BadSyntax(_)) {
            totals.bad_syntax.add(1);
        } else if matches!(reason, CloseReason::Lost) {
            totals.lost.add(1);
        } else if matches!(
            reason,
            CloseReason::PacketTime | CloseReason::IdleTime | CloseReason::SlowReader
        ) {
            totals.too_slow.add(1);
        }
        debug!(peer = %self.guard.entry.peer, %reason, "closed");
    }
}

/// The next thing that others want.
async fn mail(mailbox: &Mailbox, has_room: bool) -> Command {
    poll_fn(|cx| {
        mailbox.register(cx.waker());
        mailbox.take(has_room).map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

async fn read(reader: &mut ReadHalf<Stream>, buffer: &mut BytesMut) -> std::io::Result<usize> {
    buffer.reserve(READ_BYTES);
    reader.read_buf(buffer).await
}

/// Writes what is left, and waits for the client's end: a socket that is closed with unread bytes
/// may take away what its client has not read.
async fn close(
    reader: &mut ReadHalf<Stream>,
    writer: &mut WriteHalf<Stream>,
    out: VecDeque<Bytes>,
    within: Duration,
) {
    let farewell = async {
        for packet in out {
            writer.write_all(&packet).await?;
        }
        writer.shutdown().await?;
        let (mut forgotten, mut buffer) = (0, BytesMut::new());
        while forgotten < MAX_FORGOTTEN {
            buffer.clear();
            match read(reader, &mut buffer).await? {
                0 => break,
                count => forgotten += count,
            }
        }
        Ok::<_, std::io::Error>(())
    };
    // Whether the client closes in time makes no difference.
    let _is_closed = timeout(within, farewell).await.is_ok();
}
