//! What an operator asks for: written by the operator's tools and read by the server, both here.

use std::time::Duration;

use ubf_codec::{Address, NextIp, Term, TermRef, Version, View, ubf};
use ubf_server::{LoadUnit, Service};

use super::reports::{atom, optional, text_or_undefined};

/// L2: no wait that an operator asks for is longer.
const MAX_WAIT: Duration = Duration::from_secs(30 * 86_400);
/// Connections, or sessions, in one answer. Chosen: an answer of 200 KiB.
const MAX_LISTED: u64 = 1000;

/// The requests of version 2, for the answer to one that is none of them.
pub(super) const SHAPES: &[&str] = &[
    "status",
    "connections",
    "{list_connections,After,AtMost}",
    "{list_sessions,After,AtMost}",
    "{kick,Number,HardStopMs}",
    "{move_connection,Number,NextIp,GraceMs}",
    "{drain,NextIp,GraceMs,HardStopMs}",
    "{drain_and_stay,NextIp,GraceMs,HardStopMs}",
    "undrain",
    "{cordon,NextIp}",
    "uncordon",
    "{withdraw,Service,Version}",
    "{restore,Service,Version}",
    "{set_load_marks,Unit,Low,High,NextIp}",
    "clear_load_marks",
    "{set_peers,NextIp}",
    "{set_log_filter,Filter}",
    "{rows,Service}",
    "{migrate,Service}",
    "{finalize,Service}",
    "{lower,Service}",
    "{back_up,Service,Path}",
    "{hand_off,Service,To,WithinMs}",
    "last_hand_offs",
    "{shut_down,HardStopMs}",
    "{take_over,Path}",
    "last_takeover",
    "settings",
];

/// Those of version 1, in which a connection is called a session.
pub(super) const OLD_SHAPES: &[&str] = &[
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

/// A request of the operator's contract. What is `None` is the server's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// How the server is.
    Status,
    /// How many connections use which version.
    Connections,
    /// The connections themselves.
    ListConnections {
        /// Those whose numbers are above this one.
        after: u64,
        /// So many, up to 1,000.
        at_most: u64,
    },
    /// The sessions, which outlive their connections (S1).
    ListSessions {
        /// Those whose numbers are above this one.
        after: u64,
        /// So many, up to 1,000.
        at_most: u64,
    },
    /// Close one connection.
    Kick {
        /// Which.
        number: u64,
        /// How long its calls in progress may take.
        hard_stop: Option<Duration>,
    },
    /// Send the client of one connection elsewhere.
    Move {
        /// Which.
        number: u64,
        /// Where to.
        next_ip: Option<NextIp>,
        /// How long it may take to go.
        grace: Option<Duration>,
    },
    /// R8: send all clients elsewhere.
    Drain {
        /// Where to.
        next_ip: Option<NextIp>,
        /// How long clients may take to go.
        grace: Option<Duration>,
        /// How long calls in progress may take after that.
        hard_stop: Option<Duration>,
        /// Whether the server stays when they are gone, until it is told to shut down.
        stays: bool,
    },
    /// R8: go on serving.
    Undrain,
    /// Admit no further connection; those that are there stay.
    Cordon {
        /// Where new clients are sent. `None`: to the server's peers of the moment.
        next_ip: Option<NextIp>,
    },
    /// Admit connections again.
    Uncordon,
    /// N6: withdraw a version.
    Withdraw(Which, Version),
    /// Offer a version again.
    Restore(Which, Version),
    /// R9: send clients elsewhere above `high`, until below `low`.
    SetLoadMarks {
        /// What is counted.
        unit: LoadUnit,
        /// The low-water mark, at most `high`.
        low: u64,
        /// The high-water mark.
        high: u64,
        /// Where to.
        next_ip: Option<NextIp>,
    },
    /// Clients stay, whatever the load.
    ClearLoadMarks,
    /// R4: where clients go when this server is lost.
    SetPeers(Vec<Address>),
    /// What is logged from here on.
    SetLogFilter(String),
    /// T6: count rows by table and state version.
    Rows(Which),
    /// T8: rewrite rows of an older state version, and tell how far that has come.
    Migrate(Which),
    /// T6: raise the write version by one.
    Finalize(Which),
    /// T6: lower the write version by one.
    Lower(Which),
    /// Write a backup of the rows.
    BackUp {
        /// Of which service: one with rows, if it is not the only one.
        which: Which,
        /// To which file, on the server's machine.
        path: String,
    },
    /// U5: hand the rows, and the sessions with them, off to another node.
    HandOff {
        /// Of which services.
        which: Which,
        /// Where nodes speak to the other one: `unix:PATH`.
        to: String,
        /// How long clients may wait for that to be decided.
        within: Option<Duration>,
    },
    /// How far the last hand-off of each service is.
    LastHandOffs,
    /// Execute no further call, and end.
    ShutDown {
        /// How long calls in progress may take.
        hard_stop: Option<Duration>,
    },
    /// U2: another process takes the place of this one.
    TakeOver {
        /// The Unix socket on which it listens for this one.
        path: String,
    },
    /// How far the last take-over is that this process had to do with.
    LastTakeover,
    /// The settings in force.
    Settings,
}

