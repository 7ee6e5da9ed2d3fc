//! What an end does.

use std::fmt;
use std::str::FromStr;

use ubf_codec::Address;

use super::words::{Words, written};

/// What an end does, or says to its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A client connects.
    Dial {
        /// The number that the connection has from here on: they are counted from 0.
        connection: u64,
        /// Where.
        address: String,
        /// The name that the certificate must be for, with TLS.
        tls: Option<String>,
    },
    /// It sends a packet.
    Send {
        /// On this connection.
        connection: u64,
        /// The whole packet.
        bytes: Vec<u8>,
    },
    /// A client closes a connection, or gives up making it.
    Hangup {
        /// Its number.
        connection: u64,
    },
    /// A server closes a connection.
    Closed {
        /// Its number.
        connection: u64,
        /// The reason, a word of the vectors.
        why: String,
        /// How many calls were in progress.
        cut: usize,
    },
    /// A client's engine asks its program for a body.
    Render {
        /// The message's name.
        name: String,
        /// In this version.
        version: u32,
    },
    /// A client's program gets a reply, or hears that an event was taken.
    Done {
        /// The message's name.
        name: String,
        /// The version that it was answered in.
        version: u32,
        /// The reply's body; of an event, nothing.
        body: Vec<u8>,
    },
    /// A client's program hears that a message has ended otherwise.
    Failed {
        /// The message's name.
        name: String,
        /// What it must know, a word of the vectors.
        why: String,
    },
    /// A client's program gets an event.
    EventOut {
        /// In this version.
        version: u32,
        /// Its body.
        body: Vec<u8>,
    },
    /// A server's program gets a request.
    Request {
        /// Its number: of the packet on the connection, or of the message in the session.
        number: u64,
        /// Its version.
        version: u32,
        /// N15: the caller's span, if it was told.
        trace: Option<String>,
        /// N15: how long the caller still waited, if that was told.
        deadline_ms: Option<u64>,
    },
    /// A server's program gets an event.
    EventIn {
        /// Its number.
        number: u64,
        /// Its version.
        version: u32,
    },
    /// What an operator can see.
    Notice {
        /// A word of the vectors.
        word: String,
    },
}

/// Those of one kind have an order; the order of two kinds is nobody's business but the end's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Connection(u64),
    Program,
    Operator,
}

impl Act {
    pub(super) fn channel(&self) -> Channel {
        match self {
            Self::Dial { connection, .. }
            | Self::Send { connection, .. }
            | Self::Hangup { connection }
            | Self::Closed { connection, .. } => Channel::Connection(*connection),
            Self::Render { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::EventOut { .. }
            | Self::Request { .. }
            | Self::EventIn { .. } => Channel::Program,
            Self::Notice { .. } => Channel::Operator,
        }
    }

    /// Whether both say the same: addresses are compared as addresses.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Dial { connection, address, tls },
                Self::Dial { connection: second, address: other, tls: name },
            ) => {
                let parsed = |text: &String| text.parse::<Address>().ok();
                let is_same = address == other
                    || parsed(address).is_some_and(|address| Some(address) == parsed(other));
                is_same && connection == second && tls == name
            }
            _ => self == other,
        }
    }

    /// For people: bytes are text.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Send { connection, bytes } => {
                format!("send {connection} {}", String::from_utf8_lossy(bytes))
            }
            Self::Done { name, version, body } => {
                format!("done {name} {version} {}", String::from_utf8_lossy(body))
            }
            Self::EventOut { version, body } => {
                format!("event_out {version} {}", String::from_utf8_lossy(body))
            }
            Self::Dial { .. }
            | Self::Hangup { .. }
            | Self::Closed { .. }
            | Self::Render { .. }
            | Self::Failed { .. }
            | Self::Request { .. }
            | Self::EventIn { .. }
            | Self::Notice { .. } => self.to_string(),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial { connection, address, tls } => {
                write!(f, "dial {connection} {address} {}", tls.as_deref().unwrap_or("-"))
            }
            Self::Send { connection, bytes } => write!(f, "send {connection} {}", written(bytes)),
            Self::Hangup { connection } => write!(f, "hangup {connection}"),
            Self::Closed { connection, why, cut } => write!(f, "closed {connection} {why} {cut}"),
            Self::Render { name, version } => write!(f, "render {name} {version}"),
            Self::Done { name, version, body } => {
                write!(f, "done {name} {version} {}", written(body))
            }
            Self::Failed { name, why } => write!(f, "failed {name} {why}"),
            Self::EventOut { version, body } => write!(f, "event_out {version} {}", written(body)),
            Self::Request { number, version, trace, deadline_ms } => {
                write!(f, "request {number} {version}")?;
                if trace.is_none() && deadline_ms.is_none() {
                    return Ok(());
                }
                let left = deadline_ms.map_or_else(|| "-".to_owned(), |left| left.to_string());
                write!(f, " {} {left}", trace.as_deref().unwrap_or("-"))
            }
            Self::EventIn { number, version } => write!(f, "event_in {number} {version}"),
            Self::Notice { word } => write!(f, "notice {word}"),
        }
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = Words::new(line);
        let act = match words.word()? {
            "dial" => Self::Dial {
                connection: words.number()?,
                address: words.text()?,
                tls: words.option()?,
            },
            "send" => Self::Send { connection: words.number()?, bytes: words.bytes()? },
            "hangup" => Self::Hangup { connection: words.number()? },
            "closed" => Self::Closed {
                connection: words.number()?,
                why: words.text()?,
                cut: words.number()?,
            },
            "render" => Self::Render { name: words.text()?, version: words.number()? },
            "done" => {
                Self::Done { name: words.text()?, version: words.number()?, body: words.bytes()? }
            }
            "failed" => Self::Failed { name: words.text()?, why: words.text()? },
            "event_out" => Self::EventOut { version: words.number()?, body: words.bytes()? },
            "request" => {
                let (number, version, trace) = (words.number()?, words.number()?, words.more());
                let parsed = |left: String| {
                    left.parse().map_err(|_| format!("`{left}` is no number, in `{line}`"))
                };
                let deadline_ms = words.more().map(parsed).transpose()?;
                Self::Request { number, version, trace, deadline_ms }
            }
            "event_in" => Self::EventIn { number: words.number()?, version: words.number()? },
            "notice" => Self::Notice { word: words.text()? },
            other => return Err(format!("`{other}` is nothing that an end does")),
        };
        words.end()?;
        Ok(act)
    }
}

