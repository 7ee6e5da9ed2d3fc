//! `ubf load`: many calls, and how long they took.

use std::io;
use std::time::Duration;

use tokio::signal::ctrl_c;
use tokio::time::{Instant, interval_at};

use crate::args;
use crate::commands::load_report::{LoadJson, LoadReport, progress};
use crate::network;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;
use ubf_client::SessionPlan;
use ubf_load::load::{Load, Plan, Requests, Snapshot, StartError, Summary};

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
    plan.stock = args.classic.plan()?;
    plan.versions.clone_from(&args.connect.versions);
    plan.policy = args.connect.policy();
    plan.tls = args.connect.tls(&args.addresses)?;
    plan.limits = args.connect.limits.limits();
    if !args.no_session {
        plan.session = SessionPlan::wanted();
    }
    plan.cut = args.cut;
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
    let mut progress = Progress::new(args.progress, output);
    let mut told = Told::listen()?;
    let mut load = tokio::select! {
        load = Load::start(plan) => load.map_err(|error| cannot_start(&error))?,
        () = told.is_over() => {
            return Err(Report::new("interrupted before all clients were connected"));
        }
    };
    let mut ticks = interval_at(Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    loop {
        tokio::select! {
            () = load.ended() => break,
            () = told.is_over() => {
                progress.end(output);
                output.note("interrupted: waiting for the calls that are open");
                load.stop();
                tokio::select! {
                    () = load.ended() => {}
                    () = told.is_over() => {}
                    () = tokio::time::sleep(PATIENCE) => {}
                }
                break;
            }
            _ = ticks.tick() => progress.show(&load.snapshot(), output),
        }
    }
    progress.end(output);
    Ok(load.finish(Duration::ZERO).await)
}

/// Why there is no load.
pub(crate) fn cannot_start(error: &StartError) -> Report {
    match error {
        StartError::Connect(error) => network::cannot_connect(error),
        StartError::Stock(error) => network::classic::cannot_connect(error),
        StartError::Service(error) => network::classic::failed(error),
        _ => Report::new(error.to_string()),
    }
}

/// How it is going, on stderr: one line that changes at a terminal, else a line each time.
enum Progress {
    Hidden,
    Lines,
    OneLine { is_there: bool },
}

impl Progress {
    fn new(is_wanted: bool, output: &Output) -> Self {
        match (output.messages_move(), is_wanted) {
            (true, _) => Self::OneLine { is_there: false },
            (false, true) => Self::Lines,
            (false, false) => Self::Hidden,
        }
    }

    fn show(&mut self, snapshot: &Snapshot, output: &mut Output) {
        match self {
            Self::Hidden => {}
            Self::Lines => output.note(progress(snapshot)),
            Self::OneLine { is_there } => {
                *is_there = true;
                output.passing_note(progress(snapshot));
            }
        }
    }

    /// What follows begins a line.
    fn end(&mut self, output: &mut Output) {
        if let Self::OneLine { is_there } = self
            && std::mem::take(is_there)
        {
            output.clear_passing_note();
        }
    }
}

/// The signals that end a load with its report.
struct Told {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Told {
    fn listen() -> Result<Self, Report> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(|error| Report::new(format!("cannot listen to signals: {error}")))?,
        })
    }

    /// Waits for Ctrl-C or SIGTERM.
    async fn is_over(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = ctrl_c() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        drop(ctrl_c().await);
    }
}
