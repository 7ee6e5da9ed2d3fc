//! By what a peer is counted, and whose its sessions are.

use ubf_net::Peer;
use ubf_proto::endpoint::Origin;

/// An identity, or else an address (S6, S9).
pub(crate) fn origin(peer: &Peer) -> Origin {
    match (peer.identity(), peer.address()) {
        (Some(identity), _) => Origin::Identity(identity.key()),
        (None, Some(address)) => Origin::of(address.ip()),
        (None, None) => Origin::Local,
    }
}
