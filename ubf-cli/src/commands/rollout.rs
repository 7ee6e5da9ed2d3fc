//! `ubf rollout`: a release over a fleet, and back.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ubf_fleet::{Plan, Record, Stage, Steering, Way};

use crate::args::rollout::{
    AbortArgs, FinalizeArgs, PlanArgs, RolloutArgs, RolloutCommand, RunArgs, StatusArgs,
};
use crate::rollout::controller::{Ended, drive};
use crate::rollout::plan::{Draft, Fleet};
use crate::rollout::steps;
use crate::rollout::store::Store;
use crate::rollout::words::{Shown, short};
use crate::ui::output::Output;
use crate::ui::reason::reason;
use crate::ui::report::Report;
use crate::ui::status::Status;
use crate::ui::units::time;

/// How long a controller at work may take to hear a wish. It hears it between two steps, at once
/// while it waits.
const HEAR_TIME: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

/// What is wrong, and how bad that is.
type Problem = (Status, Report);

pub(crate) fn run(args: &RolloutArgs, output: &mut Output) -> io::Result<Status> {
    let done = match &args.command {
        RolloutCommand::Plan(args) => plan(args, output),
        RolloutCommand::Run(args) => go_on(&args.which.plan, args, output),
        RolloutCommand::Status(args) => status(args, output),
        RolloutCommand::Pause(which) => steer(&which.plan, &Steering::Pause, output),
        RolloutCommand::Resume(which) => steer(&which.plan, &Steering::Resume, output),
        RolloutCommand::Abort(AbortArgs { which, why }) => {
            steer(&which.plan, &Steering::Abort(why.clone()), output)
        }
        RolloutCommand::Finalize(args) => finalize(args, output),
    };
    match done {
        Ok(status) => Ok(status),
        Err(Stop::Write(error)) => Err(error),
        Err(Stop::Problem((status, report))) => {
            output.report(&report)?;
            Ok(status)
        }
    }
}

