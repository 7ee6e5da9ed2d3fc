//! Typed messages, small and large: requests and responses of ours are Rust values; the bare
//! server's are frames, and its client writes and reads at the same time.

use std::time::Instant;

use benches::Error;
use benches::wire::codec;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use ubf_client::Client;
use ubf_codec::Limits;
use ubf_server::{Call, Config, Handlers, Reply};

use super::bare::{Bare, request};
use super::load::{self, Load};
use super::peer::{Peer, Target, check};
use super::ubf::{serve_as, without_session};

/// The version of the server's handler of small messages that does not wait.
pub(crate) const AT_ONCE: u32 = 1;
/// That of its handler of bytes, a function that may wait.
pub(crate) const BYTES: u32 = 2;
/// That of its handler of small messages that may wait.
pub(crate) const MAY_WAIT: u32 = 3;

/// Required: the largest body has 64 MiB.
const MAX_BYTES: u32 = 128 << 20;

/// The request of about a hundred bytes: `{'call'4711"…"}`.
type Small = (Name, u32, String);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Call,
}

pub(crate) struct Typed;

/// A client, and the bytes that it sends.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    body: Bytes,
}

impl Caller {
    /// Another caller on the same connection.
    pub(crate) fn with_body(&self, bytes: usize) -> Self {
        Self { client: self.client.clone(), body: request(bytes) }
    }
}

fn limits() -> Limits {
    let expanded = u64::from(MAX_BYTES);
    Limits::default().with_max_packet_bytes(MAX_BYTES).with_max_expanded_bytes(expanded)
}

impl Peer for Typed {
    type Client = Caller;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        let handlers = Handlers::new()
            .on_typed_now(AT_ONCE, |_: &Call<()>, request: Small| Reply::typed(&request, "start"))
            .on_typed(
                BYTES,
                |_: Call<()>, bytes: Bytes| async move { Reply::typed(&bytes, "start") },
            )
            .on_typed(MAY_WAIT, |_: Call<()>, request: Small| async move {
                Reply::typed(&request, "start")
            });
        let mut config = Config::default();
        config.limits = limits();
        serve_as(listener, handlers, None, |server| server.config(config)).await
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        let builder = without_session(target.address).versions([target.version]).limits(limits());
        Ok(Caller { client: builder.connect().await?, body: request(target.body_bytes) })
    }

    async fn call(Caller { client, body }: &mut Self::Client) -> Result<(), Error> {
        let reply = client.call_typed::<Bytes>(&*body).await?;
        check(&*reply.response, &**body)
    }

    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        load::callers(client, depth, load, Self::call).await
    }
}

pub(crate) struct Halves;

/// A connection's two halves, and the bytes that are sent.
pub(crate) struct Connection {
    reader: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    writer: FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>,
    body: Bytes,
}

impl Peer for Halves {
    type Client = Connection;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        Bare::serve(listener).await
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let (reader, writer) =
            (FramedRead::new(reader, codec()), FramedWrite::new(writer, codec()));
        Ok(Connection { reader, writer, body: request(target.body_bytes) })
    }

    async fn call(Connection { reader, writer, body }: &mut Self::Client) -> Result<(), Error> {
        writer.send(body.clone()).await?;
        is_reply(reader.next().await, body)
    }

    /// One side writes while the other reads: many large bodies are more than sockets hold.
    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        let Connection { mut reader, mut writer, body } = client;
        let places = Semaphore::new(depth);
        let (begun, mut starts) = mpsc::channel::<Instant>(depth);
        let write = async {
            loop {
                places.acquire().await?.forget();
                let start = Instant::now();
                if !load.begins(start) {
                    // The reader ends when all that was begun has been answered.
                    drop(begun);
                    return Ok::<_, Error>(());
                }
                begun.send(start).await?;
                writer.send(body.clone()).await?;
            }
        };
        let read = async {
            while let Some(start) = starts.recv().await {
                is_reply(reader.next().await, &body)?;
                load.record(start, Instant::now());
                places.add_permits(1);
            }
            Ok::<_, Error>(())
        };
        tokio::try_join!(write, read)?;
        Ok(())
    }
}

fn is_reply(reply: Option<std::io::Result<BytesMut>>, body: &Bytes) -> Result<(), Error> {
    check(&*reply.ok_or("the connection was closed")??, &**body)
}
