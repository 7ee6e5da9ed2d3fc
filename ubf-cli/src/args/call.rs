//! Arguments of `ubf call`.

use std::time::Duration;

use clap::Args;
use ubf_codec::Address;

use super::connect::ConnectArgs;
use super::units::some_time;
use crate::ui::report::Report;

/// Make one call, and show the response.
///
/// The request is a term in Erlang's notation, and so is the response. Which version it was made in
/// and in which state the server is after it is said on stderr. The two agree on the highest
/// version that both have; the request is the same in every version.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/call.txt"))]
#[command(override_usage = "ubf call [OPTIONS] <ADDRESS>... <TERM>")]
pub(crate) struct Call {
    /// Addresses, as host:port, tried in this order, and last the request, in Erlang's notation
    // One argument for both: between two, clap allows no option.
    #[arg(value_name = "ADDRESS|TERM", required = true, num_args = 1.., allow_negative_numbers = true)]
    words: Vec<String>,

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

impl Call {
    /// The addresses, of which there is one at least, and the request.
    pub(crate) fn addresses_and_term(&self) -> Result<(Vec<Address>, &str), Report> {
        let usage = |text: String| {
            Report::new(text).with_hint(Some(
                "ubf call ADDRESS TERM, as in: ubf call 127.0.0.1:4000 '{hello,\"world\"}'",
            ))
        };
        let Some((term, addresses)) =
            self.words.split_last().filter(|(_, addresses)| !addresses.is_empty())
        else {
            return Err(usage("a call wants an address and a term".to_owned()));
        };
        let address =
            |text: &String| text.parse().map_err(|error| usage(format!("{text}: {error}")));
        Ok((addresses.iter().map(address).collect::<Result<_, _>>()?, term))
    }
}
