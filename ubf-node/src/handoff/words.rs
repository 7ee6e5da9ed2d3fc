//! What two nodes say to each other: the contract `handoff`, versions 1 and 2. The first one has no
//! events.

use bytes::Bytes;
use ubf_codec::{Term, TermRef, View, ubf};
use ubf_state::handoff::{Attempt, CopyHash};
use ubf_state::{Epoch, Page, ShardVersions, UnseenEvents, WriteVersion};

use crate::rows::{read_unseen, unseen_term};

/// The name under which nodes ask for it.
pub(crate) const NAME: &str = "handoff";
/// The versions of the contract.
pub(crate) const VERSIONS: [u32; 2] = [1, 2];
/// The first version that has events.
pub(super) const EVENTS_SINCE: u32 = 2;

/// The requests, for the answer to one that is none of them.
pub(super) const SHAPES: &[&str] = &[
    "{offer,Service,Attempt,Versions,Bytes,Node,NextIp}",
    "{rows,Service,Attempt,Place,Rows}",
    "{events,Service,Attempt,Events}",
    "{copy,Service,Attempt,Hash}",
    "{activate,Service,Attempt}",
    "{aborted,Service,Attempt}",
    "{ask,Service,Attempt}",
    "{claim,Service,Attempt}",
];

/// What one node asks of another, about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) service: String,
    pub(super) attempt: Attempt,
    pub(super) what: Asked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A: will you have its rows?
    Offer {
        versions: ShardVersions,
        bytes: u64,
        /// Where nodes speak to A.
        node: String,
        /// Where clients find A.
        next_ip: String,
    },
    /// A: some of them. They may come again, and in any order.
    Rows { place: u64, rows: Page },
    /// A: events that clients may not have seen, which are in no row.
    Events { unseen: Vec<UnseenEvents> },
    /// A: that were all; this is their hash.
    Copy { hash: CopyHash },
    /// A: they are yours.
    Activate,
    /// A: nothing came of it.
    Aborted,
    /// B: what became of it?
    Ask,
    /// A: everything is in the store that both have: claim it.
    Claim,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To an offer: they can come. Where clients will find them.
    Ready { next_ip: String },
    /// To rows, and to `aborted`.
    Ok,
    /// To a copy: it is durable.
    Prepared { attempt: Attempt, hash: CopyHash },
    /// The rows are served. Where clients find them.
    Active { attempt: Attempt, next_ip: String },
    /// To a question.
    Activate { attempt: Attempt },
    /// To a question.
    Aborted { attempt: Attempt },
    /// To a question, and to `activate`: ask again.
    Undecided,
    /// It is not done, for this reason.
    Refused(String),
}

impl Request {
    pub(super) fn to_term(&self) -> Term {
        let (service, attempt) = (self.service.as_str(), attempt_term(self.attempt));
        match &self.what {
            Asked::Offer { versions, bytes, node, next_ip } => {
                let (node, next_ip) = (node.as_str(), next_ip.as_str());
                let versions = versions_term(versions);
                ubf!({offer, (service), (attempt), (versions), (*bytes), (node), (next_ip)})
            }
            Asked::Rows { place, rows } => {
                let both = rows.iter().flat_map(|(key, value)| [key, value]);
                let rows = Term::list(both.map(|bytes| Term::binary(bytes.clone())));
                ubf!({rows, (service), (attempt), (*place), (rows)})
            }
            Asked::Events { unseen } => {
                ubf!({events, (service), (attempt), (unseen_term(unseen))})
            }
            Asked::Copy { hash } => ubf!({copy, (service), (attempt), (hash.0)}),
            Asked::Activate => ubf!({activate, (service), (attempt)}),
            Asked::Aborted => ubf!({aborted, (service), (attempt)}),
            Asked::Ask => ubf!({ask, (service), (attempt)}),
            Asked::Claim => ubf!({claim, (service), (attempt)}),
        }
    }

