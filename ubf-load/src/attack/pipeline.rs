//! Many packets in one flight: calls, negotiations, versions that are not spoken.

use std::iter;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::finding::{Finding, crowd};
use super::target::{REQUEST, Target, UNSPOKEN};
use super::wire::{Heard, Wire};

/// N10: negotiations in a minute.
const MAX_NEGOTIATIONS: usize = 8;
/// How an answer to a packet in a version that is not spoken begins.
const REFUSAL: &str = "0 {refused,{version,2147483646},";
/// How the last words of a server begin.
const CLOSING: &str = "0 {closing,";
/// Packets that are sent with one write.
const BATCH: usize = 1000;

/// So many packets; the pattern is repeated.
fn flight(pattern: &[String], count: usize) -> impl Iterator<Item = Bytes> + use<> {
    let pattern: Vec<String> = pattern.to_vec();
    let starts = (0..count).step_by(BATCH);
    starts.map(move |start| {
        let mut batch = BytesMut::new();
        for packet in
            pattern.iter().cycle().skip(start % pattern.len()).take((count - start).min(BATCH))
        {
            batch.extend_from_slice(packet.as_bytes());
        }
        batch.freeze()
    })
}

/// Sends all, and counts the answers that are as `is_expected` says of each place.
async fn each(
    target: &Target,
    chunks: impl IntoIterator<Item = Bytes>,
    count: usize,
    mut is_expected: impl FnMut(usize, &Heard) -> bool,
) -> Finding {
    let mut wire = match Wire::greet(target).await {
        Ok(wire) => wire,
        Err(heard) => return Finding::fault(format!("no agreement: {heard}")),
    };
    let (mut place, mut wrong, mut first_wrong) = (0, 0, None);
    let (_, last) = wire
        .talk(chunks, target.max_wait, |heard| {
            if heard.is_end() {
                return true;
            }
            if !is_expected(place, heard) {
                wrong += 1;
                first_wrong.get_or_insert_with(|| format!("answer {place} is {}", heard.text()));
            }
            place += 1;
            place == count
        })
        .await;
    Finding::new(format!("{place} answers, the last: {}", last.text()))
        .but(place < count, format!("{} of {count} packets have no answer", count - place))
        .but(wrong > 0, first_wrong.unwrap_or_default())
}

/// Calls, none of which waits for the one before.
pub(super) async fn calls(target: &Target) -> Finding {
    let ours = target.version();
    let is_reply = move |_, heard: &Heard| heard.version() == Some(ours);
    each(target, flight(&[target.call()], target.packets), target.packets, is_reply).await
}

/// Events, which have no answers, and a call after them.
pub(super) async fn events(target: &Target) -> Finding {
    let ours = target.version();
    let event = [target.packet(&format!("{{'event_in'{REQUEST}}}$"))];
    let chunks = flight(&event, target.packets).chain(iter::once(Bytes::from(target.call())));
    // A service may answer events with events of its own.
    let mut wire = match Wire::greet(target).await {
        Ok(wire) => wire,
        Err(heard) => return Finding::fault(format!("no agreement: {heard}")),
    };
    let is_reply =
        |heard: &Heard| heard.version() == Some(ours) && !heard.text().contains("{event_out,");
    let (_, last) = wire.talk(chunks, target.max_wait, is_reply).await;
    Finding::new(format!("after {} events: {}", target.packets, last.text()))
        .but(!is_reply(&last), format!("{}, and no answer to the call after them", last.text()))
}

/// Calls, and broken bytes after them: L3 wants all of them answered first.
pub(super) async fn calls_then_garbage(target: &Target) -> Finding {
    const CALLS: usize = 500;
    let ours = target.version();
    let broken = Bytes::from(target.packet("{}}$") + &target.call());
    let chunks = flight(&[target.call()], CALLS).chain(iter::once(broken));
    let is_in_order = move |place, heard: &Heard| {
        if place < CALLS {
            heard.version() == Some(ours)
        } else {
            heard.text().starts_with("0 {error,'close-without-open',")
        }
    };
    // Stock peers are not told.
    each(target, chunks, CALLS + usize::from(target.stock.is_none()), is_in_order).await
}

/// One call in each version after the other, again and again.
pub(super) async fn ping_pong(target: &Target) -> Finding {
    let versions = target.versions.clone();
    let pattern: Vec<String> =
        versions.iter().map(|version| format!("{version} {REQUEST}$")).collect();
    let chunks = flight(&pattern, target.packets);
    let is_in_turn = move |place: usize, heard: &Heard| {
        heard.version() == versions.get(place % versions.len()).copied()
    };
    each(target, chunks, target.packets, is_in_turn).await
}

/// N4: each is refused in its place.
pub(super) async fn unspoken(target: &Target) -> Finding {
    let pattern = [format!("{UNSPOKEN} {{1\"$\"}}$"), format!("{UNSPOKEN} {{'event_in'1}}$")];
    // The first packet of the connection was its negotiation.
    let is_refusal = |place: usize, heard: &Heard| {
        let text = heard.text();
        text.starts_with(REFUSAL)
            && (text.ends_with('…') || text.ends_with(&format!(",{}}}", place + 2)))
    };
    each(target, flight(&pattern, target.packets), target.packets, is_refusal).await
}

