//! What an end is told.

use std::fmt;
use std::str::FromStr;

use super::words::{Words, written};

/// What happens to an end: on its connections, in its program, by its operator, with time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// So much time has passed since the start. What was due by then is done first, at its time.
    At {
        /// In milliseconds.
        at_ms: u64,
    },
    /// Bytes have come.
    Received {
        /// On this connection.
        connection: u64,
        /// The bytes: one packet, less, or more.
        bytes: Vec<u8>,
    },
    /// A connection is made.
    Connected {
        /// Its number.
        connection: u64,
        /// The IP address of the other end, if it is known.
        peer: Option<String>,
        /// It is TLS.
        tls: bool,
    },
    /// A connection cannot be made.
    Unreachable {
        /// Its number.
        connection: u64,
    },
    /// A connection is gone.
    Lost {
        /// Its number.
        connection: u64,
    },
    /// A client's program makes a call.
    Call {
        /// Its name.
        name: String,
        /// It may be repeated.
        is_idempotent: bool,
        /// It has so long, if it is said.
        time_ms: Option<u64>,
        /// N15: the span in which it is made.
        trace: Option<String>,
    },
    /// A client's program sends an event.
    Event {
        /// Its name.
        name: String,
    },
    /// A client's program does not wait for a call any longer.
    Cancel {
        /// Its name.
        name: String,
    },
    /// A client's program needs its engine no longer.
    Close,
    /// A client's program takes nothing from here on, or takes again.
    Paused {
        /// It takes nothing.
        is_paused: bool,
    },
    /// The answer to `render`.
    Rendered {
        /// The message's name.
        name: String,
        /// The version.
        version: u32,
        /// What came of it.
        body: Body,
    },
    /// A client's code for a version crashes, beside any message.
    Crash {
        /// The version.
        version: u32,
    },
    /// Another session of a client's program has put a version into quarantine.
    Quarantine {
        /// The version.
        version: u32,
        /// Until then.
        until_ms: u64,
    },
    /// The other end reads nothing from here on, or reads again.
    Stalled {
        /// It reads nothing.
        is_stalled: bool,
    },
    /// A server's program answers.
    Reply {
        /// The request's number.
        number: u64,
        /// The body.
        body: Vec<u8>,
    },
    /// A server's handler crashes.
    Fail {
        /// The request's number.
        number: u64,
    },
    /// A server's program has not executed a message.
    Refuse {
        /// Its number.
        number: u64,
        /// The reason, an atom.
        why: String,
    },
    /// A handler crashes on another connection.
    CrashFrom {
        /// Where that connection is from.
        address: String,
        /// The version.
        version: u32,
    },
    /// A server's program sends an event.
    Notify {
        /// In this version.
        version: u32,
        /// Its body.
        body: Vec<u8>,
    },
    /// An operator withdraws a version.
    Withdraw {
        /// The version.
        version: u32,
    },
    /// An operator offers a version again.
    Restore {
        /// The version.
        version: u32,
    },
    /// A server's packets name these addresses.
    NextIp {
        /// Joined by `,`; `?` for none.
        addresses: String,
    },
    /// A server drains.
    Drain {
        /// To these addresses, joined by `,`.
        addresses: String,
        /// It ends then.
        until_ms: u64,
        /// The client is told then, if no packet has done so.
        notice_at_ms: u64,
    },
    /// The drain is undone.
    Undrain,
    /// A server turns new connections away.
    Cordon {
        /// To these addresses, joined by `,`; `?` for none.
        addresses: String,
    },
    /// It does so no longer.
    Uncordon,
    /// A server closes.
    Shutdown {
        /// The reason, an atom.
        why: String,
        /// Calls in progress have so long.
        within_ms: u64,
    },
}

/// What came of asking for a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It.
    Bytes(Vec<u8>),
    /// The program's code crashes; the reason is the atom `crash`.
    Crashes,
    /// The message cannot be said in this version.
    Inexpressible,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |is: bool| if is { "yes" } else { "no" };
        match self {
            Self::At { at_ms } => write!(f, "at {at_ms}"),
            Self::Received { connection, bytes } => {
                write!(f, "received {connection} {}", written(bytes))
            }
            Self::Connected { connection, peer, tls } => {
                let tls = if *tls { "tls" } else { "plain" };
                write!(f, "connected {connection} {} {tls}", peer.as_deref().unwrap_or("-"))
            }
            Self::Unreachable { connection } => write!(f, "unreachable {connection}"),
            Self::Lost { connection } => write!(f, "lost {connection}"),
            Self::Call { name, is_idempotent, time_ms, trace } => {
                let again = if *is_idempotent { "idempotent" } else { "once" };
                let time = time_ms.map_or_else(|| "-".to_owned(), |time| time.to_string());
                write!(f, "call {name} {again} {time}")?;
                trace.iter().try_for_each(|trace| write!(f, " {trace}"))
            }
            Self::Event { name } => write!(f, "event {name}"),
            Self::Cancel { name } => write!(f, "cancel {name}"),
            Self::Close => f.write_str("close"),
            Self::Paused { is_paused } => write!(f, "paused {}", yes(*is_paused)),
            Self::Rendered { name, version, body: Body::Bytes(body) } => {
                write!(f, "rendered {name} {version} {}", written(body))
            }
            Self::Rendered { name, version, body: Body::Crashes } => {
                write!(f, "crashes {name} {version}")
            }
            Self::Rendered { name, version, body: Body::Inexpressible } => {
                write!(f, "inexpressible {name} {version}")
            }
            Self::Crash { version } => write!(f, "crash {version}"),
            Self::Quarantine { version, until_ms } => write!(f, "quarantine {version} {until_ms}"),
            Self::Stalled { is_stalled } => write!(f, "stalled {}", yes(*is_stalled)),
            Self::Reply { number, body } => write!(f, "reply {number} {}", written(body)),
            Self::Fail { number } => write!(f, "fail {number}"),
            Self::Refuse { number, why } => write!(f, "refuse {number} {why}"),
            Self::CrashFrom { address, version } => write!(f, "crash_from {address} {version}"),
            Self::Notify { version, body } => write!(f, "notify {version} {}", written(body)),
            Self::Withdraw { version } => write!(f, "withdraw {version}"),
            Self::Restore { version } => write!(f, "restore {version}"),
            Self::NextIp { addresses } => write!(f, "next_ip {addresses}"),
            Self::Drain { addresses, until_ms, notice_at_ms } => {
                write!(f, "drain {addresses} {until_ms} {notice_at_ms}")
            }
            Self::Undrain => f.write_str("undrain"),
            Self::Cordon { addresses } => write!(f, "cordon {addresses}"),
            Self::Uncordon => f.write_str("uncordon"),
            Self::Shutdown { why, within_ms } => write!(f, "shutdown {why} {within_ms}"),
        }
    }
}

