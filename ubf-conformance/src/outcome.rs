//! What a decoder made of a stream, in words that every implementation can speak.

use std::fmt;

use ubf_codec::NextIp;

/// The packets of a stream, and how the stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<P = String> {
    /// The complete packets, in order. For plain UBF(A) each is the postfix of its term.
    pub packets: Vec<P>,
    /// What came after the last of them.
    pub end: End,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing but white space follows the last packet.
    Complete,
    /// The input stops inside a packet.
    Incomplete,
    /// A rule is broken.
    Error {
        /// The error's code, as in the specification's table.
        code: String,
        /// The byte of the stream that is named.
        offset: usize,
    },
}

/// Who has written a versioned packet: the two sides have different headers (P1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// `Version SP Body`.
    Client,
    /// `Version SP NextIP SP Body`.
    Server,
}

impl Side {
    /// Both sides.
    pub const ALL: [Self; 2] = [Self::Client, Self::Server];

    /// The word that stands for it in vectors and requests.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A versioned packet.
///
/// Two are equal when their addresses mean the same, however they are written: a name in another
/// case, an IPv6 address with other zeros.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The version; 0 is negotiation mode.
    pub version: u32,
    /// `?`, or the addresses joined by commas. The client's packets have none.
    pub next_ip: Option<String>,
    /// The body's bytes, `$` included.
    pub body: Vec<u8>,
    /// The body's term in postfix.
    pub term: String,
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        let Self { version, next_ip, body, term } = self;
        *version == other.version
            && *body == other.body
            && *term == other.term
            && are_same_addresses(next_ip.as_deref(), other.next_ip.as_deref())
    }
}

impl Eq for Packet {}

fn are_same_addresses(one: Option<&str>, two: Option<&str>) -> bool {
    let addresses = |text: Option<&str>| text.and_then(|text| text.parse::<NextIp>().ok());
    one == two || addresses(one).is_some_and(|one| Some(one) == addresses(two))
}

impl<P: fmt::Display> fmt::Display for Outcome<P> {
    /// The answer of an implementation in one line: every packet, then the end, parted by ` ; `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for packet in &self.packets {
            write!(f, "{packet} ; ")?;
        }
        write!(f, "{}", self.end)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Incomplete => f.write_str("incomplete"),
            Self::Error { code, offset } => write!(f, "error {code} {offset}"),
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.version)?;
        if let Some(next_ip) = &self.next_ip {
            write!(f, "{next_ip} ")?;
        }
        write!(f, "{} {}", hex::encode(&self.body), self.term)
    }
}

impl Outcome {
    /// Reads what `Display` writes.
    pub fn parse(answer: &str) -> Result<Self, String> {
        parse(answer, |packet| Ok(packet.to_owned()))
    }
}

impl Outcome<Packet> {
    /// Reads what `Display` writes for the packets of that side.
    pub fn parse(answer: &str, side: Side) -> Result<Self, String> {
        parse(answer, |packet| Packet::parse(packet, side))
    }
}

fn parse<P>(
    answer: &str,
    packet: impl Fn(&str) -> Result<P, String>,
) -> Result<Outcome<P>, String> {
    let mut parts: Vec<&str> = answer.split(" ; ").collect();
    let end = parts.pop().unwrap_or_default();
    let packets = parts.into_iter().map(packet).collect::<Result<_, _>>()?;
    let words: Vec<&str> = end.split(' ').collect();
    let end = match words.as_slice() {
        ["complete"] => End::Complete,
        ["incomplete"] => End::Incomplete,
        ["error", code, offset] => End::Error {
            code: (*code).to_owned(),
            offset: offset.parse().map_err(|_| format!("`{offset}` is no offset"))?,
        },
        _ => {
            return Err(format!(
                "`{end}` is neither `complete` nor `incomplete` nor `error CODE OFFSET`"
            ));
        }
    };
    Ok(Outcome { packets, end })
}

impl Packet {
    fn parse(text: &str, side: Side) -> Result<Self, String> {
        let broken = || format!("`{text}` is no packet of a {}", side.word());
        let (version, rest) = text.split_once(' ').ok_or_else(broken)?;
        let (next_ip, rest) = match side {
            Side::Client => (None, rest),
            Side::Server => {
                let (next_ip, rest) = rest.split_once(' ').ok_or_else(broken)?;
                (Some(next_ip.to_owned()), rest)
            }
        };
        let (body, term) = rest.split_once(' ').ok_or_else(broken)?;
        Ok(Self {
            version: version.parse().map_err(|_| broken())?,
            next_ip,
            body: hex::decode(body).map_err(|_| broken())?,
            term: term.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_as_addresses() {
        let same = |one: &str, two: &str| are_same_addresses(Some(one), Some(two));
        assert!(same("?", "?") && same("B.example:1,[::0:1]:2", "b.example:1,[::1]:2"));
        assert!(!same("a:1,b:1", "b:1,a:1") && !same("?", "a:1") && !same("x", "y"));
    }

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        let packets = vec!["i:1".to_owned(), "i:1 t:1".to_owned()];
        for end in [
            End::Complete,
            End::Incomplete,
            End::Error { code: "bad-escape".to_owned(), offset: 3 },
        ] {
            let outcome = Outcome { packets: packets.clone(), end };
            assert_eq!(Outcome::<String>::parse(&outcome.to_string()), Ok(outcome));
        }
    }

    #[test]
    fn an_answer_with_packets_reads_back_as_it_was_written() {
        for (side, next_ip) in [(Side::Client, None), (Side::Server, Some("a:1,b:2".to_owned()))] {
            let packet =
                Packet { version: 10, next_ip, body: b"{1}$".to_vec(), term: "i:1 t:1".to_owned() };
            let outcome = Outcome { packets: vec![packet], end: End::Complete };
            assert_eq!(Outcome::<Packet>::parse(&outcome.to_string(), side), Ok(outcome));
        }
    }
}