    /// What an audit log has of it: what changes who owns the rows, and no rows.
    pub(super) fn for_the_record(&self) -> Option<Term> {
        match &self.what {
            Asked::Offer { .. } | Asked::Activate | Asked::Claim => Some(self.to_term()),
            Asked::Rows { .. }
            | Asked::Events { .. }
            | Asked::Copy { .. }
            | Asked::Aborted
            | Asked::Ask => None,
        }
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let View::Tuple(parts) = term.view() else { return None };
        let (name, part) = (parts.get(0)?, |index| parts.get(index));
        let text = |index| Some(part(index)?.as_str()?.into_owned());
        let number = |index| part(index)?.as_u64();
        let what = match parts.len() {
            7 if name.is_atom("offer") => Asked::Offer {
                versions: read_versions(part(3)?)?,
                bytes: number(4)?,
                node: text(5)?,
                next_ip: text(6)?,
            },
            5 if name.is_atom("rows") => {
                Asked::Rows { place: number(3)?, rows: read_rows(part(4)?)? }
            }
            4 if name.is_atom("events") => Asked::Events { unseen: read_unseen(part(3)?)? },
            4 if name.is_atom("copy") => Asked::Copy { hash: CopyHash(number(3)?) },
            3 if name.is_atom("activate") => Asked::Activate,
            3 if name.is_atom("aborted") => Asked::Aborted,
            3 if name.is_atom("ask") => Asked::Ask,
            3 if name.is_atom("claim") => Asked::Claim,
            _ => return None,
        };
        Some(Self { service: text(1)?, attempt: read_attempt(part(2)?)?, what })
    }
}

impl Answer {
    pub(super) fn to_term(&self) -> Term {
        match self {
            Self::Ready { next_ip } => ubf!({ready, (next_ip.as_str())}),
            Self::Ok => ubf!(ok),
            Self::Prepared { attempt, hash } => {
                ubf!({prepared, (attempt_term(*attempt)), (hash.0)})
            }
            Self::Active { attempt, next_ip } => {
                ubf!({active, (attempt_term(*attempt)), (next_ip.as_str())})
            }
            Self::Activate { attempt } => ubf!({activate, (attempt_term(*attempt))}),
            Self::Aborted { attempt } => ubf!({aborted, (attempt_term(*attempt))}),
            Self::Undecided => ubf!(undecided),
            Self::Refused(why) => ubf!({refused, (why.as_str())}),
        }
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let View::Tuple(parts) = term.view() else {
            let alone = [Self::Ok, Self::Undecided];
            return alone.into_iter().find(|answer| answer.to_term().as_ref() == term);
        };
        let (name, part) = (parts.get(0)?, |index| parts.get(index));
        let text = |index| Some(part(index)?.as_str()?.into_owned());
        match parts.len() {
            2 if name.is_atom("ready") => Some(Self::Ready { next_ip: text(1)? }),
            3 if name.is_atom("prepared") => Some(Self::Prepared {
                attempt: read_attempt(part(1)?)?,
                hash: CopyHash(part(2)?.as_u64()?),
            }),
            3 if name.is_atom("active") => {
                Some(Self::Active { attempt: read_attempt(part(1)?)?, next_ip: text(2)? })
            }
            2 if name.is_atom("activate") => {
                Some(Self::Activate { attempt: read_attempt(part(1)?)? })
            }
            2 if name.is_atom("aborted") => {
                Some(Self::Aborted { attempt: read_attempt(part(1)?)? })
            }
            2 if name.is_atom("refused") => Some(Self::Refused(text(1)?)),
            _ => None,
        }
    }
}

fn attempt_term(Attempt { epoch, number, name }: Attempt) -> Term {
    ubf!({(epoch.0), (number), (name)})
}

