//! `ubf call`: one call, and its response.

use std::io::{self, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use ubf_client::{CallError, Client, Reply};
use ubf_codec::json::Json;
use ubf_codec::{Address, Term, Version};

use crate::args::Call;
use crate::network;
use crate::network::wire_trace::WireTrace;
use crate::ui::json::Text;
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// To say goodbye. Chosen: the response is there, and nobody wants to wait.
const CLOSE_TIME: Duration = Duration::from_millis(500);

/// What came of the call.
enum Ended {
    Reply(Reply),
    Taken(Version),
}

pub(crate) fn run(args: &Call, output: &mut Output) -> io::Result<Status> {
    let (addresses, term) = match args.addresses_and_term() {
        Ok(both) => both,
        Err(report) => {
            output.report(&report)?;
            return Ok(Status::Trouble);
        }
    };
    let term = match network::term(term) {
        Ok(term) => term,
        Err(report) => {
            output.report(&report)?;
            return Ok(Status::WrongInput);
        }
    };
    match network::runtime(false) {
        Ok(runtime) => runtime.block_on(connect_and_call(args, &addresses, term, output)),
        Err(report) => {
            output.report(&report)?;
            Ok(Status::Trouble)
        }
    }
}

async fn connect_and_call(
    args: &Call,
    addresses: &[Address],
    term: Term,
    output: &mut Output,
) -> io::Result<Status> {
    let mut builder = args
        .connect
        .builder(addresses)
        .call_time(args.timeout)
        .connect_time(args.timeout)
        .connect_within(args.timeout);
    if args.trace {
        let trace = Mutex::new(WireTrace::new(args.connect.limits.limits(), Palette::new(true)));
        builder = builder.on_wire(move |traffic| {
            if let Ok(mut trace) = trace.lock() {
                // What cannot be said on stderr is lost: there is nobody to tell.
                anstream::stderr().write_all(trace.lines(traffic).as_bytes()).ok();
            }
        });
    }
    let client = match builder.connect().await {
        Ok(client) => client,
        Err(error) => {
            output.report(&network::cannot_connect(&error))?;
            return Ok(Status::Trouble);
        }
    };
    let outcome = call(&client, args, term).await;
    let address =
        client.status().borrow().address.as_ref().map(ToString::to_string).unwrap_or_default();
    client.close(CLOSE_TIME).await;
    match outcome {
        Ok(ended) => show(&ended, &address, args.json, output).map(|()| Status::Good),
        Err(error) => {
            output.report(&Report::new(error.to_string()).with_hint(network::call_hint(&error)))?;
            Ok(Status::WrongInput)
        }
    }
}

async fn call(client: &Client, args: &Call, term: Term) -> Result<Ended, CallError> {
    if args.event {
        let cast = client.cast(term);
        let cast = if args.idempotent { cast.idempotent() } else { cast };
        return cast.taken().await.map(Ended::Taken);
    }
    let call = client.call(term);
    let call = if args.idempotent { call.idempotent() } else { call };
    call.await.map(Ended::Reply)
}

fn show(ended: &Ended, address: &str, is_json: bool, output: &mut Output) -> io::Result<()> {
    match ended {
        Ended::Reply(reply) if is_json => {
            let state =
                reply.state().map_or_else(|| "null".to_owned(), |state| Json(state).to_string());
            let (response, version) = (Json(reply.response()), reply.version());
            output.line(format_args!(
                r#"{{"response":{response},"state":{state},"version":{version},"address":{}}}"#,
                Text(address)
            ))
        }
        Ended::Taken(version) if is_json => output.line(format_args!(
            r#"{{"taken":true,"version":{version},"address":{}}}"#,
            Text(address)
        )),
        Ended::Reply(reply) => {
            output.line(reply.response())?;
            output.flush()?;
            let state = reply
                .state()
                .map_or_else(|| "no state".to_owned(), |state| format!("state {state}"));
            output.note(format_args!("{state}, in version {}, at {address}", reply.version()));
            Ok(())
        }
        Ended::Taken(version) => {
            output.note(format_args!("taken, in version {version}, at {address}"));
            Ok(())
        }
    }
}
