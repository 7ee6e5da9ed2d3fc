//! Which node a client is joined to: nodes are asked, until one takes it, or goes on with its
//! session (F5.4, F5.9 to F5.12).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use ubf_codec::{NextIp, Term};
use ubf_proto::Versions;
use ubf_proto::control::{Negotiate, Options};
use ubf_proto::session::{Level, NoSession, SessionOption};

use crate::ask::{Answer, Link, Said, connect, failed};
use crate::counters::count;
use crate::fleet::{Failure, Health, NodeId};
use crate::homes::Whereabouts;
use crate::probe::learn;
use crate::shared::Shared;

/// Nodes that are asked before a client is told that there is none. Chosen: a client that comes
/// again is led to others.
const MAX_ATTEMPTS: usize = 8;

/// A node that has answered, and whether what it says of a session is final.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) node: NodeId,
    pub(crate) link: Link,
    /// A node that was not reached may have the session: it is not said to be unknown.
    pub(crate) is_unsure: bool,
}

/// What an answer means for a client that wants to go on with a session.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It goes on there, or whoever asks has to be told this.
    Final,
    /// The node does not have it.
    Unknown,
    /// It is there, or comes there, and not now.
    NotNow,
    /// This is the owner's address.
    Elsewhere,
    /// The node turns everybody away.
    TurnedAway,
}

/// Finds the node for a `negotiate`, which is the last of these packets.
pub(crate) async fn find(
    shared: &Arc<Shared>,
    negotiate: &Negotiate,
    packets: &[u8],
    pings: u64,
) -> Option<Joined> {
    if !shared.fleet().is_offered(&negotiate.service) {
        learn(shared, &negotiate.service).await;
    }
    match negotiate.options.session {
        Some(SessionOption::Resume(resume)) => {
            let place = shared.homes().find(&resume.id, shared.now());
            go_on(shared, negotiate, place, packets).await
        }
        _ => begin(shared, negotiate, packets, pings).await,
    }
}

/// A client without a session to go on with.
async fn begin(
    shared: &Shared,
    negotiate: &Negotiate,
    packets: &[u8],
    pings: u64,
) -> Option<Joined> {
    let (service, versions) = (&negotiate.service, &negotiate.versions);
    let order = shared.fleet().rank(service, versions);
    let mut in_hand = None;
    for node in order.into_iter().take(MAX_ATTEMPTS) {
        let within = shared.limits.max_answer_time;
        let Some((link, answer)) = ask(shared, node, packets, within).await else { continue };
        match &answer.said {
            Said::Closing(_, executed) if *executed <= pings => {
                shared.fleet().sends_away(node);
                in_hand.get_or_insert(Joined { node, link, is_unsure: false });
            }
            // What it offered has changed: another node may still have a version.
            Said::NoCommonVersion(spoken, _) => {
                shared.fleet().speaks(node, service, spoken);
                let is_last = !shared.fleet().takes_instead(node, service, versions);
                in_hand = Some(Joined { node, link, is_unsure: false });
                if is_last {
                    break;
                }
            }
            Said::Agreed(..) | Said::Refused | Said::Closing(..) | Said::Pong | Said::Anything => {
                return Some(Joined { node, link, is_unsure: false });
            }
        }
    }
    in_hand
}

/// A client with a session to go on with.
async fn go_on(
    shared: &Shared,
    negotiate: &Negotiate,
    place: Whereabouts,
    packets: &[u8],
) -> Option<Joined> {
    let until = Instant::now() + shared.limits.max_answer_time;
    let mut order = order_of(shared, negotiate, place);
    let mut asked: Vec<NodeId> = Vec::new();
    let (mut in_hand, mut is_unsure): (Option<Joined>, bool) = (None, false);
    while let Some(node) = order.pop_front() {
        if asked.contains(&node) {
            continue;
        }
        asked.push(node);
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            is_unsure = true;
            break;
        }
        let Some((link, answer)) = ask(shared, node, packets, left).await else {
            is_unsure |= may_have_it(shared, node, place);
            continue;
        };
        let mut joined = Joined { node, link, is_unsure: false };
        match verdict(&answer) {
            Verdict::Final => return Some(joined),
            Verdict::NotNow => {
                joined.is_unsure = true;
                return Some(joined);
            }
            Verdict::Elsewhere => {
                let named = answer.next_ip.iter().flat_map(NextIp::addresses);
                let fleet = shared.fleet();
                let owners: Vec<NodeId> = named.filter_map(|named| fleet.find(named)).collect();
                is_unsure = true;
                for owner in owners.into_iter().rev() {
                    order.push_front(owner);
                }
                in_hand.get_or_insert(joined);
            }
            Verdict::Unknown => {
                count(&shared.counters.asked_in_vain);
                if matches!(place, Whereabouts::Free(_)) {
                    return Some(joined);
                }
                // The first of those that do not have it is the best one for a new session.
                in_hand.get_or_insert(joined);
            }
            Verdict::TurnedAway => {
                shared.fleet().sends_away(node);
            }
        }
    }
    in_hand.map(|joined| Joined { is_unsure, ..joined })
}