/// The services that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Which {
    /// Each that has the version.
    All,
    /// This one.
    One(Service),
}

impl Request {
    /// The request in this version of the contract. `None`: that version does not have it.
    #[must_use]
    pub fn to_term(&self, version: u32) -> Option<Term> {
        let is_old = version < 2;
        let term = match self {
            Self::Status => ubf!(status),
            Self::Connections if is_old => ubf!(sessions),
            Self::Connections => ubf!(connections),
            Self::Drain { next_ip, grace, hard_stop, stays: false } => {
                ubf!({drain, (goal(next_ip.as_ref())), (millis(*grace)), (millis(*hard_stop))})
            }
            Self::Undrain => ubf!(undrain),
            Self::Withdraw(which, version) => ubf!({withdraw, (which.to_term()), (version.get())}),
            Self::Restore(which, version) => ubf!({restore, (which.to_term()), (version.get())}),
            Self::SetLoadMarks { unit, low, high, next_ip } => {
                let unit = atom(unit_word(version, *unit));
                ubf!({set_load_marks, (unit), (*low), (*high), (goal(next_ip.as_ref()))})
            }
            Self::ClearLoadMarks => ubf!(clear_load_marks),
            Self::SetPeers(peers) => {
                ubf!({set_peers, (goal(NextIp::new(peers.clone()).as_ref()))})
            }
            Self::ShutDown { hard_stop } => ubf!({shut_down, (millis(*hard_stop))}),
            _ if is_old => return None,
            Self::Cordon { next_ip } => ubf!({cordon, (goal(next_ip.as_ref()))}),
            Self::Uncordon => ubf!(uncordon),
            Self::ListConnections { after, at_most } => {
                ubf!({list_connections, (*after), (*at_most)})
            }
            Self::ListSessions { after, at_most } => {
                ubf!({list_sessions, (*after), (*at_most)})
            }
            Self::Kick { number, hard_stop } => ubf!({kick, (*number), (millis(*hard_stop))}),
            Self::Move { number, next_ip, grace } => {
                ubf!({move_connection, (*number), (goal(next_ip.as_ref())), (millis(*grace))})
            }
            Self::Drain { next_ip, grace, hard_stop, stays: true } => {
                let next_ip = goal(next_ip.as_ref());
                ubf!({drain_and_stay, (next_ip), (millis(*grace)), (millis(*hard_stop))})
            }
            Self::SetLogFilter(filter) => ubf!({set_log_filter, (filter.as_str())}),
            Self::Rows(which) => ubf!({rows, (which.to_term())}),
            Self::Migrate(which) => ubf!({migrate, (which.to_term())}),
            Self::Finalize(which) => ubf!({finalize, (which.to_term())}),
            Self::Lower(which) => ubf!({lower, (which.to_term())}),
            Self::BackUp { which, path } => ubf!({back_up, (which.to_term()), (path.as_str())}),
            Self::HandOff { which, to, within } => {
                ubf!({hand_off, (which.to_term()), (to.as_str()), (millis(*within))})
            }
            Self::LastHandOffs => ubf!(last_hand_offs),
            Self::TakeOver { path } => ubf!({take_over, (path.as_str())}),
            Self::LastTakeover => ubf!(last_takeover),
            Self::Settings => ubf!(settings),
        };
        Some(term)
    }

    /// Reads what [`to_term`](Self::to_term) writes. `None`: it is no request of this version.
    #[must_use]
    pub fn read(version: u32, term: TermRef<'_>) -> Option<Self> {
        let request = Self::read_any(version, term)?;
        // What the version cannot say is none of its requests.
        request.to_term(version).map(|_| request)
    }

