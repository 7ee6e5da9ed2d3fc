//! Who is at the other end of a connection that a balancer hands on: the PROXY protocol, version 2.
//!
//! A balancer that is asked to says it in a few bytes before those of the client:
//!
//! ```text
//! 12 bytes         1                  1                   2       Length bytes
//! the signature    0x2 and command    family, transport   Length  source, destination, ports; more
//! ```
//!
//! Version 1, a line of text, is not taken: it has no length, and every balancer that speaks it
//! speaks version 2. What else a balancer may tell (of a client's certificate, for example) is not
//! looked at: an identity is what a peer has shown here.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncReadExt as _;

use crate::stream::Stream;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, command, family and length.
const FIXED: usize = 16;
/// Bytes behind them. Chosen: two addresses are 36, or 216 for Unix sockets, and balancers add some
/// hundred bytes of their own.
const MAX_REST: u16 = 2_048;

/// What a balancer says before the bytes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The client is there.
    Client(SocketAddr),
    /// The connection is the balancer's own, to see whether anybody listens; or it does not say who
    /// the client is.
    Own,
}

/// What came is not what a balancer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It does not begin as version 2 does.
    NoSignature,
    /// The command is none that is known.
    UnknownCommand,
    /// It is longer than the limit, which is 2,048 bytes behind the first 16.
    TooLong,
    /// It is too short for the addresses that it says it has.
    TooShort,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSignature => "not the PROXY protocol, version 2",
            Self::UnknownCommand => "a PROXY command that is not known",
            Self::TooLong => "a PROXY header of more than 2064 bytes",
            Self::TooShort => "a PROXY header that is too short for its addresses",
        })
    }
}

impl std::error::Error for ProxyError {}

impl ProxyHeader {
    /// Reads what a balancer says, and not a byte more. How long that may take is its caller's to
    /// say.
    ///
    /// # Errors
    /// If it is something else ([`io::ErrorKind::InvalidData`], with a [`ProxyError`]), and those of
    /// the stream.
    ///
    /// # Limits
    /// Of 2,064 bytes at most.
    pub async fn read(stream: &mut Stream) -> io::Result<Self> {
        let mut fixed = [0; FIXED];
        stream.read_exact(&mut fixed).await?;
        let rest = Rest::of(fixed).map_err(invalid)?;
        let mut bytes = vec![0; rest.length.into()];
        stream.read_exact(&mut bytes).await?;
        rest.read(&bytes).map_err(invalid)
    }
}

