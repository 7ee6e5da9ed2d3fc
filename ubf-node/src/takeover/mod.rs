//! One process takes the place of another one, on the same machine (U1, U2, U4).
//!
//! ```text
//! S (new)                                      P (old)
//!  │ {take_over,Path} on the control socket ──▶ │
//!  │ ◀── connects to Path: the line ─────────── │
//!  │ ◀── hello                                  │
//!  │ warm ────────────────────────────────────▶ │ suspends: doors, sessions, store, journal
//!  │ ◀── listeners, sessions, give              │
//!  │ opens the store, adopts the sessions       │
//!  │ ready ───────────────────────────────────▶ │ go: THE COMMIT POINT
//!  │ ◀── go                                     │ touches no connection, and closes none
//!  │ taking ──────────────────────────────────▶ │ closes connections; guards
//!  │ serves; 2 s later: served ───────────────▶ │ ends
//! ```
//! The order, and what happens when either of them dies or hangs, is that of the machines in
//! `ubf_state::takeover`, which are searched exhaustively. Here is what they say done: sockets and
//! descriptors in `line`, processes in `process`, what is said in `words`.

mod incoming;
mod line;
mod outgoing;
mod predecessor;
mod process;
mod progress;
mod settings;
mod successor;
mod words;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::incoming::{InTheWay, Incoming};
pub(crate) use self::outgoing::{Outgoing, Takeovers};
pub(crate) use self::predecessor::Place;
pub(crate) use self::progress::Progress;
pub(crate) use self::successor::{NotTaken, Successor};

/// What goes from process to process beside bytes.
pub(crate) type Descriptor = std::os::fd::OwnedFd;

/// How long the two may take to find each other. Chosen: they are on one machine.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a successor may take from its first word to the one that it is warm, which costs nobody
/// anything. Chosen.
const WARM_TIME: Duration = Duration::from_secs(30);
/// How long a successor waits for each half of what its predecessor does. Chosen: much more than
/// the two seconds of an attempt.
const GIVE_TIME: Duration = Duration::from_secs(30);

/// Another process asks for the place of this one.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Where it listens for this one.
    pub(crate) path: PathBuf,
}