    fn read_any(version: u32, term: TermRef<'_>) -> Option<Self> {
        let connections = if version < 2 { "sessions" } else { "connections" };
        let words = [
            ("status", Self::Status),
            (connections, Self::Connections),
            ("undrain", Self::Undrain),
            ("uncordon", Self::Uncordon),
            ("clear_load_marks", Self::ClearLoadMarks),
            ("last_takeover", Self::LastTakeover),
            ("settings", Self::Settings),
            ("last_hand_offs", Self::LastHandOffs),
        ];
        let View::Tuple(parts) = term.view() else {
            return words
                .into_iter()
                .find_map(|(word, request)| term.is_atom(word).then_some(request));
        };
        let name = parts.get(0)?;
        let part = |index| parts.get(index);
        match parts.len() {
            2 if name.is_atom("set_peers") => {
                let peers = optional(part(1)?, next_ip)?;
                Some(Self::SetPeers(
                    peers.map_or_else(Vec::new, |peers| peers.addresses().to_vec()),
                ))
            }
            2 if name.is_atom("cordon") => {
                Some(Self::Cordon { next_ip: optional(part(1)?, next_ip)? })
            }
            2 if name.is_atom("set_log_filter") => {
                let View::String(filter) = part(1)?.view() else { return None };
                Some(Self::SetLogFilter(filter.to_str()?.into_owned()))
            }
            2 if name.is_atom("rows") => Some(Self::Rows(which(part(1)?)?)),
            2 if name.is_atom("migrate") => Some(Self::Migrate(which(part(1)?)?)),
            2 if name.is_atom("finalize") => Some(Self::Finalize(which(part(1)?)?)),
            2 if name.is_atom("lower") => Some(Self::Lower(which(part(1)?)?)),
            3 if name.is_atom("back_up") => {
                let View::String(path) = part(2)?.view() else { return None };
                Some(Self::BackUp { which: which(part(1)?)?, path: path.to_str()?.into_owned() })
            }
            4 if name.is_atom("hand_off") => {
                let View::String(to) = part(2)?.view() else { return None };
                Some(Self::HandOff {
                    which: which(part(1)?)?,
                    to: to.to_str()?.into_owned(),
                    within: optional(part(3)?, wait)?,
                })
            }
            2 if name.is_atom("take_over") => {
                let View::String(path) = part(1)?.view() else { return None };
                Some(Self::TakeOver { path: path.to_str()?.into_owned() })
            }
            2 if name.is_atom("shut_down") => {
                Some(Self::ShutDown { hard_stop: optional(part(1)?, wait)? })
            }
            3 if name.is_atom("withdraw") => {
                Some(Self::Withdraw(which(part(1)?)?, self::version(part(2)?)?))
            }
            3 if name.is_atom("restore") => {
                Some(Self::Restore(which(part(1)?)?, self::version(part(2)?)?))
            }
            3 if name.is_atom("list_connections") => Some(Self::ListConnections {
                after: count(part(1)?)?,
                at_most: count(part(2)?).filter(|&count| count <= MAX_LISTED)?,
            }),
            3 if name.is_atom("list_sessions") => Some(Self::ListSessions {
                after: count(part(1)?)?,
                at_most: count(part(2)?).filter(|&count| count <= MAX_LISTED)?,
            }),
            3 if name.is_atom("kick") => {
                Some(Self::Kick { number: count(part(1)?)?, hard_stop: optional(part(2)?, wait)? })
            }
            4 if name.is_atom("move_connection") => Some(Self::Move {
                number: count(part(1)?)?,
                next_ip: optional(part(2)?, next_ip)?,
                grace: optional(part(3)?, wait)?,
            }),
            4 if name.is_atom("drain") || name.is_atom("drain_and_stay") => Some(Self::Drain {
                next_ip: optional(part(1)?, next_ip)?,
                grace: optional(part(2)?, wait)?,
                hard_stop: optional(part(3)?, wait)?,
                stays: name.is_atom("drain_and_stay"),
            }),
            5 if name.is_atom("set_load_marks") => {
                let (low, high) = (count(part(2)?)?, count(part(3)?)?);
                let next_ip = optional(part(4)?, next_ip)?;
                let unit = unit(version, part(1)?)?;
                (low <= high).then_some(Self::SetLoadMarks { unit, low, high, next_ip })
            }
            _ => None,
        }
    }
}

impl Which {
    fn to_term(&self) -> Term {
        match self {
            Self::All => ubf!(all),
            Self::One(service) => service.name().cloned().map_or(Term::Undefined, Term::String),
        }
    }
}

/// The word for a unit in this version.
pub(super) fn unit_word(version: u32, unit: LoadUnit) -> &'static str {
    if version >= 2 && unit == LoadUnit::Sessions { "connections" } else { unit.as_str() }
}

