//! What the two processes say to each other: the contract `takeover`, version 4. A successor reads
//! the versions before it, too (U7): version 1 has no connections, version 2 those of stock clients
//! alone, and up to version 3 a predecessor lets go of connections when it writes `go`, and says
//! nothing of events.

use std::ops::RangeInclusive;

use ubf_codec::{Term, TermRef, View, ubf};
use ubf_server::{ClassicExport, LiveExport, SessionExport, SessionId};
use ubf_state::UnseenEvents;

use crate::rows::{read_unseen, unseen_term};

/// A message of the contract. Each is a packet; those with a descriptor are said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// P: how many descriptors will come.
    Hello { version: u32, descriptors: u32 },
    /// S: it has checked itself.
    Warm,
    /// P: a listener, by the name that it was given. With a descriptor.
    Listener(String),
    /// P: the listener of the control socket. With a descriptor.
    Control,
    /// P: a session that can go on in S.
    Session(Box<SessionExport>),
    /// P: a stock client's connection. With its socket.
    Connection(Box<ClassicExport>),
    /// P: a versioned client's connection. With its socket.
    Live(Box<LiveExport>),
    /// P: a session for which something runs still.
    Staying(SessionId),
    /// P: events that clients of the rows of a service may not have seen.
    Events { service: String, unseen: Vec<UnseenEvents> },
    /// P: that was all: so many descriptors and sessions.
    Give { descriptors: u32, sessions: u64 },
    /// S: all has come, and the store is open.
    Ready,
    /// P: serve. The commit point.
    Go,
    /// S: it has heard `go`, and touches connections from here on.
    Taking,
    /// P: do not serve.
    Abort,
    /// S: it has served for the time of probation.
    Served,
}

impl Word {
    /// The version of the contract.
    pub(super) const VERSION: u32 = 4;
    /// Those that a successor understands.
    pub(super) const READ: RangeInclusive<u32> = 1..=Self::VERSION;

    pub(super) const fn has_descriptor(&self) -> bool {
        match self {
            Self::Listener(_) | Self::Control | Self::Connection(_) | Self::Live(_) => true,
            Self::Hello { .. }
            | Self::Warm
            | Self::Session(_)
            | Self::Staying(_)
            | Self::Events { .. }
            | Self::Give { .. }
            | Self::Ready
            | Self::Go
            | Self::Taking
            | Self::Abort
            | Self::Served => false,
        }
    }

