//! Nodes of other machines: this one speaks to them by mutual TLS, and to those alone that its
//! policy names.

use std::path::PathBuf;
use std::sync::OnceLock;

use ubf_client::Target;
use ubf_client::tls::{ClientTls, TlsError};
use ubf_codec::Address;
use ubf_server::{Peer, ServerHandle};

use crate::options::ControlPlan;
use crate::policy::Policy;
use crate::rows::Causes;

/// What this node needs to speak to nodes of other machines, and they to it.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    /// The certificate that it shows.
    certificate: PathBuf,
    key: PathBuf,
    /// Whose certificates it trusts.
    authorities: PathBuf,
    /// Where they find it, if an operator has said it.
    advertise: Option<Address>,
    /// `None`: it speaks to no node of another machine.
    policy: Option<Policy>,
    /// What listens for operators and nodes.
    listener: OnceLock<ServerHandle>,
}

impl Elsewhere {
    pub(crate) fn new(plan: &ControlPlan, policy: Option<Policy>) -> Self {
        let tls = plan.certificates.tls();
        Self {
            certificate: tls.files().certificate.clone(),
            key: tls.files().key.clone(),
            authorities: plan.node_authorities.clone(),
            advertise: plan.advertise.clone(),
            policy,
            listener: OnceLock::new(),
        }
    }

    /// The server of operators and nodes. Before, no other node can find this one.
    pub(super) fn listens_with(&self, listener: ServerHandle) {
        // It is told once.
        let _is_first = self.listener.set(listener).is_ok();
    }

    /// Where other nodes find this one.
    pub(super) fn own_address(&self) -> Option<String> {
        let listener = self.listener.get()?;
        let listens = listener.status().addresses.into_iter().map(Address::from);
        let mut known = self.advertise.iter().cloned().chain(listens);
        known.find(crate::control::is_a_goal).map(|own| Target::Tls(own).to_string())
    }

    /// Whether somebody who has come by the network is a node that may give rows and ask for them.
    pub(super) fn is_node(&self, peer: &Peer) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.is_node(peer))
    }

    /// Whether the policy lets this node speak to the one at an address. `Err` says why not.
    pub(super) fn may_speak_to(&self, address: &Address) -> Result<(), String> {
        let is_known =
            self.policy.as_ref().is_some_and(|policy| policy.is_host_of_node(&address.host));
        if is_known {
            return Ok(());
        }
        Err(format!(
            "{} is no node that the policy of this one names: `node` in [control] of --policy",
            address.host
        ))
    }

    /// What makes TLS of connections to other nodes. The files are read each time: certificates are
    /// renewed.
    pub(super) fn tls(&self) -> Result<ClientTls, String> {
        let read = || -> Result<ClientTls, TlsError> {
            ClientTls::trusting(&self.authorities)?.showing(&self.certificate, &self.key)
        };
        read().map_err(|error| Causes(&error).to_string())
    }
}
