//! A demonstration: servers that are drained, upgraded and killed under load, and the proof that no
//! call was lost and none is in doubt.
//!
//! ```text
//! story   the phases: orders to the servers, waits for what shall come of them
//!  ledger    those of a server with rows, which is changed and killed under load
//!  stage    what all phases need: servers, clients, time, and what is seen of them
//!   node      a server, a process of this same program
//!   screen    what people see meanwhile
//! journal + check   what the servers wrote down, and what stands in rows, against what the
//!                   clients were told
//! report    what it came to
//! ```

mod check;
mod folder;
mod journal;
mod ledger;
mod node;
pub(crate) mod report;
mod screen;
mod stage;
mod story;

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
