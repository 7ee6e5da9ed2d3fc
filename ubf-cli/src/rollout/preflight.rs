//! What is looked at before a node is sent anything (F4).

use std::time::Duration;

use ubf_agent_core::{Hash, Manifest, Signed, Status};
use ubf_client::Client;
use ubf_codec::Term;
use ubf_contract::Contract;
use ubf_contract::compare::{Comparison, Verdict};
use ubf_node::control::Which;

use super::plan::{Fleet, NewContract, NodePlace};
use super::steps::{Trouble, control};
use crate::network;
use crate::ui::units::count;

const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Beside the binary. Chosen: a node that runs writes logs and rows meanwhile.
const SPARE_BYTES: u64 = 16 << 20;

/// Whether a node may be given the release. What is to be known, and is no reason against it.
pub(super) fn check(
    fleet: &Fleet,
    node: &NodePlace,
    status: &Status,
    runs: Hash,
) -> Result<Vec<String>, Trouble> {
    let wanted = fleet.manifest.bytes + SPARE_BYTES;
    if status.free < wanted {
        let (free, wanted) = (count(status.free), count(wanted));
        return Err(format!("its disk has {free} free bytes, and {wanted} are wanted").into());
    }
    let mut remarks = Vec::new();
    match manifest_of(status, runs) {
        Some(before) => {
            versions(fleet, node, &before)?;
            rows_of_manifests(&before, &fleet.manifest)?;
            if before.number >= fleet.manifest.number {
                let (before, number) = (before.number, fleet.manifest.number);
                remarks.push(format!("it runs {before}, which is not below {number}"));
            }
        }
        None => remarks.push("its agent has no manifest of what it runs".to_owned()),
    }
    rows(fleet, node)?;
    for new in &fleet.contracts {
        match &node.address {
            Some(address) => contract(address, new)?,
            None => remarks.push(format!("{} is not compared: no address", new.service)),
        }
    }
    Ok(remarks)
}

/// The agent has looked at its signature, perhaps with a key that is not in this plan.
fn manifest_of(status: &Status, release: Hash) -> Option<Manifest> {
    let signed = status.releases.iter().filter_map(|bytes| Signed::read(bytes).ok());
    let mut manifests = signed.filter_map(|signed| signed.check(&[signed.key()]).ok());
    manifests.find(|manifest| manifest.hash == release)
}

/// Whoever speaks a version goes on to be understood.
fn versions(fleet: &Fleet, node: &NodePlace, before: &Manifest) -> Result<(), Trouble> {
    let has = |service: &str, version: u32| {
        let found = fleet.manifest.contracts.iter().find(|(name, _)| name == service);
        found.is_some_and(|(_, versions)| versions.contains(&version))
    };
    let used = match &node.control {
        None => None,
        Some(place) => {
            let status = control(fleet, place, ANSWER_TIME)?.status()?;
            Some(status.connections_by_version)
        }
    };
    for (service, versions) in &before.contracts {
        for &version in versions.iter().filter(|&&version| !has(service, version)) {
            let is_it = |name: &Option<String>| name.as_ref().is_none_or(|name| name == service);
            let users = used.as_ref().map(|used| {
                let those = used.iter().filter(|one| one.version == version && is_it(&one.service));
                those.map(|one| one.connections).sum::<u64>()
            });
            let who = match users {
                // Nobody speaks it.
                Some(0) => continue,
                Some(users) => format!("{users} connections speak it"),
                None => "who speaks it is not known without its control socket".to_owned(),
            };
            let text = format!("the release has no version {version} of {service}, and {who}");
            return Err(text.into());
        }
    }
    Ok(())
}

/// The release reads and writes what the one before wrote, and the other way round: until it is
/// finalized, the one before may have to go on.
fn rows_of_manifests(before: &Manifest, new: &Manifest) -> Result<(), Trouble> {
    for (service, _, writes) in &before.rows {
        let reads = new.rows.iter().find(|(name, ..)| name == service).map(|(_, reads, _)| reads);
        let Some(reads) = reads else {
            return Err(format!("the release has no rows of {service}").into());
        };
        if !reads.contains(writes) {
            let text = format!("the release does not know state version {writes} of {service}");
            return Err(format!("{text}, which the one before writes").into());
        }
    }
    Ok(())
}

/// The rows as they are.
fn rows(fleet: &Fleet, node: &NodePlace) -> Result<(), Trouble> {
    let Some(place) = &node.control else {
        let is_none = fleet.manifest.rows.is_empty();
        let why = "the plan has no control socket of it, and the release has rows";
        return if is_none { Ok(()) } else { Err(why.to_owned().into()) };
    };
    if fleet.manifest.rows.is_empty() {
        return Ok(());
    }
    for report in control(fleet, place, ANSWER_TIME)?.rows(Which::All)? {
        let service = &report.service;
        let reads = fleet.manifest.rows.iter().find(|(name, ..)| name == service);
        let reads = reads.map(|(_, reads, _)| &**reads).unwrap_or_default();
        let versions = report.versions;
        // They are owned elsewhere.
        if versions.write == 0 {
            continue;
        }
        for version in [versions.write, versions.lowest, versions.highest] {
            if !reads.contains(&version) {
                let text = format!("rows of {service} are of state version {version}");
                return Err(format!("{text}, which the release does not know").into());
            }
        }
    }
    Ok(())
}

/// K: clients of the contract that a node tells are served by that of the release.
fn contract(address: &str, new: &NewContract) -> Result<(), Trouble> {
    let NewContract { service, version, contract } = new;
    let told = ask(address, service, *version)?;
    let report = Comparison::new(&told, contract).run();
    if report.backward == Verdict::Serves {
        return Ok(());
    }
    let first = report.findings.first().map(|finding| format!(": {finding}"));
    let why = first.unwrap_or_default();
    Err(format!("version {version} of {service} does not serve clients of today's{why}").into())
}

fn ask(address: &str, service: &str, version: u32) -> Result<Contract, Trouble> {
    let cannot =
        |why: String| Trouble::from(format!("{address} does not tell its contract: {why}"));
    let runtime = network::single_thread().map_err(|report| cannot(report.message().to_owned()))?;
    runtime.block_on(async {
        let builder = Client::builder().address(address).service(service).versions([version]);
        let builder = builder.call_time(ANSWER_TIME).connect_within(ANSWER_TIME);
        let client = builder.connect().await.map_err(|error| cannot(error.to_string()))?;
        let reply = client.call(Term::atom("contract")).await;
        client.close(Duration::from_millis(500)).await;
        let reply = reply.map_err(|error| cannot(error.to_string()))?;
        Contract::from_term(reply.response()).map_err(|error| cannot(error.to_string()))
    })
}