/// N10: eight are answered in a minute.
pub(super) async fn negotiations(target: &Target) -> Finding {
    let ours = target.version();
    let mut agreed = 1;
    let is_answer = |_, heard: &Heard| {
        let is_agreement = heard.version() == Some(ours);
        agreed += usize::from(is_agreement);
        is_agreement || heard.text().starts_with("0 {refused,too_many_negotiations,")
    };
    let finding =
        each(target, flight(&[target.negotiate(ours)], target.packets), target.packets, is_answer)
            .await;
    finding.but(
        agreed > MAX_NEGOTIATIONS,
        format!("{agreed} negotiations were agreed on, and not {MAX_NEGOTIATIONS}"),
    )
}

/// Connections that send packets to refuse, and read all answers. Chosen: twice as many as made the
/// other clients of a server without a budget wait for more than a second.
const MAX_REFUSED: usize = 100;
/// For how long they do.
const REFUSED_TIME: Duration = Duration::from_secs(2);

/// Refusing is cheap for the server and cheaper for the client: a server that reads on for as long
/// as there is something to read serves nobody else. What is judged is the bystander's time.
pub(super) async fn refused_crowd(target: &Target) -> Finding {
    let pattern = [format!("{UNSPOKEN} 1$")];
    let Some(batch) = flight(&pattern, BATCH).next() else { return Finding::new("nothing to do") };
    let end = Instant::now() + REFUSED_TIME.min(target.max_wait);
    let tally = crowd(target.connections.min(MAX_REFUSED), || {
        let (target, batch) = (target.clone(), batch.clone());
        async move {
            let mut wire = match Wire::greet(&target).await {
                Ok(wire) => wire,
                Err(heard) => return format!("no agreement: {heard}"),
            };
            let mut first = None;
            let is_enough = |heard: &Heard| {
                first.get_or_insert_with(|| heard.text());
                Instant::now() >= end || heard.text().starts_with(CLOSING)
            };
            let (_, last) = wire.talk(iter::repeat(batch), target.max_wait, is_enough).await;
            let first = first.unwrap_or_else(|| last.text());
            let is_refused = first.starts_with(REFUSAL);
            if is_refused && last.text().starts_with(REFUSAL) {
                "refused, one after the other".into()
            } else if last.text().starts_with(CLOSING) {
                // A server may have enough of it.
                format!("cut off: {}", last.text())
            } else {
                format!("{first}, and last {}", last.text())
            }
        }
    });
    tally.await.expect(&["refused, one after the other", "cut off"])
}

/// P3: a reply that has the form of an event would make each caller take the next one's reply.
pub(super) async fn event_like_replies(target: &Target) -> Finding {
    let mut wire = match Wire::greet(target).await {
        Ok(wire) => wire,
        Err(heard) => return Finding::fault(format!("no agreement: {heard}")),
    };
    // A service that repeats what it is told makes `{'event_out',State}` of it.
    let requests = ["'event_out'", "'event_out'>ee", "{'event_out'1}"];
    let calls: String =
        requests.iter().map(|request| format!("{} {request}$", target.version())).collect();
    let (mut answers, mut like_events) = (0, 0);
    let chunks = [Bytes::from(calls), Bytes::from(target.call())];
    let (_, last) = wire
        .talk(chunks, target.max_wait, |heard| {
            let is_like_event = heard.version() != Some(0) && heard.text().contains(" {event_out,");
            like_events += usize::from(is_like_event);
            answers += 1;
            answers == requests.len() + 1
        })
        .await;
    Finding::new(format!("{answers} answers, {like_events} of them in the form of an event"))
        .but(like_events > 0, "a reply has the form of an event: callers take each other's replies")
        .but(answers <= requests.len(), format!("{}, and not all calls are answered", last.text()))
}

/// N6: whatever one client asks, crashes of its requests take the version from nobody else. That
/// somebody new agrees on it is looked at after each attack.
pub(super) async fn odd_requests(target: &Target) -> Finding {
    let mut wire = match Wire::greet(target).await {
        Ok(wire) => wire,
        Err(heard) => return Finding::fault(format!("no agreement: {heard}")),
    };
    let (mut answers, mut failed) = (0, 0);
    let chunks = ODD_REQUESTS
        .iter()
        .flat_map(|request| iter::repeat_n(request, ODD_TIMES))
        .map(|request| Bytes::from(format!("{} {request}$", target.version())));
    let count = ODD_REQUESTS.len() * ODD_TIMES;
    let (_, last) = wire
        .talk(chunks.collect::<Vec<_>>(), target.max_wait, |heard| {
            answers += 1;
            failed += usize::from(heard.text().starts_with("0 {failed,"));
            answers == count
        })
        .await;
    let mut next = match Wire::open(target).await {
        Ok(next) => next,
        Err(error) => return Finding::fault(format!("nobody else can connect: {error}")),
    };
    next.send(&target.negotiate(target.version())).await;
    let agreed = next.hear(target.max_wait).await;
    Finding::new(format!("{answers} answers, {failed} of them to crashes"))
        .but(answers < count, format!("{}, and not all requests are answered", last.text()))
        .but(
            agreed.version() != Some(target.version()),
            format!("version {} is taken from everybody: {}", target.version(), agreed.text()),
        )
}

/// How often each is sent: services are withdrawn after three crashes.
const ODD_TIMES: usize = 4;
/// What services that trust their clients stumble over.
const ODD_REQUESTS: [&str; 10] = [
    "?",
    "#",
    "{}",
    "-1",
    "99999999999999999999999999999999999999",
    "\"\"",
    "0~~",
    "{'get'}",
    "{'put'##&-1}",
    "{'join'99999999999999999999}`t`",
];
