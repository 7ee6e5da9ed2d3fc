//! Why a connection was not made.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the system says when a process, or the machine, has no file descriptors left: `EMFILE` and
/// `ENFILE`, which have the same numbers on all Unix systems, and `WSAEMFILE` of Windows.
const NO_DESCRIPTORS: &[i32] = if cfg!(windows) { &[10024] } else { &[23, 24] };

/// Why a connection was not made. Its [`source`](std::error::Error::source) is what the system
/// said.
#[derive(Clone, Debug)]
pub struct DialError {
    kind: DialErrorKind,
    /// The IP address that it is about, if it is about one.
    at: Option<SocketAddr>,
    cause: Option<Arc<io::Error>>,
}

/// What was in the way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DialErrorKind {
    /// The name stands for no IP address, or nobody could be asked.
    NoSuchName,
    /// The caller does not allow any of the IP addresses that the name stands for.
    NotAllowed,
    /// Nobody listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// Nobody answered in time.
    TimedOut,
    /// This process, or this machine, has no file descriptors left. That says nothing about the
    /// other end.
    NoDescriptors,
    /// There is no Unix socket of this name.
    NoSuchSocket,
    /// This process may not connect there.
    Denied,
    /// The other end does not speak TLS, or shows no certificate that is trusted for its name.
    Tls,
    /// Something else: the cause says what.
    Other,
}

impl DialErrorKind {
    /// A short name that does not change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchName => "no_such_name",
            Self::NotAllowed => "not_allowed",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::NoDescriptors => "no_descriptors",
            Self::NoSuchSocket => "no_such_socket",
            Self::Denied => "denied",
            Self::Tls => "tls",
            Self::Other => "other",
        }
    }
}

impl DialError {
    /// What was in the way. If several IP addresses were tried, this is about the last one that
    /// failed, but a lack of descriptors comes first.
    #[must_use]
    pub const fn kind(&self) -> DialErrorKind {
        self.kind
    }

    /// The IP address that it is about, if it is about one.
    #[must_use]
    pub const fn at(&self) -> Option<SocketAddr> {
        self.at
    }

    /// An error of the program's own making: of its connector, or of its TLS.
    #[must_use]
    pub fn other(cause: io::Error) -> Self {
        Self::of(None, cause, DialErrorKind::Other)
    }

    /// TLS was not agreed on. If the system gave up the connection meanwhile, it is of that kind.
    #[must_use]
    pub fn tls(cause: io::Error) -> Self {
        Self::of(None, cause, DialErrorKind::Tls)
    }

    pub(crate) const fn without_cause(kind: DialErrorKind) -> Self {
        Self { kind, at: None, cause: None }
    }

    pub(crate) fn of_name(cause: io::Error) -> Self {
        Self::of(None, cause, DialErrorKind::NoSuchName)
    }

    pub(crate) fn of_ip(at: SocketAddr, cause: io::Error) -> Self {
        Self::of(Some(at), cause, DialErrorKind::Other)
    }

    #[cfg(unix)]
    pub(crate) fn of_path(cause: io::Error) -> Self {
        let kind = if cause.kind() == io::ErrorKind::NotFound {
            DialErrorKind::NoSuchSocket
        } else {
            DialErrorKind::Other
        };
        Self::of(None, cause, kind)
    }

    /// `kind` is what it is if the system's words do not tell.
    fn of(at: Option<SocketAddr>, cause: io::Error, kind: DialErrorKind) -> Self {
        let kind = if cause.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code)) {
            DialErrorKind::NoDescriptors
        } else {
            kind_of(cause.kind()).unwrap_or(kind)
        };
        Self { kind, at, cause: Some(Arc::new(cause)) }
    }
}

impl From<io::Error> for DialError {
    /// For connectors: [`other`](Self::other), but of the kind that the system's words tell.
    fn from(cause: io::Error) -> Self {
        Self::other(cause)
    }
}

impl PartialEq for DialError {
    /// Whether they are of the same kind and about the same IP address.
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.at) == (other.kind, other.at)
    }
}

impl Eq for DialError {}

fn kind_of(kind: io::ErrorKind) -> Option<DialErrorKind> {
    // The standard library's list grows.
    #[expect(clippy::wildcard_enum_match_arm, reason = "not our own enum, and it is not closed")]
    match kind {
        io::ErrorKind::ConnectionRefused => Some(DialErrorKind::Refused),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Some(DialErrorKind::Unreachable),
        io::ErrorKind::TimedOut => Some(DialErrorKind::TimedOut),
        io::ErrorKind::PermissionDenied => Some(DialErrorKind::Denied),
        _ => None,
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            DialErrorKind::NoSuchName => "the name cannot be looked up",
            DialErrorKind::NotAllowed => "no IP address of this name is allowed",
            DialErrorKind::Refused => "the connection was refused",
            DialErrorKind::Unreachable => "there is no way there",
            DialErrorKind::TimedOut => "no connection in time",
            DialErrorKind::NoDescriptors => "no file descriptors are left here",
            DialErrorKind::NoSuchSocket => "there is no socket of this name",
            DialErrorKind::Denied => "not permitted to connect",
            DialErrorKind::Tls => "TLS was not agreed on",
            DialErrorKind::Other => "cannot connect",
        })?;
        match self.at {
            Some(at) => write!(f, " ({at})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn causes_are_told_apart_and_kept() {
        let at = "192.0.2.7:4000".parse().unwrap();
        for (code, kind) in [
            (24, DialErrorKind::NoDescriptors),
            (23, DialErrorKind::NoDescriptors),
            (111, DialErrorKind::Refused),
            (110, DialErrorKind::TimedOut),
            (113, DialErrorKind::Unreachable),
            (13, DialErrorKind::Denied),
            (71, DialErrorKind::Other),
        ] {
            if cfg!(target_os = "linux") {
                let error = DialError::of_ip(at, io::Error::from_raw_os_error(code));
                assert_eq!(error.kind(), kind, "{error}");
                assert!(error.to_string().ends_with(" (192.0.2.7:4000)"));
                assert!(error.source().unwrap().to_string().contains(&code.to_string()));
            }
        }
        let unknown = DialError::of_name(io::Error::other("Name or service not known"));
        assert_eq!(unknown.kind(), DialErrorKind::NoSuchName);
    }
}
