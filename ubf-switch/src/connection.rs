//! One client, from its first byte to its last.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use ubf_codec::NextIp;
use ubf_net::Stream;
use ubf_proto::Versions;
use ubf_proto::control::Negotiate;

use crate::ask::connect;
use crate::counters::{add, count};
use crate::fleet::NodeId;
use crate::homes::ConnectionId;
use crate::opening::{First, Opening};
use crate::passage::{Effect, Passage, Words, closing};
use crate::pump::{Ending, Pump, no_node, say_last};
use crate::route::{Joined, find, order_for_message};
use crate::shared::{Course, Shared};

/// How a client has begun.
enum Begun {
    Negotiating(Box<Negotiate>, usize),
    Plain(Versions),
}

/// Serves a client until one of the two ends the connection.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    id: ConnectionId,
    mut client: Stream,
    words: Arc<Words>,
) {
    let mut course = shared.course.subscribe();
    let mut buffer = BytesMut::new();
    let mut opening = Opening::new();
    let begun = {
        let opened = open(&shared, &mut client, &mut buffer, &mut opening);
        tokio::select! {
            opened = opened => opened,
            () = until_closing(&mut course) => Err("shutdown"),
        }
    };
    let pings = opening.pings();
    let begun = match begun {
        Ok(Some(begun)) => begun,
        Ok(None) => return,
        Err(why) => {
            count(&shared.counters.too_slow);
            return say_last(client, closing(why, None, pings)).await;
        }
    };
    settled(&shared).await;
    let pump = match begun {
        Begun::Negotiating(negotiate, len) => {
            let found = find(&shared, &negotiate, buffer.get(..len).unwrap_or_default(), pings);
            found.await.map(|Joined { node, link, is_unsure }| {
                drop(buffer.split_to(len));
                let passage = Passage::negotiating(node, words, pings, &negotiate, is_unsure);
                let input = std::mem::take(&mut buffer);
                let limits = &shared.limits;
                (node, passage, input, link, limits)
            })
        }
        Begun::Plain(versions) => join_plain(&shared, &versions).await.map(|(node, link)| {
            let passage = Passage::new(node, words, pings);
            (node, passage, std::mem::take(&mut buffer), link, &shared.limits)
        }),
    };
    let Some((node, passage, input, link, limits)) = pump else {
        count(&shared.counters.without_node);
        return say_last(client, no_node(pings)).await;
    };
    count(&shared.counters.joined);
    let pump = Pump::new(passage, (client, input), (link.stream, link.input), limits);
    let _joined = Guard::new(&shared, node);
    pass(&shared, id, node, pump, course).await;
}

/// Counts a connection of a node for as long as it lives, however that ends.
struct Guard<'a> {
    shared: &'a Shared,
    node: NodeId,
}

impl<'a> Guard<'a> {
    fn new(shared: &'a Shared, node: NodeId) -> Self {
        shared.fleet().connected(node);
        Self { shared, node }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.shared.fleet().disconnected(self.node);
    }
}

/// Reads until it is known where the client is led. `None`: it is gone.
async fn open(
    shared: &Shared,
    client: &mut Stream,
    buffer: &mut BytesMut,
    opening: &mut Opening,
) -> Result<Option<Begun>, &'static str> {
    let limits = &shared.limits;
    let mut until = Instant::now() + limits.max_negotiation_time;
    let mut answered = 0;
    loop {
        match opening.look(buffer) {
            First::Negotiate(negotiate, len) => {
                return Ok(Some(Begun::Negotiating(negotiate, len)));
            }
            First::Message(version) => {
                return Ok(Some(Begun::Plain([version].into_iter().collect())));
            }
            First::Anything => return Ok(Some(Begun::Plain(Versions::new()))),
            First::Wait => {}
        }
        // N10.7 is about the first packet. S11.2: behind it, pings may be all for a while.
        let why = if opening.pings() == 0 { "negotiation_time" } else { "idle_time" };
        if opening.pings() > answered {
            let pongs =
                b"0 ? 'pong'$".repeat(usize::try_from(opening.pings() - answered).unwrap_or(0));
            answered = opening.pings();
            until = Instant::now() + limits.max_idle_time;
            match timeout_at(until, client.write_all(&pongs)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(None),
                Err(_) => return Err("idle_time"),
            }
        }
        match timeout_at(until, client.read_buf(buffer)).await {
            Ok(Ok(0) | Err(_)) => return Ok(None),
            Ok(Ok(_)) => {}
            Err(_) => return Err(why),
        }
    }
}

/// Each node is asked once before the first client is led to one.
async fn settled(shared: &Shared) {
    loop {
        let notified = shared.settled.notified();
        if shared.fleet().is_settled() {
            return;
        }
        notified.await;
    }
}

