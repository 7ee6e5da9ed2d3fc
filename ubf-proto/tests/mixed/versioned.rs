//! A versioned client at an address that stock clients share: each of its connections is judged by
//! its first byte, and by how long that takes (Q15).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ubf_codec::{Encoder, Term, decode, ubf};
use ubf_proto::classic::server as classic;
use ubf_proto::client::{self, Call, CallId, ClientSession, ConnectionId, Done};
use ubf_proto::endpoint::{self, Admission, Endpoint, Start};
use ubf_proto::export::LiveExport;
use ubf_proto::server::{self, ServerSession};
use ubf_proto::{Offer, Origin, Random, Time, Versions, body};

use crate::ledger::{End, Ledger};

/// How long nobody knows of which kind a connection is.
const UNDECIDED_MS: u64 = 300;

enum Side {
    /// Its first bytes arrive at `first`.
    Undecided {
        since: Time,
        first: Time,
    },
    Versioned(Box<ServerSession>),
    /// It said nothing for too long: it is taken for a stock peer.
    Stock(Box<classic::ServerSession>),
}

/// What the process has to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Serves,
    /// A take-over has begun, and something runs.
    Settles,
    /// The other process has a copy.
    Given,
    /// The other process serves, and something runs here.
    Leaves,
}

struct Link {
    side: Side,
    part: Part,
    /// What was given, until it is known what comes of it.
    given: Option<LiveExport>,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// What the server's shell has not written.
    unsent: VecDeque<u8>,
    /// Packets whose handlers run, and their calls.
    running: VecDeque<(u64, u64)>,
    is_closing: bool,
}

pub(crate) struct Versioned {
    session: ClientSession,
    links: BTreeMap<ConnectionId, Link>,
    pub(crate) ledger: Ledger,
    /// Calls that the service has run.
    count: u64,
    random: Random,
    pub(crate) mistaken: u64,
    pub(crate) taken_over: u64,
}

/// With what the process that serves begins a connection.
fn start(now: Time) -> Start {
    let offer = Offer::from(Versions::of([1, 2]));
    match Endpoint::new(endpoint::Config::default(), offer, 1).admit(Origin::Local, now) {
        Admission::Serve { start, .. } => start,
        Admission::TurnAway { why, .. } => panic!("{why}"),
    }
}

impl Versioned {
    pub(crate) fn new(seed: u64, now: Time) -> Self {
        let versions = Versions::of([1, 2]);
        let config = client::Config::new(vec!["192.0.2.1:4000".parse().unwrap()], versions);
        Self {
            session: ClientSession::new(config, seed, now),
            links: BTreeMap::new(),
            ledger: Ledger::default(),
            count: 0,
            random: Random::new(seed),
            mistaken: 0,
            taken_over: 0,
        }
    }

    pub(crate) fn call(&mut self, now: Time) {
        if self.ledger.open() < 8 {
            let call = self.ledger.ask();
            self.tell(client::Input::Call(Call::request(CallId(call))), now);
        }
    }

    pub(crate) fn move_bytes(&mut self, random: &mut Random, now: Time) {
        let most = if random.below(4) == 0 { usize::MAX } else { random.below(60) as usize };
        for connection in self.links.keys().copied().collect::<Vec<_>>() {
            self.judge(connection, now);
            let Some(link) = self.links.get_mut(&connection) else { continue };
            let count = most.min(link.to_server.len());
            let is_reading = match &link.side {
                Side::Undecided { .. } => false,
                Side::Versioned(server) => link.part != Part::Given && server.is_reading(),
                Side::Stock(server) => server.is_reading(),
            };
            if let Side::Versioned(server) = &mut link.side
                && link.part != Part::Given
            {
                let count = most.min(link.unsent.len());
                link.to_client.extend(link.unsent.drain(..count));
                server.handle(server::Input::Written(count), now);
            }
            if is_reading && count > 0 {
                let bytes: Vec<u8> = link.to_server.drain(..count).collect();
                self.serve(connection, Some(&bytes), now);
            }
            let Some(link) = self.links.get_mut(&connection) else { continue };
            let count = most.min(link.to_client.len());
            let bytes: Vec<u8> = link.to_client.drain(..count).collect();
            let is_closed = link.is_closing && link.to_client.is_empty() && link.unsent.is_empty();
            if !bytes.is_empty() {
                let bytes = (&bytes[..]).into();
                self.tell(client::Input::Received { connection, bytes }, now);
            }
            if is_closed && self.links.remove(&connection).is_some() {
                self.tell(client::Input::Closed { connection }, now);
            }
        }
    }

