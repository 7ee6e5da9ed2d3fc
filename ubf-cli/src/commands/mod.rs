//! The commands, and what they have in common: inputs one after the other, errors that do not stop
//! the next input.

#[cfg(unix)]
pub(crate) mod admin;
mod attack;
mod call;
mod check;
mod decode;
#[cfg(unix)]
mod demo;
mod encode;
mod fmt;
mod from_json;
mod load;
mod load_report;
mod repl;
mod to_json;
mod trace;

use std::io;
use std::path::PathBuf;

use crate::args::{Command, DialectArgs, InputArgs, LimitArgs};
use crate::packets::hints::Reading;
use crate::packets::input::{self, Input};
use crate::packets::passage::{Passage, Split};
use crate::packets::side::Side;
use crate::packets::stream::Trouble;
use crate::ui::output::Output;
use crate::ui::reason::reason;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// Runs a command. An error is one of stdout.
pub(crate) fn run(command: &Command, output: &mut Output) -> io::Result<Status> {
    match command {
        Command::Decode(args) => decode::run(args, output),
        Command::Encode(args) => encode::run(args, output),
        Command::ToJson(args) => to_json::run(args, output),
        Command::FromJson(args) => from_json::run(args, output),
        Command::Check(args) => check::run(args, output),
        Command::Fmt(args) => fmt::run(args, output),
        Command::Trace(args) => trace::run(args, output),
        // `main` runs it before there is an output.
        Command::Serve(_) => Ok(Status::Good),
        Command::Call(args) => call::run(args, output),
        Command::Repl(args) => repl::run(args, output),
        Command::Load(args) => load::run(args, output),
        Command::Attack(args) => attack::run(args, output),
        #[cfg(unix)]
        Command::Admin(args) => admin::run(args, output),
        #[cfg(unix)]
        Command::Demo(args) => demo::run(args, output),
    }
}

/// Opens each input and hands it to `work`; reports what goes wrong, and goes on with the next.
fn each_input(
    files: &[PathBuf],
    hex: bool,
    output: &mut Output,
    mut work: impl FnMut(Input, &mut Output) -> Result<Status, Trouble>,
) -> io::Result<Status> {
    let mut worst = Status::Good;
    for path in input::named(files) {
        let name = input::shown(&path);
        if input::is_stdin(&path) && input::stdin_is_terminal() {
            output.note(
                "reading what you type; Ctrl-D ends it, Ctrl-C gives up, --help has examples",
            );
        }
        let ended = match Input::open(&path, hex) {
            Ok(input) => work(input, output),
            Err(error) => Err(Trouble::Read(error)),
        };
        worst = worst.max(match ended {
            Ok(status) => status,
            Err(trouble) => report(trouble, &name, output)?,
        });
    }
    Ok(worst)
}

/// Cuts each input into passages and hands them to `work`, with the input's name, as they arrive.
/// The first that is wrong is reported and ends its input.
fn each_passage<S: Split>(
    files: &[PathBuf],
    output: &mut Output,
    splitter: impl Fn() -> S,
    mut work: impl FnMut(&Passage, &str, &mut Output) -> io::Result<Result<(), Report>>,
) -> io::Result<Status> {
    each_input(files, false, output, |mut input, output| {
        let mut splitter = splitter();
        let mut is_end = false;
        loop {
            while let Some(passage) = splitter.next(is_end) {
                if let Err(report) = work(&passage, input.name(), output)? {
                    output.report(&report)?;
                    return Ok(Status::WrongInput);
                }
            }
            if is_end {
                return Ok(Status::Good);
            }
            output.flush()?;
            is_end = !input.fill(splitter.buffer())?;
        }
    })
}

/// Says what went wrong with an input.
fn report(trouble: Trouble, path: &str, output: &mut Output) -> io::Result<Status> {
    let name = if path == "-" { "stdin" } else { path };
    match trouble {
        Trouble::Write(error) => return Err(error),
        Trouble::Wrong(wrong) => output.report(&wrong.brief(name))?,
        Trouble::Hex(error) => {
            output.report(&Report::new(format!("{name}: {error}")).with_hint(Some(
                "--hex wants hex digits and white space alone, as `xxd -p` writes them",
            )))?
        }
        Trouble::Read(error) => {
            output.report(&Report::new(format!("cannot read {name}: {}", reason(&error))))?;
            return Ok(Status::Trouble);
        }
    }
    Ok(Status::WrongInput)
}

/// How the arguments want packets to be read.
const fn reading(
    side: Option<Side>,
    dialect: &DialectArgs,
    limits: &LimitArgs,
    input: &InputArgs,
) -> Reading {
    Reading {
        side,
        dialect: dialect.dialect(),
        any_escape: dialect.any_escape,
        limits: limits.limits(),
        hex: input.hex,
    }
}
