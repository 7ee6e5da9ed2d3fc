//! The server of this project, called as the bare one is: by a loop that writes and compares bytes,
//! without a handle.

use std::io;
use std::net::SocketAddr;

use benches::Error;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Decoder, Encoder, Framed};
use ubf_codec::{Encoder as Ubf, ubf};

use super::bare::batches;
use super::load::Load;
use super::peer::{Peer, TEXT, check};

pub(crate) struct Packets;

/// Packets whose lengths are known beforehand.
#[derive(Debug)]
pub(crate) struct OfLength(usize);

/// A connection, the packet that it sends, and the one that it gets.
#[derive(Debug)]
pub(crate) struct Caller {
    frames: Framed<TcpStream, OfLength>,
    request: Bytes,
    reply: Vec<u8>,
}

impl Peer for Packets {
    type Client = Caller;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        super::ubf::serve(listener, None).await
    }

    async fn connect(address: SocketAddr) -> Result<Self::Client, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let negotiate = b"0 {'negotiate'1?#1&#}$";
        let agreed = b"1 ? {'agreed'1?#1&#{'max_packet'16777216}&}$";
        let mut frames = Framed::new(stream, OfLength(agreed.len()));
        frames.send(Bytes::from_static(negotiate)).await?;
        check(&*frames.next().await.ok_or("the connection was closed")??, agreed)?;
        let request = ubf!({call, 4711, (TEXT)});
        let reply = [b"1 ? ", &*Ubf::new().encode(&ubf!({(request.clone()), start}))].concat();
        let request = Bytes::from([b"1 ", &*Ubf::new().encode(&request)].concat());
        *frames.codec_mut() = OfLength(reply.len());
        Ok(Caller { frames, request, reply })
    }

    async fn call(Caller { frames, request, reply }: &mut Self::Client) -> Result<(), Error> {
        frames.send(request.clone()).await?;
        check(&*frames.next().await.ok_or("the connection was closed")??, &**reply)
    }

    async fn pipeline(mut caller: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        batches(&mut caller.frames, &caller.request, &caller.reply, depth, load).await
    }
}

impl Decoder for OfLength {
    type Item = BytesMut;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        Ok((buffer.remaining() >= self.0).then(|| buffer.split_to(self.0)))
    }
}

impl Encoder<Bytes> for OfLength {
    type Error = io::Error;

    fn encode(&mut self, packet: Bytes, buffer: &mut BytesMut) -> io::Result<()> {
        buffer.put(packet);
        Ok(())
    }
}
