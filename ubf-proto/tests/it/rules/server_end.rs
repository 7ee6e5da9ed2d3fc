//! A server session whose inputs and outputs are lines of text.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Version};
use ubf_proto::server::{Config, Input, Notice, Output, ServerSession};
use ubf_proto::{Offer, Time, Versions};

pub(crate) struct Server {
    pub(crate) session: ServerSession,
    pub(crate) now: u64,
    /// Whether what is sent counts as written at once.
    pub(crate) is_written: bool,
    pub(crate) notices: Vec<Notice>,
}

pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.limits = config.limits.with_max_packet_bytes(999);
    config
}

impl Server {
    pub(crate) fn new(versions: &[u32]) -> Self {
        Self::with(config(), Offer::from(Versions::of(versions.iter().copied())))
    }

    pub(crate) fn with(config: Config, offer: Offer) -> Self {
        let session = ServerSession::new(Arc::new(config), Arc::new(offer), Time::ZERO);
        Self { session, now: 0, is_written: true, notices: Vec::new() }
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<String> {
        self.session.handle(input, Time::from_millis(self.now));
        let mut lines = Vec::new();
        while let Some(output) = self.session.poll_output() {
            lines.push(match output {
                Output::Transmit { packet, .. } => {
                    if self.is_written {
                        self.session
                            .handle(Input::Written(packet.len()), Time::from_millis(self.now));
                    }
                    format!("send {}", String::from_utf8_lossy(&packet.to_bytes()))
                }
                Output::Request(message) => {
                    format!("request {} {} {}", message.packet, message.version, message.body)
                }
                Output::Event(message) => {
                    format!("event {} {} {}", message.packet, message.version, message.body)
                }
                Output::Close { reason, calls_cut } => format!("close, {calls_cut} cut: {reason}"),
                Output::Notice(notice) => {
                    self.notices.push(notice);
                    continue;
                }
                Output::Session(request) => format!("ask {request:?}"),
                Output::SessionOver { end, unread } => format!("over {end:?} {unread}"),
                other => panic!("not known here: {other:?}"),
            });
        }
        lines
    }

    pub(crate) fn receive(&mut self, bytes: &str) -> Vec<String> {
        self.tell(Input::Received(BytesMut::from(bytes.as_bytes())))
    }

    pub(crate) fn reply(&mut self, packet: u64, body: &str) -> Vec<String> {
        self.tell(Input::Reply { packet, body: Bytes::from(body.to_owned()) })
    }

    pub(crate) fn fail(&mut self, packet: u64) -> Vec<String> {
        self.tell(Input::Failed { packet, why: Term::atom("crash") })
    }

    pub(crate) fn event_out(&mut self, version: u32, body: &str) -> Vec<String> {
        let version = Version::new(version).unwrap();
        self.tell(Input::EventOut { version, body: Bytes::from(body.to_owned()) })
    }

    pub(crate) fn wait(&mut self, millis: u64) -> Vec<String> {
        self.now += millis;
        self.tell(Input::Tick)
    }
}
