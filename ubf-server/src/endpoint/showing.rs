//! What operators and programs are shown of a server.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;
use ubf_codec::Version;
use ubf_proto::endpoint::SessionPlace;
use ubf_proto::{Service, Time, Versions};

use super::{SharedEndpoint, State};
use crate::call_times::CallTimes;
use crate::counters::Counts;
use crate::entry::ConnectionEntry;
use crate::handle::{ConnectionStatus, QuarantineStatus, SessionCounts, SessionStatus, Status};
use crate::session::{ByKey, SessionEntry};

/// Agents that a status names. Chosen: more than a fleet has, and a page to read.
const MAX_AGENTS: usize = 64;
/// Quarantines that a status tells of, those for all first. Chosen: as many as anybody reads.
const MAX_QUARANTINES: usize = 256;

impl SharedEndpoint {
    /// How long calls took, with the sessions of those that are told of.
    pub(crate) fn call_times(&self) -> Vec<CallTimes> {
        let Some(times) = &self.call_times else { return Vec::new() };
        let mut times = times.snapshot(self.clock.now());
        let told = times.iter_mut().flat_map(|times| times.exemplars.iter_mut().flatten());
        let mut told: Vec<_> = told.collect();
        let wanted: HashSet<u64> = told.iter().map(|exemplar| exemplar.connection).collect();
        let names: HashMap<u64, String> = self.with_state(|state, _| {
            let attached = state.sessions.iter().filter_map(|entry| {
                let connection = entry.owner().0.number();
                let is_it =
                    wanted.contains(&connection) && !entry.is_parked.load(Ordering::Relaxed);
                is_it.then(|| (connection, entry.id.to_string()))
            });
            attached.collect()
        });
        for exemplar in &mut told {
            exemplar.session = names.get(&exemplar.connection).cloned();
        }
        times
    }

    /// Connections are counted when the lock is given back: those that come and go wait no longer
    /// than it takes to write down which there are. One that ends meanwhile is not in the totals
    /// yet, and is counted once.
    pub(crate) fn status(&self) -> Status {
        let (mut status, entries) = self.with_state(|state, now| {
            let entries: Vec<_> = state.entries.values().cloned().collect();
            (self.status_of(state, now), entries)
        });
        let mut by_version: HashMap<(Service, Version), usize> = HashMap::new();
        let mut by_agent: HashMap<Arc<str>, usize> = HashMap::new();
        for entry in entries {
            status.counts = status.counts.plus(&entry.messages);
            let Some(agreed) = entry.agreed() else { continue };
            *by_version.entry((agreed.service, agreed.version)).or_default() += 1;
            if let Some(agent) = agreed.agent {
                *by_agent.entry(agent).or_default() += 1;
            }
        }
        status.connections_by_version = by_version.into_iter().collect();
        status.connections_by_agent = most_common(by_agent);
        status
    }

    /// All but what connections are asked for, one by one.
    fn status_of(&self, state: &State, now: Time) -> Status {
        let endpoint = &state.endpoint;
        let spoken = |service: &Service| (service.clone(), endpoint.spoken(service, now));
        let spoken: BTreeMap<Service, Versions> = self.services.keys().map(spoken).collect();
        let withdrawn = self.versions.iter().map(|(service, versions)| {
            let is_spoken =
                |version| spoken.get(service).is_some_and(|spoken| spoken.contains(version));
            (service.clone(), versions.iter().filter(|&version| !is_spoken(version)).collect())
        });
        let quarantines = endpoint.quarantines(now).map(|one| QuarantineStatus {
            service: one.service.clone(),
            version: one.version,
            peer: one.peer.map(|peer| peer.to_string()),
            time_left: one.until.since(now),
        });
        let session = endpoint.session_config();
        Status {
            quarantines: quarantines.take(MAX_QUARANTINES).collect(),
            phase: endpoint.phase(),
            time_left: endpoint.time_left(now),
            next_ip: endpoint.next_ip().cloned(),
            is_overloaded: endpoint.is_overloaded(),
            connections: endpoint.connections(),
            connections_by_version: BTreeMap::new(),
            connections_by_agent: Vec::new(),
            sessions: state.count_sessions(),
            calls: state.calls(),
            withdrawn: withdrawn.collect(),
            spoken,
            cordon: endpoint.cordon().cloned(),
            load: endpoint.load_plan().cloned(),
            peers: session.peers.clone(),
            addresses: self.own.addresses.clone(),
            advertised: self.own.advertised.clone(),
            is_listening: endpoint.is_listening(),
            agent: session.agent.clone(),
            uptime: now.since(Time::ZERO),
            counts: self.totals.counts(),
        }
    }