fn invalid(error: ProxyError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What is behind the first 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rest {
    says_client: bool,
    family: u8,
    length: u16,
}

impl Rest {
    fn of(fixed: [u8; FIXED]) -> Result<Self, ProxyError> {
        let [signature @ .., command, family, high, low] = fixed;
        if signature != SIGNATURE {
            return Err(ProxyError::NoSignature);
        }
        let says_client = match command {
            0x20 => false,
            0x21 => true,
            _ => return Err(ProxyError::UnknownCommand),
        };
        let length = u16::from_be_bytes([high, low]);
        if length > MAX_REST {
            return Err(ProxyError::TooLong);
        }
        Ok(Self { says_client, family, length })
    }

    fn read(self, bytes: &[u8]) -> Result<ProxyHeader, ProxyError> {
        if !self.says_client {
            return Ok(ProxyHeader::Own);
        }
        let address = match self.family {
            // TCP over IPv4: source, destination, ports.
            0x11 => {
                let (source, rest) = bytes.split_first_chunk::<4>().ok_or(ProxyError::TooShort)?;
                let port = rest.get(4..6).filter(|_| rest.len() >= 8);
                (IpAddr::from(*source), port)
            }
            0x21 => {
                let (source, rest) = bytes.split_first_chunk::<16>().ok_or(ProxyError::TooShort)?;
                let port = rest.get(16..18).filter(|_| rest.len() >= 20);
                (IpAddr::from(*source), port)
            }
            // Unix sockets, datagrams, and what is not said.
            _ => return Ok(ProxyHeader::Own),
        };
        let (ip, Some(&[high, low])) = address else { return Err(ProxyError::TooShort) };
        Ok(ProxyHeader::Client(SocketAddr::new(ip, u16::from_be_bytes([high, low]))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What a balancer says, all at once.
    async fn read(bytes: &[u8]) -> io::Result<ProxyHeader> {
        let (mut balancer, server) = tokio::io::duplex(8_192);
        balancer.write_all(bytes).await.unwrap();
        drop(balancer);
        ProxyHeader::read(&mut Stream::own(server)).await
    }

    fn said(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, rest].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x0F, 0xA0, 0x01, 0xBB];

    #[tokio::test]
    async fn the_client_is_the_one_that_the_balancer_names_and_its_bytes_are_left() {
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 1;
        v6[32..34].copy_from_slice(&[0x0F, 0xA0]);
        let with_more = [V4.as_slice(), &[0x04, 0, 1, 0]].concat();
        for (rest, family, client) in [
            (V4.as_slice(), 0x11, "192.0.2.7:4000"),
            (&with_more, 0x11, "192.0.2.7:4000"),
            (&v6, 0x21, "[2001::1]:4000"),
        ] {
            let bytes = said(0x21, family, rest);
            let client = ProxyHeader::Client(client.parse().unwrap());
            assert_eq!(read(&bytes).await.unwrap(), client);
            for cut in 0..bytes.len() {
                let error = read(&bytes[..cut]).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
            }
            let (mut balancer, server) = tokio::io::duplex(8_192);
            balancer.write_all(&[&bytes, b"1 'ask'$".as_slice()].concat()).await.unwrap();
            let mut server = Stream::own(server);
            ProxyHeader::read(&mut server).await.unwrap();
            let mut rest = [0; 8];
            server.read_exact(&mut rest).await.unwrap();
            assert_eq!(&rest, b"1 'ask'$");
        }
    }

    #[tokio::test]
    async fn who_names_no_client_is_the_peer_itself() {
        for bytes in [
            said(0x20, 0x00, &[]),
            said(0x20, 0x11, &V4),
            said(0x21, 0x00, &[]),
            said(0x21, 0x31, &[0; 216]),
            said(0x21, 0x12, &V4),
        ] {
            assert_eq!(read(&bytes).await.unwrap(), ProxyHeader::Own);
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_an_error_that_says_so() {
        let too_long = [SIGNATURE.as_slice(), &[0x21, 0x11, 0x08, 0x01]].concat();
        for (bytes, wanted) in [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\r\n".to_vec(), ProxyError::NoSignature),
            (b"0 {'negotiate',1,?,#1&,#}$".to_vec(), ProxyError::NoSignature),
            (said(0x22, 0x11, &V4), ProxyError::UnknownCommand),
            (said(0x11, 0x11, &V4), ProxyError::UnknownCommand),
            (said(0x21, 0x11, &V4[..11]), ProxyError::TooShort),
            (said(0x21, 0x11, &[]), ProxyError::TooShort),
            (said(0x21, 0x21, &[0; 35]), ProxyError::TooShort),
            (too_long, ProxyError::TooLong),
        ] {
            let error = read(&bytes).await.unwrap_err();
            let said = error.get_ref().and_then(|error| error.downcast_ref::<ProxyError>());
            assert_eq!(said, Some(&wanted), "{error}");
        }
        assert_eq!(read(&said(0x20, 0, &[0; 2_048])).await.unwrap(), ProxyHeader::Own);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_a_client_has_the_bytes_that_say_it(
            command in 0x1f..0x23_u8,
            family: u8,
            rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let fixed: [u8; FIXED] = said(command, family, &rest)[..FIXED].try_into().unwrap();
            let read = Rest::of(fixed).and_then(|parsed| {
                assert_eq!(usize::from(parsed.length), rest.len());
                parsed.read(&rest)
            });
            if let Ok(ProxyHeader::Client(client)) = read {
                let (width, is_v4) = if family == 0x11 { (4, true) } else { (16, false) };
                prop_assert_eq!(client.is_ipv4(), is_v4);
                let port = u16::from_be_bytes([rest[2 * width], rest[2 * width + 1]]);
                prop_assert_eq!(client.port(), port);
                match client.ip() {
                    IpAddr::V4(ip) => prop_assert_eq!(&ip.octets()[..], &rest[..4]),
                    IpAddr::V6(ip) => prop_assert_eq!(&ip.octets()[..], &rest[..16]),
                }
            }
        }

        #[test]
        fn nothing_but_the_signature_begins_a_header(fixed: [u8; FIXED]) {
            prop_assert_eq!(Rest::of(fixed), Err(ProxyError::NoSignature));
        }
    }
}
