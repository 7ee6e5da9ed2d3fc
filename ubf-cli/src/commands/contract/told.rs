//! Contracts from files, or as servers tell them.

use std::io;
use std::path::Path;
use std::time::Duration;

use ubf_client::Target;
use ubf_codec::Term;
use ubf_contract::{Contract, Reader};

use super::source::{self, Source};
use crate::args::connect::targets;
use crate::args::contract::{ServerArgs, SourceArgs};
use crate::network;
use crate::packets::input;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// To say goodbye. Chosen: the answer is there, and nobody wants to wait.
const CLOSE_TIME: Duration = Duration::from_millis(500);

/// The contract of a file, or of a server if there is no such file and it can be an address.
/// Without one there is the status that says so.
pub(super) fn contract(
    file: &Path,
    source: &SourceArgs,
    server: &ServerArgs,
    output: &mut Output,
) -> io::Result<Result<(Source, Contract), Status>> {
    let address = file.to_str().filter(|_| !input::is_stdin(file) && !file.exists());
    let found = address.and_then(|address| Some((address, targets(address).ok()?)));
    let Some((address, targets)) = found else {
        return source::contract(file, source, output);
    };
    match network::single_thread().and_then(|runtime| runtime.block_on(ask(server, &targets))) {
        Ok(contract) => Ok(Ok(placed(address, contract))),
        Err(report) => {
            output.report(&report)?;
            Ok(Err(Status::Trouble))
        }
    }
}

/// What a server tells has no lines: they are those of `ubf contract show --text ADDRESS`.
fn placed(address: &str, contract: Contract) -> (Source, Contract) {
    let source = Source::told(address, contract.print());
    let read = Reader::new().with_dialect(contract.dialect()).read(&source.text);
    (source, read.unwrap_or(contract))
}

/// Asks a server.
async fn ask(args: &ServerArgs, targets: &[Target]) -> Result<Contract, Report> {
    if args.classic.classic {
        return ask_stock(args, targets).await;
    }
    args.connect.tls(targets)?;
    let builder = args.connect.builder(targets).call_time(args.timeout);
    let builder = builder.connect_time(args.timeout).connect_within(args.timeout);
    let client = builder.connect().await.map_err(|error| network::cannot_connect(&error))?;
    let reply = client.call(Term::atom("contract")).await;
    client.close(CLOSE_TIME).await;
    let reply = reply.map_err(|error| {
        Report::new(format!("it does not tell its contract: {error}"))
            .with_hint(network::call_hint(&error))
    })?;
    Contract::from_term(reply.response()).map_err(|error| {
        Report::new(format!("what it answers to 'contract' is no contract: {error}"))
            .with_hint(Some("ubf call ADDRESS contract shows what it answers"))
    })
}

/// Asks a stock server: on the meta level that is its own contract, and behind a start the one of
/// the service.
async fn ask_stock(args: &ServerArgs, targets: &[Target]) -> Result<Contract, Report> {
    let start = args.classic.start()?;
    let tls = args.connect.tls(targets)?;
    let limits = args.connect.limits.limits();
    let builder = args.classic.builder(targets, limits, args.timeout, tls);
    let client =
        builder.connect().await.map_err(|error| network::classic::cannot_connect(&error))?;
    if let Some((service, argument)) = start {
        let started = client.start(service.to_owned(), argument).await;
        started.map_err(|error| network::classic::failed(&error))?;
    }
    let told = client.ask_contract().await;
    client.close(CLOSE_TIME).await;
    told.map_err(|error| Report::new(crate::ui::reason::causes(&error)))
}
