//! The machines of both ends, without sockets: a batch of calls, in a session and without one.

use std::hint::black_box;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Version, ubf};
use ubf_proto::client::{Call, CallId, Config, ConnectionId, SessionPlan};
use ubf_proto::server::{self, Scratch, SessionAnswer, SessionRequest};
use ubf_proto::session::{Grant, Level, SessionId};
use ubf_proto::{ClientSession, Offer, ServerSession, Time, Versions, body, client};

use super::{Bench, MACHINES, Work};
use crate::Error;

/// Calls of an echo of a hundred bytes.
pub(super) const CALLS: &str = "64 calls";

const BATCH: usize = 64;
const TEXT: &str =
    "the recognition stack of a packet holds one term when it ends, and every register is empty";

pub(super) fn operations(bench: &mut Bench) -> Result<(), Error> {
    let bytes = (requests().len(), replies().len());
    for is_session in [false, true] {
        let by = if is_session { format!("{MACHINES}, in a session") } else { MACHINES.to_owned() };
        let mut end = ServerEnd::open(is_session)?;
        bench.check(&by, &end.answer(), &(bytes.1, is_session))?;
        bench.add(Work::Answer, &by, bytes.0, move || {
            black_box(end.answer());
        });
        let mut end = ClientEnd::open(is_session)?;
        bench.check(&by, &end.call(), &(BATCH, is_session))?;
        bench.add(Work::Call, &by, bytes.1, move || {
            black_box(end.call());
        });
    }
    Ok(())
}

fn request_body() -> Bytes {
    body(&ubf!({call, 4711, (TEXT)}))
}

fn reply_body() -> Bytes {
    let request = ubf!({call, 4711, (TEXT)});
    body(&ubf!({(request), start}))
}

fn requests() -> Vec<u8> {
    [b"1 ", &*request_body()].concat().repeat(BATCH)
}

fn replies() -> Vec<u8> {
    [b"1 ? ", &*reply_body()].concat().repeat(BATCH)
}

/// What a server grants to a client that wishes for what it would by itself.
fn grant() -> Grant {
    let plan = SessionPlan::wanted();
    let (window, bytes, keep) = (plan.window(), plan.bytes(), plan.keep());
    Grant { window, bytes, kept: 16 << 20, keep, level: Level::Memory }
}

/// A server's machine whose handlers answer at once, as its shell drives it.
struct ServerEnd {
    machine: ServerSession,
    scratch: Option<Scratch>,
    requests: Vec<u8>,
    reply: Bytes,
    /// Of the session.
    answered: u64,
}

impl ServerEnd {
    fn open(is_session: bool) -> Result<Self, Error> {
        let config = Arc::new(server::Config::default());
        let offer = Arc::new(Offer::from(Versions::of([1])));
        let mut machine = ServerSession::new(config, offer, Time::ZERO);
        let wish = "{'session'16~0123456789abcdef~1024 4194304 60000}&";
        let options = if is_session { wish } else { "" };
        let negotiate = format!("0 {{'negotiate'1?#1&#{options}}}$");
        machine.handle(server::Input::Received(BytesMut::from(&*negotiate)), Time::ZERO);
        let (requests, reply) = (requests(), reply_body());
        let mut end = Self { machine, scratch: None, requests, reply, answered: 0 };
        end.run();
        if end.machine.version().is_none() {
            return Err("the server's machine agrees on no version".into());
        }
        Ok(end)
    }

    /// Takes in a batch of requests, and answers them. Bytes that are sent, and whether there is a
    /// session.
    fn answer(&mut self) -> (usize, bool) {
        if let Some(scratch) = self.scratch.take() {
            self.machine.attach(scratch);
        }
        let mut received = BytesMut::with_capacity(self.requests.len() + 64);
        if self.machine.has_session() {
            // A client tells what it has seen about as often: after 64 KiB.
            received.extend_from_slice(format!("0 {{'seen'{} 0}}$", self.answered).as_bytes());
        }
        received.extend_from_slice(&self.requests);
        self.machine.handle(server::Input::Received(received), Time::ZERO);
        let sent = self.run();
        self.answered += BATCH as u64;
        (sent, self.machine.has_session())
    }

