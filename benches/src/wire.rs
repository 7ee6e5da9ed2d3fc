//! The bare connection: frames with a length before them, and a handle by which many tasks share
//! one.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::Error;

/// Required: the largest body that is measured has 64 MiB.
const MAX_FRAME_BYTES: usize = 128 << 20;

/// A connection of frames.
pub type Frames = Framed<TcpStream, LengthDelimitedCodec>;

/// The frames of a connection.
///
/// # Errors
/// If the system refuses to send small segments at once.
pub fn frames(stream: TcpStream) -> Result<Frames, Error> {
    stream.set_nodelay(true)?;
    Ok(Framed::new(stream, codec()))
}

/// What cuts a connection into frames.
#[must_use]
pub fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec()
}

type Question = (Bytes, oneshot::Sender<BytesMut>);

/// A connection that tasks share: a task of its own drives it.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Question>);

impl Handle {
    /// Connects.
    ///
    /// # Errors
    /// If that is not possible.
    pub async fn connect(address: SocketAddr) -> Result<Self, Error> {
        let (questions, receiver) = mpsc::channel(1024);
        drop(tokio::spawn(drive(frames(TcpStream::connect(address).await?)?, receiver)));
        Ok(Self(questions))
    }

    /// Sends a request, and waits for the reply.
    ///
    /// # Errors
    /// If the connection has ended.
    pub async fn call(&self, request: Bytes) -> Result<BytesMut, Error> {
        let (sender, reply) = oneshot::channel();
        self.0.send((request, sender)).await?;
        Ok(reply.await?)
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
