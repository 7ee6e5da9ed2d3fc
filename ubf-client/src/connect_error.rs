//! Why there is no client.

use std::fmt;
use std::time::Duration;

use ubf_net::TargetError;

#[cfg(doc)]
use crate::Builder;
use crate::status::Loss;

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// No address was given.
    NoAddress,
    /// This is not an address.
    BadAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        error: TargetError,
    },
    /// No version was given, or none that the floor allows.
    NoVersion,
    /// Connections were to be TLS, and there is no [`connector`](Builder::connector) to make it.
    TlsUnavailable,
    /// Connections were to be TLS, with the authorities of the system, and those cannot be used.
    #[cfg(feature = "system-roots")]
    #[cfg_attr(docsrs, doc(cfg(feature = "system-roots")))]
    Tls(ubf_net::tls::TlsError),
    /// No server could be reached that has a version in common with this program.
    Unreachable {
        /// What happened at each address.
        losses: Vec<Loss>,
    },
    /// No server has agreed in time.
    Timeout {
        /// The time: [`connect_within`](Builder::connect_within).
        within: Duration,
        /// The last address that was tried in vain, if there was time to give one up.
        last_loss: Option<Box<Loss>>,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("no address to connect to"),
            Self::BadAddress { address, error } => {
                write!(f, "'{}': {error}", address.escape_default())
            }
            Self::NoVersion => f.write_str("no version that may be used"),
            Self::TlsUnavailable => f.write_str("TLS needs a connector"),
            #[cfg(feature = "system-roots")]
            Self::Tls(error) => error.fmt(f),
            Self::Unreachable { losses } => {
                f.write_str("no server can be used")?;
                // Several have no one cause: each is told with its own.
                for (index, loss) in losses.iter().enumerate() {
                    f.write_str(if index == 0 { ": " } else { "; " })?;
                    write_with_causes(loss, f)?;
                }
                Ok(())
            }
            Self::Timeout { within, last_loss } => {
                write!(f, "no agreement in {} s (connect_within)", within.as_secs_f64())?;
                let Some(loss) = last_loss else { return Ok(()) };
                f.write_str("; lost last: ")?;
                write_with_causes(loss, f)
            }
        }
    }
}

// `Display` shows what was lost, with all causes: several losses have no one cause.
impl std::error::Error for ConnectError {
    #[cfg(feature = "system-roots")]
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Tls(error) = self { error.source() } else { None }
    }
}

fn write_with_causes(loss: &Loss, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{loss}")?;
    let mut cause = std::error::Error::source(loss);
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}
