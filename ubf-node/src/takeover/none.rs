//! On this system no process takes over from another one.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use ubf_server::ServerHandle;

use crate::control::{Refusal, TakeoverReport};
use crate::journal::Journal;
use crate::rows::Kept;

/// Nothing is told of what cannot be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress;

/// A server begins in its own place.
pub(crate) struct Incoming;

/// Never a cause here: whoever is in the way is found when the socket is bound.
#[derive(Debug)]
pub(crate) struct InTheWay(Infallible);

/// What goes from process to process beside bytes.
#[cfg(unix)]
pub(crate) type Descriptor = std::os::fd::OwnedFd;
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) enum Descriptor {}

/// Nobody can ask.
#[derive(Clone, Debug)]
pub(crate) struct Takeovers;

/// Nothing is given.
pub(crate) struct Outgoing;

/// What there would be to give.
pub(crate) struct Place {
    pub(crate) server: ServerHandle,
    pub(crate) operator: ServerHandle,
    pub(crate) http_door: Option<Arc<watch::Sender<bool>>>,
    pub(crate) others: Vec<(String, Descriptor)>,
    pub(crate) kept: Kept,
    pub(crate) journal: Option<Journal>,
    pub(crate) hard_stop: Duration,
    pub(crate) progress: Progress,
}

impl Takeovers {
    pub(crate) const fn new(_: Progress) -> (Self, Outgoing) {
        (Self, Outgoing)
    }

    pub(crate) const fn ask(&self, _: String) -> Result<(), Refusal> {
        Err(Refusal::NoTakeover)
    }

    pub(crate) const fn report(&self) -> Option<TakeoverReport> {
        None
    }
}

impl Outgoing {
    pub(crate) async fn attend(&mut self, place: Option<&Place>) -> Result<(), Box<dyn Error>> {
        let _ = place;
        std::future::pending().await
    }
}

/// Why this process does not take over.
#[derive(Debug)]
pub(crate) struct NotTaken;

/// Nobody ever is one.
pub(crate) struct Successor(Infallible);

impl fmt::Display for InTheWay {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl Error for InTheWay {}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot take over: descriptors cannot be passed on this system")
    }
}

impl Error for NotTaken {}

impl Successor {
    pub(crate) async fn prove(self, _: ServerHandle) {
        match self.0 {}
    }
}

impl Incoming {
    pub(crate) const fn alone() -> Self {
        Self
    }

    #[expect(clippy::unused_async, reason = "elsewhere it waits")]
    pub(crate) async fn begin(
        _: Option<&Path>,
        is_wanted: bool,
        _: &[(String, Option<String>)],
        _: &Progress,
    ) -> Result<Self, Box<dyn Error>> {
        if is_wanted { Err(NotTaken.into()) } else { Ok(Self) }
    }

    pub(crate) const fn listener(&mut self, _: &str) -> Option<Descriptor> {
        None
    }

    pub(crate) const fn unseen(&mut self, _: &str) -> Vec<ubf_state::UnseenEvents> {
        Vec::new()
    }

    pub(crate) const fn control(&mut self) -> Option<Descriptor> {
        None
    }

    #[expect(clippy::unused_async, reason = "elsewhere it waits")]
    pub(crate) async fn ready(self, _: &ServerHandle) -> Result<Option<Successor>, NotTaken> {
        Ok(None)
    }
}
