//! This project: `ubf-server` with its service `echo`, `ubf-client` with its handle; in a session,
//! and without one.

use std::net::SocketAddr;
use std::time::Duration;

use benches::Error;
use tokio::net::TcpListener;
use ubf_client::{Builder, Client, SessionPlan};
use ubf_codec::{Encoder, NextIp, Term, Version, ubf};
use ubf_node::services::Echo;
use ubf_server::{
    Handler, LoadPlan, LoadUnit, Server, ServerBuilder, ServerLimits, Service, SessionLimits,
    Versions,
};

use super::load::{self, Load};
use super::peer::{Peer, TEXT, Target, check};

pub(crate) struct Ubf;

/// The same, its client having a session.
pub(crate) struct InSession;

/// A client, the request that it sends, and the body of the reply.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) client: Client,
    request: Term,
    reply: Vec<u8>,
}

impl Peer for Ubf {
    type Client = Caller;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        serve(listener, None).await
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        Ok(Caller::new(without_session(target.address).connect().await?))
    }

    async fn connect_and_call(target: Target) -> Result<Self::Client, Error> {
        connect_and_call(without_session(target.address)).await
    }

    async fn call(caller: &mut Self::Client) -> Result<(), Error> {
        let reply = caller.client.call(caller.request.clone()).await?;
        check(reply.body().source(), &caller.reply)
    }

    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        load::callers(client, depth, load, Self::call).await
    }
}

impl Peer for InSession {
    type Client = Caller;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        serve(listener, None).await
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        Ok(Caller::new(builder(target.address).connect().await?))
    }

    async fn connect_and_call(target: Target) -> Result<Self::Client, Error> {
        connect_and_call(builder(target.address)).await
    }

    async fn call(caller: &mut Self::Client) -> Result<(), Error> {
        Ubf::call(caller).await
    }

    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        load::callers(client, depth, load, Ubf::call).await
    }
}

/// N3: the version of an earlier session is remembered, so that the call follows the negotiation in
/// the same flight.
pub(crate) async fn connect_and_call(builder: Builder) -> Result<Caller, Error> {
    let mut caller = Caller::new(remembering(builder).start()?);
    Ubf::call(&mut caller).await?;
    Ok(caller)
}

/// A client that knows which version was agreed on before.
pub(crate) fn remembering(builder: Builder) -> Builder {
    builder.configure(|config| config.remembered = Some(Version::MIN))
}

impl Caller {
    pub(crate) fn new(client: Client) -> Self {
        let request = ubf!({call, 4711, (TEXT)});
        let reply = Encoder::new().encode(&ubf!({(request.clone()), start}));
        Self { client, request, reply }
    }

    /// Calls once, and says that the call may be made again.
    pub(crate) async fn call_idempotent(&self) -> Result<(), Error> {
        let reply = self.client.call(self.request.clone()).idempotent().await?;
        check(reply.body().source(), &self.reply)
    }
}

pub(crate) fn without_session(address: SocketAddr) -> Builder {
    builder(address).session(SessionPlan::off())
}

pub(crate) fn builder(address: SocketAddr) -> Builder {
    // A connection that was measured to be idle must be that.
    let never = Duration::from_secs(24 * 60 * 60);
    let builder = Client::builder().address(address.to_string()).versions([1]);
    builder.configure(|config| config.ping_after = never)
}

/// Serves; if there is somewhere else to go, replies say so from the second connection on, until
/// there is none.
pub(crate) async fn serve(listener: TcpListener, next_ip: Option<NextIp>) -> Result<(), Error> {
    serve_as(listener, echo(), next_ip, |server| server).await
}

/// The service that answers each request with itself.
pub(crate) fn echo() -> Echo {
    Echo::new(Versions::of([1]))
}

/// The same with another service, and what else is set.
pub(crate) async fn serve_as(
    listener: TcpListener,
    handler: impl Handler,
    next_ip: Option<NextIp>,
    set: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> Result<(), Error> {
    let mut limits = ServerLimits::default();
    limits.max_connections = 1 << 20;
    limits.max_connections_per_address = 1 << 20;
    let mut sessions = SessionLimits::default();
    sessions.max_sessions = 1 << 20;
    sessions.max_sessions_per_address = 1 << 20;
    let server = Server::builder()
        .listener(listener.into_std()?)
        .limits(limits)
        .sessions(sessions)
        .service(Service::DEFAULT, handler);
    let server = set(server).bind().await?;
    let handle = server.handle();
    handle.set_load_marks(next_ip.map(|next_ip| LoadPlan::new(LoadUnit::Sessions, 1, 1, next_ip)));
    let _report = server.run().await;
    Ok(())
}
