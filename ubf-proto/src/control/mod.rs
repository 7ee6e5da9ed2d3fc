//! Packets of version 0: what the two protocol engines say to each other (P3, P4).
//!
//! Terms at the end of a tuple that are not known, and options that are not known, are ignored
//! (P4). All else that is wrong is an error that names the packet and the field.

mod client;
mod context;
mod options;
mod read;
mod server;
mod session;

use core::fmt;

pub use self::client::{ClientControl, Negotiate};
pub use self::context::{Context, TraceParent, TraceParentError};
pub(crate) use self::options::DEFAULT_MAX_IDLE;
pub use self::options::Options;
pub(crate) use self::server::is_event;
pub use self::server::{Agreed, ServerControl};

/// The version of UBF's own rules that this crate speaks.
pub const UBF_VERSION: u32 = 1;

/// N14: why a client is refused that may not use a service.
pub(crate) const NOT_ALLOWED: &str = "not_allowed";
/// N10: why a server does not answer a `negotiate`.
pub(crate) const TOO_MANY_NEGOTIATIONS: &str = "too_many_negotiations";

/// A packet of version 0 that is not one of those in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlError {
    /// It has a name that is not known, or none. A later version of the rules may know it.
    Unknown,
    /// A field of a known packet is missing or wrong.
    Malformed {
        /// The packet: `negotiate`.
        packet: &'static str,
        /// The field: `Versions`.
        field: &'static str,
    },
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("a packet of version 0 that is not known"),
            Self::Malformed { packet, field } => write!(f, "bad {field} in '{packet}'"),
        }
    }
}

impl core::error::Error for ControlError {}
