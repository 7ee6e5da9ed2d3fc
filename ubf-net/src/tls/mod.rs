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
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

pub use self::client::ClientTls;
pub use self::error::{TlsError, TlsErrorKind};
pub use self::server::{ServerFiles, ServerTls};

/// What encrypts: named here, since a program that links two would have none by default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
