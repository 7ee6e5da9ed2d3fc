//! `ubf upgrade`: a running server is replaced in place, by one that is started here and watched.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use ubf_node::control::{TakeoverPhase, TakeoverReport};

use crate::admin::{Admin, AdminError};
use crate::args::upgrade::Upgrade;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;
use crate::ui::text::counted;
use crate::ui::units;

/// Between two looks at the servers.
const LOOK: Duration = Duration::from_millis(10);
/// How long a server may be silent. One that gives its place answers within two seconds.
const SILENCE: Duration = Duration::from_secs(5);
/// How long the old server may take to go on when the new one has failed.
const RETURN_TIME: Duration = Duration::from_secs(15);

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    /// Whether the new server serves.
    upgraded: bool,
    /// The processes.
    old: u64,
    new: u64,
    /// How long no connection was taken and nothing begun for sessions.
    pause_us: Option<u64>,
    /// Sessions that went along at once, and those that came when what ran for them had ended.
    sessions: u64,
    staying: u64,
    /// The phases, as the old server saw them.
    phases: Vec<TakeoverPhase>,
    /// Why it does not serve.
    why: Option<String>,
}

pub(crate) fn run(args: &Upgrade, output: &mut Output) -> io::Result<Status> {
    let prepared = Admin::connect(&args.control, SILENCE)
        .and_then(|mut admin| admin.status().map(|status| (admin, status.pid)))
        .map_err(|error| format!("{}: {error}", args.control.display()));
    let (admin, old) = match prepared {
        Ok(found) => found,
        Err(message) => {
            output.report(&Report::new(message).with_hint(Some(
                "an upgrade wants a server that runs: ubf serve --control PATH",
            )))?;
            return Ok(Status::Trouble);
        }
    };
    let started = successor(args, old).and_then(|mut command| command.spawn());
    let child = match started {
        Ok(child) => child,
        Err(error) => {
            let message = format!("the new program cannot be started: {error}");
            output.report(&Report::new(message))?;
            return Ok(Status::Trouble);
        }
    };
    let new = u64::from(child.id());
    let mut watch =
        Watch { args, admin, child, seen: TakeoverReport::default(), is_json: args.json };
    let result = watch.follow(old, output)?;
    let TakeoverReport { phases, sessions, staying, .. } = watch.seen.clone();
    let pause_us = watch.seen.pause_us();
    let why = result.err();
    let upgraded = why.is_none();
    let outcome = Outcome { upgraded, old, new, pause_us, sessions, staying, phases, why };
    show(args, &outcome, output)?;
    Ok(if upgraded { Status::Good } else { Status::WrongInput })
}

fn show(args: &Upgrade, outcome: &Outcome, output: &mut Output) -> io::Result<()> {
    if args.json {
        output.line(serde_json::to_string(outcome).map_err(io::Error::from)?)?;
    } else if outcome.upgraded {
        let pause = outcome.pause_us.map(|us| units::time(Duration::from_micros(us)));
        let pause = pause.unwrap_or_else(|| "unknown".into());
        output.line(format_args!(
            "process {} serves in the place of process {}: {} went along, clients waited {pause}",
            outcome.new,
            outcome.old,
            counted(outcome.sessions + outcome.staying, "session"),
        ))?;
    }
    if let Some(why) = &outcome.why {
        let message = format!("not upgraded: {why}");
        output.report(&Report::new(message).with_hint(Some(format!(
            "the server from before goes on, as process {}",
            outcome.old
        ))))?;
    }
    Ok(())
}

/// The two servers, from the start of the new one on.
struct Watch<'a> {
    args: &'a Upgrade,
    /// The old server, for as long as it answers.
    admin: Admin,
    child: Child,
    /// What the old server has told.
    seen: TakeoverReport,
    is_json: bool,
}

