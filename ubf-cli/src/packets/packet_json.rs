//! A packet as a JSON document.

use std::fmt::{self, Display as _};

use ubf_codec::json::{Json, Plain};

use crate::packets::stream::{Header, Packet};
use crate::ui::json::{Array, Text};

/// A packet whose `Display` is JSON on one line: its term, or its header and its term.
#[derive(Clone, Copy)]
pub(crate) struct PacketJson<'a> {
    packet: &'a Packet,
    is_plain: bool,
}

impl<'a> PacketJson<'a> {
    /// The form in which nothing is lost.
    pub(crate) const fn exact(packet: &'a Packet) -> Self {
        Self { packet, is_plain: false }
    }

    /// The form for people.
    pub(crate) const fn plain(packet: &'a Packet) -> Self {
        Self { packet, is_plain: true }
    }

    fn body(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.packet.document.root();
        if self.is_plain { Plain(root).fmt(f) } else { Json(root).fmt(f) }
    }
}

impl fmt::Display for PacketJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.packet.header {
            None => return self.body(f),
            Some(Header::Client(header)) => write!(f, r#"{{"version":{}"#, header.mode.number())?,
            Some(Header::Server(header)) => {
                write!(f, r#"{{"version":{},"next_ip":"#, header.mode.number())?;
                match &header.next_ip {
                    None => f.write_str("null")?,
                    Some(next_ip) => {
                        let addresses: Vec<String> =
                            next_ip.addresses().iter().map(ToString::to_string).collect();
                        let addresses: Vec<Text<'_>> =
                            addresses.iter().map(|address| Text(address)).collect();
                        Array(&addresses).fmt(f)?;
                    }
                }
            }
        }
        f.write_str(r#","body":"#)?;
        self.body(f)?;
        f.write_str("}")
    }
}
