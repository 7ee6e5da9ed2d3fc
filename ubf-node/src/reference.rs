//! The node of this project: what it serves, and its contracts. It is made as anybody's is.

use std::path::Path;
use std::process::ExitCode;

use ubf_server::Versions;
use ubf_service::backup::BackupSize;
use ubf_state::ShardId;

use crate::catalogue::{Unasked, is_a_name};
use crate::node::Node;
use crate::node_service::{NodeService, shard_of};
use crate::options::Options;
use crate::rows::{RestoreError, restore_rows};
use crate::services::{ABOUT, Echo, Irc, IrcRows, Kv, KvRows, Ledger};

/// The versions of services that can be in any.
const ANY: [u32; 3] = [1, 2, 3];

/// Where the rows of services are that had them before names had shards.
const SHARDS: [(&str, ShardId); 3] =
    [("kv", ShardId(1)), ("irc", ShardId(3)), ("ledger", ShardId(4))];

/// The contracts: of which service, from which version to which.
const CONTRACTS: [(&str, u32, u32, &str); 9] = [
    ("echo", 1, u32::MAX, include_str!("../contracts/echo.con")),
    ("kv", 1, 1, include_str!("../contracts/kv-1.con")),
    ("kv", 2, 2, include_str!("../contracts/kv-2.con")),
    ("kv", 3, 3, include_str!("../contracts/kv-3.con")),
    ("irc", 1, 1, include_str!("../contracts/irc-1.con")),
    ("irc", 2, 2, include_str!("../contracts/irc-2.con")),
    ("ledger", 1, 1, include_str!("../contracts/ledger-1.con")),
    ("ledger", 2, 2, include_str!("../contracts/ledger-2.con")),
    ("ledger", 3, 3, include_str!("../contracts/ledger-3.con")),
];

/// The text of the contract that a service of this program has in a version, in UBF(B).
///
/// ```
/// let text = ubf_node::contract_text("kv", 3).unwrap();
/// assert!(text.contains("+NAME(\"kv\")."));
/// assert_eq!(ubf_node::contract_text("kv", 4), None);
/// ```
#[must_use]
pub fn contract_text(service: &str, version: u32) -> Option<&'static str> {
    let mut all = CONTRACTS.into_iter();
    all.find(|(name, first, last, _)| *name == service && (*first..=*last).contains(&version))
        .map(|(.., text)| text)
}

/// Runs the reference server until a signal or an operator ends it, and tells how it went by the
/// exit status. `program` is what its errors begin with.
///
/// It is [`Node::run`] with the services of this crate, and what stands there holds here.
#[must_use]
pub fn run(program: &str, options: Options) -> ExitCode {
    reference().run_as(program, options, ())
}

/// The reference server.
pub(crate) fn reference() -> Node {
    let all = [
        NodeService::handler_of_versions("echo", |(), wanted| {
            Echo::new(wanted.cloned().unwrap_or_else(|| Versions::of(ANY)))
        }),
        NodeService::stateful("kv", |()| KvRows::default())
            .without_store(|(), wanted| Kv::new(wanted.unwrap_or(&Versions::of(Kv::VERSIONS)))),
        NodeService::stateful("irc", |()| IrcRows::default())
            .without_store(|(), wanted| Irc::new(wanted.unwrap_or(&Versions::of(ANY)))),
        NodeService::stateful("ledger", |()| Ledger::default()),
    ];
    let unasked = Unasked { services: Some(&["echo"]), versions: Some(Versions::of(ANY)) };
    let node = Node::new("ubf-server", env!("CARGO_PKG_VERSION")).unasked(unasked);
    all.into_iter().map(complete).fold(node, Node::service)
}

/// A service of ours, with its contracts and where its rows are.
fn complete(service: NodeService) -> NodeService {
    let name = service.name;
    let service = service.in_shard(shard(name));
    let service = match ABOUT.into_iter().find(|(named, _)| *named == name) {
        Some((_, about)) => service.about(about),
        None => service,
    };
    let own = CONTRACTS.into_iter().filter(|(named, ..)| *named == name);
    own.fold(service, |service, (_, first, last, text)| service.contract(first..=last, text))
}

fn shard(service: &str) -> ShardId {
    let known = SHARDS.into_iter().find(|(name, _)| *name == service);
    known.map_or_else(|| shard_of(service), |(_, shard)| shard)
}

/// Puts the rows of a [backup] of a service into a store that has none of it: a folder for
/// `--data`, or a database for `--store` if it begins with `postgres://`. No server may have it
/// open. The service is one of this crate, or that of any [`Node`].
///
/// [backup]: ubf_service::backup
///
/// # Errors
/// The backup is none, is not whole, or is of another service; or the store cannot be used.
pub fn restore(service: &str, place: &str, file: &Path) -> Result<BackupSize, RestoreError> {
    if !is_a_name(service) {
        return Err(RestoreError::new(format!("{service}: no name of a service")));
    }
    restore_rows(service, shard(service), place, file)
}

#[cfg(test)]
mod tests {
    use ubf_contract::Reader;

    use super::*;

    #[test]
    fn the_contracts_are_good_and_canonical_and_named_as_their_services() {
        for (service, version, _, text) in CONTRACTS {
            assert_eq!(contract_text(service, version), Some(text));
            let contract = Reader::new().read(text).unwrap();
            assert_eq!(contract.warnings(), [], "{service} {version}");
            assert_eq!(contract.name().text, service);
            assert_eq!(contract.vsn().text, version.to_string().as_str());
            let printed = String::from_utf8(contract.print()).unwrap();
            assert_eq!(printed, text, "{service} {version}: ubf contract fmt --write");
        }
    }

    #[test]
    fn the_reference_server_is_a_node_whose_services_are_in_the_help() {
        let catalogue = reference().catalogue(()).unwrap();
        assert_eq!(catalogue.names(), ABOUT.map(|(name, _)| name));
        reference().command().debug_assert();
    }
}
