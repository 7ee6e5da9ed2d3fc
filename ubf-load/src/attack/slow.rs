//! Bytes that come one by one.

use super::finding::{Finding, crowd, last_words};
use super::target::Target;
use super::wire::Wire;

/// Connections that drip at once.
const MAX_DRIPPING: usize = 50;

/// The first packet never ends.
pub(super) async fn first_packet(target: &Target) -> Finding {
    let target = target.clone();
    let tally = crowd(target.connections.min(MAX_DRIPPING), || {
        let target = target.clone();
        async move {
            let Ok(mut wire) = Wire::open(&target).await else { return "no connection".into() };
            wire.send("0 {'negotiate'1").await;
            let heard = wire.drip(b' ', target.drip(), target.max_wait).await;
            last_words(&mut wire, heard, target.max_wait).await
        }
    });
    tally.await.expect(&["0 {closing,negotiation_time,0}, then the end"])
}

/// A packet after an agreement whose body begins like this, and goes on with this byte for ever.
pub(super) async fn packet(target: &Target, start: &str, byte: u8) -> Finding {
    bytes(target, target.packet(start), byte).await
}

/// The same without a header of its own. With 0, nothing more comes.
pub(super) async fn bytes(target: &Target, start: String, byte: u8) -> Finding {
    let tally = crowd(target.connections.min(MAX_DRIPPING), || {
        let (target, start) = (target.clone(), start.clone());
        async move {
            let mut wire = match Wire::greet(&target).await {
                Ok(wire) => wire,
                Err(heard) => return format!("no agreement: {heard}"),
            };
            wire.send(&start).await;
            let heard = if byte == 0 {
                wire.hear(target.max_wait).await
            } else {
                wire.drip(byte, target.drip(), target.max_wait).await
            };
            last_words(&mut wire, heard, target.max_wait).await
        }
    });
    let expected = ["0 {closing,packet_time,1}, then the end"];
    tally.await.expect(target.or_ends(&expected))
}
