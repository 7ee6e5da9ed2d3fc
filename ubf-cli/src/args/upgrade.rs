//! The command line of `ubf upgrade`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::args::units::some_time;

/// Replace a running server by another release, in place.
///
/// The new program is started beside the old one and takes its place: the listeners, whose queues
/// are never closed, and the sessions of its clients, which go on with the next message. If the new
/// program fails at any step, the old one goes on. For ten seconds after the change the old one
/// guards the new one, and listens again if that ends or hangs. Without --binary and arguments the
/// new program is what stands where the old one came from, with the old one's arguments.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/upgrade.txt"))]
pub(crate) struct Upgrade {
    /// The control socket of the server
    #[arg(short, long, value_name = "PATH", env = "UBF_CONTROL")]
    pub(crate) control: PathBuf,

    /// The program to start. [default: the file that the server was started from]
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,

    /// Where the new server's log goes, at the end of what is there. [default: stderr, as here]
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,

    /// How long all of it may take; after that the new program is ended
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "60s")]
    pub(crate) within: Duration,

    /// Show what came of it as one JSON document
    #[arg(long)]
    pub(crate) json: bool,

    /// The arguments of the new program; --take-over is added. [default: those of the server]
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<OsString>,
}