    fn run(&mut self) -> usize {
        let mut sent = 0;
        while let Some(output) = self.machine.poll_output() {
            let input = match output {
                server::Output::Transmit { packet, .. } => {
                    sent += packet.len();
                    continue;
                }
                server::Output::Request(message) => {
                    server::Input::Reply { packet: message.packet, body: self.reply.clone() }
                }
                server::Output::Session(SessionRequest::Open { .. }) => {
                    server::Input::Session(SessionAnswer::Granted(grant()))
                }
                server::Output::Session(SessionRequest::Resume { .. })
                | server::Output::Event(_)
                | server::Output::Seen { .. }
                | server::Output::SessionOver { .. }
                | server::Output::Close { .. }
                | server::Output::Notice(_)
                | _ => continue,
            };
            self.machine.handle(input, Time::ZERO);
        }
        self.machine.handle(server::Input::Written(sent), Time::ZERO);
        self.scratch = self.machine.release();
        sent
    }
}

/// A client's machine whose requests are answered at once.
struct ClientEnd {
    machine: ClientSession,
    replies: Vec<u8>,
    request: Bytes,
    next: u64,
    ended: usize,
    /// Bytes that are sent and not told to be written.
    sent: usize,
}

const CONNECTION: ConnectionId = ConnectionId(0);

impl ClientEnd {
    fn open(is_session: bool) -> Result<Self, Error> {
        let mut config = Config::new(vec!["192.0.2.1:4000".parse()?], Versions::of([1]));
        config.session = if is_session { SessionPlan::wanted() } else { SessionPlan::off() };
        let machine = ClientSession::new(config, 1, Time::ZERO);
        let (replies, request) = (replies(), request_body());
        let mut end = Self { machine, replies, request, next: 0, ended: 0, sent: 0 };
        end.run();
        let connected = client::Input::Connected { connection: CONNECTION, peer: None, tls: false };
        end.machine.handle(connected, Time::ZERO);
        end.run();
        let granted = "{'session'1024 4194304 16777216 60000'memory'}&";
        let options = if is_session { granted } else { "" };
        end.receive(format!("1 ? {{'agreed'1?#1&#{options}}}$").as_bytes());
        if end.machine.version().is_none() {
            return Err("the client's machine agrees on no version".into());
        }
        Ok(end)
    }

    /// Calls, and takes in the replies. How many calls have ended, and whether there is a session.
    fn call(&mut self) -> (usize, bool) {
        let before = self.ended;
        for _ in 0..BATCH {
            let mut call = Call::request(CallId(self.next));
            call.rendered = Some((Version::MIN, self.request.clone()));
            call.is_constant = true;
            self.next += 1;
            self.machine.handle(client::Input::Call(call), Time::ZERO);
        }
        self.run();
        let replies = std::mem::take(&mut self.replies);
        self.receive(&replies);
        self.replies = replies;
        (self.ended - before, self.machine.session().is_some())
    }

    fn receive(&mut self, bytes: &[u8]) {
        let bytes = BytesMut::from(bytes);
        self.machine.handle(client::Input::Received { connection: CONNECTION, bytes }, Time::ZERO);
        self.run();
    }

    fn run(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                client::Output::Transmit { packet, .. } => self.sent += packet.len(),
                client::Output::Ended { outcome, .. } => self.ended += usize::from(outcome.is_ok()),
                client::Output::NeedSessionId => {
                    let id = SessionId::from_bytes(*b"0123456789abcdef");
                    self.machine.handle(client::Input::SessionId(id), Time::ZERO);
                }
                client::Output::Connect { .. }
                | client::Output::Close { .. }
                | client::Output::Render { .. }
                | client::Output::EventOut { .. }
                | client::Output::Notice(_)
                | client::Output::Finished
                | _ => {}
            }
        }
        let count = std::mem::take(&mut self.sent);
        self.machine.handle(client::Input::Written { connection: CONNECTION, count }, Time::ZERO);
    }
}
