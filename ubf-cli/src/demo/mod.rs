//! A demonstration: servers that are drained, replaced and killed under load, and the proof that no
//! call was lost.
//!
//! ```text
//! story   the nine phases: orders to the servers, waits for what shall come of them
//!  stage    what all phases need: servers, clients, time, and what is seen of them
//!   node      a server, a process of this same program
//!   screen    what people see meanwhile
//!  survival a server with rows that is killed, and its clients
//! journal + check   what the servers wrote down, against what the clients were told
//! report    what it came to
//! ```

mod check;
mod folder;
mod journal;
mod node;
pub(crate) mod report;
mod screen;
mod stage;
mod story;
mod survival;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::report::Ended;
pub(crate) use self::stage::Stop;
pub(crate) use self::story::play;

/// How a demo is to be.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) clients: u64,
    pub(crate) calls_per_second: f64,
    pub(crate) seed: Option<u64>,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) json: bool,
    /// For how long a phase goes on after what it shows has happened.
    pub(crate) dwell: Duration,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}