/// A client that does not negotiate: nothing of it was sent to anybody yet.
async fn join_plain(shared: &Shared, versions: &Versions) -> Option<(NodeId, crate::ask::Link)> {
    for node in order_for_message(shared, versions) {
        if let Ok(link) = connect(shared, node).await {
            return Some((node, link));
        }
    }
    None
}

async fn until_closing(course: &mut watch::Receiver<Course>) {
    // Its sender lives as long as the switch.
    let _seen = course.wait_for(|course| matches!(course, Course::Closing | Course::Stopped)).await;
}

/// Lets bytes pass, and sees to what comes of it.
pub(crate) async fn pass(
    shared: &Arc<Shared>,
    id: ConnectionId,
    node: NodeId,
    mut pump: Pump,
    mut course: watch::Receiver<Course>,
) {
    course.mark_changed();
    pump.begin(&**shared);
    see_to(shared, id, node, &mut pump.passage);
    let mut drain_at: Option<(Instant, NextIp, u64)> = None;
    let mut was_cut = false;
    let ending = loop {
        let notice = drain_at.as_ref().map(|(at, ..)| *at);
        tokio::select! {
            told = poll_fn(|cx| pump.poll_pass(&**shared, cx)) => {
                see_to(shared, id, node, &mut pump.passage);
                if let Some(ending) = told {
                    break ending;
                }
            }
            changed = course.changed() => {
                let now = if changed.is_ok() { course.borrow_and_update().clone() } else { Course::Stopped };
                match now {
                    Course::Serving => {}
                    Course::Draining { next_ip, grace_ms } => {
                        drain_at = Some((Instant::now() + share_of(grace_ms, id), next_ip, grace_ms));
                    }
                    Course::Closing => pump.leave("shutdown"),
                    Course::Stopped => {
                        was_cut = true;
                        break Ending::Idle;
                    }
                }
            }
            () = tokio::time::sleep_until(notice.unwrap_or_else(Instant::now)), if notice.is_some() => {
                if let Some((_, next_ip, grace_ms)) = drain_at.take() {
                    pump.drain(&next_ip, grace_ms - grace_ms / 4);
                    see_to(shared, id, node, &mut pump.passage);
                }
            }
        }
    };
    finish(shared, id, pump, ending, was_cut).await;
}

/// R3.3: the notices lie evenly over the first quarter of the grace.
fn share_of(grace_ms: u64, id: ConnectionId) -> Duration {
    let quarter = grace_ms / 4;
    // Neighbours in number lie far from each other in time.
    Duration::from_millis(id.wrapping_mul(0x9E37_79B9) % quarter.max(1))
}

async fn finish(shared: &Shared, id: ConnectionId, pump: Pump, ending: Ending, was_cut: bool) {
    add(&shared.counters.bytes_up, pump.bytes_up);
    add(&shared.counters.bytes_down, pump.bytes_down);
    if was_cut {
        count(&shared.counters.cut);
    }
    let is_settled = pump.passage.is_settled() && ending == Ending::Said;
    if let Some(session) = pump.passage.session() {
        shared.homes().parked(&session, id, is_settled, shared.now());
    }
    tracing::debug!(
        connection = id,
        ?ending,
        packets = pump.passage.packets(),
        bytes_up = pump.bytes_up,
        bytes_down = pump.bytes_down,
        "closed"
    );
    match ending {
        Ending::Said => say_last(pump.into_client(), Bytes::new()).await,
        Ending::ClientGone | Ending::NotRead | Ending::Idle => {}
    }
}

/// Sees to what has come of packets that passed.
fn see_to(shared: &Shared, id: ConnectionId, node: NodeId, passage: &mut Passage) {
    for effect in passage.effects() {
        match effect {
            Effect::Opened(session, grant) => {
                let granted = (grant.level, grant.keep);
                shared.homes().opened(session, node, id, granted, shared.now());
            }
            Effect::Resumed(session) => {
                count(&shared.counters.resumed);
                shared.homes().resumed(session, node, id, shared.now());
            }
            Effect::Ended(session) => shared.homes().ended(&session),
            Effect::SentAway(session) => shared.homes().sent_away(&session, id),
            Effect::LedElsewhere => count(&shared.counters.led_elsewhere),
            Effect::NodeSendsAway => {
                count(&shared.counters.next_ips);
                let mut fleet = shared.fleet();
                if fleet.sends_away(node)
                    && let Some(target) = fleet.target(node)
                {
                    tracing::info!(node = %target, "a node names another: its clients are led elsewhere");
                }
            }
            Effect::Moved(session, next_ip) => {
                let fleet = shared.fleet();
                let owner = next_ip
                    .iter()
                    .flat_map(NextIp::addresses)
                    .find_map(|address| fleet.find(address));
                drop(fleet);
                if let Some(owner) = owner {
                    shared.homes().moved(&session, owner);
                }
            }
            Effect::Speaks(service, versions) => shared.fleet().speaks(node, &service, &versions),
        }
    }
}