/// Whom to ask for a session, and in which order. The home of one is the first to be asked; of one
/// in which nothing is due only if it takes clients and speaks their language.
fn order_of(shared: &Shared, negotiate: &Negotiate, place: Whereabouts) -> VecDeque<NodeId> {
    let (service, versions) = (&negotiate.service, &negotiate.versions);
    let mut fleet = shared.fleet();
    let mut order: VecDeque<NodeId> = fleet.rank(service, versions).into();
    match place {
        Whereabouts::Unknown => {}
        Whereabouts::At(home) => order.push_front(home.node),
        Whereabouts::Free(home) => {
            let speaks = versions.choose(&fleet.spoken(home.node, service)).is_some();
            if fleet.health(home.node) == Health::Up && speaks {
                order.push_front(home.node);
            }
            // Nobody else is to be asked than whom a new client would be led to.
            order.truncate(MAX_ATTEMPTS);
        }
    }
    order
}

/// Whether a node that was not reached may have the session.
fn may_have_it(shared: &Shared, node: NodeId, place: Whereabouts) -> bool {
    let now = shared.now();
    let fleet = shared.fleet();
    match place {
        // S7.14: what was in the memory of a process is gone with it.
        Whereabouts::At(home) if home.node == node && home.level == Level::Memory => {
            !fleet.is_gone(node, now) && !fleet.is_absent(node, now)
        }
        Whereabouts::At(_) | Whereabouts::Unknown => !fleet.is_absent(node, now),
        Whereabouts::Free(_) => false,
    }
}

async fn ask(
    shared: &Shared,
    node: NodeId,
    packets: &[u8],
    within: Duration,
) -> Option<(Link, Answer)> {
    let mut link = connect(shared, node).await.ok()?;
    match link.ask(packets, within).await {
        Ok(answer) => Some((link, answer)),
        Err(error) => {
            tracing::debug!(%error, node = node.0, "a node did not answer");
            failed(shared, node, Failure::Silent);
            None
        }
    }
}

fn verdict(answer: &Answer) -> Verdict {
    match &answer.said {
        Said::Agreed(options) | Said::NoCommonVersion(_, options) => session_of(options),
        Said::Closing(why, _) if why.is_atom("moved") => Verdict::Elsewhere,
        Said::Closing(why, _) if is_about_the_session(why) => Verdict::Final,
        Said::Closing(..) => Verdict::TurnedAway,
        Said::Refused => Verdict::Unknown,
        Said::Pong | Said::Anything => Verdict::Final,
    }
}

fn session_of(options: &Options) -> Verdict {
    match options.session {
        Some(SessionOption::Resumed(_)) => Verdict::Final,
        Some(SessionOption::NoSession(NoSession::NotNow)) => Verdict::NotNow,
        Some(SessionOption::NoSession(NoSession::Elsewhere)) => Verdict::Elsewhere,
        // A server that knows no sessions says nothing of it.
        Some(_) | None => Verdict::Unknown,
    }
}

fn is_about_the_session(why: &Term) -> bool {
    why.is_atom("overtaken") || why.is_atom("session_exists")
}

/// The nodes for a client that begins with a message of this version.
pub(crate) fn order_for_message(shared: &Shared, versions: &Versions) -> Vec<NodeId> {
    let mut order = shared.fleet().rank(&ubf_proto::Service::DEFAULT, versions);
    order.truncate(MAX_ATTEMPTS);
    order
}
