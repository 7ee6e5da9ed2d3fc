//! Arguments of `ubf call`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ubf_client::Target;

use super::classic::ClassicArgs;
use super::connect::{ConnectArgs, targets};
use super::units::some_time;
use crate::ui::report::Report;

/// Make calls, one after the other, and show the responses.
///
/// The first argument says where to: addresses with commas between them, tried in this order. Each
/// further one is a request, in Erlang's notation, as responses are; `-` reads requests from stdin.
/// Which version a call was made in and in which state the server is after it is said on stderr.
/// The two agree on the highest version that both have; the request is the same in every version.
/// The calls have one connection; after one that fails no more are made.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/call.txt"))]
#[command(override_usage = "ubf call [OPTIONS] <ADDRESS>[,ADDRESS...] <REQUEST>...")]
pub(crate) struct Call {
    /// Addresses, as host:port or `unix:/path`, with commas between them, and then the requests
    // One argument for both: between two, clap allows no option.
    #[arg(value_name = "ADDRESSES|REQUEST", required = true, num_args = 1.., allow_hyphen_values = false, allow_negative_numbers = true)]
    words: Vec<String>,

    /// Read requests from a file, too, after those of the command line; `-` is stdin. May be given
    /// several times
    ///
    /// A request ends where its line ends, or, with brackets or quotes still open, at the end of
    /// the line that closes them. Each is sent as soon as it is read.
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Send the requests as events, which have no responses, and wait until the server has taken
    /// them
    #[arg(long)]
    pub(crate) event: bool,

    /// How long a call may take, the first one with the time to connect
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "10s")]
    pub(crate) timeout: Duration,

    /// Wait so long for a server, if none can be used yet
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) wait: Option<Duration>,

    /// A response that says that the contract is broken is a failure: the exit status is 1
    #[arg(long)]
    pub(crate) fail: bool,

    /// The calls may run twice: they are sent again if the connection is lost
    #[arg(long, conflicts_with = "classic")]
    pub(crate) idempotent: bool,

    /// Show every packet of the wire on stderr, with its direction and time
    #[arg(long)]
    pub(crate) trace: bool,

    /// Write response, state, version and address of each call as one JSON document, or its error
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,

    #[command(flatten)]
    pub(crate) classic: ClassicArgs,
}

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Text(String),
    /// A file with any number of requests.
    File(PathBuf),
}

impl Call {
    /// Where to, and what is asked there. There is one of each at least.
    pub(crate) fn targets_and_sources(&self) -> Result<(Vec<Target>, Vec<Source>), Report> {
        let usage = |text: String| {
            Report::new(text).with_hint(Some(
                "ubf call ADDRESS REQUEST..., as in: ubf call 127.0.0.1:4000 '{hello,\"world\"}'",
            ))
        };
        let (first, requests) = match self.words.split_first() {
            Some((first, requests)) if !requests.is_empty() || !self.files.is_empty() => {
                (first, requests)
            }
            _ => return Err(usage("a call wants an address and a request".to_owned())),
        };
        let targets = targets(first).map_err(usage)?;
        if let Some(address) = requests.iter().find(|text| text.parse::<Target>().is_ok()) {
            return Err(Report::new(format!("{address} stands where a request is wanted"))
                .with_hint(Some("several addresses have commas between them")));
        }
        let from_command_line = requests.iter().map(|text| match text.as_str() {
            "-" => Source::File("-".into()),
            _ => Source::Text(text.clone()),
        });
        let from_files = self.files.iter().cloned().map(Source::File);
        Ok((targets, from_command_line.chain(from_files).collect()))
    }
}
