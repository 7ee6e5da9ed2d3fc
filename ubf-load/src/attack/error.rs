//! Why a server cannot be attacked.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a server cannot be attacked: it is no fault of the server that an attack has found.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttackError {
    /// The process that is to be watched cannot be.
    Watch {
        /// Its number.
        pid: u32,
        /// Why not.
        source: io::Error,
    },
    /// Nobody takes connections there.
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// What listens there does not answer a negotiation.
    NoAnswer {
        /// Where.
        address: SocketAddr,
        /// What came instead.
        heard: String,
    },
    /// What listens there is no stock server, or does not begin the session.
    NoHello {
        /// Where.
        address: SocketAddr,
        /// What came instead.
        heard: String,
    },
    /// The server speaks no version of the service.
    NoVersion {
        /// Where.
        address: SocketAddr,
        /// What it said.
        heard: String,
    },
    /// A well-behaved client is not served, and nobody has done anything yet.
    NotServed {
        /// What went wrong with the client.
        fault: String,
    },
}

impl fmt::Display for AttackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watch { pid, .. } => write!(f, "cannot watch process {pid}"),
            Self::Connect { address, .. } => write!(f, "cannot connect to {address}"),
            Self::NoAnswer { address, heard } => {
                write!(f, "{address} does not answer a negotiation: {heard}")
            }
            Self::NoHello { address, heard } => {
                write!(f, "{address} is not spoken to as a stock server is: {heard}")
            }
            Self::NoVersion { address, heard } => {
                write!(f, "{address} speaks no version of this service: {heard}")
            }
            Self::NotServed { fault } => write!(f, "before any attack, {fault}"),
        }
    }
}

impl Error for AttackError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Watch { source, .. } | Self::Connect { source, .. } => Some(source),
            Self::NoAnswer { .. }
            | Self::NoHello { .. }
            | Self::NoVersion { .. }
            | Self::NotServed { .. } => None,
        }
    }
}
