//! Runs the specification's vectors over an implementation: see `ubf-conformance --help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for the terminal")]

mod args;
mod machine_readable;

use std::any::Any;
use std::fs;
use std::io::{self, Write, stdin, stdout};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::{Child, ExitCode, Stdio};

use clap::Parser;
use ubf_conformance::capability::Capability;
use ubf_conformance::files::Files;
use ubf_conformance::line_protocol;
use ubf_conformance::live::{self, Guest, Target};
use ubf_conformance::ours::{Codec, Machines};
use ubf_conformance::program::Program;
use ubf_conformance::report::{Check, Report, Verdict};
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
    let required = args.require.clone().unwrap_or_default().0;
    let report = if let Some(server) = &args.server {
        live::server(&target(server, args)?, &args.selection())
    } else if let Some((program, arguments)) = args.client.split_first() {
        let mut start = |address: SocketAddr| start(program, arguments, address);
        let (name, timeout) = (program.clone(), args.timeout);
        live::client(&mut Guest { name, start: &mut start, timeout }, &args.selection())
    } else {
        by_vectors(args, &required)?
    };
    if let Some(file) = &args.junit {
        fs::write(file, machine_readable::junit(&report, &required))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    let text = if args.json {
        format!("{:#}", machine_readable::json(&report, &required))
    } else {
        text(&report, &required, args.verbose)
    };
    match writeln!(stdout(), "{text}") {
        // Who reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.map_err(|error| error.to_string())?,
    }
    Ok(report.passed(&required))
}

/// Runs the vectors.
fn by_vectors(args: &Args, required: &[Capability]) -> Result<Report, String> {
    let files = match &args.vectors {
        Some(folder) => Files::read(folder)?,
        None => Files::built_in(),
    };
    let (all, selection) = (Suite::load(&files)?, args.selection());
    let suite = all.clone().select(&selection)?;
    for requirement in all.unshown(&selection) {
        eprintln!(
            "ubf-conformance: no vector cites `{requirement}`: \
             see \"Requirements without a vector\" in the book"
        );
    }
    let with_notices = required.contains(&Capability::Notices);
    Ok(match args.command.split_first() {
        Some((program, arguments)) => {
            let program = Program::start(program, arguments, args.timeout)?;
            suite.run(&program, &mut &program, with_notices)
        }
        None => suite.run(&Codec, &mut Machines::default(), with_notices),
    })
}

fn target(server: &str, args: &Args) -> Result<Target, String> {
    let mut addresses = server.to_socket_addrs().map_err(|error| format!("`{server}`: {error}"))?;
    let address = addresses.next().ok_or_else(|| format!("`{server}` has no address"))?;
    let (service, request) = (args.service.clone(), args.request.clone());
    Ok(Target { address, service, request, timeout: args.timeout })
}

/// A client that is ended when this is dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(program: &str, arguments: &[String], address: SocketAddr) -> Result<Box<dyn Any>, String> {
    let address = address.to_string();
    let child = std::process::Command::new(program)
        .args(arguments.iter().map(|argument| argument.replace("{}", &address)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start `{program}`: {error}"))?;
    Ok(Box::new(Started(child)))
}

/// The report, and below it what is not supported, if that is wanted, and what is required and
/// missing.
fn text(report: &Report, required: &[Capability], is_verbose: bool) -> String {
    let mut text = report.to_string();
    let is_unsupported = |check: &&Check| is_verbose && check.verdict == Verdict::Unsupported;
    for check in report.checks.iter().filter(is_unsupported) {
        text += &format!("\nunsupported {}: {}", check.number, check.title);
    }
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
