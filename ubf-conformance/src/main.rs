//! Runs the specification's vectors over an implementation: see `ubf-conformance --help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for the terminal")]

mod args;
mod machine_readable;

use std::fs;
use std::io::{self, Write, stdin, stdout};
use std::process::ExitCode;

use clap::Parser;
use ubf_conformance::capability::Capability;
use ubf_conformance::files::Files;
use ubf_conformance::line_protocol;
use ubf_conformance::ours::{Codec, Machines};
use ubf_conformance::program::Program;
use ubf_conformance::report::Report;
use ubf_conformance::suite::Suite;

use self::args::Args;

/// The arguments, the vectors or the program are not as they must be.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    match conform(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("ubf-conformance: {problem}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn conform(args: &Args) -> Result<bool, String> {
    if args.serve {
        let mut machines = Machines::default();
        line_protocol::serve(&Codec, &mut machines, stdin().lock(), stdout().lock())
            .map_err(|error| error.to_string())?;
        return Ok(true);
    }
    let files = match &args.vectors {
        Some(folder) => Files::read(folder)?,
        None => Files::built_in(),
    };
    let mut suite = Suite::load(&files)?;
    if !args.only.is_empty() {
        suite = suite.only(&args.only)?;
    }
    let required = args.require.clone().unwrap_or_default().0;
    let with_notices = required.contains(&Capability::Notices);
    let report = match args.command.split_first() {
        Some((program, arguments)) => {
            let program = Program::start(program, arguments, args.timeout)?;
            suite.run(&program, &mut &program, with_notices)
        }
        None => suite.run(&Codec, &mut Machines::default(), with_notices),
    };
    if let Some(file) = &args.junit {
        fs::write(file, machine_readable::junit(&report, &required))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    let text = if args.json {
        format!("{:#}", machine_readable::json(&report, &required))
    } else {
        text(&report, &required)
    };
    match writeln!(stdout(), "{text}") {
        // Who reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.map_err(|error| error.to_string())?,
    }
    Ok(report.passed(&required))
}

/// The report, and below it what is required and missing.
fn text(report: &Report, required: &[Capability]) -> String {
    let mut text = report.to_string();
    for check in report.missing(required) {
        let needs = check.unsupported.iter().flatten().map(|need| need.word());
        let needs: Vec<&str> = needs.collect();
        text += &format!("\nmissing {}: {}: {}", check.number, needs.join(", "), check.title);
    }
    if report.counts().passed == 0 {
        text += "\nnothing was answered rightly";
    }
    text
}
