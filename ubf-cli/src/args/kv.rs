//! Arguments of `ubf kv`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use ubf_client::Target;

use super::connect::ConnectArgs;
use super::units::some_time;

/// Copy the values of a server's service kv, as any client can.
///
/// What is copied is what clients see: keys and values. Revisions begin anew. A server's own copy
/// of its rows, as of one moment, is ubf admin store backup.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/kv.txt"), subcommand_value_name = "COMMAND")]
pub(crate) struct Kv {
    #[command(subcommand)]
    pub(crate) command: KvCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KvCommand {
    /// Write all keys and values to stdout, as requests that ubf kv load reads
    ///
    /// One value a line, {put,Key,Value}, and a comment with their number at the end. The values
    /// are read page by page: what others write meanwhile may be in it or not.
    Dump(KvArgs),
    /// Store the values of files, or of stdin: what ubf kv dump has written
    ///
    /// Values of other keys stay as they are.
    Load(KvLoad),
}

#[derive(Debug, Args)]
pub(crate) struct KvArgs {
    /// Addresses, as host:port or `unix:/path`, with commas between them
    #[arg(value_name = "ADDRESS", required = true, value_delimiter = ',')]
    pub(crate) addresses: Vec<Target>,

    /// How long a call may take, the first one with the time to connect
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "10s")]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct KvLoad {
    #[command(flatten)]
    pub(crate) kv: KvArgs,

    /// A file to read; `-` is stdin, and so is no file at all. May be given several times
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Say as a JSON document how many values were stored
    #[arg(long)]
    pub(crate) json: bool,
}