fn goal(next_ip: Option<&NextIp>) -> Term {
    text_or_undefined(next_ip.map(ToString::to_string).as_deref())
}

fn millis(time: Option<Duration>) -> Term {
    time.map_or(Term::Undefined, |time| {
        Term::from(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    })
}

/// R7: an address that stands for every address of a machine is no place to go to.
fn next_ip(term: TermRef<'_>) -> Option<NextIp> {
    let View::String(text) = term.view() else { return None };
    let next_ip: NextIp = text.to_str()?.parse().ok()?;
    next_ip.addresses().iter().all(is_a_goal).then_some(next_ip)
}

/// Whether a client can be sent there, as far as can be seen.
pub(crate) fn is_a_goal(address: &Address) -> bool {
    let text = address.to_string();
    text.parse::<std::net::SocketAddr>().map_or(true, |address| {
        let ip = address.ip().to_canonical();
        !ip.is_unspecified()
    })
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

fn unit(version: u32, term: TermRef<'_>) -> Option<LoadUnit> {
    [LoadUnit::Sessions, LoadUnit::Calls]
        .into_iter()
        .find(|&unit| term.is_atom(unit_word(version, unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: u32, text: &str) -> Option<Request> {
        let term: Term = text.parse().unwrap();
        Request::read(version, term.as_ref())
    }

    #[test]
    fn each_request_is_read_as_it_is_written_in_each_version_that_has_it() {
        let new = [
            "connections",
            "{kick,7,?}",
            "{move_connection,7,\"b:1\",5}",
            "{list_connections,0,1000}",
            "{list_sessions,7,1000}",
            "{drain_and_stay,?,?,?}",
            "{cordon,\"b:1\"}",
            "{cordon,?}",
            "uncordon",
            "{set_log_filter,\"debug\"}",
            "{take_over,\"/run/ubf.socket.7\"}",
            "last_takeover",
            "settings",
            "{set_load_marks,connections,1,2,?}",
            "{rows,all}",
            "{migrate,\"kv\"}",
            "{finalize,?}",
            "{lower,\"ledger\"}",
            "{back_up,all,\"/tmp/a\"}",
            "{hand_off,\"kv\",\"unix:/run/b\",2000}",
            "{hand_off,all,\"unix:/run/b\",?}",
            "last_hand_offs",
        ];
        let old = ["sessions", "{set_load_marks,sessions,1,2,?}"];
        let both = [
            "status",
            "undrain",
            "clear_load_marks",
            "{drain,\"b:1,c:2\",1,0}",
            "{withdraw,all,7}",
            "{withdraw,?,7}",
            "{restore,\"kv\",7}",
            "{set_peers,\"b:1\"}",
            "{set_peers,?}",
            "{shut_down,?}",
            "{set_load_marks,calls,1,2,\"b:1\"}",
        ];
        for (version, ours, others) in [(1, old.as_slice(), new.as_slice()), (2, &new, &old)] {
            for text in ours.iter().chain(&both) {
                let term = read(version, text).unwrap().to_term(version).unwrap();
                assert_eq!(term, text.parse::<Term>().unwrap(), "{version}");
            }
            for text in others {
                assert_eq!(read(version, text), None, "{version}: {text}");
            }
        }
    }

    #[test]
    fn what_breaks_the_contract_is_no_request() {
        for text in [
            "stat",
            "\"status\"",
            "{status}",
            "{drain}",
            "cordon",
            "{cordon,\"0.0.0.0:1\"}",
            "{drain,\"b\",?,?}",
            "{drain,\"b:1\",-1,?}",
            "{drain,\"b:1\",2592000001,?}",
            "{drain,\"0.0.0.0:1\",1,?}",
            "{set_peers,\"b:1,[::]:2\"}",
            "{withdraw,kv,1}",
            "{withdraw,\"kv\",0}",
            "{set_load_marks,bytes,1,2,?}",
            "{set_load_marks,calls,3,2,?}",
            "{set_peers,\"\"}",
            "{list_connections,0,1001}",
            "{list_sessions,0,1001}",
            "{set_log_filter,debug}",
            "rows",
            "{rows,kv}",
            "{back_up,all,7}",
            "{back_up,all}",
            "{hand_off,all,b,?}",
            "{hand_off,all,\"b\",-1}",
            "[status]",
        ] {
            for version in [1, 2] {
                assert_eq!(read(version, text), None, "{text}");
            }
        }
    }
}
