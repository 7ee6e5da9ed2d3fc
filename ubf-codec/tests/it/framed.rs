//! The codecs under `tokio_util::codec::Framed` (W12).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![cfg(feature = "tokio")]

use std::error::Error as _;

use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_util::codec::{Decoder as _, Encoder as _, Framed};
use ubf_codec::tokio::{ClientCodec, CodecError, PacketCodec, ServerCodec};
use ubf_codec::{
    ClientHeader, ClientPacket, Dialect, Limits, NextIp, ServerHeader, ServerPacket, Style,
    Version, ubf,
};

/// What the framed end answers for each packet that it reads, as text.
async fn read_all(input: &[u8], codec: PacketCodec) -> Vec<String> {
    let (near, mut far) = duplex(64);
    let mut framed = Framed::new(near, codec);
    let write = async {
        far.write_all(input).await.unwrap();
        far.shutdown().await.unwrap();
    };
    let read = async {
        let mut lines = Vec::new();
        while let Some(packet) = framed.next().await {
            lines.push(packet.map_or_else(|error| error.to_string(), |packet| packet.to_string()));
        }
        lines
    };
    tokio::join!(write, read).1
}

#[tokio::test]
async fn several_packets_of_one_read_come_without_further_input() {
    let (near, mut far) = duplex(1024);
    let mut framed = Framed::new(near, PacketCodec::new());
    far.write_all(b"1$ 2$\n'three'$ {4").await.unwrap();
    // The other end stays open and silent: nothing but the buffer can yield these.
    for expected in ["1", "2", "three"] {
        assert_eq!(framed.next().await.unwrap().unwrap().to_string(), expected);
    }
    far.write_all(b"}$").await.unwrap();
    assert_eq!(framed.next().await.unwrap().unwrap().to_string(), "{4}");
}

#[tokio::test]
async fn a_stream_may_end_between_packets_only() {
    assert_eq!(read_all(b"1$ \n", PacketCodec::new()).await, ["1"]);
    assert_eq!(
        read_all(b"1$ {2", PacketCodec::new()).await,
        ["1", "the input ends inside a packet, at byte 5"]
    );
}

#[tokio::test]
async fn an_error_ends_the_stream() {
    let lines = read_all(b"1$ x 2$ 3$", PacketCodec::new()).await;
    assert_eq!(lines, ["1", "register 'x' is read before it is stored, at byte 3"]);
}

#[tokio::test]
async fn a_packet_that_is_too_long_is_refused_before_it_has_come() {
    let (near, mut far) = duplex(1024);
    let limits = Limits::default().with_max_packet_bytes(1000);
    let mut framed = Framed::new(near, PacketCodec::new().with_limits(limits));
    far.write_all(b"5000~").await.unwrap();
    let error = framed.next().await.unwrap().unwrap_err();
    assert!(matches!(error, CodecError::Decode(error) if error.is_limit() && error.offset() == 4));
}

#[tokio::test]
async fn the_classic_dialect_is_spoken_to_old_peers() {
    let (near, mut far) = duplex(1024);
    let mut framed = Framed::new(near, PacketCodec::new().with_dialect(Dialect::Classic));
    framed.send(&ubf!({reply, ?})).await.unwrap();
    let expected = b"{'reply''undefined'}$";
    let mut sent = [0; 21];
    far.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, expected);
}

#[tokio::test]
async fn a_client_and_a_server_exchange_versioned_packets() {
    let (near, far) = duplex(16);
    let mut client = Framed::new(near, ClientCodec::new());
    let mut server = Framed::new(far, ServerCodec::new());
    let mode = Version::new(10).unwrap().into();
    let next_ip: NextIp = "192.0.2.7:4000,b.example:4000".parse().unwrap();

    let serve = async {
        let request: ClientPacket<_> = server.next().await.unwrap().unwrap();
        let header = ServerHeader { mode: request.header.mode, next_ip: Some(next_ip.clone()) };
        server
            .send(ServerPacket { header, body: ubf!({(request.body.to_term()), start}) })
            .await
            .unwrap();
    };
    let call = async {
        client
            .send(ClientPacket { header: ClientHeader { mode }, body: ubf!({get, "colour"}) })
            .await
            .unwrap();
        client.next().await.unwrap().unwrap()
    };
    let ((), reply) = tokio::join!(serve, call);
    assert_eq!(reply.header, ServerHeader { mode, next_ip: Some(next_ip) });
    assert_eq!(reply.body.to_string(), "{{get,\"colour\"},start}");
}

