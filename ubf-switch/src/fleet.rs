//! The nodes behind a switch: what they offer, how they are, and which one a client is led to (F5).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use ubf_codec::{Address, Version};
use ubf_net::Target;
use ubf_proto::{Service, Time, Versions};

/// A node that refuses connections for so long has ended (S7.14 says the same of an owner).
const GONE_AFTER: Duration = Duration::from_secs(1);

/// A node that was not reached for so long is not waited for any more. Chosen: as long as a client
/// wishes for its session to be kept.
const ABSENT_AFTER: Duration = Duration::from_secs(60);

/// Services whose versions are known. Chosen: more than fleets serve; strangers can name any.
pub(crate) const MAX_SERVICES: usize = 64;

/// The place of a node in the list that the operator gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) usize);

/// How a node is, as far as the switch has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It was not asked yet.
    Unknown,
    /// It answers, and takes clients.
    Up,
    /// It answers, and names another server in doing so: it drains, or has too much to do (R8, R9).
    Away,
    /// It was not reached.
    Down {
        /// Since when.
        since: Time,
        /// Since when each attempt was refused: nobody listens there.
        refused_since: Option<Time>,
    },
}

/// Why a node was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody listens there.
    Refused,
    /// Anything else: it may be alive, and the network not.
    Silent,
}

/// What a node says when it is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// The versions of each service that was asked for. None: it has no such service.
    pub(crate) services: Vec<(Service, Versions)>,
    /// Whether its answers name another server.
    pub(crate) names_another: bool,
}

/// All nodes. It decides, and neither connects nor waits.
#[derive(Debug)]
pub(crate) struct Fleet {
    nodes: Vec<Node>,
    /// Whose turn it is among equals.
    turn: usize,
}

#[derive(Debug)]
struct Node {
    target: Target,
    health: Health,
    offers: BTreeMap<Service, Versions>,
    connections: usize,
}

