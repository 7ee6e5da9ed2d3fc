//! The callers: they call, render, and look at what comes back.

use bytes::Bytes;
use ubf_codec::{Term, Version, View, ubf};
use ubf_proto::body;
use ubf_proto::client::{self, Call, CallId, ConnectionId, Notice};
use ubf_proto::control::ClientControl;
use ubf_proto::session::SessionId;

use super::faults::Fault;
use super::nodes::Node;
use super::setting::{MAX_PENDING, Weather};
use super::{Event, Piece, World, log, node_of, numbers};
use crate::model::{End, choose};

/// Longer than it takes in calm weather until a call that was sent is answered.
const MAX_ANSWER_MS: u64 = 20_000;

/// The call that is sent by this packet, if it is one.
fn call_of(packet: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(packet).ok()?;
    let (_, fields) = text.split_once("{'do_'")?;
    fields.split(' ').nth(1)?.parse().ok()
}

impl World {
    pub(super) fn make_call(&mut self, client: usize, is_probe: bool) {
        let is_event = !is_probe && self.random.below(8) == 0;
        let is_idempotent = !is_probe && self.random.below(4) == 0;
        let is_cancelled = !is_probe && self.weather != Weather::Calm && self.random.below(20) == 0;
        let caller = &mut self.clients[client];
        caller.next_call += 1;
        let number = caller.next_call;
        if is_probe {
            caller.probes.insert(number);
        }
        if is_event {
            caller.events.insert(number);
        }
        self.ledger.begin(client, number, is_idempotent);
        let call = Call { is_event, is_idempotent, ..Call::request(CallId(number)) };
        log!(
            self,
            "client {client} calls {number}{}{}",
            if is_event { ", an event" } else { "" },
            if is_idempotent { ", idempotent" } else { "" }
        );
        self.hand_in(client, call);
        if is_cancelled {
            self.tell_client(client, client::Input::Cancel { call: CallId(number) });
        }
    }

    /// Every other request is written before it is handed in, and leaves at once if it may.
    fn hand_in(&mut self, index: usize, call: Call) {
        let client = &mut self.clients[index];
        let number = client.session.version().map(Version::get).filter(|number| {
            call.id.0 % 2 == 1
                && !call.is_event
                && !client.crashing.contains(number)
                && !(call.id.0 + u64::from(*number)).is_multiple_of(29)
        });
        let Some(number) = number else {
            return self.tell_client(index, client::Input::Call(call));
        };
        let request = body(&ubf!({do_, (index), (call.id.0), (number)}));
        let call = Call { rendered: client.session.version().zip(Some(request)), ..call };
        let now = self.client_time(index);
        let sent = match self.clients[index].session.send_at_once(call, now) {
            Ok(leaving) => Ok((leaving.connection, [&leaving.head, leaving.body].concat())),
            Err(call) => Err(call),
        };
        match sent {
            Ok((connection, bytes)) => {
                self.send_of_client(index, connection, bytes.into());
                self.look_at_client(index);
            }
            Err(call) => self.tell_client(index, client::Input::Call(call)),
        }
    }

    pub(super) fn tell_client(&mut self, index: usize, input: client::Input) {
        let now = self.client_time(index);
        self.clients[index].session.handle(input, now);
        let mut outputs = 0;
        while let Some(output) = self.clients[index].session.poll_output() {
            outputs += 1;
            assert!(outputs < 10_000, "client {index} has no end of things to do");
            self.do_for_client(index, output);
        }
        self.look_at_client(index);
    }

    fn look_at_client(&mut self, index: usize) {
        let session = &self.clients[index].session;
        assert!(session.open_calls() <= MAX_PENDING, "L1");
        if let Some(at) = session.poll_timeout() {
            let at = self.clients[index].clock.world_time(at);
            if at < self.clients[index].woken {
                self.clients[index].woken = at;
                self.at(at, Event::WakeClient(index));
            }
        }
    }

