//! Listeners that a supervisor has opened for this process (U1): `LISTEN_FDS`, as systemd has it.

use std::fmt;
use std::io;

use crate::takeover::Descriptor;

/// What an address begins with that stands for such a listener.
const PREFIX: &str = "fd:";
/// The name that stands for all of them.
const ALL: &str = "*";

/// The listeners that were handed over and not used yet, by their names (`LISTEN_FDNAMES`).
#[derive(Debug)]
pub(crate) struct Activation(Vec<(String, std::net::TcpListener)>);

/// Why listeners of a supervisor cannot be used.
#[derive(Debug)]
pub(crate) enum ActivationError {
    /// None of this name was handed over.
    Missing(String),
    /// The one at this place is no TCP listener.
    Kind(usize, io::Error),
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => {
                write!(f, "--listen {PREFIX}{name}: no such listener was handed over (LISTEN_FDS)")
            }
            Self::Kind(place, error) => {
                write!(f, "the listener {place} of LISTEN_FDS is none of TCP: {error}")
            }
        }
    }
}

impl std::error::Error for ActivationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing(_) => None,
            Self::Kind(_, error) => Some(error),
        }
    }
}

impl Activation {
    /// What the environment says that was handed over to this very process.
    #[cfg(unix)]
    pub(crate) fn from_env() -> Result<Self, ActivationError> {
        let mut given = listenfd::ListenFd::from_env();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut listeners = Vec::new();
        for place in 0..given.len() {
            let name = names.next().unwrap_or_default().to_owned();
            let listener = given.take_tcp_listener(place);
            let listener = listener.map_err(|error| ActivationError::Kind(place, error))?;
            listeners.extend(listener.map(|listener| (name, listener)));
        }
        Ok(Self(listeners))
    }

    #[cfg(not(unix))]
    pub(crate) const fn from_env() -> Result<Self, ActivationError> {
        Ok(Self(Vec::new()))
    }

    /// The names of those that no address stands for: clients that connect there wait in vain.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The listeners for an address `fd:NAME`. `None`: it is another kind of address.
    pub(crate) fn take(
        &mut self,
        address: &str,
    ) -> Result<Option<Vec<Descriptor>>, ActivationError> {
        let Some(wanted) = address.strip_prefix(PREFIX) else { return Ok(None) };
        let is_meant = |(name, _): &mut (String, _)| wanted == ALL || name == wanted;
        let taken: Vec<_> = self.0.extract_if(.., is_meant).collect();
        if taken.is_empty() {
            return Err(ActivationError::Missing(wanted.into()));
        }
        #[cfg(unix)]
        return Ok(Some(taken.into_iter().map(|(_, listener)| listener.into()).collect()));
        #[cfg(not(unix))]
        Ok(None)
    }
}
