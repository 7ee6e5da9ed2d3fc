//! How a client begins: what it says until it is known which node it is led to (F5.4).

use ubf_codec::{ClientHeader, Decoder, Mode, Version};
use ubf_proto::control::{ClientControl, Negotiate};

use crate::cut::{Cut, Cutter};
use crate::skim::{Skimmed, Unfollowed};

/// L1: a packet of version 0 of more bytes than this is passed on unread. Chosen: the largest
/// `negotiate` there may be, with a thousand versions and as many reasons, has half of it.
pub const MAX_CONTROL_BYTES: usize = 65_536;

/// What a client has begun with. All bytes stay in the buffer: they are for the node.
#[derive(Debug)]
pub(crate) struct Opening {
    cutter: Cutter<ClientHeader>,
    /// Bytes of the buffer that were looked at.
    seen: usize,
    /// Where the body of the present packet begins.
    body: usize,
    pings: u64,
}

/// What is known after a look at the buffer.
#[derive(Debug)]
pub(crate) enum First {
    /// More has to come.
    Wait,
    /// A `negotiate`, which ends at this place of the buffer.
    Negotiate(Box<Negotiate>, usize),
    /// A message without a negotiation before it (N3.3): it is for the default service.
    Message(Version),
    /// Anything else. Any node will say what is wrong with it.
    Anything,
}

impl Opening {
    pub(crate) fn new() -> Self {
        Self { cutter: Cutter::new(), seen: 0, body: 0, pings: 0 }
    }

    /// Pings that came before anything else (S11.2): the switch is there, and says so itself, since
    /// it does not know yet for which node they are.
    pub(crate) const fn pings(&self) -> u64 {
        self.pings
    }

    /// Looks at all that has come, of which nothing was taken out.
    pub(crate) fn look(&mut self, buffer: &[u8]) -> First {
        loop {
            let window = buffer.get(self.seen..).unwrap_or_default();
            match self.cutter.cut(window) {
                Ok(Cut::Nothing) if buffer.len() >= MAX_CONTROL_BYTES => return First::Anything,
                Ok(Cut::Nothing) => return First::Wait,
                Ok(Cut::Blank(len)) => self.seen += len,
                Ok(Cut::Head(ClientHeader { mode: Mode::Version(version) }, _)) => {
                    return First::Message(version);
                }
                Ok(Cut::Head(ClientHeader { mode: Mode::Negotiation }, len)) => {
                    self.seen += len;
                    self.body = self.seen;
                }
                Ok(Cut::Body(Skimmed { len, is_end })) => {
                    self.seen += len;
                    if is_end {
                        let body = buffer.get(self.body..self.seen).unwrap_or_default();
                        match control(body) {
                            Some(ClientControl::Ping) => self.pings += 1,
                            Some(ClientControl::Negotiate(negotiate)) => {
                                return First::Negotiate(negotiate, self.seen);
                            }
                            Some(_) | None => return First::Anything,
                        }
                    }
                }
                Err(Unfollowed) => return First::Anything,
            }
        }
    }
}

/// A body of version 0 that a client has sent, if it is one that is known.
pub(crate) fn control(body: &[u8]) -> Option<ClientControl> {
    let document = Decoder::new().decode(body).ok()?;
    ClientControl::from_term(document.root()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8], piece: usize) -> (String, u64) {
        let mut opening = Opening::new();
        let mut told = "wait".to_owned();
        for upto in (piece..bytes.len() + piece).step_by(piece) {
            told = match opening.look(&bytes[..upto.min(bytes.len())]) {
                First::Wait => continue,
                First::Negotiate(negotiate, end) => {
                    format!("negotiate {} {:?} {end}", negotiate.service, negotiate.versions)
                }
                First::Message(version) => format!("message {version}"),
                First::Anything => "anything".to_owned(),
            };
            break;
        }
        (told, opening.pings())
    }

    #[test]
    fn f5_the_first_packets_say_where_a_client_is_led_however_they_are_cut() {
        let negotiate = b"0 {'negotiate',1,\"kv\",#3&10&,#}$";
        let pinged = b"\n0 'ping'$ 0 'ping'$0 {'negotiate',1,?,#3&,#}$3 1$";
        for piece in 1..40 {
            let (told, pings) = opened(negotiate, piece);
            assert!(told.starts_with("negotiate kv") && told.ends_with(" 32"), "{told}");
            assert_eq!(pings, 0);
            let (told, pings) = opened(pinged, piece);
            assert!(told.starts_with("negotiate ?") && told.ends_with(" 46"), "{told}");
            assert_eq!(pings, 2);
            assert_eq!(opened(b" 10 {'get'}$", piece).0, "message 10");
            assert_eq!(opened(b"'info'$", piece).0, "anything");
            assert_eq!(opened(b"0 {'later'}$", piece).0, "anything");
        }
        assert_eq!(opened(b"0 {'negotiate',1,?,", 3).0, "wait");
    }

    #[test]
    fn l1_what_does_not_end_is_not_kept() {
        let mut endless = b"0 \"".to_vec();
        endless.resize(MAX_CONTROL_BYTES + 1, b'a');
        assert_eq!(opened(&endless[..MAX_CONTROL_BYTES - 1], 1000).0, "wait");
        assert_eq!(opened(&endless, 1000).0, "anything");
        assert_eq!(opened(&[b' '; MAX_CONTROL_BYTES], 1000).0, "anything");
    }
}
