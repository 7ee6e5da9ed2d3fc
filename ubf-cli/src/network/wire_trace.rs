//! Every packet of the wire, as it passes: when, on which connection, which way, its bytes, and
//! what it says if it is one of the two protocol engines'.

use std::collections::HashMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use ubf_client::{Direction, Traffic};
use ubf_codec::{
    ClientHeader, DecodeError, DecodeOptions, Dialect, Limits, ServerHeader, StreamDecoder,
    VersionedDecoder,
};

use crate::network::wire_words::{in_words, next_ip};
use crate::ui::palette::Palette;
use crate::ui::text::escaped;

/// Bytes of a packet that are shown. Chosen: what a screen holds.
const MAX_SHOWN: usize = 2000;
/// Connections whose packets may be incomplete. A client has two at most, and those that are about
/// to be gone.
const MAX_CONNECTIONS: usize = 8;

/// Turns traffic into lines.
pub(crate) struct WireTrace {
    start: Instant,
    limits: Limits,
    palette: Palette,
    /// The server knows no versions: its packets have no headers.
    is_classic: bool,
    /// By the connection's number.
    incoming: HashMap<u64, Incoming>,
}

/// What has come on a connection.
struct Incoming {
    decoder: Decoder,
    /// What the decoder has not taken yet.
    buffer: BytesMut,
    /// The same, and what it has taken of a packet that is not whole.
    raw: BytesMut,
    is_broken: bool,
}

/// What finds the ends of packets.
enum Decoder {
    Versioned(VersionedDecoder<ServerHeader>),
    Classic(StreamDecoder),
}

impl WireTrace {
    pub(crate) fn new(limits: Limits, palette: Palette) -> Self {
        let incoming = HashMap::new();
        Self { start: Instant::now(), limits, palette, is_classic: false, incoming }
    }

    /// The traffic with a server that knows no versions.
    pub(crate) fn classic(limits: Limits, palette: Palette) -> Self {
        Self { is_classic: true, ..Self::new(limits, palette) }
    }

    /// The lines for what has passed: two for a packet with words, one for another.
    pub(crate) fn lines(&mut self, traffic: Traffic<'_>) -> String {
        let mut lines = String::new();
        let Traffic { connection, direction, bytes, .. } = traffic;
        match direction {
            Direction::ToServer => {
                let words = if self.is_classic { Vec::new() } else { sent(bytes, self.limits) };
                self.show(&mut lines, connection, direction, bytes, &words);
            }
            Direction::FromServer => {
                for (packet, words) in self.receive(connection, bytes) {
                    self.show(&mut lines, connection, direction, &packet, &words);
                }
            }
        }
        lines
    }

    fn receive(&mut self, connection: u64, bytes: &[u8]) -> Vec<(Bytes, Vec<String>)> {
        if self.incoming.len() >= MAX_CONNECTIONS && !self.incoming.contains_key(&connection) {
            // Numbers rise: the smallest is the oldest.
            let oldest = self.incoming.keys().min().copied();
            oldest.map(|oldest| self.incoming.remove(&oldest));
        }
        let (limits, is_classic) = (self.limits, self.is_classic);
        let incoming = self.incoming.entry(connection);
        incoming.or_insert_with(|| Incoming::new(limits, is_classic)).receive(bytes)
    }

    fn show(
        &self,
        lines: &mut String,
        connection: u64,
        direction: Direction,
        packet: &[u8],
        words: &[String],
    ) {
        let Palette { faint, wire, .. } = self.palette;
        let millis = self.start.elapsed().as_secs_f64() * 1e3;
        let arrow = match direction {
            Direction::ToServer => "->",
            Direction::FromServer => "<-",
        };
        let packet = packet.trim_ascii();
        let shown = escaped(packet.get(..MAX_SHOWN).unwrap_or(packet));
        let rest = match packet.len().checked_sub(MAX_SHOWN) {
            None | Some(0) => String::new(),
            Some(more) => format!("… and {more} bytes"),
        };
        lines.push_str(&format!(
            "{faint}{millis:>10.3} ms  #{connection} {arrow}{faint:#} {wire}{shown}{wire:#}{rest}\n"
        ));
        for words in words {
            lines.push_str(&format!("{faint}{:>19} {words}{faint:#}\n", ""));
        }
    }
}

