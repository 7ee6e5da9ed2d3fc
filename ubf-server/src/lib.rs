//! An accept loop for servers that speak versioned UBF packets.
//!
//! [`Server`] accepts connections, a bounded number of them, hands each client packet to a function and writes the term that
//! it returns, in the same version, in the order of the requests. What a server has to know of the *protocol* is not
//! here: it does not negotiate, refuse a version, drain, or send clients elsewhere.
//!
//! ```no_run
//! use tokio::net::TcpListener;
//! use ubf_codec::ubf;
//! use ubf_server::Server;
//!
//! # async fn example() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:4000").await?;
//! let stop = async { tokio::signal::ctrl_c().await.unwrap_or(()) };
//! Server::new().serve(listener, |request| ubf!({(request.body.to_term()), start}), stop).await;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::codec::Framed;
use ubf_codec::tokio::{CodecError, ServerCodec};
use ubf_codec::{ClientPacket, Document, Limits, ServerHeader, ServerPacket, Term};

/// A request: the version it came in, and the term.
pub type Request = ClientPacket<Document<Bytes>>;

/// How long to wait before the next try when no connection can be accepted, because descriptors are used up for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How connections are served.
#[derive(Clone, Debug)]
pub struct Server {
    max_connections: usize,
    patience: Duration,
    limits: Limits,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// 1,024 connections at a time, a minute of patience, and the default limits of the codec.
    #[must_use]
    pub const fn new() -> Self {
        Self { max_connections: 1024, patience: Duration::from_secs(60), limits: Limits::new() }
    }

    /// How many connections are served at a time. Further ones wait to be accepted.
    #[must_use]
    pub const fn with_max_connections(mut self, max_connections: usize) -> Self {
        self.max_connections = max_connections;
        self
    }

    /// How long a client may take to send a packet, or to read a reply, before its connection is closed.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What a packet may cost.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Serves until `stop` is done: then accepts no more, answers what has been read, and closes.
    ///
    /// A handler that panics costs its own connection and no other.
    pub async fn serve<H>(self, listener: TcpListener, handler: H, stop: impl Future<Output = ()>)
    where
        H: Fn(Request) -> Term + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let places = Arc::new(Semaphore::new(self.max_connections));
        let (stopping, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        let accept = async {
            loop {
                // The semaphore is never closed.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let Ok((stream, _)) = listener.accept().await else {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                while connections.try_join_next().is_some() {}
                let (server, handler, stopped) = (self.clone(), Arc::clone(&handler), stopped.clone());
                connections.spawn(async move {
                    // How a client's connection ends concerns nobody else.
                    let _ended: Result<(), CodecError> = server.serve_connection(stream, &*handler, stopped).await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = accept => {}
            () = stop => {}
        }
        drop(stopping);
        while connections.join_next().await.is_some() {}
    }

    async fn serve_connection(
        &self,
        stream: TcpStream,
        handler: &(impl Fn(Request) -> Term + Sync),
        mut stopped: watch::Receiver<()>,
    ) -> Result<(), CodecError> {
        stream.set_nodelay(true)?;
        let mut framed = Framed::new(stream, ServerCodec::new().with_limits(self.limits));
        loop {
            let next = tokio::select! {
                next = timeout(self.patience, framed.next()) => next,
                // The other end of the channel is dropped when the server stops.
                _ = stopped.changed() => return Ok(()),
            };
            let Some(request) = next.map_err(|_| slow("the client sends nothing"))? else { return Ok(()) };
            let request = request?;
            let header = ServerHeader { mode: request.header.mode, next_ip: None };
            let reply = ServerPacket { header, body: handler(request) };
            timeout(self.patience, framed.send(reply)).await.map_err(|_| slow("the client reads nothing"))??;
        }
    }
}

fn slow(what: &str) -> CodecError {
    CodecError::Io(io::Error::new(io::ErrorKind::TimedOut, what))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;
    use ubf_codec::ubf;

    use super::*;

    /// A server that says what it was asked, and panics when asked to.
    async fn start(server: Server) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let handler = |request: Request| {
            assert!(!request.body.root().is_atom("crash"), "asked to");
            ubf!({(request.body.to_term()), start})
        };
        let serving = tokio::spawn(server.serve(listener, handler, async { stopped.await.unwrap_or(()) }));
        (address, stop, serving)
    }

    async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut reply = Vec::new();
        socket.read_to_end(&mut reply).await.unwrap();
        reply
    }

    #[tokio::test]
    async fn replies_come_in_the_order_and_the_version_of_the_requests() {
        let (address, stop, serving) = start(Server::new()).await;
        let replies = exchange(address, b"1 'one'$ 7 {'two'}$\n1 ?$").await;
        assert_eq!(replies, b"1 ? {'one''start'}$7 ? {{'two'}'start'}$1 ? {?'start'}$");
        stop.send(()).unwrap();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_and_broken_bytes_cost_their_own_connection_only() {
        let (address, stop, serving) = start(Server::new().with_max_connections(1)).await;
        assert_eq!(exchange(address, b"1 'crash'$").await, b"");
        assert_eq!(exchange(address, b"1 'fine'$ 1 x$").await, b"1 ? {'fine''start'}$");
        assert_eq!(exchange(address, b"1 'fine'$").await, b"1 ? {'fine''start'}$");
        stop.send(()).unwrap();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn stopping_closes_idle_connections() {
        let (address, stop, serving) = start(Server::new()).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"1 'here'$").await.unwrap();
        let mut reply = [0; 20];
        idle.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"1 ? {'here''start'}$");
        stop.send(()).unwrap();
        serving.await.unwrap();
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_silent_client_is_cut_off() {
        let (address, stop, serving) = start(Server::new().with_patience(Duration::from_millis(20))).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"1 {").await.unwrap();
        assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
        stop.send(()).unwrap();
        serving.await.unwrap();
    }
}