    /// As the shell does it.
    fn judge(&mut self, connection: ConnectionId, now: Time) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        let Side::Undecided { since, first } = link.side else { return };
        let is_late = now >= since + std::time::Duration::from_millis(UNDECIDED_MS);
        match link.to_server.front() {
            _ if is_late => {
                let config = Arc::new(classic::Config::default());
                let house = Arc::new(classic::House::new(ubf_proto::classic::Flavour::Erl2));
                let server = classic::ServerSession::new(config, house, now);
                link.side = Side::Stock(Box::new(server));
                self.mistaken += 1;
            }
            Some(byte) if now >= first => {
                assert!(byte.is_ascii_digit(), "a header begins with a digit");
                link.side = Side::Versioned(Box::new(start(now).session(now)));
            }
            Some(_) | None => return,
        }
        self.serve(connection, None, now);
    }

    fn serve(&mut self, connection: ConnectionId, bytes: Option<&[u8]>, now: Time) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        match &mut link.side {
            Side::Undecided { .. } => {}
            Side::Stock(server) => {
                if let Some(bytes) = bytes {
                    server.handle(classic::Input::Received(bytes.into()), now);
                }
                while let Some(output) = server.poll_output() {
                    match output {
                        classic::Output::Transmit { bytes, .. } => {
                            link.to_client.extend(&bytes[..]);
                        }
                        classic::Output::Close { .. } => link.is_closing = true,
                        _ => {}
                    }
                }
            }
            Side::Versioned(_) if link.part == Part::Given => {
                assert!(bytes.is_none(), "the socket is another process's");
            }
            Side::Versioned(server) => {
                if let Some(bytes) = bytes {
                    server.handle(server::Input::Received(bytes.into()), now);
                }
                while let Some(output) = server.poll_output() {
                    match output {
                        server::Output::Transmit { packet, .. } => {
                            link.unsent.extend(&packet.to_bytes()[..]);
                        }
                        server::Output::Request(message) => {
                            let call = message.body.root().get(1).and_then(|call| call.as_u64());
                            let call = call.unwrap();
                            self.count += 1;
                            self.ledger.run(call, self.count);
                            link.running.push_back((message.packet, self.count));
                        }
                        server::Output::Close { .. } => link.is_closing = true,
                        _ => {}
                    }
                }
                self.settle(connection, now);
            }
        }
    }

    /// Nothing runs: what the other process needs goes there as bytes.
    fn settle(&mut self, connection: ConnectionId, now: Time) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        let Side::Versioned(server) = &link.side else { return };
        let leaves = match link.part {
            Part::Settles => false,
            Part::Leaves => true,
            Part::Serves | Part::Given => return,
        };
        let Some(live) = server.export_live().filter(|_| server.is_settled()) else { return };
        let unsent: Vec<u8> = link.unsent.iter().copied().collect();
        let export = LiveExport {
            peer: None,
            identity: Vec::new(),
            agent: None,
            spoken: live.agreed,
            connection: live,
            session: None,
            unsent: unsent.into(),
            services: Vec::new(),
        };
        let bytes = Encoder::new().encode(&export.to_term());
        link.given = LiveExport::read(decode(&bytes).unwrap().root());
        assert_eq!(link.given, Some(export));
        link.part = Part::Given;
        if leaves {
            self.go_on(connection, now);
        }
    }

    /// What was given is as good as the whole.
    fn go_on(&mut self, connection: ConnectionId, now: Time) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        let Some(export) = link.given.take() else { panic!("nothing was given") };
        let LiveExport { connection: live, unsent, .. } = export;
        link.side = Side::Versioned(Box::new(start(now).live(live, unsent.len(), now)));
        link.unsent = unsent.iter().copied().collect();
        link.part = Part::Serves;
        self.taken_over += 1;
        self.serve(connection, None, now);
    }

    /// U2: a take-over begins.
    pub(crate) fn freeze(&mut self, now: Time) {
        self.change(now, Part::Serves, Part::Settles, &server::Input::Freeze);
    }

    /// U2: it comes to nothing.
    pub(crate) fn thaw(&mut self, now: Time) {
        self.change(now, Part::Settles, Part::Serves, &server::Input::Thaw);
        self.change(now, Part::Given, Part::Serves, &server::Input::Thaw);
    }

    fn change(&mut self, now: Time, from: Part, to: Part, input: &server::Input) {
        for connection in self.links.keys().copied().collect::<Vec<_>>() {
            let Some(link) = self.links.get_mut(&connection) else { continue };
            if let Side::Versioned(server) = &mut link.side
                && link.part == from
            {
                link.part = to;
                link.given = None;
                server.handle(input.clone(), now);
                self.serve(connection, None, now);
            }
        }
    }

    pub(crate) fn answer(&mut self, now: Time) {
        for connection in self.links.keys().copied().collect::<Vec<_>>() {
            let Some(link) = self.links.get_mut(&connection) else { continue };
            let Side::Versioned(server) = &mut link.side else { continue };
            let Some((packet, count)) = link.running.pop_front() else { continue };
            let body = body(&ubf!({{got, (count)}, start}));
            server.handle(server::Input::Reply { packet, body }, now);
            self.serve(connection, None, now);
        }
    }

    pub(crate) fn tick(&mut self, now: Time) {
        self.tell(client::Input::Tick, now);
        for link in self.links.values_mut() {
            match &mut link.side {
                Side::Undecided { .. } => {}
                Side::Versioned(_) if link.part == Part::Given => {}
                Side::Versioned(server) => server.handle(server::Input::Tick, now),
                Side::Stock(server) => server.handle(classic::Input::Tick, now),
            }
        }
        for connection in self.links.keys().copied().collect::<Vec<_>>() {
            self.judge(connection, now);
            self.serve(connection, None, now);
        }
    }

    /// U2: the other process serves. Connections that came after the beginning are closed with a
    /// word.
    pub(crate) fn go(&mut self, now: Time) {
        for connection in self.links.keys().copied().collect::<Vec<_>>() {
            let Some(link) = self.links.get_mut(&connection) else { continue };
            match (&mut link.side, link.part) {
                (Side::Versioned(_), Part::Given) => self.go_on(connection, now),
                (Side::Versioned(_), Part::Settles) => link.part = Part::Leaves,
                (Side::Versioned(_), Part::Leaves) => {}
                (Side::Versioned(server), Part::Serves) => {
                    let (why, within) = (Term::atom("takeover"), std::time::Duration::from_secs(5));
                    server.handle(server::Input::Close { why, within }, now);
                    self.serve(connection, None, now);
                }
                (Side::Undecided { .. } | Side::Stock(_), _) => link.is_closing = true,
            }
        }
    }

    pub(crate) fn lose(&mut self, now: Time) {
        if let Some((connection, _)) = self.links.pop_first() {
            self.tell(client::Input::Closed { connection }, now);
        }
    }

    pub(crate) fn finish(&mut self, now: Time) {
        self.tell(client::Input::Close, now);
    }

    fn tell(&mut self, input: client::Input, now: Time) {
        self.session.handle(input, now);
        while let Some(output) = self.session.poll_output() {
            self.obey(output, now);
        }
    }

    fn obey(&mut self, output: client::Output, now: Time) {
        match output {
            client::Output::Connect { connection, .. } => {
                let late = if self.random.below(4) == 0 { 2 * UNDECIDED_MS } else { 0 };
                let first = now + std::time::Duration::from_millis(late);
                let side = Side::Undecided { since: now, first };
                let link = Link {
                    side,
                    part: Part::Serves,
                    given: None,
                    to_server: VecDeque::new(),
                    to_client: VecDeque::new(),
                    unsent: VecDeque::new(),
                    running: VecDeque::new(),
                    is_closing: false,
                };
                self.links.insert(connection, link);
                let connected = client::Input::Connected { connection, peer: None, tls: false };
                self.session.handle(connected, now);
            }
            client::Output::Render { call, version } => {
                let body = body(&ubf!({get, (call.0)}));
                self.session.handle(client::Input::Rendered { call, version, body }, now);
            }
            client::Output::Transmit { connection, packet } => {
                if let Some(link) = self.links.get_mut(&connection) {
                    link.to_server.extend(&packet.to_bytes()[..]);
                }
                let written = client::Input::Written { connection, count: packet.len() };
                self.session.handle(written, now);
            }
            client::Output::Close { connection } => {
                self.links.remove(&connection);
                self.session.handle(client::Input::Closed { connection }, now);
            }
            client::Output::Ended { call, outcome } => {
                let end = match &outcome {
                    Ok(Done::Reply { body, .. }) => {
                        let reply = body.root().get(0).and_then(|reply| reply.get(1)?.as_u64());
                        End::Answered(reply.unwrap())
                    }
                    Ok(other) => panic!("no reply: {other:?}"),
                    Err(error) if error.may_have_run() => End::Indeterminate,
                    Err(_) => End::NotRun,
                };
                self.ledger.end(call.0, end);
            }
            _ => {}
        }
    }
}