/// What a packet that goes out says.
fn sent(packet: &[u8], limits: Limits) -> Vec<String> {
    let mut decoder = VersionedDecoder::<ClientHeader>::new().with_limits(limits);
    match decoder.decode(&mut BytesMut::from(packet)) {
        Ok(Some(packet)) if packet.header.mode.number() == 0 => {
            in_words(packet.body.root()).into_iter().collect()
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

impl Incoming {
    fn new(limits: Limits, is_classic: bool) -> Self {
        let classic = || {
            let options = DecodeOptions::new().with_dialect(Dialect::Classic).with_any_escape(true);
            Decoder::Classic(StreamDecoder::new().with_options(options.with_limits(limits)))
        };
        let versioned = || Decoder::Versioned(VersionedDecoder::new().with_limits(limits));
        Self {
            decoder: if is_classic { classic() } else { versioned() },
            buffer: BytesMut::new(),
            raw: BytesMut::new(),
            is_broken: false,
        }
    }

    /// The packets that are whole, with their words.
    fn receive(&mut self, bytes: &[u8]) -> Vec<(Bytes, Vec<String>)> {
        if self.is_broken {
            return vec![(Bytes::copy_from_slice(bytes), Vec::new())];
        }
        self.buffer.extend_from_slice(bytes);
        self.raw.extend_from_slice(bytes);
        let mut packets = Vec::new();
        loop {
            match self.next() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => return packets,
                Err(error) => {
                    self.is_broken = true;
                    packets
                        .push((self.raw.split().freeze(), vec![format!("broken syntax: {error}")]));
                    return packets;
                }
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Bytes, Vec<String>)>, DecodeError> {
        let packet = match &mut self.decoder {
            Decoder::Versioned(decoder) => decoder.decode(&mut self.buffer)?,
            Decoder::Classic(decoder) => {
                let Some(_packet) = decoder.decode(&mut self.buffer)? else { return Ok(None) };
                let taken = self.raw.len().saturating_sub(self.buffer.len());
                return Ok(Some((self.raw.split_to(taken).freeze(), Vec::new())));
            }
        };
        let Some(packet) = packet else { return Ok(None) };
        let raw = self.raw.split_to(self.raw.len().saturating_sub(self.buffer.len())).freeze();
        // An `agreed` has the agreed version in its header. A reply of the application is no tuple
        // of five.
        let mut words: Vec<String> = in_words(packet.body.root()).into_iter().collect();
        words.extend(packet.header.next_ip.as_ref().map(next_ip));
        Ok(Some((raw, words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_come_in_pieces_are_shown_whole() {
        let stream = "10 ? {'agreed'1?#1&10&#}$\n10 \"b:4000\" {{'ok'\"$\"}'start'}$0 ? 'pong'$";
        let expected = [
            ("10 ? {'agreed'1?#1&10&#}$", &["agrees, and speaks 1,10"][..]),
            ("10 \"b:4000\" {{'ok'\"$\"}'start'}$", &["the next message goes to b:4000"]),
            ("0 ? 'pong'$", &["gives a sign of life"]),
        ];
        for piece in 1..=stream.len() {
            let mut incoming = Incoming::new(Limits::new(), false);
            let packets: Vec<_> =
                stream.as_bytes().chunks(piece).flat_map(|piece| incoming.receive(piece)).collect();
            assert_eq!(packets.len(), expected.len());
            for ((raw, words), (packet, meaning)) in packets.iter().zip(expected) {
                assert_eq!(
                    (raw.trim_ascii(), words.as_slice()),
                    (
                        packet.as_bytes(),
                        &meaning.iter().map(|&words| words.to_owned()).collect::<Vec<_>>()[..]
                    )
                );
            }
        }
    }

    #[test]
    fn what_is_no_packet_is_shown_as_it_came() {
        let mut incoming = Incoming::new(Limits::new(), false);
        let packets = incoming.receive(b"HTTP/1.1 400\r\n");
        assert_eq!(&packets[0].0[..], b"HTTP/1.1 400\r\n");
        assert!(packets[0].1[0].starts_with("broken syntax: "), "{packets:?}");
        assert_eq!(incoming.receive(b"more")[0].0, "more");
    }
}
