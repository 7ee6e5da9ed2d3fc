//! Packets on their way out: a header and a body that nobody copied.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use ubf_codec::{ClientHeader, Encoder, Header, Mode, NextIp, ServerHeader, Term, Version};

/// Room for a packet of the engine's own, at first. Chosen: most fit.
const USUAL_BYTES: usize = 160;

/// Bytes to write to a connection: `head`, then `body`. They are one versioned packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The header; of a packet of version 0 or an `agreed`, the whole packet.
    pub head: Bytes,
    /// The body as it was handed in, up to and with its `$`; empty if `head` is the whole packet.
    pub body: Bytes,
}

impl Packet {
    /// How many bytes there are to write. Never 0.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in one piece, copied. Shells write the two pieces instead.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.len());
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(&self.body);
        bytes.freeze()
    }
}

/// Encodes a term as a body, for callers that have one: up to and with its `$`.
///
/// ```
/// use ubf_codec::ubf;
///
/// assert_eq!(&ubf_proto::body(&ubf!({{ok, 1}, start}))[..], b"{{'ok'1}'start'}$");
/// ```
#[must_use]
pub fn body(term: &Term) -> Bytes {
    Encoder::new().encode(term).into()
}

/// A packet made of a header and a body of the engine's own.
pub(crate) fn whole(header: &impl Header, term: &Term) -> Packet {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    Encoder::new().encode_versioned(header, term, &mut bytes);
    Packet { head: bytes.into(), body: Bytes::new() }
}

/// The client's last header, which is mostly the next one too.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientHeads(Option<(Version, Bytes)>);

impl ClientHeads {
    pub(crate) fn packet(&mut self, version: Version, body: Bytes) -> Packet {
        Packet { head: self.head(version), body }
    }

    pub(crate) fn head(&mut self, version: Version) -> Bytes {
        match &self.0 {
            Some((last, head)) if *last == version => head.clone(),
            Some(_) | None => {
                let head = known(CLIENT_HEADS, version.into())
                    .unwrap_or_else(|| written(&ClientHeader { mode: version.into() }));
                self.0 = Some((version, head.clone()));
                head
            }
        }
    }
}

/// The server's NextIP, and its last header, which is mostly the next one too.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerHeads {
    next_ip: Option<NextIp>,
    /// T11: nobody is told of it for now.
    is_held: bool,
    /// Apart, since most headers are those of low versions, without a NextIP.
    last: Option<Box<(Mode, Bytes)>>,
}

impl ServerHeads {
    /// What is told.
    pub(crate) const fn next_ip(&self) -> Option<&NextIp> {
        if self.is_held { None } else { self.next_ip.as_ref() }
    }

    /// Tells nobody of the NextIP, or does so again.
    pub(crate) fn hold(&mut self, is_held: bool) {
        if self.is_held != is_held {
            self.is_held = is_held;
            self.last = None;
        }
    }

    pub(crate) fn set_next_ip(&mut self, next_ip: Option<NextIp>) {
        self.next_ip = next_ip;
        self.last = None;
    }

    pub(crate) fn packet(&mut self, mode: Mode, body: Bytes) -> Packet {
        Packet { head: self.head(mode), body }
    }

    pub(crate) fn head(&mut self, mode: Mode) -> Bytes {
        if self.next_ip().is_none()
            && let Some(head) = known(SERVER_HEADS, mode)
        {
            return head;
        }
        match self.last.as_deref() {
            Some((last, head)) if *last == mode => head.clone(),
            Some(_) | None => {
                let next_ip = self.next_ip().cloned();
                let head = written(&ServerHeader { mode, next_ip });
                self.last = Some(Box::new((mode, head.clone())));
                head
            }
        }
    }
}

/// Headers of low versions, of which no use is counted, since they are always there.
const CLIENT_HEADS: &[u8] = b"0 1 2 3 4 5 6 7 8 9 ";
const SERVER_HEADS: &[u8] = b"0 ? 1 ? 2 ? 3 ? 4 ? 5 ? 6 ? 7 ? 8 ? 9 ? ";

/// The header of this mode, if its version is low.
fn known(heads: &'static [u8], mode: Mode) -> Option<Bytes> {
    let number = usize::try_from(mode.number()).ok()?;
    heads.chunks_exact(heads.len() / 10).nth(number).map(Bytes::from_static)
}

fn written(header: &impl Header) -> Bytes {
    let mut bytes = Vec::new();
    header.write(&mut bytes);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_always_there_are_those_that_would_be_written() {
        for number in 0..=11 {
            let mode = Version::new(number).map_or(Mode::Negotiation, Mode::from);
            let (client, server) = (known(CLIENT_HEADS, mode), known(SERVER_HEADS, mode));
            assert_eq!((client.is_some(), server.is_some()), (number < 10, number < 10));
            assert!(client.is_none_or(|head| head == written(&ClientHeader { mode })));
            assert!(
                server.is_none_or(|head| head == written(&ServerHeader { mode, next_ip: None }))
            );
        }
    }

    #[test]
    fn a_header_is_the_one_asked_for_and_not_the_last() {
        let one = Version::new(1).unwrap();
        let ten = Version::new(10).unwrap();
        let mut client = ClientHeads::default();
        for (version, head) in [(one, &b"1 "[..]), (one, b"1 "), (ten, b"10 "), (one, b"1 ")] {
            assert_eq!(client.packet(version, Bytes::new()).head, head);
        }
        let mut server = ServerHeads::default();
        assert_eq!(server.packet(ten.into(), Bytes::new()).head, &b"10 ? "[..]);
        server.set_next_ip("b:1".parse().ok());
        assert_eq!(server.packet(ten.into(), Bytes::new()).head, &b"10 \"b:1\" "[..]);
        assert_eq!(server.packet(Mode::Negotiation, Bytes::new()).head, &b"0 \"b:1\" "[..]);
    }
}
