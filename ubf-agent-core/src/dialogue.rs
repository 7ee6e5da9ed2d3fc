//! One controller's connection, as data in and data out: the minimal profile of a server with one
//! service in one version.

use std::time::Duration;

use bytes::Bytes;
use ubf_codec::{
    ClientPacket, DecodeError, Document, Encoder, Mode, ServerHeader, Term, TermRef, Version, ubf,
};

use crate::words::{Refusal, Reply, Request};

/// The name of the service, and its one version.
pub const SERVICE: &str = "agent";
/// The version. There is no other one.
pub const VERSION: u32 = 1;
/// The most bytes of a packet: a chunk, and what stands around it.
pub const MAX_PACKET_BYTES: u32 = (1 << 20) + (64 << 10);
/// N10: negotiations within a minute.
const MAX_NEGOTIATIONS: usize = 8;
const MINUTE: Duration = Duration::from_secs(60);

/// What a connection has come to.
#[derive(Debug)]
pub struct Dialogue {
    agent: String,
    /// P6.
    packets: u64,
    negotiated: Vec<Duration>,
    /// N12: the most bytes of a packet that the controller takes.
    max_packet: u64,
}

/// What is to be done about a packet.
#[derive(Debug)]
pub enum Said {
    /// Nothing: it is an event.
    Nothing,
    /// This is written.
    Answer(Vec<u8>),
    /// This is written, and the connection ends.
    Close(Vec<u8>),
    /// The request is done, and its reply handed to [`Dialogue::reply`].
    Request(Request),
}

impl Dialogue {
    /// A connection to an agent of this name and version.
    #[must_use]
    pub fn new(agent: &str) -> Self {
        Self { agent: agent.into(), packets: 0, negotiated: Vec::new(), max_packet: u64::MAX }
    }

    /// What a packet comes to. It began at this byte of the stream, and came at this time since
    /// any moment.
    pub fn hear(
        &mut self,
        packet: &ClientPacket<Document<Bytes>>,
        offset: u64,
        now: Duration,
    ) -> Said {
        self.packets += 1;
        let body = packet.body.root();
        let Mode::Version(version) = packet.header.mode else {
            return self.control(body, offset, now);
        };
        if version.get() != VERSION {
            return Said::Answer(self.refused(&ubf!({version, (version.get())})));
        }
        if body.get(0).is_some_and(|head| head.is_atom("event_in")) {
            return Said::Nothing;
        }
        match Request::read(body) {
            Some(request) => Said::Request(request),
            None => {
                let why = "this is no request of version 1 of the contract".to_owned();
                Said::Answer(self.reply(&Reply::Error(Refusal::Request, why)))
            }
        }
    }

    /// The packet of a reply.
    #[must_use]
    pub fn reply(&self, reply: &Reply) -> Vec<u8> {
        let packet = said(VERSION, &ubf!({(reply.to_term()), start}));
        if packet.len() as u64 <= self.max_packet {
            return packet;
        }
        said(0, &ubf!({failed, reply_too_large, [1], (self.packets)}))
    }

    /// Bytes that are no packet came (L3).
    #[must_use]
    pub fn broken(error: &DecodeError) -> Vec<u8> {
        said(0, &ubf!({error, (Term::atom(error.kind().code())), (error.offset())}))
    }

    fn control(&mut self, body: TermRef<'_>, offset: u64, now: Duration) -> Said {
        let head = body.get(0).and_then(|head| head.as_atom()).and_then(|head| head.to_str());
        match head.as_deref() {
            Some("negotiate") => self.negotiate(body, offset, now),
            Some("seen") => Said::Nothing,
            Some("error") => Said::Close(Vec::new()),
            _ if body.is_atom("ping") => Said::Answer(said(0, &ubf!(pong))),
            _ => Said::Answer(self.refused(&ubf!(unknown_packet))),
        }
    }

    fn negotiate(&mut self, body: TermRef<'_>, offset: u64, now: Duration) -> Said {
        let malformed = |field: &str| {
            let why = ubf!({error, {malformed, negotiate, (Term::atom(field))}, (offset)});
            Said::Close(said(0, &why))
        };
        if body.get(1).and_then(|version| version.as_u64()).is_none() {
            return malformed("UbfVersion");
        }
        let service = body.get(2).filter(|it| it.is_undefined() || it.as_str().is_some());
        let Some(service) = service else { return malformed("Service") };
        let number = |it: TermRef<'_>| Version::new(u32::try_from(it.as_u64()?).ok()?);
        let versions = body.get(3).and_then(|list| list.as_list());
        let versions =
            versions.and_then(|list| list.iter().map(number).collect::<Option<Vec<_>>>());
        let Some(versions) = versions.filter(|list| (1..=1024).contains(&list.len())) else {
            return malformed("Versions");
        };
        let Some(options) = body.get(4).filter(|it| it.as_list().is_some()) else {
            return malformed("Options");
        };
        if let Some(most) = options.property("max_packet") {
            let Some(most) = most.as_u64() else { return malformed("max_packet") };
            self.max_packet = most;
        }
        self.negotiated.retain(|&at| now.saturating_sub(at) < MINUTE);
        if self.negotiated.len() >= MAX_NEGOTIATIONS {
            return Said::Answer(self.refused(&ubf!(too_many_negotiations)));
        }
        self.negotiated.push(now);
        let is_here = service.as_str().is_none_or(|name| name == SERVICE);
        let is_common = versions.iter().any(|version| version.get() == VERSION);
        Said::Answer(match (is_here, is_common) {
            (true, true) => said(
                VERSION,
                &ubf!({
                    agreed, 1, (SERVICE), [1],
                    [{agent, (self.agent.as_str())}, {max_packet, (MAX_PACKET_BYTES)}]
                }),
            ),
            (true, false) => said(0, &ubf!({no_common_version, 1, (SERVICE), [1]})),
            (false, _) => said(0, &ubf!({no_common_version, 1, (service.to_term()), []})),
        })
    }

    fn refused(&self, why: &Term) -> Vec<u8> {
        said(0, &ubf!({refused, (why.clone()), [1], (self.packets)}))
    }
}

fn said(version: u32, body: &Term) -> Vec<u8> {
    let mut packet = Vec::new();
    let mode = Version::new(version).map_or(Mode::Negotiation, Mode::Version);
    Encoder::new().encode_versioned(&ServerHeader { mode, next_ip: None }, body, &mut packet);
    packet
}