impl Watch<'_> {
    /// Why the new server does not serve, if it does not.
    fn follow(&mut self, old: u64, output: &mut Output) -> io::Result<Result<(), String>> {
        let until = Instant::now() + self.args.within;
        let new = u64::from(self.child.id());
        loop {
            let answer = self.admin.last_takeover();
            if let Ok(Some(report)) = &answer
                && report.role == "predecessor"
                && report.other == new
            {
                self.tell(report, output)?;
            }
            match answer {
                Ok(_) if matches!(self.seen.stage.as_str(), "back" | "listening") => {
                    let why = self.seen.why.clone();
                    self.end_child();
                    return Ok(Err(why.unwrap_or_else(|| "for no reason that is known".into())));
                }
                Ok(_) => {}
                // It ends when the new one has proven itself.
                Err(_) => return Ok(self.new_serves(until)),
            }
            if self.seen.stage == "served" {
                return Ok(self.new_serves(until));
            }
            if let Some(ended) = self.child.try_wait()? {
                return self.ended(&ended.to_string(), old, output).map(Err);
            }
            if Instant::now() >= until {
                self.end_child();
                let time = units::time(self.args.within);
                return self.ended(&format!("not done within {time}"), old, output).map(Err);
            }
            thread::sleep(LOOK);
        }
    }

    /// Shows the phases that were reached since.
    fn tell(&mut self, report: &TakeoverReport, output: &mut Output) -> io::Result<()> {
        let known = self.seen.phases.len();
        if !self.is_json {
            for phase in report.phases.iter().skip(known) {
                let after = units::time(Duration::from_micros(phase.after_us));
                output.line(format_args!("{:>10}  {}", after, words(&phase.stage)))?;
                output.flush()?;
            }
        }
        self.seen = report.clone();
        Ok(())
    }

    /// The new server has ended. The old one goes on as soon as it has seen that.
    fn ended(&mut self, how: &str, old: u64, output: &mut Output) -> io::Result<String> {
        let until = Instant::now() + RETURN_TIME;
        while Instant::now() < until {
            let Ok(report) = self.admin.last_takeover() else { break };
            let Some(report) = report.filter(|report| report.other == u64::from(self.child.id()))
            else {
                // It never came so far.
                return Ok(format!("the new program has ended ({how})"));
            };
            self.tell(&report, output)?;
            let is_over = report.why.is_some()
                && !matches!(report.stage.as_str(), "suspending" | "suspended" | "given" | "go");
            if is_over {
                let why = report.why.unwrap_or_default();
                return Ok(format!("the new program has ended ({how}): {why}"));
            }
            thread::sleep(LOOK);
        }
        Ok(format!("the new program has ended ({how}), and process {old} does not answer"))
    }

    /// Whether the new server answers at the control socket, and has taken over.
    fn new_serves(&mut self, until: Instant) -> Result<(), String> {
        let new = u64::from(self.child.id());
        loop {
            let asked = Admin::connect(&self.args.control, SILENCE)
                .and_then(|mut admin| Ok((admin.status()?.pid, admin.last_takeover()?)));
            match asked {
                Ok((pid, Some(report)))
                    if pid == new && matches!(report.stage.as_str(), "served" | "alone") =>
                {
                    return Ok(());
                }
                Ok(_) | Err(AdminError::Connect(_) | AdminError::Lost(_)) => {}
                Err(error) => return Err(error.to_string()),
            }
            if let Ok(Some(ended)) = self.child.try_wait() {
                return Err(format!("the new program has ended ({ended})"));
            }
            if Instant::now() >= until {
                return Err("the new program does not answer at the control socket".into());
            }
            thread::sleep(LOOK);
        }
    }

    fn end_child(&mut self) {
        let _is_killed = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
    }
}

/// What a phase means.
fn words(stage: &str) -> &str {
    match stage {
        "suspending" => "the new program is warm: the old one takes nothing new",
        "suspended" => "nothing runs any more; the store is closed",
        "given" => "listeners and sessions are given",
        "go" => "the new program serves",
        "served" => "it has served for two seconds: the old one ends",
        "back" => "the old program goes on with all connections",
        "listening" => "the old program listens again",
        other => other,
    }
}

/// The new program, as it is to be started.
fn successor(args: &Upgrade, old: u64) -> io::Result<Command> {
    let process = PathBuf::from(format!("/proc/{old}"));
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => started_from(&process)?,
    };
    let mut command = Command::new(binary);
    if args.arguments.is_empty() {
        command.args(arguments_of(&process)?);
        command.envs(settings_of(&process)?);
        // Relative names are those of the old one.
        command.current_dir(process.join("cwd"));
    } else {
        command.args(&args.arguments);
    }
    if !args.arguments.iter().any(|argument| argument == "--take-over") {
        command.arg("--take-over");
    }
    let log = match &args.log_file {
        Some(file) => Stdio::from(File::options().append(true).create(true).open(file)?),
        None => Stdio::inherit(),
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    // A key that ends this tool does not end the server.
    command.process_group(0);
    Ok(command)
}

/// The file that a process was started from. One that was replaced since is meant by its name.
fn started_from(process: &Path) -> io::Result<PathBuf> {
    let file = fs::read_link(process.join("exe"))?;
    let name = file.as_os_str().as_bytes();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    Ok(PathBuf::from(OsStr::from_bytes(name)))
}

/// The arguments of a process, without the name that it was called by.
fn arguments_of(process: &Path) -> io::Result<Vec<OsString>> {
    let all = fs::read(process.join("cmdline"))?;
    let arguments = all.split(|&byte| byte == 0).skip(1);
    let mut arguments: Vec<_> =
        arguments.map(|argument| OsStr::from_bytes(argument).to_owned()).collect();
    // Each ends with a zero.
    arguments.pop();
    arguments.retain(|argument| argument != "--take-over");
    Ok(arguments)
}

/// The settings in the environment of a process.
fn settings_of(process: &Path) -> io::Result<Vec<(OsString, OsString)>> {
    let all = fs::read(process.join("environ"))?;
    let variables = all.split(|&byte| byte == 0).filter_map(|variable| {
        let at = variable.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (variable.get(..at)?, variable.get(at + 1..)?);
        let own = |bytes| OsStr::from_bytes(bytes).to_owned();
        name.starts_with(b"UBF_SERVE_").then(|| (own(name), own(value)))
    });
    Ok(variables.collect())
}
