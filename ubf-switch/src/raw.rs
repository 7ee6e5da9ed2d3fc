//! Bytes that the switch does not look at: stock peers, which know no headers (Q), and TLS that the
//! nodes end. Each connection goes to one node, chosen by the client's address (F5.13).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;
use ubf_net::{Stream, Target};

use crate::ask::reach;
use crate::fleet::NodeId;
use crate::passage::Passage;
use crate::pump::{Pump, say_last};
use crate::shared::Shared;

/// A node that was not reached is passed over for so long, and each time twice as long, up to the
/// second.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The nodes of a group whose bytes pass as they are.
#[derive(Debug)]
pub(crate) struct Group {
    nodes: Vec<Target>,
    waits: Mutex<Vec<Wait>>,
}

/// How long a node is passed over.
#[derive(Clone, Copy, Debug, Default)]
struct Wait {
    until: Option<Instant>,
    last: Duration,
}

impl Group {
    pub(crate) fn new(nodes: Vec<Target>) -> Self {
        let waits = Mutex::new(vec![Wait::default(); nodes.len()]);
        Self { nodes, waits }
    }

    /// The nodes for a client, best first: the same for the same address, as long as it is reached.
    fn order(&self, client: Option<IpAddr>, now: Instant) -> Vec<NodeId> {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<NodeId> = (0..self.nodes.len()).map(NodeId).collect();
        order.sort_by_key(|id| {
            let is_waited_for =
                waits.get(id.0).and_then(|wait| wait.until).is_some_and(|until| until > now);
            (is_waited_for, u64::MAX - weight(client, id.0))
        });
        order
    }

    fn reached(&self, id: NodeId) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = waits.get_mut(id.0) {
            *wait = Wait::default();
        }
    }

    fn failed(&self, id: NodeId, now: Instant) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = waits.get_mut(id.0) {
            let last = (wait.last * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
            *wait = Wait { until: Some(now + last), last };
        }
    }
}

/// How much a client would like a node: a number that looks like chance, and is always the same.
fn weight(client: Option<IpAddr>, node: usize) -> u64 {
    let bytes = match client.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => u128::from(u32::from(ip)),
        Some(IpAddr::V6(ip)) => u128::from(ip),
        None => 0,
    };
    let [high, low] = [bytes >> 64, bytes & u128::from(u64::MAX)]
        .map(|half| u64::try_from(half).unwrap_or_default());
    let mixed = (high ^ low.rotate_left(32))
        .wrapping_add((node as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Finds a node of the group for a client.
pub(crate) async fn join(
    shared: &Shared,
    group: &Arc<Group>,
    client: Stream,
    ip: Option<IpAddr>,
) -> Option<(NodeId, Pump)> {
    for id in group.order(ip, Instant::now()) {
        let Some(target) = group.nodes.get(id.0) else { continue };
        match reach(shared, target).await {
            Ok(node) => {
                group.reached(id);
                let ends = ((client, BytesMut::new()), (node, BytesMut::new()));
                return Some((id, Pump::new(Passage::blind(id), ends.0, ends.1, &shared.limits)));
            }
            Err(failure) => {
                tracing::warn!(node = %target, ?failure, "a node is passed over");
                group.failed(id, Instant::now());
            }
        }
    }
    say_last(client, bytes::Bytes::new()).await;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_comes_to_the_same_node_while_that_is_reached_and_clients_are_spread() {
        let nodes = (1..=3).map(|port| format!("127.0.0.1:{port}").parse().unwrap());
        let group = Group::new(nodes.collect());
        let now = Instant::now();
        let mut firsts = [0; 3];
        for last in 0..90_u8 {
            let ip = Some(IpAddr::from([192, 0, 2, last]));
            let order = group.order(ip, now);
            assert_eq!(order, group.order(ip, now));
            firsts[order[0].0] += 1;
        }
        assert!(firsts.iter().all(|&count| count > 15), "{firsts:?}");
        let ip = Some(IpAddr::from([192, 0, 2, 7]));
        let [first, second, third] = group.order(ip, now)[..] else { panic!("there are three") };
        group.failed(first, now);
        assert_eq!(group.order(ip, now), [second, third, first]);
        assert_eq!(group.order(ip, now + FIRST_WAIT)[0], first);
        group.failed(first, now);
        assert_eq!(group.order(ip, now + FIRST_WAIT)[0], second);
        group.reached(first);
        assert_eq!(group.order(ip, now)[0], first);
    }
}
