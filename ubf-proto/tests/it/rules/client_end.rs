//! A client session whose inputs and outputs are lines of text.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Version};
use ubf_proto::client::{
    Call, CallId, Config, ConnectionId, Done, Input, NamedBy, Notice, Output, SessionPlan,
};
use ubf_proto::session::SessionId;
use ubf_proto::{ClientSession, Time, Versions};

pub(crate) struct Client {
    pub(crate) session: ClientSession,
    pub(crate) now: u64,
    pub(crate) notices: Vec<Notice>,
    /// Whether what is sent counts as written at once.
    pub(crate) is_written: bool,
    /// Every address that was to be connected to, and who named it.
    pub(crate) dials: Vec<(String, NamedBy)>,
    /// How many names of sessions were asked for.
    session_ids: u8,
}

/// Settings that make all bytes exact.
pub(crate) fn config(addresses: &str, versions: &[u32]) -> Config {
    let addresses = addresses.split(',').map(|address| address.parse().unwrap()).collect();
    let mut config = Config::new(addresses, Versions::of(versions.iter().copied()));
    config.grease = false;
    config.session = SessionPlan::off();
    config.limits = config.limits.with_max_packet_bytes(999);
    config.quarantine.jitter_percent = 0;
    config.failover_spread = Duration::ZERO;
    config
}

pub(crate) fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

impl Client {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            session: ClientSession::new(config, 1, Time::ZERO),
            now: 0,
            is_written: true,
            notices: Vec::new(),
            dials: Vec::new(),
            session_ids: 0,
        }
    }

    /// A client of `192.0.2.1:4000` that has agreed on `agreed` out of `versions` with a server
    /// that speaks `spoken`.
    pub(crate) fn agreed(config: Config, agreed: u32, spoken: &str) -> Self {
        let mut client = Self::new(config);
        client.poll();
        client.connected(0);
        client.receive(0, &format!("{agreed} ? {{'agreed'1?{spoken}#}}$"));
        client
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<String> {
        self.session.handle(input, Time::from_millis(self.now));
        self.poll()
    }

    pub(crate) fn connected(&mut self, connection: u64) -> Vec<String> {
        let connection = ConnectionId(connection);
        self.tell(Input::Connected { connection, peer: None, tls: false })
    }

    pub(crate) fn connected_to(&mut self, connection: u64, ip: &str, tls: bool) -> Vec<String> {
        let (connection, peer) = (ConnectionId(connection), Some(ip.parse().unwrap()));
        self.tell(Input::Connected { connection, peer, tls })
    }

    pub(crate) fn receive(&mut self, connection: u64, bytes: &str) -> Vec<String> {
        let connection = ConnectionId(connection);
        self.tell(Input::Received { connection, bytes: BytesMut::from(bytes.as_bytes()) })
    }

    pub(crate) fn lose(&mut self, connection: u64) -> Vec<String> {
        self.tell(Input::Closed { connection: ConnectionId(connection) })
    }

    pub(crate) fn call(&mut self, id: u64) -> Vec<String> {
        self.tell(Input::Call(Call::request(CallId(id))))
    }

    pub(crate) fn event(&mut self, id: u64) -> Vec<String> {
        self.tell(Input::Call(Call::event(CallId(id))))
    }

    pub(crate) fn rendered(&mut self, id: u64, number: u32, body: &str) -> Vec<String> {
        let body = Bytes::from(body.to_owned());
        self.tell(Input::Rendered { call: CallId(id), version: version(number), body })
    }

    /// Makes a call that is at hand in this version.
    pub(crate) fn send(&mut self, id: u64, number: u32, body: &str) -> Vec<String> {
        let rendered = Some((version(number), Bytes::from(body.to_owned())));
        self.tell(Input::Call(Call { rendered, ..Call::request(CallId(id)) }))
    }

    pub(crate) fn crash(&mut self, number: u32, call: Option<u64>) -> Vec<String> {
        self.tell(Input::Crashed {
            version: version(number),
            call: call.map(CallId),
            why: Term::atom("crash"),
        })
    }

    pub(crate) fn wait(&mut self, millis: u64) -> Vec<String> {
        self.now += millis;
        self.tell(Input::Tick)
    }

    /// Waits until the session wants to be woken, and wakes it.
    pub(crate) fn wait_until_woken(&mut self) -> (Duration, Vec<String>) {
        let at = self.session.poll_timeout().expect("it waits for something").as_millis();
        let waited = Duration::from_millis(at.saturating_sub(self.now));
        self.now = self.now.max(at);
        (waited, self.tell(Input::Tick))
    }

    pub(crate) fn poll(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.session.poll_output() {
            lines.push(match output {
                Output::Connect { connection, address, named_by, tls, within: _ } => {
                    self.dials.push((address.to_string(), named_by));
                    let tls = tls.map(|name| format!(" tls {name}")).unwrap_or_default();
                    format!("connect {} {address}{tls}", connection.0)
                }
                Output::Transmit { connection, packet } => {
                    let bytes = packet.to_bytes();
                    let line = format!("send {} {}", connection.0, String::from_utf8_lossy(&bytes));
                    let (connection, count) = (connection, packet.len());
                    if self.is_written {
                        self.session.handle(
                            Input::Written { connection, count },
                            Time::from_millis(self.now),
                        );
                    }
                    line
                }
                Output::NeedSessionId => {
                    // aaaa…, bbbb…: names that a reader can tell apart.
                    let letter = b'a' + self.session_ids;
                    self.session_ids += 1;
                    let id = SessionId::from_bytes([letter; SessionId::BYTES]);
                    self.session.handle(Input::SessionId(id), Time::from_millis(self.now));
                    continue;
                }
                Output::Close { connection } => format!("close {}", connection.0),
                Output::Render { call, version } => format!("render {} {version}", call.0),
                Output::Ended { call, outcome: Ok(Done::Reply { version, body, .. }) } => {
                    format!("end {} {version} {body}", call.0)
                }
                Output::Ended { call, outcome: Ok(Done::Taken { version }) } => {
                    format!("end {} {version} taken", call.0)
                }
                Output::Ended { call, outcome: Err(error) } => {
                    format!("end {} error: {error}", call.0)
                }
                Output::EventOut { version, body, .. } => format!("event {version} {body}"),
                Output::Notice(notice) => {
                    self.notices.push(notice);
                    continue;
                }
                Output::Finished => "finished".to_owned(),
                other => panic!("{other:?}"),
            });
        }
        lines
    }

    pub(crate) fn has_notice(&self, is_it: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(is_it)
    }
}