    pub(super) fn do_for_client(&mut self, index: usize, output: client::Output) {
        match output {
            client::Output::Connect { connection, address, tls: None, .. } => {
                log!(self, "client {index} dials {address} as {}", connection.0);
                let delay = 1 + self.random.below(50);
                self.at(self.now + delay, Event::Arrive { client: index, connection, address });
            }
            client::Output::Connect { tls: Some(_), .. } => panic!("nobody asked for TLS"),
            client::Output::Transmit { connection, packet } => {
                self.send_of_client(index, connection, packet.to_bytes());
            }
            client::Output::Close { connection } => {
                log!(self, "client {index} closes {}", connection.0);
                if let Some(pipe) = self.clients[index].pipes.remove(&connection) {
                    self.put_piece(pipe, true, Piece::End);
                }
            }
            client::Output::Render { call, version } => self.render(index, call, version),
            client::Output::Ended { call, outcome } => self.ended(index, call, outcome),
            client::Output::NeedSessionId => {
                let halves = [self.random.next_u64(), self.random.next_u64()];
                let id = halves.map(u64::to_be_bytes).concat().try_into().unwrap();
                let input = client::Input::SessionId(SessionId::from_bytes(id));
                let now = self.client_time(index);
                self.clients[index].session.handle(input, now);
            }
            client::Output::EventOut { connection, body, .. } => {
                self.hear(index, connection, body.root());
            }
            client::Output::Notice(notice) => self.noticed(index, &notice),
            other => panic!("nobody asked for {other:?}"),
        }
    }

    fn send_of_client(&mut self, index: usize, connection: ConnectionId, bytes: Bytes) {
        let count = bytes.len();
        log!(self, "client {index} on {}: {}", connection.0, String::from_utf8_lossy(&bytes));
        self.check_negotiation(index, connection, &bytes);
        if let Some(call) = call_of(&bytes) {
            let client = &mut self.clients[index];
            client.sent.insert(call, self.now);
            if !client.in_session.contains(&connection) {
                client.sent_outside.insert(call);
            }
        }
        if let Some(&pipe) = self.clients[index].pipes.get(&connection) {
            self.put(pipe, true, bytes);
            let now = self.client_time(index);
            self.clients[index].session.handle(client::Input::Written { connection, count }, now);
        }
    }

    pub(super) fn render(&mut self, index: usize, call: CallId, version: Version) {
        let number = version.get();
        let client = &mut self.clients[index];
        assert!(client.side.acceptable().contains(&number), "N9: asked for version {number}");
        let now = client.clock.read(self.now);
        let input = if client.crashing.contains(&number) {
            client::Input::Crashed { version, call: Some(call), why: Term::atom("crash") }
        } else if (call.0 + u64::from(number)).is_multiple_of(29) {
            client::Input::Inexpressible { call, version }
        } else {
            let request = ubf!({do_, (index), (call.0), (number)});
            let is_event = client.events.contains(&call.0);
            let body = if is_event { body(&ubf!({event_in, (request)})) } else { body(&request) };
            client::Input::Rendered { call, version, body }
        };
        client.session.handle(input, now);
    }

    pub(super) fn ended(
        &mut self,
        index: usize,
        call: CallId,
        outcome: Result<client::Done, client::CallError>,
    ) {
        log!(self, "client {index}: call {} ends: {outcome:?}", call.0);
        let is_probe = self.clients[index].probes.contains(&call.0);
        self.clients[index].chase.call_ended(&outcome);
        match outcome {
            Ok(client::Done::Reply { body, version, .. }) => {
                let View::Tuple(reply) = body.root().view() else { panic!("a reply is a tuple") };
                let Some([response, _]) = reply.to_array() else { panic!("of two") };
                let View::Tuple(response) = response.view() else { panic!("ours is a tuple") };
                let Some(fields) = response.to_array::<4>() else { panic!("of four") };
                let [to, number, execution, written] =
                    fields.map(|field| field.as_i64().unwrap() as u64);
                assert_eq!((to, number), (index as u64, call.0), "the reply to another call");
                assert_eq!(written, u64::from(version.get()));
                self.ledger.reply(index, call.0, execution);
                self.ledger.end(index, call.0, End::Done);
                self.summary.ok += 1;
            }
            Ok(client::Done::Taken { .. }) => {
                self.ledger.end(index, call.0, End::Taken);
                self.summary.ok += 1;
            }
            Err(error) => {
                let may_have_run = error.may_have_run();
                self.ledger.end(
                    index,
                    call.0,
                    if may_have_run { End::MayHaveRun } else { End::NotRun },
                );
                let is_failed = matches!(error, client::CallError::Failed { .. });
                self.summary.failed += u64::from(is_failed);
                self.summary.indeterminate += u64::from(may_have_run && !is_failed);
                self.summary.not_run += u64::from(!may_have_run);
                // What is planned leaves no call in doubt, nor does a cut in a session.
                let is_its_own_doing = matches!(
                    error,
                    client::CallError::Deadline { .. }
                        | client::CallError::Cancelled { .. }
                        | client::CallError::Unreadable { .. }
                );
                assert!(
                    self.may_be_in_doubt(index, call)
                        || is_failed
                        || !may_have_run
                        || is_its_own_doing,
                    "R1, S6: {error}"
                );
                let is_late =
                    matches!(error, client::CallError::Deadline { may_have_run: true, .. })
                        && self.was_sent_long_ago(index, call);
                assert!(!is_late, "S3: {error}");
                let is_expected = match error {
                    client::CallError::Inexpressible { .. } => true,
                    client::CallError::NoCommonVersion { .. }
                    | client::CallError::Deadline { .. } => {
                        let client = &self.clients[index].side;
                        let has_common = |node: &Node| {
                            choose(&client.acceptable(), &node.side.versions).is_some()
                        };
                        !self.nodes.iter().all(has_common)
                    }
                    _ => false,
                };
                assert!(
                    !is_probe || is_expected,
                    "nothing is wrong any more, and client {index} gets: {error}"
                );
            }
        }
    }

