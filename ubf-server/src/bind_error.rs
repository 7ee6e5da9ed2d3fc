//! Why a server cannot be made.

use std::fmt;
use std::io;

use ubf_codec::{Address, Version};
use ubf_proto::Service;

use crate::versions::HandlerError;

/// Why a server cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// No address to listen on was given.
    NoListener,
    /// No service was given.
    NoService,
    /// This service has no version.
    NoVersion(Service),
    /// This service was given twice.
    ServiceTwice(Service),
    /// This service's handler is not as it should be.
    Handler {
        /// The service.
        service: Service,
        /// What is wrong with its handler.
        error: HandlerError,
    },
    /// R7: this address, by which clients are to know the server or its peers, is none to go to.
    Unspecified(Address),
    /// What stock peers are to be served is none of the services, or not in this version.
    NoSuchVersion {
        /// The service.
        service: Service,
        /// The version.
        version: Version,
    },
    /// An address cannot be listened on.
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoListener => f.write_str("no address to listen on"),
            Self::NoService => f.write_str("no service to serve"),
            Self::NoVersion(service) => write!(f, "service {service} has no version"),
            Self::ServiceTwice(service) => write!(f, "service {service} was given twice"),
            Self::Handler { service, error } => write!(f, "service {service}: {error}"),
            Self::Unspecified(address) => {
                write!(f, "clients cannot go to {address}: name an address of this host")
            }
            Self::NoSuchVersion { service, version } => {
                write!(
                    f,
                    "stock peers cannot be served service {service} in version {version}: it is not offered"
                )
            }
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { error, .. } => Some(error),
            Self::Handler { error, .. } => Some(error),
            Self::NoListener
            | Self::NoService
            | Self::NoVersion(_)
            | Self::ServiceTwice(_)
            | Self::NoSuchVersion { .. }
            | Self::Unspecified(_) => None,
        }
    }
}
