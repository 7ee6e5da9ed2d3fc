//! TLS itself: hellos that are broken, slow, many, or come again on a connection that is there.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use ubf_net::Stream;

use super::finding::{Finding, Tally, crowd};
use super::target::Target;
use super::wire::{Wire, connect};

/// The kind of a record in which one end says why it ends (RFC 8446, 5.1).
const ALERT: u8 = 0x15;
/// The kind of a record of a handshake.
const HANDSHAKE: u8 = 0x16;
/// Connections that drip at once.
const MAX_DRIPPING: usize = 50;
/// Those that make handshakes at the same time. Chosen: a machine has fewer cores.
const STORMING: usize = 16;

/// How a server answers bytes that are no handshake: what came, and whether the connection ended.
async fn answer(stream: &mut Stream, wait: Duration) -> String {
    let mut first = None;
    let mut bytes = [0; 1024];
    let ended = timeout(wait, async {
        // A reset is an end, too.
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            first = first.or(bytes.get(..count).and_then(<[u8]>::first).copied());
        }
    });
    let ended = ended.await.is_ok();
    let said = match first {
        None => "nothing",
        Some(ALERT) => "an alert",
        Some(HANDSHAKE) => "a hello",
        Some(_) => "an answer in plain text",
    };
    format!("{said}, then {}", if ended { "the end" } else { "silence" })
}

/// What ends a handshake as it should.
const ENDED: &[&str] = &["nothing, then the end", "an alert, then the end"];

/// Says this on a connection of its own.
async fn say(target: &Target, bytes: &[u8]) -> String {
    let mut stream = match timeout(target.max_wait, connect(target)).await {
        Ok(Ok((stream, _))) => stream,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "no connection in time".into(),
    };
    // A server that has heard enough takes no more.
    timeout(target.max_wait, stream.write_all(bytes)).await.ok();
    answer(&mut stream, target.max_wait).await
}

/// R7: what is meant to go over TLS is answered by nobody without.
pub(super) async fn plain_text(target: &Target) -> Finding {
    let mut tally = Tally::default();
    for text in [
        target.negotiate(target.version()),
        target.call(),
        "{'startSession',\"file_server\",#}$".to_owned(),
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
    ] {
        tally.add(say(target, text.as_bytes()).await);
    }
    tally.expect(ENDED)
}

/// A record of a handshake with this in it.
fn record(version: [u8; 2], body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[HANDSHAKE], &version[..], &length[..], body].concat()
}

/// A client hello (RFC 5246, 7.4.1.2) of this version, which offers one cipher of that time and
/// nothing that a server of our time wants.
fn old_hello(version: [u8; 2]) -> Vec<u8> {
    let body = [&version[..], &[7; 32], &[0], &[0, 2, 0, 0x2f], &[1, 0]].concat();
    let [_, high, mid, low] = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    record(version, &[&[1, high, mid, low], &body[..]].concat())
}

/// L3: each ends its own connection, and nothing else.
pub(super) async fn broken(target: &Target) -> Finding {
    let hellos: [Vec<u8>; 10] = [
        // SSL 3, TLS 1.0, TLS 1.1, and one that there never was.
        old_hello([3, 0]),
        old_hello([3, 1]),
        old_hello([3, 2]),
        old_hello([9, 9]),
        // SSL 2 had no records.
        vec![0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80],
        // A record larger than any may be.
        [&[HANDSHAKE, 3, 1, 0xff, 0xff][..], &[1; 70_000]].concat(),
        // A hello that announces 16 MiB of itself.
        record([3, 1], &[&[1, 0xff, 0xff, 0xff][..], &[0; 1000]].concat()),
        // Records without anything in them.
        record([3, 1], &[]).repeat(10_000),
        // The server's own words.
        record([3, 3], &[2, 0, 0, 2, 3, 3]),
        // Data before any key.
        vec![0x17, 3, 3, 0, 3, b'1', b' ', b'?'],
    ];
    let mut tally = Tally::default();
    for hello in hellos {
        tally.add(say(target, &hello).await);
    }
    tally.expect(ENDED)
}

