//! The bare server again, called as programs call: many tasks share one connection through a
//! handle, and a task drives it. What it costs to hand a request to that task and to be woken by it
//! is the same for every client with a handle.

use benches::Error;
use benches::wire;
use bytes::Bytes;
use tokio::net::TcpListener;

use super::bare::{Bare, request};
use super::load::{self, Load};
use super::peer::{Peer, Target, check};

pub(crate) struct Handle;

impl Peer for Handle {
    type Client = (wire::Handle, Bytes);

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        Bare::serve(listener).await
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        let request = request(target.body_bytes);
        Ok((wire::Handle::connect(target.address).await?, request))
    }

    async fn call((handle, request): &mut Self::Client) -> Result<(), Error> {
        check(&*handle.call(request.clone()).await?, &**request)
    }

    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        load::callers(client, depth, load, Self::call).await
    }
}
