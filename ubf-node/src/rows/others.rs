//! Other nodes that may own rows of this one's store, and what they know of them (T6).

use std::time::Duration;

use ubf_service::Known;
use ubf_service::server::OrderError;
use ubf_state::ShardId;
use ubf_store::{Announced, StoreError};

use super::place::{StorePlace, open_store};

/// A node that has said nothing for so long does not live. It claims nothing before it is started
/// again, and then it finds what the rows are in. Chosen: several times as long as nodes take to say
/// something again.
pub(super) const LIVES_FOR: Duration = Duration::from_secs(15);

/// What nodes have said of themselves. It waits for the store.
pub(super) fn read(
    place: &StorePlace,
    service: &str,
    shard: ShardId,
) -> Result<Vec<Announced>, StoreError> {
    let (_, mut store) = open_store(place, service)
        .map_err(|error| StoreError::new("the store cannot be opened", error))?;
    let announced = store.announced(shard)?;
    store.close()?;
    Ok(announced)
}

/// The first of the nodes that does not know a state version, as the reason to stay with the one
/// before.
pub(super) fn behind(nodes: &[Announced], version: u32) -> Option<OrderError> {
    if crate::fault::is_taken_away("finalizes-too-early") {
        return None;
    }
    let is_behind = |node: &&Announced| {
        let Known { oldest, newest, .. } = node.known;
        !(oldest..=newest).contains(&version)
    };
    let node = nodes.iter().find(is_behind)?;
    Some(OrderError::NodeBehind { node: node.node.clone(), known: node.known, version })
}
