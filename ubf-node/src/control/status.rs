//! How a server is, as a term.

use std::collections::BTreeMap;
use std::time::Duration;

use ubf_codec::{Address, NextIp, Term, Text, Version, ubf};
use ubf_proto::{Service, Versions};
use ubf_server::Status;

/// `{status,[{Name,Value}]}`. Readers skip names that they do not know, so that it can grow.
pub(super) fn term(status: &Status) -> Term {
    let pairs: [(&'static str, Term); 18] = [
        ("phase", Term::atom(status.phase.as_str())),
        ("time_left_ms", status.time_left.map_or(Term::Undefined, millis)),
        ("next_ip", addresses(status.next_ip.as_ref().map_or(&[], NextIp::addresses))),
        ("listening", status.is_listening.into()),
        ("overloaded", status.is_overloaded.into()),
        ("sessions", count(status.sessions)),
        ("sessions_by_version", by_version(&status.sessions_by_version)),
        ("sessions_by_agent", by_agent(&status.sessions_by_agent)),
        ("calls", count(status.calls)),
        ("services", services(status)),
        ("load_marks", load_marks(status)),
        ("peers", addresses(&status.peers)),
        (
            "counters",
            Term::list(
                status
                    .counts
                    .named()
                    .into_iter()
                    .map(|(name, count)| ubf!({(atom(name)), (count)})),
            ),
        ),
        ("pid", std::process::id().into()),
        ("uptime_ms", millis(status.uptime)),
        ("agent", status.agent.clone().map_or(Term::Undefined, Term::String)),
        (
            "addresses",
            Term::list(status.addresses.iter().map(|address| Term::from(address.to_string()))),
        ),
        ("advertised", addresses(&status.advertised)),
    ];
    ubf!({status, (Term::list(pairs.map(|(name, value)| ubf!({(atom(name)), (value)}))))})
}

/// `{sessions,Count,[{Service,Version,Count}]}`: all, and those that have agreed on a version.
pub(super) fn sessions(status: &Status) -> Term {
    ubf!({sessions, (count(status.sessions)), (by_version(&status.sessions_by_version))})
}

fn atom(name: &'static str) -> Term {
    Term::Atom(Text::from_static(name))
}

fn service(service: &Service) -> Term {
    service.name().cloned().map_or(Term::Undefined, Term::String)
}

fn count(count: usize) -> Term {
    Term::from(count as u64)
}

fn millis(time: Duration) -> Term {
    Term::from(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// As a NextIP: `?` for none.
fn addresses(addresses: &[Address]) -> Term {
    NextIp::new(addresses.to_vec())
        .map_or(Term::Undefined, |addresses| Term::from(addresses.to_string()))
}

fn by_version(sessions: &BTreeMap<(Service, Version), usize>) -> Term {
    let entry = |((name, version), sessions): (&(Service, Version), &usize)| ubf!({(service(name)), (version.get()), (count(*sessions))});
    Term::list(sessions.iter().map(entry))
}

/// `[{Agent,Count}]`.
fn by_agent(sessions: &[(String, usize)]) -> Term {
    Term::list(
        sessions.iter().map(|(agent, sessions)| ubf!({(agent.as_str()), (count(*sessions))})),
    )
}

/// `[{Service,Spoken,Withdrawn}]`.
fn services(status: &Status) -> Term {
    let list = |versions: Option<&Versions>| {
        Term::list(
            versions.into_iter().flat_map(Versions::iter).map(|version| Term::from(version.get())),
        )
    };
    let entry = |(name, spoken): (&Service, &Versions)| ubf!({(service(name)), (list(Some(spoken))), (list(status.withdrawn.get(name)))});
    Term::list(status.spoken.iter().map(entry))
}

/// `{Unit,Low,High,NextIp}` or `?`.
fn load_marks(status: &Status) -> Term {
    let Some(load) = &status.load else { return Term::Undefined };
    ubf!({(atom(load.unit.as_str())), (load.low), (load.high), (load.next_ip.to_string())})
}
