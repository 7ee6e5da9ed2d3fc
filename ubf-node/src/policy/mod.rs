//! Who may connect, use which service, see and steer: a file of the operator's, read at the start
//! and again at SIGHUP.

mod rules;
mod who;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tracing::{error, info};
use ubf_codec::{Host, Text};
use ubf_server::{AdmissionRule, Peer, Service};

use self::rules::Rules;
use crate::control::Role;

/// A policy in force. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Policy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The names of what is served. The first one has no name, too.
    services: Vec<String>,
    rules: RwLock<Arc<Rules>>,
    is_failing: AtomicBool,
}

impl Policy {
    /// Reads the file. `Err` has a line for each thing that is wrong.
    pub(crate) fn open(path: PathBuf, services: Vec<String>) -> Result<Self, Vec<String>> {
        let rules = RwLock::new(Arc::new(read(&path, &services)?));
        Ok(Self(Arc::new(Inner { path, services, rules, is_failing: AtomicBool::new(false) })))
    }

    /// Whether what is in the file cannot be used: then the one from before is.
    pub(crate) fn is_failing(&self) -> bool {
        self.0.is_failing.load(Ordering::Relaxed)
    }

    /// Reads the file again. What cannot be used is said, and changes nothing. Whether it is in
    /// force.
    pub(crate) fn reload(&self) -> bool {
        let read = read(&self.0.path, &self.0.services);
        self.0.is_failing.store(read.is_err(), Ordering::Relaxed);
        let path = self.0.path.display();
        match read {
            Ok(rules) => {
                *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
                info!(%path, "policy reloaded");
                true
            }
            Err(problems) => {
                for problem in problems {
                    error!(%path, %problem, "the policy is wrong");
                }
                error!(%path, "the policy is not reloaded: the one from before stays");
                false
            }
        }
    }

    /// What somebody may do who has a certificate of operators.
    pub(crate) fn role(&self, peer: &Peer) -> Option<Role> {
        self.rules().role(peer)
    }

    /// U5: whether somebody who has a certificate of nodes may give rows to this one, and ask it
    /// about them.
    pub(crate) fn is_node(&self, peer: &Peer) -> bool {
        self.rules().is_node(peer)
    }

    /// U5: whether rows may be given to a node at this host, and it may be asked about them.
    pub(crate) fn is_host_of_node(&self, host: &Host) -> bool {
        self.rules().is_host_of_node(host)
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The name that a service has in the file.
    fn name(&self, service: &Service) -> String {
        let first = || self.0.services.first().cloned().unwrap_or_default();
        service.name().map_or_else(first, Text::to_latin1)
    }
}

fn read(path: &Path, services: &[String]) -> Result<Rules, Vec<String>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![format!("{} cannot be read: {error}", path.display())])?;
    Rules::read(&text, services)
}

/// Nobody but the user of this program can open a Unix socket of it: the policy is about the
/// network.
impl AdmissionRule for Policy {
    fn admits_address(&self, address: SocketAddr) -> bool {
        self.rules().may_connect_from(address.ip())
    }

    fn admits(&self, peer: &Peer) -> bool {
        peer.address().is_none() || self.rules().may_connect(peer)
    }

    fn allows(&self, peer: &Peer, service: &Service) -> bool {
        peer.address().is_none() || self.rules().may_use(peer, &self.name(service))
    }
}
