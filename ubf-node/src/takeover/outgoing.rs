//! How a server lets another process have its place.

use std::error::Error;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Asked;
use super::predecessor::Place;
use super::progress::Progress;
use crate::control::{Refusal, TakeoverReport};

/// Where the place of this process is asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Takeovers {
    asked: Sender<Asked>,
    progress: Progress,
}

/// Where it is given.
pub(crate) struct Outgoing {
    asked: Receiver<Asked>,
}

impl Takeovers {
    /// The two ends.
    pub(crate) fn new(progress: Progress) -> (Self, Outgoing) {
        let (asking, asked) = channel(1);
        (Self { asked: asking, progress }, Outgoing { asked })
    }

    /// Somebody wants the place, and listens at this path.
    pub(crate) fn ask(&self, path: String) -> Result<(), Refusal> {
        // There is room for one at a time.
        self.asked.try_send(Asked { path: path.into() }).map_err(|_| Refusal::TakingOver)
    }

    /// The last take-over that this process had to do with.
    pub(crate) fn report(&self) -> Option<TakeoverReport> {
        self.progress.report()
    }
}

impl Outgoing {
    /// Waits until another process has taken the place. Without one to give, for ever.
    ///
    /// # Errors
    /// If this process has given away what it cannot get back. Nobody serves then.
    pub(crate) async fn attend(&mut self, place: Option<&Place>) -> Result<(), Box<dyn Error>> {
        match place {
            Some(place) => place.attend(&mut self.asked).await.map_err(Into::into),
            None => std::future::pending().await,
        }
    }
}
