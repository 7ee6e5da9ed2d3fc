//! Where connections come from.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd as _, OwnedFd};
#[cfg(unix)]
use std::path::Path;

use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

use crate::stream::{Peer, Stream};
#[cfg(unix)]
use crate::unix_socket::UnixSocket;

/// Connections that wait to be accepted: as the standard library has it.
const BACKLOG: u32 = 1024;

/// Accepts connections.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// How a TCP port is listened on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpOptions {
    /// Whether another process of this user may listen there too, if it says so as well
    /// (`SO_REUSEPORT`), on systems that have it. Default no.
    pub shares_port: bool,
    /// Whether an IPv6 address leaves IPv4 alone (`IPV6_V6ONLY`): then `0.0.0.0` and `[::]` can be
    /// listened on at one port. Default no: the system decides.
    pub is_v6_only: bool,
}

impl TcpOptions {
    /// Sets [`shares_port`](Self::shares_port).
    #[must_use]
    pub const fn shares_port(mut self, shares_port: bool) -> Self {
        self.shares_port = shares_port;
        self
    }

    /// Sets [`is_v6_only`](Self::is_v6_only).
    #[must_use]
    pub const fn v6_only(mut self, is_v6_only: bool) -> Self {
        self.is_v6_only = is_v6_only;
        self
    }
}

impl Listener {
    /// Listens on `127.0.0.1:4000`, `[::]:4000` or `localhost:4000`; port 0 is any that is free. Of
    /// a name that stands for several IP addresses, the first one that works is taken.
    ///
    /// # Errors
    /// If the name stands for no address, or none can be listened on.
    pub async fn tcp(address: &str, options: TcpOptions) -> io::Result<Self> {
        let mut outcome =
            Err(io::Error::new(io::ErrorKind::InvalidInput, "the name stands for no address"));
        for address in lookup_host(address).await? {
            outcome = bind(address, options);
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(|listener| Self(Kind::Tcp(listener)))
    }

    /// Takes connections from a listener that somebody else has opened.
    ///
    /// # Errors
    /// If the runtime cannot wait for it.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(|listener| Self(Kind::Tcp(listener)))
    }

    /// Listens on a Unix socket: see [`UnixSocket::bind`].
    ///
    /// # Errors
    /// If another server listens there, if there is a file that is no socket, or if the file cannot
    /// be made.
    #[cfg(unix)]
    pub fn unix(path: &Path) -> io::Result<Self> {
        UnixSocket::bind(path).map(|socket| Self(Kind::Unix(socket)))
    }

    /// The address that it listens on; `None`, if it has a path.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<Option<SocketAddr>> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(Some),
            #[cfg(unix)]
            Kind::Unix(_) => Ok(None),
        }
    }

    /// The next connection. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// If a connection is gone before it is accepted, or if there are no descriptors left. The
    /// listener is still of use.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.0 {
            Kind::Tcp(listener) => {
                listener.accept().await.map(|(stream, peer)| (stream.into(), Peer::Tcp(peer)))
            }
            #[cfg(unix)]
            Kind::Unix(socket) => {
                let stream = socket.accept().await?;
                let peer = stream.peer_cred().map_or(Peer::Unix, |who| Peer::Process {
                    user: who.uid(),
                    process: who.pid(),
                });
                Ok((stream.into(), peer))
            }
        }
    }

    /// Stops to listen, and gives the connections that were made and not accepted: they would be
    /// reset with the listener.
    #[must_use]
    pub fn close(self) -> Vec<(Stream, Peer)> {
        let mut rest = Vec::new();
        match self.0 {
            Kind::Tcp(listener) => {
                // Asked of the system itself: the runtime may not know of them yet.
                let Ok(listener) = listener.into_std() else { return rest };
                while let Ok((stream, peer)) = listener.accept() {
                    let stream =
                        stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    rest.extend(stream.ok().map(|stream| (stream.into(), Peer::Tcp(peer))));
                }
            }
            #[cfg(unix)]
            Kind::Unix(socket) => drop(socket),
        }
        rest
    }
}

/// A descriptor of a listener that is not this process's alone (U2).
#[cfg(unix)]
impl Listener {
    /// Another descriptor of the same socket, for another process. It accepts from the same queue.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        match &self.0 {
            Kind::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Kind::Unix(socket) => socket.as_fd().try_clone_to_owned(),
        }
    }

    /// Takes connections from a Unix socket that somebody else has opened under this name. Its file
    /// is removed when this stops to listen.
    ///
    /// # Errors
    /// If the descriptor is none of such a socket, or the file is not there.
    pub fn inherit_unix(descriptor: OwnedFd, path: &Path) -> io::Result<Self> {
        UnixSocket::inherit(descriptor, path).map(|socket| Self(Kind::Unix(socket)))
    }

    /// Takes connections from a TCP listener that somebody else has opened.
    ///
    /// # Errors
    /// If the descriptor is none of a TCP socket.
    pub fn inherit_tcp(descriptor: OwnedFd) -> io::Result<Self> {
        let listener = std::net::TcpListener::from(descriptor);
        // A descriptor of something else has no such address.
        listener.local_addr()?;
        Self::from_std(listener)
    }
}

impl Listener {
    /// Lets go of it without a look at its queue, which is another process's. The file of a Unix
    /// socket stays.
    pub fn leave(self) {
        match self.0 {
            Kind::Tcp(listener) => drop(listener),
            #[cfg(unix)]
            Kind::Unix(socket) => socket.leave(),
        }
    }
}

fn bind(address: SocketAddr, options: TcpOptions) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Windows it would let others take the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    if options.shares_port {
        socket.set_reuseport(true)?;
    }
    if options.is_v6_only && address.is_ipv6() {
        socket2::SockRef::from(&socket).set_only_v6(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_families_can_be_listened_on_at_one_port() {
        let v4 = Listener::tcp("0.0.0.0:0", TcpOptions::default()).await.unwrap();
        let port = v4.address().unwrap().unwrap().port();
        let v6_only = TcpOptions::default().v6_only(true);
        match Listener::tcp(&format!("[::]:{port}"), v6_only).await {
            Ok(v6) => assert_eq!(v6.address().unwrap().unwrap().port(), port),
            // A machine without IPv6 has no such address.
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
        }
    }

    #[tokio::test]
    async fn a_port_is_shared_only_if_both_say_so() {
        let shared = TcpOptions::default().shares_port(true);
        let first = Listener::tcp("127.0.0.1:0", shared).await.unwrap();
        let address = first.address().unwrap().unwrap().to_string();
        assert!(Listener::tcp(&address, TcpOptions::default()).await.is_err());
        #[cfg(target_os = "linux")]
        assert!(Listener::tcp(&address, shared).await.is_ok());
    }

    #[tokio::test]
    async fn connections_that_nobody_accepted_are_given_back() {
        let listener = Listener::tcp("127.0.0.1:0", TcpOptions::default()).await.unwrap();
        let address = listener.address().unwrap().unwrap();
        let _one = TcpStream::connect(address).await.unwrap();
        let _other = TcpStream::connect(address).await.unwrap();
        assert_eq!(listener.close().len(), 2);
    }
}
