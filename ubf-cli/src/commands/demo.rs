//! `ubf demo`: servers are drained, replaced and killed under load, and no call is lost.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args;
use crate::demo::report::DemoReport;
use crate::demo::{Ended, Settings, Stop, play};
use crate::network;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// A demo takes ten seconds. Chosen: a machine that is this much slower shows nothing that is of
/// use.
const MAX_TIME: Duration = Duration::from_secs(300);
/// How long a phase is looked at.
const DWELL: Duration = Duration::from_millis(1200);
const FAST_DWELL: Duration = Duration::from_millis(100);
/// Calls a second of a client. Chosen: with a call in 50 ms, clients hear one after the other that
/// they are to move.
const RATE_EACH: u64 = 20;

pub(crate) fn run(args: &args::Demo, output: &mut Output) -> io::Result<Status> {
    let ended = settings(args).map_err(Stop::from).and_then(|settings| {
        let runtime = network::runtime(true)?;
        let ended = runtime.block_on(run_until_told(&settings, output));
        // A thread that waits for an answer of a server that is gone keeps nobody.
        runtime.shutdown_background();
        ended
    });
    let ended = match ended {
        Ok(ended) => ended,
        Err(Stop::Write(error)) => return Err(error),
        Err(Stop::Trouble(report)) => {
            output.report(&report)?;
            return Ok(Status::Trouble);
        }
    };
    if args.json {
        output.line(serde_json::to_string(&ended)?)?;
    } else {
        output
            .text(format_args!("\n{}", DemoReport { ended: &ended, palette: output.palette() }))?;
    }
    Ok(if ended.is_good() { Status::Good } else { Status::WrongInput })
}

fn settings(args: &args::Demo) -> Result<Settings, Report> {
    let clients = args.clients.map_or(if args.fast { 20 } else { 100 }, u64::from);
    let rate = args.rate.map_or(clients * RATE_EACH, u64::from);
    if rate < clients {
        // A client that says nothing is told to move by a notice, and takes its time.
        return Err(Report::new(format!("{clients} clients, and only {rate} calls a second"))
            .with_hint(Some("--rate wants at least one call a second for each client")));
    }
    Ok(Settings {
        clients,
        calls_per_second: rate as f64,
        seed: args.seed,
        keep: args.keep.clone(),
        json: args.json,
        dwell: if args.fast { FAST_DWELL } else { DWELL },
    })
}

/// However this ends, the servers end with it.
async fn run_until_told(settings: &Settings, output: &mut Output) -> Result<Ended, Stop> {
    let listen = |kind| {
        signal(kind).map_err(|error| Report::new(format!("cannot listen to signals: {error}")))
    };
    let mut signals = [
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
    ];
    tokio::select! {
        // First: Ctrl-C goes to the servers, too, and that they end is then no wonder.
        biased;
        () = any(&mut signals) => Err(Report::new("interrupted; the servers are ended").into()),
        ended = tokio::time::timeout(MAX_TIME, play(settings, output)) => ended.unwrap_or_else(|_| {
            let seconds = MAX_TIME.as_secs();
            Err(Report::new(format!("the demo was not over after {seconds} s; the servers are ended")).into())
        }),
    }
}

async fn any([first, second, third]: &mut [Signal; 3]) {
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
        _ = third.recv() => {}
    }
}
