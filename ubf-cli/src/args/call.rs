//! Arguments of `ubf call`.

use std::time::Duration;

use clap::Args;
use ubf_codec::Address;

use super::connect::{ConnectArgs, some_time};

/// Make one call, and show the response.
///
/// The request is a term in Erlang's notation, and so is the response. Which version it was made in and in which state the
/// server is after it is said on stderr. The two agree on the highest version that both have; the request is the same in
/// every version.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/call.txt"))]
pub(crate) struct Call {
    /// Addresses, as host:port, tried in this order
    // A negative number is a term, and clap asks the argument before it.
    #[arg(value_name = "ADDRESS", required = true, num_args = 1.., allow_negative_numbers = true)]
    pub(crate) addresses: Vec<Address>,

    /// The request, in Erlang's notation
    #[arg(value_name = "TERM", required = true, allow_negative_numbers = true)]
    pub(crate) term: String,

    /// Send the term as an event, which has no response, and wait until the server has taken it
    #[arg(long)]
    pub(crate) event: bool,

    /// How long the call may take
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "10s")]
    pub(crate) timeout: Duration,

    /// The call may run twice: it is sent again if the connection is lost
    #[arg(long)]
    pub(crate) idempotent: bool,

    /// Show every packet of the wire on stderr, with its direction and time
    #[arg(long)]
    pub(crate) trace: bool,

    /// Write response, state, version and address as one JSON document
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}
