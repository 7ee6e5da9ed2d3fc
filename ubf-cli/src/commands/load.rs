//! `ubf load`: many calls, and how long they took.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use tokio::signal::ctrl_c;
use tokio::time::{Instant, interval_at};

use crate::args;
use crate::commands::load_report::{LoadJson, LoadReport, progress};
use crate::network;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;
use ubf_load::load::{Load, Plan, Requests, Snapshot, Summary};

/// Without --duration and --calls.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);
/// Between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// For calls that are open after Ctrl-C. Chosen: who presses it does not want to wait.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &args::Load, output: &mut Output) -> io::Result<Status> {
    let plan = match plan(args) {
        Ok(plan) => plan,
        Err(report) => {
            output.report(&report)?;
            return Ok(Status::WrongInput);
        }
    };
    let ended = network::runtime(true)
        .and_then(|runtime| runtime.block_on(make_calls(args, plan.clone(), output)));
    let summary = match ended {
        Ok(summary) => summary,
        Err(report) => {
            output.report(&report)?;
            return Ok(Status::Trouble);
        }
    };
    if args.json {
        output.line(LoadJson::new(&plan, &summary))?;
    } else {
        output.text(LoadReport { plan: &plan, summary: &summary, palette: output.palette() })?;
    }
    let is_good = summary.results.counts.bad() == 0;
    Ok(if is_good { Status::Good } else { Status::WrongInput })
}

fn plan(args: &args::Load) -> Result<Plan, Report> {
    let size = usize::try_from(args.size).unwrap_or(usize::MAX);
    let requests = match &args.request {
        Some(text) => Requests::Same(network::term(text)?),
        None => Requests::of_size(size),
    };
    let mut plan = Plan::new(args.addresses.iter().cloned());
    plan.spreads = args.spread;
    plan.service = args.connect.service();
    plan.versions.clone_from(&args.connect.versions);
    plan.policy = args.connect.policy();
    plan.limits = args.connect.limits.limits();
    plan.requests = requests;
    plan.connections = usize::try_from(args.connections).unwrap_or(usize::MAX);
    plan.depth = usize::try_from(args.depth).unwrap_or(usize::MAX);
    plan.rate = args.rate;
    plan.warm_up = args.warm_up;
    plan.duration = args.duration.or_else(|| args.calls.is_none().then_some(DEFAULT_DURATION));
    plan.calls = args.calls;
    plan.call_time = args.timeout;
    plan.is_idempotent = args.idempotent;
    plan.expects_echo = args.check;
    Ok(plan)
}

async fn make_calls(args: &args::Load, plan: Plan, output: &mut Output) -> Result<Summary, Report> {
    let shows_progress = args.progress || io::stderr().is_terminal();
    let mut load = tokio::select! {
        load = Load::start(plan) => load.map_err(|error| network::cannot_connect(&error))?,
        _ = ctrl_c() => return Err(Report::new("interrupted before all clients were connected")),
    };
    let mut ticks = interval_at(Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    loop {
        tokio::select! {
            () = load.ended() => break,
            _ = ctrl_c() => {
                output.note("interrupted: waiting for the calls that are open");
                load.stop();
                tokio::select! {
                    () = load.ended() => {}
                    _ = ctrl_c() => {}
                    () = tokio::time::sleep(PATIENCE) => {}
                }
                break;
            }
            _ = ticks.tick() => {
                let snapshot: Snapshot = load.snapshot();
                if shows_progress {
                    output.note(progress(&snapshot));
                }
            }
        }
    }
    Ok(load.finish(Duration::ZERO).await)
}