fn read_attempt(term: TermRef<'_>) -> Option<Attempt> {
    let View::Tuple(tuple) = term.view() else { return None };
    let [epoch, number, name] = tuple.to_array()?.map(|term: TermRef<'_>| term.as_u64());
    Some(Attempt { epoch: Epoch(epoch?), number: number?, name: name? })
}

/// `{{Write,Lowest,Highest},{Write,Lowest,Highest}}`: of the service's rows, and of the library's.
fn versions_term(versions: &ShardVersions) -> Term {
    let of = |version: &WriteVersion| {
        let WriteVersion { write, lowest, highest } = *version;
        ubf!({(write), (lowest), (highest)})
    };
    ubf!({(of(&versions.state)), (of(&versions.format))})
}

fn read_versions(term: TermRef<'_>) -> Option<ShardVersions> {
    let View::Tuple(tuple) = term.view() else { return None };
    let [state, format] = tuple.to_array()?;
    let read = |term: TermRef<'_>| {
        let View::Tuple(tuple) = term.view() else { return None };
        let numbers = tuple.to_array()?.map(|term: TermRef<'_>| term.as_u64());
        let [write, lowest, highest] =
            numbers.map(|number| number.and_then(|number| u32::try_from(number).ok()));
        Some(WriteVersion { write: write?, lowest: lowest?, highest: highest? })
    };
    Some(ShardVersions { state: read(state)?, format: read(format)? })
}

fn read_rows(term: TermRef<'_>) -> Option<Page> {
    let View::List(list) = term.view() else { return None };
    let mut parts = list.iter();
    let mut rows = Page::new();
    while let Some(key) = parts.next() {
        let bytes = |term: TermRef<'_>| term.as_bytes().map(Bytes::copy_from_slice);
        rows.push((bytes(key)?, bytes(parts.next()?)?));
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        for text in [
            "{offer,\"kv\",{5,1,77},{{2,1,2},{1,1,1}},4096,\"unix:/run/a\",\"a.example:4000\"}",
            "{rows,\"kv\",{5,1,77},0,[]}",
            "{rows,\"kv\",{5,1,77},3,[<<\"key\">>,<<\"value\">>,<<\"k\">>,<<\"\">>]}",
            "{events,\"kv\",{5,1,77},[]}",
            "{events,\"kv\",{5,1,77},[{<<\"0123456789abcdef\">>,[{3,7,<<\"1 {}$\">>},{4,7,<<\"\">>}]}]}",
            "{copy,\"kv\",{5,1,18446744073709551615},99}",
            "{activate,\"kv\",{5,1,77}}",
            "{aborted,\"kv\",{5,1,77}}",
            "{ask,\"kv\",{5,1,77}}",
            "{claim,\"kv\",{5,1,77}}",
        ] {
            let term: Term = text.parse().unwrap();
            let request = Request::read(term.as_ref()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(request.to_term(), term, "{text}");
        }
        for text in [
            "ask",
            "{ask,kv,{5,1,77}}",
            "{ask,\"kv\",{5,1}}",
            "{ask,\"kv\",{-5,1,77}}",
            "{rows,\"kv\",{5,1,77},0,[<<\"key\">>]}",
            "{rows,\"kv\",{5,1,77},0,[<<\"key\">>,value]}",
            "{copy,\"kv\",{5,1,77}}",
            "{events,\"kv\",{5,1,77},[{<<\"short\">>,[]}]}",
            "{events,\"kv\",{5,1,77},[{<<\"0123456789abcdef\">>,[{3,7}]}]}",
            "{offer,\"kv\",{5,1,77},{{2,1,2}},4096,\"unix:/run/a\",\"a.example:4000\"}",
        ] {
            let term: Term = text.parse().unwrap();
            assert_eq!(Request::read(term.as_ref()), None, "{text}");
        }
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        for text in [
            "{ready,\"b.example:4000\"}",
            "ok",
            "{prepared,{5,1,77},99}",
            "{active,{5,1,77},\"b.example:4000\"}",
            "{activate,{5,1,77}}",
            "{aborted,{5,1,77}}",
            "undecided",
            "{refused,\"the rows are served here\"}",
        ] {
            let term: Term = text.parse().unwrap();
            let answer = Answer::read(term.as_ref()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(answer.to_term(), term, "{text}");
        }
        for text in ["okay", "{ok}", "{refused,why}", "{prepared,{5,1,77}}", "{active,{5,1,77}}"] {
            let term: Term = text.parse().unwrap();
            assert_eq!(Answer::read(term.as_ref()), None, "{text}");
        }
    }
}