enum Stop {
    /// Stdout is gone.
    Write(io::Error),
    Problem(Problem),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn wrong(text: impl Into<String>) -> Problem {
    (Status::WrongInput, Report::new(text))
}

/// What is wrong with a file of the rollout.
fn trouble(path: &Path) -> impl Fn(io::Error) -> Problem {
    move |error| (Status::Trouble, Report::new(format!("{}: {}", path.display(), reason(&error))))
}

fn read(path: &Path) -> Result<Fleet, Problem> {
    Fleet::read(path).map_err(|why| {
        let hint = "`ubf rollout plan` writes a plan and checks it";
        (Status::WrongInput, Report::new(why).with_hint(Some(hint)))
    })
}

fn plan(args: &PlanArgs, output: &mut Output) -> Result<Status, Stop> {
    let path = &args.which.plan;
    if let (Some(release), Some(binary)) = (&args.release, &args.binary) {
        let draft = Draft {
            release,
            binary,
            keys: &args.keys,
            nodes: &args.nodes,
            canary: args.canary,
            wave: args.wave,
            soak: args.soak,
            way: args.way,
        };
        let text = draft.text().map_err(wrong)?;
        let opened = OpenOptions::new().write(true).create_new(true).open(path);
        let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(trouble(path))?;
        // What cannot be read is not left.
        if let Err(problem) = read(path) {
            fs::remove_file(path).map_err(trouble(path))?;
            return Err(problem.into());
        }
    }
    let fleet = read(path)?;
    let (plan, manifest) = (&fleet.plan, &fleet.manifest);
    let (name, number, all) = (&manifest.name, manifest.number, plan.nodes.len());
    let hash = short(&plan.release);
    output.line(format_args!("{name} {number} ({hash}, {} bytes) for:", manifest.bytes))?;
    waves(plan, output)?;
    let soak = time(Duration::from_millis(plan.soak_ms));
    let way = match plan.way {
        Way::InPlace => "it takes over from the release before, in place",
        Way::Restart => "a node is stopped, and started again",
    };
    output.line(format_args!("{way}; each wave is watched for {soak}"))?;
    let unwatched = fleet.nodes.iter().filter(|node| node.metrics.is_none()).count();
    if unwatched > 0 && plan.gates.max_p99_percent > 0 {
        output.note(format_args!("{unwatched} of {all} nodes have no metrics: no gate on times"));
    }
    let uncounted = fleet.nodes.iter().filter(|node| node.control.is_none()).count();
    if uncounted > 0 {
        let text = "have no control: calls, losses and rows are not looked at";
        output.note(format_args!("{uncounted} of {all} nodes {text}"));
    }
    Ok(Status::Good)
}

fn waves(plan: &Plan, output: &mut Output) -> io::Result<()> {
    let (canary, rest) = plan.nodes.split_at(plan.canary.min(plan.nodes.len()));
    output.line(format_args!("  canary  {}", canary.join(", ")))?;
    for (number, wave) in rest.chunks(plan.wave.max(1)).enumerate() {
        output.line(format_args!("  wave {}  {}", number + 1, wave.join(", ")))?;
    }
    Ok(())
}

/// The record of a rollout that has begun.
fn record(store: &Store, path: &Path) -> Result<Record, Problem> {
    let loaded = store.load().map_err(trouble(store.folder()))?;
    loaded.ok_or_else(|| {
        let hint = format!("`ubf rollout run {}` begins it", path.display());
        let report = Report::new(format!("the rollout of {} has not begun", path.display()));
        (Status::WrongInput, report.with_hint(Some(hint)))
    })
}

fn go_on(path: &Path, args: &RunArgs, output: &mut Output) -> Result<Status, Stop> {
    let store = Store::of(path);
    let lead = match store.lead().map_err(trouble(store.folder()))? {
        Ok(lead) => Some(lead),
        Err(_) if args.take_over => None,
        Err(process) => {
            let who = process.map_or_else(String::new, |process| format!(", process {process},"));
            let report = Report::new(format!("another controller{who} is at work"));
            let hint = "--take-over goes on in its place; `ubf rollout status --watch` looks";
            return Err((Status::WrongInput, report.with_hint(Some(hint))).into());
        }
    };
    let status = control(path, store, output);
    drop(lead);
    status
}

/// Is the controller until nothing is to be done.
fn control(path: &Path, store: Store, output: &mut Output) -> Result<Status, Stop> {
    let fleet = read(path)?;
    let folder = store.folder().to_path_buf();
    let record = match store.load().map_err(trouble(&folder))? {
        Some(record) if record.is_over() => {
            output.text(Shown::of(&record, None).text())?;
            let hint = format!("without the folder {} it begins anew", folder.display());
            let report = Report::new("this rollout is over").with_hint(Some(hint));
            return Err((Status::WrongInput, report).into());
        }
        Some(record) if record.plan != fleet.plan => {
            let text = format!("{} is not the plan that was begun with", path.display());
            let hint = "go on with that one, or abort with that one and begin another";
            return Err((Status::WrongInput, Report::new(text).with_hint(Some(hint))).into());
        }
        Some(record) => record,
        None => {
            let hint = "nothing has begun: each node of the plan wants an agent that answers";
            let unreachable = |why| (Status::Trouble, Report::new(why).with_hint(Some(hint)));
            steps::reach(&fleet).map_err(unreachable)?;
            Record::new(fleet.plan.clone())
        }
    };
    let (name, number) = (fleet.manifest.name.clone(), fleet.manifest.number);
    output.line(format_args!("{name} {number}, {} nodes", fleet.nodes.len()))?;
    let (ended, record) = drive(fleet, store, record, output).map_err(trouble(&folder))?;
    tell(path, ended, &record, output)
}

/// How it ended, and what an operator can do then.
fn tell(path: &Path, ended: Ended, record: &Record, output: &mut Output) -> Result<Status, Stop> {
    let path = path.display();
    let report = match ended {
        Ended::Fenced => Report::new("another controller goes on with it, and this one ends")
            .with_hint(Some(format!("`ubf rollout status {path} --watch` looks"))),
        Ended::Interrupted => Report::new("interrupted; the step that was begun may still be done")
            .with_hint(Some(format!("`ubf rollout run {path}` goes on, or `abort` takes it back"))),
        Ended::Idle if record.is_paused => {
            Report::new("paused").with_hint(Some(format!("`ubf rollout resume {path}` goes on")))
        }
        Ended::Idle => match record.stage {
            Stage::Done => return Ok(Status::Good),
            Stage::RolledBack { .. } => return Ok(Status::WrongInput),
            Stage::CodeComplete => {
                output.note(format_args!(
                    "`ubf rollout finalize {path}` ends it; until then `abort` takes it back"
                ));
                return Ok(Status::Good);
            }
            Stage::Planned
            | Stage::Preflight { .. }
            | Stage::Changing { .. }
            | Stage::Soaking { .. }
            | Stage::Finalizing { .. }
            | Stage::RollingBack { .. } => Report::new("it stands still"),
        },
    };
    Err((Status::WrongInput, report).into())
}

fn status(args: &StatusArgs, output: &mut Output) -> Result<Status, Stop> {
    let store = Store::of(&args.which.plan);
    let mut last = None;
    loop {
        let record = record(&store, &args.which.plan)?;
        let leader = store.leader();
        let seen = (record, leader);
        if last.as_ref() != Some(&seen) {
            let shown = Shown::of(&seen.0, leader);
            if args.json {
                output.line(serde_json::to_string(&shown).map_err(io::Error::other)?)?;
            } else {
                if args.watch.is_some() {
                    output.next_page()?;
                }
                output.text(shown.text())?;
            }
            output.flush()?;
        }
        match args.watch {
            Some(interval) if !seen.0.is_over() => thread::sleep(interval),
            Some(_) | None => return Ok(Status::Good),
        }
        last = Some(seen);
    }
}

fn finalize(args: &FinalizeArgs, output: &mut Output) -> Result<Status, Stop> {
    let path = &args.which.plan;
    let store = Store::of(path);
    let record = record(&store, path)?;
    if !matches!(record.stage, Stage::CodeComplete | Stage::Finalizing { .. }) {
        let text = "it is not code complete: rows are finalized when all nodes are changed";
        let hint = format!("`ubf rollout status {}` says how far it is", path.display());
        return Err((Status::WrongInput, Report::new(text).with_hint(Some(hint))).into());
    }
    if !args.yes && !is_meant(output)? {
        return Ok(Status::Trouble);
    }
    steer(path, &Steering::Finalize, output)
}

fn is_meant(output: &mut Output) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        let text = "finalizing has no way back, and nobody can be asked";
        output.report(&Report::new(text).with_hint(Some("--yes says that it is meant")))?;
        return Ok(false);
    }
    output.aside(
        "The release before is removed from all nodes, and rows are written in a form that it \
         cannot read.\nThere is no way back. Go on? [y/N] ",
    );
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Leaves a wish to the controller that is at work, or is the one that fulfils it.
fn steer(path: &Path, wish: &Steering, output: &mut Output) -> Result<Status, Stop> {
    let store = Store::of(path);
    let before = record(&store, path)?;
    if before.is_over() {
        output.text(Shown::of(&before, None).text())?;
        return Err(wrong("this rollout is over").into());
    }
    if matches!((wish, &before.stage), (Steering::Abort(_), Stage::Finalizing { .. })) {
        return Err(wrong("it is being finalized, and there is no way back").into());
    }
    store.wish(wish).map_err(trouble(store.folder()))?;
    let mut waited = Duration::ZERO;
    loop {
        if let Ok(lead) = store.lead().map_err(trouble(store.folder()))? {
            let status = control(path, store, output);
            drop(lead);
            // Who wanted a pause has it, and who wanted it back has that.
            let is_reached = match (wish, record(&Store::of(path), path)?) {
                (Steering::Pause, record) => record.is_paused,
                (Steering::Abort(_), record) => matches!(record.stage, Stage::RolledBack { .. }),
                (Steering::Resume | Steering::Finalize, _) => false,
            };
            return if is_reached { Ok(Status::Good) } else { status };
        }
        if store.is_heard() {
            output.line("the controller that is at work has heard it")?;
            return Ok(Status::Good);
        }
        if waited >= HEAR_TIME {
            output.line("the controller that is at work hears it after the step it is at")?;
            return Ok(Status::Good);
        }
        thread::sleep(LOOK);
        waited += LOOK;
    }
}