/// L3: whoever is on the path, or has the connection, negotiates nothing anew.
pub(super) async fn second(target: &Target) -> Finding {
    let words: [Vec<u8>; 5] = [
        // A hello, as a client would renegotiate with, and the request of a server for one.
        old_hello([3, 3]),
        record([3, 3], &[0, 0, 0, 0]),
        // An alert that nobody with the keys has sent.
        vec![ALERT, 3, 3, 0, 2, 1, 0],
        // A record that was made without the keys.
        [&[0x17, 3, 3, 0, 64][..], &[0x5a; 64]].concat(),
        // The cipher changes again.
        [0x14, 3, 3, 0, 1, 1].repeat(40),
    ];
    let mut tally = Tally::default();
    for bytes in words {
        let mut wire = match Wire::greet(target).await {
            Ok(wire) => wire,
            Err(heard) => return Finding::fault(format!("no agreement: {heard}")),
        };
        wire.inject(&bytes);
        tally.add(wire.hear(target.max_wait).await.text());
    }
    tally.expect(&["end of stream", "reset"])
}

/// L2: TLS tells an end from a cut; whichever it is, the server lets go.
pub(super) async fn cut_short(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            let mut wire = match Wire::greet(&target).await {
                Ok(wire) => wire,
                Err(heard) => return format!("no agreement: {heard}"),
            };
            wire.send(&target.packet("{1 2 \"thr")).await;
            wire.cut();
            wire.hear(target.max_wait).await.text()
        }
    });
    tally.await.expect(&["end of stream", "reset"])
}

/// L1: handshakes cost a server more than anything else that a stranger can ask for. Who is served
/// already must not notice.
pub(super) async fn storm(target: &Target) -> Finding {
    let each = (target.connections * 5).div_ceil(STORMING);
    let tally = crowd(STORMING, || {
        let target = target.clone();
        async move {
            let (mut made, mut refused) = (0, 0);
            for _ in 0..each {
                match Wire::open(&target).await {
                    Ok(wire) => {
                        made += 1;
                        wire.reset();
                    }
                    Err(_) => refused += 1,
                }
            }
            // A server may have enough of them; not of all.
            match (made, refused) {
                (0, _) => "none is made".into(),
                (_, 0) => "all are made".into(),
                (_, _) => "some are made, some refused".into(),
            }
        }
    });
    tally.await.expect(&["all are made", "some are made"])
}

/// L1: begun and left, all at once.
pub(super) async fn flood(target: &Target) -> Finding {
    let begun = [HANDSHAKE, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3];
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move { say(&target, &begun).await }
    });
    tally.await.expect(ENDED)
}

/// L1: a clock that starts again with each byte would never end it.
pub(super) async fn slow(target: &Target) -> Finding {
    let tally = crowd(target.connections.min(MAX_DRIPPING), || {
        let target = target.clone();
        async move {
            let mut stream = match timeout(target.max_wait, connect(&target)).await {
                Ok(Ok((stream, _))) => stream,
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "no connection in time".into(),
            };
            let hello = [&[HANDSHAKE, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3][..], &[7; 498]].concat();
            let dripping = async {
                for byte in hello {
                    // A connection that is gone is what is waited for.
                    if stream.write_all(&[byte]).await.is_err() {
                        break;
                    }
                    sleep(target.drip()).await;
                }
            };
            timeout(target.max_wait, dripping).await.ok();
            answer(&mut stream, target.drip() * 10).await
        }
    });
    tally.await.expect(ENDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_hello_says_how_long_it_is() {
        let hello = old_hello([3, 1]);
        assert_eq!(hello.get(..9), Some(&[0x16, 3, 1, 0, 45, 1, 0, 0, 41][..]));
        assert_eq!(hello.len(), 5 + 45);
    }
}
