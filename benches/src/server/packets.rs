//! The server of this project, called as the bare one is: by a loop without a handle, which decodes
//! each reply, as the bare client decodes each frame.

use benches::Error;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Decoder, Encoder, Framed};
use ubf_codec::tokio::CodecError;
use ubf_codec::{Document, Encoder as Ubf, ServerHeader, ServerPacket, VersionedDecoder, ubf};

use super::bare::batches;
use super::load::Load;
use super::peer::{Peer, TEXT, Target, check};

pub(crate) struct Packets;

type Reply = ServerPacket<Document<Bytes>>;

/// Replies that are decoded, and requests that are written already.
#[derive(Debug, Default)]
pub(crate) struct Replies(VersionedDecoder<ServerHeader>);

/// A connection, the packet that it sends, and the body of the one that it gets.
#[derive(Debug)]
pub(crate) struct Caller {
    frames: Framed<TcpStream, Replies>,
    request: Bytes,
    reply: Vec<u8>,
}

impl Peer for Packets {
    type Client = Caller;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        super::ubf::serve(listener, None).await
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let version = target.version;
        let mut frames = Framed::new(stream, Replies::default());
        frames.send(Bytes::from(format!("0 {{'negotiate'1?#{version}&#}}$"))).await?;
        let answer = frames.next().await.ok_or("the connection was closed")??;
        let is_agreed = answer.body.to_string().starts_with("{agreed,1,");
        if !is_agreed || answer.header.mode.number() != version {
            return Err(format!("the server has answered {}", answer.body).into());
        }
        let request = ubf!({call, 4711, (TEXT)});
        let reply = Ubf::new().encode(&ubf!({(request.clone()), start}));
        let header = format!("{version} ");
        let request = Bytes::from([header.as_bytes(), &*Ubf::new().encode(&request)].concat());
        Ok(Caller { frames, request, reply })
    }

    async fn call(Caller { frames, request, reply }: &mut Self::Client) -> Result<(), Error> {
        frames.send(request.clone()).await?;
        is_reply(&frames.next().await.ok_or("the connection was closed")??, reply)
    }

    async fn pipeline(mut caller: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        let is_reply = |found: &Reply| is_reply(found, &caller.reply);
        batches(&mut caller.frames, &caller.request, is_reply, depth, load).await
    }
}

fn is_reply(found: &Reply, expected: &[u8]) -> Result<(), Error> {
    check(found.body.source(), expected)
}

impl Decoder for Replies {
    type Item = Reply;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Reply>, CodecError> {
        Ok(self.0.decode(buffer)?)
    }
}

impl Encoder<Bytes> for Replies {
    type Error = CodecError;

    fn encode(&mut self, packet: Bytes, buffer: &mut BytesMut) -> Result<(), CodecError> {
        buffer.put(packet);
        Ok(())
    }
}
