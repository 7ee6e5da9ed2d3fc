//! Many packets in one flight: calls, negotiations, versions that are not spoken.

use std::iter;

use bytes::{Bytes, BytesMut};

use super::finding::Finding;
use super::target::{REQUEST, Target, UNSPOKEN};
use super::wire::{Heard, Wire};

/// N10: negotiations in a minute.
const MAX_NEGOTIATIONS: usize = 8;
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
    let event = [format!("{ours} {{'event_in'{REQUEST}}}$")];
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
    let chunks =
        flight(&[target.call()], CALLS).chain(iter::once(Bytes::from_static(b"1 {}}$1 2$")));
    let is_in_order = move |place, heard: &Heard| {
        if place < CALLS {
            heard.version() == Some(ours)
        } else {
            heard.text().starts_with("0 {error,'close-without-open',")
        }
    };
    each(target, chunks, CALLS + 1, is_in_order).await
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
        text.starts_with("0 {refused,{version,2147483646},")
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
