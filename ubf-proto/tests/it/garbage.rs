//! Broken bytes, wrong answers and senseless inputs: nothing panics, every call ends once, and the
//! session comes to rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Version};
use ubf_proto::client::{self, Call, CallId, ClientSession, ConnectionId};
use ubf_proto::server::{self, ServerSession};
use ubf_proto::session::SessionId;
use ubf_proto::{Offer, Random, Time, Versions};

/// Packets of both sides, good ones and nearly good ones.
const PACKETS: &[&str] = &[
    "0 {'negotiate'1?#3&10&#}$",
    "0 {'negotiate'1?#9&#}$",
    "0 'ping'$",
    "10 'a'$",
    "3 {'event_in'1}$",
    "8 {}$",
    "0 {'error''x'7}$",
    "10 ? {'agreed'1?#3&10&#}$",
    "3 ? {'agreed'1?#3&#}$",
    "0 ? {'no_common_version'1?#9&}$",
    "0 ? {'refused'{'version'10}#3&2}$",
    "0 ? {'refused''busy'#3&3}$",
    "0 ? {'failed''crash'#3&2}$",
    "0 \"192.0.2.2:4000\" {'moved'10}$",
    "0 \"192.0.2.3:4000,127.0.0.1:80\" {'closing''bye'2}$",
    "0 ? 'pong'$",
    "10 ? {1's'}$",
    "3 \"192.0.2.2:4000\" {1's'}$",
    "10 ? {'event_out'1}$",
    "10 ? {'agreed'1?#3&10&#{'session'4 100 65536 60000'memory'}&}$",
    "10 ? {'agreed'1?#3&10&#{'session'4 100 65536 60000'memory'}&}$",
    "3 ? {'agreed'1?#3&#{'resumed'1 0}&}$",
    "10 ? {'agreed'1?#3&10&#{'resumed'0'unknown'}&}$",
    "10 ? {'agreed'1?#3&10&#{'resumed'2 3}&}$",
    "10 ? {'agreed'1?#3&10&#{'no_session''unknown'}&}$",
    "10 \"192.0.2.2:4000\" {'agreed'1?#3&10&#{'no_session''elsewhere'}&}$",
    "0 ? {'no_common_version'1?#9&#{'resumed'1 0}&}$",
    "0 ? {'refused'{'version'10}#3&0 1}$",
    "0 ? {'failed''crash'#3&0 1}$",
    "0 ? {'failed''crash'#3&2 1}$",
    "0 {'seen'1 0}$",
    "99999999999 ? $",
    "10 {}}$",
    "\n",
];

fn bytes(random: &mut Random) -> BytesMut {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(3) {
        bytes.extend_from_slice(PACKETS[random.below(PACKETS.len() as u64) as usize].as_bytes());
    }
    if random.below(4) == 0 {
        let place = random.below(bytes.len() as u64) as usize;
        bytes[place] = random.below(256) as u8;
    }
    if random.below(4) == 0 {
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
    }
    BytesMut::from(&bytes[..])
}

fn version(random: &mut Random) -> Version {
    Version::new([3, 8, 10][random.below(3) as usize]).unwrap()
}

