//! What the commands that read packets have in common: inputs one after the other, errors that do
//! not stop the next input.

use std::io;
use std::path::{Path, PathBuf};

use crate::args::packets::{DialectArgs, InputArgs, LimitArgs};
use crate::packets::hints::Reading;
use crate::packets::input::{self, Input, InputError};
use crate::packets::passage::{Passage, Split};
use crate::packets::side::Side;
use crate::packets::stream::Trouble;
use crate::packets::terms::TermSplitter;
use crate::ui::output::Output;
use crate::ui::reason::reason;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// Opens each input and hands it to `work`; reports what goes wrong, and goes on with the next.
pub(super) fn each_input(
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
pub(super) fn each_passage<S: Split>(
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

/// Hands over each term of a text until one says that it is the last. The outer error is one of
/// stdout.
pub(super) fn each_term(
    path: &Path,
    output: &mut Output,
    work: &mut impl FnMut(&Passage, &mut Output) -> io::Result<bool>,
) -> io::Result<Result<(), Report>> {
    let cannot_read = |error: &io::Error| {
        let name = input::name(path);
        Err(Report::new(format!("cannot read {name}: {}", reason(error))))
    };
    let mut input = match Input::open(path, false) {
        Ok(input) => input,
        Err(error) => return Ok(cannot_read(&error)),
    };
    let mut splitter = TermSplitter::new();
    let mut is_end = false;
    loop {
        while let Some(passage) = splitter.next(is_end) {
            if !work(&passage, output)? {
                return Ok(Ok(()));
            }
        }
        if is_end {
            return Ok(Ok(()));
        }
        output.flush()?;
        match input.fill(splitter.buffer()) {
            Ok(has_more) => is_end = !has_more,
            Err(InputError::Io(error)) => return Ok(cannot_read(&error)),
            // It is not read as hex.
            Err(InputError::Hex(_)) => return Ok(Ok(())),
        }
    }
}

/// Says what went wrong with an input.
pub(super) fn report(trouble: Trouble, path: &str, output: &mut Output) -> io::Result<Status> {
    let name = if path == "-" { "stdin" } else { path };
    match trouble {
        Trouble::Write(error) => return Err(error),
        Trouble::Wrong(wrong) => output.report(&wrong.brief(name))?,
        Trouble::Hex(error) => {
            let hint = match error.byte() {
                0xEF | 0xFE | 0xFF => {
                    "it looks like a byte order mark: write the digits without it, as `xxd -p` does"
                }
                _ => "--hex wants hex digits and white space alone, as `xxd -p` writes them",
            };
            output.report(&Report::new(format!("{name}: {error}")).with_hint(Some(hint)))?;
        }
        Trouble::Read(error) => {
            output.report(&Report::new(format!("cannot read {name}: {}", reason(&error))))?;
            return Ok(Status::Trouble);
        }
    }
    Ok(Status::WrongInput)
}

/// How the arguments want packets to be read.
pub(super) const fn reading(
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
