//! How a server begins: in the place of another one, or in its own.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tracing::{info, warn};
use ubf_server::ServerHandle;
use ubf_state::UnseenEvents;

use super::Descriptor;
use super::progress::Progress;
use super::successor::{Given, NotTaken, Successor};

/// What a server begins with.
pub(crate) enum Incoming {
    /// Nothing of anybody else's.
    Alone,
    /// The place of another process, if all goes well.
    After(Box<(Successor, Given)>),
}

/// A living server has the control socket, and was not to be replaced.
#[derive(Debug)]
pub(crate) struct InTheWay(PathBuf);

impl fmt::Display for InTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another server lives at the control socket {}", self.0.display())
    }
}

impl Error for InTheWay {}

impl Incoming {
    /// Nobody's.
    pub(crate) const fn alone() -> Self {
        Self::Alone
    }

    /// Takes over, if that is wanted and there is somebody to take over from.
    ///
    /// # Errors
    /// [`InTheWay`] if it is not wanted, and [`NotTaken`].
    pub(crate) async fn begin(
        control: Option<&Path>,
        is_wanted: bool,
        settings: &[(String, Option<String>)],
        progress: &Progress,
    ) -> Result<Self, Box<dyn Error>> {
        let Some(control) = control else {
            return if is_wanted { Err(NotTaken::NoControl.into()) } else { Ok(Self::Alone) };
        };
        if !is_wanted {
            // What is no socket, or cannot be used, is found when it is bound.
            let is_alive = UnixStream::connect(control).is_ok();
            return if is_alive { Err(InTheWay(control.into()).into()) } else { Ok(Self::Alone) };
        }
        match Successor::ask(control, settings, progress).await? {
            Some(taken) => Ok(Self::After(Box::new(taken))),
            None => {
                info!("nobody is there to take over from");
                Ok(Self::Alone)
            }
        }
    }

    /// The listener that was given for an address: by the same name, or with the same address.
    pub(crate) fn listener(&mut self, address: &str) -> Option<Descriptor> {
        let Self::After(taken) = self else { return None };
        let listeners = &mut taken.1.listeners;
        let named = listeners.iter().position(|(name, _)| name == address);
        let place = named.or_else(|| {
            let wanted: SocketAddr = address.parse().ok().filter(|&wanted| is_definite(wanted))?;
            listeners.iter().position(|(_, listener)| address_of(listener) == Some(wanted))
        })?;
        Some(listeners.remove(place).1)
    }

    /// The events that clients of the rows of a service may not have seen.
    pub(crate) fn unseen(&mut self, service: &str) -> Vec<UnseenEvents> {
        match self {
            Self::After(taken) => taken.1.unseen.remove(service).unwrap_or_default(),
            Self::Alone => Vec::new(),
        }
    }

    /// The listener of the control socket, if it was given.
    pub(crate) fn control(&mut self) -> Option<Descriptor> {
        match self {
            Self::After(taken) => taken.1.control.take(),
            Self::Alone => None,
        }
    }

    /// Everything is open: goes on with the sessions that were given, and waits for the word to
    /// serve.
    pub(crate) async fn ready(self, server: &ServerHandle) -> Result<Option<Successor>, NotTaken> {
        let Self::After(taken) = self else { return Ok(None) };
        let (mut successor, given) = *taken;
        for (name, _) in &given.listeners {
            warn!(address = name, "the server before listened here, and this one does not");
        }
        successor.ready(server, given).await?;
        Ok(Some(successor))
    }
}

/// Port 0 is another one each time.
const fn is_definite(address: SocketAddr) -> bool {
    address.port() != 0
}

fn address_of(listener: &Descriptor) -> Option<SocketAddr> {
    let copy = listener.as_fd().try_clone_to_owned().ok()?;
    std::net::TcpListener::from(copy).local_addr().ok()
}
