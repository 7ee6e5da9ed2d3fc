//! tarpc, with bincode.

use benches::Error;
use benches::wire::frames;
use futures_util::StreamExt as _;
use tarpc::context;
use tarpc::serde_transport;
use tarpc::server::{BaseChannel, Channel as _};
use tarpc::tokio_serde::formats::Bincode;
use tokio::net::{TcpListener, TcpStream};

use super::load::{self, Load};
use super::peer::{Peer, TEXT, Target, check};

pub(crate) struct Tarpc;

/// The service.
#[tarpc::service]
pub(crate) trait Echo {
    /// Gives the text back.
    async fn echo(text: String) -> String;
}

#[derive(Clone)]
struct EchoServer;

impl Echo for EchoServer {
    async fn echo(self, _: context::Context, text: String) -> String {
        text
    }
}

impl Peer for Tarpc {
    type Client = EchoClient;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        loop {
            let (stream, _peer) = listener.accept().await?;
            let transport = serde_transport::new(frames(stream)?, Bincode::default());
            let requests = BaseChannel::with_defaults(transport).execute(EchoServer.serve());
            drop(tokio::spawn(requests.for_each(async |handler| drop(tokio::spawn(handler)))));
        }
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        let frames = frames(TcpStream::connect(target.address).await?)?;
        let transport = serde_transport::new(frames, Bincode::default());
        Ok(EchoClient::new(tarpc::client::Config::default(), transport).spawn())
    }

    async fn call(client: &mut Self::Client) -> Result<(), Error> {
        let reply = client.echo(context::current(), TEXT.to_owned()).await?;
        check(&*reply, TEXT)
    }

    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        load::callers(client, depth, load, Self::call).await
    }
}
