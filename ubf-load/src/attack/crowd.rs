//! Connections that are opened and left, half closed, broken, or not read from.

use super::finding::{Finding, Tally, bytes_in_words, crowd, last_words};
use super::target::Target;
use super::wire::Wire;

/// Readers that stop: each may cost the server a write buffer.
const MAX_DEAF: usize = 20;
/// Bytes of a call whose reply is not read.
const LARGE: usize = 32 << 10;

/// Nothing is ever said.
pub(super) async fn silent(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            let Ok(mut wire) = Wire::open(&target).await else { return "no connection".into() };
            let heard = wire.hear(target.max_wait).await;
            last_words(&mut wire, heard, target.max_wait).await
        }
    });
    tally.await.expect(&["0 {closing,negotiation_time,0}, then the end"])
}

/// An agreement, and then silence: the server may wait for longer than we do.
pub(super) async fn idle(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            let mut wire = match Wire::greet(&target).await {
                Ok(wire) => wire,
                Err(heard) => return format!("no agreement: {heard}"),
            };
            let heard = wire.hear(target.max_wait).await;
            last_words(&mut wire, heard, target.max_wait).await
        }
    });
    let expected: &[&str] = match target.stock {
        Some(_) => &["end of stream", "silence"],
        None => &["0 {closing,idle_time,1}, then the end", "silence"],
    };
    tally.await.expect(expected)
}

/// A call, and the end of our side: the reply still comes, and then their end.
pub(super) async fn half_closed(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            let mut wire = match Wire::greet(&target).await {
                Ok(wire) => wire,
                Err(heard) => return format!("no agreement: {heard}"),
            };
            wire.send(&target.call()).await;
            wire.close_half().await;
            let heard = wire.hear(target.max_wait).await;
            if heard.version() != Some(target.version()) {
                return heard.text();
            }
            format!("a reply, then {}", wire.hear(target.max_wait).await.text())
        }
    });
    tally.await.expect(&["a reply, then end of stream"])
}

/// Half a packet, and the end of our side.
pub(super) async fn half_a_packet(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            let Ok(mut wire) = Wire::open(&target).await else { return "no connection".into() };
            let half = if target.stock.is_some() { "{'services'" } else { "0 {'negotiate'1?#1&" };
            wire.send(half).await;
            wire.close_half().await;
            wire.end(target.max_wait).await
        }
    });
    tally.await.expect(&["end of stream", "reset"])
}

/// A call, half a call, and a broken connection.
pub(super) async fn resets(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            let mut wire = match Wire::greet(&target).await {
                Ok(wire) => wire,
                Err(heard) => return format!("no agreement: {heard}"),
            };
            wire.send(&target.call()).await;
            wire.send(&target.packet("{1 2 \"thr")).await;
            wire.reset();
            "broken".into()
        }
    });
    tally.await.expect(&["broken"])
}

/// Opened and closed at once, one after the other.
pub(super) async fn storm(target: &Target) -> Finding {
    let mut tally = Tally::default();
    for _ in 0..target.connections * 5 {
        match Wire::open(target).await {
            Ok(wire) => {
                drop(wire);
                tally.add("opened and closed");
            }
            Err(error) => tally.add(error.to_string()),
        }
    }
    tally.expect(&["opened and closed"])
}

/// Calls without end, and no reply is ever read.
pub(super) async fn deaf(target: &Target) -> Finding {
    let call = target.packet(&format!("\"{}\"$", "x".repeat(LARGE)));
    let tally = crowd(target.connections.min(MAX_DEAF), || {
        let (target, call) = (target.clone(), call.clone());
        async move {
            let mut wire = match Wire::greet(&target).await {
                Ok(wire) => wire,
                Err(heard) => return format!("no agreement: {heard}"),
            };
            let (sent, is_cut) = wire.send_only(call.as_bytes(), target.max_wait).await;
            // What sockets hold differs from one connection to the next.
            let size = if sent > 1 << 30 { bytes_in_words(sent) } else { "less than 1 GiB".into() };
            if is_cut {
                format!("cut off, {size} taken")
            } else {
                format!("not cut off, {size} taken")
            }
        }
    });
    tally.await.expect(&["cut off, less than 1 GiB taken"])
}
