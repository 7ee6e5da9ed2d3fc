//! The yardstick: frames with a length before them, over tokio, all that is ready being flushed
//! together.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use benches::Error;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Decoder, Encoder, Framed, LengthDelimitedCodec};

use super::load::Load;
use super::peer::{Peer, TEXT, check};

pub(crate) struct Bare;

pub(crate) type Frames = Framed<TcpStream, LengthDelimitedCodec>;

pub(crate) fn frames(stream: TcpStream) -> Result<Frames, Error> {
    stream.set_nodelay(true)?;
    Ok(Framed::new(stream, LengthDelimitedCodec::new()))
}

/// A request of a hundred bytes.
pub(crate) fn request() -> Bytes {
    Bytes::from(format!("{TEXT:>100}"))
}

impl Peer for Bare {
    type Client = (Frames, Bytes);

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        loop {
            let (stream, _peer) = listener.accept().await?;
            drop(tokio::spawn(echo(frames(stream)?)));
        }
    }

    async fn connect(address: SocketAddr) -> Result<Self::Client, Error> {
        Ok((frames(TcpStream::connect(address).await?)?, request()))
    }

    async fn call((frames, request): &mut Self::Client) -> Result<(), Error> {
        frames.send(request.clone()).await?;
        let reply = frames.next().await.ok_or("the connection was closed")??;
        check(&*reply, &**request)
    }

    async fn pipeline(
        (mut frames, request): Self::Client,
        depth: usize,
        load: &Load,
    ) -> Result<(), Error> {
        batches(&mut frames, &request, &request, depth, load).await
    }
}

/// Calls in a loop, without a handle: all replies that are there are taken, then as many requests
/// are written together.
pub(crate) async fn batches<C>(
    frames: &mut Framed<TcpStream, C>,
    request: &Bytes,
    reply: &[u8],
    depth: usize,
    load: &Load,
) -> Result<(), Error>
where
    C: Decoder<Item = BytesMut, Error = io::Error> + Encoder<Bytes, Error = io::Error>,
{
    let mut in_flight = VecDeque::with_capacity(depth);
    loop {
        while in_flight.len() < depth && load.goes_on(Instant::now()) {
            in_flight.push_back(Instant::now());
            frames.feed(request.clone()).await?;
        }
        if in_flight.is_empty() {
            return Ok(());
        }
        SinkExt::<Bytes>::flush(frames).await?;
        let mut next = Some(frames.next().await);
        while let Some(received) = next {
            check(&*received.ok_or("the connection was closed")??, reply)?;
            let start = in_flight.pop_front().ok_or("a reply that nobody has asked for")?;
            load.record(start, Instant::now());
            next = if in_flight.is_empty() { None } else { frames.next().now_or_never() };
        }
    }
}

async fn echo(mut frames: Frames) -> Result<(), Error> {
    while let Some(frame) = frames.next().await {
        frames.feed(frame?.freeze()).await?;
        while let Some(frame) = frames.next().now_or_never().flatten() {
            frames.feed(frame?.freeze()).await?;
        }
        SinkExt::<Bytes>::flush(&mut frames).await?;
    }
    Ok(())
}
