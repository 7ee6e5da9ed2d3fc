//! The link between clients and a node: it can be stalled and cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The most connections at once.
const MAX_CONNECTIONS: usize = 256;
const CONNECT_TIME: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    state: State,
    /// How often all connections were cut.
    cuts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing passes, and nobody is told.
    Stalled,
    /// Whoever connects is cut at once.
    Cut,
}

/// A link, for as long as it is kept.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    link: Arc<watch::Sender<Link>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A link to this address.
    pub(crate) async fn start(to: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let link = Arc::new(watch::Sender::new(Link { state: State::Open, cuts: 0 }));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, to, link.subscribe()));
        Ok(Self { address, link, _accepting: accepting })
    }

    /// Cuts all connections; new ones can be made at once.
    pub(crate) fn cut_all(&self) {
        self.link.send_modify(|link| link.cuts += 1);
    }

    pub(crate) fn stall(&self) {
        self.link.send_modify(|link| link.state = State::Stalled);
    }

    pub(crate) fn cut(&self) {
        self.link.send_modify(|link| *link = Link { state: State::Cut, cuts: link.cuts + 1 });
    }

    pub(crate) fn open(&self) {
        self.link.send_modify(|link| link.state = State::Open);
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, link: watch::Receiver<Link>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let link = link.clone();
        if link.borrow().state != State::Cut {
            connections.spawn(async move {
                pass(client, to, link).await;
                drop(place);
            });
        }
    }
}

/// Passes bytes both ways, until either end or the link ends.
async fn pass(client: TcpStream, to: SocketAddr, link: watch::Receiver<Link>) {
    let Ok(Ok(server)) = timeout(CONNECT_TIME, TcpStream::connect(to)).await else { return };
    // Packets are small, and a proxy must not make them slow.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let cuts = link.borrow().cuts;
    let mut watched = link.clone();
    let (client, server) = (client.into_split(), server.into_split());
    tokio::select! {
        () = one_way(client.0, server.1, link.clone()) => {}
        () = one_way(server.0, client.1, link) => {}
        _ = watched.wait_for(|link| link.cuts != cuts) => {}
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut link: watch::Receiver<Link>,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        if link.wait_for(|link| link.state != State::Stalled).await.is_err() {
            return;
        }
        let Some(bytes) = bytes.get(..count) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
