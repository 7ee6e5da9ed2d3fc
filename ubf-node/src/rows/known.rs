//! What this program knows of the rows of its services.

use ubf_codec::Versioned as _;
use ubf_server::Versions;
use ubf_service::StatefulService;

use crate::options::ServiceName;
use crate::services::{IrcRows, KvRows, Ledger};

/// The versions of the contract that a service with rows has.
pub(crate) fn known_versions(service: ServiceName) -> Versions {
    fn all<S: StatefulService>() -> Versions {
        S::Request::VERSIONS.iter().copied().collect()
    }
    match service {
        ServiceName::Kv => all::<KvRows>(),
        ServiceName::Ledger => all::<Ledger>(),
        ServiceName::Irc => all::<IrcRows>(),
        ServiceName::Echo => Versions::new(),
    }
}

/// Whether rows of a service can be kept in a store.
pub(crate) const fn has_rows(service: ServiceName) -> bool {
    state_versions(service).is_some()
}

/// The oldest and the newest state version of a service whose rows can be kept in a store.
pub(crate) const fn state_versions(service: ServiceName) -> Option<(u32, u32)> {
    match service {
        ServiceName::Kv => Some(KvRows::STATE),
        ServiceName::Ledger => Some(Ledger::STATE),
        ServiceName::Irc => Some(IrcRows::STATE),
        ServiceName::Echo => None,
    }
}