    pub(super) fn to_term(&self) -> Term {
        match self {
            Self::Hello { version, descriptors } => ubf!({hello, (*version), (*descriptors)}),
            Self::Warm => ubf!(warm),
            Self::Listener(name) => ubf!({listener, (name.as_str())}),
            Self::Control => ubf!(control),
            Self::Session(export) => export.to_term(),
            Self::Connection(export) => export.to_term(),
            Self::Live(export) => export.to_term(),
            Self::Staying(id) => ubf!({staying, (Term::binary(id.to_bytes().to_vec()))}),
            Self::Events { service, unseen } => {
                ubf!({events, (service.as_str()), (unseen_term(unseen))})
            }
            Self::Give { descriptors, sessions } => ubf!({give, (*descriptors), (*sessions)}),
            Self::Ready => ubf!(ready),
            Self::Go => ubf!(go),
            Self::Taking => ubf!(taking),
            Self::Abort => ubf!(abort),
            Self::Served => ubf!(served),
        }
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let View::Tuple(parts) = term.view() else {
            let alone = [
                Self::Warm,
                Self::Control,
                Self::Ready,
                Self::Go,
                Self::Taking,
                Self::Abort,
                Self::Served,
            ];
            return alone.into_iter().find(|word| word.to_term().as_ref() == term);
        };
        let name = parts.get(0)?;
        let number = |index| u32::try_from(parts.get(index)?.as_u64()?).ok();
        match parts.len() {
            2 if name.is_atom("listener") => {
                Some(Self::Listener(parts.get(1)?.as_str()?.into_owned()))
            }
            2 if name.is_atom("staying") => {
                let id = parts.get(1)?.as_bytes()?.try_into().ok()?;
                Some(Self::Staying(SessionId::from_bytes(id)))
            }
            3 if name.is_atom("hello") => {
                Some(Self::Hello { version: number(1)?, descriptors: number(2)? })
            }
            3 if name.is_atom("events") => Some(Self::Events {
                service: parts.get(1)?.as_str()?.into_owned(),
                unseen: read_unseen(parts.get(2)?)?,
            }),
            3 if name.is_atom("give") => {
                let sessions = parts.get(2)?.as_u64()?;
                Some(Self::Give { descriptors: number(1)?, sessions })
            }
            13 => LiveExport::read(term).map(Box::new).map(Self::Live),
            7 => ClassicExport::read(term).map(Box::new).map(Self::Connection),
            _ => SessionExport::read(term).map(Box::new).map(Self::Session),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ubf_codec::{Encoder, StreamDecoder};

    use super::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        word: Vec<WordVector>,
        no_word: Vec<NoWord>,
    }

    #[derive(serde::Deserialize)]
    struct WordVector {
        since: u32,
        descriptor: bool,
        written: String,
    }

    #[derive(serde::Deserialize)]
    struct NoWord {
        written: String,
    }

    fn decoded(written: &str) -> Term {
        let mut buffer = BytesMut::from(written);
        StreamDecoder::new().decode(&mut buffer).unwrap().unwrap().to_term()
    }

    #[test]
    fn u2_words_are_read_and_written_as_the_vectors_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/takeover/words.toml");
        let vectors: Vectors = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for WordVector { since, descriptor, written } in vectors.word {
            let term = decoded(&written);
            let word = Word::read(term.as_ref()).unwrap_or_else(|| panic!("{written}"));
            assert_eq!(word.has_descriptor(), descriptor, "{written}");
            assert!(Word::READ.contains(&since), "{written}");
            let again = Encoder::new().encode(&word.to_term());
            assert_eq!(String::from_utf8(again).unwrap(), written);
        }
        for NoWord { written } in vectors.no_word {
            assert_eq!(Word::read(decoded(&written).as_ref()), None, "{written}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for text in [
            "{session,<<\"0123456789abcdef\">>,?,\"kv\",2,{4,1000,2000,60000},3,0,[],?}",
            "{connection,\"192.0.2.7:5000\",meta,<<\"'serv\">>,<<>>,[],?}",
            "{connection,?,{service,\"door\",shut},<<>>,<<\"$\">>,[bell],{[],shut,<<\"kept\">>}}",
            "{live,\"192.0.2.7:5000\",\"ubf/1\",{\"kv\",3,3},{2,71},over,[4],{16777216,513,9,9,99},agreed,<<\"3 'g\">>,<<>>,[{\"kv\",<<>>}],{<<\"0123456789abcdef\">>,2,memory,{4,1000,2000,60000},3,0,[]}}",
            "{live,?,?,{?,?,?},{0,0},possible,[],?,none,<<>>,<<>>,[],?}",
        ] {
            let term: Term = text.parse().unwrap();
            let word = Word::read(term.as_ref()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(word.to_term(), term, "{text}");
        }
        for text in [
            "{live,?,?,{?,?,?},{0,0},asked,[],?,none,<<>>,<<>>,[],?}",
            "{live,?,?,{?,?,?},{0,0},over,[0],?,none,<<>>,<<>>,[],?}",
            "{connection,?,{door,\"door\",shut},<<>>,<<>>,[],?}",
            "{connection,?,meta,<<>>,<<>>,[],{[],\"shut\",?}}",
            "{session,<<\"0123456789abcdef\">>,?,\"kv\",2,{0,1000,2000,60000},3,0,[],?}",
        ] {
            let term: Term = text.parse().unwrap();
            assert_eq!(Word::read(term.as_ref()), None, "{text}");
        }
    }
}