    /// R1, S6: what is planned leaves no call in doubt, nor does a cut in a session. Outside of one
    /// are calls that may run twice and are sent at once (S1.11), and those of a connection that
    /// had no common version at first (S1.8).
    fn may_be_in_doubt(&self, client: usize, call: CallId) -> bool {
        match self.weather {
            Weather::Calm => false,
            Weather::Cuts => self.clients[client].sent_outside.contains(&call.0),
            Weather::Wild => true,
        }
    }

    /// S3: where nothing is lost, and nobody is sent to where nobody is admitted, the answer to
    /// what was sent comes in time.
    fn was_sent_long_ago(&self, client: usize, call: CallId) -> bool {
        let may_wait = self.faults.iter().any(|fault| matches!(fault, Fault::Cordon | Fault::Move));
        let sent = self.clients[client].sent.get(&call.0);
        self.weather == Weather::Calm
            && !may_wait
            && sent.is_some_and(|&at| self.now > at + MAX_ANSWER_MS)
    }

    pub(super) fn check_negotiation(
        &mut self,
        index: usize,
        connection: ConnectionId,
        bytes: &[u8],
    ) {
        let Some(body) = bytes.strip_prefix(b"0 ") else { return };
        let document = ubf_codec::decode(body).unwrap();
        if let Ok(ClientControl::Negotiate(negotiate)) = ClientControl::from_term(document.root()) {
            let list = numbers(&negotiate.versions);
            let now = self.client_time(index).as_millis();
            let client = &mut self.clients[index];
            client.side.check_list(&list, now);
            client.asked.insert(connection, list);
        }
    }

    pub(super) fn noticed(&mut self, index: usize, notice: &Notice) {
        log!(self, "client {index}: {notice:?}");
        let now = self.client_time(index).as_millis();
        let client = &mut self.clients[index];
        match notice {
            Notice::Agreed { connection, session, version, spoken, address: at, .. } => {
                if session.is_some() {
                    client.in_session.insert(*connection);
                }
                let spoken = numbers(spoken);
                let is_right = client
                    .asked
                    .values()
                    .any(|asked| choose(asked, &spoken) == Some(version.get()));
                assert!(is_right, "N1: {version} of {spoken:?}");
                assert!(version.get() >= client.side.floor, "N9");
                assert!(node_of(at, self.nodes.len()).is_some());
            }
            Notice::EventsMissed { count, .. } => {
                let count = count.expect("a server that keeps all in memory knows it");
                assert!(self.setting.may_miss, "S4: {count} events were not kept");
                client.heard.missed += count;
                self.summary.missed += count;
            }
            Notice::Moved { hops, .. } => client.chase.moved(*hops, now),
            Notice::QuarantineOpened { version, until } => {
                let longest = 3_600_000 * 6 / 5;
                assert!(until.as_millis() <= now + longest, "N7");
                client.side.held.insert(version.get(), until.as_millis());
            }
            Notice::Lost { reason: client::LossReason::Violation(violation), .. } => {
                panic!("{violation}")
            }
            Notice::Lost { reason: client::LossReason::BadSyntax(error), .. } => panic!("{error}"),
            Notice::Lost { reason: client::LossReason::BadControl(error), .. } => panic!("{error}"),
            Notice::Lost { reason: client::LossReason::ReportedError { why, .. }, .. } => {
                panic!("{why:?}")
            }
            _ => {}
        }
    }
}
