//! What is meant for others: packets of servers, and other protocols.

use bytes::Bytes;

use super::finding::{Finding, Tally, last_words};
use super::target::Target;
use super::wire::Wire;

/// Sends each on a connection of its own; the server should say so and close.
async fn each(target: &Target, texts: &[&'static [u8]], expected: &[&str]) -> Finding {
    let mut tally = Tally::default();
    for text in texts {
        let mut wire = match Wire::open(target).await {
            Ok(wire) => wire,
            Err(error) => return Finding::fault(error.to_string()),
        };
        let (_, heard) = wire.talk([Bytes::from_static(text)], target.max_wait, |_| true).await;
        tally.add(last_words(&mut wire, heard, target.max_wait).await);
    }
    tally.expect(expected)
}

/// What a server says to send a client elsewhere: a client's packet has no place for an address.
pub(super) async fn redirects(target: &Target) -> Finding {
    let texts: [&[u8]; 4] = [
        b"0 \"127.0.0.1:1\" {'moved'1000}$",
        b"1 \"127.0.0.1:1\" {'ok''start'}$",
        b"0 ? {'moved'1000}$",
        b"3 \"127.0.0.1:1,127.0.0.1:2\" {'agreed'1?#3&#}$",
    ];
    each(target, &texts, &["0 {error,'extra-terms',"]).await
}

/// Requests of clients that are at the wrong door.
pub(super) async fn protocols(target: &Target) -> Finding {
    let texts: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"{'startSession',\"file_server\",#}$",
        b"\0\0\0\x0e{\"id\":1}",
    ];
    each(target, &texts, &["0 {error,'bad-version',0}"]).await
}
