//! What an operator asks for.

use std::time::Duration;

use ubf_codec::{Address, NextIp, TermRef, Version, View};
use ubf_proto::Service;
use ubf_server::LoadUnit;

/// L2: no wait that an operator asks for is longer.
const MAX_WAIT: Duration = Duration::from_secs(30 * 86_400);

/// The requests, for the answer to one that is none of them.
pub(super) const SHAPES: &[&str] = &[
    "status",
    "sessions",
    "{drain,NextIp,GraceMs,HardStopMs}",
    "undrain",
    "{withdraw,Service,Version}",
    "{restore,Service,Version}",
    "{set_load_marks,Unit,Low,High,NextIp}",
    "clear_load_marks",
    "{set_peers,NextIp}",
    "{shut_down,HardStopMs}",
];

#[derive(Debug)]
pub(super) enum Request {
    Status,
    Sessions,
    Drain { next_ip: Option<NextIp>, grace: Option<Duration>, hard_stop: Option<Duration> },
    Undrain,
    Withdraw(Which, Version),
    Restore(Which, Version),
    SetLoadMarks { unit: LoadUnit, low: u64, high: u64, next_ip: Option<NextIp> },
    ClearLoadMarks,
    SetPeers(Vec<Address>),
    ShutDown { hard_stop: Option<Duration> },
}

/// The services that are meant.
#[derive(Debug)]
pub(super) enum Which {
    All,
    One(Service),
}

impl Request {
    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let words = [
            ("status", Self::Status),
            ("sessions", Self::Sessions),
            ("undrain", Self::Undrain),
            ("clear_load_marks", Self::ClearLoadMarks),
        ];
        let View::Tuple(parts) = term.view() else {
            return words
                .into_iter()
                .find_map(|(word, request)| term.is_atom(word).then_some(request));
        };
        let name = parts.get(0)?;
        match parts.len() {
            2 if name.is_atom("set_peers") => {
                let peers = optional(parts.get(1)?, next_ip)?;
                Some(Self::SetPeers(
                    peers.map_or_else(Vec::new, |peers| peers.addresses().to_vec()),
                ))
            }
            2 if name.is_atom("shut_down") => {
                Some(Self::ShutDown { hard_stop: optional(parts.get(1)?, wait)? })
            }
            3 if name.is_atom("withdraw") => {
                Some(Self::Withdraw(which(parts.get(1)?)?, version(parts.get(2)?)?))
            }
            3 if name.is_atom("restore") => {
                Some(Self::Restore(which(parts.get(1)?)?, version(parts.get(2)?)?))
            }
            4 if name.is_atom("drain") => Some(Self::Drain {
                next_ip: optional(parts.get(1)?, next_ip)?,
                grace: optional(parts.get(2)?, wait)?,
                hard_stop: optional(parts.get(3)?, wait)?,
            }),
            5 if name.is_atom("set_load_marks") => {
                let (low, high) = (count(parts.get(2)?)?, count(parts.get(3)?)?);
                let next_ip = optional(parts.get(4)?, next_ip)?;
                let marks = Self::SetLoadMarks { unit: unit(parts.get(1)?)?, low, high, next_ip };
                (low <= high).then_some(marks)
            }
            _ => None,
        }
    }
}

/// `?` is what is not said.
fn optional<T>(term: TermRef<'_>, read: impl Fn(TermRef<'_>) -> Option<T>) -> Option<Option<T>> {
    if matches!(term.view(), View::Undefined) { Some(None) } else { read(term).map(Some) }
}

fn next_ip(term: TermRef<'_>) -> Option<NextIp> {
    let View::String(text) = term.view() else { return None };
    text.to_str()?.parse().ok()
}

fn wait(term: TermRef<'_>) -> Option<Duration> {
    count(term).map(Duration::from_millis).filter(|&wait| wait <= MAX_WAIT)
}

fn count(term: TermRef<'_>) -> Option<u64> {
    term.as_i64()?.try_into().ok()
}

fn version(term: TermRef<'_>) -> Option<Version> {
    Version::new(term.as_i64()?.try_into().ok()?)
}

fn which(term: TermRef<'_>) -> Option<Which> {
    if term.is_atom("all") {
        return Some(Which::All);
    }
    let name = optional(term, |term| {
        if let View::String(name) = term.view() { Some(name.to_text()) } else { None }
    })?;
    Some(Which::One(name.map_or(Service::DEFAULT, Service::named)))
}

fn unit(term: TermRef<'_>) -> Option<LoadUnit> {
    [LoadUnit::Sessions, LoadUnit::Calls].into_iter().find(|unit| term.is_atom(unit.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let term: ubf_codec::Term = text.parse().unwrap();
        format!("{:?}", Request::read(term.as_ref()))
    }

    #[test]
    fn what_is_not_said_is_undefined() {
        assert_eq!(
            read("{drain,?,?,?}"),
            "Some(Drain { next_ip: None, grace: None, hard_stop: None })"
        );
        assert_eq!(read("{shut_down,0}"), "Some(ShutDown { hard_stop: Some(0ns) })");
        assert_eq!(read("{set_peers,?}"), "Some(SetPeers([]))");
    }

    #[test]
    fn what_breaks_the_contract_is_no_request() {
        for text in [
            "stat",
            "\"status\"",
            "{status}",
            "{drain}",
            "{drain,\"b\",?,?}",
            "{drain,\"b:1\",-1,?}",
            "{drain,\"b:1\",2592000001,?}",
            "{withdraw,kv,1}",
            "{withdraw,\"kv\",0}",
            "{set_load_marks,bytes,1,2,?}",
            "{set_load_marks,calls,3,2,?}",
            "{set_peers,\"\"}",
            "[status]",
        ] {
            assert_eq!(read(text), "None", "{text}");
        }
    }
}
