//! Nodes are asked what they offer, again and again (F5.2).

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use ubf_codec::{Text, Version};
use ubf_proto::control::{ClientControl, Negotiate, Options};
use ubf_proto::{Service, Versions};

use crate::ask::{Answer, Said, client_packet, connect, failed};
use crate::fleet::{Failure, Health, MAX_SERVICES, NodeId, Offers};
use crate::shared::Shared;

/// Negotiations on one connection. A node answers 8 in a minute (N10.1).
const AT_ONCE: usize = 8;

/// The longest wait between two attempts to reach a node.
const SLOWEST: Duration = Duration::from_secs(5);

/// Asks one node until the switch ends.
pub(crate) async fn watch(shared: Arc<Shared>, node: NodeId) {
    let mut wait = shared.limits.probe_every;
    loop {
        let services = shared.services();
        let is_reached = probe(&shared, node, &services).await;
        if shared.fleet().is_settled() {
            shared.settled.notify_waiters();
        }
        wait = if is_reached { shared.limits.probe_every } else { (wait * 2).min(SLOWEST) };
        sleep(wait).await;
    }
}

/// Asks all nodes that can be reached for a service that a client has named and nobody has asked
/// for yet.
pub(crate) async fn learn(shared: &Arc<Shared>, service: &Service) {
    if shared.fleet().services().len() >= MAX_SERVICES || !shared.may_learn() {
        return;
    }
    let mut asking = JoinSet::new();
    let nodes: Vec<NodeId> = {
        let fleet = shared.fleet();
        let is_up = |id: &NodeId| matches!(fleet.health(*id), Health::Up | Health::Away);
        fleet.ids().filter(is_up).collect()
    };
    for node in nodes {
        let (shared, service) = (Arc::clone(shared), service.clone());
        asking.spawn(async move { probe(&shared, node, &[service]).await });
    }
    while asking.join_next().await.is_some() {}
}

/// Asks a node for these services. Tells whether it has answered.
async fn probe(shared: &Shared, node: NodeId, services: &[Service]) -> bool {
    let within = shared.limits.max_answer_time;
    let asking = timeout(within, async {
        let mut offers = Offers::default();
        for some in services.chunks(AT_ONCE) {
            let mut link = connect(shared, node).await.ok()?;
            let packets: Vec<u8> = some.iter().flat_map(question).collect();
            let answers = link.ask_all(&packets, some.len(), within).await.ok()?;
            note(&mut offers, some, answers);
        }
        Some(offers)
    });
    match asking.await {
        Ok(Some(offers)) => {
            let mut fleet = shared.fleet();
            if fleet.answered(node, offers)
                && let Some(target) = fleet.target(node)
            {
                let (health, spoken) = (fleet.health(node), fleet.spoken(node, &Service::DEFAULT));
                tracing::info!(node = %target, ?health, versions = ?spoken.as_slice(), "a node answers");
            }
            true
        }
        Ok(None) => {
            // A refusal is noted by whoever connects.
            if !matches!(shared.fleet().health(node), Health::Down { .. }) {
                failed(shared, node, Failure::Silent);
            }
            false
        }
        Err(_) => {
            failed(shared, node, Failure::Silent);
            false
        }
    }
}

/// N9: a number that no server has, so that each answers with all that it speaks, and agrees on
/// nothing.
fn question(service: &Service) -> Vec<u8> {
    let agent = concat!("ubf-switch/", env!("CARGO_PKG_VERSION"));
    let mut options = Options::default().with_limits(&ubf_codec::Limits::default());
    options.agent = Some(Text::from(agent));
    let versions: Versions = [Version::MAX].into_iter().collect();
    let negotiate = Negotiate { service: service.clone(), versions, options };
    client_packet(&ClientControl::Negotiate(Box::new(negotiate)).to_term()).to_vec()
}

fn note(offers: &mut Offers, asked: &[Service], answers: Vec<Answer>) {
    for (service, answer) in asked.iter().zip(answers) {
        offers.names_another |= answer.next_ip.is_some();
        match answer.said {
            Said::NoCommonVersion(versions, _) => offers.services.push((service.clone(), versions)),
            // N14: it is nothing for this switch.
            Said::Refused => offers.services.push((service.clone(), Versions::new())),
            // It takes nobody: what it offers is as it was.
            Said::Closing(..) => offers.names_another = true,
            Said::Agreed(..) | Said::Pong | Said::Anything => {}
        }
    }
}
