//! The specification's sessions, run against both ends.
//!
//! Each end is run alone: it is given what the other one sends according to the vector, and must send exactly its own bytes. So a
//! mistake that both make is found too.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod script;

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Version};
use ubf_proto::client::{self, Call, CallId, ConnectionId};
use ubf_proto::server::{self, ServerSession};
use ubf_proto::{ClientSession, Offer, Service, Time, Versions};

use crate::script::{Session, Step};

fn sessions() -> Vec<(String, Session)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/sessions");
    let mut sessions = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let file: script::File = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        sessions.extend(file.session.into_iter().map(|session| (format!("{name}: {}", session.name), session)));
    }
    assert!(!sessions.is_empty());
    sessions
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the session asked for, as steps; bytes are joined.
#[derive(Default)]
struct Seen {
    steps: VecDeque<Step>,
}

impl Seen {
    fn expect(&mut self, expected: &Step, name: &str, index: usize) {
        let found = self.steps.pop_front();
        assert_eq!(found.as_ref(), Some(expected), "{name}: step {index}");
    }

    fn expect_nothing(&self, name: &str, index: usize) {
        assert!(self.steps.is_empty(), "{name}: before step {index}: {:?}", self.steps);
    }
}

#[test]
fn the_client_sends_what_the_vectors_say() {
    for (name, session) in sessions() {
        let now = Time::ZERO;
        let mut config = client::Config::new(
            vec!["192.0.2.1:4000".parse().unwrap()],
            Versions::of(session.client_versions.iter().copied()),
        );
        config.grease = false;
        config.service = session.service.as_deref().map_or(Service::DEFAULT, Service::from);
        config.remembered = session.remembered.map(version);
        let mut client = ClientSession::new(config, 1, now);
        let connection = ConnectionId(0);
        let mut seen = Seen::default();
        drive_client(&mut client, &mut seen);
        client.handle(client::Input::Connected { connection, peer: None, tls: false }, now);
        drive_client(&mut client, &mut seen);
        let mut ids: Vec<String> = Vec::new();
        for (index, step) in session.step.iter().enumerate() {
            match step {
                // What the client does by itself.
                Step::Client { .. } | Step::Done { .. } | Step::Failed { .. } | Step::EventOut { .. } => {
                    seen.expect(step, &name, index);
                    continue;
                }
                Step::Render { render, version: number, body } => {
                    let question = Step::Render { render: render.clone(), version: *number, body: String::new() };
                    seen.expect(&question, &name, index);
                    let call = CallId(render_id(render, &mut ids));
                    let body = Bytes::from(body.clone());
                    client.handle(client::Input::Rendered { call, version: version(*number), body }, now);
                }
                // What happens at the server.
                Step::Request { .. }
                | Step::Reply { .. }
                | Step::Fail { .. }
                | Step::EventIn { .. }
                | Step::Notify { .. } => continue,
                Step::Server { server } => {
                    seen.expect_nothing(&name, index);
                    let bytes = BytesMut::from(server.as_bytes());
                    client.handle(client::Input::Received { connection, bytes }, now);
                }
                Step::Call { call } => {
                    seen.expect_nothing(&name, index);
                    client.handle(client::Input::Call(Call::request(CallId(render_id(call, &mut ids)))), now);
                }
                Step::Event { event } => {
                    seen.expect_nothing(&name, index);
                    client.handle(client::Input::Call(Call::event(CallId(render_id(event, &mut ids)))), now);
                }
                Step::Crash { crash } => {
                    seen.expect_nothing(&name, index);
                    let why = Term::atom("crash");
                    client.handle(client::Input::Crashed { version: version(*crash), call: None, why }, now);
                }
                Step::Withdraw { .. } => continue,
            }
            drive_client(&mut client, &mut seen);
        }
        seen.expect_nothing(&name, session.step.len());
    }
}

fn render_id(name: &str, ids: &mut Vec<String>) -> u64 {
    NAMES.iter().position(|known| *known == name).unwrap_or_else(|| {
        ids.push(name.to_owned());
        panic!("calls are named one, two, three, four, five: {ids:?}")
    }) as u64
}