#[tokio::test]
async fn a_stream_of_versioned_packets_may_end_between_packets_only() {
    for (input, end) in [
        (&b"3 1$ \n"[..], None),
        (b"3 1$3", Some("the input ends inside a packet, at byte 5")),
        (b"3 1$3 ", Some("the input ends inside a packet, at byte 6")),
        (b"3 1$ 3 {2", Some("the input ends inside a packet, at byte 9")),
    ] {
        let (near, mut far) = duplex(64);
        let mut server = Framed::new(near, ServerCodec::new());
        far.write_all(input).await.unwrap();
        far.shutdown().await.unwrap();
        assert_eq!(server.next().await.unwrap().unwrap().body.to_string(), "1");
        let found = server.next().await.map(|packet| packet.unwrap_err().to_string());
        assert_eq!(found.as_deref(), end, "{}", input.escape_ascii());
    }
}

#[tokio::test]
async fn a_body_that_was_received_is_sent_on() {
    let (near, mut far) = duplex(64);
    let mut server = Framed::new(
        near,
        ServerCodec::new().with_limits(Limits::default().with_max_packet_bytes(9)),
    );
    far.write_all(b"3 {'a'1}$").await.unwrap();
    let ClientPacket { header, body } = server.next().await.unwrap().unwrap();
    let header = ServerHeader { mode: header.mode, next_ip: None };
    server.send(ServerPacket { header, body: body.root() }).await.unwrap();
    let mut sent = [0; 11];
    far.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"3 ? {'a'1}$");
    far.write_all(b"3 {'ab'1}$").await.unwrap();
    let error = server.next().await.unwrap().unwrap_err();
    assert!(matches!(error, CodecError::Decode(error) if error.is_limit()));
}

#[tokio::test]
async fn a_body_that_was_received_is_sent_on_by_a_client_too() {
    let (near, mut far) = duplex(64);
    let mut client = Framed::new(near, ClientCodec::new());
    far.write_all(b"3 ? {'a'1}$").await.unwrap();
    let ServerPacket { header, body } = client.next().await.unwrap().unwrap();
    let header = ClientHeader { mode: header.mode };
    client.send(ClientPacket { header, body: body.root() }).await.unwrap();
    let mut sent = [0; 9];
    far.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"3 {'a'1}$");
}

#[test]
fn a_style_and_escapes_are_as_they_were_asked_for() {
    // Worth a register, for a codec that may use them.
    let term = || ubf!({"repeated", "repeated", "repeated"});
    let plain = b"{\"repeated\"\"repeated\"\"repeated\"}$";
    let written = |mut codec: PacketCodec| {
        let mut wire = BytesMut::new();
        codec.encode(term(), &mut wire).unwrap();
        wire
    };
    assert_eq!(written(PacketCodec::new())[..], plain[..]);
    assert!(written(PacketCodec::new().with_style(Style::Cached)).len() < plain.len());
    let written = |mut codec: ClientCodec| {
        let mut wire = BytesMut::new();
        let header = ClientHeader { mode: Version::new(3).unwrap().into() };
        codec.encode(ClientPacket { header, body: term() }, &mut wire).unwrap();
        wire
    };
    assert_eq!(written(ClientCodec::new())[..], [b"3 ", &plain[..]].concat());
    assert!(written(ClientCodec::new().with_style(Style::Cached)).len() < plain.len());

    let escaped = || BytesMut::from(&b"\"a\\b\"$"[..]);
    assert!(PacketCodec::new().decode(&mut escaped()).is_err());
    let read = PacketCodec::new().with_any_escape(true).decode(&mut escaped()).unwrap().unwrap();
    assert_eq!(read.to_string(), "\"ab\"");
}

#[test]
fn an_error_says_where_it_comes_from() {
    let error = PacketCodec::new().decode(&mut BytesMut::from(&b"}$"[..])).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), error.to_string());
    let broken = CodecError::from(std::io::Error::other("cable"));
    assert_eq!(broken.source().unwrap().to_string(), "cable");
}