#[test]
fn a_client_survives_what_no_server_says() {
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let addresses = vec!["192.0.2.1:4000".parse().unwrap()];
        let config = client::Config::new(addresses, Versions::of([3, 8, 10]));
        let mut session = ClientSession::new(config, seed, Time::ZERO);
        let mut open = BTreeSet::new();
        let mut connections = 0;
        let mut now = 0;
        for step in 0..60 {
            now += random.below(3_000);
            let connection = ConnectionId(random.below(connections + 1));
            let call = CallId(1 + random.below(step + 1));
            let input = match random.below(13) {
                0..5 => client::Input::Received { connection, bytes: bytes(&mut random) },
                5 | 6 => client::Input::Connected { connection, peer: None, tls: false },
                7 => client::Input::Closed { connection },
                8 => client::Input::Written { connection, count: random.below(1_000) as usize },
                9 => client::Input::Crashed {
                    version: version(&mut random),
                    call: Some(call),
                    why: Term::Undefined,
                },
                10 => client::Input::Cancel { call },
                // L1: it may stop for good, and every call ends nevertheless.
                11 => client::Input::Reading { is_reading: random.below(2) == 0 },
                _ => {
                    let id = CallId(1_000 + step);
                    open.insert(id);
                    let rendered = Some((version(&mut random), Bytes::from_static(b"1$")));
                    client::Input::Call(Call {
                        rendered,
                        is_event: random.below(3) == 0,
                        ..Call::request(id)
                    })
                }
            };
            session.handle(input, Time::from_millis(now));
            drive(&mut session, &mut open, &mut connections, &mut random, seed);
            assert_eq!(session.open_calls(), open.len(), "seed {seed}");
        }
        // All waiting ends: nothing answers any more.
        for _ in 0..10_000 {
            if open.is_empty() {
                break;
            }
            let at =
                session.poll_timeout().unwrap_or_else(|| panic!("seed {seed} waits for nothing"));
            now = now.max(at.as_millis());
            session.handle(client::Input::Tick, Time::from_millis(now));
            drive(&mut session, &mut open, &mut connections, &mut random, seed);
        }
        assert!(open.is_empty(), "seed {seed}: {open:?}");
    }
}

fn drive(
    session: &mut ClientSession,
    open: &mut BTreeSet<CallId>,
    connections: &mut u64,
    random: &mut Random,
    seed: u64,
) {
    let mut count = 0;
    while let Some(output) = session.poll_output() {
        count += 1;
        assert!(count < 10_000, "seed {seed} has no end of things to do");
        match output {
            client::Output::Ended { call, .. } => {
                assert!(open.remove(&call), "seed {seed}: {call:?} ended twice");
            }
            client::Output::Connect { connection, .. } => *connections = connection.0,
            client::Output::NeedSessionId if random.below(4) > 0 => {
                let id = SessionId::from_bytes([random.below(256) as u8; 16]);
                session.handle(client::Input::SessionId(id), Time::ZERO);
            }
            client::Output::Render { call, version } if random.below(4) > 0 => {
                let body = Bytes::from_static(b"'x'$");
                session.handle(client::Input::Rendered { call, version, body }, Time::ZERO);
            }
            _ => {}
        }
    }
}

#[test]
fn a_server_survives_what_no_client_says() {
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let offer = Arc::new(Offer::from(Versions::of([3, 10])));
        let config = Arc::new(server::Config::default());
        let mut session = ServerSession::new(config, offer.clone(), Time::ZERO);
        let mut now = 0;
        let mut has_closed = false;
        for _ in 0..40 {
            now += random.below(2_000);
            let packet = random.below(20);
            let input = match random.below(14) {
                0..7 => server::Input::Received(bytes(&mut random)),
                7 => server::Input::Reply { packet, body: Bytes::from_static(b"{1's'}$") },
                8 => server::Input::Failed { packet, why: Term::Undefined },
                9 => server::Input::EventOut {
                    version: version(&mut random),
                    body: Bytes::from_static(b"{'event_out'1}$"),
                },
                10 => server::Input::Written(random.below(1_000) as usize),
                11 => {
                    let until = Time::from_millis(now + 1_000);
                    server::Input::Drain {
                        next_ip: "192.0.2.2:1".parse().ok(),
                        until,
                        notice_at: Time::from_millis(now),
                    }
                }
                12 if random.below(10) == 0 => server::Input::EndOfStream,
                12 => server::Input::Undrain,
                _ => server::Input::NextIp("192.0.2.2:1".parse().ok()),
            };
            session.handle(input, Time::from_millis(now));
            while let Some(output) = session.poll_output() {
                assert!(!has_closed, "seed {seed}: {output:?} after the last output");
                has_closed = matches!(output, server::Output::Close { .. });
            }
        }
        // All waiting ends: nothing comes any more, and nothing is written.
        for _ in 0..1_000 {
            let Some(at) = session.poll_timeout() else { break };
            now = now.max(at.as_millis());
            session.handle(server::Input::Tick, Time::from_millis(now));
            while let Some(output) = session.poll_output() {
                has_closed |= matches!(output, server::Output::Close { .. });
            }
        }
        assert!(has_closed || session.running() > 0, "seed {seed}");
    }
}
