//! What clients and servers of UBF are connected by: streams, and how they come about by dialling
//! and by listening.
//!
//! It moves bytes. What the bytes mean, who may be dialled and how long that may take is its
//! caller's to say.
//!
//! ```
//! use std::time::Duration;
//! use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//! use ubf_net::{Listener, TcpOptions, Target, dial};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = Listener::tcp("127.0.0.1:0", TcpOptions::default()).await?;
//! let target: Target = listener.address()?.expect("a TCP listener has one").to_string().parse()?;
//!
//! let dialled = dial(&target, |_ip| true, Duration::from_secs(1));
//! let (dialled, accepted) = tokio::join!(dialled, listener.accept());
//! let ((mut client, _), (mut server, peer)) = (dialled?, accepted?);
//! client.write_all(b"1 'ping'$").await?;
//! let mut bytes = [0; 9];
//! server.read_exact(&mut bytes).await?;
//! assert_eq!(&bytes, b"1 'ping'$");
//! assert!(peer.address().is_some_and(|address| address.ip().is_loopback()));
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//! - A [`Stream`] is a TCP connection, a Unix socket, or anything of the program's own that can be
//!   read and written: [`Stream::own`]. A [`Peer`] says who is at its other end.
//! - A [`Target`] is where a client connects to: an [`Address`](ubf_codec::Address), or
//!   `unix:/run/kv.sock`. [`dial`] makes the connection: of a name that stands for several IP
//!   addresses the next one is tried beside the first when that does not answer soon (RFC 8305). A
//!   [`DialError`] says what was in the way, and keeps the cause.
//! - A [`Listener`] accepts connections, and gives back those that nobody has accepted when it
//!   closes. [`UnixSocket`] is one with a name in the file system that only its owner may use.
//! - [`poll_write_pieces`] writes many pieces in one call to the system.
//! - An [`Identity`] is who a peer has shown to be, by a certificate for example. A [`Network`] is
//!   addresses that begin alike, and a [`ProxyHeader`] is what a balancer says of a client.
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `tls` | `tls`: streams that nobody on the path can read or change, and whose ends show who they are |
//! | `system-roots` | `tls::ClientTls::of_system`: the authorities that the system trusts |
//! | `testing` | `testing`: a peer that says and hears literal bytes |

#![forbid(unsafe_code)]

mod identity;
mod network;
mod proxy;
mod stream;
mod target;
mod write;

mod dial;
mod dial_error;
mod race;

mod listener;
#[cfg(unix)]
mod unix_socket;

#[cfg(feature = "tls")]
pub mod tls;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use self::dial::dial;
pub use self::dial_error::{DialError, DialErrorKind};
pub use self::identity::{Identified, Identity};
pub use self::listener::{Listener, TcpOptions};
pub use self::network::{Network, NetworkError};
pub use self::proxy::{ProxyError, ProxyHeader};
pub use self::stream::{Peer, Stream};
pub use self::target::{Target, TargetError};
#[cfg(unix)]
pub use self::unix_socket::UnixSocket;
pub use self::write::poll_write_pieces;
