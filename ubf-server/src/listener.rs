//! Where connections come from.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;

use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

use crate::handler::Peer;
use crate::socket::Socket;
#[cfg(unix)]
use crate::unix_socket::UnixSocket;

/// Connections that wait to be accepted: as the standard library has it.
const BACKLOG: u32 = 1024;

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

impl Listener {
    pub(crate) async fn tcp(address: &str, shares_port: bool) -> io::Result<Self> {
        if !shares_port {
            return TcpListener::bind(address).await.map(Self::Tcp);
        }
        let mut outcome =
            Err(io::Error::new(io::ErrorKind::InvalidInput, "the name stands for no address"));
        for address in lookup_host(address).await? {
            outcome = bind_shared(address);
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(Self::Tcp)
    }

    pub(crate) fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::Tcp)
    }

    #[cfg(unix)]
    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        UnixSocket::bind(path).map(Self::Unix)
    }

    /// `None`, if it has a path.
    pub(crate) fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) => Ok(None),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                listener.accept().await.map(|(stream, peer)| welcome(stream, peer))
            }
            #[cfg(unix)]
            Self::Unix(socket) => Ok((Socket::Unix(socket.accept().await?), Peer::Unix)),
        }
    }

    /// Stops to listen, and gives the connections that were made and not accepted: they would be
    /// reset with the listener.
    pub(crate) fn close(self) -> Vec<(Socket, Peer)> {
        let mut rest = Vec::new();
        match self {
            Self::Tcp(listener) => {
                // Asked of the system itself: the runtime may not know of them yet.
                let Ok(listener) = listener.into_std() else { return rest };
                while let Ok((stream, peer)) = listener.accept() {
                    let stream =
                        stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    rest.extend(stream.ok().map(|stream| welcome(stream, peer)));
                }
            }
            #[cfg(unix)]
            Self::Unix(socket) => drop(socket),
        }
        rest
    }
}

fn welcome(stream: TcpStream, peer: SocketAddr) -> (Socket, Peer) {
    // Replies are written together already. A connection that is gone is found out about when it is
    // read.
    let _is_set = stream.set_nodelay(true).is_ok();
    (Socket::Tcp(stream), Peer::Tcp(peer))
}

fn bind_shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
