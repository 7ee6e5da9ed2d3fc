//! TLS 1.2 and 1.3 (feature `tls`): nobody on the path can read or change what goes over a stream,
//! a server shows who it is, and a client may have to. By rustls with ring.
//!
//! [`ServerTls`] and [`ClientTls`] each make of a [`Stream`] another one.
//!
//! ```no_run
//! use ubf_net::tls::{ClientTls, ServerFiles, ServerTls};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = ServerFiles::new("server.pem", "server.key").with_client_authorities("ca.pem");
//! let server = ServerTls::from_files(files)?;
//! let client = ClientTls::trusting("ca.pem")?.showing("till-7.pem", "till-7.key")?;
//! # drop((server, client));
//! # Ok(())
//! # }
//! ```
//!
//! [`Stream`]: crate::Stream

mod client;
mod error;
mod files;
mod names;
mod server;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::{CommonState, HandshakeKind};

pub use self::client::ClientTls;
pub use self::error::{TlsError, TlsErrorKind};
pub use self::server::{ServerFiles, ServerTls};

/// Where TLS goes on with what was agreed on before, the certificate of the other end was looked at
/// when that began: it may be over by this time.
fn check_resumed(connection: &CommonState) -> io::Result<()> {
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    let is_over = connection.handshake_kind() == Some(HandshakeKind::Resumed)
        && shown.is_some_and(|shown| {
            files::not_after(shown, &provider()).is_none_or(|end| end < SystemTime::now())
        });
    if is_over {
        let why = "the certificate is over since the connection before";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(())
}

/// What encrypts: named here, since a program that links two would have none by default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
