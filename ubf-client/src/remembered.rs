//! What servers spoke when a client of this process agreed with them last. The first call of the
//! next client can then go out with its first packets (N3).
//!
//! A server that has changed meanwhile refuses such a call, which has not run and is sent again; and
//! one whose connection is lost is forgotten, so that whoever comes next waits for its word.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ubf_codec::{Address, Limits, Version};
use ubf_net::Target;
use ubf_proto::client::{Config, Notice};
use ubf_proto::{ClientSession, Service, Versions};

use crate::stand_in::StandIns;

/// L1: servers that are remembered. Chosen: more than a program talks to; some 300 KB.
const MAX_SERVERS: usize = 1024;
/// L1: a server that speaks more versions is not remembered. Chosen: more than are kept alive at a
/// time.
const MAX_VERSIONS: usize = 64;

/// All servers of this process.
static SERVERS: LazyLock<Mutex<Servers>> = LazyLock::new(Mutex::default);

/// Servers by where they are, and by whom a client talks to there.
#[derive(Debug, Default)]
struct Servers(HashMap<(Target, Service), Server>);

/// What a server said when it agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    spoken: Versions,
    /// N12. Its clients share it.
    accepted: Arc<Limits>,
}

/// Tells a session that has not begun what the first of its servers that is known spoke last.
pub(crate) fn tell(session: &mut ClientSession, stand_ins: &StandIns) {
    let config = session.config();
    // With calls of its own first, a program waits for the agreement anyway.
    let may_begin_at_once = config.optimistic_start && !config.opens_connections;
    if config.remembered.is_some() || !may_begin_at_once {
        return;
    }
    let known = with(|servers| {
        let mut targets = config.addresses.iter().map(|address| stand_ins.target(address));
        targets.find_map(|target| servers.choice(target, config))
    });
    if let Some((version, accepted)) = known {
        session.remember(version, accepted);
    }
}

/// Learns from what has become of a connection.
pub(crate) fn learn(notice: &Notice, session: &ClientSession, stand_ins: &StandIns) {
    let name = |address: &Address| (stand_ins.target(address), session.config().service.clone());
    #[expect(clippy::wildcard_enum_match_arm, reason = "other notices say nothing of a server")]
    match notice {
        Notice::Agreed { connection, address, spoken, .. } => {
            let Some(accepted) = session.accepted(*connection) else { return };
            with(|servers| servers.agreed(name(address), spoken, accepted));
        }
        Notice::Lost { address, .. } => with(|servers| servers.forget(&name(address))),
        _ => {}
    }
}

fn with<T>(act: impl FnOnce(&mut Servers) -> T) -> T {
    act(&mut SERVERS.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Servers {
    /// N1: what a client with these settings and the server would choose, and what the server
    /// accepts.
    fn choice(&self, target: Target, config: &Config) -> Option<(Version, Arc<Limits>)> {
        let Server { spoken, accepted } = self.0.get(&(target, config.service.clone()))?;
        let acceptable = config.versions.iter().filter(|&version| Some(version) >= config.floor);
        let version = acceptable.filter(|&version| spoken.contains(version)).max()?;
        Some((version, Arc::clone(accepted)))
    }

    fn agreed(&mut self, name: (Target, Service), spoken: &Versions, accepted: Arc<Limits>) {
        match self.0.get(&name) {
            Some(known) if known.spoken == *spoken && known.accepted == accepted => return,
            None if self.0.len() >= MAX_SERVERS => {
                // Which one goes does not matter: it is learnt again.
                if let Some(one) = self.0.keys().next().cloned() {
                    self.forget(&one);
                }
            }
            Some(_) | None => {}
        }
        if spoken.len() <= MAX_VERSIONS {
            self.0.insert(name, Server { spoken: spoken.clone(), accepted });
        } else {
            self.forget(&name);
        }
    }

    fn forget(&mut self, name: &(Target, Service)) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(port: u16) -> Target {
        format!("192.0.2.1:{port}").parse().unwrap()
    }

    fn config(versions: &[u32], floor: Option<u32>) -> Config {
        let mut config = Config::new(Vec::new(), Versions::of(versions.iter().copied()));
        config.floor = floor.and_then(Version::new);
        config
    }

    fn chosen(servers: &Servers, port: u16, config: &Config) -> Option<u32> {
        servers.choice(target(port), config).map(|(version, _)| version.get())
    }

    #[test]
    fn n1_each_client_has_its_own_choice_of_what_a_server_spoke() {
        let mut servers = Servers::default();
        let name = (target(1), Service::DEFAULT);
        servers.agreed(name.clone(), &Versions::of([3, 10, 14]), Limits::default().into());
        assert_eq!(chosen(&servers, 1, &config(&[3, 10, 11], None)), Some(10));
        assert_eq!(chosen(&servers, 1, &config(&[3], None)), Some(3));
        assert_eq!(chosen(&servers, 1, &config(&[3, 11], Some(4))), None);
        assert_eq!(chosen(&servers, 2, &config(&[3], None)), None);
        let mut other = config(&[3], None);
        other.service = Service::from("kv");
        assert_eq!(chosen(&servers, 1, &other), None);
        // It has changed.
        let limits = Arc::new(Limits::default().with_max_packet_bytes(99));
        servers.agreed(name.clone(), &Versions::of([3]), Arc::clone(&limits));
        let choice = servers.choice(target(1), &config(&[3, 10], None));
        assert_eq!(choice, Some((Version::new(3).unwrap(), limits)));
        servers.forget(&name);
        assert_eq!(chosen(&servers, 1, &config(&[3], None)), None);
    }

    #[test]
    fn l1_1024_servers_are_remembered_and_none_with_more_than_64_versions() {
        let mut servers = Servers::default();
        let last = u16::try_from(MAX_SERVERS).unwrap() + 1;
        for port in 1..=last {
            let name = (target(port), Service::DEFAULT);
            servers.agreed(name, &Versions::of([3]), Limits::default().into());
            assert_eq!(servers.0.len(), MAX_SERVERS.min(port.into()));
        }
        assert_eq!(chosen(&servers, last, &config(&[3], None)), Some(3));
        for count in [64, 65] {
            let name = (target(last), Service::DEFAULT);
            servers.agreed(name, &Versions::of(1..=count), Limits::default().into());
            let is_known = chosen(&servers, last, &config(&[3], None)).is_some();
            assert_eq!(is_known, count == 64);
        }
    }
}
