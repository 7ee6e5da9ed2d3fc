//! What all connections of a switch have in common.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};
use ubf_codec::{Address, NextIp};
use ubf_net::tls::ClientTls;
use ubf_proto::{Service, Time, Versions};

use crate::admission::Admission;
use crate::config::SwitchLimits;
use crate::counters::Counters;
use crate::fleet::{Fleet, NodeId};
use crate::homes::Homes;
use crate::passage::Directory;

/// How far the end of the switch is (R8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    Serving,
    /// Clients are told of another place; they have so many milliseconds.
    Draining {
        next_ip: NextIp,
        grace_ms: u64,
    },
    /// Each is told `closing` as soon as all that it sent is answered.
    Closing,
    /// What is left is cut.
    Stopped,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: SwitchLimits,
    pub(crate) node_tls: Option<ClientTls>,
    /// The address by which clients know the switch, if it is not the one that they came to.
    pub(crate) advertised: Option<Address>,
    pub(crate) peers: Option<NextIp>,
    pub(crate) passes_next_ip: bool,
    pub(crate) counters: Counters,
    pub(crate) course: watch::Sender<Course>,
    /// Each node was asked once.
    pub(crate) settled: Notify,
    /// Services that every node is asked for.
    services: Vec<Service>,
    begun: Instant,
    learned: Mutex<(u64, usize)>,
    fleet: Mutex<Fleet>,
    homes: Mutex<Homes>,
    admission: Mutex<Admission>,
}

impl Shared {
    pub(crate) fn new(
        limits: SwitchLimits,
        fleet: Fleet,
        services: Vec<Service>,
        node_tls: Option<ClientTls>,
        advertised: Option<Address>,
        peers: Option<NextIp>,
        passes_next_ip: bool,
    ) -> Self {
        Self {
            node_tls,
            advertised,
            peers,
            passes_next_ip,
            counters: Counters::default(),
            course: watch::Sender::new(Course::Serving),
            settled: Notify::new(),
            services,
            begun: Instant::now(),
            learned: Mutex::new((0, 0)),
            fleet: Mutex::new(fleet),
            homes: Mutex::new(Homes::new(limits.max_sessions)),
            admission: Mutex::new(Admission::new(
                limits.max_connections,
                limits.max_connections_per_address,
            )),
            limits,
        }
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_millis(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn homes(&self) -> MutexGuard<'_, Homes> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// L1: whether nodes may be asked for a service that a stranger has named. Beyond the limit of a
    /// second a client is led to any node, which says what it thinks of the name.
    pub(crate) fn may_learn(&self) -> bool {
        /// Chosen: more than a fleet has services to be found in a second.
        const MOST_IN_A_SECOND: usize = 16;

        let second = self.begun.elapsed().as_secs();
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, count) = *learned;
        let count = if last == second { count } else { 0 };
        *learned = (second, count + 1);
        count < MOST_IN_A_SECOND
    }

    /// What nodes are asked for: the default service, those of the operator, and those that some
    /// node has.
    pub(crate) fn services(&self) -> Vec<Service> {
        let mut all = vec![Service::DEFAULT];
        all.extend(self.services.iter().cloned());
        all.extend(self.fleet().services());
        all.sort();
        all.dedup();
        all
    }
}

impl Directory for Shared {
    fn offered(&self, service: &Service) -> Versions {
        self.fleet().offered(service)
    }

    fn takes_instead(&self, node: NodeId, service: &Service, versions: &Versions) -> bool {
        self.fleet().takes_instead(node, service, versions)
    }

    fn is_better_elsewhere(&self, node: NodeId, service: &Service, versions: &Versions) -> bool {
        self.fleet().is_better_elsewhere(node, service, versions)
    }
}
