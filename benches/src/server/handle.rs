//! The bare server again, called as programs call: many tasks share one connection through a
//! handle, and a task drives it. What it costs to hand a request to that task and to be woken by it
//! is the same for every client with a handle.

use std::collections::VecDeque;
use std::net::SocketAddr;

use benches::Error;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::bare::{Bare, Frames, frames, request};
use super::load::{self, Load};
use super::peer::{Peer, check};

pub(crate) struct Handle;

type Question = (Bytes, oneshot::Sender<BytesMut>);

impl Peer for Handle {
    type Client = (mpsc::Sender<Question>, Bytes);

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        Bare::serve(listener).await
    }

    async fn connect(address: SocketAddr) -> Result<Self::Client, Error> {
        let (questions, receiver) = mpsc::channel(1024);
        drop(tokio::spawn(drive(frames(TcpStream::connect(address).await?)?, receiver)));
        Ok((questions, request()))
    }

    async fn call((questions, request): &mut Self::Client) -> Result<(), Error> {
        let (sender, reply) = oneshot::channel();
        questions.send((request.clone(), sender)).await?;
        check(&*reply.await?, &**request)
    }

    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        load::callers(client, depth, load, Self::call).await
    }
}

async fn drive(mut frames: Frames, mut questions: mpsc::Receiver<Question>) -> Result<(), Error> {
    let mut waiting = VecDeque::new();
    loop {
        tokio::select! {
            question = questions.recv() => {
                let mut next = question;
                // The last handle is gone.
                if next.is_none() {
                    return Ok(());
                }
                while let Some((request, reply)) = next {
                    frames.feed(request).await?;
                    waiting.push_back(reply);
                    next = questions.try_recv().ok();
                }
                SinkExt::<Bytes>::flush(&mut frames).await?;
            }
            reply = frames.next(), if !waiting.is_empty() => {
                let mut next = Some(reply.ok_or("the connection was closed")?);
                while let Some(reply) = next {
                    let caller = waiting.pop_front().ok_or("a reply that nobody has asked for")?;
                    // A caller that has gone wants no reply.
                    let _is_taken = caller.send(reply?).is_ok();
                    next = if waiting.is_empty() { None } else { frames.next().now_or_never().flatten() };
                }
            }
        }
    }
}
