//! The yardstick: frames with a length before them, over tokio, all that is ready being flushed
//! together.

use std::collections::VecDeque;
use std::time::Instant;

use benches::Error;
use benches::wire::{Frames, frames};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Decoder, Encoder, Framed};

use super::load::Load;
use super::peer::{Peer, TEXT, Target, check};

pub(crate) struct Bare;

/// A request of so many bytes.
pub(crate) fn request(bytes: usize) -> Bytes {
    let mut request = b" ".repeat(bytes.saturating_sub(TEXT.len()));
    request.extend_from_slice(TEXT.as_bytes());
    request.truncate(bytes);
    Bytes::from(request)
}

impl Peer for Bare {
    type Client = (Frames, Bytes);

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        loop {
            let (stream, _peer) = listener.accept().await?;
            drop(tokio::spawn(echo(frames(stream)?)));
        }
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        let frames = frames(TcpStream::connect(target.address).await?)?;
        Ok((frames, request(target.body_bytes)))
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
        let is_reply = |reply: &BytesMut| check(&**reply, &*request);
        batches(&mut frames, &request, is_reply, depth, load).await
    }
}

/// Calls in a loop, without a handle: all replies that are there are taken, decoded and looked at,
/// then as many requests are written together.
pub(crate) async fn batches<C, T>(
    frames: &mut Framed<TcpStream, C>,
    request: &Bytes,
    is_reply: impl Fn(&T) -> Result<(), Error>,
    depth: usize,
    load: &Load,
) -> Result<(), Error>
where
    C: Decoder<Item = T> + Encoder<Bytes>,
    Error: From<<C as Decoder>::Error> + From<<C as Encoder<Bytes>>::Error>,
{
    let mut in_flight = VecDeque::with_capacity(depth);
    loop {
        while in_flight.len() < depth && load.begins(Instant::now()) {
            in_flight.push_back(Instant::now());
            frames.feed(request.clone()).await?;
        }
        if in_flight.is_empty() {
            return Ok(());
        }
        SinkExt::<Bytes>::flush(frames).await?;
        let mut next = Some(frames.next().await);
        while let Some(received) = next {
            is_reply(&received.ok_or("the connection was closed")??)?;
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