impl FromStr for Told {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = Words::new(line);
        let word = words.word()?;
        let told = match of_client(word, &mut words)? {
            Some(told) => told,
            None => of_server(word, &mut words)?
                .ok_or_else(|| format!("`{word}` is nothing that an end is told"))?,
        };
        words.end()?;
        Ok(told)
    }
}

/// What clients are told, and what both ends are.
fn of_client(word: &str, words: &mut Words<'_>) -> Result<Option<Told>, String> {
    Ok(Some(match word {
        "at" => Told::At { at_ms: words.number()? },
        "received" => Told::Received { connection: words.number()?, bytes: words.bytes()? },
        "connected" => Told::Connected {
            connection: words.number()?,
            peer: words.option()?,
            tls: words.either("tls", "plain")?,
        },
        "unreachable" => Told::Unreachable { connection: words.number()? },
        "lost" => Told::Lost { connection: words.number()? },
        "call" => {
            let name = words.text()?;
            let is_idempotent = words.either("idempotent", "once")?;
            let time_ms = match words.option()? {
                None => None,
                Some(time) => Some(time.parse().map_err(|_| format!("`{time}` is no number"))?),
            };
            Told::Call { name, is_idempotent, time_ms, trace: words.more() }
        }
        "event" => Told::Event { name: words.text()? },
        "cancel" => Told::Cancel { name: words.text()? },
        "close" => Told::Close,
        "paused" => Told::Paused { is_paused: words.either("yes", "no")? },
        "rendered" | "crashes" | "inexpressible" => {
            let (name, version) = (words.text()?, words.number()?);
            let body = match word {
                "rendered" => Body::Bytes(words.bytes()?),
                "crashes" => Body::Crashes,
                _ => Body::Inexpressible,
            };
            Told::Rendered { name, version, body }
        }
        "stalled" => Told::Stalled { is_stalled: words.either("yes", "no")? },
        "crash" => Told::Crash { version: words.number()? },
        "quarantine" => Told::Quarantine { version: words.number()?, until_ms: words.number()? },
        _ => return Ok(None),
    }))
}

/// What servers alone are told.
fn of_server(word: &str, words: &mut Words<'_>) -> Result<Option<Told>, String> {
    Ok(Some(match word {
        "reply" => Told::Reply { number: words.number()?, body: words.bytes()? },
        "fail" => Told::Fail { number: words.number()? },
        "refuse" => Told::Refuse { number: words.number()?, why: words.text()? },
        "crash_from" => Told::CrashFrom { address: words.text()?, version: words.number()? },
        "notify" => Told::Notify { version: words.number()?, body: words.bytes()? },
        "withdraw" => Told::Withdraw { version: words.number()? },
        "restore" => Told::Restore { version: words.number()? },
        "next_ip" => Told::NextIp { addresses: words.text()? },
        "drain" => Told::Drain {
            addresses: words.text()?,
            until_ms: words.number()?,
            notice_at_ms: words.number()?,
        },
        "undrain" => Told::Undrain,
        "cordon" => Told::Cordon { addresses: words.text()? },
        "uncordon" => Told::Uncordon,
        "shutdown" => Told::Shutdown { why: words.text()?, within_ms: words.number()? },
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_reads_back_as_it_was_written() {
        for line in [
            "at 60000",
            "received 0 31",
            "received 0 -",
            "connected 1 192.0.2.1 tls",
            "connected 1 - plain",
            "unreachable 1",
            "lost 1",
            "call one idempotent -",
            "call one once 5000",
            "call one once - 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "event one",
            "cancel one",
            "close",
            "paused yes",
            "rendered one 3 31",
            "crashes one 3",
            "inexpressible one 3",
            "crash 3",
            "quarantine 3 60000",
            "stalled no",
            "reply 1 31",
            "fail 1",
            "refuse 1 full",
            "crash_from 192.0.2.9 3",
            "notify 3 31",
            "withdraw 3",
            "restore 3",
            "next_ip ?",
            "drain a:1,b:2 10000 500",
            "undrain",
            "cordon a:1",
            "uncordon",
            "shutdown bye 5000",
        ] {
            assert_eq!(line.parse::<Told>().map(|told| told.to_string()), Ok(line.to_owned()));
        }
    }

    #[test]
    fn a_line_with_too_much_or_too_little_is_refused() {
        for line in ["", "at", "at x", "at 1 2", "paused", "paused maybe", "reply 1 3", "jump"] {
            assert!(line.parse::<Told>().is_err(), "{line}");
        }
    }
}