/// Reads what [`write_acts`] writes.
pub(crate) fn read_acts(answer: &str) -> Result<Vec<Act>, String> {
    read_lines_of(answer)?.iter().map(|act| act.parse()).collect()
}

/// What stands before `quiet`, each without the sign behind it.
pub(crate) fn read_lines_of(answer: &str) -> Result<Vec<String>, String> {
    let mut parts: Vec<String> = answer.split(" ; ").map(str::to_owned).collect();
    match parts.pop().as_deref() {
        Some("quiet") => Ok(parts),
        _ => Err(format!("`{answer}` does not end with `quiet`")),
    }
}

/// Everything that an end does, then that it does nothing more.
pub(crate) fn write_acts<A: fmt::Display>(acts: &[A]) -> String {
    let acts: String = acts.iter().map(|act| format!("{act} ; ")).collect();
    acts + "quiet"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        let acts = vec![
            Act::Dial { connection: 0, address: "a:1".to_owned(), tls: None },
            Act::Dial { connection: 1, address: "b:1".to_owned(), tls: Some("b".to_owned()) },
            Act::Send { connection: 1, bytes: b"3 'a'$".to_vec() },
            Act::Hangup { connection: 0 },
            Act::Closed { connection: 1, why: "lost".to_owned(), cut: 2 },
            Act::Render { name: "one".to_owned(), version: 3 },
            Act::Done { name: "one".to_owned(), version: 3, body: Vec::new() },
            Act::Failed { name: "one".to_owned(), why: "late".to_owned() },
            Act::EventOut { version: 3, body: b"1$".to_vec() },
            Act::Request { number: 1, version: 3, trace: None, deadline_ms: None },
            Act::Request { number: 2, version: 3, trace: None, deadline_ms: Some(7) },
            Act::Request {
                number: 3,
                version: 3,
                trace: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
                deadline_ms: None,
            },
            Act::EventIn { number: 2, version: 3 },
            Act::Notice { word: "agreed".to_owned() },
        ];
        assert_eq!(read_acts(&write_acts(&acts)), Ok(acts));
        assert_eq!(read_acts("quiet"), Ok(Vec::new()));
    }

    #[test]
    fn garbage_is_no_answer() {
        for garbage in ["", "send 0 31", "send 0 3 ; quiet", "send 0 31 1 ; quiet", "x ; quiet"] {
            assert!(read_acts(garbage).is_err(), "{garbage}");
        }
    }
}