const NAMES: [&str; 6] = ["zero", "one", "two", "three", "four", "five"];

fn drive_client(client: &mut ClientSession, seen: &mut Seen) {
    while let Some(output) = client.poll_output() {
        let name = |call: CallId| NAMES[call.0 as usize].to_owned();
        match output {
            client::Output::Transmit { packet, .. } => {
                seen.steps.push_back(Step::Client { client: text(&packet.to_bytes()) });
            }
            client::Output::Render { call, version } => {
                seen.steps.push_back(Step::Render { render: name(call), version: version.get(), body: String::new() });
            }
            client::Output::Ended { call, outcome: Ok(client::Done::Reply { version, body }) } => {
                let body = text(body.source());
                seen.steps.push_back(Step::Done { done: name(call), version: version.get(), body });
            }
            client::Output::Ended { call, outcome: Ok(client::Done::Taken { version }) } => {
                seen.steps.push_back(Step::Done { done: name(call), version: version.get(), body: String::new() });
            }
            client::Output::Ended { call, outcome: Err(client::CallError::Failed { .. }) } => {
                seen.steps.push_back(Step::Failed { failed: name(call), why: "failed".to_owned() });
            }
            client::Output::Ended { call, outcome: Err(error) } => {
                seen.steps.push_back(Step::Failed { failed: name(call), why: error.to_string() });
            }
            client::Output::EventOut { version, body } => {
                let body = text(body.source());
                seen.steps.push_back(Step::EventOut { event_out: body, version: version.get() });
            }
            client::Output::Connect { .. } | client::Output::Notice(_) => {}
            other @ (client::Output::Close { .. } | client::Output::Finished) => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_server_sends_what_the_vectors_say() {
    for (name, session) in sessions() {
        let now = Time::ZERO;
        let service = session.service.as_deref().map_or(Service::DEFAULT, Service::from);
        let versions = Versions::of(session.server_versions.iter().copied());
        let mut offer = Offer::new().with_service(service.clone(), versions);
        let mut server = ServerSession::new(Arc::new(server::Config::default()), Arc::new(offer.clone()), now);
        let mut seen = Seen::default();
        for (index, step) in session.step.iter().enumerate() {
            match step {
                Step::Server { .. } | Step::Request { .. } | Step::EventIn { .. } => {
                    seen.expect(step, &name, index);
                    continue;
                }
                Step::Client { client } => {
                    // What the server has sent may still be on its way: the order is checked, each way for itself.
                    server.handle(server::Input::Received(BytesMut::from(client.as_bytes())), now);
                }
                Step::Reply { reply, body } => {
                    let body = Bytes::from(body.clone());
                    server.handle(server::Input::Reply { packet: *reply, body }, now);
                }
                Step::Fail { fail } => {
                    server.handle(server::Input::Failed { packet: *fail, why: Term::atom("crash") }, now);
                }
                Step::Notify { notify, body } => {
                    let body = Bytes::from(body.clone());
                    server.handle(server::Input::EventOut { version: version(*notify), body }, now);
                }
                Step::Withdraw { withdraw } => {
                    assert!(offer.withdraw(&service, version(*withdraw)), "{name}: step {index}");
                    server.handle(server::Input::Offer(Arc::new(offer.clone())), now);
                }
                Step::Call { .. }
                | Step::Event { .. }
                | Step::Crash { .. }
                | Step::Render { .. }
                | Step::Done { .. }
                | Step::Failed { .. }
                | Step::EventOut { .. } => continue,
            }
            while let Some(output) = server.poll_output() {
                match output {
                    server::Output::Transmit(packet) => {
                        seen.steps.push_back(Step::Server { server: text(&packet.to_bytes()) });
                    }
                    server::Output::Request(message) => {
                        seen.steps.push_back(Step::Request { request: message.packet, version: message.version.get() });
                    }
                    server::Output::Event(message) => {
                        seen.steps
                            .push_back(Step::EventIn { event_in: message.packet, version: message.version.get() });
                    }
                    server::Output::Notice(_) => {}
                    other @ server::Output::Close { .. } => panic!("{name}: {other:?}"),
                }
            }
        }
        seen.expect_nothing(&name, session.step.len());
    }
}
