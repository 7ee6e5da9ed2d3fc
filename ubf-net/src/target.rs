//! Where a client connects to.

use std::fmt;
#[cfg(unix)]
use std::path::PathBuf;
use std::str::FromStr;

use ubf_codec::{Address, AddressError};

/// What the name of a Unix socket begins with, where an address may stand too.
/// What an address begins with that is spoken to with TLS.
const TLS: &str = "ubfs://";
#[cfg(unix)]
const UNIX: &str = "unix:";

/// Where a client connects to: an address of the network, or on Unix systems a socket with a name
/// in the file system.
///
/// A server can name only an [`Address`], since a NextIP has no other form.
///
/// ```
/// use ubf_net::Target;
///
/// let target: Target = "b.example:4000".parse()?;
/// assert_eq!(target.to_string(), "b.example:4000");
/// # #[cfg(unix)]
/// assert_eq!("unix:/run/kv.sock".parse(), Ok(Target::Unix("/run/kv.sock".into())));
/// assert!("b.example".parse::<Target>().is_err());
/// # Ok::<(), ubf_net::TargetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A host and a port.
    Network(Address),
    /// The same, to be spoken to with TLS alone: `ubfs://b.example:4000`. It is where somebody
    /// begins; no server can name one (R7).
    Tls(Address),
    /// The path of a Unix socket, written `unix:/run/kv.sock`.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        Self::Network(address)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix(UNIX) {
            return if path.is_empty() {
                Err(TargetError::NoPath)
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        if let Some(address) = text.strip_prefix(TLS) {
            return address.parse().map(Self::Tls).map_err(TargetError::Address);
        }
        text.parse().map(Self::Network).map_err(TargetError::Address)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Tls(address) => write!(f, "{TLS}{address}"),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// The text says of no place where a client could connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// It is not an address.
    Address(AddressError),
    /// Behind `unix:` there is no path.
    NoPath,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::NoPath => f.write_str("expected a path behind unix:, as in unix:/run/kv.sock"),
        }
    }
}

// What its address' error says is shown by its own `Display`: there is no cause behind it.
impl std::error::Error for TargetError {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_it_is_read() {
        for text in ["unix:/run/kv.sock", "unix:kv.sock", "unix:/tmp/a b", "[::1]:4000"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!("unix:".parse::<Target>(), Err(TargetError::NoPath));
    }
}