impl Fleet {
    pub(crate) fn new(targets: Vec<Target>) -> Self {
        let node = |target| Node {
            target,
            health: Health::Unknown,
            offers: BTreeMap::new(),
            connections: 0,
        };
        Self { nodes: targets.into_iter().map(node).collect(), turn: 0 }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    pub(crate) fn target(&self, id: NodeId) -> Option<&Target> {
        self.nodes.get(id.0).map(|node| &node.target)
    }

    pub(crate) fn health(&self, id: NodeId) -> Health {
        self.nodes.get(id.0).map_or(Health::Unknown, |node| node.health)
    }

    pub(crate) fn connections(&self, id: NodeId) -> usize {
        self.nodes.get(id.0).map_or(0, |node| node.connections)
    }

    /// Whether each node was asked once.
    pub(crate) fn is_settled(&self) -> bool {
        self.nodes.iter().all(|node| node.health != Health::Unknown)
    }

    /// The node at an address that another node has named.
    pub(crate) fn find(&self, named: &Address) -> Option<NodeId> {
        let is_it = |node: &Node| {
            let (Target::Network(address) | Target::Tls(address)) = &node.target else {
                return false;
            };
            address == named
        };
        self.nodes.iter().position(is_it).map(NodeId)
    }

    /// A node has answered. Tells whether that changes how it is.
    pub(crate) fn answered(&mut self, id: NodeId, offers: Offers) -> bool {
        let Some(node) = self.nodes.get_mut(id.0) else { return false };
        for (service, versions) in offers.services {
            if versions.is_empty() {
                node.offers.remove(&service);
            } else if node.offers.len() < MAX_SERVICES || node.offers.contains_key(&service) {
                node.offers.insert(service, versions);
            }
        }
        let before = node.health;
        node.health = if offers.names_another { Health::Away } else { Health::Up };
        before != node.health
    }

    /// A node says what it speaks, in passing.
    pub(crate) fn speaks(&mut self, id: NodeId, service: &Service, versions: &Versions) {
        if let Some(known) = self.nodes.get_mut(id.0).and_then(|node| node.offers.get_mut(service))
        {
            known.clone_from(versions);
        }
    }

    /// A node was not reached. Tells whether that is news.
    pub(crate) fn failed(&mut self, id: NodeId, failure: Failure, now: Time) -> bool {
        let Some(node) = self.nodes.get_mut(id.0) else { return false };
        let refused = (failure == Failure::Refused).then_some(now);
        let (was_up, since, refused_since) = match node.health {
            Health::Down { since, refused_since } => {
                (false, since, refused.map(|now| refused_since.unwrap_or(now)))
            }
            Health::Unknown | Health::Up | Health::Away => (true, now, refused),
        };
        node.health = Health::Down { since, refused_since };
        was_up
    }

    /// A node has named another server in an answer to a client. Tells whether that is news.
    pub(crate) fn sends_away(&mut self, id: NodeId) -> bool {
        match self.nodes.get_mut(id.0) {
            Some(node) if node.health == Health::Up => {
                node.health = Health::Away;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(crate) fn connected(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.connections += 1;
        }
    }

    pub(crate) fn disconnected(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.connections = node.connections.saturating_sub(1);
        }
    }

    /// F5.3: what all nodes that were reached speak of a service, together.
    pub(crate) fn offered(&self, service: &Service) -> Versions {
        let reached = self.nodes.iter().filter(|node| !node.is_down());
        reached.filter_map(|node| node.offers.get(service)).flatten().collect()
    }

    /// The services that a node has, and those that it was asked for before.
    pub(crate) fn is_offered(&self, service: &Service) -> bool {
        self.nodes.iter().any(|node| node.offers.contains_key(service))
    }

    /// All services that some node has.
    pub(crate) fn services(&self) -> Vec<Service> {
        let mut all: Vec<Service> =
            self.nodes.iter().flat_map(|node| node.offers.keys().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }

    pub(crate) fn spoken(&self, id: NodeId, service: &Service) -> Versions {
        let node = self.nodes.get(id.0);
        node.and_then(|node| node.offers.get(service)).cloned().unwrap_or_default()
    }

    /// F5.4: the nodes for a client of these versions, best first: those that take clients before
    /// the others, of them those with the highest version in common, of these those with the fewest
    /// connections.
    pub(crate) fn rank(&mut self, service: &Service, versions: &Versions) -> Vec<NodeId> {
        self.turn = self.turn.wrapping_add(1);
        let count = self.nodes.len().max(1);
        let key = |id: &NodeId| {
            let node = self.nodes.get(id.0)?;
            let tier = match node.health {
                Health::Up => 0,
                Health::Away | Health::Unknown => 1,
                Health::Down { .. } => 2,
            };
            let common = node.offers.get(service).and_then(|spoken| versions.choose(spoken));
            let turn = (id.0 + self.turn) % count;
            Some((tier, Reverse(common), node.connections, turn))
        };
        let mut ids: Vec<NodeId> = self.ids().collect();
        ids.sort_by_cached_key(key);
        ids
    }

    /// F5.8: whether another node than this one would take the client.
    pub(crate) fn takes_instead(&self, id: NodeId, service: &Service, versions: &Versions) -> bool {
        self.nodes.iter().enumerate().any(|(index, node)| {
            index != id.0
                && node.health == Health::Up
                && node.offers.get(service).is_some_and(|spoken| versions.choose(spoken).is_some())
        })
    }

    /// F5.6: whether the client would have a higher version of the service at another node that
    /// takes clients.
    pub(crate) fn is_better_elsewhere(
        &self,
        id: NodeId,
        service: &Service,
        versions: &Versions,
    ) -> bool {
        let here = self.nodes.get(id.0).and_then(|node| node.choose(service, versions));
        self.nodes.iter().enumerate().any(|(index, node)| {
            index != id.0 && node.health == Health::Up && node.choose(service, versions) > here
        })
    }

    /// S7.14: whether a node's process has ended: each attempt to connect was refused for a second.
    pub(crate) fn is_gone(&self, id: NodeId, now: Time) -> bool {
        match self.health(id) {
            Health::Down { refused_since: Some(since), .. } => now.since(since) >= GONE_AFTER,
            Health::Down { .. } | Health::Unknown | Health::Up | Health::Away => false,
        }
    }

    /// Whether a node was not reached for so long that nobody waits for it.
    pub(crate) fn is_absent(&self, id: NodeId, now: Time) -> bool {
        match self.health(id) {
            Health::Down { since, .. } => now.since(since) >= ABSENT_AFTER,
            Health::Unknown | Health::Up | Health::Away => false,
        }
    }
}

impl Node {
    const fn is_down(&self) -> bool {
        matches!(self.health, Health::Down { .. })
    }

    fn choose(&self, service: &Service, versions: &Versions) -> Option<Version> {
        self.offers.get(service).and_then(|spoken| versions.choose(spoken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Service = Service::DEFAULT;

    /// Nodes that offer these versions of the default service.
    fn fleet(offers: &[&[u32]]) -> Fleet {
        let targets = (1..=offers.len()).map(|port| format!("127.0.0.1:{port}").parse().unwrap());
        let mut fleet = Fleet::new(targets.collect());
        for (id, versions) in fleet.ids().zip(offers) {
            fleet.answered(id, of(versions, false));
        }
        fleet
    }

    fn of(versions: &[u32], names_another: bool) -> Offers {
        let versions = Versions::of(versions.iter().copied());
        Offers { services: vec![(DEFAULT, versions)], names_another }
    }

    fn versions(numbers: &[u32]) -> Versions {
        Versions::of(numbers.iter().copied())
    }

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const C: NodeId = NodeId(2);

    #[test]
    fn f5_a_client_is_led_to_the_highest_version_that_some_node_has_in_common_with_it() {
        let mut fleet = fleet(&[&[3], &[3, 10], &[10]]);
        assert_eq!(fleet.offered(&DEFAULT), versions(&[3, 10]));
        fleet.connected(B);
        assert_eq!(fleet.rank(&DEFAULT, &versions(&[3, 10])), [C, B, A]);
        assert_eq!(fleet.rank(&DEFAULT, &versions(&[3]))[..2], [A, B]);
        assert!(fleet.is_better_elsewhere(A, &DEFAULT, &versions(&[3, 10])));
        assert!(!fleet.is_better_elsewhere(B, &DEFAULT, &versions(&[3, 10])));
        assert!(fleet.is_better_elsewhere(C, &DEFAULT, &versions(&[3])));
    }

    #[test]
    fn equals_take_turns_and_the_one_with_fewer_connections_is_first() {
        let mut fleet = fleet(&[&[3], &[3], &[3]]);
        let firsts: Vec<NodeId> =
            (0..3).map(|_| fleet.rank(&DEFAULT, &versions(&[3]))[0]).collect();
        assert_eq!(firsts.iter().collect::<std::collections::HashSet<_>>().len(), 3);
        fleet.connected(A);
        fleet.connected(C);
        assert_eq!(fleet.rank(&DEFAULT, &versions(&[3]))[0], B);
        fleet.disconnected(A);
        fleet.connected(B);
        assert_eq!(fleet.rank(&DEFAULT, &versions(&[3]))[0], A);
    }

    #[test]
    fn a_node_that_names_another_or_was_not_reached_is_passed_over() {
        let mut fleet = fleet(&[&[3, 10], &[3]]);
        assert!(!fleet.takes_instead(B, &DEFAULT, &versions(&[4])));
        assert!(fleet.sends_away(A) && !fleet.sends_away(A));
        assert_eq!(fleet.rank(&DEFAULT, &versions(&[3, 10])), [B, A]);
        assert!(fleet.takes_instead(A, &DEFAULT, &versions(&[3])));
        assert!(!fleet.takes_instead(B, &DEFAULT, &versions(&[3])));
        // It still counts for what is offered, until it is down.
        assert_eq!(fleet.offered(&DEFAULT), versions(&[3, 10]));
        assert!(fleet.failed(A, Failure::Silent, Time::from_millis(0)));
        assert_eq!(fleet.offered(&DEFAULT), versions(&[3]));
        // An answer makes it a node like any other.
        assert!(fleet.answered(A, of(&[3, 10], false)));
        assert_eq!(fleet.rank(&DEFAULT, &versions(&[3, 10])), [A, B]);
        // What it does not offer any more is not offered.
        fleet.answered(A, of(&[], false));
        assert_eq!(fleet.offered(&DEFAULT), versions(&[3]));
    }

    #[test]
    fn s7_a_node_is_gone_when_it_refused_for_a_second_and_absent_after_a_minute() {
        let mut fleet = fleet(&[&[3]]);
        let at = Time::from_millis;
        fleet.failed(A, Failure::Refused, at(0));
        fleet.failed(A, Failure::Silent, at(500));
        // Silence is no refusal: the time begins anew.
        fleet.failed(A, Failure::Refused, at(900));
        assert!(!fleet.is_gone(A, at(1_899)) && fleet.is_gone(A, at(1_900)));
        assert!(!fleet.is_absent(A, at(59_999)) && fleet.is_absent(A, at(60_000)));
        fleet.answered(A, of(&[3], false));
        assert!(!fleet.is_gone(A, at(60_000)) && !fleet.is_absent(A, at(60_000)));
    }

    #[test]
    fn l1_no_more_services_are_remembered_than_there_is_room_for() {
        let mut fleet = fleet(&[&[3]]);
        for index in 0..2 * MAX_SERVICES {
            let service = Service::from(&*format!("s{index}"));
            let services = vec![(service, versions(&[1]))];
            fleet.answered(A, Offers { services, names_another: false });
        }
        assert_eq!(fleet.services().len(), MAX_SERVICES);
    }
}
