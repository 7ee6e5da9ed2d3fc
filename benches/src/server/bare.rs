//! The yardstick: frames with a length before them, over tokio, all that is ready being flushed together.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use benches::Error;
use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

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

    async fn pipeline((mut frames, request): Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        let mut in_flight = VecDeque::with_capacity(depth);
        loop {
            while in_flight.len() < depth && load.goes_on(Instant::now()) {
                in_flight.push_back(Instant::now());
                frames.feed(request.clone()).await?;
            }
            if in_flight.is_empty() {
                return Ok(());
            }
            SinkExt::<Bytes>::flush(&mut frames).await?;
            let mut next = Some(frames.next().await);
            while let Some(reply) = next {
                check(&*reply.ok_or("the connection was closed")??, &*request)?;
                let start = in_flight.pop_front().ok_or("a reply that nobody has asked for")?;
                load.record(start, Instant::now());
                next = if in_flight.is_empty() { None } else { frames.next().now_or_never() };
            }
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