    /// The connections after this number, oldest first, as many as asked for.
    pub(crate) fn connections(&self, after: u64, at_most: usize) -> Vec<ConnectionStatus> {
        self.with_state(|state, now| {
            let mut entries: Vec<_> =
                state.entries.values().filter(|entry| entry.key.number() > after).collect();
            entries.sort_by_key(|entry| entry.key);
            entries.truncate(at_most);
            entries.into_iter().map(|entry| connection_status(entry, now)).collect()
        })
    }

    /// The sessions after this number, oldest first, as many as asked for.
    pub(crate) fn sessions(&self, after: u64, at_most: usize) -> Vec<SessionStatus> {
        let (now, found) = self.with_state(|state, now| {
            let mut entries: Vec<_> =
                state.sessions.iter().filter(|entry| entry.key.number() > after).collect();
            entries.sort_unstable_by_key(|entry| entry.key);
            // One that is over, and whose task does not know it yet, is left out.
            let with_service = |entry: &ByKey| {
                let SessionPlace { service, .. } = state.endpoint.session_place(entry.key)?;
                Some((Arc::clone(entry), service))
            };
            let found = entries.into_iter().filter_map(with_service).take(at_most);
            (now, found.collect::<Vec<_>>())
        });
        found.into_iter().map(|(entry, service)| session_status(&entry, service, now)).collect()
    }

    /// A watch of how many sessions there are.
    pub(crate) fn session_counts(&self) -> watch::Receiver<SessionCounts> {
        // What it shows is made good before the lock is given back.
        self.with_state(|state, _| state.session_counts.subscribe())
    }

    pub(crate) fn counts(&self) -> Counts {
        self.status().counts
    }
}

fn connection_status(entry: &ConnectionEntry, now: Time) -> ConnectionStatus {
    let agreed = entry.agreed();
    ConnectionStatus {
        number: entry.key.number(),
        peer: entry.peer.clone(),
        age: now.since(entry.since),
        calls: entry.running.load(Ordering::Relaxed),
        agent: agreed.as_ref().and_then(|agreed| agreed.agent.as_deref().map(Into::into)),
        agreed: agreed.map(|agreed| (agreed.service, agreed.version)),
    }
}

fn session_status(entry: &SessionEntry, service: Service, now: Time) -> SessionStatus {
    let (connection, peer) = entry.owner();
    SessionStatus {
        number: entry.key.number(),
        name: entry.id.to_string(),
        service,
        connection: connection.number(),
        peer,
        age: now.since(entry.since),
        is_parked: entry.is_parked.load(Ordering::Relaxed),
        resumes: entry.resumes.load(Ordering::Relaxed).into(),
        kept: entry.kept.load(Ordering::Relaxed),
    }
}

/// The agents that most sessions have; the others are counted together, last.
fn most_common(connections_by_agent: HashMap<Arc<str>, usize>) -> Vec<(String, usize)> {
    let mut agents: Vec<_> = connections_by_agent
        .into_iter()
        .map(|(agent, count)| (String::from(&*agent), count))
        .collect();
    agents.sort_unstable_by(|(one, fewer), (other, more)| more.cmp(fewer).then(one.cmp(other)));
    let others: usize = agents.iter().skip(MAX_AGENTS).map(|&(_, count)| count).sum();
    agents.truncate(MAX_AGENTS);
    agents.extend((others > 0).then(|| ("other".into(), others)));
    agents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_beyond_the_64_most_common_are_counted_together() {
        let agents = |number: usize| {
            (0..number).map(|agent| (format!("a{agent:03}").into(), 1 + agent)).collect()
        };
        assert_eq!(most_common(agents(64)).last(), Some(&("a000".into(), 1)));
        let agents = most_common(agents(66));
        assert_eq!(agents.first(), Some(&("a065".into(), 66)));
        assert_eq!((agents.len(), agents.last()), (65, Some(&("other".into(), 1 + 2))));
    }
}
